-- DPM's documented views, over tapectl's tables. group_concat is SQLite's name for string_agg.

-- +goose Up
CREATE VIEW Vw_DPM_Media AS
SELECT m.Label AS MediaLabel,
       m.BarcodeValue AS MediaBarcode,
       CASE WHEN m.LibraryId IS NULL THEN 0 ELSE 1 END AS IsOnline,
       l.Name AS LibraryName,
       e.Number AS MediaSlotNumber,
       (SELECT group_concat(DISTINCT rp.Name)
          FROM tbl_MM_MediaMap mm
          JOIN tbl_MM_PhysicalDataset pd ON pd.DatasetId = mm.DatasetId
          JOIN tbl_RM_RecoveryPoint rp ON rp.RecoveryPointId = pd.RecoveryPointId
         WHERE mm.MediaId = m.MediaId) AS PGName,
       (SELECT max(pd.ExpiryDate)
          FROM tbl_MM_MediaMap mm
          JOIN tbl_MM_PhysicalDataset pd ON pd.DatasetId = mm.DatasetId
         WHERE mm.MediaId = m.MediaId AND pd.SetState <> 'failed') AS MediaExpiryDate
  FROM tbl_MM_Media m
  LEFT JOIN tbl_MM_Library l ON l.LibraryId = m.LibraryId
  LEFT JOIN tbl_MM_Element cur ON cur.LibraryId = m.LibraryId AND cur.ElementAddress = m.ElementAddress
  LEFT JOIN tbl_MM_Element e ON e.LibraryId = m.LibraryId
       AND e.ElementAddress = CASE WHEN cur.ElementType IN (1, 4) THEN m.HomeElement ELSE m.ElementAddress END;

CREATE VIEW Vw_DPM_CurrentOnlineMedia AS
SELECT l.Name AS UserFriendlyName,
       count(CASE WHEN m.State = 'Imported' THEN 1 END) AS ImportPoolMediaCount,
       count(CASE WHEN m.State IN ('Free', 'Free (contains data)', 'Blank') THEN 1 END) AS FreePoolMediaCount,
       count(CASE WHEN m.State IN ('Active', 'Offsite Ready') THEN 1 END) AS AdminPoolMediaCount
  FROM tbl_MM_Library l
  LEFT JOIN tbl_MM_Media m ON m.LibraryId = l.LibraryId
 GROUP BY l.LibraryId;
