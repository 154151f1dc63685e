package mediacatalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// States of a tape: DPM's words (DPM documentation, "Manage tapes") for what is concluded about it. What was read from it
// are MediaFacts. A tape with a recognized foreign format has StateUnrecognized; its format's name is in Media.Format.
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

// AddMedia adds a tape and returns it with its identifier. ErrExists: the MediaID is known.
func (c *Catalog) AddMedia(ctx context.Context, m Media) (Media, error) {
	if m.MediaID = cleanID(m.MediaID); m.MediaID == "" {
		m.MediaID = newID()
	}
	if m.State == "" {
		m.State = StateUnknown
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tbl_MM_Media (`+mediaColumns+`) VALUES `+marks(28),
			mediaValues(m)...)
		if isUnique(err) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		m, err = mediaBy(ctx, tx, `MediaId = ?`, m.MediaID)
		return err
	})
	if err != nil {
		return Media{}, fmt.Errorf("add tape %s: %w", m.name(), err)
	}
	return m, nil
}

// UpdateMedia reads the tape, lets change alter it and writes it back, all in one transaction, so that nothing that
// another process wrote in between is lost. An error of change is returned and nothing is written. ErrNotFound.
func (c *Catalog) UpdateMedia(ctx context.Context, mediaID string, change func(*Media) error) (Media, error) {
	var m Media
	err := c.change(ctx, func(tx *sql.Tx) error {
		var err error
		if m, err = mediaBy(ctx, tx, `MediaId = ?`, cleanID(mediaID)); err != nil {
			return err
		}
		id := m.MediaID
		if err := change(&m); err != nil {
			return err
		}
		m.MediaID = id
		if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_Media SET (`+mediaColumns+`) = `+marks(28)+` WHERE MediaId = ?`,
			append(mediaValues(m), id)...); err != nil {
			return err
		}
		m, err = mediaBy(ctx, tx, `MediaId = ?`, id)
		return err
	})
	if err != nil {
		return Media{}, fmt.Errorf("update tape %s: %w", mediaID, err)
	}
	return m, nil
}

// RemoveMedia takes a tape and its data sets' copies on it out of the catalog; events and facts stay.
func (c *Catalog) RemoveMedia(ctx context.Context, mediaID string) error {
	id := cleanID(mediaID)
	err := c.change(ctx, func(tx *sql.Tx) error {
		if _, err := removeDatasets(ctx, tx, id); err != nil {
			return err
		}
		return changedOne(tx.ExecContext(ctx, `DELETE FROM tbl_MM_Media WHERE MediaId = ?`, id))
	})
	if err != nil {
		return fmt.Errorf("remove tape %s: %w", mediaID, err)
	}
	return nil
}

// MediaByID finds a tape by its identifier. ErrNotFound.
func (c *Catalog) MediaByID(ctx context.Context, mediaID string) (Media, error) {
	m, err := mediaBy(ctx, c.read, `MediaId = ?`, cleanID(mediaID))
	if err != nil {
		return Media{}, fmt.Errorf("find tape %s: %w", mediaID, err)
	}
	return m, nil
}

// MediaByOnMediaID lists the tapes whose label carries this media id (the OMID), without regard to case: more than one
// when a tape was copied, none without error.
func (c *Catalog) MediaByOnMediaID(ctx context.Context, onMediaID string) ([]Media, error) {
	return c.media(ctx, `OnMediaId = ?`, cleanID(onMediaID))
}

// MediaByBarcode lists the tapes with this barcode: more than one when barcodes are duplicate, none without error.
func (c *Catalog) MediaByBarcode(ctx context.Context, barcode string) ([]Media, error) {
	return c.media(ctx, `BarcodeValue = ?`, barcode)
}

// MediaByLabel lists the tapes with this label, without regard to case; none is no error.
func (c *Catalog) MediaByLabel(ctx context.Context, label string) ([]Media, error) {
	return c.media(ctx, `Label = ? COLLATE NOCASE`, label)
}

