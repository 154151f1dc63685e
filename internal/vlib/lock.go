package vlib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
)

// gate lets one command at a time through to a device: a semaphore among the goroutines of this process and a lock on
// the device's lock file among processes. A lock file of a killed process is free again, the kernel sees to that.
type gate struct {
	sem  chan struct{}
	file *os.File
}

func openGate(path string) (gate, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return gate{}, err
	}
	return gate{sem: make(chan struct{}, 1), file: f}, nil
}

// lock waits for the device until ctx is done or the deadline has passed.
func (g *gate) lock(ctx context.Context, deadline time.Time) error {
	if err := g.pass(ctx, deadline); err != nil {
		return err
	}
	for delay := 20 * time.Microsecond; ; delay = min(2*delay, 5*time.Millisecond) {
		ok, err := tryLock(g.file)
		if err == nil && !ok {
			err = scsi.Sleep(ctx, delay)
		}
		if err == nil && !ok && time.Now().After(deadline) {
			err = os.ErrDeadlineExceeded
		}
		if err != nil {
			<-g.sem
			return err
		}
		if ok {
			return nil
		}
	}
}

// pass passes the semaphore.
func (g *gate) pass(ctx context.Context, deadline time.Time) error {
	select {
	case g.sem <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case g.sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

func (g *gate) unlock() {
	// The only error would be an invalid descriptor, after which nothing is locked any more.
	_ = unix.Flock(int(g.file.Fd()), unix.LOCK_UN)
	<-g.sem
}

// tryLock locks the file unless another open file description has it.
func tryLock(f *os.File) (bool, error) {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}
