package scsi

import (
	"context"
	"time"
)

// SizedTransport is a Transport that knows the largest data phase it takes.
type SizedTransport interface {
	Transport
	// MaxTransfer is that size in bytes.
	MaxTransfer() int
}

// Patient makes a transport finish the command in flight when its context ends: cutting off a REWIND or a MOVE MEDIUM gains
// nothing and leaves the device in a state that nobody knows; over iSCSI it costs the session. A device that does not answer is
// given up after grace; then the outcome is unknown. A command that has not begun is not sent.
func Patient(t SizedTransport, grace time.Duration) SizedTransport {
	return patient{t, grace}
}

type patient struct {
	SizedTransport
	grace time.Duration
}

// Send carries out the command even when ctx ends meanwhile, for grace at most.
func (p patient) Send(ctx context.Context, c *Command) error {
	if err := ctx.Err(); err != nil {
		return &TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: err}
	}
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		if Sleep(inner, p.grace) == nil {
			cancel(context.Cause(ctx))
		}
	})
	defer stop()
	return p.SizedTransport.Send(inner, c)
}
