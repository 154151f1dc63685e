package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// RecoveryPoint is one backup of a data source; its copies on tapes are Datasets.
type RecoveryPoint struct {
	RecoveryPointID string
	Name            string // the data source's name, given by the operator
	Server          string // where the data came from
	CreationDate    time.Time
	ExpiryDate      time.Time // zero: never
	SourceKind      string    // "file", "folder", "stream", "mssql", ...
	TotalBytes      int64
	Files           int64
	CorruptFiles    int64
	External        bool   // recataloged from a tape of another server: shown under "External DPM tapes"
	DomainID        string // of the server that made it, for external ones
	Copies          int    // data sets that are valid and complete; set by the catalog
}

// RecoveryPointFilter selects recovery points; zero fields do not filter.
type RecoveryPointFilter struct {
	Name      string // contains, without regard to case
	Server    string // contains, without regard to case
	MediaID   string // with a copy on this tape
	ValidOnly bool   // with at least one valid copy
	External  bool   // only external ones
	Since     time.Time
	ExpiredBy time.Time // whose expiry date is not after this
	Limit     int       // 0: all
}

// BeginRecoveryPoint adds a recovery point and returns it with its identifier. ErrExists.
func (c *Catalog) BeginRecoveryPoint(ctx context.Context, p RecoveryPoint) (RecoveryPoint, error) {
	if p.RecoveryPointID = cleanID(p.RecoveryPointID); p.RecoveryPointID == "" {
		p.RecoveryPointID = newID()
	}
	if p.CreationDate.IsZero() {
		p.CreationDate = c.now()
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO tbl_RM_RecoveryPoint (RecoveryPointId, Name, Server, CreationDate, ExpiryDate,
			SourceKind, TotalBytes, Files, CorruptFiles, IsExternal, DomainId) VALUES `+marks(11), p.RecoveryPointID, p.Name,
			orNull(p.Server), dateOrNull(p.CreationDate), dateOrNull(p.ExpiryDate), orNull(p.SourceKind), orNull(p.TotalBytes),
			orNull(p.Files), orNull(p.CorruptFiles), p.External, orNull(cleanID(p.DomainID)))
		if isUnique(err) {
			return ErrExists
		}
		return err
	})
	if err != nil {
		return RecoveryPoint{}, fmt.Errorf("begin recovery point %s %s: %w", p.Name, p.RecoveryPointID, err)
	}
	return c.RecoveryPoint(ctx, p.RecoveryPointID)
}

// UpdateRecoveryPoint writes Name, Server, ExpiryDate, SourceKind, TotalBytes, Files and CorruptFiles of a recovery
// point. ErrNotFound.
func (c *Catalog) UpdateRecoveryPoint(ctx context.Context, p RecoveryPoint) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		return changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_RM_RecoveryPoint SET Name = ?, Server = ?, ExpiryDate = ?, SourceKind = ?,
			TotalBytes = ?, Files = ?, CorruptFiles = ? WHERE RecoveryPointId = ?`, p.Name, orNull(p.Server), dateOrNull(p.ExpiryDate),
			orNull(p.SourceKind), orNull(p.TotalBytes), orNull(p.Files), orNull(p.CorruptFiles), cleanID(p.RecoveryPointID)))
	})
	if err != nil {
		return fmt.Errorf("update recovery point %s: %w", p.RecoveryPointID, err)
	}
	return nil
}

