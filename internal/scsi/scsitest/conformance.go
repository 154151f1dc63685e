package scsitest

import (
	"bytes"
	"context"
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
