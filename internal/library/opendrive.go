package library

import (
	"context"
	"fmt"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// OpenDrive is a drive of a library, opened by its serial number. One goroutine at a time uses it; Close gives it back.
type OpenDrive struct {
	*drive.Drive
	Record    mediacatalog.LibraryDrive
	transport scsi.Transport
	unlock    func()
}

// OpenDrive opens a drive of the library and makes sure that it is the one that the catalog means: devices change their
// addresses when they are plugged in anew, serial numbers stay. A drive that is not at its address is looked for among
// the devices nearby. The caller closes it.
//
// Errors: ErrDisabled, ErrInUse when another process of this host has it, *UnreachableError.
func (l *Library) OpenDrive(ctx context.Context, d mediacatalog.LibraryDrive) (*OpenDrive, error) {
	what := l.driveName(d)
	if !d.Enabled {
		return nil, fmt.Errorf("open %s: it is %w; `tapectl drive enable %s --library %s` takes it into use again", what, ErrDisabled,
			l.driveNumber(d), l.record.Name)
	}
	unlock, err := l.locks.take(d, what)
	if err != nil {
		return nil, err
	}
	o, err := l.openDrive(ctx, d)
	if err != nil {
		unlock()
		return nil, &UnreachableError{What: what, Address: d.Address, Err: err}
	}
	o.unlock = unlock
	return o, nil
}

// openDrive opens the drive at its address, or where it is now.
func (l *Library) openDrive(ctx context.Context, d mediacatalog.LibraryDrive) (*OpenDrive, error) {
	t, err := l.host.Open(ctx, d.Address)
	if err == nil {
		var o *OpenDrive
		if o, err = newOpenDrive(ctx, t, d); err == nil {
			return o, nil
		}
	}
	if o := l.findDrive(ctx, d); o != nil {
		return o, nil
	}
	return nil, err
}

// findDrive looks for the drive under the other addresses nearby, nil when it is not there. A drive without a serial
// number cannot be told from others.
func (l *Library) findDrive(ctx context.Context, d mediacatalog.LibraryDrive) *OpenDrive {
	if d.Serial == "" {
		return nil
	}
	beside := l.record.ChangerAddress
	if l.record.StandAlone {
		beside = d.Address
	}
	near, err := l.host.Companions(ctx, beside)
	if err != nil {
		return nil
	}
	for _, address := range near {
		if address == d.Address || ctx.Err() != nil {
			continue
		}
		if o := l.tryDrive(ctx, address, d); o != nil {
			l.log.Info("drive found at another address", "drive", l.driveName(d), "address", address, "was", d.Address)
			return o
		}
	}
	return nil
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
func (o *OpenDrive) Close() error {
	defer o.unlock()
	return o.transport.Close()
}

// driveName is the operator's name of a drive.
func (l *Library) driveName(d mediacatalog.LibraryDrive) string {
	if l.record.StandAlone {
		return "the drive of library " + l.record.Name
	}
	for i, other := range l.record.Drives {
		if other.DriveID == d.DriveID {
			return fmt.Sprintf("drive %d of library %s", i+1, l.record.Name)
		}
	}
	return fmt.Sprintf("drive element %d of library %s", d.ElementAddress, l.record.Name)
}

// driveNumber is the operator's number of a drive, "N" for one that is not of this library.
func (l *Library) driveNumber(d mediacatalog.LibraryDrive) string {
	for i, other := range l.record.Drives {
		if other.DriveID == d.DriveID {
			return fmt.Sprint(i + 1)
		}
	}
	return "N"
}

// driveAt returns the catalog's drive in the element, nil when no device is known for it.
func (l *Library) driveAt(address changer.ElementAddress) *mediacatalog.LibraryDrive {
	for i := range l.record.Drives {
		if l.record.Drives[i].ElementAddress == int(address) {
			return &l.record.Drives[i]
		}
	}
	return nil
}
