package mediacatalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

const datasetColumns = `DatasetId, CreationDate, ExpiryDate, LifeStatus, RecoveryPointId, CopyNumber, SetState, ESETObject,
	SafeObject, SafeBytes, CommitDate, TotalBytes, Files, CorruptFiles, BlockSize, IsCompressed, IsEncrypted, Envelope,
	Software, IsCataloged`

func datasetValues(d Dataset) []any {
	return []any{d.DatasetID, d.CreationDate.UnixMicro(), dateOrNull(d.ExpiryDate), int(d.LifeStatus),
		d.RecoveryPointID,
		d.CopyNumber, d.SetState, objectOrNull(d.ESETObject), objectOrNull(d.SafeObject), orNull(d.SafeBytes),
		dateOrNull(d.CommitDate), orNull(d.Bytes), orNull(d.Files), orNull(d.CorruptFiles), orNull(d.BlockSize), d.Compressed,
		d.Encrypted, d.Envelope, orNull(d.Software), d.Cataloged}
}

func scanDataset(s scanner) (d Dataset, err error) {
	err = s.Scan(&d.DatasetID, intoDate(&d.CreationDate), intoDate(&d.ExpiryDate), &d.LifeStatus, &d.RecoveryPointID,
		&d.CopyNumber, &d.SetState, into(&d.ESETObject), into(&d.SafeObject), into(&d.SafeBytes), intoDate(&d.CommitDate),
		into(&d.Bytes), into(&d.Files), into(&d.CorruptFiles), into(&d.BlockSize), &d.Compressed, &d.Encrypted, &d.Envelope,
		into(&d.Software), &d.Cataloged)
	return d, err
}

// insertDataset writes a data set with its spans and certificates and returns it as it is in the catalog.
func (c *Catalog) insertDataset(ctx context.Context, tx *sql.Tx, d Dataset) (Dataset, error) {
	if d.DatasetID = cleanID(d.DatasetID); d.DatasetID == "" {
		d.DatasetID = newID()
	}
	if d.CreationDate.IsZero() {
		d.CreationDate = c.now()
	}
	d.RecoveryPointID = cleanID(d.RecoveryPointID)
	d.CopyNumber = max(d.CopyNumber, 1)
	if len(d.Spans) == 0 {
		d.Spans = []Span{{MediaID: d.MediaID, Sequence: 1, SetNumber: d.SetNumber, StartObject: d.SSETObject}}
	}
	var known bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tbl_RM_RecoveryPoint WHERE RecoveryPointId = ?)`,
		d.RecoveryPointID).Scan(&known); err != nil {
		return d, err
	}
	if !known {
		return d, fmt.Errorf("recovery point %s: %w", d.RecoveryPointID, ErrNotFound)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO tbl_MM_PhysicalDataset (`+datasetColumns+`) VALUES `+marks(20),
		datasetValues(d)...)
	if isUnique(err) {
		return d, fmt.Errorf("data set %s: %w", d.DatasetID, ErrExists)
	}
	if err != nil {
		return d, err
	}
	for _, s := range d.Spans {
		if err := insertSpan(ctx, tx, d.DatasetID, s); err != nil {
			return d, err
		}
	}
	for _, k := range d.Certificates {
		if _, err := tx.ExecContext(ctx,
			`INSERT OR REPLACE INTO tbl_MM_DatasetCertificate (DatasetId, Thumbprint, Subject, Issuer,
			SerialNumber, NotAfterDate) VALUES `+marks(6), d.DatasetID, cleanID(k.Thumbprint), orNull(k.Subject), orNull(k.Issuer),
			orNull(k.Serial), dateOrNull(k.NotAfter)); err != nil {
			return d, err
		}
	}
	return datasetBy(ctx, tx, d.DatasetID)
}

