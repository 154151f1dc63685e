package mediacatalog

import (
	"context"
	"errors"
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
	return RecoveryPoint{}, errors.ErrUnsupported
}

// UpdateRecoveryPoint writes Name, Server, ExpiryDate, SourceKind, TotalBytes, Files and CorruptFiles of a recovery
// point. ErrNotFound.
func (c *Catalog) UpdateRecoveryPoint(ctx context.Context, p RecoveryPoint) error {
	return errors.ErrUnsupported
}

// RecoveryPoint finds a recovery point by its identifier or a prefix of it (4 characters or more) that fits only one.
// ErrNotFound, ErrAmbiguous.
func (c *Catalog) RecoveryPoint(ctx context.Context, id string) (RecoveryPoint, error) {
	return RecoveryPoint{}, errors.ErrUnsupported
}

// RecoveryPoints lists recovery points, newest first.
func (c *Catalog) RecoveryPoints(ctx context.Context, f RecoveryPointFilter) ([]RecoveryPoint, error) {
	return nil, errors.ErrUnsupported
}
