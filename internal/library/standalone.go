package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

const (
	// StandAloneElement is the element address of the drive of a library without a changer (mediacatalog.LibraryDrive).
	StandAloneElement = -1
	// StandAloneTape is the element address under which the tape in a stand-alone drive is known: the library is shown
	// with one data transfer element, number 1, at this address.
	StandAloneTape = 0
)

// ErrStandAlone says that something was asked of a stand-alone drive that needs a changer.
var ErrStandAlone = errors.New("a stand-alone drive has no arm that could move a tape")

// ErrDriveEmpty says that there is no tape in a stand-alone drive.
var ErrDriveEmpty = errors.New("there is no tape in the drive: put one in")

// standAloneDrive returns the only drive of the library.
func (l *Library) standAloneDrive() (mediacatalog.LibraryDrive, error) {
	if len(l.record.Drives) == 0 {
		return mediacatalog.LibraryDrive{}, fmt.Errorf("use library %s: no drive is known for it; remove it and add it anew", l.record.Name)
	}
	return l.record.Drives[0], nil
}

// standAloneElements shows the drive as one data transfer element. Its barcode is the one in the cartridge memory, which
// is not read while the tape is mounted.
func (l *Library) standAloneElements(ctx context.Context) ([]changer.Element, error) {
	e := changer.Element{Address: StandAloneTape, Type: changer.DataTransfer, Accessible: true, Full: true}
	if l.claims.uses(StandAloneTape) {
		return []changer.Element{e}, nil
	}
	d, err := l.standAloneDrive()
	if err != nil {
		return nil, err
	}
	o, err := l.OpenDrive(ctx, d)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	status, err := o.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", l.driveName(d), err)
	}
	e.Full = status.Loaded
	if status.Cleaning {
		e.MediumType = changer.MediumCleaning
	}
	if status.Ready {
		m := &Mount{library: l, OpenDrive: o}
		e.PrimaryVolumeTag.Identifier = m.memoryBarcode(ctx)
	}
	return []changer.Element{e}, nil
}

// mountStandAlone waits for the tape that an operator has put into the only drive. The element of the request does not
// matter: there is one place where a tape can be.
func (l *Library) mountStandAlone(ctx context.Context, r MountRequest) (*Mount, error) {
	d, err := l.standAloneDrive()
	if err != nil {
		return nil, err
	}
	if r.Drive > 1 {
		return nil, &NoDriveError{Reasons: []string{fmt.Sprintf("library %s is a stand-alone drive: it has no drive %d", l.record.Name, r.Drive)}}
	}
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	if l.claims.uses(StandAloneTape) {
		l.freeArm()
		return nil, fmt.Errorf("mount the tape in %s: %w", l.driveName(d), ErrInUse)
	}
	m := &Mount{library: l, Number: 1, element: StandAloneTape}
	l.claims.take(m)
	l.freeArm()
	if m.OpenDrive, err = l.OpenDrive(ctx, d); err != nil {
		l.claims.drop(m)
		return nil, err
	}
	if err := l.ready(ctx, m, false); err != nil {
		if errors.Is(err, scsi.MediumNotPresent) {
			err = fmt.Errorf("%w (%w)", ErrDriveEmpty, err)
		}
		l.claims.drop(m)
		return nil, errors.Join(fmt.Errorf("mount the tape in %s: %w", l.driveName(d), err), m.OpenDrive.Close())
	}
	m.Barcode = m.memoryBarcode(ctx)
	return m, nil
}

// unloadStandAlone rewinds the tape and gives it out, so that the operator can take it. The catalog has it offline then.
func (l *Library) unloadStandAlone(ctx context.Context) (*Unloaded, error) {
	d, err := l.standAloneDrive()
	if err != nil {
		return nil, err
	}
	what := "unload " + l.driveName(d)
	if l.claims.uses(StandAloneTape) {
		return nil, fmt.Errorf("%s: %w", what, ErrInUse)
	}
	o, err := l.OpenDrive(ctx, d)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	status, err := o.Status(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case !status.Loaded:
		return nil, fmt.Errorf("%s: %w: it holds no tape", what, ErrSourceEmpty)
	}
	m := &Mount{library: l, OpenDrive: o, Number: 1, element: StandAloneTape}
	m.Barcode = m.memoryBarcode(ctx)
	if err := o.AllowRemoval(ctx); err != nil && !unsupported(err) {
		l.log.Warn("allow removal", "drive", 1, "error", err)
	}
	if err := o.Unload(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w; the tape is still in the drive", what, err)
	}
	l.recordTakenOut(ctx)
	return &Unloaded{Barcode: m.Barcode, Drive: 1, To: "the opening of the drive, to be taken out by hand"}, nil
}

// recordTakenOut writes into the catalog that the stand-alone drive is empty and its tape offline.
func (l *Library) recordTakenOut(ctx context.Context) {
	empty := mediacatalog.Element{
		ElementAddress: StandAloneTape, ElementType: mediacatalog.DataTransfer, Number: 1, SourceElement: -1, Accessible: true,
		DriveSerial: l.record.Drives[0].Serial,
	}
	_, err := l.catalog.SaveInventory(ctx, l.record.LibraryID, time.Now().UTC(), []mediacatalog.Element{empty}, nil, nil)
	if err != nil {
		l.log.Warn("record in the catalog that the drive is empty", "library", l.record.Name, "error", err)
	}
}
