-- Recovery points, data sets, where they are on tape, and their objects.

-- +goose Up
CREATE TABLE tbl_RM_RecoveryPoint (
    RecoveryPointId TEXT NOT NULL PRIMARY KEY,
    Name            TEXT NOT NULL,
    Server          TEXT,
    CreationDate    INTEGER NOT NULL,
    ExpiryDate      INTEGER,
    SourceKind      TEXT,
    TotalBytes      INTEGER,
    Files           INTEGER,
    CorruptFiles    INTEGER,
    IsExternal      INTEGER NOT NULL DEFAULT 0 CHECK (IsExternal IN (0, 1)),
    DomainId        TEXT
) STRICT;
CREATE INDEX ix_RM_RecoveryPoint_CreationDate ON tbl_RM_RecoveryPoint (CreationDate);

CREATE TABLE tbl_MM_PhysicalDataset (
    DatasetId       TEXT NOT NULL PRIMARY KEY,
    CreationDate    INTEGER NOT NULL,
    ExpiryDate      INTEGER,
    LifeStatus      INTEGER NOT NULL CHECK (LifeStatus IN (1, 2)),
    RecoveryPointId TEXT NOT NULL REFERENCES tbl_RM_RecoveryPoint (RecoveryPointId),
    CopyNumber      INTEGER NOT NULL,
    SetState        TEXT NOT NULL CHECK (SetState IN ('writing', 'complete', 'incomplete', 'failed')),
    ESETObject      INTEGER,
    SafeObject      INTEGER,
    SafeBytes       INTEGER,
    CommitDate      INTEGER,
    TotalBytes      INTEGER,
    Files           INTEGER,
    CorruptFiles    INTEGER,
    BlockSize       INTEGER,
    IsCompressed    INTEGER NOT NULL DEFAULT 0 CHECK (IsCompressed IN (0, 1)),
    IsEncrypted     INTEGER NOT NULL DEFAULT 0 CHECK (IsEncrypted IN (0, 1)),
    Envelope        BLOB,
    Software        TEXT,
    IsCataloged     INTEGER NOT NULL DEFAULT 0 CHECK (IsCataloged IN (0, 1))
) STRICT;
CREATE INDEX ix_MM_PhysicalDataset_RecoveryPointId ON tbl_MM_PhysicalDataset (RecoveryPointId);
CREATE INDEX ix_MM_PhysicalDataset_Writing ON tbl_MM_PhysicalDataset (DatasetId) WHERE SetState = 'writing';

CREATE TABLE tbl_MM_MediaMap (
    MediaId     TEXT NOT NULL REFERENCES tbl_MM_Media (MediaId),
    DatasetId   TEXT NOT NULL REFERENCES tbl_MM_PhysicalDataset (DatasetId) ON DELETE CASCADE,
    Sequence    INTEGER NOT NULL,
    SetNumber   INTEGER,
    StartObject INTEGER,
    EndObject   INTEGER,
    PRIMARY KEY (DatasetId, Sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX ix_MM_MediaMap_MediaId ON tbl_MM_MediaMap (MediaId);

CREATE TABLE tbl_MM_DatasetCertificate (
    DatasetId    TEXT NOT NULL REFERENCES tbl_MM_PhysicalDataset (DatasetId) ON DELETE CASCADE,
    Thumbprint   TEXT NOT NULL,
    Subject      TEXT,
    Issuer       TEXT,
    SerialNumber TEXT,
    NotAfterDate INTEGER,
    PRIMARY KEY (DatasetId, Thumbprint)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT, so that a number is never used again: the search index relies on it.
CREATE TABLE tbl_RM_RecoverableObjectFileSpec (
    DatasetId    TEXT NOT NULL REFERENCES tbl_MM_PhysicalDataset (DatasetId) ON DELETE CASCADE,
    Path         TEXT NOT NULL,
    FileSpec     TEXT NOT NULL,
    ObjectId     INTEGER PRIMARY KEY AUTOINCREMENT,
    Kind         TEXT,
    SizeBytes    INTEGER,
    ModifiedDate INTEGER,
    SHA256       BLOB CHECK (length(SHA256) = 32),
    FLA          INTEGER,
    IsCorrupt    INTEGER NOT NULL DEFAULT 0 CHECK (IsCorrupt IN (0, 1)),
    CorruptFrom  INTEGER
) STRICT;
CREATE INDEX ix_RM_RecoverableObjectFileSpec_DatasetId ON tbl_RM_RecoverableObjectFileSpec (DatasetId);

-- How far the optional full text index has come; the index itself is made outside the migrations, because not every
-- build of SQLite has FTS5.
CREATE TABLE tbl_TC_SearchIndex (
    IndexId      INTEGER NOT NULL PRIMARY KEY CHECK (IndexId = 1),
    LastObjectId INTEGER NOT NULL,
    IndexedRows  INTEGER NOT NULL
) STRICT;
INSERT INTO tbl_TC_SearchIndex (IndexId, LastObjectId, IndexedRows) VALUES (1, 0, 0);
