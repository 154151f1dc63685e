package library

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// labelBuffer is the size of block that a label is looked for with first; a drive tells when the block is longer.
const labelBuffer = 1 << 20

// readDepth is how many blocks a reader holds ahead of its caller.
const readDepth = 16

// Label is what stands at the beginning of a tape, as it was read.
type Label struct {
	// Blank: nothing was ever written, or the tape was erased.
	Blank bool
	// Header is the media header of a tape in Microsoft Tape Format, nil for any other.
	Header *mtf.MediaHeader
	// Damage is why the label of a tape that is not blank could not be read as Microsoft Tape Format.
	Damage error
}

// ReadLabel rewinds the tape and reads its label. Devices that fail give an error; content that is not ours gives a
// Label without a Header. The position afterwards is behind the label.
func (m *Mount) ReadLabel(ctx context.Context) (*Label, error) {
	size := labelBuffer
	for {
		label, err := m.readLabel(ctx, size)
		var long *drive.BlockTooLongError
		switch {
		case err == nil:
			return label, nil
		case !errors.As(err, &long):
			return nil, fmt.Errorf("read the label of %s: %w", tapeName(m.Barcode), err)
		case long.Length > mtf.MaxPhysicalBlock || long.Length <= size:
			return &Label{Damage: err}, nil // no tape in this format has such blocks
		}
		size = long.Length
	}
}

func (m *Mount) readLabel(ctx context.Context, size int) (*Label, error) {
	if err := m.Rewind(ctx); err != nil {
		return nil, err
	}
	r := NewTapeReader(m, 0)
	header, err := mtf.ReadMediaHeader(ctx, r, make([]byte, size))
	var format *mtf.FormatError
	switch {
	case err == nil:
		return &Label{Header: header}, nil
	case errors.Is(err, mtf.ErrEndOfData) && header == nil:
		return &Label{Blank: true}, nil
	case errors.Is(err, mtf.ErrNotMTF), errors.Is(err, mtf.ErrFilemark), errors.As(err, &format), errors.Is(err, mtf.ErrEndOfData):
		return &Label{Damage: err, Header: nil}, nil
	}
	return nil, err
}

// WrongTapeError says that the tape in a drive is not the one that the catalog says it is.
type WrongTapeError struct {
	Library string // its name, for the command that the message advises
	Barcode string
	Want    string // label and media id that were expected
	Found   string // what is on the tape
}

// Error tells what was expected, what was found, and what is safe.
func (e *WrongTapeError) Error() string {
	return fmt.Sprintf("verify the label of %s: the catalog says %s, on the tape is %s; nothing was written to it; "+
		"`tapectl inventory%s` tells whether barcodes were changed", tapeName(e.Barcode), e.Want, e.Found, named(" ", e.Library))
}

// VerifyLabel reads the label and makes sure that it is the tape of the catalog's entry: the barcode alone proves
// nothing.
func (m *Mount) VerifyLabel(ctx context.Context, want mediacatalog.Media) (*mtf.MediaHeader, error) {
	label, err := m.ReadLabel(ctx)
	if err != nil {
		return nil, err
	}
	wanted := fmt.Sprintf("%q (media id %s)", want.Label, want.OnMediaID)
	if label.Header == nil || !label.Header.HasLabel || !sameID(label.Header.Label.MediaID, want.OnMediaID) {
		return nil, &WrongTapeError{Library: m.library.record.Name, Barcode: m.Barcode, Want: wanted, Found: label.String()}
	}
	if !sameID(label.Header.Label.DomainID, want.DomainID) {
		return nil, &WrongTapeError{Library: m.library.record.Name, Barcode: m.Barcode, Want: wanted + " of server " + want.DomainID,
			Found: label.String() + " of server " + label.Header.Label.DomainID}
	}
	return label.Header, nil
}

