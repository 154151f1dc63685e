package library

import (
	"context"
	"time"

	"tapectl/internal/mediacatalog"
)

// SetSleep replaces the waits between two looks.
func (l *Library) SetSleep(f func(context.Context, time.Duration) error) { l.sleep = f }

// LeaseKey is the name of the resource that a library leases.
func (l *Library) LeaseKey() string { return l.lease.Resource() }

// OpenFor is Open with a lease of another length.
func OpenFor(ctx context.Context, c *mediacatalog.Catalog, h Host, name string, ttl time.Duration) (*Library, error) {
	record, err := c.Library(ctx, name)
	if err != nil {
		return nil, err
	}
	return open(ctx, c, h, record, Options{Command: "test"}, ttl)
}
