package scsi

import (
	"context"
	"encoding/binary"
)

// ReportLUNs is REPORT LUNS (SPC-5 6.33).
type ReportLUNs struct {
	SelectReport     byte // 0: all but the well known logical units
	AllocationLength uint32
}

// Name is the standard's name of the command.
func (ReportLUNs) Name() string { return "REPORT LUNS" }

// CDB encodes the command.
func (r ReportLUNs) CDB() []byte {
	b := make([]byte, 12)
	b[0] = 0xA0
	b[2] = r.SelectReport
	binary.BigEndian.PutUint32(b[6:10], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *ReportLUNs) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 12, 0xA0); err != nil {
		return err
	}
	*r = ReportLUNs{SelectReport: b[2], AllocationLength: binary.BigEndian.Uint32(b[6:10])}
	return nil
}

// UnmarshalLUNs decodes the data of REPORT LUNS: the numbers in the peripheral and the flat addressing method. Other
// kinds of address (well known, hierarchical, extended) are left out. The error is a *ResponseError.
func UnmarshalLUNs(b []byte) ([]uint16, error) {
	if len(b) < 8 {
		return nil, malformed("LUN list of %d bytes", len(b))
	}
	n := int64(binary.BigEndian.Uint32(b[0:4]))
	b = b[8:min(int64(len(b)), 8+n)]
	var out []uint16
	for ; len(b) >= 8; b = b[8:] {
		switch {
		case b[0] == 0x00: // peripheral addressing, bus 0
			out = append(out, uint16(b[1]))
		case b[0]&0xC0 == 0x40: // flat addressing
			out = append(out, uint16(b[0]&0x3F)<<8|uint16(b[1]))
		}
	}
	return out, nil
}

// MarshalLUNs encodes the data of REPORT LUNS, with the flat method from 256 on.
func MarshalLUNs(luns []uint16) []byte {
	b := make([]byte, 8+8*len(luns))
	binary.BigEndian.PutUint32(b[0:4], uint32(8*len(luns)))
	for i, n := range luns {
		e := b[8+8*i:]
		if n > 0xFF {
			e[0] = 0x40
		}
		e[0] |= byte(n >> 8 & 0x3F)
		e[1] = byte(n)
	}
	return b
}

// ListLUNs returns the numbers of the target's logical units. t may lead to any of them.
func ListLUNs(ctx context.Context, t Transport) ([]uint16, error) {
	size := 8 + 8*256
	for {
		r := ReportLUNs{AllocationLength: uint32(size)}
		b, err := DataIn(ctx, t, r, size, StandardTimeout)
		if err != nil {
			return nil, err
		}
		luns, err := UnmarshalLUNs(b)
		if err != nil {
			return nil, named(r, err)
		}
		want := 8 + int64(binary.BigEndian.Uint32(b[0:4]))
		if want <= int64(size) || size > 8+8*256 {
			return luns, nil
		}
		size = int(min(want, 8+8*16384)) // 14 bits of flat address
	}
}
