package vlib_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// modelTape is a tape as the standard describes it, one object after the other, without any cleverness.
type modelTape struct {
	objects  [][]byte // nil is a filemark
	at       int
	capacity int
	warning  int
}

func (m *modelTape) bytes(n int) int {
	sum := 0
	for _, o := range m.objects[:n] {
		sum += len(o)
	}
	return sum
}

func (m *modelTape) note() string {
	if m.bytes(m.at) > m.warning {
		return "0/00/02 EOM info=0"
	}
	return "GOOD"
}

func (m *modelTape) write(p []byte) string {
	if m.bytes(m.at)+len(p) > m.capacity {
		return fmt.Sprintf("D/00/02 EOM info=%d", len(p))
	}
	m.objects = append(m.objects[:m.at:m.at], p)
	m.at++
	return m.note()
}

func (m *modelTape) marks(n int) string {
	if n == 0 {
		return "GOOD"
	}
	m.objects = m.objects[:m.at:m.at]
	for range n {
		m.objects = append(m.objects, nil)
		m.at++
	}
	return m.note()
}

func (m *modelTape) read(n int) ([]byte, string) {
	if m.at == len(m.objects) {
		return nil, fmt.Sprintf("8/00/05 info=%d", n)
	}
	o := m.objects[m.at]
	m.at++
	switch {
	case o == nil:
		return nil, fmt.Sprintf("0/00/01 FM info=%d", n)
	case len(o) == n:
		return o, "GOOD"
	}
	return o[:min(n, len(o))], fmt.Sprintf("0/00/00 ILI info=%d", n-len(o))
}

// space goes object by object.
func (m *modelTape) space(code byte, n int) string {
	if code == 3 {
		m.at = len(m.objects)
		return "GOOD"
	}
	step := 1
	if n < 0 {
		step, n = -1, -n
	}
	for n > 0 {
		if step > 0 && m.at == len(m.objects) {
			return fmt.Sprintf("8/00/05 info=%d", n)
		}
		if step < 0 && m.at == 0 {
			return fmt.Sprintf("0/00/04 EOM info=%d", n)
		}
		passed := m.at
		if step < 0 {
			passed--
		}
		m.at += step
		mark := m.objects[passed] == nil
		if code == 0 && mark {
			return fmt.Sprintf("0/00/01 FM info=%d", n)
		}
		if code == 0 || mark {
			n--
		}
	}
	return "GOOD"
}

func (m *modelTape) locate(n int) string {
	if n > len(m.objects) {
		m.at = len(m.objects)
		return "8/00/05"
	}
	m.at = n
	return "GOOD"
}

func (m *modelTape) filemarksBefore() (n int) {
	for _, o := range m.objects[:m.at] {
		if o == nil {
			n++
		}
	}
	return n
}

// modelRun drives a virtual drive and the model with the same commands.
type modelRun struct {
	t      *testing.T
	r      *rand.Rand
	m      *modelTape
	folder string
	l      *vlib.Library
	ch, tr scsi.Transport
	step   int
}

func (x *modelRun) open() {
	var err error
	x.l, err = vlib.Open(x.folder)
	must(x.t, err)
	x.ch, err = x.l.Changer()
	must(x.t, err)
	x.tr, err = x.l.Drive(0)
	must(x.t, err)
	quiet(x.t, x.ch)
	quiet(x.t, x.tr)
}

func (x *modelRun) check(what string, got, want string) {
	x.t.Helper()
	if got != want {
		x.t.Fatalf("step %d: %s: %s, want %s", x.step, what, got, want)
	}
}

func (x *modelRun) size() int {
	switch x.r.IntN(4) {
	case 0:
		return 1 + x.r.IntN(8)
	case 1:
		return 4096
	}
	return 1 + x.r.IntN(9000)
}

