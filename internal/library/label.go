package library

import (
	"context"
	"errors"
	"fmt"
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
	Barcode string
	Want    string // label and media id that were expected
	Found   string // what is on the tape
}

// Error tells what was expected, what was found, and what is safe.
func (e *WrongTapeError) Error() string {
	return fmt.Sprintf("verify the label of %s: the catalog says %s, on the tape is %s; nothing was written to it; "+
		"`tapectl inventory` tells whether barcodes were changed", tapeName(e.Barcode), e.Want, e.Found)
}

// VerifyLabel reads the label and makes sure that it is the tape of the catalog's entry: the barcode alone proves
// nothing.
func (m *Mount) VerifyLabel(ctx context.Context, want mediacatalog.Media) (*mtf.MediaHeader, error) {
	label, err := m.ReadLabel(ctx)
	if err != nil {
		return nil, err
	}
	wanted := fmt.Sprintf("%q (media id %s)", want.Label, want.OnMediaID)
	if label.Header == nil || !label.Header.HasLabel || label.Header.Label.MediaID != want.OnMediaID {
		return nil, &WrongTapeError{Barcode: m.Barcode, Want: wanted, Found: label.String()}
	}
	if label.Header.Label.DomainID != want.DomainID {
		return nil, &WrongTapeError{Barcode: m.Barcode, Want: wanted + " of server " + want.DomainID,
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

// RecordLabel keeps what was read from a tape in the catalog, and concludes the state of a tape that was not known.
func (m *Mount) RecordLabel(ctx context.Context, catalog *mediacatalog.Catalog, mediaID string, label *Label) error {
	memory := m.Memory(ctx)
	fact := mediacatalog.MediaFact{
		MediaID: mediaID, ReadDate: time.Now().UTC(), LibraryID: m.library.record.LibraryID, ElementAddress: m.Element(),
		Barcode: m.Barcode, DriveSerial: m.Record.Serial, MediumSerial: memory.Serial, Format: label.format(),
	}
	if label.Damage != nil {
		fact.Error = label.Damage.Error()
	}
	if h := label.Header; h != nil {
		fact.LabelBytes, fact.OnMediaID, fact.DomainID, fact.Label = h.Raw, h.Label.MediaID, h.Label.DomainID, h.Label.CartridgeLabel
	}
	if _, err := catalog.AddMediaFact(ctx, fact); err != nil {
		return err
	}
	own := "{" + catalog.Server().ServerID + "}"
	_, err := catalog.UpdateMedia(ctx, mediaID, func(media *mediacatalog.Media) error {
		media.MediumSerial = orKnown(memory.Serial, media.MediumSerial)
		if memory.Capacity > 0 {
			media.CapacityBytes = memory.Capacity
		}
		if media.State == mediacatalog.StateUnknown || media.State == mediacatalog.StateBlank {
			label.conclude(media, own)
		}
		return nil
	})
	return err
}

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

// conclude sets the state of a tape that was not known before, from its label (dpm.md 1.2).
func (l *Label) conclude(m *mediacatalog.Media, own string) {
	switch {
	case l.Blank:
		m.State = mediacatalog.StateBlank
	case l.Header == nil || !l.Header.HasLabel:
		m.State, m.Format = mediacatalog.StateUnrecognized, l.format()
	case l.Header.Label.DomainID == own:
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
