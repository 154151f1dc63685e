package mediacatalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Kinds of objects.
const (
	KindFile      = "file"
	KindDirectory = "directory"
	KindStream    = "stream"
	KindVolume    = "volume"
)

// Object is one file object of a data set: a row of tbl_RM_RecoverableObjectFileSpec.
type Object struct {
	ObjectID    int64  // set by the catalog
	Path        string // the folder, as on tape
	FileSpec    string // the name in it
	Kind        string // KindFile, ...
	Size        int64
	Modified    time.Time
	SHA256      []byte // 32 bytes, or nil
	FLA         uint64 // MTF format logical address
	Corrupt     bool
	CorruptFrom int64 // byte from which the content is not good; with Corrupt
}

// AddObjects adds objects to a data set, all or none. Hand over some thousands at a time: one call is one transaction.
// The search index catches up later, by itself.
func (c *Catalog) AddObjects(ctx context.Context, datasetID string, objects []Object) error {
	id := cleanID(datasetID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		if err := changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_MM_PhysicalDataset SET IsCataloged = 1 WHERE DatasetId = ?`, id)); err != nil {
			return err
		}
		return insertObjects(ctx, tx, id, objects)
	})
	if err != nil {
		return fmt.Errorf("add %d objects to data set %s: %w", len(objects), datasetID, err)
	}
	return nil
}

// Objects hands the objects of a data set to fn in the order in which they were added; pattern is part of the path or
// the name, without regard to case, and empty for all. An error of fn ends it and is returned. fn may use the catalog.
func (c *Catalog) Objects(ctx context.Context, datasetID, pattern string, fn func(Object) error) error {
	var w where
	w.addIf(true, `DatasetId = ?`, cleanID(datasetID))
	w.addIf(pattern != "", `(FileSpec LIKE ? ESCAPE '\' OR Path LIKE ? ESCAPE '\')`, likePattern(pattern),
		likePattern(pattern))
	rows, err := c.read.QueryContext(ctx,
		`SELECT `+objectColumns+` FROM tbl_RM_RecoverableObjectFileSpec WHERE `+w.String()+
			` ORDER BY ObjectId`, w.args...)
	if err != nil {
		return fmt.Errorf("list the objects of data set %s: %w", datasetID, err)
	}
	defer rows.Close()
	for rows.Next() {
		o, err := scanObject(rows)
		if err != nil {
			return fmt.Errorf("list the objects of data set %s: %w", datasetID, err)
		}
		if err := fn(o); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list the objects of data set %s: %w", datasetID, err)
	}
	return nil
}

// RemoveObjects takes the objects of a data set out of the catalog, which keeps the data set: the tape still has them.
func (c *Catalog) RemoveObjects(ctx context.Context, datasetID string) error {
	id := cleanID(datasetID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		if err := changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_MM_PhysicalDataset SET IsCataloged = 0 WHERE DatasetId = ?`, id)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM tbl_RM_RecoverableObjectFileSpec WHERE DatasetId = ?`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove the objects of data set %s: %w", datasetID, err)
	}
	return nil
}

const objectColumns = `Path, FileSpec, ObjectId, Kind, SizeBytes, ModifiedDate, SHA256, FLA, IsCorrupt, CorruptFrom`

func scanObject(s scanner) (o Object, err error) {
	err = s.Scan(&o.Path, &o.FileSpec, &o.ObjectID, into(&o.Kind), into(&o.Size), intoDate(&o.Modified), &o.SHA256,
		into(&o.FLA), &o.Corrupt, into(&o.CorruptFrom))
	return o, err
}

// objectsPerInsert rows go into one statement: what costs is the statement, not the row.
const objectsPerInsert = 50

func insertObjects(ctx context.Context, tx *sql.Tx, datasetID string, objects []Object) error {
	const into = `INSERT INTO tbl_RM_RecoverableObjectFileSpec (DatasetId, Path, FileSpec, Kind, SizeBytes, ModifiedDate, SHA256,
		FLA, IsCorrupt, CorruptFrom) VALUES `
	many, err := tx.PrepareContext(ctx, into+strings.TrimSuffix(strings.Repeat(marks(10)+", ", objectsPerInsert), ", "))
	if err != nil {
		return err
	}
	defer many.Close()
	args := make([]any, 0, 10*objectsPerInsert)
	for len(objects) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(objects), objectsPerInsert)
		args = args[:0]
		for _, o := range objects[:n] {
			var corruptFrom any
			if o.Corrupt {
				corruptFrom = o.CorruptFrom
			}
			args = append(args, datasetID, o.Path, o.FileSpec, orNull(o.Kind), o.Size, dateOrNull(o.Modified), o.SHA256,
				objectOrNull(o.FLA), o.Corrupt, corruptFrom)
		}
		if n == objectsPerInsert {
			_, err = many.Exec(args...)
		} else {
			_, err = tx.Exec(into+strings.TrimSuffix(strings.Repeat(marks(10)+", ", n), ", "), args...)
		}
		if err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}