// once does one random command.
func (x *modelRun) once() {
	switch n := x.r.IntN(100); {
	case n < 30:
		p := make([]byte, x.size())
		for i := range p {
			p[i] = byte(x.r.Uint32())
		}
		a := send(x.t, x.tr, []byte{0x0A, 0, 0, byte(len(p) >> 8), byte(len(p)), 0}, p, 0)
		x.check(fmt.Sprintf("WRITE %d", len(p)), a.String(), x.m.write(p))
	case n < 37:
		count := x.r.IntN(3)
		a := send(x.t, x.tr, marks(count, byte(x.r.IntN(2))), nil, 0)
		x.check(fmt.Sprintf("WRITE FILEMARKS %d", count), a.String(), x.m.marks(count))
	case n < 67:
		size := x.size()
		a := send(x.t, x.tr, []byte{0x08, 0, 0, byte(size >> 8), byte(size), 0}, nil, size)
		data, end := x.m.read(size)
		x.check(fmt.Sprintf("READ %d", size), a.String(), end)
		if !bytes.Equal(a.data, data) {
			x.t.Fatalf("step %d: READ %d gave %d bytes that differ from the %d written", x.step, size, len(a.data), len(data))
		}
	case n < 80:
		code, count := byte(x.r.IntN(2)), x.r.IntN(21)-10
		if x.r.IntN(10) == 0 {
			code, count = 3, 0
		}
		a := send(x.t, x.tr, spaceCDB(code, count), nil, 0)
		x.check(fmt.Sprintf("SPACE code %d, %d", code, count), a.String(), x.m.space(code, count))
	case n < 90:
		object := x.r.IntN(len(x.m.objects) + 3)
		cdb := make([]byte, 16)
		cdb[0] = 0x92
		binary.BigEndian.PutUint64(cdb[4:], uint64(object))
		x.check(fmt.Sprintf("LOCATE %d", object), send(x.t, x.tr, cdb, nil, 0).String(), x.m.locate(object))
	case n < 95:
		x.check("REWIND", send(x.t, x.tr, rewindOp, nil, 0).String(), x.m.locate(0))
	case n < 97:
		x.m.objects = x.m.objects[:x.m.at:x.m.at]
		x.check("ERASE", send(x.t, x.tr, []byte{0x19, 0, 0, 0, 0, 0}, nil, 0).String(), "GOOD")
	case n < 98:
		must(x.t, x.l.Close())
		x.open()
	default:
		x.m.at = 0
		want(x.t, x.tr, unloadOp, "GOOD")
		slot := 1001 + x.r.IntN(3)
		want(x.t, x.ch, moveCDB(257, slot), "GOOD")
		want(x.t, x.ch, moveCDB(slot, 257), "GOOD")
		quiet(x.t, x.tr)
	}
}

// position compares READ POSITION, long form, with the model.
func (x *modelRun) position() {
	a := send(x.t, x.tr, []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}, nil, 32)
	if len(a.data) != 32 {
		x.t.Fatalf("step %d: READ POSITION: %s, %d bytes", x.step, a, len(a.data))
	}
	object, file := binary.BigEndian.Uint64(a.data[8:]), binary.BigEndian.Uint64(a.data[16:])
	if object != uint64(x.m.at) || file != uint64(x.m.filemarksBefore()) || a.data[0]&0x80 != 0 != (x.m.at == 0) {
		x.t.Fatalf("step %d: at object %d, file %d, flags %02X; want %d, %d", x.step, object, file, a.data[0], x.m.at,
			x.m.filemarksBefore())
	}
}

func TestRandomCommandsAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			x := &modelRun{t: t, r: rand.New(rand.NewPCG(seed, 1)), folder: t.TempDir() + "/l",
				m: &modelTape{capacity: 200000, warning: 200000 - 25000}}
			must(t, vlib.Create(x.folder, vlib.Config{Slots: 3, TapeCount: 1, Capacity: 200000}))
			x.open()
			want(t, x.ch, moveCDB(1001, 257), "GOOD")
			quiet(t, x.tr)
			for x.step = range 1500 {
				x.once()
				x.position()
			}
			must(t, x.l.Close())
		})
	}
}
