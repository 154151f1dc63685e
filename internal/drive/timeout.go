package drive

import (
	"time"

	"tapectl/internal/scsi"
)

// maxTimeout bounds what a drive can make the program wait: a long erase of LTO-9 takes 46 hours.
const maxTimeout = 72 * time.Hour

// opEraseLong stands for ERASE with LONG in the table of timeouts: no real operation code is FFh.
const opEraseLong = 0xFF

// timeouts holds the time of each operation code that does not take a minute (scsi.md 9.1).
type timeouts map[byte]time.Duration

// defaultTimeouts gives the table for a drive.
func defaultTimeouts(g Generation) timeouts {
	t := timeouts{
		opRead6:           2400 * time.Second, // error recovery can take more than 20 minutes
		opWrite6:          2400 * time.Second,
		opWriteFilemarks6: 1700 * time.Second,
		opRewind:          800 * time.Second,
		opSpace6:          3000 * time.Second,
		opSpace16:         3000 * time.Second,
		opLocate10:        3000 * time.Second,
		opLocate16:        3000 * time.Second,
		opLoadUnload:      1100 * time.Second,
		opErase6:          600 * time.Second,
		opEraseLong:       170000 * time.Second,
		opFormatMedium:    3300 * time.Second,
		opSetCapacity:     800 * time.Second,
	}
	if g == LTO9 {
		t[opLoadUnload] = 7920 * time.Second // new media are calibrated first (quirk Q33)
		t[opFormatMedium] = 7920 * time.Second
	}
	return t
}

// raise takes one and a half times what the drive recommends, where that is longer than the table.
func (t timeouts) raise(c scsi.SupportedCommand) {
	want := min(c.RecommendedTimeout, maxTimeout) * 3 / 2
	if want > t.ofOpcode(c.OperationCode) {
		t[c.OperationCode] = min(want, maxTimeout)
	}
}

func (t timeouts) ofOpcode(op byte) time.Duration {
	if v, ok := t[op]; ok {
		return v
	}
	return scsi.StandardTimeout
}

// of gives the time for a command.
func (t timeouts) of(cdb []byte) time.Duration {
	if len(cdb) >= 2 && cdb[0] == opErase6 && cdb[1]&0x01 != 0 {
		return max(t.ofOpcode(opEraseLong), t.ofOpcode(opErase6))
	}
	if len(cdb) == 0 {
		return scsi.StandardTimeout
	}
	return t.ofOpcode(cdb[0])
}