// RemoveRecoveryPoint takes a recovery point out of the catalog that has no data set, as a backup leaves it that failed
// before its first. ErrNotFound; ErrState when it has data sets.
func (c *Catalog) RemoveRecoveryPoint(ctx context.Context, id string) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		var sets int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM tbl_MM_PhysicalDataset WHERE RecoveryPointId = ?`,
			cleanID(id)).Scan(&sets); err != nil {
			return err
		}
		if sets > 0 {
			return fmt.Errorf("it has %d data sets: %w", sets, ErrState)
		}
		return changedOne(tx.ExecContext(ctx, `DELETE FROM tbl_RM_RecoveryPoint WHERE RecoveryPointId = ?`,
			cleanID(id)))
	})
	if err != nil {
		return fmt.Errorf("remove recovery point %s: %w", id, err)
	}
	return nil
}

// RecoveryPoint finds a recovery point by its identifier or a prefix of it (4 characters or more) that fits only one.
// ErrNotFound, ErrAmbiguous.
func (c *Catalog) RecoveryPoint(ctx context.Context, id string) (RecoveryPoint, error) {
	p, err := c.recoveryPoint(ctx, cleanID(id))
	if err != nil {
		return RecoveryPoint{}, fmt.Errorf("find recovery point %s: %w", id, err)
	}
	return p, nil
}

func (c *Catalog) recoveryPoint(ctx context.Context, id string) (RecoveryPoint, error) {
	if len(id) < 4 {
		return RecoveryPoint{}, errors.New("give 4 characters of its identifier or more")
	}
	// Every text that begins with id is at least id and less than id followed by the highest character.
	all, err := collect(ctx, c.read, scanRecoveryPoint, `SELECT `+recoveryPointColumns+` FROM tbl_RM_RecoveryPoint rp
		WHERE RecoveryPointId >= ?1 AND RecoveryPointId < ?1 || char(1114111) ORDER BY RecoveryPointId LIMIT 2`, id)
	switch {
	case err != nil:
		return RecoveryPoint{}, err
	case len(all) == 0:
		return RecoveryPoint{}, ErrNotFound
	case len(all) > 1 && all[0].RecoveryPointID != id:
		return RecoveryPoint{}, ErrAmbiguous
	}
	return all[0], nil
}

// RecoveryPoints lists recovery points, newest first.
func (c *Catalog) RecoveryPoints(ctx context.Context, f RecoveryPointFilter) ([]RecoveryPoint, error) {
	var w where
	w.addIf(f.Name != "", `Name LIKE ? ESCAPE '\'`, likePattern(f.Name))
	w.addIf(f.Server != "", `Server LIKE ? ESCAPE '\'`, likePattern(f.Server))
	w.addIf(f.MediaID != "", `EXISTS (SELECT 1 FROM tbl_MM_MediaMap mm JOIN tbl_MM_PhysicalDataset pd USING (DatasetId)
		WHERE mm.MediaId = ? AND pd.RecoveryPointId = rp.RecoveryPointId)`, cleanID(f.MediaID))
	w.addIf(f.ValidOnly, `EXISTS (SELECT 1 FROM tbl_MM_PhysicalDataset pd WHERE pd.RecoveryPointId = rp.RecoveryPointId
		AND pd.LifeStatus = 1)`)
	w.addIf(f.External, `IsExternal = 1`)
	w.addIf(!f.Since.IsZero(), `CreationDate >= ?`, f.Since.UnixMicro())
	w.addIf(!f.ExpiredBy.IsZero(), `ExpiryDate <= ?`, f.ExpiredBy.UnixMicro())
	if f.Limit <= 0 {
		f.Limit = -1 // SQLite: no limit
	}
	all, err := collect(ctx, c.read, scanRecoveryPoint,
		`SELECT `+recoveryPointColumns+` FROM tbl_RM_RecoveryPoint rp WHERE `+
			w.String()+` ORDER BY CreationDate DESC, RecoveryPointId LIMIT ?`, append(w.args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list recovery points: %w", err)
	}
	return all, nil
}

const recoveryPointColumns = `RecoveryPointId, Name, Server, CreationDate, ExpiryDate, SourceKind, TotalBytes, Files,
	CorruptFiles, IsExternal, DomainId, (SELECT count(*) FROM tbl_MM_PhysicalDataset pd
	WHERE pd.RecoveryPointId = rp.RecoveryPointId AND pd.LifeStatus = 1 AND pd.SetState = 'complete')`

func scanRecoveryPoint(s scanner) (p RecoveryPoint, err error) {
	err = s.Scan(&p.RecoveryPointID, &p.Name, into(&p.Server), intoDate(&p.CreationDate), intoDate(&p.ExpiryDate),
		into(&p.SourceKind), into(&p.TotalBytes), into(&p.Files), into(&p.CorruptFiles), &p.External, into(&p.DomainID), &p.Copies)
	return p, err
}