// ListMedia lists tapes by library, home element, barcode and label.
func (c *Catalog) ListMedia(ctx context.Context, f MediaFilter) ([]Media, error) {
	var w where
	w.addIf(f.LibraryID != "", `LibraryId = ?`, f.LibraryID)
	w.addIf(f.Online, `LibraryId IS NOT NULL`)
	w.addIf(f.Offline, `LibraryId IS NULL`)
	w.addIf(f.DomainID != "", `DomainId = ?`, cleanID(f.DomainID))
	w.addIf(f.Like != "", `(Label LIKE ? ESCAPE '\' OR BarcodeValue LIKE ? ESCAPE '\')`, likePattern(f.Like),
		likePattern(f.Like))
	w.addList(`State`, f.States)
	return c.media(ctx, w.String(), w.args...)
}

// AddMediaFact records what was read from a tape and returns the fact's number.
func (c *Catalog) AddMediaFact(ctx context.Context, f MediaFact) (int64, error) {
	if f.ReadDate.IsZero() {
		f.ReadDate = c.now()
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx,
			`INSERT INTO tbl_MM_MediaFact (MediaId, ReadDate, LibraryId, ElementAddress, BarcodeValue,
			DriveSerial, MediumSerial, Format, LabelBytes, OnMediaId, DomainId, Label, ErrorText) VALUES `+marks(13),
			orNull(cleanID(f.MediaID)), f.ReadDate.UnixMicro(), orNull(f.LibraryID), addressOrNull(f.ElementAddress),
			orNull(f.Barcode), orNull(f.DriveSerial), orNull(f.MediumSerial), orNull(f.Format), f.LabelBytes,
			orNull(f.OnMediaID), orNull(f.DomainID), orNull(f.Label), orNull(f.Error))
		if err != nil {
			return err
		}
		f.FactID, err = r.LastInsertId()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("record what was read from tape %s %s: %w", f.Barcode, f.MediaID, err)
	}
	return f.FactID, nil
}

// MediaFacts lists what was read from a tape, newest first.
func (c *Catalog) MediaFacts(ctx context.Context, mediaID string) ([]MediaFact, error) {
	all, err := collect(ctx, c.read, scanFact,
		`SELECT FactId, MediaId, ReadDate, LibraryId, ElementAddress, BarcodeValue,
		DriveSerial, MediumSerial, Format, LabelBytes, OnMediaId, DomainId, Label, ErrorText FROM tbl_MM_MediaFact
		WHERE MediaId = ? ORDER BY ReadDate DESC, FactId DESC`, cleanID(mediaID))
	if err != nil {
		return nil, fmt.Errorf("list what was read from tape %s: %w", mediaID, err)
	}
	return all, nil
}

// AddEvents writes events.
func (c *Catalog) AddEvents(ctx context.Context, events ...Event) error {
	err := c.change(ctx, func(tx *sql.Tx) error { return insertEvents(ctx, tx, c.now(), events) })
	if err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	return nil
}