// String says in a few words what is on the tape.
func (l *Label) String() string {
	switch {
	case l.Blank:
		return "nothing: the tape is blank"
	case l.Header == nil:
		return fmt.Sprintf("something that is not Microsoft Tape Format (%v)", l.Damage)
	case l.Header.HasLabel:
		return fmt.Sprintf("%q (media id %s), written by %s %s", l.Header.Label.CartridgeLabel, l.Header.Label.MediaID,
			l.Header.Label.Vendor, l.Header.Label.Product)
	}
	return fmt.Sprintf("%q, written by %s", l.Header.Description, l.Header.Software)
}

// Reader returns a reader for the tape; the caller closes it before the mount is used otherwise.
func (m *Mount) Reader() *TapeReader { return NewTapeReader(m, readDepth) }

// RecordLabel keeps what was read from a tape in the catalog. It concludes the state of a tape that was not known (or
// blank, or suspect without ever having been read). A known tape on which something else stands now becomes Suspect, and
// what is known about it stays; once its label, barcode and cartridge are again what the catalog knows, it is no longer
// Suspect. Both are events of the catalog.
//
// Errors: those of the catalog, mediacatalog.ErrNotFound among them.
func (m *Mount) RecordLabel(ctx context.Context, catalog *mediacatalog.Catalog, mediaID string, label *Label) error {
	memory := m.Memory(ctx)
	fact := m.fact(mediaID, memory, label)
	if _, err := catalog.AddMediaFact(ctx, fact); err != nil {
		return err
	}
	sets, err := catalog.Datasets(ctx, mediacatalog.DatasetFilter{MediaID: mediaID})
	if err != nil {
		return err
	}
	own := "{" + catalog.Server().ServerID + "}"
	contradicts, confirms := false, false
	known, err := catalog.UpdateMedia(ctx, mediaID, func(media *mediacatalog.Media) error {
		contradicts, confirms = label.contradicts(media), label.confirms(media, fact)
		switch {
		case label.concludes(media):
			label.conclude(media, own)
		case contradicts:
			media.State = mediacatalog.StateSuspect
		case confirms:
			label.restore(media, own, len(sets))
		}
		if media.State != mediacatalog.StateSuspect { // else the cartridge may be another one
			media.MediumSerial = orKnown(memory.Serial, media.MediumSerial)
			if memory.Capacity > 0 {
				media.CapacityBytes = memory.Capacity
			}
		}
		return nil
	})
	event := mediacatalog.Event{
		EventDate: fact.ReadDate, MediaID: mediaID, LibraryID: fact.LibraryID, ElementAddress: fact.ElementAddress, Barcode: m.Barcode,
	}
	switch {
	case err != nil:
		return err
	case contradicts:
		event.Kind, event.Severity, event.Message = "label changed", "error", fmt.Sprintf(
			"the catalog knows %s as %q (media id %s), on it is %s: another tape has its barcode, or it was overwritten; it is Suspect now and not written to",
			tapeName(m.Barcode), known.Label, known.OnMediaID, label)
	case confirms:
		event.Kind, event.Severity, event.Message = "label confirmed", "info", fmt.Sprintf(
			"%s was Suspect and is %s again: its label is %q (media id %s), as the catalog knows it", tapeName(m.Barcode), known.State,
			known.Label, known.OnMediaID)
	default:
		return nil
	}
	return catalog.AddEvents(ctx, event)
}

// fact is what was read, as the catalog keeps it.
func (m *Mount) fact(mediaID string, memory Memory, label *Label) mediacatalog.MediaFact {
	f := mediacatalog.MediaFact{
		MediaID: mediaID, ReadDate: time.Now().UTC(), LibraryID: m.library.record.LibraryID, ElementAddress: m.Element(),
		Barcode: m.Barcode, DriveSerial: m.Record.Serial, MediumSerial: memory.Serial, Format: label.format(),
	}
	if label.Damage != nil {
		f.Error = label.Damage.Error()
	}
	if h := label.Header; h != nil {
		f.LabelBytes, f.OnMediaID, f.DomainID, f.Label = h.Raw, h.Label.MediaID, h.Label.DomainID, h.Label.CartridgeLabel
	}
	return f
}

