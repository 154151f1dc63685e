package scsi

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// maxAttentions bounds how many unit attentions in a row one command consumes: devices queue several after power on
	// or a door, and a device that never stops must not hang the program.
	maxAttentions = 10
	// busyDelay and maxBusy bound the patience with BUSY and TASK SET FULL: the command did not run, so sending it
	// again is safe for every command.
	busyDelay = time.Second
	maxBusy   = 60
)

// Do sends c and turns everything but success into one of the four errors of this package. A command that succeeded
// with a note (a recovered error, cleaning requested) gives nil and leaves the note in c.Sense.
//
// BUSY and TASK SET FULL are tried again for about a minute. Unit attentions are consumed when c.Attention is set,
// up to ten, and returned as *CheckError otherwise.
func Do(ctx context.Context, t Transport, c *Command) error {
	attentions, busy := 0, 0
	for {
		err := once(ctx, t, c)
		var check *CheckError
		var status *StatusError
		switch {
		case errors.As(err, &check) && check.Sense.Key == UnitAttention && !check.Sense.Deferred &&
			c.Attention != nil && attentions < maxAttentions:
			attentions++
			c.Attention(check.Sense)
		case errors.As(err, &status) && (status.Status == StatusBusy || status.Status == StatusTaskSetFull) && busy < maxBusy:
			busy++
			if werr := Sleep(ctx, busyDelay); werr != nil {
				return &TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: fmt.Errorf("device %s: %w", status.Status, werr)}
			}
		default:
			return err
		}
	}
}

// once sends the command one time.
func once(ctx context.Context, t Transport, c *Command) error {
	c.Status, c.Sense, c.Residual = StatusGood, nil, 0
	if err := ctx.Err(); err != nil {
		return &TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: err}
	}
	if err := t.Send(ctx, c); err != nil {
		var te *TransportError
		if errors.As(err, &te) {
			return err
		}
		return &TransportError{Op: c.Name, CDB: c.CDB, Err: err}
	}
	switch c.Status {
	case StatusGood, StatusConditionMet:
		return nil
	case StatusCheckCondition:
		s, err := ParseSense(c.Sense)
		if err != nil {
			return &ResponseError{Op: c.Name, CDB: c.CDB, Reason: "CHECK CONDITION with " + err.Error()}
		}
		if s.succeeded() {
			return nil
		}
		return &CheckError{Op: c.Name, CDB: c.CDB, Sense: s}
	}
	return &StatusError{Op: c.Name, CDB: c.CDB, Status: c.Status}
}

// Sleep waits for d or until ctx is done, and then returns ctx.Err.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
