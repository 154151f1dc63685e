package mediacatalog

import (
	"context"
	"errors"
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

// BeginDataset records that a data set is about to be written at d.SSETObject of tape d.MediaID: LifeStatus is Valid
// and SetState SetWriting. It is durable when it returns, so that after a crash the tape is known to hold it. ErrExists;
// ErrNotFound when the tape or the recovery point is unknown; ErrState when the tape has another unfinished data set.
func (c *Catalog) BeginDataset(ctx context.Context, d Dataset) (Dataset, error) {
	return Dataset{}, errors.ErrUnsupported
}

// AddDataset records a data set that is on tape already, as a recatalog finds it, with all its Spans (or, without
// Spans, MediaID, SetNumber and SSETObject). An empty LifeStatus is Valid, an empty SetState SetComplete. ErrExists.
func (c *Catalog) AddDataset(ctx context.Context, d Dataset) (Dataset, error) {
	return Dataset{}, errors.ErrUnsupported
}

// AddSpan records that an unfinished data set goes on on another tape, and that the tape it was on is full.
func (c *Catalog) AddSpan(ctx context.Context, datasetID string, s Span) error {
	return errors.ErrUnsupported
}

// CommitPoint records that everything below safeObject of the data set's last tape, and safeBytes of its data, are on
// tape for certain. It is durable when it returns. ErrNotFound; ErrState when the data set is not being written or the
// commit point goes backwards.
func (c *Catalog) CommitPoint(ctx context.Context, datasetID string, safeObject uint64, safeBytes int64) error {
	return errors.ErrUnsupported
}

// FinishDataset ends a data set and updates the tape's NextObject, LastSetNumber, UsedBytes and LastWrittenDate in the
// same transaction. ErrNotFound; ErrState when it was ended before.
func (c *Catalog) FinishDataset(ctx context.Context, datasetID string, end SetEnd) error {
	return errors.ErrUnsupported
}

// Dataset finds a data set by its identifier. ErrNotFound.
func (c *Catalog) Dataset(ctx context.Context, id string) (Dataset, error) {
	return Dataset{}, errors.ErrUnsupported
}

// Datasets lists data sets by tape position when the filter names a tape, else newest first.
func (c *Catalog) Datasets(ctx context.Context, f DatasetFilter) ([]Dataset, error) {
	return nil, errors.ErrUnsupported
}

// UnfinishedDatasets lists the data sets that were begun and never ended, as a crash leaves them, oldest first.
func (c *Catalog) UnfinishedDatasets(ctx context.Context) ([]Dataset, error) {
	return nil, errors.ErrUnsupported
}

// SetExpired marks data sets as expired and writes an event for each that was valid; it returns how many those were.
func (c *Catalog) SetExpired(ctx context.Context, datasetIDs ...string) (int, error) {
	return 0, errors.ErrUnsupported
}

// SetExpiry gives all data sets of a recovery point, and itself, another expiry date (zero: never).
func (c *Catalog) SetExpiry(ctx context.Context, recoveryPointID string, expiry time.Time) error {
	return errors.ErrUnsupported
}

// ExpireBy marks the valid data sets whose expiry date is not after at as expired and returns them.
func (c *Catalog) ExpireBy(ctx context.Context, at time.Time) ([]Dataset, error) {
	return nil, errors.ErrUnsupported
}

// RemoveDatasets takes all data sets that are on a tape out of the catalog, with their objects, as when the tape is
// overwritten; recovery points that have no copy left go too. It refuses with ErrState while one of them is valid and
// not failed, unless force is set. It returns how many data sets went.
func (c *Catalog) RemoveDatasets(ctx context.Context, mediaID string, force bool) (int, error) {
	return 0, errors.ErrUnsupported
}
