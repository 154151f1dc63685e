package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

const (
	// leaseTTL is how long a lease outlives a process that died without a word on another host.
	leaseTTL = 90 * time.Second
	// StandAloneElement is the element address of the drive of a library without a changer.
	StandAloneElement = -1
)

// Options of Open.
type Options struct {
	// Command says what the library is used for, for those who find it in use.
	Command string
	// Log receives what is worth a line in a log; nil discards.
	Log *slog.Logger
	// Progress, when set, is told what a long wait waits for, such as "load DPM001L6 into drive 1: becoming ready".
	Progress func(string)
}

// Library is a library in use by this process. Its methods may be called by several goroutines; the arm does one thing at
// a time.
type Library struct {
	host    Host
	catalog *mediacatalog.Catalog
	record  mediacatalog.Library
	options Options
	log     *slog.Logger
	lease   *mediacatalog.Lease
	held    context.Context // ends when the lease is lost
	stop    func()

	arm       sync.Mutex // held while elements change; guards what follows
	transport scsi.Transport
	changer   *changer.Changer                // nil for a stand-alone drive
	mounted   map[changer.ElementAddress]bool // drives in use by a Mount
	reserved  map[changer.ElementAddress]bool // slots that mounted tapes go back to
	unloaded  map[changer.ElementAddress]bool // drives whose tape this process has unloaded
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
// changer than the catalog's answers at the address. Close gives it back.
//
// Errors: mediacatalog.ErrNotFound, *mediacatalog.LeaseHeldError, *UnreachableError, ErrDisabled.
func Open(ctx context.Context, catalog *mediacatalog.Catalog, host Host, name string, o Options) (*Library, error) {
	record, err := catalog.Library(ctx, name)
	if err != nil {
		return nil, err
	}
	if !record.Enabled {
		return nil, fmt.Errorf("library %s is %w: tapectl library enable %s takes it into use again", name, ErrDisabled, name)
	}
	lease, err := catalog.AcquireLease(ctx, "library "+record.Name, mediacatalog.CurrentOwner(o.Command), leaseTTL)
	if err != nil {
		return nil, err
	}
	l := &Library{
		host: host, catalog: catalog, record: record, options: o, log: o.Log, lease: lease,
		mounted: map[changer.ElementAddress]bool{}, reserved: map[changer.ElementAddress]bool{}, unloaded: map[changer.ElementAddress]bool{},
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
	what := "library " + l.record.Name
	t, err := l.host.Open(ctx, l.record.ChangerAddress)
	if err != nil {
		return &UnreachableError{What: what, Address: l.record.ChangerAddress, Err: err}
	}
	c, err := changer.New(ctx, t)
	if err != nil {
		t.Close()
		return &UnreachableError{What: what, Address: l.record.ChangerAddress, Err: err}
	}
	if serial := c.Identity().Serial; serial != l.record.Serial {
		t.Close()
		return &UnreachableError{What: what, Address: l.record.ChangerAddress, Err: fmt.Errorf(
			"a changer with serial number %q answers there, the catalog says %q; add it anew if it was replaced", serial, l.record.Serial)}
	}
	l.transport, l.changer = t, c
	return nil
}

// Close gives the library back. Mounted tapes stay where they are.
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
func (l *Library) StandAlone() bool { return l.changer == nil }

// Changer returns the changer, nil for a stand-alone drive. It must not be used to move anything: Move does that.
func (l *Library) Changer() *changer.Changer { return l.changer }

// Elements reads the status of all elements, fresh from the changer. They are sorted by address.
func (l *Library) Elements(ctx context.Context) ([]changer.Element, error) {
	l.arm.Lock()
	defer l.arm.Unlock()
	return l.elements(ctx)
}

func (l *Library) elements(ctx context.Context) ([]changer.Element, error) {
	if l.changer == nil {
		return nil, fmt.Errorf("library %s is a stand-alone drive: it has no elements", l.record.Name)
	}
	elements, err := l.changer.Elements(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the elements of library %s: %w", l.record.Name, err)
	}
	sort.Slice(elements, func(i, j int) bool { return elements[i].Address < elements[j].Address })
	return elements, nil
}

// Number returns the operator's number of an element: 1 for the first of its type in the order of addresses. It
// returns 0 for an address that no element has.
func Number(elements []changer.Element, address changer.ElementAddress) int {
	var t changer.ElementType
	for _, e := range elements {
		if e.Address == address {
			t = e.Type
		}
	}
	n := 0
	for _, e := range elements {
		if e.Type == t {
			n++
			if e.Address == address {
				return n
			}
		}
	}
	return 0
}

// TypeName is the operator's word for an element type.
func TypeName(t changer.ElementType) string {
	switch t {
	case changer.MediumTransport:
		return "picker"
	case changer.Storage:
		return "slot"
	case changer.ImportExport:
		return "mail slot"
	case changer.DataTransfer:
		return "drive"
	}
	return "element"
}

// Place names an element as an operator would, such as "slot 7 (element 1006)".
func Place(elements []changer.Element, address changer.ElementAddress) string {
	for _, e := range elements {
		if e.Address == address {
			return fmt.Sprintf("%s %d (element %d)", TypeName(e.Type), Number(elements, address), address)
		}
	}
	return fmt.Sprintf("element %d", address)
}

// OpenDrive opens a drive of the library and makes sure that it is the one that the catalog means: devices change their
// addresses when they are plugged in anew, serial numbers stay. The caller closes it.
func (l *Library) OpenDrive(ctx context.Context, d mediacatalog.LibraryDrive) (*OpenDrive, error) {
	what := l.driveName(d)
	if !d.Enabled {
		return nil, fmt.Errorf("%s is %w", what, ErrDisabled)
	}
	t, err := l.host.Open(ctx, d.Address)
	if err == nil {
		var o *OpenDrive
		if o, err = newOpenDrive(ctx, t, d); err == nil {
			return o, nil
		}
	}
	// Somewhere else now?
	if near, nerr := l.host.Companions(ctx, l.companionsOf(d)); nerr == nil {
		for _, address := range near {
			if address == d.Address {
				continue
			}
			if o := l.tryDrive(ctx, address, d); o != nil {
				l.log.Info("drive found at another address", "drive", what, "address", address, "was", d.Address)
				return o, nil
			}
		}
	}
	return nil, &UnreachableError{What: what, Address: d.Address, Err: err}
}

func (l *Library) companionsOf(d mediacatalog.LibraryDrive) string {
	if l.record.StandAlone {
		return d.Address
	}
	return l.record.ChangerAddress
}

// tryDrive opens the device at the address when it has the drive's serial number.
func (l *Library) tryDrive(ctx context.Context, address string, d mediacatalog.LibraryDrive) *OpenDrive {
	id, err := identifyAt(ctx, l.host, address)
	if err != nil || id.DeviceType != scsi.TapeDevice || id.Serial != d.Serial {
		return nil
	}
	t, err := l.host.Open(ctx, address)
	if err != nil {
		return nil
	}
	o, err := newOpenDrive(ctx, t, d)
	if err != nil {
		return nil
	}
	return o
}

func (l *Library) driveName(d mediacatalog.LibraryDrive) string {
	if d.ElementAddress == StandAloneElement {
		return "drive of library " + l.record.Name
	}
	for i, other := range l.record.Drives {
		if other.DriveID == d.DriveID {
			return fmt.Sprintf("drive %d of library %s", i+1, l.record.Name)
		}
	}
	return fmt.Sprintf("drive element %d of library %s", d.ElementAddress, l.record.Name)
}

// OpenDrive is a drive of a library, opened by its serial number.
type OpenDrive struct {
	*drive.Drive
	Record    mediacatalog.LibraryDrive
	transport scsi.Transport
}

// newOpenDrive takes over t, and closes it on failure.
func newOpenDrive(ctx context.Context, t scsi.Transport, d mediacatalog.LibraryDrive) (*OpenDrive, error) {
	dev, err := drive.New(ctx, t, drive.Options{})
	if err != nil {
		t.Close()
		return nil, err
	}
	if serial := dev.Identity().Serial; serial != d.Serial {
		t.Close()
		return nil, fmt.Errorf("a device with serial number %q answers, expected %q", serial, d.Serial)
	}
	return &OpenDrive{Drive: dev, Record: d, transport: t}, nil
}

// Close closes the device. It moves no tape.
func (o *OpenDrive) Close() error { return o.transport.Close() }
