package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// LifeStatus is DPM's word for whether a data set still counts: 1 valid, 2 expired.
type LifeStatus int

// The two life states of DPMDB.
const (
	Valid   LifeStatus = 1
	Expired LifeStatus = 2
)

// States of a data set on tape.
const (
	SetWriting    = "writing"    // begun, not ended: in progress, or cut off by a crash
	SetComplete   = "complete"   // ended, with its ESET
	SetIncomplete = "incomplete" // ended early, usable up to the last commit point
	SetFailed     = "failed"     // nothing of it is usable
)

// Dataset is DPM's physical data set: one copy of a recovery point on tape. A copy that spans tapes has one Span for
// each; MediaID, SetNumber and SSETObject are those of the first.
type Dataset struct {
	DatasetID       string
	CreationDate    time.Time
	ExpiryDate      time.Time // zero: never
	LifeStatus      LifeStatus
	RecoveryPointID string
	CopyNumber      int // 1, 2, ...
	SetState        string

	MediaID    string
	SetNumber  uint16 // MTF data set number
	SSETObject uint64 // logical object number of the SSET block

	ESETObject   uint64
	SafeObject   uint64    // last commit point: objects below this are on tape for certain
	SafeBytes    int64     // and this many bytes of the data
	CommitDate   time.Time // when that was
	Bytes        int64
	Files        int64
	CorruptFiles int64

	BlockSize    int
	Compressed   bool
	Encrypted    bool
	Envelope     []byte        // the wrapped data key (CMS), as it is on the tape
	Certificates []Certificate // which certificates open the envelope
	Software     string        // what wrote it
	Cataloged    bool          // its objects are in the catalog

	Spans []Span // set by the catalog; the first is the one above
}

// Certificate names a certificate that a data set is encrypted for; it holds no key.
type Certificate struct {
	Thumbprint string // SHA-1 or SHA-256 in hex, lower case
	Subject    string
	Issuer     string
	Serial     string
	NotAfter   time.Time
}

// Span is the part of a data set that is on one tape.
type Span struct {
	MediaID     string
	Sequence    int // 1, 2, ... in the order of the data
	SetNumber   uint16
	StartObject uint64
	EndObject   uint64 // first object after it; 0: not known
}

// SetEnd is how a data set ended.
type SetEnd struct {
	State        string // SetComplete, SetIncomplete or SetFailed
	ESETObject   uint64
	NextObject   uint64 // where the next data set of the tape begins; 0: the tape's is not changed
	Bytes        int64
	Files        int64
	CorruptFiles int64
	UsedBytes    int64 // of the tape; 0: not changed
	TapeFull     bool
	// AppendUncertain marks the tape: its end of data is not certain.
	AppendUncertain bool
	At              time.Time // zero: now
}

// DatasetFilter selects data sets; zero fields do not filter.
type DatasetFilter struct {
	MediaID         string
	RecoveryPointID string
	LifeStatus      LifeStatus
	SetStates       []string
	ExpiredBy       time.Time // whose expiry date is not after this
}