func insertSpan(ctx context.Context, tx *sql.Tx, datasetID string, s Span) error {
	id := cleanID(s.MediaID)
	if _, err := mediaBy(ctx, tx, `MediaId = ?`, id); err != nil {
		return fmt.Errorf("tape %s: %w", s.MediaID, err)
	}
	_, err := tx.ExecContext(ctx,
		`INSERT INTO tbl_MM_MediaMap (MediaId, DatasetId, Sequence, SetNumber, StartObject, EndObject)
		VALUES `+marks(6), id, datasetID, s.Sequence, orNull(s.SetNumber), objectOrNull(s.StartObject), objectOrNull(s.EndObject))
	if isUnique(err) {
		return fmt.Errorf("part %d of data set %s: %w", s.Sequence, datasetID, ErrExists)
	}
	return err
}

// writable is ErrState for a tape that must not be written whatever else is known, ErrNotFound for none.
func writable(ctx context.Context, tx *sql.Tx, mediaID string) error {
	m, err := mediaBy(ctx, tx, `MediaId = ?`, mediaID)
	if err != nil {
		return fmt.Errorf("tape %s: %w", mediaID, err)
	}
	switch m.State {
	case StateImported, StateUnrecognized, StateSuspect, StateDecommissioned, StateCleaning:
		return fmt.Errorf("tape %s is never written, its state is %s: %w", m.name(), m.State, ErrState)
	}
	if m.Cleaning {
		return fmt.Errorf("tape %s is a cleaning tape: %w", m.name(), ErrState)
	}
	return nil
}

// finishTape records where the data set that ends leaves its last tape.
func finishTape(ctx context.Context, tx *sql.Tx, d Dataset, end SetEnd) error {
	last := d.Spans[len(d.Spans)-1]
	if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_MediaMap SET EndObject = coalesce(?, EndObject)
		WHERE DatasetId = ? AND Sequence = ?`, objectOrNull(end.NextObject), d.DatasetID, last.Sequence); err != nil {
		return err
	}
	var number any // the set number counts only where the tape goes on behind it
	if end.NextObject != 0 {
		number = orNull(last.SetNumber)
	}
	return changedOne(tx.ExecContext(ctx, `UPDATE tbl_MM_Media SET NextObject = coalesce(?1, NextObject),
		LastSetNumber = coalesce(?2, LastSetNumber), UsedBytes = coalesce(?3, UsedBytes), IsFull = max(IsFull, ?4),
		IsAppendUncertain = CASE WHEN ?5 THEN 1 WHEN ?6 THEN 0 ELSE IsAppendUncertain END, LastWrittenDate = ?7 WHERE MediaId = ?8`,
		objectOrNull(end.NextObject), number, orNull(end.UsedBytes), end.TapeFull, end.AppendUncertain,
		end.State == SetComplete, end.At.UnixMicro(), last.MediaID))
}

func expire(ctx context.Context, tx *sql.Tx, d Dataset, at time.Time, why string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_PhysicalDataset SET LifeStatus = 2 WHERE DatasetId = ?`,
		d.DatasetID); err != nil {
		return err
	}
	return insertEvents(ctx, tx, at, []Event{{Kind: "data set expired", MediaID: d.MediaID, ElementAddress: -1,
		Message: fmt.Sprintf("Data set %d (%s, copy %d) on tape %s is expired: %s.", d.SetNumber, d.DatasetID,
			d.CopyNumber,
			d.MediaID, why)}})
}