// concludes reports whether the state of the tape follows from the label: nothing was known about its content so far.
func (l *Label) concludes(m *mediacatalog.Media) bool {
	switch m.State {
	case mediacatalog.StateUnknown, mediacatalog.StateBlank:
		return true
	}
	return m.State == mediacatalog.StateSuspect && m.OnMediaID == ""
}

// contradicts reports whether the catalog takes the tape for another one with data on it. What is on a free tape does
// not matter: it is read again before it is written.
func (l *Label) contradicts(m *mediacatalog.Media) bool {
	switch m.State {
	case mediacatalog.StateActive, mediacatalog.StateImported, mediacatalog.StateExpired, mediacatalog.StateOffsiteReady:
		return m.OnMediaID != "" && !sameID(l.MediaID(), m.OnMediaID)
	}
	return false
}

// confirms reports whether a Suspect tape is what the catalog knows after all: by label, barcode and, where both are
// known, the serial number of the cartridge; a copy of the tape has the same label.
func (l *Label) confirms(m *mediacatalog.Media, read mediacatalog.MediaFact) bool {
	return m.State == mediacatalog.StateSuspect && m.OnMediaID != "" && sameID(l.MediaID(), m.OnMediaID) &&
		sameID(l.Header.Label.DomainID, m.DomainID) && read.Barcode == m.Barcode &&
		(read.MediumSerial == "" || m.MediumSerial == "" || read.MediumSerial == m.MediumSerial)
}

// restore ends the suspicion against a tape that the label confirms. Its data sets do not make a tape of another server
// one's own: recataloged ones stand on imported tapes, too. Whether the end of data is certain stays as it was.
func (l *Label) restore(m *mediacatalog.Media, own string, sets int) {
	if sets == 0 || !sameID(l.Header.Label.DomainID, own) {
		l.conclude(m, own)
		return
	}
	m.State = mediacatalog.StateActive
}

// MediaID returns the media id of the label, "" when there is none.
func (l *Label) MediaID() string {
	if l.Header == nil || !l.Header.HasLabel {
		return ""
	}
	return l.Header.Label.MediaID
}

// sameID compares identifiers of media and domains: the catalog keeps them in lower case, labels have them in either.
func sameID(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

func orKnown(read, known string) string {
	if read == "" {
		return known
	}
	return read
}

// format names what was recognized at the beginning of the tape.
func (l *Label) format() string {
	switch {
	case l.Blank:
		return ""
	case l.Header != nil:
		return "MTF"
	}
	return "unknown"
}

// conclude sets the state of a tape that was not known before, from its label (DPM documentation, "Manage tapes").
func (l *Label) conclude(m *mediacatalog.Media, own string) {
	switch {
	case l.Blank:
		m.State = mediacatalog.StateBlank
	case l.Header == nil || !l.Header.HasLabel:
		m.State, m.Format = mediacatalog.StateUnrecognized, l.format()
	case sameID(l.Header.Label.DomainID, own):
		// One's own label, and no data set in the catalog: the catalog has lost it. It is not written to until
		// its data sets were read back.
		m.State, m.AppendUncertain = mediacatalog.StateActive, true
		l.identity(m)
	default:
		m.State = mediacatalog.StateImported
		l.identity(m)
	}
}

func (l *Label) identity(m *mediacatalog.Media) {
	h := l.Header
	m.Format, m.Software, m.Label = "MTF", h.Label.Vendor+" "+h.Label.Product, h.Label.CartridgeLabel
	m.OnMediaID, m.DomainID, m.FamilyID = h.Label.MediaID, h.Label.DomainID, h.FamilyID
	m.BlockSize, m.CreatedDate = h.PhysicalBlock, h.Label.Stamp
}
