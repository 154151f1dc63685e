package vlib_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
	"tapectl/internal/vlib"
)

// answer is how a command ended.
type answer struct {
	status scsi.Status
	sense  scsi.Sense
	data   []byte // what arrived
	resid  int
}

// String is what the tables compare: GOOD, a status, or key/asc/ascq with the flags and the information.
func (a answer) String() string {
	if a.status != scsi.StatusCheckCondition {
		return a.status.String()
	}
	s := a.sense
	out := fmt.Sprintf("%X/%02X/%02X", byte(s.Key), s.ASC, s.ASCQ)
	for _, f := range []struct {
		set  bool
		name string
	}{{s.Deferred, "deferred"}, {s.Filemark, "FM"}, {s.EndOfMedium, "EOM"}, {s.IncorrectLength, "ILI"}} {
		if f.set {
			out += " " + f.name
		}
	}
	if s.InformationValid {
		out += fmt.Sprintf(" info=%d", s.Information)
	}
	return out
}

// field is the field pointer of an ILLEGAL REQUEST: byte, and bit or -1.
func (a answer) field() (at, bit int) {
	k := a.sense.SenseKeySpecific
	if k[0]&0x80 == 0 {
		return -1, -1
	}
	bit = -1
	if k[0]&0x08 != 0 {
		bit = int(k[0] & 7)
	}
	return int(k[1])<<8 | int(k[2]), bit
}

// trySend sends a CDB with data to or from the device. in is how many bytes the host expects.
func trySend(tr scsi.Transport, cdb []byte, out []byte, in int) (answer, error) {
	c := &scsi.Command{Name: "test", CDB: cdb, Timeout: time.Minute}
	switch {
	case out != nil:
		c.Direction, c.Data = scsi.ToDevice, out
	case in > 0:
		c.Direction, c.Data = scsi.FromDevice, make([]byte, in)
	}
	if err := tr.Send(context.Background(), c); err != nil {
		return answer{}, err
	}
	a := answer{status: c.Status, resid: c.Residual}
	if in > 0 {
		a.data = c.Data[:c.Transferred()]
	}
	if c.Status == scsi.StatusCheckCondition {
		s, err := scsi.ParseSense(c.Sense)
		if err != nil {
			return a, err
		}
		a.sense = s
	}
	return a, nil
}

func send(t testing.TB, tr scsi.Transport, cdb []byte, out []byte, in int) answer {
	t.Helper()
	a, err := trySend(tr, cdb, out, in)
	if err != nil {
		t.Fatalf("% X: %v", cdb, err)
	}
	return a
}

// want sends a command without data and compares how it ends.
func want(t testing.TB, tr scsi.Transport, cdb []byte, expect string) {
	t.Helper()
	if a := send(t, tr, cdb, nil, 0); a.String() != expect {
		t.Errorf("% X: %s, want %s", cdb, a, expect)
	}
}

func wantRead(t testing.TB, tr scsi.Transport, n int, expect string) []byte {
	t.Helper()
	a := send(t, tr, []byte{0x08, 0, byte(n >> 16), byte(n >> 8), byte(n), 0}, nil, n)
	if a.String() != expect {
		t.Errorf("READ %d: %s, want %s", n, a, expect)
	}
	return a.data
}

func wantWrite(t testing.TB, tr scsi.Transport, p []byte, expect string) {
	t.Helper()
	n := len(p)
	if a := send(t, tr, []byte{0x0A, 0, byte(n >> 16), byte(n >> 8), byte(n), 0}, p, 0); a.String() != expect {
		t.Errorf("WRITE %d: %s, want %s", n, a, expect)
	}
}

func marks(n int, immediate byte) []byte {
	return []byte{0x10, immediate, byte(n >> 16), byte(n >> 8), byte(n), 0}
}

func spaceCDB(code byte, n int) []byte {
	return []byte{0x11, code, byte(n >> 16), byte(n >> 8), byte(n), 0}
}

func moveCDB(from, to int) []byte {
	return []byte{0xA5, 0, 0, 0, byte(from >> 8), byte(from), byte(to >> 8), byte(to), 0, 0, 0, 0}
}

// The commands without parameters.
var (
	tur      = []byte{0, 0, 0, 0, 0, 0}
	rewindOp = []byte{1, 0, 0, 0, 0, 0}
	unloadOp = []byte{0x1B, 0, 0, 0, 0, 0}
	loadOp   = []byte{0x1B, 0, 0, 0, 1, 0}
)

// quiet takes the unit attentions of a new nexus.
func quiet(t testing.TB, tr scsi.Transport) {
	t.Helper()
	if _, err := scsi.ClearAttentions(context.Background(), tr); err != nil {
		t.Fatal(err)
	}
}

// rawLab is a library with quiet raw transports to the changer and drive 0.
func rawLab(t testing.TB, c vlib.Config) (l *vlib.Library, ch, dr scsi.Transport) {
	t.Helper()
	folder := t.TempDir() + "/library"
	must(t, vlib.Create(folder, c))
	l, err := vlib.Open(folder)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	ch, err = l.Changer()
	must(t, err)
	dr, err = l.Drive(0)
	must(t, err)
	quiet(t, ch)
	want(t, dr, tur, "6/29/00")
	return l, ch, dr
}

// loadedLab is a rawLab whose drive 0 has the tape of the first slot in it.
func loadedLab(t testing.TB, c vlib.Config) (l *vlib.Library, ch, dr scsi.Transport) {
	t.Helper()
	l, ch, dr = rawLab(t, c)
	want(t, ch, moveCDB(1001, 257), "GOOD")
	quiet(t, dr)
	return l, ch, dr
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"changer": -1, "drive": 0} {
		t.Run(name, func(t *testing.T) {
			l, _, dr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 64 << 20})
			want(t, dr, tur, "GOOD")
			open := func(t *testing.T) scsi.Transport {
				tr, err := l.Changer()
				if n >= 0 {
					tr, err = l.Drive(n)
				}
				must(t, err)
				return tr
			}
			scsitest.TestTransport(t, open, scsitest.Options{
				ScratchTape: n >= 0,
				Stall: func(t *testing.T) func() {
					f := vlib.Fault{Device: map[bool]string{true: "drive0", false: "changer"}[n >= 0], Kind: vlib.FaultTimeout,
						Operations: []int{0x12}, Times: -1, Delay: time.Hour}
					_, err := l.InjectFault(f)
					must(t, err)
					return func() { must(t, l.ClearFaults()) }
				},
			})
		})
	}
}