// BeginDataset records that a data set is about to be written at d.SSETObject of tape d.MediaID: LifeStatus is Valid,
// SetState SetWriting and the tape's state StateActive. It is durable when it returns, so that after a crash the tape is
// known to hold it. ErrExists; ErrNotFound when the tape or the recovery point is unknown; ErrState when the tape has
// another unfinished data set, or is one that is never written: imported, unrecognized, suspect, decommissioned, or a
// cleaning tape.
func (c *Catalog) BeginDataset(ctx context.Context, d Dataset) (Dataset, error) {
	d.LifeStatus, d.SetState, d.Spans = Valid, SetWriting, nil
	err := c.change(ctx, func(tx *sql.Tx) error {
		var other string
		err := tx.QueryRowContext(ctx,
			`SELECT pd.DatasetId FROM tbl_MM_PhysicalDataset pd JOIN tbl_MM_MediaMap mm USING (DatasetId)
			WHERE pd.SetState = 'writing' AND mm.MediaId = ? LIMIT 1`, cleanID(d.MediaID)).Scan(&other)
		if err == nil {
			return fmt.Errorf("data set %s on the same tape was never ended: %w", other, ErrState)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := writable(ctx, tx, cleanID(d.MediaID)); err != nil {
			return err
		}
		if d, err = c.insertDataset(ctx, tx, d); err != nil {
			return err
		}
		return changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_MM_Media SET State = ?, LastWrittenDate = ? WHERE MediaId = ?`,
			StateActive, c.now().UnixMicro(), d.MediaID))
	})
	if err != nil {
		return Dataset{}, fmt.Errorf("begin data set %d on tape %s: %w", d.SetNumber, d.MediaID, err)
	}
	return d, nil
}

// AddDataset records a data set that is on tape already, as a recatalog finds it, with all its Spans (or, without
// Spans, MediaID, SetNumber and SSETObject). An empty LifeStatus is Valid, an empty SetState SetComplete. ErrExists.
func (c *Catalog) AddDataset(ctx context.Context, d Dataset) (Dataset, error) {
	if d.LifeStatus == 0 {
		d.LifeStatus = Valid
	}
	if d.SetState == "" {
		d.SetState = SetComplete
	}
	err := c.change(ctx, func(tx *sql.Tx) (err error) {
		d, err = c.insertDataset(ctx, tx, d)
		return err
	})
	if err != nil {
		return Dataset{}, fmt.Errorf("add data set %d of tape %s: %w", d.SetNumber, d.MediaID, err)
	}
	return d, nil
}

// AddSpan records that an unfinished data set goes on on another tape, and that the tape it was on is full and holds it
// up to the last commit point. ErrNotFound, ErrState as for BeginDataset.
func (c *Catalog) AddSpan(ctx context.Context, datasetID string, s Span) error {
	id, mediaID := cleanID(datasetID), cleanID(s.MediaID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		d, err := datasetBy(ctx, tx, id)
		if err != nil {
			return err
		}
		if d.SetState != SetWriting {
			return fmt.Errorf("it is %s: %w", d.SetState, ErrState)
		}
		last := d.Spans[len(d.Spans)-1]
		if s.Sequence != 0 && s.Sequence != last.Sequence+1 {
			return fmt.Errorf("tape %d follows tape %d: %w", s.Sequence, last.Sequence, ErrState)
		}
		// The last commit point is all that is certain of the tape before.
		if _, err := tx.ExecContext(ctx,
			`UPDATE tbl_MM_MediaMap SET EndObject = ? WHERE DatasetId = ? AND Sequence = ?`,
			objectOrNull(d.SafeObject), id, last.Sequence); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_Media SET IsFull = 1, LastSetNumber = ? WHERE MediaId = ?`,
			orNull(last.SetNumber), last.MediaID); err != nil {
			return err
		}
		if err := writable(ctx, tx, mediaID); err != nil {
			return err
		}
		s.Sequence = last.Sequence + 1
		if err := insertSpan(ctx, tx, id, s); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_PhysicalDataset SET SafeObject = ? WHERE DatasetId = ?`,
			objectOrNull(s.StartObject), id); err != nil {
			return err
		}
		return changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_MM_Media SET State = ?, LastWrittenDate = ? WHERE MediaId = ?`,
			StateActive, c.now().UnixMicro(), mediaID))
	})
	if err != nil {
		return fmt.Errorf("continue data set %s on tape %s: %w", datasetID, s.MediaID, err)
	}
	return nil
}

