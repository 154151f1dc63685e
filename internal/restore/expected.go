package restore

import (
	"context"
	"errors"
	"iter"

	"tapectl/internal/mediacatalog"
)

// expected gives the digests that the catalog has of the files of a data set, one after the other in the order of the tape, so
// that a restore of millions of files needs no memory for them. It belongs to one goroutine; close must be called.
type expected struct {
	next func() (mediacatalog.Object, bool)
	stop func()
	at   mediacatalog.Object
	more bool
	err  error
}

// errStopped ends the walk over the catalog's objects.
var errStopped = errors.New("stopped")

func newExpected(ctx context.Context, catalog *mediacatalog.Catalog, datasetID string) *expected {
	e := &expected{}
	objects := func(yield func(mediacatalog.Object) bool) {
		err := catalog.Objects(ctx, datasetID, "", func(o mediacatalog.Object) error {
			if o.FLA != 0 && o.SHA256 != nil && !yield(o) {
				return errStopped
			}
			return nil
		})
		if !errors.Is(err, errStopped) {
			e.err = err
		}
	}
	e.next, e.stop = iter.Pull(iter.Seq[mediacatalog.Object](objects))
	e.at, e.more = e.next()
	return e
}

// digest returns what the catalog has of the file with the format logical address, nil when it does not know it. Addresses must
// be asked for in ascending order.
func (e *expected) digest(fla uint64) []byte {
	for e.more && e.at.FLA < fla {
		e.at, e.more = e.next()
	}
	if e.more && e.at.FLA == fla {
		return e.at.SHA256
	}
	return nil
}

// close ends it and returns the error of reading the catalog, if any.
func (e *expected) close() error {
	e.stop()
	return e.err
}
