package library

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/scsi"
)

// MountRequest says which tape to mount and for what.
type MountRequest struct {
	// Element is where the tape is now. It does not matter for a stand-alone drive.
	Element int
	// Drive is the operator's number of the drive to use, 0 for any that fits. A tape that is in another drive already is
	// refused.
	Drive int
	// Write asks for a drive that can write the medium.
	Write bool
	// MediaType is the type of the medium, such as "LTO-6"; "" when it is not known. Then the barcode may tell.
	MediaType string
}

// Mount is a tape in a drive, loaded and ready, locked against removal. It must be ended with Dismount, or with Leave;
// neither does anything a second time. It belongs to one goroutine at a time.
type Mount struct {
	*OpenDrive
	Barcode string
	// Number is the operator's number of the drive.
	Number  int
	library *Library
	element changer.ElementAddress
	home    changer.ElementAddress
	hasHome bool
	ended   bool
}

// ErrOtherDrive says that a tape is asked for in one drive while it is in another.
var ErrOtherDrive = errors.New("the tape is in another drive")

// ErrInUse says that a tape or drive is in use: by another mount of this process, or by another process of this host.
var ErrInUse = errors.New("it is in use")

// Mount brings a tape into a drive that can read it (or write it), and waits until it is ready. A tape that sits in a
// drive already is used there. Idle tapes in drives that are needed are put back first. Several goroutines may mount at
// once: tapes are moved one after the other and load side by side.
//
// Mount does not look at what is on the tape: VerifyLabel does. When it fails, a tape that it has moved was put back,
// or the error says where it is. It ends when ctx does, except for a move that has begun, and when the lease is lost.
//
// Errors: ErrNoElement, ErrSourceEmpty, ErrPickerOccupied, ErrOtherDrive, ErrInUse, *NoDriveError, *UnreachableError, *MoveError,
// *LeaseLostError, ErrDriveEmpty, and what the drive says, such as *drive.CleaningCartridgeError.
func (l *Library) Mount(ctx context.Context, r MountRequest) (*Mount, error) {
	ctx, cancel := l.WhileHeld(ctx)
	defer cancel()
	if err := l.Lost(); err != nil {
		return nil, err
	}
	if l.StandAlone() {
		m, err := l.mountStandAlone(ctx, r)
		return m, l.explain(err)
	}
	m, moved, err := l.bring(ctx, r)
	if err != nil {
		return nil, l.explain(err)
	}
	if err := l.ready(ctx, m, moved); err != nil {
		return nil, l.explain(l.abandon(ctx, m, moved, err))
	}
	return m, nil
}

// bring gets the tape into a drive, and the drive open and claimed. moved tells whether it was in a drive before.
func (l *Library) bring(ctx context.Context, r MountRequest) (m *Mount, moved bool, err error) {
	if err := l.takeArm(ctx); err != nil {
		return nil, false, err
	}
	defer l.freeArm()
	elements, err := l.elements(ctx)
	if err != nil {
		return nil, false, err
	}
	at := find(elements, changer.ElementAddress(r.Element))
	switch {
	case at == nil:
		return nil, false, fmt.Errorf("mount from element %d: %w", r.Element, ErrNoElement)
	case !at.Full:
		return nil, false, fmt.Errorf("mount from %s: %w", Place(elements, at.Address), ErrSourceEmpty)
	}
	m = &Mount{library: l, Barcode: at.PrimaryVolumeTag.Identifier, home: at.Address, hasHome: true}
	if err := l.pickerFree(elements); err != nil {
		return nil, false, fmt.Errorf("mount %s: %w", tapeName(m.Barcode), err)
	}
	if at.Type == changer.DataTransfer {
		return m, false, l.takeInPlace(ctx, m, elements, at, r.Drive)
	}
	if m.OpenDrive, err = l.chooseDrive(ctx, elements, m.Barcode, r); err != nil {
		return nil, false, err
	}
	if err := l.moveIn(ctx, m, elements, at); err != nil {
		return nil, false, errors.Join(err, m.OpenDrive.Close())
	}
	return m, true, nil
}

