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

// NoSlotError says that there is no place for a tape that is to go out of a drive.
type NoSlotError struct {
	Library string // its name, for the command that the message advises
	Barcode string
	Drive   int
}

// Error tells what to do.
func (e *NoSlotError) Error() string {
	return fmt.Sprintf("put %s of drive %d away: no slot is free that no other tape belongs to; it stays in the drive: take a tape out "+
		"of the library, then `tapectl tape unload %d%s`", tapeName(e.Barcode), e.Drive, e.Drive, named(" --library ", e.Library))
}

// Dismount unloads the tape, puts it where it belongs (where it was when it was mounted, a mail slot included) and closes
// the drive. In a stand-alone drive the tape is rewound and stays loaded. It finishes even when ctx has ended, within
// bounded time. When the lease is lost nothing is moved: the tape stays in the drive.
//
// Errors: *MoveError, *NoSlotError, *LeaseLostError, and those of drive.Unload, which tell what was not written.
func (m *Mount) Dismount(ctx context.Context) error {
	if m.ended {
		return nil
	}
	m.ended = true
	l := m.library
	ctx = context.WithoutCancel(ctx) // every step has a time of its own
	defer m.OpenDrive.Close()
	defer l.claims.drop(m)
	if err := l.Lost(); err != nil {
		return fmt.Errorf("dismount %s: %w; it stays in drive %d", tapeName(m.Barcode), err, m.Number)
	}
	if err := l.unload(ctx, m); err != nil || l.StandAlone() {
		return err
	}
	if err := l.takeArmWithin(ctx, armTime); err != nil {
		return fmt.Errorf("dismount %s: %w; it stays in drive %d, unloaded", tapeName(m.Barcode), err, m.Number)
	}
	defer l.freeArm()
	return l.explain(l.store(ctx, m))
}

// Leave unlocks the tape, leaves it in the drive and closes the drive.
func (m *Mount) Leave(ctx context.Context) error {
	if m.ended {
		return nil
	}
	m.ended = true
	defer m.library.claims.drop(m)
	err := m.AllowRemoval(context.WithoutCancel(ctx))
	if unsupported(err) {
		err = nil
	}
	return errors.Join(err, m.OpenDrive.Close())
}

// unload makes the drive give the cartridge out; a stand-alone drive only rewinds it. The arm is not needed.
func (l *Library) unload(ctx context.Context, m *Mount) error {
	what := fmt.Sprintf("dismount %s from drive %d", tapeName(m.Barcode), m.Number)
	if err := m.AllowRemoval(ctx); err != nil && !unsupported(err) {
		l.log.Warn("allow removal", "drive", m.Number, "error", err)
	}
	if l.StandAlone() {
		if err := m.Rewind(ctx); err != nil && !errors.Is(err, scsi.MediumNotPresent) {
			return fmt.Errorf("%s: %w; the tape stays in the drive", what, err)
		}
		return nil
	}
	l.progress(fmt.Sprintf("unloading %s from drive %d", tapeName(m.Barcode), m.Number))
	if err := m.Unload(ctx); err != nil && !errors.Is(err, scsi.MediumNotPresent) {
		return fmt.Errorf("%s: %w; the tape is still in the drive", what, err)
	}
	l.claims.setUnloaded(m.element, true)
	return nil
}

// store moves an unloaded tape out of its drive, to another slot than planned when that was taken meanwhile.
func (l *Library) store(ctx context.Context, m *Mount) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	elements, err := l.elements(ctx)
	if err != nil {
		return fmt.Errorf("dismount %s from drive %d: %w; the tape stays in the drive, unloaded", tapeName(m.Barcode), m.Number, err)
	}
	if home := find(elements, m.home); !m.hasHome || home == nil || home.Full {
		if e := find(elements, m.element); e != nil {
			l.claims.drop(m)
			m.home, m.hasHome = l.homeOf(ctx, elements, e)
			l.claims.take(m)
		}
	}
	if !m.hasHome {
		return &NoSlotError{Library: l.record.Name, Barcode: m.Barcode, Drive: m.Number}
	}
	if err := l.awaitPresented(ctx, elements, m.element); err != nil {
		return fmt.Errorf("dismount %s from drive %d: %w; the tape stays in the drive, unloaded", tapeName(m.Barcode), m.Number, err)
	}
	return l.move(ctx, m.element, m.home)
}

