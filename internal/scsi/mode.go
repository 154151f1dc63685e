package scsi

import (
	"context"
	"encoding/binary"
	"errors"
)

// PageControl selects which values of a mode page are wanted (SPC-5 table 209).
type PageControl byte

// The page controls.
const (
	CurrentValues    PageControl = 0
	ChangeableValues PageControl = 1
	DefaultValues    PageControl = 2
	SavedValues      PageControl = 3
)

// ModeSense6 is MODE SENSE(6) (SPC-5 6.14).
type ModeSense6 struct {
	DisableBlockDescriptors bool // DBD
	Control                 PageControl
	Page, Subpage           byte
	AllocationLength        byte
}

// Name is the standard's name of the command.
func (ModeSense6) Name() string { return "MODE SENSE(6)" }

// CDB encodes the command.
func (r ModeSense6) CDB() []byte {
	return []byte{0x1A, flag(r.DisableBlockDescriptors, 0x08), byte(r.Control)<<6 | r.Page&0x3F, r.Subpage,
		r.AllocationLength, 0}
}

// UnmarshalCDB decodes the command.
func (r *ModeSense6) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 6, 0x1A); err != nil {
		return err
	}
	*r = ModeSense6{DisableBlockDescriptors: b[1]&0x08 != 0, Control: PageControl(b[2] >> 6), Page: b[2] & 0x3F,
		Subpage: b[3], AllocationLength: b[4]}
	return nil
}

// ModeSense10 is MODE SENSE(10) (SPC-5 6.15).
type ModeSense10 struct {
	LongLBAAccepted         bool // LLBAA
	DisableBlockDescriptors bool // DBD
	Control                 PageControl
	Page, Subpage           byte
	AllocationLength        uint16
}

// Name is the standard's name of the command.
func (ModeSense10) Name() string { return "MODE SENSE(10)" }

// CDB encodes the command.
func (r ModeSense10) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x5A
	b[1] = flag(r.LongLBAAccepted, 0x10) | flag(r.DisableBlockDescriptors, 0x08)
	b[2] = byte(r.Control)<<6 | r.Page&0x3F
	b[3] = r.Subpage
	binary.BigEndian.PutUint16(b[7:9], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *ModeSense10) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x5A); err != nil {
		return err
	}
	*r = ModeSense10{LongLBAAccepted: b[1]&0x10 != 0, DisableBlockDescriptors: b[1]&0x08 != 0,
		Control: PageControl(b[2] >> 6), Page: b[2] & 0x3F, Subpage: b[3],
		AllocationLength: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// ModeSelect6 is MODE SELECT(6) (SPC-5 6.12).
type ModeSelect6 struct {
	PageFormat          bool // PF: the pages have the standard's format
	SavePages           bool // SP
	ParameterListLength byte
}

// Name is the standard's name of the command.
func (ModeSelect6) Name() string { return "MODE SELECT(6)" }

// CDB encodes the command.
func (r ModeSelect6) CDB() []byte {
	return []byte{0x15, flag(r.PageFormat, 0x10) | flag(r.SavePages, 0x01), 0, 0, r.ParameterListLength, 0}
}

// UnmarshalCDB decodes the command.
func (r *ModeSelect6) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 6, 0x15); err != nil {
		return err
	}
	*r = ModeSelect6{PageFormat: b[1]&0x10 != 0, SavePages: b[1]&0x01 != 0, ParameterListLength: b[4]}
	return nil
}

// ModeSelect10 is MODE SELECT(10) (SPC-5 6.13).
type ModeSelect10 struct {
	PageFormat          bool // PF: the pages have the standard's format
	SavePages           bool // SP
	ParameterListLength uint16
}

// Name is the standard's name of the command.
func (ModeSelect10) Name() string { return "MODE SELECT(10)" }

// CDB encodes the command.
func (r ModeSelect10) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x55
	b[1] = flag(r.PageFormat, 0x10) | flag(r.SavePages, 0x01)
	binary.BigEndian.PutUint16(b[7:9], r.ParameterListLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *ModeSelect10) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x55); err != nil {
		return err
	}
	*r = ModeSelect10{PageFormat: b[1]&0x10 != 0, SavePages: b[1]&0x01 != 0,
		ParameterListLength: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// ModeQuery says which mode page is wanted.
type ModeQuery struct {
	Page, Subpage byte // page 3Fh is all pages
	Control       PageControl
	// DisableBlockDescriptors leaves density and block length out, as changers want it. It is a wish: a device
	// that refuses the bit is asked without.
	DisableBlockDescriptors bool
}

// ModeSense reads mode parameters: with MODE SENSE(10), and with MODE SENSE(6) where the device lacks that; with DBD
// when asked for, and without where the device refuses it (libraries differ in both). Pages is empty when the
// device sent none. The error is that of the first form the device knows.
func ModeSense(ctx context.Context, t Transport, q ModeQuery) (ModeParameters, error) {
	var first error
	for _, h := range []ModeHeader{Header10, Header6} {
		for _, dbd := range []bool{true, false} {
			if dbd && !q.DisableBlockDescriptors {
				continue
			}
			p, err := modeSense(ctx, t, q, h, dbd)
			if err == nil {
				return p, nil
			}
			if first == nil || errors.Is(first, InvalidOperationCode) {
				first = err
			}
			if errors.Is(err, InvalidOperationCode) {
				break // the other header
			}
			if !errors.Is(err, InvalidFieldInCDB) {
				return p, err
			}
		}
	}
	return ModeParameters{}, first
}

// modeSense tries one form.
func modeSense(ctx context.Context, t Transport, q ModeQuery, h ModeHeader, dbd bool) (ModeParameters, error) {
	size := 252 // fits in the one byte of the short form
	for {
		var r Request = ModeSense6{DisableBlockDescriptors: dbd, Control: q.Control, Page: q.Page, Subpage: q.Subpage,
			AllocationLength: byte(size)}
		if h == Header10 {
			r = ModeSense10{DisableBlockDescriptors: dbd, Control: q.Control, Page: q.Page, Subpage: q.Subpage,
				AllocationLength: uint16(size)}
		}
		b, err := DataIn(ctx, t, r, size, StandardTimeout)
		if err != nil {
			return ModeParameters{}, err
		}
		if want := h.total(b); h == Header10 && want > size && size == 252 {
			size = min(want, 0xFFFF)
			continue
		}
		var p ModeParameters
		err = named(r, p.Unmarshal(h, b))
		return p, err
	}
}

// ModeSelect changes mode parameters: p's header, its block descriptor when HasBlockDescriptor is set, and its pages.
// It uses MODE SELECT(10), and MODE SELECT(6) where the device lacks that. Read the page first, change it and
// send it back; keep BufferedMode, without which writes become synchronous. save asks the device to keep the values over
// a power cycle, which many refuse.
func ModeSelect(ctx context.Context, t Transport, p ModeParameters, save bool) error {
	long := p.MarshalSelect(Header10)
	if len(long) > 0xFFFF {
		return errors.New("send MODE SELECT: the parameters exceed 65,535 bytes")
	}
	err := DataOut(ctx, t, ModeSelect10{PageFormat: true, SavePages: save, ParameterListLength: uint16(len(long))}, long,
		StandardTimeout)
	short := p.MarshalSelect(Header6)
	if !errors.Is(err, InvalidOperationCode) || len(short) > 0xFF {
		return err
	}
	return DataOut(ctx, t, ModeSelect6{PageFormat: true, SavePages: save, ParameterListLength: byte(len(short))}, short,
		StandardTimeout)
}