// takeInPlace uses a tape that is in a drive already, unless another drive was asked for (0: any).
func (l *Library) takeInPlace(ctx context.Context, m *Mount, elements []changer.Element, at *changer.Element, driveNumber int) error {
	m.element, m.Number = at.Address, Number(elements, at.Address)
	if driveNumber != 0 && driveNumber != m.Number {
		return fmt.Errorf("mount %s in drive %d: %w, drive %d; use it there, or `tapectl tape unload %d --library %s` first", tapeName(m.Barcode),
			driveNumber, ErrOtherDrive, m.Number, m.Number, l.record.Name)
	}
	if l.claims.uses(at.Address) {
		return fmt.Errorf("mount %s in drive %d: %w", tapeName(m.Barcode), m.Number, ErrInUse)
	}
	d := l.driveAt(at.Address)
	if d == nil {
		return fmt.Errorf("mount %s: it is in drive %d, for which no device is known; `tapectl library scan %s` looks for it, "+
			"`tapectl tape move drive:%d slot:N --library %s` takes the tape out", tapeName(m.Barcode), m.Number, l.record.Name, m.Number, l.record.Name)
	}
	o, err := l.OpenDrive(ctx, *d)
	if err != nil {
		return err
	}
	m.OpenDrive = o
	m.home, m.hasHome = l.homeOf(ctx, elements, at)
	l.claims.take(m)
	return nil
}

// moveIn moves the tape into the chosen drive and claims it. A changer that does not move from a mail slot into a drive
// does it by way of a free slot, which is the tape's home then (scsi.md Q36).
func (l *Library) moveIn(ctx context.Context, m *Mount, elements []changer.Element, at *changer.Element) error {
	m.element = changer.ElementAddress(m.OpenDrive.Record.ElementAddress)
	m.Number = Number(elements, m.element)
	l.progress(fmt.Sprintf("moving %s from %s into drive %d", tapeName(m.Barcode), Place(elements, m.home), m.Number))
	err := l.move(ctx, m.home, m.element)
	if at.Type == changer.ImportExport && (errors.Is(err, scsi.InvalidFieldInCDB) || errors.Is(err, scsi.InvalidElementAddress)) {
		slot := freeSlot(elements, l.avoid(ctx, elements, m.element))
		if slot == nil {
			return err
		}
		if err := l.move(ctx, m.home, slot.Address); err != nil {
			return err
		}
		m.home = slot.Address
		err = l.move(ctx, m.home, m.element)
	}
	if err != nil {
		return err
	}
	l.claims.setUnloaded(m.element, false)
	l.claims.take(m)
	return nil
}

// ready waits for the tape, sets the drive up and locks the tape in.
func (l *Library) ready(ctx context.Context, m *Mount, moved bool) error {
	wait := drive.WaitOptions{JustMoved: moved, Progress: func(state string) {
		l.progress(fmt.Sprintf("loading %s in drive %d: %s", tapeName(m.Barcode), m.Number, state))
	}}
	err := m.WaitReady(ctx, wait)
	if errors.Is(err, scsi.MediumNotPresent) && !moved && !l.StandAlone() {
		// The changer says that a tape is in the drive: it was unloaded and never taken out.
		if lerr := m.Load(ctx); lerr == nil {
			err = m.WaitReady(ctx, wait)
		}
	}
	if err != nil {
		return err
	}
	l.claims.setUnloaded(m.element, false)
	if err := m.Prepare(ctx, drive.PrepareOptions{}); err != nil {
		return err
	}
	if err := m.PreventRemoval(ctx); err != nil && !unsupported(err) {
		return err
	}
	return nil
}

// abandon ends a mount whose tape did not become ready: one that was moved is put back.
func (l *Library) abandon(ctx context.Context, m *Mount, moved bool, cause error) error {
	cause = fmt.Errorf("mount %s in drive %d: %w", tapeName(m.Barcode), m.Number, cause)
	if !moved {
		l.claims.drop(m)
		m.ended = true
		return errors.Join(fmt.Errorf("%w; it stays in the drive", cause), m.OpenDrive.Close())
	}
	if err := m.Dismount(ctx); err != nil {
		return errors.Join(cause, err)
	}
	return fmt.Errorf("%w; it was put back into element %d", cause, m.home)
}

// Home returns the element that Dismount puts the tape into, and false when there is none.
func (m *Mount) Home() (changer.ElementAddress, bool) { return m.home, m.hasHome }

// Element returns the element address of the drive, StandAloneTape without a changer.
func (m *Mount) Element() int { return int(m.element) }
