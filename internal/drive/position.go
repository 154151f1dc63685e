package drive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// Position is where the medium is positioned.
type Position struct {
	Partition uint32
	// Object is the number of the logical object (blocks and filemarks count) that is read or written next.
	Object uint64
	// Filemarks is the number of filemarks between the beginning of the partition and the position.
	Filemarks      uint64
	FilemarksKnown bool
	// BeginningOfPartition: at the beginning. EndOfPartition: between early warning and the end.
	BeginningOfPartition, EndOfPartition bool
	// Counted: the numbers were counted by this program and not told by the drive.
	Counted bool
	// Buffered is how many objects are in the drive's buffer and not on the medium yet, when BufferedKnown.
	Buffered      uint64
	BufferedKnown bool
}

// place is what the Drive itself knows about the position.
type place struct {
	known          bool   // object is right; without it nothing is written
	object         uint64 // the next object
	filemarks      uint64
	filemarksKnown bool
	safe           uint64 // everything before this object is on the medium
	safeKnown      bool
}

// positionForm is how the drive tells its position.
type positionForm uint8

const (
	formUnproved positionForm = iota
	formLong
	formShort
	formCounted // the drive does not tell
)

// errNotTold says that the drive answered READ POSITION with "unknown".
var errNotTold = errors.New("the drive does not know its position")

// PositionReport is the decoded answer to READ POSITION in any form.
type PositionReport struct {
	Position
	// ObjectKnown says that Position.Object is right (LOLU, LONU and PERR are clear).
	ObjectKnown bool
	// Overflow says that the number does not fit in the short form (PERR).
	Overflow bool
}

// DecodePosition decodes the answer to READ POSITION (SSC-5 tables 95, 98 and 99). Too few bytes are an error.
func DecodePosition(form PositionForm, b []byte) (PositionReport, error) {
	want := map[PositionForm]int{ShortForm: 20, LongForm: 32, ExtendedForm: 32}[form]
	if want == 0 {
		return PositionReport{}, fmt.Errorf("decode position: service action %02Xh", uint8(form))
	}
	if len(b) < want {
		return PositionReport{}, fmt.Errorf("decode position: %d bytes, want %d", len(b), want)
	}
	r := PositionReport{ObjectKnown: b[0]&0x04 == 0}
	r.BeginningOfPartition = b[0]&0x80 != 0
	r.EndOfPartition = b[0]&0x40 != 0
	switch form {
	case LongForm:
		r.Partition = binary.BigEndian.Uint32(b[4:8])
		r.Object = binary.BigEndian.Uint64(b[8:16])
		r.Filemarks = binary.BigEndian.Uint64(b[16:24])
		r.FilemarksKnown = b[0]&0x08 == 0 && r.ObjectKnown
		return r, nil
	case ShortForm:
		r.Object = uint64(binary.BigEndian.Uint32(b[4:8]))
		r.Buffered = uint64(get24(b[13:16]))
	case ExtendedForm:
		r.Object = binary.BigEndian.Uint64(b[8:16])
		r.Buffered = uint64(get24(b[5:8]))
	}
	r.Partition = uint32(b[1])
	r.Overflow = b[0]&0x02 != 0
	r.ObjectKnown = r.ObjectKnown && !r.Overflow
	r.BufferedKnown = b[0]&0x20 == 0
	if !r.BufferedKnown {
		r.Buffered = 0
	}
	return r, nil
}

// EncodePosition builds the answer to READ POSITION, for a simulated drive. Unknown forms give nil.
func EncodePosition(form PositionForm, r PositionReport) []byte {
	flags := flag(r.BeginningOfPartition, 0x80) | flag(r.EndOfPartition, 0x40)
	switch form {
	case LongForm:
		b := make([]byte, 32)
		b[0] = flags | flag(!r.ObjectKnown, 0x04) | flag(!r.FilemarksKnown, 0x08)
		binary.BigEndian.PutUint32(b[4:8], r.Partition)
		binary.BigEndian.PutUint64(b[8:16], r.Object)
		binary.BigEndian.PutUint64(b[16:24], r.Filemarks)
		return b
	case ShortForm:
		b := make([]byte, 20)
		overflow := r.Overflow || r.Object > 0xFFFFFFFF
		b[0] = flags | flag(!r.ObjectKnown && !overflow, 0x04) | flag(overflow, 0x02) | flag(!r.BufferedKnown, 0x30)
		b[1] = byte(r.Partition)
		if !overflow {
			binary.BigEndian.PutUint32(b[4:8], uint32(r.Object))
			binary.BigEndian.PutUint32(b[8:12], uint32(r.Object-min(r.Buffered, r.Object)))
		}
		put24(b[13:16], uint32(r.Buffered))
		return b
	case ExtendedForm:
		b := make([]byte, 32)
		b[0] = flags | flag(!r.ObjectKnown, 0x04) | flag(!r.BufferedKnown, 0x30)
		b[1] = byte(r.Partition)
		b[3] = 0x1C
		put24(b[5:8], uint32(r.Buffered))
		binary.BigEndian.PutUint64(b[8:16], r.Object)
		binary.BigEndian.PutUint64(b[16:24], r.Object-min(r.Buffered, r.Object))
		return b
	}
	return nil
}

