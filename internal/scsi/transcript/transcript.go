// Package transcript writes SCSI commands down as text, and plays them back.
//
// A [Recorder] stands in front of a transport and writes each command with its answer; it serves as a wire trace. A
// [Replayer] is a transport that answers from what was recorded, so that a session with a device that few people
// have becomes a test.
//
// # Format
//
// UTF-8 text, one paragraph for each command, paragraphs separated by blank lines. Lines that begin with # are comments
// and may stand anywhere. The first line of a paragraph is the command's name. The others begin with a word:
//
//	cdb       the command descriptor block in hexadecimal, 6 to 16 bytes; required
//	in N      N bytes came from the device; lines of data follow
//	out N     N bytes were to go to the device; lines of data follow
//	status    the status byte in hexadecimal, and its name, which is ignored
//	sense     the sense data in hexadecimal
//	residual  the residual in bytes, in decimal; 0 when missing
//	time      how long the command took, as 1.5ms; unknown when missing
//	error     unknown or not-sent, and the text of the transport's error, instead of a status
//
// A line of data has an offset in hexadecimal and up to 16 bytes:
//
//	0010  48 50 45 20 20 20 20 20 55 6C 74 72 69 75 6D 20
//
// The offsets go up without gaps. Data that was not written down is told by a line of dots at the end:
//
//	... 65280 more
//	... 96 redacted
//
// The data of SECURITY PROTOCOL OUT holds keys and is always redacted. For example:
//
//	READ(6)
//	cdb 08 00 01 00 00 00
//	in 4
//	0000  54 41 50 45
//	status 02 CHECK CONDITION
//	sense F0 00 20 00 00 FF FC 0A 00 00 00 00 00 00 00 00 00 00
//	# NO SENSE, 00/00 no additional sense information, incorrect length, information 65532
//	residual 65532
//	time 1.5ms
package transcript

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"tapectl/internal/scsi"
)

// Entry is one command with its answer.
type Entry struct {
	Name      string
	CDB       []byte
	Direction scsi.Direction
	// Data is what came from the device, or what was to go there.
	Data []byte
	// Omitted counts the bytes behind Data that were not written down.
	Omitted int
	// Redacted says that they are secret.
	Redacted bool

	Status   scsi.Status
	Sense    []byte
	Residual int
	Elapsed  time.Duration // 0: not recorded

	// Failed says that the transport gave no answer: Status, Sense and Residual mean nothing then.
	Failed  bool
	NotSent bool   // of a failed command: it never reached the device
	Error   string // of a failed command: why
}

// hexLine writes bytes as 0A 1B 2C.
func hexLine(b []byte) string { return fmt.Sprintf("% X", b) }

// oneLine makes s fit in one line: control characters and line separators become spaces, runs of them one.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// title is the first line of the paragraph: never empty, never a comment.
func (e *Entry) title() string {
	s := strings.TrimLeft(oneLine(e.Name), "# ")
	if s == "" {
		return "-"
	}
	return s
}

// String gives the paragraph of the entry, with a line break at its end.
func (e Entry) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ncdb %s\n", e.title(), hexLine(e.CDB))
	if n := len(e.Data) + e.Omitted; n > 0 && e.Direction != scsi.NoData {
		fmt.Fprintf(&b, "%s %d\n", e.Direction, n)
		e.writeData(&b)
	}
	switch {
	case e.Failed && e.NotSent:
		fmt.Fprintf(&b, "error not-sent %s\n", oneLine(e.Error))
	case e.Failed:
		fmt.Fprintf(&b, "error unknown %s\n", oneLine(e.Error))
	default:
		fmt.Fprintf(&b, "status %02X %s\n", byte(e.Status), e.Status)
		if len(e.Sense) > 0 {
			fmt.Fprintf(&b, "sense %s\n", hexLine(e.Sense))
			if s, err := scsi.ParseSense(e.Sense); err == nil {
				fmt.Fprintf(&b, "# %s\n", s)
			}
		}
		if e.Residual != 0 {
			fmt.Fprintf(&b, "residual %d\n", e.Residual)
		}
	}
	if e.Elapsed > 0 {
		fmt.Fprintf(&b, "time %s\n", e.Elapsed)
	}
	return b.String()
}

// writeData writes the lines of data.
func (e *Entry) writeData(b *bytes.Buffer) {
	for at := 0; at < len(e.Data); at += 16 {
		fmt.Fprintf(b, "%04X  %s\n", at, hexLine(e.Data[at:min(at+16, len(e.Data))]))
	}
	switch {
	case e.Omitted > 0 && e.Redacted:
		fmt.Fprintf(b, "... %d redacted\n", e.Omitted)
	case e.Omitted > 0:
		fmt.Fprintf(b, "... %d more\n", e.Omitted)
	}
}

// secret reports whether the data of the command holds keys: SECURITY PROTOCOL OUT. The operation code means another
// command on a changer, which sends no data.
func secret(c *scsi.Command) bool {
	return len(c.CDB) > 0 && c.CDB[0] == 0xB5 && c.Direction == scsi.ToDevice
}