// CommitPoint records that everything below safeObject of the data set's last tape, and safeBytes of its data, are on
// tape for certain. It is durable when it returns. ErrNotFound; ErrState when the data set is not being written or the
// commit point goes backwards.
func (c *Catalog) CommitPoint(ctx context.Context, datasetID string, safeObject uint64, safeBytes int64) error {
	id := cleanID(datasetID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		var state string
		var object, bytes int64
		err := tx.QueryRowContext(ctx, `SELECT SetState, coalesce(SafeObject, 0), coalesce(SafeBytes, 0)
			FROM tbl_MM_PhysicalDataset WHERE DatasetId = ?`, id).Scan(&state, &object, &bytes)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case state != SetWriting:
			return fmt.Errorf("it is %s: %w", state, ErrState)
		case safeObject < uint64(object) || safeBytes < bytes:
			return fmt.Errorf("object %d, byte %d was safe already: %w", object, bytes, ErrState)
		}
		_, err = tx.ExecContext(ctx, `UPDATE tbl_MM_PhysicalDataset SET SafeObject = ?, SafeBytes = ?, CommitDate = ?
			WHERE DatasetId = ?`, objectOrNull(safeObject), safeBytes, c.now().UnixMicro(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the commit point of data set %s at object %d: %w", datasetID, safeObject, err)
	}
	return nil
}

// FinishDataset ends a data set and updates the tape's NextObject, LastSetNumber, UsedBytes and LastWrittenDate in the
// same transaction. One that SetFailed is Expired at once. ErrNotFound; ErrState when it was ended before.
func (c *Catalog) FinishDataset(ctx context.Context, datasetID string, end SetEnd) error {
	id := cleanID(datasetID)
	if end.At.IsZero() {
		end.At = c.now()
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		d, err := datasetBy(ctx, tx, id)
		if err != nil {
			return err
		}
		if d.SetState != SetWriting {
			return fmt.Errorf("it is %s already: %w", d.SetState, ErrState)
		}
		life := Valid
		switch end.State {
		case SetComplete, SetIncomplete:
		case SetFailed:
			life = Expired // nothing of it is usable: it must not look valid to DPM's own query
		default:
			return fmt.Errorf("a data set does not end as %q: %w", end.State, ErrState)
		}
		if _, err := tx.ExecContext(ctx,
			`UPDATE tbl_MM_PhysicalDataset SET SetState = ?, LifeStatus = ?, ESETObject = ?,
			TotalBytes = ?, Files = ?, CorruptFiles = ? WHERE DatasetId = ?`, end.State, life, objectOrNull(end.ESETObject),
			end.Bytes, end.Files, end.CorruptFiles, id); err != nil {
			return err
		}
		return finishTape(ctx, tx, d, end)
	})
	if err != nil {
		return fmt.Errorf("finish data set %s: %w", datasetID, err)
	}
	return nil
}

// Dataset finds a data set by its identifier. ErrNotFound.
func (c *Catalog) Dataset(ctx context.Context, id string) (Dataset, error) {
	d, err := datasetBy(ctx, c.read, cleanID(id))
	if err != nil {
		return Dataset{}, fmt.Errorf("find data set %s: %w", id, err)
	}
	return d, nil
}

// Datasets lists data sets by tape position when the filter names a tape, else newest first.
func (c *Catalog) Datasets(ctx context.Context, f DatasetFilter) ([]Dataset, error) {
	var w where
	order := `CreationDate DESC, CopyNumber, DatasetId`
	w.addIf(f.RecoveryPointID != "", `RecoveryPointId = ?`, cleanID(f.RecoveryPointID))
	w.addIf(f.LifeStatus != 0, `LifeStatus = ?`, int(f.LifeStatus))
	w.addIf(!f.ExpiredBy.IsZero(), `ExpiryDate <= ?`, f.ExpiredBy.UnixMicro())
	w.addList(`SetState`, f.SetStates)
	if f.MediaID != "" {
		w.addIf(true, `DatasetId IN (SELECT DatasetId FROM tbl_MM_MediaMap WHERE MediaId = ?)`, cleanID(f.MediaID))
		order = `(SELECT min(coalesce(mm.StartObject, 0)) FROM tbl_MM_MediaMap mm WHERE mm.DatasetId = pd.DatasetId
			AND mm.MediaId = ?), ` + order
		w.args = append(w.args, cleanID(f.MediaID))
	}
	all, err := datasets(ctx, c.read, w.String()+` ORDER BY `+order, w.args...)
	if err != nil {
		return nil, fmt.Errorf("list data sets: %w", err)
	}
	return all, nil
}

