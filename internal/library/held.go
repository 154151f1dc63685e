package library

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrClosed says that a library is used after Close.
var ErrClosed = errors.New("the library is closed")

// LeaseLostError says that this process no longer has the library: another one took it over, or the catalog could not
// be written for as long as a lease runs. Nothing is moved, unloaded or written by this process from then on.
type LeaseLostError struct {
	Library string
	Err     error
}

// Error tells what is lost, why, and what is safe.
func (e *LeaseLostError) Error() string {
	return fmt.Sprintf("keep library %s in use: the lease is lost (%v): this process moves and writes nothing any more, and tapes stay "+
		"where they are; `tapectl library status%s` shows who uses the library, or where they are", e.Library, e.Err, named(" ", e.Library))
}

// Unwrap gives the cause, such as mediacatalog.ErrLeaseLost.
func (e *LeaseLostError) Unwrap() error { return e.Err }

// Held returns a context that ends when the lease of the library is lost or the library is closed. Whoever reads or
// writes a mounted tape for long joins it with the own context; Lost tells the reason. Safe for any goroutine.
func (l *Library) Held() context.Context { return l.held }

// Lost returns nil while this process has the library, a *LeaseLostError when the lease is lost, and ErrClosed after
// Close. Safe for any goroutine.
func (l *Library) Lost() error {
	if l.held.Err() == nil {
		return nil
	}
	cause := context.Cause(l.held)
	if errors.Is(cause, context.Canceled) {
		return fmt.Errorf("use library %s: %w", l.record.Name, ErrClosed)
	}
	return &LeaseLostError{Library: l.record.Name, Err: cause}
}

// WhileHeld derives a context that ends with ctx, and when the lease is lost: context.Cause is a *LeaseLostError then.
// The caller calls cancel.
func (l *Library) WhileHeld(ctx context.Context) (joined context.Context, cancel context.CancelFunc) {
	joined, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.held, func() { end(l.Lost()) })
	if err := l.Lost(); err != nil {
		end(err) // AfterFunc would say so a moment later
	}
	return joined, func() {
		stop()
		end(nil)
	}
}

// explain adds to the error of an operation that the lease was lost meanwhile, which is what the operator has to know.
func (l *Library) explain(err error) error {
	lost := l.Lost()
	if err == nil || lost == nil {
		return err
	}
	var already *LeaseLostError
	if errors.As(err, &already) || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%w; %w", err, lost)
}

// takeArm waits until no other goroutine of this process moves anything. freeArm gives it back.
func (l *Library) takeArm(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case l.arm <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("wait for the arm of library %s: %w", l.record.Name, context.Cause(ctx))
}

// takeArmWithin is takeArm for those who do not give up when their caller does.
func (l *Library) takeArmWithin(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return l.takeArm(ctx)
}

func (l *Library) freeArm() { <-l.arm }
