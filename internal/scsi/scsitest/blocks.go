package scsitest

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"tapectl/internal/scsi"
)

// tape is a scratch tape drive; its commands are built here by hand because the command sets are above this package.
type tape struct {
	*testing.T
	tr      scsi.Transport
	timeout time.Duration
}

func (s *suite) tape(t *testing.T) *tape {
	tp := &tape{T: t, tr: s.device(t), timeout: s.o.Timeout}
	tp.good(&scsi.Command{Name: "REWIND", CDB: []byte{0x01, 0, 0, 0, 0, 0}})
	// Variable block length, buffered writes.
	tp.good(&scsi.Command{Name: "MODE SELECT(6)", CDB: []byte{0x15, 0x10, 0, 0, 12, 0}, Direction: scsi.ToDevice,
		Data: []byte{0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0}})
	return tp
}

func (tp *tape) send(c *scsi.Command) {
	tp.Helper()
	c.Timeout = tp.timeout
	if err := tp.tr.Send(context.Background(), c); err != nil {
		tp.Fatal(err)
	}
}

func (tp *tape) good(c *scsi.Command) {
	tp.Helper()
	if tp.send(c); c.Status != scsi.StatusGood {
		tp.Fatalf("%s: %v, sense % X", c.Name, c.Status, c.Sense)
	}
}

func (tp *tape) rewind() {
	tp.Helper()
	tp.good(&scsi.Command{Name: "REWIND", CDB: []byte{0x01, 0, 0, 0, 0, 0}})
}

func (tp *tape) filemark() {
	tp.Helper()
	tp.good(&scsi.Command{Name: "WRITE FILEMARKS", CDB: []byte{0x10, 0, 0, 0, 1, 0}})
}

func sized(op byte, n int) []byte { return []byte{op, 0, byte(n >> 16), byte(n >> 8), byte(n), 0} }

func (tp *tape) write(block []byte) {
	tp.Helper()
	before := bytes.Clone(block)
	c := &scsi.Command{Name: "WRITE", CDB: sized(0x0A, len(block)), Direction: scsi.ToDevice, Data: block}
	tp.good(c)
	if c.Residual != 0 {
		tp.Errorf("WRITE of %d bytes: residual %d", len(block), c.Residual)
	}
	if !bytes.Equal(block, before) {
		tp.Errorf("WRITE of %d bytes changed the data", len(block))
	}
}

func (tp *tape) read(n int) *scsi.Command {
	tp.Helper()
	c := &scsi.Command{Name: "READ", CDB: sized(0x08, n), Direction: scsi.FromDevice, Data: bytes.Repeat([]byte{0xA5}, n)}
	tp.send(c)
	return c
}

// pattern is data that differs in every place and between blocks.
func pattern(n int, seed uint32) []byte {
	b := make([]byte, n)
	x := seed*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// blocks writes and reads blocks of many sizes.
func (s *suite) blocks(t *testing.T) {
	tp := s.tape(t)
	var sizes []int
	for _, n := range []int{1, 2, 3, 4, 511, 512, 513, 1000, 4095, 4097, 8191, 1 << 16, 1<<16 + 1, 262144, 262145, s.o.MaxBlock} {
		if n <= s.o.MaxBlock {
			sizes = append(sizes, n)
		}
	}
	for i, n := range sizes {
		tp.write(pattern(n, uint32(i)))
	}
	tp.filemark()
	tp.rewind()
	for i, n := range sizes {
		c := tp.read(n)
		if c.Status != scsi.StatusGood || c.Residual != 0 {
			t.Fatalf("READ of %d bytes: %v, residual %d, sense % X", n, c.Status, c.Residual, c.Sense)
		}
		if !bytes.Equal(c.Data, pattern(n, uint32(i))) {
			t.Errorf("READ of %d bytes: other data than was written", n)
		}
	}
	// A transfer of no bytes is no error and moves nothing (SSC-5 7.1): the mark is still ahead.
	tp.good(&scsi.Command{Name: "READ", CDB: sized(0x08, 0), Direction: scsi.FromDevice})
	if s.o.EmptyReadMoves {
		return
	}
	if v := tp.sense(tp.read(512)); !v.Filemark {
		t.Errorf("behind the blocks: %v, want a filemark", v)
	}
}

// sense parses what came with a CHECK CONDITION.
func (tp *tape) sense(c *scsi.Command) scsi.Sense {
	tp.Helper()
	if c.Status != scsi.StatusCheckCondition {
		tp.Fatalf("%s: %v, want CHECK CONDITION", c.Name, c.Status)
	}
	v, err := scsi.ParseSense(c.Sense)
	if err != nil {
		tp.Fatal(err)
	}
	return v
}

func (s *suite) filemark(t *testing.T) {
	tp := s.tape(t)
	tp.write(pattern(1000, 1))
	tp.filemark()
	tp.write(pattern(1000, 2))
	tp.filemark()
	tp.rewind()
	tp.read(1000)
	c := tp.read(1000)
	v := tp.sense(c)
	if v.Key != scsi.NoSense || !v.Filemark || !v.InformationValid || v.Information != 1000 {
		t.Errorf("reading a filemark: %v", v)
	}
	if !s.o.ResidualOfMarkUnknown && c.Transferred() != 0 {
		t.Errorf("reading a filemark transferred %d bytes", c.Transferred())
	}
	if c = tp.read(1000); c.Status != scsi.StatusGood || !bytes.Equal(c.Data, pattern(1000, 2)) {
		t.Errorf("the block behind the filemark: %v", c.Status)
	}
}

// shortBlock reads a block with more room than it needs: the data must survive the sense data.
func (s *suite) shortBlock(t *testing.T) {
	tp := s.tape(t)
	const actual, asked = 30001, 65536
	tp.write(pattern(actual, 7))
	tp.filemark()
	tp.rewind()
	c := tp.read(asked)
	v := tp.sense(c)
	if v.Key != scsi.NoSense || !v.IncorrectLength || !v.InformationValid || v.Information != asked-actual {
		t.Errorf("reading %d bytes of a block of %d: %v", asked, actual, v)
	}
	if got := c.Transferred(); s.o.LosesShortBlockData {
		n := min(got, actual)
		if n == 0 || !bytes.Equal(c.Data[:n], pattern(actual, 7)[:n]) {
			t.Errorf("the first %d bytes are not the block's", n)
		}
	} else if got != actual || !bytes.Equal(c.Data[:actual], pattern(actual, 7)) {
		t.Errorf("%d bytes transferred, want the %d of the block", got, actual)
	}
	for i, x := range c.Data[c.Transferred():] {
		if x != 0xA5 {
			t.Fatalf("byte %d behind those transferred was touched", i)
		}
	}
}

// longBlock reads a block with less room than it needs.
func (s *suite) longBlock(t *testing.T) {
	tp := s.tape(t)
	const actual, asked = 65536, 1000
	tp.write(pattern(actual, 8))
	tp.filemark()
	tp.rewind()
	c := tp.read(asked)
	v := tp.sense(c)
	if !v.IncorrectLength || !v.InformationValid || v.Information != asked-actual {
		t.Errorf("reading %d bytes of a block of %d: %v", asked, actual, v)
	}
	if n := c.Transferred(); !bytes.Equal(c.Data[:n], pattern(actual, 8)[:n]) {
		t.Errorf("the %d bytes transferred are not the block's", n)
	}
	if binary.BigEndian.Uint32(c.Sense[3:7]) == 0 && !v.Descriptor {
		t.Errorf("INFORMATION was lost: % X", c.Sense)
	}
}
