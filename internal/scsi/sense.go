package scsi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// SenseKey is the coarse class of a condition (SPC-5 4.4.8).
type SenseKey uint8

// The sense keys of SPC-5 table 48.
const (
	NoSense        SenseKey = 0x0
	RecoveredError SenseKey = 0x1
	NotReady       SenseKey = 0x2
	MediumError    SenseKey = 0x3
	HardwareError  SenseKey = 0x4
	IllegalRequest SenseKey = 0x5
	UnitAttention  SenseKey = 0x6
	DataProtect    SenseKey = 0x7
	BlankCheck     SenseKey = 0x8
	VendorSpecific SenseKey = 0x9
	CopyAborted    SenseKey = 0xA
	AbortedCommand SenseKey = 0xB
	VolumeOverflow SenseKey = 0xD
	Miscompare     SenseKey = 0xE
	Completed      SenseKey = 0xF
)

var senseKeyNames = [16]string{
	"NO SENSE", "RECOVERED ERROR", "NOT READY", "MEDIUM ERROR", "HARDWARE ERROR", "ILLEGAL REQUEST", "UNIT ATTENTION",
	"DATA PROTECT", "BLANK CHECK", "VENDOR SPECIFIC", "COPY ABORTED", "ABORTED COMMAND", "sense key Ch",
	"VOLUME OVERFLOW", "MISCOMPARE", "COMPLETED",
}

// String gives the standard's name of the key.
func (k SenseKey) String() string { return senseKeyNames[k&0xF] }

// Sense is parsed sense data, the same for the fixed and the descriptor format (SPC-5 4.4).
type Sense struct {
	// Deferred says that the condition belongs to an earlier, buffered command, and that the command it came with
	// was not executed.
	Deferred bool
	// Descriptor says that the data was in descriptor format.
	Descriptor bool
	Key        SenseKey
	ASC, ASCQ  byte
	// Filemark, EndOfMedium and IncorrectLength are the flags of sequential-access devices (SSC-5 4.2.23): a filemark
	// was met; early warning, end or beginning of the partition was reached; the block had another length.
	Filemark, EndOfMedium, IncorrectLength bool
	// InformationValid says that Information holds the count that the command defines.
	InformationValid bool
	// Information is signed: for a block longer than asked it is negative (SSC-5 7.1).
	Information int64
	// SenseKeySpecific holds the three bytes of SPC-5 4.4.2.4; its first bit says whether they are valid.
	SenseKeySpecific [3]byte
	// FieldReplaceableUnit is the vendor's number of the part that failed, 0 when unknown.
	FieldReplaceableUnit byte
	// Raw is the data that this was parsed from.
	Raw []byte
}

// errNoSense says that sense data is missing or of no known format.
var errNoSense = errors.New("no usable sense data")

// ParseSense decodes sense data of either format. Data that is cut off gives what is there: below 3 bytes in
// fixed format (2 in descriptor format) nothing, below 14 (4) an additional sense code of 00/00.
// Raw is a copy.
func ParseSense(b []byte) (Sense, error) {
	if len(b) == 0 {
		return Sense{}, errNoSense
	}
	s := Sense{Raw: append([]byte(nil), b...)}
	switch b[0] & 0x7F {
	case 0x70, 0x71:
		s.Deferred = b[0]&0x7F == 0x71
		return s, s.parseFixed(b)
	case 0x72, 0x73:
		s.Deferred = b[0]&0x7F == 0x73
		s.Descriptor = true
		return s, s.parseDescriptor(b)
	}
	return Sense{Raw: s.Raw}, fmt.Errorf("%w: response code %02Xh", errNoSense, b[0]&0x7F)
}

func (s *Sense) parseFixed(b []byte) error {
	if len(b) < 3 {
		return fmt.Errorf("%w: %d bytes", errNoSense, len(b))
	}
	s.Key = SenseKey(b[2] & 0x0F)
	s.Filemark = b[2]&0x80 != 0
	s.EndOfMedium = b[2]&0x40 != 0
	s.IncorrectLength = b[2]&0x20 != 0
	if len(b) >= 7 {
		s.InformationValid = b[0]&0x80 != 0
		s.Information = int64(int32(binary.BigEndian.Uint32(b[3:7])))
	}
	if len(b) >= 14 {
		s.ASC, s.ASCQ = b[12], b[13]
	}
	if len(b) >= 15 {
		s.FieldReplaceableUnit = b[14]
	}
	if len(b) >= 18 {
		copy(s.SenseKeySpecific[:], b[15:18])
	}
	return nil
}

func (s *Sense) parseDescriptor(b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("%w: %d bytes", errNoSense, len(b))
	}
	s.Key = SenseKey(b[1] & 0x0F)
	if len(b) >= 4 {
		s.ASC, s.ASCQ = b[2], b[3]
	}
	if len(b) < 8 {
		return nil
	}
	list := b[8:min(len(b), 8+int(b[7]))]
	for len(list) >= 2 {
		n := 2 + int(list[1])
		if n > len(list) {
			break
		}
		s.parseSenseDescriptor(list[:n])
		list = list[n:]
	}
	return nil
}

// parseSenseDescriptor takes one descriptor, header included (SPC-5 table 31).
func (s *Sense) parseSenseDescriptor(d []byte) {
	switch {
	case d[0] == 0x00 && len(d) >= 12:
		s.InformationValid = d[2]&0x80 != 0
		s.Information = int64(binary.BigEndian.Uint64(d[4:12]))
	case d[0] == 0x02 && len(d) >= 7:
		copy(s.SenseKeySpecific[:], d[4:7])
	case d[0] == 0x03 && len(d) >= 4:
		s.FieldReplaceableUnit = d[3]
	case d[0] == 0x04 && len(d) >= 4:
		s.Filemark = d[3]&0x80 != 0
		s.EndOfMedium = d[3]&0x40 != 0
		s.IncorrectLength = d[3]&0x20 != 0
	}
}

// Progress returns how far an operation in progress is, from 0 to 1, and whether the device said so (keys NO SENSE
// and NOT READY, SPC-5 4.4.2.4.4).
func (s Sense) Progress() (float64, bool) {
	if s.SenseKeySpecific[0]&0x80 == 0 || s.Key != NoSense && s.Key != NotReady {
		return 0, false
	}
	return float64(binary.BigEndian.Uint16(s.SenseKeySpecific[1:3])) / 65536, true
}

// String tells the condition in one line: flags, key, code and the standard's text of the code.
func (s Sense) String() string {
	var b strings.Builder
	if s.Deferred {
		b.WriteString("deferred ")
	}
	fmt.Fprintf(&b, "%s, %02X/%02X", s.Key, s.ASC, s.ASCQ)
	if text := AdditionalSenseText(s.ASC, s.ASCQ); text != "" {
		b.WriteString(" " + text)
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{s.Filemark, "filemark"}, {s.EndOfMedium, "end of medium"}, {s.IncorrectLength, "incorrect length"}} {
		if f.set {
			b.WriteString(", " + f.name)
		}
	}
	if s.InformationValid {
		fmt.Fprintf(&b, ", information %d", s.Information)
	}
	return b.String()
}

// succeeded reports whether the command that the sense data came with did its work: nothing but a note, such as a
// recovered error or a request for cleaning, without a flag that the tape commands give meaning to.
func (s Sense) succeeded() bool {
	if s.Deferred || s.Filemark || s.EndOfMedium || s.IncorrectLength {
		return false
	}
	return s.Key == RecoveredError || s.Key == Completed || s.Key == NoSense && (s.ASC != 0x00 || s.ASCQ == 0x00 || s.ASCQ == 0x17)
}
