package mediacatalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Found is one data set on one tape that Find found.
type Found struct {
	RecoveryPointID string
	Name            string // of the recovery point
	Server          string
	External        bool
	DatasetID       string
	CopyNumber      int
	CreationDate    time.Time
	ExpiryDate      time.Time
	LifeStatus      LifeStatus
	SetState        string
	Encrypted       bool
	Certificates    []Certificate
	SetNumber       uint16
	Sequence        int // which tape of the data set, from 1
	Tapes           int // of how many

	MediaID        string
	Label          string
	Barcode        string
	MediaType      string
	State          string // of the tape
	Library        string // its name; empty: offline
	ElementAddress int    // -1: offline
	ElementType    int    // 0: not known
	ElementNumber  int    // the operator's number within the type; 0: not known

	Path     string // one object that fits, when it was an object and not the recovery point's name
	FileSpec string
	Kind     string // of that object, such as KindFile; a volume only where nothing else fits
	Objects  int64  // how many objects of the data set fit
}

// Find lists the data sets, with every tape they are on, newest first, that have an object whose path or file spec
// contains like, or whose recovery point's name does; without regard to case of ASCII letters. The text is taken
// literally: % and _ have no meaning.
func (c *Catalog) Find(ctx context.Context, like string) ([]Found, error) {
	if strings.ContainsRune(like, 0) { // LIKE ends there
		return nil, fmt.Errorf("find %q: it holds a zero character", like)
	}
	candidates, args := c.searchCandidates(ctx, like)
	found, err := c.find(ctx, candidates, args, like)
	if err != nil && candidates != allObjects && ctx.Err() == nil {
		// A damaged index must not hide what the tables have.
		c.stale.Store(true)
		found, err = c.find(ctx, allObjects, nil, like)
	}
	if err != nil {
		return nil, fmt.Errorf("find %q: %w", like, err)
	}
	return found, nil
}

// find searches among the candidates, a query for numbers of objects that may fit.
func (c *Catalog) find(ctx context.Context, candidates string, args []any, like string) ([]Found, error) {
	found, err := collect(ctx, c.read, scanFound, `
		WITH hit AS (
			SELECT o.DatasetId, coalesce(min(CASE WHEN o.Kind = 'volume' THEN NULL ELSE o.ObjectId END), min(o.ObjectId)) AS ObjectId,
			       count(*) AS Objects
			  FROM tbl_RM_RecoverableObjectFileSpec o
			 WHERE `+candidates+` (o.FileSpec LIKE ?1 ESCAPE '\' OR o.Path LIKE ?1 ESCAPE '\')
			 GROUP BY o.DatasetId)
		SELECT rp.RecoveryPointId, rp.Name, rp.Server, rp.IsExternal, pd.DatasetId, pd.CopyNumber, pd.CreationDate, pd.ExpiryDate,
		       pd.LifeStatus, pd.SetState, pd.IsEncrypted, mm.SetNumber, mm.Sequence,
		       (SELECT count(*) FROM tbl_MM_MediaMap n WHERE n.DatasetId = pd.DatasetId),
		       m.MediaId, m.Label, m.BarcodeValue, m.MediaType, m.State, l.Name, m.ElementAddress, e.ElementType, e.Number,
		       o.Path, o.FileSpec, o.Kind, hit.Objects
		  FROM tbl_MM_PhysicalDataset pd
		  JOIN tbl_RM_RecoveryPoint rp ON rp.RecoveryPointId = pd.RecoveryPointId
		  JOIN tbl_MM_MediaMap mm ON mm.DatasetId = pd.DatasetId
		  JOIN tbl_MM_Media m ON m.MediaId = mm.MediaId
		  LEFT JOIN hit ON hit.DatasetId = pd.DatasetId
		  LEFT JOIN tbl_RM_RecoverableObjectFileSpec o ON o.ObjectId = hit.ObjectId
		  LEFT JOIN tbl_MM_Library l ON l.LibraryId = m.LibraryId
		  LEFT JOIN tbl_MM_Element e ON e.LibraryId = m.LibraryId AND e.ElementAddress = m.ElementAddress
		 WHERE hit.DatasetId IS NOT NULL OR rp.Name LIKE ?1 ESCAPE '\'
		 ORDER BY pd.CreationDate DESC, pd.RecoveryPointId, pd.CopyNumber, pd.DatasetId, mm.Sequence`,
		append([]any{likePattern(like)}, args...)...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].DatasetID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	certificates, err := certificatesOf(ctx, c.read, string(list))
	for i := range found {
		found[i].Certificates = certificates[found[i].DatasetID]
	}
	return found, err
}

func scanFound(s scanner) (f Found, err error) {
	err = s.Scan(&f.RecoveryPointID, &f.Name, into(&f.Server), &f.External, &f.DatasetID, &f.CopyNumber,
		intoDate(&f.CreationDate),
		intoDate(&f.ExpiryDate), &f.LifeStatus, &f.SetState, &f.Encrypted, into(&f.SetNumber), &f.Sequence, &f.Tapes, &f.MediaID,
		into(&f.Label), into(&f.Barcode), into(&f.MediaType), &f.State, into(&f.Library), intoAddress(&f.ElementAddress),
		into(&f.ElementType), into(&f.ElementNumber), into(&f.Path), into(&f.FileSpec), into(&f.Kind), into(&f.Objects))
	return f, err
}