// removeDatasets takes a tape's part of every data set away, and what is left without any tape. Only what was on the
// tape is touched: a recovery point that another process has just begun has no data set yet.
func removeDatasets(ctx context.Context, tx *sql.Tx, mediaID string) (int, error) {
	var on []string
	_, err := collect(ctx, tx, func(s scanner) (p [2]string, err error) {
		err = s.Scan(&p[0], &p[1])
		on = append(on, p[0], p[1])
		return p, err
	}, `SELECT DISTINCT DatasetId, RecoveryPointId FROM tbl_MM_MediaMap JOIN tbl_MM_PhysicalDataset USING (DatasetId)
		WHERE MediaId = ?`, mediaID)
	if err != nil || len(on) == 0 {
		return 0, err
	}
	ids, err := json.Marshal(on) // identifiers of both kinds: UUIDs do not meet
	if err != nil {
		return 0, err
	}
	list := string(ids)
	for _, step := range []struct {
		stmt string
		args []any
	}{
		{`DELETE FROM tbl_MM_MediaMap WHERE MediaId = ?`, []any{mediaID}},
		{`DELETE FROM tbl_MM_PhysicalDataset WHERE DatasetId IN (SELECT value FROM json_each(?)) AND
			DatasetId NOT IN (SELECT DatasetId FROM tbl_MM_MediaMap)`, []any{list}},
		{`UPDATE tbl_MM_PhysicalDataset SET SetState = 'incomplete' WHERE DatasetId IN (SELECT value FROM json_each(?)) AND
			SetState IN ('complete', 'writing')`, []any{list}},
		{`DELETE FROM tbl_RM_RecoveryPoint WHERE RecoveryPointId IN (SELECT value FROM json_each(?)) AND
			RecoveryPointId NOT IN (SELECT RecoveryPointId FROM tbl_MM_PhysicalDataset)`, []any{list}},
	} {
		if _, err := tx.ExecContext(ctx, step.stmt, step.args...); err != nil {
			return 0, err
		}
	}
	return len(on) / 2, nil
}

// datasets lists data sets with their spans and certificates. rest is the condition and the order.
func datasets(ctx context.Context, q querier, rest string, args ...any) ([]Dataset, error) {
	all, err := collect(ctx, q, scanDataset, `SELECT `+datasetColumns+` FROM tbl_MM_PhysicalDataset pd WHERE `+rest,
		args...)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	at := make(map[string]*Dataset, len(all))
	ids := make([]string, len(all))
	for i := range all {
		at[all[i].DatasetID], ids[i] = &all[i], all[i].DatasetID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	// json_each is SQLite's way to hand over a list; elsewhere it is "= ANY ($1)".
	_, err = collect(ctx, q, func(s scanner) (sp Span, err error) {
		var id string
		if err = s.Scan(&id, &sp.MediaID, &sp.Sequence, into(&sp.SetNumber), into(&sp.StartObject),
			into(&sp.EndObject)); err == nil {
			at[id].Spans = append(at[id].Spans, sp)
		}
		return sp, err
	}, `SELECT DatasetId, MediaId, Sequence, SetNumber, StartObject, EndObject FROM tbl_MM_MediaMap
		WHERE DatasetId IN (SELECT value FROM json_each(?)) ORDER BY DatasetId, Sequence`, string(list))
	if err != nil {
		return nil, err
	}
	certificates, err := certificatesOf(ctx, q, string(list))
	for i := range all {
		all[i].Certificates = certificates[all[i].DatasetID]
		if len(all[i].Spans) > 0 {
			first := all[i].Spans[0]
			all[i].MediaID, all[i].SetNumber, all[i].SSETObject = first.MediaID, first.SetNumber, first.StartObject
		}
	}
	return all, err
}

// certificatesOf reads the certificates of the data sets in a JSON list.
func certificatesOf(ctx context.Context, q querier, list string) (map[string][]Certificate, error) {
	all := map[string][]Certificate{}
	_, err := collect(ctx, q, func(s scanner) (k Certificate, err error) {
		var id string
		err = s.Scan(&id, &k.Thumbprint, into(&k.Subject), into(&k.Issuer), into(&k.Serial), intoDate(&k.NotAfter))
		all[id] = append(all[id], k)
		return k, err
	}, `SELECT DatasetId, Thumbprint, Subject, Issuer, SerialNumber, NotAfterDate FROM tbl_MM_DatasetCertificate
		WHERE DatasetId IN (SELECT value FROM json_each(?)) ORDER BY DatasetId, Thumbprint`, list)
	return all, err
}

func datasetBy(ctx context.Context, q querier, id string) (Dataset, error) {
	all, err := datasets(ctx, q, `DatasetId = ?`, id)
	if err != nil {
		return Dataset{}, err
	}
	if len(all) == 0 {
		return Dataset{}, ErrNotFound
	}
	return all[0], nil
}
