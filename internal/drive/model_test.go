package drive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// model drives a fake with operations taken out of bytes, and holds the Drive to what is really on the tape.
type model struct {
	t    testing.TB
	f    *fakeDrive
	d    *Drive
	next byte // content of the next block
	log  []string
}

// fault makes the next command of one kind go wrong, executed or not.
func (m *model) fault(b byte) {
	f := m.f
	op := []byte{0x0A, 0x10, 0x08, 0x11, 0x92, 0x01, 0x34}[b%7]
	failures := []func(*scsi.Command) error{
		scsitest.Lost(errCable),
		scsitest.Check(scsitest.Sense(scsi.AbortedCommand, 0x47, 0x03)),
		scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x2A, 0x01)),
		scsitest.Check(scsitest.Sense(scsi.MediumError, 0x0C, 0x00)),
		scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0x00)),
		scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.RecoveredError, ASC: 0x0C})),
		scsitest.Status(scsi.StatusReservationConflict),
	}
	n := int(b/7) % (len(failures) + 1)
	if n == len(failures) { // a reset: the tape is rewound
		f.attentions = append(f.attentions, scsitest.Sense(scsi.UnitAttention, 0x29, 0x00))
		f.pos = 0
		m.log = append(m.log, "reset")
		return
	}
	m.log = append(m.log, fmt.Sprintf("fault %d of %02Xh", n, op))
	executed := n < 2 && b&1 != 0
	done := false
	f.intercept = func(c *scsi.Command) (bool, error) {
		if done || c.CDB[0] != op {
			return false, nil
		}
		done = true
		if executed && len(f.attentions) == 0 {
			if err := f.answer(c); err != nil {
				return true, err
			}
			c.Sense = nil
		}
		return true, failures[n](c)
	}
}

// step carries out one operation and checks what came of it.
func (m *model) step(op, argument byte) {
	f, d := m.f, m.d
	before := f.pos
	var err error
	switch op % 12 {
	case 0, 1, 2:
		m.next++
		block := bytes.Repeat([]byte{m.next}, 4+int(argument))
		objects := len(f.tape)
		_, err = d.WriteBlock(background, block)
		m.log = append(m.log, fmt.Sprintf("write %d bytes at %d: %v", len(block), before, err))
		if err == nil && (f.pos == 0 || f.pos != len(f.tape) || !bytes.Equal(f.tape[f.pos-1].data, block)) {
			m.fail("a block that was written is not there")
		}
		var not *NotWrittenError
		if errors.As(err, &not) && (f.pos != before || len(f.tape) != objects) {
			m.fail("a block that was not written is there")
		}
	case 3:
		_, err = d.WriteFilemarks(background, int(argument%3), argument&4 != 0)
		m.log = append(m.log, fmt.Sprintf("%d filemarks: %v", argument%3, err))
	case 4, 5:
		m.read(4 + int(argument))
	case 6:
		err = d.Rewind(background)
		m.log = append(m.log, fmt.Sprintf("rewind: %v", err))
	case 7:
		object := uint64(argument) % uint64(len(f.tape)+2)
		err = d.Locate(background, object)
		m.log = append(m.log, fmt.Sprintf("locate %d: %v", object, err))
		if err == nil && f.pos != int(object) {
			m.fail("located something else")
		}
		if err != nil && errors.Is(err, ErrEndOfData) && int(object) <= len(f.tape) {
			m.fail("an object that is there was not found")
		}
	case 8:
		err = d.SpaceBlocks(background, int64(int8(argument))%8)
		m.log = append(m.log, fmt.Sprintf("space %d blocks: %v", int64(int8(argument))%8, err))
	case 9:
		err = d.SpaceFilemarks(background, int(int8(argument))%4)
		m.log = append(m.log, fmt.Sprintf("space %d filemarks: %v", int(int8(argument))%4, err))
	case 10:
		err = d.SpaceEndOfData(background)
		m.log = append(m.log, fmt.Sprintf("space to the end: %v", err))
		if err == nil && f.pos != len(f.tape) {
			m.fail("not at the end")
		}
	case 11:
		m.fault(argument)
	}
	m.check()
}

func (m *model) read(size int) {
	before := m.f.pos
	p := make([]byte, size)
	n, err := m.d.ReadBlock(background, p)
	m.log = append(m.log, fmt.Sprintf("read %d at %d: %d, %v", size, before, n, err))
	var long *BlockTooLongError
	switch {
	case err == nil && (before >= len(m.f.tape) || m.f.tape[before].mark || !bytes.Equal(p[:n], m.f.tape[before].data)):
		m.fail("read something else")
	case errors.As(err, &long) && errors.Is(err, errCable):
	case errors.As(err, &long) && m.d.place.known && (long.Length != len(m.f.tape[before].data) || m.f.pos != before):
		m.fail("wrong length, or not in front of the block")
	case errors.Is(err, ErrFilemark) && !m.f.tape[before].mark:
		m.fail("no filemark there")
	case errors.Is(err, ErrEndOfData) && before != len(m.f.tape):
		m.fail("not the end")
	}
}

// check is the promise of the package: a position that is believed is the real one.
func (m *model) check() {
	if len(m.f.attentions) > 0 {
		return // the reset has not been told yet
	}
	if m.d.place.known && m.d.place.object != uint64(m.f.pos) {
		m.fail(fmt.Sprintf("believes object %d, is at %d", m.d.place.object, m.f.pos))
	}
	marks := uint64(0)
	for _, o := range m.f.tape[:m.f.pos] {
		if o.mark {
			marks++
		}
	}
	if m.d.place.known && m.d.place.filemarksKnown && m.d.place.filemarks != marks {
		m.fail(fmt.Sprintf("believes %d filemarks, has %d", m.d.place.filemarks, marks))
	}
	if m.d.place.known && m.d.place.safeKnown && m.d.place.safe > m.d.place.object {
		m.fail("more is safe than was written")
	}
}

func (m *model) fail(what string) {
	m.t.Helper()
	log := m.log[max(0, len(m.log)-20):]
	for _, l := range log {
		m.t.Log(l)
	}
	m.t.Fatal(what)
}

// run carries out the operations on a drive of one profile.
func run(t testing.TB, q quirks, operations []byte) {
	f := newFake(q)
	m := &model{t: t, f: f, d: f.rewound(t)}
	for i := 0; i+1 < len(operations) && i < 600; i += 2 {
		m.step(operations[i], operations[i+1])
	}
}

// Random operations on every kind of drive, the same each time.
func TestModel(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for range 150 {
				operations := make([]byte, 120)
				for i := range operations {
					operations[i] = byte(r.Uint32())
				}
				run(t, q, operations)
			}
		})
	}
}

// Whatever is done and whatever fails, a position that is believed is the real one, and blocks are what was written.
func FuzzModel(f *testing.F) {
	f.Add(byte(0), []byte{0, 10, 0, 20, 3, 1, 6, 0, 4, 50, 4, 5, 7, 1, 10, 0, 0, 9})
	f.Add(byte(1), []byte{0, 100, 0, 200, 3, 2, 7, 1, 4, 250, 8, 251, 9, 1, 10, 0, 11, 7, 0, 5})
	kinds := []quirks{{}, {tgt: true}, {noLocate: true}, {shortOnly: true, noLocate16: true}, {eomAtEOD: true, negative: true}}
	f.Fuzz(func(t *testing.T, kind byte, operations []byte) {
		run(t, kinds[int(kind)%len(kinds)], operations)
	})
}