// empty puts the idle tape of a drive away and returns where. The caller has the arm.
func (l *Library) empty(ctx context.Context, elements []changer.Element, d mediacatalog.LibraryDrive) (changer.ElementAddress, error) {
	e := find(elements, changer.ElementAddress(d.ElementAddress))
	m := &Mount{library: l, element: e.Address, Number: Number(elements, e.Address), Barcode: e.PrimaryVolumeTag.Identifier}
	if err := l.pickerFree(elements); err != nil {
		return 0, fmt.Errorf("unload %s: %w", Place(elements, e.Address), err)
	}
	if m.home, m.hasHome = l.homeOf(ctx, elements, e); !m.hasHome {
		return 0, &NoSlotError{Library: l.record.Name, Barcode: m.Barcode, Drive: m.Number}
	}
	o, err := l.OpenDrive(ctx, d)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	m.OpenDrive = o
	ctx = context.WithoutCancel(ctx)
	l.claims.take(m)
	defer l.claims.drop(m)
	if err := l.unload(ctx, m); err != nil {
		return 0, err
	}
	err = l.store(ctx, m)
	return m.home, err
}

// homeOf returns the storage element where the tape of a drive belongs: the one it came from while that is free, else
// the one that the catalog remembers, else the first free one. Never a mail slot, and never a slot that a tape in another
// drive belongs to.
func (l *Library) homeOf(ctx context.Context, elements []changer.Element, e *changer.Element) (changer.ElementAddress, bool) {
	avoid := l.avoid(ctx, elements, e.Address)
	if e.SourceValid && !avoid[e.Source] && usableSlot(find(elements, e.Source)) {
		return e.Source, true
	}
	if home, ok := l.rememberedHome(ctx, e.PrimaryVolumeTag.Identifier); ok && !avoid[home] && usableSlot(find(elements, home)) {
		return home, true
	}
	if s := freeSlot(elements, avoid); s != nil {
		return s.Address, true
	}
	return 0, false
}

// avoid returns the slots that the tapes in drives other than the one at the address belong to.
func (l *Library) avoid(ctx context.Context, elements []changer.Element, drive changer.ElementAddress) map[changer.ElementAddress]bool {
	avoid := l.claims.reserved()
	for i := range elements {
		e := &elements[i]
		if e.Type != changer.DataTransfer || !e.Full || e.Address == drive || l.claims.uses(e.Address) {
			continue
		}
		if e.SourceValid {
			avoid[e.Source] = true
		} else if home, ok := l.rememberedHome(ctx, e.PrimaryVolumeTag.Identifier); ok {
			avoid[home] = true
		}
	}
	return avoid
}

// awaitPresented waits until the arm can take the cartridge, for changers that tell.
func (l *Library) awaitPresented(ctx context.Context, elements []changer.Element, address changer.ElementAddress) error {
	if !tellsAccess(elements) {
		return nil
	}
	for waited := time.Duration(0); waited < presentTime; waited += pollTime {
		e, err := l.changer.Element(ctx, address)
		if err != nil {
			return err
		}
		if e.Accessible || !e.Full {
			return nil
		}
		if err := l.sleep(ctx, pollTime); err != nil {
			return err
		}
	}
	return nil // the flag is a hint (scsi.md Q12): let the move decide
}

// tellsAccess reports whether the changer ever sets the ACCESS flag.
func tellsAccess(elements []changer.Element) bool {
	for i := range elements {
		if elements[i].Type == changer.Storage && elements[i].Accessible {
			return true
		}
	}
	return false
}
