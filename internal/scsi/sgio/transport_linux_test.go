package sgio

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// The layout of struct sg_io_hdr on 64-bit machines, from <scsi/sg.h>.
func TestHeaderLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the offsets are those of 64-bit machines")
	}
	var h header
	for name, o := range map[string][2]uintptr{
		"interface_id": {unsafe.Offsetof(h.interfaceID), 0}, "dxfer_direction": {unsafe.Offsetof(h.direction), 4},
		"cmd_len": {unsafe.Offsetof(h.cdbLength), 8}, "mx_sb_len": {unsafe.Offsetof(h.maxSense), 9},
		"iovec_count": {unsafe.Offsetof(h.iovecCount), 10}, "dxfer_len": {unsafe.Offsetof(h.dataLength), 12},
		"dxferp": {unsafe.Offsetof(h.data), 16}, "cmdp": {unsafe.Offsetof(h.cdb), 24},
		"sbp": {unsafe.Offsetof(h.sense), 32}, "timeout": {unsafe.Offsetof(h.timeout), 40},
		"flags": {unsafe.Offsetof(h.flags), 44}, "pack_id": {unsafe.Offsetof(h.packID), 48},
		"usr_ptr": {unsafe.Offsetof(h.userPointer), 56}, "status": {unsafe.Offsetof(h.status), 64},
		"masked_status": {unsafe.Offsetof(h.maskedStatus), 65}, "msg_status": {unsafe.Offsetof(h.msgStatus), 66},
		"sb_len_wr": {unsafe.Offsetof(h.senseLength), 67}, "host_status": {unsafe.Offsetof(h.hostStatus), 68},
		"driver_status": {unsafe.Offsetof(h.driverStatus), 70}, "resid": {unsafe.Offsetof(h.residual), 72},
		"duration": {unsafe.Offsetof(h.duration), 76}, "info": {unsafe.Offsetof(h.info), 80},
		"size": {unsafe.Sizeof(h), 88},
	} {
		if o[0] != o[1] {
			t.Errorf("%s is at %d, want %d", name, o[0], o[1])
		}
	}
	if len(h.bytes()) != 88 {
		t.Errorf("%d bytes go to the kernel", len(h.bytes()))
	}
}

// kernel is the driver's side of a node, over a fake device. It keeps the driver's rules: a result can be fetched once and
// not before the command has ended.
type kernel struct {
	device *scsitest.Transport
	change func(h *header) // alters a result
	errs   []error         // what start returns, first to last, before it works
	gate   chan struct{}   // when not nil, a command ends when something comes through

	mu      sync.Mutex
	results chan header
	running atomic.Int32
	starts  int
	closed  int
}

func newKernel() *kernel {
	return &kernel{device: scsitest.NewTape(), results: make(chan header, 1)}
}

func (k *kernel) start(h *header) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.starts++
	if len(k.errs) > 0 {
		err := k.errs[0]
		k.errs = k.errs[1:]
		return err
	}
	if k.running.Add(1) != 1 {
		panic("two commands at once")
	}
	c := &scsi.Command{Name: "command", CDB: bytes.Clone(unsafe.Slice((*byte)(h.cdb), h.cdbLength))}
	if h.dataLength > 0 {
		c.Data = unsafe.Slice((*byte)(h.data), h.dataLength)
		c.Direction = scsi.FromDevice
		if h.direction == dxferToDev {
			c.Direction = scsi.ToDevice
		}
	}
	done := *h
	go func() {
		if k.gate != nil {
			<-k.gate
		}
		if err := k.device.Send(context.Background(), c); err != nil {
			done.hostStatus = 7
		}
		done.status, done.residual = uint8(c.Status), int32(c.Residual)
		done.senseLength = uint8(copy(unsafe.Slice((*byte)(done.sense), done.maxSense), c.Sense))
		if k.change != nil {
			k.change(&done)
		}
		k.results <- done
	}()
	return nil
}

func (k *kernel) wait(d time.Duration) (bool, error) {
	for range 20 {
		if len(k.results) > 0 {
			return true, nil
		}
		time.Sleep(100 * time.Microsecond)
	}
	return false, nil // as after a signal
}

func (k *kernel) fetch(h *header) error {
	select {
	case *h = <-k.results:
		k.running.Add(-1)
		return nil
	default:
		return unix.EAGAIN
	}
}

func (k *kernel) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed++
	return nil
}

