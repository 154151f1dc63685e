package scsitest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tapectl/internal/scsi"
)

// Options says what TestTransport may do with the device.
type Options struct {
	// ScratchTape says that the device is a tape drive with a medium that may be overwritten from its beginning.
	ScratchTape bool
	// MaxBlock is the largest block that is tried on a scratch tape; 0 means 1 MiB.
	MaxBlock int
	// LosesShortBlockData is set for targets that transfer too little of a block shorter than the request, and a
	// residual to match (tgt before 1.0.94). The sense data is checked all the same.
	LosesShortBlockData bool
	// ResidualOfMarkUnknown is set for targets that report filler as data when a read meets a filemark (tgt).
	ResidualOfMarkUnknown bool
	// EmptyReadMoves is set for drives on which a READ of no bytes passes an object (tgt).
	EmptyReadMoves bool
	// UnsupportedCDB is a command that the device does not have; nil means a reserved operation code.
	UnsupportedCDB []byte
	// Stall makes the device not answer until the returned function is called. When nil, timeouts and the
	// cancellation of running commands are not tested.
	Stall func(t *testing.T) (resume func())
	// Timeout bounds each command, 0 means a minute.
	Timeout time.Duration
}

// TestTransport holds a transport to the contract of scsi.Transport. open gives a new transport to the device each time,
// which TestTransport closes.
func TestTransport(t *testing.T, open func(t *testing.T) scsi.Transport, o Options) {
	if o.MaxBlock == 0 {
		o.MaxBlock = 1 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	s := &suite{open: open, o: o}
	t.Run("Inquiry", s.inquiry)
	t.Run("ZeroLengthDataPhase", s.zeroLength)
	t.Run("RawSense", s.rawSense)
	t.Run("DoneContext", s.doneContext)
	t.Run("Close", s.close)
	t.Run("Concurrent", s.concurrent)
	t.Run("Reuse", s.reuse)
	t.Run("BadCDB", s.badCDB)
	if o.ScratchTape {
		t.Run("Blocks", s.blocks)
		t.Run("Filemark", s.filemark)
		t.Run("ShortBlock", s.shortBlock)
		t.Run("LongBlock", s.longBlock)
	}
	if o.Stall != nil {
		t.Run("Timeout", s.timeout)
		t.Run("Cancel", s.cancel)
	}
}

type suite struct {
	open func(t *testing.T) scsi.Transport
	o    Options
}

// device opens the transport and consumes what attentions the new nexus has.
func (s *suite) device(t *testing.T) scsi.Transport {
	t.Helper()
	tr := s.open(t)
	t.Cleanup(func() { tr.Close() })
	if _, err := scsi.ClearAttentions(context.Background(), tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// inquiryCommand asks for n bytes of INQUIRY data with a buffer of size bytes.
func (s *suite) inquiryCommand(n, size int) *scsi.Command {
	return &scsi.Command{Name: "INQUIRY", CDB: []byte{0x12, 0, 0, byte(n >> 8), byte(n), 0}, Direction: scsi.FromDevice,
		Data: bytes.Repeat([]byte{0xA5}, size), Timeout: s.o.Timeout}
}

// inquiry checks residual and buffer with more and with less room than the device needs.
func (s *suite) inquiry(t *testing.T) {
	tr := s.device(t)
	for _, n := range []int{1, 2, 5, 36, 37, 255, 1024} {
		c := s.inquiryCommand(n, n)
		if err := tr.Send(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if c.Status != scsi.StatusGood {
			t.Fatalf("%d bytes: %v, sense % X", n, c.Status, c.Sense)
		}
		got := c.Transferred()
		// The additional length says how much there is; the device sends that or what was asked for.
		want := n
		if n >= 5 {
			want = min(n, 5+int(c.Data[4]))
		}
		if got != want {
			t.Errorf("INQUIRY of %d bytes: %d transferred, want %d (residual %d)", n, got, want, c.Residual)
		}
		for i, x := range c.Data[got:] {
			if x != 0xA5 {
				t.Fatalf("INQUIRY of %d bytes: byte %d behind the %d transferred was touched", n, got+i, got)
			}
		}
	}
	// An allocation length below the buffer's: the rest is residual and untouched.
	c := s.inquiryCommand(36, 64)
	if err := tr.Send(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if c.Status != scsi.StatusGood || c.Transferred() != 36 || !bytes.Equal(c.Data[36:], bytes.Repeat([]byte{0xA5}, 28)) {
		t.Errorf("INQUIRY of 36 bytes into 64: %v, %d transferred, data % X", c.Status, c.Transferred(), c.Data)
	}
}

// zeroLength sends commands without a data phase, in each way a caller may write that.
func (s *suite) zeroLength(t *testing.T) {
	tr := s.device(t)
	for _, d := range []scsi.Direction{scsi.NoData, scsi.FromDevice, scsi.ToDevice} {
		c := &scsi.Command{Name: "INQUIRY", CDB: []byte{0x12, 0, 0, 0, 0, 0}, Direction: d, Timeout: s.o.Timeout}
		if err := tr.Send(context.Background(), c); err != nil {
			t.Fatalf("direction %v: %v", d, err)
		}
		if c.Status != scsi.StatusGood || c.Transferred() != 0 {
			t.Errorf("direction %v: %v, %d transferred", d, c.Status, c.Transferred())
		}
	}
}

// rawSense provokes a CHECK CONDITION and looks for the sense data as the device sent it.
func (s *suite) rawSense(t *testing.T) {
	tr := s.device(t)
	cdb := s.o.UnsupportedCDB
	if cdb == nil {
		cdb = []byte{0x1F, 0, 0, 0, 0, 0} // reserved since SCSI-1
	}
	c := &scsi.Command{Name: "unsupported command", CDB: cdb, Timeout: s.o.Timeout}
	if err := tr.Send(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if c.Status != scsi.StatusCheckCondition {
		t.Fatalf("status %v, want CHECK CONDITION", c.Status)
	}
	sense, err := scsi.ParseSense(c.Sense)
	if err != nil {
		t.Fatalf("sense data % X: %v", c.Sense, err)
	}
	if sense.Key != scsi.IllegalRequest || sense.ASC != 0x20 && sense.ASC != 0x24 {
		t.Errorf("sense data %v, want ILLEGAL REQUEST, 20/00", sense)
	}
	if !sense.Descriptor && (len(c.Sense) < 14 || len(c.Sense) != min(scsi.MaxSense, 8+int(c.Sense[7]))) && len(c.Sense) < 18 {
		t.Errorf("sense data of %d bytes: % X", len(c.Sense), c.Sense)
	}
	// The next command finds nothing of it.
	next := s.inquiryCommand(36, 36)
	if err := tr.Send(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	if next.Status != scsi.StatusGood || len(next.Sense) != 0 {
		t.Errorf("the command after: %v, sense % X", next.Status, next.Sense)
	}
}

// notSent fails the test unless err says that the command did not reach the device.
func notSent(t *testing.T, what string, err error) {
	t.Helper()
	var te *scsi.TransportError
	if !errors.As(err, &te) || !te.NotSent {
		t.Errorf("%s: %v, want a TransportError with NotSent", what, err)
	}
}

func (s *suite) doneContext(t *testing.T) {
	tr := s.device(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := s.inquiryCommand(36, 36)
	err := tr.Send(ctx, c)
	notSent(t, "Send with a context that is done", err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error %v does not wrap context.Canceled", err)
	}
	// The transport is as good as before.
	if err := tr.Send(context.Background(), c); err != nil || c.Status != scsi.StatusGood {
		t.Errorf("the command after: %v, %v", err, c.Status)
	}
}

func (s *suite) close(t *testing.T) {
	tr := s.device(t)
	for i := range 3 {
		if err := tr.Close(); err != nil {
			t.Errorf("Close number %d: %v", i+1, err)
		}
	}
	notSent(t, "Send after Close", tr.Send(context.Background(), s.inquiryCommand(36, 36)))
}

// concurrent sends from several goroutines, and closes while they do.
func (s *suite) concurrent(t *testing.T) {
	tr := s.device(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				n := 36 + (g+i)%2
				c := s.inquiryCommand(n, n)
				if err := tr.Send(context.Background(), c); err != nil {
					t.Errorf("goroutine %d: %v", g, err)
					return
				}
				if c.Status != scsi.StatusGood || c.Transferred() < 36 || c.Data[0] == 0xA5 {
					t.Errorf("goroutine %d: %v, %d transferred", g, c.Status, c.Transferred())
				}
			}
		})
	}
	wg.Wait()
	for g := range 4 {
		wg.Go(func() {
			for range 1000 {
				if err := tr.Send(context.Background(), s.inquiryCommand(36, 36)); err != nil {
					notSent(t, fmt.Sprintf("goroutine %d, Send around Close", g), err)
					return
				}
			}
		})
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// reuse sends one Command twice.
func (s *suite) reuse(t *testing.T) {
	tr := s.device(t)
	c := s.inquiryCommand(36, 36)
	c.Status, c.Sense, c.Residual = scsi.StatusBusy, []byte{1}, 99
	for range 2 {
		if err := tr.Send(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if c.Status != scsi.StatusGood || len(c.Sense) != 0 || c.Residual != 0 {
			t.Fatalf("%v, sense % X, residual %d", c.Status, c.Sense, c.Residual)
		}
	}
}

func (s *suite) badCDB(t *testing.T) {
	tr := s.device(t)
	for _, n := range []int{0, 17, 300} {
		notSent(t, fmt.Sprintf("a CDB of %d bytes", n),
			tr.Send(context.Background(), &scsi.Command{Name: "bad", CDB: make([]byte, n)}))
	}
	if err := tr.Send(context.Background(), s.inquiryCommand(36, 36)); err != nil {
		t.Errorf("the command after: %v", err)
	}
}

// timeout lets the device stall: the answer is a TransportError with an unknown outcome, soon after the time is up.
func (s *suite) timeout(t *testing.T) {
	tr := s.device(t)
	resume := s.o.Stall(t)
	defer resume()
	c := s.inquiryCommand(36, 36)
	c.Timeout = time.Second
	begin := time.Now()
	err := tr.Send(context.Background(), c)
	unknown(t, err)
	if d := time.Since(begin); d < 900*time.Millisecond || d > 5*time.Second {
		t.Errorf("a timeout of 1 s took %v", d)
	}
	if !bytes.Equal(c.Data, bytes.Repeat([]byte{0xA5}, 36)) {
		t.Error("the buffer was touched")
	}
}

// cancel ends the context of a running command.
func (s *suite) cancel(t *testing.T) {
	tr := s.device(t)
	resume := s.o.Stall(t)
	defer resume()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := tr.Send(ctx, s.inquiryCommand(36, 36))
	unknown(t, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error %v does not wrap the context's", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("the end of the context was noticed after %v", d)
	}
}

// unknown fails the test unless err says that the outcome is unknown.
func unknown(t *testing.T, err error) {
	t.Helper()
	var te *scsi.TransportError
	if !errors.As(err, &te) || te.NotSent {
		t.Fatalf("got %v, want a TransportError with an unknown outcome", err)
	}
}

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
