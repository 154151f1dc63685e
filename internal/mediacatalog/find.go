package mediacatalog

import (
	"context"
	"errors"
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
	Objects  int64 // how many objects of the data set fit
}

// Find lists the data sets, with every tape they are on, newest first, that have an object whose path or file spec
// contains like, or whose recovery point's name does; without regard to case of ASCII letters. The text is taken
// literally: % and _ have no meaning.
func (c *Catalog) Find(ctx context.Context, like string) ([]Found, error) {
	return nil, errors.ErrUnsupported
}