func over(t *testing.T, k *kernel) *Transport {
	t.Helper()
	tr, err := newTransport("/dev/sg0", k, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	tr.recovery, tr.closing, tr.memory = 50*time.Millisecond, 50*time.Millisecond, time.Millisecond
	return tr
}

func TestConformance(t *testing.T) {
	var k *kernel
	open := func(t *testing.T) scsi.Transport {
		k = newKernel()
		return over(t, k)
	}
	scsitest.TestTransport(t, open, scsitest.Options{ScratchTape: true, Stall: func(*testing.T) func() {
		gate := make(chan struct{})
		k.mu.Lock()
		k.gate = gate
		k.mu.Unlock()
		return func() { close(gate) }
	}})
}

func inquiry() *scsi.Command {
	return &scsi.Command{Name: "INQUIRY", CDB: []byte{0x12, 0, 0, 0, 36, 0}, Direction: scsi.FromDevice,
		Data: make([]byte, 36), Timeout: time.Second}
}

// The order in which the fields of a result count.
func TestResults(t *testing.T) {
	sense := scsitest.Sense(scsi.MediumError, 0x11, 0)
	withSense := func(status uint8, host, driver uint16) func(*header) {
		return func(h *header) {
			h.status, h.hostStatus, h.driverStatus = status, host, driver
			h.senseLength = uint8(copy(unsafe.Slice((*byte)(h.sense), h.maxSense), sense))
		}
	}
	bare := func(status uint8, host, driver uint16) func(*header) {
		return func(h *header) { h.status, h.hostStatus, h.driverStatus, h.senseLength = status, host, driver, 0 }
	}
	for _, test := range []struct {
		name   string
		change func(*header)
		status scsi.Status
		sense  bool
		host   uint16 // of the HostError; 0 for none
	}{
		{"good", bare(0, 0, 0), scsi.StatusGood, false, 0},
		{"check condition", withSense(2, 0, 0), scsi.StatusCheckCondition, true, 0},
		{"check condition and a host status", withSense(2, 7, 0), scsi.StatusCheckCondition, true, 0},
		{"check condition as old kernels tell it", withSense(0, 0, 8), scsi.StatusCheckCondition, true, 0},
		{"check condition without sense", bare(2, 0, 0), scsi.StatusCheckCondition, false, 0},
		{"busy", bare(8, 0, 0), scsi.StatusBusy, false, 0},
		{"reservation conflict", bare(0x18, 0x11, 0), scsi.StatusReservationConflict, false, 0},
		{"gone", bare(0, 1, 0), 0, false, 1},
		{"timeout", bare(0, 3, 0), 0, false, 3},
		{"reset", bare(0, 8, 0), 0, false, 8},
		{"check condition without sense and a host status", bare(2, 7, 0), 0, false, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newKernel()
			k.change = test.change
			tr := over(t, k)
			defer tr.Close()
			c := inquiry()
			err := tr.Send(context.Background(), c)
			if test.host != 0 {
				var te *scsi.TransportError
				var he *HostError
				if !errors.As(err, &te) || te.NotSent || !errors.As(err, &he) || he.Host != test.host {
					t.Fatalf("got %v, want host status %02X", err, test.host)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Status != test.status || (len(c.Sense) > 0) != test.sense {
				t.Errorf("%v, sense % X", c.Status, c.Sense)
			}
			if test.sense && !bytes.Equal(c.Sense, sense) {
				t.Errorf("sense % X", c.Sense)
			}
		})
	}
}

func TestHostErrorTexts(t *testing.T) {
	for _, test := range []struct {
		e    HostError
		want string
	}{
		{HostError{Host: 3}, "did not answer in time (host status 03h"},
		{HostError{Host: 0xFE}, "unknown error"},
		{HostError{Driver: 6}, "driver status 06h"},
	} {
		if got := test.e.Error(); !strings.Contains(got, test.want) {
			t.Errorf("%q lacks %q", got, test.want)
		}
	}
}

func TestNoMemory(t *testing.T) {
	k := newKernel()
	k.errs = []error{unix.ENOMEM, unix.ENOMEM}
	tr := over(t, k)
	defer tr.Close()
	if err := tr.Send(context.Background(), inquiry()); err != nil || k.starts != 3 {
		t.Fatalf("%v after %d tries", err, k.starts)
	}
	for range memoryTries {
		k.errs = append(k.errs, unix.ENOMEM)
	}
	err := tr.Send(context.Background(), inquiry())
	var te *scsi.TransportError
	if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, unix.ENOMEM) || len(k.errs) != 0 {
		t.Fatalf("%v, %d errors left", err, len(k.errs))
	}
	k.errs = []error{unix.ENOMEM}
	tr.memory = time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := tr.Send(ctx, inquiry()); !errors.As(err, &te) || !te.NotSent || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("cancelled while waiting for memory: %v", err)
	}
	if err := tr.Send(context.Background(), inquiry()); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedCommands(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{unix.EINVAL, "more than the host adapter takes (1048576)"},
		{unix.ENODEV, "the device is gone"},
		{unix.EDOM, unix.EDOM.Error()},
	} {
		k := newKernel()
		k.errs = []error{test.err}
		tr := over(t, k)
		c := &scsi.Command{Name: "READ", CDB: []byte{8, 0, 0x20, 0, 0, 0}, Direction: scsi.FromDevice, Data: make([]byte, 2<<20)}
		err := tr.Send(context.Background(), c)
		var te *scsi.TransportError
		if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v", test.err, err)
		}
		if err := tr.Send(context.Background(), inquiry()); err != nil {
			t.Errorf("the command after %v: %v", test.err, err)
		}
		tr.Close()
	}
	tr := over(t, newKernel())
	defer tr.Close()
	for _, c := range []*scsi.Command{
		{Name: "too much", CDB: make([]byte, 6), Direction: scsi.FromDevice, Data: make([]byte, maxTransfer+1)},
		{Name: "no direction", CDB: make([]byte, 6), Data: make([]byte, 1)},
	} {
		var te *scsi.TransportError
		if err := tr.Send(context.Background(), c); !errors.As(err, &te) || !te.NotSent {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// A command that outlives its context goes on: it touches no memory of the caller's, the next command waits for it, and
// Close does.
func TestDetached(t *testing.T) {
	k := newKernel()
	k.gate = make(chan struct{})
	tr := over(t, k)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	c := inquiry()
	var te *scsi.TransportError
	if err := tr.Send(ctx, c); !errors.As(err, &te) || te.NotSent {
		t.Fatal(err)
	}
	ctx2, cancel2 := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel2()
	if err := tr.Send(ctx2, inquiry()); !errors.As(err, &te) || !te.NotSent {
		t.Fatalf("while the command runs: %v", err)
	}
	if k.starts != 1 {
		t.Fatalf("%d commands were started", k.starts)
	}
	next := make(chan error, 1)
	go func() { next <- tr.Send(context.Background(), inquiry()) }()
	close(k.gate)
	if err := <-next; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Data, make([]byte, 36)) {
		t.Error("the buffer of the command that was given up was touched")
	}
	if err := tr.Close(); err != nil || k.closed != 1 {
		t.Errorf("%v, closed %d times", err, k.closed)
	}
}

func TestCloseOfBusyNode(t *testing.T) {
	k := newKernel()
	k.gate = make(chan struct{})
	tr := over(t, k)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	tr.Send(ctx, inquiry())
	if err := tr.Close(); !errors.Is(err, ErrStillRunning) {
		t.Fatal(err)
	}
	if k.closed != 0 {
		t.Fatal("the node was closed under a command")
	}
	close(k.gate)
	var te *scsi.TransportError
	err := tr.Send(context.Background(), inquiry()) // waits for its turn, behind the Close
	for deadline := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(deadline); {
		err = tr.Send(context.Background(), inquiry())
	}
	if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
	if err := tr.Close(); err != nil || k.closed != 1 {
		t.Errorf("second Close: %v, closed %d times", err, k.closed)
	}
}

func TestKernelNeverAnswers(t *testing.T) {
	k := newKernel()
	k.gate = make(chan struct{})
	tr := over(t, k)
	defer tr.Close()
	defer close(k.gate)
	c := inquiry()
	c.Timeout = 20 * time.Millisecond
	begin := time.Now()
	var te *scsi.TransportError
	if err := tr.Send(context.Background(), c); !errors.As(err, &te) || te.NotSent || !errors.Is(err, ErrNoAnswer) {
		t.Fatal(err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("it took %v", d)
	}
}

// What the header says about a command.
func TestPrepare(t *testing.T) {
	tr := over(t, newKernel())
	defer tr.Close()
	for _, test := range []struct {
		c         scsi.Command
		direction int32
		length    uint32
		timeout   uint32
	}{
		{scsi.Command{CDB: make([]byte, 6), Direction: scsi.FromDevice}, dxferNone, 0, 60000},
		{scsi.Command{CDB: make([]byte, 10), Direction: scsi.FromDevice, Data: make([]byte, 5)}, dxferFromDev, 5, 60000},
		{scsi.Command{CDB: make([]byte, 12), Direction: scsi.ToDevice, Data: make([]byte, 70000), Timeout: 1}, dxferToDev, 70000, 1},
		{scsi.Command{CDB: make([]byte, 16), Timeout: 100 * 24 * time.Hour}, dxferNone, 0, 0x7FFFFFFF},
	} {
		h, err := tr.prepare(&test.c)
		if err != nil {
			t.Fatal(err)
		}
		if h.interfaceID != 'S' || h.direction != test.direction || h.dataLength != test.length ||
			h.timeout != test.timeout || int(h.cdbLength) != len(test.c.CDB) || h.maxSense != 252 || h.flags != 0 {
			t.Errorf("%+v for %+v", h, test.c)
		}
		if test.length > 0 && uintptr(h.data)%4096 != 0 {
			t.Errorf("the buffer at %x is not page aligned", h.data)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:          "no character device",
		"/dev/null":   "no SCSI generic device",
		file + "none": "no such file",
	} {
		tr, err := Open(path, Options{})
		if err == nil {
			tr.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "open "+path) {
			t.Errorf("Open(%s): %v, want %q", path, err, want)
		}
	}
	if _, err := Open(file+"none", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not wrap ErrNotExist", err)
	}
}
