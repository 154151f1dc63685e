package vlib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tapectl/internal/scsi"
)

// nexus is one I_T nexus to a device: a scsi.Transport. What it keeps belongs to whoever holds the device's gate.
type nexus struct {
	d      *device
	id     uint64
	file   *os.File // locked while the nexus lives, so that others see when its process was killed
	closed bool
	seen   uint64      // attentions of the device that were taken over
	queue  []attention // still to report
	busy   int         // answers BUSY so many times (quirk BusyCommands)
	// alerts are the alertCounts that LOG SENSE page 2Eh has shown to this nexus.
	alerts [64]uint8
}

func nexusPath(folder string, id uint64) string {
	return filepath.Join(folder, nexusDir, fmt.Sprintf("%016x", id))
}

func newNexus(d *device) (*nexus, error) {
	n := &nexus{d: d, id: random() | 1}
	f, err := os.OpenFile(nexusPath(d.lib.folder, n.id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	n.file = f
	if _, err = tryLock(f); err == nil {
		err = d.enter()
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	n.seen = d.state.attentionSeq
	n.queue = []attention{{asc: 0x29, ascq: 0x00}}
	for i := range min(d.config.Quirks.AttentionStorm, 64) {
		storm := []attention{{asc: 0x28}, {asc: 0x3F, ascq: 0x0E}, {asc: 0x2A, ascq: 0x01}, {asc: 0x29, ascq: 0x04}}
		n.queue = append(n.queue, storm[i%len(storm)])
	}
	n.busy = d.config.Quirks.BusyCommands
	return n, d.leave()
}

// Close ends the nexus: its PREVENT and its reservation by RESERVE are gone. Persistent reservations stay.
func (n *nexus) Close() error {
	d := n.d
	if err := d.enter(); err != nil {
		// A damaged or locked-out device must not keep a transport from closing.
		d.sem <- struct{}{}
		defer func() { <-d.sem }()
		return n.release()
	}
	if n.closed {
		return d.leave()
	}
	d.forget(n.id)
	err := n.release()
	return errors.Join(err, d.leave())
}

func (n *nexus) release() error {
	if n.closed {
		return nil
	}
	n.closed = true
	l := n.d.lib
	l.mu.Lock()
	delete(l.nexuses, n)
	l.mu.Unlock()
	os.Remove(n.file.Name())
	return n.file.Close()
}

// forget clears what a lost nexus had set.
func (d *device) forget(id uint64) {
	d.state.prevent = slices.DeleteFunc(d.state.prevent, func(p uint64) bool { return p == id })
	if d.state.reservedBy == id {
		d.state.reservedBy = 0
	}
}

// alive tells whether the process of a nexus still holds it.
func (l *Library) alive(id uint64) bool {
	f, err := os.OpenFile(nexusPath(l.folder, id), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	free, err := tryLock(f)
	if err == nil && free {
		os.Remove(f.Name())
	}
	return err == nil && !free
}

// prevented tells whether a living nexus prevents removal; those of killed processes are forgotten.
func (d *device) prevented() bool {
	for _, id := range slices.Clone(d.state.prevent) {
		if d.lib.alive(id) {
			return true
		}
		d.forget(id)
	}
	return false
}

// pull takes over the unit attentions that were established since the last command. One condition is
// reported once, however often it occurred.
func (n *nexus) pull() {
	s := &n.d.state
	if s.attentionSeq > n.seen+maxAttentions {
		n.seen = s.attentionSeq - maxAttentions
	}
	for ; n.seen < s.attentionSeq; n.seen++ {
		a := s.attentions[n.seen%maxAttentions]
		if a.except == n.id {
			continue
		}
		a.except = 0
		if !slices.Contains(n.queue, a) {
			n.queue = append(n.queue, a)
		}
	}
}

// Send carries out one command. See scsi.Transport.
func (n *nexus) Send(ctx context.Context, c *scsi.Command) error {
	fail := func(err error, notSent bool) error {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: notSent, Err: err}
	}
	deadline := time.Now().Add(c.TimeoutOrDefault())
	for {
		if err := ctx.Err(); err != nil {
			return fail(err, true)
		}
		if err := n.d.enterBefore(ctx, deadline); err != nil {
			return fail(err, true)
		}
		if n.closed {
			n.d.unlock()
			return fail(os.ErrClosed, true)
		}
		t := &task{ctx: ctx, deadline: deadline, n: n, d: n.d, s: &n.d.state, c: c, cdb: c.CDB,
			now: time.Now().UnixNano()}
		wait := t.mustWait()
		if wait > 0 {
			n.d.unlock()
			if err := sleepUntil(ctx, deadline, wait); err != nil {
				return fail(err, true)
			}
			continue
		}
		t.run()
		raw := t.rawSense()
		if err := n.d.leave(); err != nil {
			return fail(fmt.Errorf("virtual library %s: %w", n.d.lib.folder, err), false)
		}
		return t.finish(raw)
	}
}

// sleepUntil waits for d, but not beyond the deadline of the command.
func sleepUntil(ctx context.Context, deadline time.Time, d time.Duration) error {
	left := time.Until(deadline)
	if d <= left {
		return scsi.Sleep(ctx, d)
	}
	if err := scsi.Sleep(ctx, max(0, left)); err != nil {
		return err
	}
	return os.ErrDeadlineExceeded
}
