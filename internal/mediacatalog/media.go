package mediacatalog

import (
	"context"
	"errors"
	"time"
)

// States of a tape: DPM's words (dpm.md 1.2) for what is concluded about it. What was read from it are MediaFacts.
// A tape with a recognized foreign format has StateUnrecognized; its format's name is in Media.Format.
const (
	StateUnknown          = "Unknown"
	StateFree             = "Free"
	StateFreeContainsData = "Free (contains data)"
	StateImported         = "Imported"
	StateUnrecognized     = "Unrecognized"
	StateSuspect          = "Suspect"
	StateCleaning         = "Cleaning"
	StateExpired          = "Expired"
	StateOffsiteReady     = "Offsite Ready"
	StateDecommissioned   = "Decommissioned"
	StateBlank            = "Blank"
	StateActive           = "Active" // one's own tape with valid data
)

// Media is one tape.
type Media struct {
	MediaID         string // the catalog's identifier
	Label           string // the human name
	Barcode         string
	MediaType       string // "L6"
	OnMediaID       string // the OMID: media id of the label on the tape; empty: never read, or none
	DomainID        string // the server that owns the tape, from its label
	FamilyID        uint32 // MTF media family
	MediumSerial    string // from the cartridge memory (MAM)
	State           string // one of the State constants; empty in AddMedia: StateUnknown
	Format          string // what is on it, by name: "MTF", "Bacula", "LTFS", ...
	Software        string // what wrote it, from its label
	Cleaning        bool
	WORM            bool
	BlockSize       int    // bytes of a physical block
	NextObject      uint64 // logical object number at which the next data set begins
	LastSetNumber   uint16 // MTF set number of the last data set
	CapacityBytes   int64
	UsedBytes       int64
	Full            bool
	AppendUncertain bool // where the data end is not certain: read the tape before appending
	LabelVersion    string
	Note            string // the operator's

	CreatedDate     time.Time // when the label was written
	LastWrittenDate time.Time
	LastSeenDate    time.Time

	LibraryID      string // empty: offline
	ElementAddress int    // -1: offline
	HomeElement    int    // -1: not known
}

// MediaFilter selects tapes; zero fields do not filter.
type MediaFilter struct {
	LibraryID string
	States    []string
	Online    bool   // only tapes in a library
	Offline   bool   // only tapes in no library
	Like      string // label or barcode contains it, without regard to case
	DomainID  string
}

// MediaFact is what was read from a tape at one time; it is never overwritten.
type MediaFact struct {
	FactID         int64 // set by AddMediaFact
	MediaID        string
	ReadDate       time.Time
	LibraryID      string
	ElementAddress int // -1: not known
	Barcode        string
	DriveSerial    string
	MediumSerial   string
	Format         string // name of what was recognized
	LabelBytes     []byte // the raw label block
	OnMediaID      string
	DomainID       string
	Label          string
	Error          string // why it could not be read
}

// Event is a finding of an inventory or an entry of the audit: what happened, to which tape, when.
type Event struct {
	EventID        int64 // set by the catalog
	EventDate      time.Time
	Kind           string // short and fixed, such as "barcode changed", "duplicate barcode", "freed"
	Severity       string // "info", "warning" or "error"; empty: "info"
	MediaID        string
	LibraryID      string
	ElementAddress int // -1: none
	Barcode        string
	Message        string // a whole sentence for the operator
}

// EventFilter selects events; zero fields do not filter. Limit 0: 1,000.
type EventFilter struct {
	MediaID, LibraryID, Kind string
	Since                    time.Time
	Limit                    int
}

// AddMedia adds a tape and returns it with its identifier. ErrExists: the MediaID or the OnMediaID is known.
func (c *Catalog) AddMedia(ctx context.Context, m Media) (Media, error) {
	return Media{}, errors.ErrUnsupported
}

// UpdateMedia reads the tape, lets change alter it and writes it back, all in one transaction, so that nothing that
// another process wrote in between is lost. An error of change is returned and nothing is written. ErrNotFound.
func (c *Catalog) UpdateMedia(ctx context.Context, mediaID string, change func(*Media) error) (Media, error) {
	return Media{}, errors.ErrUnsupported
}

// RemoveMedia takes a tape and its data sets' copies on it out of the catalog; events and facts stay.
func (c *Catalog) RemoveMedia(ctx context.Context, mediaID string) error {
	return errors.ErrUnsupported
}

// MediaByID finds a tape by its identifier. ErrNotFound.
func (c *Catalog) MediaByID(ctx context.Context, mediaID string) (Media, error) {
	return Media{}, errors.ErrUnsupported
}

// MediaByOnMediaID finds the tape whose label carries this media id (the OMID). ErrNotFound.
func (c *Catalog) MediaByOnMediaID(ctx context.Context, onMediaID string) (Media, error) {
	return Media{}, errors.ErrUnsupported
}

// MediaByBarcode lists the tapes with this barcode: more than one when barcodes are duplicate, none without error.
func (c *Catalog) MediaByBarcode(ctx context.Context, barcode string) ([]Media, error) {
	return nil, errors.ErrUnsupported
}

// MediaByLabel lists the tapes with this label, without regard to case; none is no error.
func (c *Catalog) MediaByLabel(ctx context.Context, label string) ([]Media, error) {
	return nil, errors.ErrUnsupported
}

// ListMedia lists tapes by library, home element, barcode and label.
func (c *Catalog) ListMedia(ctx context.Context, f MediaFilter) ([]Media, error) {
	return nil, errors.ErrUnsupported
}

// AddMediaFact records what was read from a tape and returns the fact's number.
func (c *Catalog) AddMediaFact(ctx context.Context, f MediaFact) (int64, error) {
	return 0, errors.ErrUnsupported
}

// MediaFacts lists what was read from a tape, newest first.
func (c *Catalog) MediaFacts(ctx context.Context, mediaID string) ([]MediaFact, error) {
	return nil, errors.ErrUnsupported
}

// AddEvents writes events.
func (c *Catalog) AddEvents(ctx context.Context, events ...Event) error { return errors.ErrUnsupported }

// Events lists events, newest first.
func (c *Catalog) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	return nil, errors.ErrUnsupported
}
