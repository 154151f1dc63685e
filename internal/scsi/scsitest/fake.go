// Package scsitest helps to test code that sends SCSI commands: a fake transport, builders of sense data, and
// [TestTransport], the conformance suite that every transport passes.
package scsitest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"tapectl/internal/scsi"
)

// ErrClosed is in the error of Send on a Transport that was closed.
var ErrClosed = errors.New("the fake transport is closed")

// Transport is a fake scsi.Transport: the zero value answers every command with GOOD and no data. Like a real one
// it runs one command at a time, refuses commands after Close, and is safe for several goroutines; the functions need
// no locks of their own.
type Transport struct {
	// SendFunc answers a command; nil answers GOOD and transfers nothing of a data-in phase and all of a data-out phase.
	SendFunc func(ctx context.Context, c *scsi.Command) error
	// CloseFunc is called by the first Close.
	CloseFunc func() error

	mu     sync.Mutex
	closed bool
	log    []scsi.Command
}

var _ scsi.Transport = (*Transport)(nil)

// Send answers c.
func (t *Transport) Send(ctx context.Context, c *scsi.Command) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: ErrClosed}
	}
	if err := ctx.Err(); err != nil {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: err}
	}
	if len(c.CDB) < 6 || len(c.CDB) > 16 {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: errors.New("not a valid CDB length")}
	}
	sent := scsi.Command{Name: c.Name, CDB: slices.Clone(c.CDB), Direction: c.Direction, Timeout: c.Timeout}
	if c.Direction == scsi.ToDevice {
		sent.Data = slices.Clone(c.Data)
	}
	t.log = append(t.log, sent)
	if t.SendFunc == nil {
		Good(c, nil)
		return nil
	}
	return t.SendFunc(ctx, c)
}

// Close closes the transport; closing again is harmless.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.CloseFunc == nil {
		t.closed = true
		return nil
	}
	t.closed = true
	return t.CloseFunc()
}

// Closed reports whether Close was called.
func (t *Transport) Closed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Sent returns copies of the commands that were sent so far, without answers, with the data of data-out phases.
func (t *Transport) Sent() []scsi.Command {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

// Answers makes a fake that answers the commands with the functions in turn, and fails the command after the last with
// a *scsi.TransportError.
func Answers(answers ...func(c *scsi.Command) error) *Transport {
	next := 0
	return &Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
		if next == len(answers) {
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: errors.New("no answer is left")}
		}
		next++
		return answers[next-1](c)
	}}
}

// Data gives an answer of GOOD with data, as much of it as c takes.
func Data(data []byte) func(*scsi.Command) error {
	return func(c *scsi.Command) error {
		Good(c, data)
		return nil
	}
}

// Check gives an answer of CHECK CONDITION with sense data and no data.
func Check(sense []byte) func(*scsi.Command) error {
	return func(c *scsi.Command) error {
		CheckCondition(c, sense, nil)
		return nil
	}
}

// Status gives an answer of a bare status.
func Status(s scsi.Status) func(*scsi.Command) error {
	return func(c *scsi.Command) error {
		Good(c, nil)
		c.Status = s
		c.Residual = len(c.Data)
		return nil
	}
}

// Lost gives no answer: a *scsi.TransportError with an unknown outcome.
func Lost(cause error) func(*scsi.Command) error {
	return func(c *scsi.Command) error { return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: cause} }
}

// Good fills in an answer of GOOD with data, as much of it as c takes; a data-out phase is taken whole.
func Good(c *scsi.Command, data []byte) {
	c.Status, c.Sense = scsi.StatusGood, nil
	transfer(c, data)
}

// CheckCondition fills in an answer of CHECK CONDITION with sense data, and data before it.
func CheckCondition(c *scsi.Command, sense, data []byte) {
	c.Status, c.Sense = scsi.StatusCheckCondition, slices.Clone(sense)
	transfer(c, data)
	if c.Direction == scsi.ToDevice {
		c.Residual = len(c.Data)
	}
}

func transfer(c *scsi.Command, data []byte) {
	c.Residual = 0
	if c.Direction != scsi.ToDevice {
		copy(c.Data, data)
		c.Residual = len(c.Data) - len(data)
	}
}
