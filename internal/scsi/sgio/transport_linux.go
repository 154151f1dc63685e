package sgio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
)

const (
	// maxTransfer is the largest data phase: what the 24 bits of READ(6) and WRITE(6) can ask for.
	maxTransfer = 1 << 24
	// defaultReserve is the buffer that the kernel is asked to keep for the node: a common block, so that commands
	// do not fail for want of memory in a long job.
	defaultReserve = 1 << 20
	// recoveryTime is what the kernel gets for its aborts and resets when a command timed out.
	recoveryTime = 3 * time.Minute
	// closeTime bounds how long Close waits for a running command.
	closeTime = 10 * time.Second
	// memoryDelay and memoryTries are the patience with a kernel that has no memory for a command.
	memoryDelay = 3 * time.Second
	memoryTries = 100
	// pollSlice is how long one poll lasts at most.
	pollSlice = 10 * time.Second
	// senseSize is the sense buffer; its length is one byte in the header.
	senseSize = scsi.MaxSense
)

// Options change how a node is opened.
type Options struct {
	// Exclusive fails when another program has the node open, and keeps others out. It does not concern /dev/st*.
	Exclusive bool
	// Reserve is the size in bytes of the largest command for which the kernel keeps memory; 0 means 1 MiB.
	Reserve int
}

// Transport is one open node. It implements scsi.Transport.
type Transport struct {
	path     string
	node     node
	turn     chan struct{} // holds one token: whoever has it may use what follows
	closed   bool
	control  []byte // mapped: CDB and sense data, which the driver fills behind Go's back
	data     []byte // mapped, page aligned
	most     int
	recovery time.Duration
	closing  time.Duration
	memory   time.Duration
}

var _ scsi.Transport = (*Transport)(nil)

// Open opens the node of a device, such as /dev/sg3. The device is not asked anything.
func Open(path string, o Options) (*Transport, error) {
	n, err := openNode(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if o.Reserve <= 0 {
		o.Reserve = defaultReserve
	}
	reserved, most := n.limits(min(o.Reserve, maxTransfer))
	t, err := newTransport(path, n, max(reserved, most))
	if err != nil {
		n.close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return t, nil
}

// newTransport makes a transport over a node. most is what the node says it can carry, 0 when it does not.
func newTransport(path string, n node, most int) (*Transport, error) {
	control, err := mapMemory(4096)
	if err != nil {
		return nil, err
	}
	if most <= 0 || most > maxTransfer {
		most = maxTransfer
	}
	t := &Transport{path: path, node: n, turn: make(chan struct{}, 1), control: control, most: most,
		recovery: recoveryTime, closing: closeTime, memory: memoryDelay}
	t.turn <- struct{}{}
	return t, nil
}

// mapMemory gives memory that is page aligned, zero, and out of the garbage collector's hands.
func mapMemory(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// MaxTransfer is the largest data phase in bytes that the host adapter takes, as far as the kernel tells; at most 16 MiB.
func (t *Transport) MaxTransfer() int { return t.most }

// Path is the node's path.
func (t *Transport) Path() string { return t.path }

// result is how a command ended.
type result struct {
	h   header
	err error
}

// Send sends one command; see scsi.Transport. It waits for its turn, and for a command that an earlier Send left running.
func (t *Transport) Send(ctx context.Context, c *scsi.Command) error {
	if err := ctx.Err(); err != nil {
		return notSent(c, err)
	}
	if len(c.CDB) < 6 || len(c.CDB) > 16 {
		return notSent(c, fmt.Errorf("a CDB of %d bytes cannot be sent", len(c.CDB)))
	}
	if len(c.Data) > maxTransfer {
		return notSent(c, fmt.Errorf("%d bytes exceed the limit of %d", len(c.Data), maxTransfer))
	}
	select {
	case <-ctx.Done():
		return notSent(c, ctx.Err())
	case <-t.turn:
	}
	if t.closed {
		t.turn <- struct{}{}
		return notSent(c, ErrClosed)
	}
	h, err := t.prepare(c)
	if err == nil {
		err = t.start(ctx, &h)
	}
	if err != nil {
		t.turn <- struct{}{}
		return notSent(c, t.explain(err, len(c.Data)))
	}
	return t.await(ctx, c, h)
}

func notSent(c *scsi.Command, err error) error {
	return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: err}
}

func outcomeUnknown(c *scsi.Command, err error) error {
	return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: err}
}

// prepare copies the command into the mapped memory and fills in the header.
func (t *Transport) prepare(c *scsi.Command) (header, error) {
	clear(t.control[:16+senseSize])
	copy(t.control[:16], c.CDB)
	h := header{
		interfaceID: 'S', direction: dxferNone, cdbLength: uint8(len(c.CDB)), maxSense: senseSize,
		cdb: unsafe.Pointer(&t.control[0]), sense: unsafe.Pointer(&t.control[16]),
		timeout: uint32(min(max(1, c.TimeoutOrDefault().Milliseconds()), math.MaxInt32)),
	}
	if len(c.Data) == 0 {
		return h, nil
	}
	if err := t.reserve(len(c.Data)); err != nil {
		return h, err
	}
	switch c.Direction {
	case scsi.FromDevice:
		h.direction = dxferFromDev
	case scsi.ToDevice:
		h.direction = dxferToDev
		copy(t.data, c.Data)
	default:
		return h, fmt.Errorf("there are %d bytes of data and no direction", len(c.Data))
	}
	h.dataLength = uint32(len(c.Data))
	h.data = unsafe.Pointer(&t.data[0])
	return h, nil
}

// reserve makes the data buffer at least n bytes long.
func (t *Transport) reserve(n int) error {
	if n <= len(t.data) {
		return nil
	}
	b, err := mapMemory((n + 0xFFFF) &^ 0xFFFF)
	if err != nil {
		return err
	}
	if t.data != nil {
		unix.Munmap(t.data)
	}
	t.data = b
	return nil
}

// start issues the command. Where the kernel has no memory for it just now, nothing has happened, and it is tried again.
func (t *Transport) start(ctx context.Context, h *header) error {
	for try := 1; ; try++ {
		err := t.node.start(h)
		if !errors.Is(err, unix.ENOMEM) || try == memoryTries {
			return err
		}
		if werr := scsi.Sleep(ctx, t.memory); werr != nil {
			return fmt.Errorf("%w (%w)", werr, err)
		}
	}
}

// explain adds what an operator can do about an error of the driver.
func (t *Transport) explain(err error, n int) error {
	switch {
	case errors.Is(err, unix.EINVAL) && n > t.most:
		return fmt.Errorf("%w: %d bytes in one command are more than the host adapter takes (%d); use smaller blocks",
			err, n, t.most)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: the kernel has no memory for a command of %d bytes; use smaller blocks", err, n)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: the device is gone", err)
	}
	return err
}

