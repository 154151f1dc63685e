package restore

import (
	"context"
	"errors"
	"iter"

	"tapectl/internal/mediacatalog"
)

// expected gives what the catalog has of the files of a data set, one after the other in the order of the tape, so that a restore of
// millions of files needs no memory for them. It belongs to one goroutine; close must be called.
type expected struct {
	current mediacatalog.Object // what the catalog has of the file that was met last; FLA is 0 for nothing
	next    func() (mediacatalog.Object, bool)
	stop    func()
	at      mediacatalog.Object
	more    bool
	last    uint64 // address that was met last
	err     error
}

// errStopped ends the walk over the catalog's objects.
var errStopped = errors.New("stopped")

func newExpected(ctx context.Context, catalog *mediacatalog.Catalog, datasetID string) *expected {
	e := &expected{}
	objects := func(yield func(mediacatalog.Object) bool) {
		err := catalog.Objects(ctx, datasetID, "", func(o mediacatalog.Object) error {
			file := o.Kind != mediacatalog.KindVolume && o.Kind != mediacatalog.KindDirectory
			if file && o.FLA != 0 && !yield(o) {
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

// meet is called with the format logical address of each file on the tape, in ascending order. It sets current, and hands those that
// the catalog has between the file before and this one to missing.
func (e *expected) meet(fla uint64, missing func(mediacatalog.Object)) {
	for e.more && e.at.FLA < fla {
		if e.at.FLA > e.last {
			missing(e.at)
		}
		e.at, e.more = e.next()
	}
	e.last, e.current = fla, mediacatalog.Object{}
	if e.more && e.at.FLA == fla {
		e.current = e.at
		e.at, e.more = e.next()
	}
}

// rest hands all files that were not met to missing.
func (e *expected) rest(missing func(mediacatalog.Object)) {
	e.meet(^uint64(0), missing)
}

// digest returns what the catalog has of the file with the format logical address that was met last, nil when it does not know it.
func (e *expected) digest(fla uint64) []byte {
	if e.current.FLA == 0 || e.current.FLA != fla {
		return nil
	}
	return e.current.SHA256
}

// close ends it and returns the error of reading the catalog, if any.
func (e *expected) close() error {
	e.stop()
	return e.err
}
