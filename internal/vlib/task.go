package vlib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tapectl/internal/scsi"
)

// task is one command while it is carried out.
type task struct {
	ctx      context.Context // of the command
	deadline time.Time

	n   *nexus
	d   *device
	s   *state // of the device
	c   *scsi.Command
	cdb []byte
	now int64 // nanoseconds of Unix time

	status scsi.Status
	sense  *sense
	// moved is how many bytes were transferred: into c.Data for data-in (it may exceed what c.Data takes), out of it
	// for data-out.
	moved int
	// wait is how long the answer takes, after the device was unlocked.
	wait time.Duration
	// lost, when set, is why no answer comes.
	lost    error
	notSent bool
}

// command is one command of a device: what it looks like and what it does.
type command struct {
	name string
	op   byte
	// action is the service action, or -1.
	action int
	// usage are the bits of the CDB that may be set, all bytes of it (SPC-5 6.34.3). The operation code and the
	// service action are set in full.
	usage []byte
	// timeout is the recommended timeout.
	timeout time.Duration
	traits  traits
	run     func(*task) *sense
}

// traits are how the rules for all commands apply to one.
type traits uint

const (
	// always: not subject to unit attentions (INQUIRY, REPORT LUNS, REQUEST SENSE), reservations, quirks and faults.
	always traits = 1 << iota
	// shared: allowed although another nexus holds a reservation.
	shared
	// mechanical: waits until the mechanism has finished what it does.
	mechanical
	// loaded: needs a medium that is ready.
	loaded
)

// commandSet finds commands by operation code.
type commandSet [256][]*command

func newCommandSet(list []command) *commandSet {
	var s commandSet
	for i := range list {
		c := &list[i]
		s[c.op] = append(s[c.op], c)
	}
	return &s
}

// find returns the command of a CDB, or the reason why there is none.
func (s *commandSet) find(cdb []byte) (*command, *sense) {
	list := s[cdb[0]]
	if len(list) == 0 {
		return nil, illegal(0x20, 0x00)
	}
	for _, c := range list {
		if c.action >= 0 && (len(cdb) < 2 || int(cdb[1]&0x1F) != c.action) {
			continue
		}
		if len(cdb) < len(c.usage) {
			return nil, badCDB(0, -1)
		}
		for i := range c.usage {
			if wrong := cdb[i] &^ c.usage[i]; i > 0 && wrong != 0 {
				return nil, badCDB(i, highestBit(wrong))
			}
		}
		return c, nil
	}
	return nil, badCDB(1, 4)
}

func highestBit(b byte) int {
	n := -1
	for ; b != 0; b >>= 1 {
		n++
	}
	return n
}

// unsupported tells whether a quirk takes the operation code away.
func (d *device) unsupported(op byte) bool {
	list := d.config.Quirks.DriveUnsupported
	if d.number < 0 {
		list = d.config.Quirks.ChangerUnsupported
		if op == 0xA6 && !d.config.Exchange {
			return true
		}
	}
	for _, n := range list {
		if n == int(op) {
			return true
		}
	}
	return false
}

// mustWait tells how long the mechanism still has to work before the command can begin.
func (t *task) mustWait() time.Duration {
	if len(t.cdb) == 0 || t.s.busyUntil <= t.now {
		return 0
	}
	cmd, _ := t.d.commands.find(t.cdb)
	if cmd == nil || cmd.traits&mechanical == 0 {
		return 0
	}
	return time.Duration(t.s.busyUntil - t.now)
}

// run carries the command out and decides how it ends.
func (t *task) run() {
	if len(t.cdb) == 0 || len(t.cdb) > 16 {
		t.lost, t.notSent = fmt.Errorf("a CDB of %d bytes cannot be sent", len(t.cdb)), true
		return
	}
	if t.strikeDead() {
		return
	}
	cmd, bad := t.d.commands.find(t.cdb)
	if t.d.unsupported(t.cdb[0]) {
		cmd, bad = nil, illegal(0x20, 0x00)
	}
	if cmd == nil || cmd.traits&always == 0 {
		t.sense = t.before(cmd)
		if t.sense != nil || t.status != scsi.StatusGood {
			return
		}
	}
	if cmd == nil {
		t.sense = bad
		return
	}
	if f := t.strike(cmd); f != nil {
		t.suffer(f, cmd)
		return
	}
	t.execute(cmd)
}

