//go:build !linux

package sgio

import (
	"context"
	"fmt"
	"runtime"

	"tapectl/internal/scsi"
)

// Options change how a node is opened.
type Options struct {
	Exclusive bool
	Reserve   int
}

// Transport is one open node. There is none on this system.
type Transport struct{}

// Open fails: the SCSI generic driver is Linux'.
func Open(path string, _ Options) (*Transport, error) {
	return nil, fmt.Errorf("open %s: /dev/sg* exists on Linux, not on %s", path, runtime.GOOS)
}

// MaxTransfer is 0.
func (t *Transport) MaxTransfer() int { return 0 }

// Path is empty.
func (t *Transport) Path() string { return "" }

// Send fails.
func (t *Transport) Send(_ context.Context, c *scsi.Command) error {
	return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: ErrClosed}
}

// Close does nothing.
func (t *Transport) Close() error { return nil }