// await waits for the end of the command. When ctx ends first it leaves the command to a goroutine that gives the turn
// back when the command is over.
func (t *Transport) await(ctx context.Context, c *scsi.Command, h header) error {
	done := make(chan result, 1)
	stop := time.Now().Add(c.TimeoutOrDefault() + t.recovery)
	go func() { done <- t.reap(h) }()
	late := time.NewTimer(time.Until(stop))
	defer late.Stop()
	var err error
	select {
	case r := <-done:
		defer func() { t.turn <- struct{}{} }()
		return t.finish(c, r)
	case <-ctx.Done():
		err = ctx.Err()
	case <-late.C:
		err = fmt.Errorf("%w (%v)", ErrNoAnswer, c.TimeoutOrDefault()+t.recovery)
	}
	go func() {
		<-done
		t.turn <- struct{}{}
	}()
	return outcomeUnknown(c, err)
}

// reap waits for the command, however long it takes, and fetches its result. It ends early only when the driver says
// that there is nothing to wait for.
func (t *Transport) reap(h header) result {
	for {
		ready, err := t.node.wait(pollSlice)
		if err != nil {
			return result{err: err}
		}
		if !ready {
			continue
		}
		if err := t.node.fetch(&h); err != unix.EAGAIN {
			return result{h: h, err: err}
		}
	}
}

// finish turns the result into the command's answer. The order matters: sense data counts even where the host adapter
// complains too, as adapters and bridges do.
func (t *Transport) finish(c *scsi.Command, r result) error {
	h := &r.h
	switch {
	case r.err != nil:
		return outcomeUnknown(c, t.explain(r.err, len(c.Data)))
	case h.senseLength > 0 && (h.status == uint8(scsi.StatusCheckCondition) || h.driverStatus&0x0F == 0x08):
		// Kernels before 5.14 tell of sense data in the driver status.
		c.Status = scsi.StatusCheckCondition
	case h.hostStatus == 0x11 && h.status == uint8(scsi.StatusReservationConflict):
		c.Status = scsi.StatusReservationConflict
	case h.hostStatus != 0 || h.driverStatus != 0:
		return outcomeUnknown(c, &HostError{Host: h.hostStatus, Driver: h.driverStatus})
	default:
		c.Status = scsi.Status(h.status)
	}
	c.Sense = append([]byte(nil), t.control[16:16+min(int(h.senseLength), senseSize)]...)
	c.Residual = int(h.residual)
	if h.direction == dxferFromDev {
		n := c.Transferred()
		copy(c.Data[:n], t.data)
	}
	return nil
}

// Close closes the node. It waits up to ten seconds for a command that is running, and reports ErrStillRunning when that
// is not enough; the node is then closed when the command has ended. Calling it again is harmless.
func (t *Transport) Close() error {
	late := time.NewTimer(t.closing)
	defer late.Stop()
	select {
	case <-t.turn:
		defer func() { t.turn <- struct{}{} }()
		return t.release()
	case <-late.C:
	}
	go func() {
		<-t.turn
		t.release()
		t.turn <- struct{}{}
	}()
	return fmt.Errorf("close %s: %w", t.path, ErrStillRunning)
}

// release frees what the transport holds; the caller has the turn.
func (t *Transport) release() error {
	if t.closed {
		return nil
	}
	t.closed = true
	unix.Munmap(t.control)
	if t.data != nil {
		unix.Munmap(t.data)
	}
	t.control, t.data = nil, nil
	if err := t.node.close(); err != nil {
		return fmt.Errorf("close %s: %w", t.path, err)
	}
	return nil
}