// readPosition sends READ POSITION in one form. A drive that answers "unknown" gives errNotTold.
func (d *Drive) readPosition(ctx context.Context, t scsi.Transport, form PositionForm) (Position, error) {
	size := 32
	if form == ShortForm {
		size = 20
	}
	r := ReadPosition{Form: form}
	c := d.command(r, scsi.FromDevice, make([]byte, size))
	if err := scsi.Do(ctx, t, c); err != nil {
		return Position{}, err
	}
	p, err := DecodePosition(form, c.Data[:c.Transferred()])
	if err != nil {
		return Position{}, c.BadResponse("%v", err)
	}
	// tgt answers the long form with zeros and without any flag of the standard: the first object is at the beginning
	// of the partition, or the answer is nothing.
	if !p.ObjectKnown || form == LongForm && p.Object == 0 && !p.BeginningOfPartition {
		return Position{}, errNotTold
	}
	return p.Position, nil
}

// askPosition asks the drive in the best form that it has, and finds that form out first. Counted drives give
// errNotTold.
func (d *Drive) askPosition(ctx context.Context, t scsi.Transport) (Position, error) {
	if d.form == formCounted {
		return Position{}, errNotTold
	}
	if d.form != formShort {
		p, err := d.readPosition(ctx, t, LongForm)
		if err == nil {
			d.form, d.can.ReadPositionLong = formLong, true
			return p, nil
		}
		if d.form == formLong || !errors.Is(err, scsi.IsIllegalRequest) && !errors.Is(err, errNotTold) {
			return Position{}, err
		}
	}
	p, err := d.readPosition(ctx, t, ShortForm)
	switch {
	case err == nil:
		d.form = formShort
		return p, nil
	case errors.Is(err, scsi.InvalidOperationCode), errors.Is(err, errNotTold) && !d.can.Locate10 && !d.can.Locate16:
		// A drive that can locate knows its position again some time; one that neither locates nor tells never will.
		d.setCounted()
		return Position{}, errNotTold
	}
	return Position{}, err
}

// setCounted goes over to counting the position.
func (d *Drive) setCounted() {
	d.form = formCounted
	d.can.CountedPosition = true
	d.can.SpaceCountsFilemarks = true
}

// Position tells where the medium is positioned. On drives that cannot tell, the own count is returned, which is valid
// from the last Rewind until an attention, a reset or a failed command; otherwise ErrPositionUnknown. Position does not
// make an unknown position known for writing: the tape may be another one.
func (d *Drive) Position(ctx context.Context) (Position, error) {
	p, err := d.askPosition(ctx, d.attentive)
	switch {
	case err == nil:
		return p, nil
	case d.form != formCounted && !errors.Is(err, errNotTold):
		return Position{}, fmt.Errorf("read position: %w", err)
	case d.form != formCounted || !d.place.known:
		return Position{}, ErrPositionUnknown
	}
	p = Position{Object: d.place.object, BeginningOfPartition: d.place.object == 0, Counted: true}
	if d.place.filemarksKnown {
		p.Filemarks, p.FilemarksKnown = d.place.filemarks, true
	}
	return p, nil
}

// resync takes over the position that the drive tells after a command that moved it to where only the drive knows. The
// position stays unknown when it was.
func (d *Drive) resync(ctx context.Context) {
	if !d.place.known {
		return
	}
	d.place.known = false
	if p, err := d.askPosition(ctx, d.transport); err == nil {
		d.arrive(p)
	} else {
		d.note(err)
	}
}

// arrive makes p the known position.
func (d *Drive) arrive(p Position) {
	d.place = place{known: true, object: p.Object, filemarks: p.Filemarks, filemarksKnown: p.FilemarksKnown,
		safe: p.Object, safeKnown: true}
}

// pass counts blocks and filemarks that were read or spaced over. What was safe on the medium stays so.
func (d *Drive) pass(blocks, filemarks uint64) {
	clean := d.place.safe == d.place.object
	d.advance(blocks, filemarks)
	if clean {
		d.place.safe = d.place.object
	}
}

// advance counts blocks and filemarks that were written.
func (d *Drive) advance(blocks, filemarks uint64) {
	d.place.object += blocks + filemarks
	d.place.filemarks += filemarks
}
