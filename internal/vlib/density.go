package vlib

import (
	"encoding/binary"
	"fmt"

	"tapectl/internal/drive"
)

// reportDensities is REPORT DENSITY SUPPORT (SSC-5 7.10).
func (t *task) reportDensities() *sense {
	var r drive.ReportDensitySupport
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	list := media
	if r.Media {
		if s := t.unready(); s != nil {
			return s
		}
		list = []medium{t.d.entry.medium()}
	}
	b := make([]byte, 4)
	for _, m := range list {
		access := t.d.gen.accessTo(m)
		switch {
		case m.cleaning || access == noAccess:
		case r.MediumType:
			b = appendMediumType(b, m)
			if m.wormSuffix != "" {
				m.mediumType += 4
				b = appendMediumType(b, m)
			}
		default:
			b = appendDensity(b, m, access, m.key == t.d.gen.number)
		}
	}
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	return t.reply(b, int(r.Allocation))
}

// appendDensity appends a density support data block descriptor (SSC-5 table 109, 52 bytes).
func appendDensity(b []byte, m medium, a access, own bool) []byte {
	d := make([]byte, 52)
	d[0], d[1] = m.density, m.density
	d[2] = flag(a == readWrite, 0x80) | flag(own, 0x20)
	d[5], d[6], d[7] = byte(m.bitsPerMM>>16), byte(m.bitsPerMM>>8), byte(m.bitsPerMM)
	binary.BigEndian.PutUint16(d[8:], 127)
	binary.BigEndian.PutUint16(d[10:], m.tracks)
	binary.BigEndian.PutUint32(d[12:], uint32(m.capacity/1e6))
	copy(d[16:24], "LTO-CVE ")
	copy(d[24:32], fmt.Sprintf("%-8s", "U-"+m.suffix))
	copy(d[32:52], fmt.Sprintf("%-20s", m.name))
	return append(b, d...)
}

// appendMediumType appends a medium type descriptor (SSC-5 table 110, 56 bytes).
func appendMediumType(b []byte, m medium) []byte {
	d := make([]byte, 56)
	d[0] = m.mediumType
	binary.BigEndian.PutUint16(d[2:], 52)
	d[4] = 1
	d[5] = m.density
	binary.BigEndian.PutUint16(d[14:], 127)
	binary.BigEndian.PutUint16(d[16:], uint16(m.lengthM))
	copy(d[20:28], "LTO-CVE ")
	copy(d[28:36], fmt.Sprintf("%-8s", "U-"+m.suffix))
	copy(d[36:56], fmt.Sprintf("%-20s", m.name))
	return append(b, d...)
}
