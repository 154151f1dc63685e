package vlib

import (
	"encoding/binary"
	"fmt"
	"time"

	"tapectl/internal/drive"
)

// driveCommands is what a drive knows.
func driveCommands() *commandSet {
	const minute = time.Minute
	const onTape = loaded | mechanical
	list := append(commonCommands(), []command{
		{"TEST UNIT READY", 0x00, -1, usage(0x00, 0, 0, 0, 0, 0), minute, loaded, (*task).nothing},
		{"REWIND", 0x01, -1, usage(0x01, 0x01, 0, 0, 0, 0), 13 * minute, onTape, (*task).rewind},
		{"FORMAT MEDIUM", 0x04, -1, usage(0x04, 0x03, 0x0F, 0xFF, 0xFF, 0), 55 * minute, onTape, (*task).formatMedium},
		{"READ BLOCK LIMITS", 0x05, -1, usage(0x05, 0x01, 0, 0, 0, 0), minute, 0, (*task).readBlockLimits},
		{"READ", 0x08, -1, usage(0x08, 0x03, 0xFF, 0xFF, 0xFF, 0), 25 * minute, onTape, (*task).read6},
		{"WRITE", 0x0A, -1, usage(0x0A, 0x01, 0xFF, 0xFF, 0xFF, 0), 25 * minute, onTape, (*task).write6},
		{"SET CAPACITY", 0x0B, -1, usage(0x0B, 0x01, 0, 0xFF, 0xFF, 0), 14 * minute, onTape, (*task).setCapacity},
		{"WRITE FILEMARKS", 0x10, -1, usage(0x10, 0x01, 0xFF, 0xFF, 0xFF, 0), 29 * minute, onTape, (*task).writeFilemarks},
		{"SPACE", 0x11, -1, usage(0x11, 0x0F, 0xFF, 0xFF, 0xFF, 0), 50 * minute, onTape, (*task).space},
		{"MODE SELECT(6)", 0x15, -1, usage(0x15, 0x11, 0, 0, 0xFF, 0), minute, 0, (*task).modeSelect},
		{"ERASE", 0x19, -1, usage(0x19, 0x03, 0, 0, 0, 0), 48 * 60 * minute, onTape, (*task).erase},
		{"MODE SENSE(6)", 0x1A, -1, usage(0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"LOAD UNLOAD", 0x1B, -1, usage(0x1B, 0x01, 0, 0, 0x0F, 0), 19 * minute, mechanical, (*task).loadUnload},
		{"LOCATE", 0x2B, -1, usage(0x2B, 0x07, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0), 50 * minute, onTape, (*task).locate},
		{"READ POSITION", 0x34, 0x00, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"READ POSITION", 0x34, 0x06, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"READ POSITION", 0x34, 0x08, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"REPORT DENSITY SUPPORT", 0x44, -1, usage(0x44, 0x03, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).reportDensities},
		{"LOG SELECT", 0x4C, -1, usage(0x4C, 0x03, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).logSelect},
		{"LOG SENSE", 0x4D, -1, usage(0x4D, 0, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).logSense},
		{"MODE SELECT(10)", 0x55, -1, usage(0x55, 0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).modeSelect},
		{"MODE SENSE(10)", 0x5A, -1, usage(0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"ALLOW OVERWRITE", 0x82, -1, usage(0x82, 0, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), minute,
			loaded, (*task).allowOverwrite},
		{"WRITE ATTRIBUTE", 0x8D, -1, usage(0x8D, 0x01, 0, 0, 0, 0xFF, 0, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0), minute, 0, (*task).writeAttribute},
		{"SPACE(16)", 0x91, -1, usage(0x91, 0x0F, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), 50 * minute, onTape, (*task).space},
		{"LOCATE(16)", 0x92, -1, usage(0x92, 0x1B, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), 50 * minute, onTape, (*task).locate},
	}...)
	for _, action := range []int{0x00, 0x01, 0x02, 0x03, 0x05} {
		list = append(list, command{"READ ATTRIBUTE", 0x8C, action, usage(0x8C, 0x1F, 0, 0, 0, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
			0x01, 0), minute, 0, (*task).readAttribute})
	}
	return newCommandSet(list)
}

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
