package mediacatalog

import (
	"context"
	"errors"
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
	return errors.ErrUnsupported
}

// Objects hands the objects of a data set to fn in the order in which they were added; pattern is part of the path or
// the name, without regard to case, and empty for all. An error of fn ends it and is returned. fn may use the catalog.
func (c *Catalog) Objects(ctx context.Context, datasetID, pattern string, fn func(Object) error) error {
	return errors.ErrUnsupported
}

// RemoveObjects takes the objects of a data set out of the catalog, which keeps the data set: the tape still has them.
func (c *Catalog) RemoveObjects(ctx context.Context, datasetID string) error {
	return errors.ErrUnsupported
}