// Events lists events, newest first.
func (c *Catalog) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	var w where
	w.addIf(f.MediaID != "", `MediaId = ?`, cleanID(f.MediaID))
	w.addIf(f.LibraryID != "", `LibraryId = ?`, f.LibraryID)
	w.addIf(f.Kind != "", `Kind = ?`, f.Kind)
	w.addIf(!f.Since.IsZero(), `EventDate >= ?`, f.Since.UnixMicro())
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	all, err := collect(ctx, c.read, scanEvent,
		`SELECT EventId, EventDate, Kind, Severity, MediaId, LibraryId, ElementAddress,
		BarcodeValue, Message FROM tbl_MM_Event WHERE `+w.String()+` ORDER BY EventDate DESC, EventId DESC LIMIT ?`,
		append(w.args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return all, nil
}

const mediaColumns = `MediaId, Label, BarcodeValue, MediaType, OnMediaId, DomainId, FamilyId, MediumSerial, State, Format,
	Software, LabelVersion, IsCleaning, IsWORM, BlockSize, NextObject, LastSetNumber, CapacityBytes, UsedBytes, IsFull,
	IsAppendUncertain, Note, CreatedDate, LastWrittenDate, LastSeenDate, LibraryId, ElementAddress, HomeElement`

func mediaValues(m Media) []any {
	element, home := addressOrNull(m.ElementAddress), addressOrNull(m.HomeElement)
	if m.LibraryID == "" {
		element, home = nil, nil
	}
	return []any{m.MediaID, orNull(m.Label), orNull(m.Barcode), orNull(m.MediaType), orNull(cleanID(m.OnMediaID)),
		orNull(cleanID(m.DomainID)), orNull(m.FamilyID), orNull(m.MediumSerial), m.State, orNull(m.Format), orNull(m.Software),
		orNull(m.LabelVersion), m.Cleaning, m.WORM, orNull(m.BlockSize), objectOrNull(m.NextObject), orNull(m.LastSetNumber),
		orNull(m.CapacityBytes), orNull(m.UsedBytes), m.Full, m.AppendUncertain, orNull(m.Note), dateOrNull(m.CreatedDate),
		dateOrNull(m.LastWrittenDate), dateOrNull(m.LastSeenDate), orNull(m.LibraryID), element, home}
}

func scanMedia(s scanner) (m Media, err error) {
	err = s.Scan(&m.MediaID, into(&m.Label), into(&m.Barcode), into(&m.MediaType), into(&m.OnMediaID),
		into(&m.DomainID),
		into(&m.FamilyID), into(&m.MediumSerial), &m.State, into(&m.Format), into(&m.Software), into(&m.LabelVersion),
		&m.Cleaning, &m.WORM, into(&m.BlockSize), into(&m.NextObject), into(&m.LastSetNumber), into(&m.CapacityBytes),
		into(&m.UsedBytes), &m.Full, &m.AppendUncertain, into(&m.Note), intoDate(&m.CreatedDate), intoDate(&m.LastWrittenDate),
		intoDate(&m.LastSeenDate), into(&m.LibraryID), intoAddress(&m.ElementAddress), intoAddress(&m.HomeElement))
	return m, err
}

// name is how messages call a tape.
func (m Media) name() string {
	return strings.TrimSpace(strings.Join([]string{m.Barcode, m.Label, m.MediaID}, " "))
}

func mediaBy(ctx context.Context, q querier, where string, args ...any) (Media, error) {
	all, err := collect(ctx, q, scanMedia, `SELECT `+mediaColumns+` FROM tbl_MM_Media WHERE `+where+` LIMIT 1`, args...)
	if err != nil {
		return Media{}, err
	}
	if len(all) == 0 {
		return Media{}, ErrNotFound
	}
	return all[0], nil
}

func (c *Catalog) media(ctx context.Context, where string, args ...any) ([]Media, error) {
	all, err := collect(ctx, c.read, scanMedia, `SELECT `+mediaColumns+` FROM tbl_MM_Media WHERE `+where+`
		ORDER BY LibraryId IS NULL, LibraryId, HomeElement, BarcodeValue, Label, MediaId`, args...)
	if err != nil {
		return nil, fmt.Errorf("list tapes: %w", err)
	}
	return all, nil
}

func scanFact(s scanner) (f MediaFact, err error) {
	err = s.Scan(&f.FactID, into(&f.MediaID), intoDate(&f.ReadDate), into(&f.LibraryID), intoAddress(&f.ElementAddress),
		into(&f.Barcode), into(&f.DriveSerial), into(&f.MediumSerial), into(&f.Format), &f.LabelBytes, into(&f.OnMediaID),
		into(&f.DomainID), into(&f.Label), into(&f.Error))
	return f, err
}

func scanEvent(s scanner) (e Event, err error) {
	err = s.Scan(&e.EventID, intoDate(&e.EventDate), &e.Kind, &e.Severity, into(&e.MediaID), into(&e.LibraryID),
		intoAddress(&e.ElementAddress), into(&e.Barcode), into(&e.Message))
	return e, err
}

// insertEvents writes events; those without a date get at.
func insertEvents(ctx context.Context, tx *sql.Tx, at time.Time, events []Event) error {
	for _, e := range events {
		if e.EventDate.IsZero() {
			e.EventDate = at
		}
		if e.Severity == "" {
			e.Severity = "info"
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO tbl_MM_Event (EventDate, Kind, Severity, MediaId, LibraryId, ElementAddress,
			BarcodeValue, Message) VALUES `+marks(8), e.EventDate.UnixMicro(), e.Kind, e.Severity, orNull(cleanID(e.MediaID)),
			orNull(e.LibraryID), addressOrNull(e.ElementAddress), orNull(e.Barcode), orNull(e.Message))
		if err != nil {
			return fmt.Errorf("event %q: %w", e.Kind, err)
		}
	}
	return nil
}
