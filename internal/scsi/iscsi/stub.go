//go:build !libiscsi

package iscsi

import (
	"context"

	"tapectl/internal/scsi"
)

// Available says whether the package was built with libiscsi.
const Available = false

// Transport is one session to one logical unit. Without libiscsi there is none.
type Transport struct{ address Address }

var _ scsi.Transport = (*Transport)(nil)

// Open fails with a *ConnectError that wraps ErrNotBuilt.
func Open(_ context.Context, a Address) (*Transport, error) {
	return nil, &ConnectError{Address: a, Err: ErrNotBuilt}
}

// MaxTransfer is the largest data phase in bytes that Send takes.
func (t *Transport) MaxTransfer() int { return maxTransfer }

// Address is where the transport leads.
func (t *Transport) Address() Address { return t.address }

// Send fails: there is no session.
func (t *Transport) Send(_ context.Context, c *scsi.Command) error {
	return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: ErrNotBuilt}
}

// Close does nothing.
func (t *Transport) Close() error { return nil }
