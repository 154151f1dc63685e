package mediacatalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LeaseOwner is the process that holds a lease.
type LeaseOwner struct {
	Host    string
	PID     int
	Command string // for the operator: "tapectl inventory lib1"
	// Space tells processes apart whose Host and PID are equal by accident: the boot of the host, the process id
	// namespace and the start of the process. CurrentOwner fills it in; empty: not known.
	Space string
}

// String names the owner for the operator.
func (o LeaseOwner) String() string {
	return fmt.Sprintf("%q (process %d on %s)", o.Command, o.PID, o.Host)
}

// CurrentOwner is the calling process, doing command.
func CurrentOwner(command string) LeaseOwner { return LeaseOwner{Command: command} }

// Lease is the right to use a resource, such as a library, until it expires. It is safe for several goroutines.
type Lease struct {
	c        *Catalog
	resource string
	token    string
	ttl      time.Duration
}

// AcquireLease takes the lease of a resource for ttl. A lease that is expired, or whose owner is a process of this host
// that is gone, is taken over. *LeaseHeldError when it is in use.
func (c *Catalog) AcquireLease(ctx context.Context, resource string, owner LeaseOwner, ttl time.Duration) (*Lease, error) {
	return nil, errors.ErrUnsupported
}

// Resource is what the lease is for.
func (l *Lease) Resource() string { return l.resource }

// Renew makes the lease run for its ttl from now. ErrLeaseLost when another process took it over.
func (l *Lease) Renew(ctx context.Context) error { return errors.ErrUnsupported }

// Keep renews the lease in the background until stop is called. The context it returns ends when the lease is lost:
// use it for what the lease protects; context.Cause tells why. stop does not release the lease.
func (l *Lease) Keep(ctx context.Context) (kept context.Context, stop func()) { return ctx, func() {} }

// Release gives the lease back. A lease that is lost already is no error.
func (l *Lease) Release(ctx context.Context) error { return errors.ErrUnsupported }

// HeldLease is a lease as the operator sees it.
type HeldLease struct {
	Resource     string
	Owner        LeaseOwner
	Since, Until time.Time
	Stale        bool // expired, or its process is gone
}

// Leases lists all leases, by resource.
func (c *Catalog) Leases(ctx context.Context) ([]HeldLease, error) { return nil, errors.ErrUnsupported }
