package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// Options of Open.
type Options struct {
	// Command says what the library is used for, for those who find it in use.
	Command string
	// Log receives what is worth a line in a log; nil discards.
	Log *slog.Logger
	// Progress, when set, is told what a long wait waits for, such as "load DPM001L6 into drive 1: becoming ready". It is
	// called by the goroutines that mount and move, several at once when several do.
	Progress func(string)
}

// Library is a library in use by this process. Its methods may be called by several goroutines; the arm does one thing at
// a time, drives load side by side.
type Library struct {
	host    Host
	catalog *mediacatalog.Catalog
	record  mediacatalog.Library
	options Options
	log     *slog.Logger
	lease   *mediacatalog.Lease
	held    context.Context // ends when the lease is lost
	stop    func()
	claims  *claims
	locks   driveLocks
	sleep   func(context.Context, time.Duration) error

	arm       chan struct{} // holds one element while elements change or the changer is asked; guards what follows
	transport scsi.Transport
	changer   *changer.Changer // nil for a stand-alone drive
}

// ErrDisabled says that the operator has taken a library or drive out of use.
var ErrDisabled = errors.New("disabled")

// UnreachableError says that a library or drive of the catalog could not be reached.
type UnreachableError struct {
	What    string // "library main", "drive 2 of library main"
	Address string
	Err     error
}

// Error names what could not be reached and where it was looked for.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("reach %s at %s: %v", e.What, e.Address, e.Err)
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Open takes the library with the name into use: it acquires the lease and opens the changer, and refuses when another
// changer than the catalog's answers at the address. Close gives it back. The catalog and host stay the caller's and
// must outlive the library.
//
// Errors: mediacatalog.ErrNotFound, *mediacatalog.LeaseHeldError, *UnreachableError, ErrDisabled.
func Open(ctx context.Context, catalog *mediacatalog.Catalog, host Host, name string, o Options) (*Library, error) {
	record, err := catalog.Library(ctx, name)
	if err != nil {
		return nil, err
	}
	if !record.Enabled {
		return nil, fmt.Errorf("open library %s: it is %w; `tapectl library enable %s` takes it into use again", name, ErrDisabled, name)
	}
	return open(ctx, catalog, host, record, o, leaseTTL)
}

// open is Open for a record, with a lease that lasts for ttl.
func open(ctx context.Context, catalog *mediacatalog.Catalog, host Host, record mediacatalog.Library, o Options, ttl time.Duration) (*Library, error) {
	lease, err := catalog.AcquireLease(ctx, "library "+record.Name, mediacatalog.CurrentOwner(o.Command), ttl)
	if err != nil {
		return nil, err
	}
	l := &Library{
		host: host, catalog: catalog, record: record, options: o, log: o.Log, lease: lease,
		claims: newClaims(), arm: make(chan struct{}, 1), sleep: scsi.Sleep,
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.held, l.stop = lease.Keep(context.WithoutCancel(ctx))
	if err := l.openChanger(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// openChanger opens the changer, and makes sure that it is the one that the catalog means.
func (l *Library) openChanger(ctx context.Context) error {
	if l.record.StandAlone {
		return nil
	}
	unreachable := func(err error) error {
		return &UnreachableError{What: "library " + l.record.Name, Address: l.record.ChangerAddress, Err: err}
	}
	t, err := l.host.Open(ctx, l.record.ChangerAddress)
	if err != nil {
		return unreachable(err)
	}
	c, err := changer.New(ctx, t)
	if err == nil && c.Identity().Serial != l.record.Serial {
		err = fmt.Errorf("a changer with serial number %q answers there, the catalog says %q; add it anew if it was replaced",
			c.Identity().Serial, l.record.Serial)
	}
	if err != nil {
		t.Close()
		return unreachable(err)
	}
	l.transport, l.changer = t, c
	return nil
}

// Close gives the library back. Mounted tapes stay where they are. It waits for no move: end mounts first.
func (l *Library) Close() error {
	l.stop()
	var errs []error
	if l.transport != nil {
		errs = append(errs, l.transport.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	errs = append(errs, l.lease.Release(ctx))
	return errors.Join(errs...)
}

// Name returns the operator's name of the library.
func (l *Library) Name() string { return l.record.Name }

// Record returns the catalog's entry of the library as it was when it was opened.
func (l *Library) Record() mediacatalog.Library { return l.record }

// StandAlone reports whether the library is a drive without a changer.
func (l *Library) StandAlone() bool { return l.record.StandAlone }

// Changer returns the changer, nil for a stand-alone drive. It must not be used to move anything (Move does that), nor
// while other goroutines use the library.
func (l *Library) Changer() *changer.Changer { return l.changer }

func (l *Library) progress(text string) {
	if l.options.Progress != nil {
		l.options.Progress(text)
	}
}