// UnfinishedDatasets lists the data sets that were begun and never ended, as a crash leaves them, oldest first.
func (c *Catalog) UnfinishedDatasets(ctx context.Context) ([]Dataset, error) {
	all, err := datasets(ctx, c.read, `SetState = 'writing' ORDER BY CreationDate, DatasetId`)
	if err != nil {
		return nil, fmt.Errorf("list unfinished data sets: %w", err)
	}
	return all, nil
}

// SetExpired marks data sets as expired and writes an event for each that was valid; it returns how many those were.
func (c *Catalog) SetExpired(ctx context.Context, datasetIDs ...string) (int, error) {
	n := 0
	err := c.change(ctx, func(tx *sql.Tx) error {
		for _, id := range datasetIDs {
			d, err := datasetBy(ctx, tx, cleanID(id))
			if err != nil {
				return fmt.Errorf("data set %s: %w", id, err)
			}
			if d.LifeStatus == Expired {
				continue
			}
			if err := expire(ctx, tx, d, c.now(), "by the operator"); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("expire data sets: %w", err)
	}
	return n, nil
}

// SetExpiry gives all data sets of a recovery point, and itself, another expiry date (zero: never).
func (c *Catalog) SetExpiry(ctx context.Context, recoveryPointID string, expiry time.Time) error {
	id := cleanID(recoveryPointID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		if err := changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_RM_RecoveryPoint SET ExpiryDate = ? WHERE RecoveryPointId = ?`,
			dateOrNull(expiry), id)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE tbl_MM_PhysicalDataset SET ExpiryDate = ? WHERE RecoveryPointId = ?`,
			dateOrNull(expiry), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("change the expiry date of recovery point %s: %w", recoveryPointID, err)
	}
	return nil
}

// ExpireBy marks the valid data sets whose expiry date is not after at as expired and returns them.
func (c *Catalog) ExpireBy(ctx context.Context, at time.Time) ([]Dataset, error) {
	var all []Dataset
	err := c.change(ctx, func(tx *sql.Tx) (err error) {
		all, err = datasets(ctx, tx,
			`LifeStatus = 1 AND SetState <> 'writing' AND ExpiryDate <= ? ORDER BY ExpiryDate, DatasetId`,
			at.UnixMicro())
		if err != nil {
			return err
		}
		for i := range all {
			if err := expire(ctx, tx, all[i], c.now(), "its retention is over"); err != nil {
				return err
			}
			all[i].LifeStatus = Expired
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("expire data sets by %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	return all, nil
}

// RemoveDatasets takes all data sets that are on a tape out of the catalog, with their objects, as when the tape is
// overwritten; recovery points that have no copy left go too. Of a data set that spans tapes only the part on this tape
// goes: it stays, as SetIncomplete. It refuses with ErrState while one of them is valid and
// not failed, unless force is set. It returns how many data sets went.
func (c *Catalog) RemoveDatasets(ctx context.Context, mediaID string, force bool) (int, error) {
	id, n := cleanID(mediaID), 0
	err := c.change(ctx, func(tx *sql.Tx) error {
		if _, err := mediaBy(ctx, tx, `MediaId = ?`, id); err != nil {
			return err
		}
		var valid int
		if err := tx.QueryRowContext(ctx,
			`SELECT count(*) FROM tbl_MM_PhysicalDataset WHERE LifeStatus = 1 AND DatasetId IN
			(SELECT DatasetId FROM tbl_MM_MediaMap WHERE MediaId = ?)`, id).Scan(&valid); err != nil {
			return err
		}
		if valid > 0 && !force {
			return fmt.Errorf("%d of its data sets are valid: %w", valid, ErrState)
		}
		var err error
		n, err = removeDatasets(ctx, tx, id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove the data sets of tape %s: %w", mediaID, err)
	}
	return n, nil
}