// execute runs the command.
func (t *task) execute(cmd *command) {
	t.sense = t.ready(cmd)
	if t.sense == nil {
		t.sense = cmd.run(t)
	}
	if t.sense == nil && t.d.number >= 0 && t.d.config.Quirks.CleaningRequested && cmd.traits&always == 0 {
		t.sense = check(0x0, 0x82, 0x82)
	}
}

// before is what comes ahead of any command: BUSY, reservation conflicts, unit attentions, deferred errors. cmd is nil
// for one that the device does not know.
func (t *task) before(cmd *command) *sense {
	t.n.pull()
	if t.n.busy > 0 {
		t.n.busy--
		t.status = scsi.StatusBusy
		return nil
	}
	if t.conflicts(cmd) {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	t.settle()
	t.n.pull()
	if len(t.n.queue) > 0 {
		a := t.n.queue[0]
		t.n.queue = t.n.queue[1:]
		return check(0x6, a.asc, a.ascq)
	}
	// What flushes the buffer brings the error out even when the buffer could still take blocks.
	flushes := cmd != nil && cmd.traits&mechanical != 0 && cmd.op != 0x0A
	if t.s.deferred && (t.s.toSwallow == 0 || flushes) {
		return t.takeDeferred()
	}
	return nil
}

// takeDeferred reports the deferred error; the blocks that were accepted are gone.
func (t *task) takeDeferred() *sense {
	s := &sense{deferred: true, key: t.s.deferredKey, asc: t.s.deferredASC, ascq: t.s.deferASCQ}
	t.s.deferred, t.s.toSwallow, t.s.swallowed = false, 0, 0
	t.s.writeErrors++
	return s
}

// finish waits and fills in the Command. The device is not locked any more.
func (t *task) finish(rawSense []byte) error {
	c := t.c
	if t.wait > 0 && !t.notSent {
		if err := sleepUntil(t.ctx, t.deadline, t.wait); err != nil {
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: err}
		}
	}
	if t.lost != nil {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: t.notSent, Err: t.lost}
	}
	c.Status, c.Sense, c.Residual = t.status, rawSense, len(c.Data)-t.moved
	if rawSense != nil {
		c.Status = scsi.StatusCheckCondition
	}
	return nil
}

// rawSense encodes the sense data, while the device is still locked.
func (t *task) rawSense() []byte {
	if t.sense == nil {
		return nil
	}
	return t.sense.encode(t.d.number >= 0 && t.d.config.Quirks.DescriptorSense)
}

// reply sends data to the host, cut to the allocation length.
func (t *task) reply(b []byte, allocation int) *sense {
	b = b[:min(len(b), allocation)]
	if t.c.Direction != scsi.FromDevice {
		t.moved = 0
		return nil
	}
	t.moved = len(b)
	copy(t.c.Data, b)
	return nil
}

// parameters is the data that the host sends. It is an error of the transfer when there is less than the CDB says.
func (t *task) parameters(n int) ([]byte, *sense) {
	if n == 0 {
		return nil, nil
	}
	if t.c.Direction != scsi.ToDevice || len(t.c.Data) < n {
		return nil, check(0xB, 0x4B, 0x00) // DATA PHASE ERROR
	}
	t.moved = n
	return t.c.Data[:n], nil
}

// work occupies the mechanism for a time. With IMMED the answer comes at once and the mechanism works on.
func (t *task) work(activity byte, d time.Duration, immediate bool) {
	if d <= 0 {
		return
	}
	t.s.busyFrom, t.s.busyUntil = t.now, t.now+int64(d)
	t.s.activity, t.s.immediate = activity, immediate
	t.s.motion += uint64(d)
	if !immediate {
		t.wait += d
	}
}

// working tells whether the mechanism works on what a command with IMMED started, and how far that is.
func (t *task) working() (float64, bool) {
	if t.s.busyUntil <= t.now || !t.s.immediate {
		return 0, false
	}
	return float64(t.now-t.s.busyFrom) / float64(t.s.busyUntil-t.s.busyFrom), true
}

// broken turns an error of the host's file system into HARDWARE ERROR, INTERNAL TARGET FAILURE; a full disk and the
// like are the virtual device's defects.
func (t *task) broken(err error) *sense {
	var s *senseError
	if errors.As(err, &s) {
		return s.sense
	}
	t.lost, t.notSent = fmt.Errorf("virtual library %s: %w", t.d.lib.folder, err), false
	return check(0x4, 0x44, 0x00)
}

// senseError carries sense data through functions that return errors.
type senseError struct{ sense *sense }

func (e *senseError) Error() string { return fmt.Sprintf("sense key %Xh", e.sense.key) }

// timeoutError is what a transport reports when no answer came.
var errNoAnswer = fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
