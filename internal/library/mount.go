package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// presentTime is how long a drive may take to present a cartridge that it has unloaded (scsi.md Q31).
const presentTime = 60 * time.Second

// dismountTime bounds a dismount whose caller has given up: rewinding and unloading a full tape takes minutes.
const dismountTime = 30 * time.Minute

// MountRequest says which tape to mount and for what.
type MountRequest struct {
	// Element is where the tape is now; StandAloneElement for a stand-alone drive.
	Element int
	// Drive is the operator's number of the drive to use, 0 for any that fits.
	Drive int
	// Write asks for a drive that can write the medium.
	Write bool
	// MediaType is the type of the medium, such as "LTO-6"; "" when it is not known. Then the barcode may tell.
	MediaType string
}

// Mount is a tape in a drive, loaded and ready, locked against removal. It must be ended with Dismount, or with Leave.
type Mount struct {
	*OpenDrive
	Barcode string
	// Number is the operator's number of the drive.
	Number  int
	library *Library
	element changer.ElementAddress
	home    changer.ElementAddress
	hasHome bool
}

// NoDriveError says why no drive of the library can take a tape now.
type NoDriveError struct {
	Barcode string
	Reasons []string // one for each drive
}

// Error lists the drives and why each does not do.
func (e *NoDriveError) Error() string {
	s := fmt.Sprintf("find a drive for %s: none can take it", tapeName(e.Barcode))
	for _, r := range e.Reasons {
		s += "; " + r
	}
	return s
}

// Mount brings a tape into a drive that can read it (or write it), and waits until it is ready. A tape that sits in a
// drive already is used there. Idle tapes in drives that are needed are put back first.
//
// Mount does not look at what is on the tape: VerifyLabel does.
func (l *Library) Mount(ctx context.Context, r MountRequest) (*Mount, error) {
	if l.StandAlone() {
		return l.mountStandAlone(ctx)
	}
	l.arm.Lock()
	defer l.arm.Unlock()
	elements, err := l.elements(ctx)
	if err != nil {
		return nil, err
	}
	at := find(elements, changer.ElementAddress(r.Element))
	if at == nil {
		return nil, fmt.Errorf("mount from element %d: %w", r.Element, ErrNoElement)
	}
	if !at.Full {
		return nil, fmt.Errorf("mount from %s: %w", Place(elements, at.Address), ErrSourceEmpty)
	}
	m := &Mount{library: l, Barcode: at.PrimaryVolumeTag.Identifier, home: at.Address, hasHome: true}
	if at.Type == changer.DataTransfer {
		return l.mountInPlace(ctx, m, elements, at)
	}
	d, err := l.chooseDrive(ctx, elements, m.Barcode, r)
	if err != nil {
		return nil, err
	}
	return l.mountInto(ctx, m, elements, *d)
}

// mountStandAlone waits for the tape that an operator has put into the only drive.
func (l *Library) mountStandAlone(ctx context.Context) (*Mount, error) {
	if len(l.record.Drives) == 0 {
		return nil, fmt.Errorf("library %s has no drive", l.record.Name)
	}
	o, err := l.OpenDrive(ctx, l.record.Drives[0])
	if err != nil {
		return nil, err
	}
	m := &Mount{library: l, OpenDrive: o, Number: 1}
	if err := l.ready(ctx, m, false); err != nil {
		o.Close()
		return nil, fmt.Errorf("mount the tape in %s: %w", l.driveName(o.Record), err)
	}
	return m, nil
}

// mountInPlace uses a tape that is in a drive already.
func (l *Library) mountInPlace(ctx context.Context, m *Mount, elements []changer.Element, at *changer.Element) (*Mount, error) {
	number := Number(elements, at.Address)
	d := l.driveAt(at.Address)
	if l.inUse(at.Address) {
		return nil, fmt.Errorf("mount %s: it is in use in drive %d", tapeName(m.Barcode), number)
	}
	if d == nil {
		return nil, fmt.Errorf("mount %s: it is in drive %d, for which no device is known; `tapectl library show %s` tells more",
			tapeName(m.Barcode), number, l.record.Name)
	}
	o, err := l.OpenDrive(ctx, *d)
	if err != nil {
		return nil, err
	}
	m.OpenDrive, m.element, m.Number = o, at.Address, number
	m.home, m.hasHome = l.homeOf(ctx, elements, at)
	if err := l.ready(ctx, m, false); err != nil {
		o.Close()
		return nil, fmt.Errorf("mount %s in drive %d: %w", tapeName(m.Barcode), number, err)
	}
	l.claim(m)
	return m, nil
}

// mountInto moves the tape into the drive and gets it ready. When that fails the tape is put back.
func (l *Library) mountInto(ctx context.Context, m *Mount, elements []changer.Element, d mediacatalog.LibraryDrive) (*Mount, error) {
	o, err := l.OpenDrive(ctx, d)
	if err != nil {
		return nil, err
	}
	m.OpenDrive, m.element = o, changer.ElementAddress(d.ElementAddress)
	m.Number = Number(elements, m.element)
	l.progress(fmt.Sprintf("moving %s from %s into drive %d", tapeName(m.Barcode), Place(elements, m.home), m.Number))
	if err := l.move(ctx, m.home, m.element); err != nil {
		o.Close()
		return nil, err
	}
	delete(l.unloaded, m.element)
	l.claim(m)
	if err := l.ready(ctx, m, true); err != nil {
		err = fmt.Errorf("mount %s in drive %d: %w", tapeName(m.Barcode), m.Number, err)
		if derr := l.dismount(ctx, m); derr != nil {
			err = errors.Join(err, derr)
		}
		return nil, err
	}
	return m, nil
}

// ready waits for the tape, sets the drive up and locks the tape in.
func (l *Library) ready(ctx context.Context, m *Mount, justMoved bool) error {
	err := m.WaitReady(ctx, drive.WaitOptions{JustMoved: justMoved, Progress: func(state string) {
		l.progress(fmt.Sprintf("loading %s in drive %d: %s", tapeName(m.Barcode), m.Number, state))
	}})
	if err != nil {
		return err
	}
	if err := m.Prepare(ctx, drive.PrepareOptions{}); err != nil {
		return err
	}
	if err := m.PreventRemoval(ctx); err != nil && !errors.Is(err, scsi.InvalidOperationCode) {
		return err
	}
	return nil
}

// chooseDrive picks the first drive that is enabled, has a device, fits the medium and is empty, or can be emptied.
func (l *Library) chooseDrive(ctx context.Context, elements []changer.Element, barcode string, r MountRequest) (*mediacatalog.LibraryDrive, error) {
	none := &NoDriveError{Barcode: barcode}
	var occupied []mediacatalog.LibraryDrive
	for i := range l.record.Drives {
		d := l.record.Drives[i]
		address := changer.ElementAddress(d.ElementAddress)
		number := Number(elements, address)
		e := find(elements, address)
		switch {
		case r.Drive != 0 && r.Drive != number:
		case e == nil:
			none.Reasons = append(none.Reasons, fmt.Sprintf("drive element %d is not in the library any more", address))
		case !d.Enabled:
			none.Reasons = append(none.Reasons, fmt.Sprintf("drive %d is disabled", number))
		case e.Disabled:
			none.Reasons = append(none.Reasons, fmt.Sprintf("drive %d is disabled by the library", number))
		case !fits(d, r, barcode):
			none.Reasons = append(none.Reasons, fmt.Sprintf("drive %d is %s and cannot %s the medium", number, d.Generation, verb(r.Write)))
		case l.inUse(address):
			none.Reasons = append(none.Reasons, fmt.Sprintf("drive %d is in use", number))
		case e.Full:
			occupied = append(occupied, d)
		default:
			return &d, nil
		}
	}
	for _, d := range occupied {
		err := l.empty(ctx, elements, d)
		if err == nil {
			return &d, nil
		}
		none.Reasons = append(none.Reasons, err.Error())
	}
	if r.Drive != 0 && len(none.Reasons) == 0 {
		none.Reasons = append(none.Reasons, fmt.Sprintf("the library has no drive %d", r.Drive))
	}
	if len(none.Reasons) == 0 {
		none.Reasons = append(none.Reasons, "no drive of the library was found as a device; `tapectl library show` tells why")
	}
	return nil, none
}

func verb(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// fits reports whether the drive can take the medium, as far as both are known.
func fits(d mediacatalog.LibraryDrive, r MountRequest, barcode string) bool {
	media := drive.Generation(r.MediaType)
	if media == "" {
		media = drive.MediaFromBarcode(barcode)
	}
	if media == "" || d.Generation == "" {
		return true // the drive itself tells when the tape is in it
	}
	if r.Write {
		return drive.CanWrite(drive.Generation(d.Generation), media)
	}
	return drive.CanRead(drive.Generation(d.Generation), media)
}

// empty puts the idle tape of a drive back to its slot.
func (l *Library) empty(ctx context.Context, elements []changer.Element, d mediacatalog.LibraryDrive) error {
	e := find(elements, changer.ElementAddress(d.ElementAddress))
	o, err := l.OpenDrive(ctx, d)
	if err != nil {
		return err
	}
	m := &Mount{library: l, OpenDrive: o, element: e.Address, Number: Number(elements, e.Address), Barcode: e.PrimaryVolumeTag.Identifier}
	m.home, m.hasHome = l.homeOf(ctx, elements, e)
	return l.dismount(ctx, m)
}

// homeOf returns the storage element where the tape of a drive belongs: the one it came from while that is free, else
// the one that the catalog remembers, else the first free one. Never a mail slot.
func (l *Library) homeOf(ctx context.Context, elements []changer.Element, e *changer.Element) (changer.ElementAddress, bool) {
	if e.SourceValid {
		if s := find(elements, e.Source); s != nil && s.Type == changer.Storage && !s.Full {
			return s.Address, true
		}
	}
	if home, ok := l.rememberedHome(ctx, e.PrimaryVolumeTag.Identifier); ok {
		if s := find(elements, home); s != nil && s.Type == changer.Storage && !s.Full {
			return home, true
		}
	}
	if s := freeSlot(elements, l.reserved); s != nil {
		return s.Address, true
	}
	return 0, false
}

// Home returns the element that Dismount puts the tape into, and false when there is none.
func (m *Mount) Home() (changer.ElementAddress, bool) { return m.home, m.hasHome }

// Element returns the element address of the drive, StandAloneElement without a changer.
func (m *Mount) Element() int {
	if m.library.StandAlone() {
		return StandAloneElement
	}
	return int(m.element)
}

// Dismount unloads the tape, puts it where it belongs and closes the drive. In a stand-alone drive the tape is rewound and
// stays loaded. It finishes even when ctx has ended, within bounded time.
func (m *Mount) Dismount(ctx context.Context) error {
	l := m.library
	l.arm.Lock()
	defer l.arm.Unlock()
	return l.dismount(ctx, m)
}

// Leave unlocks the tape, leaves it in the drive and closes the drive.
func (m *Mount) Leave(ctx context.Context) error {
	m.library.arm.Lock()
	defer m.library.arm.Unlock()
	m.library.release(m)
	return errors.Join(m.AllowRemoval(context.WithoutCancel(ctx)), m.OpenDrive.Close())
}

func (l *Library) dismount(ctx context.Context, m *Mount) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dismountTime)
	defer cancel()
	defer m.OpenDrive.Close()
	defer l.release(m)
	what := fmt.Sprintf("dismount %s from drive %d", tapeName(m.Barcode), m.Number)
	if err := m.AllowRemoval(ctx); err != nil && !errors.Is(err, scsi.InvalidOperationCode) {
		l.log.Warn("allow removal", "drive", m.Number, "error", err)
	}
	if l.StandAlone() {
		return m.Rewind(ctx)
	}
	l.progress(fmt.Sprintf("unloading %s from drive %d", tapeName(m.Barcode), m.Number))
	if err := m.Unload(ctx); err != nil && !errors.Is(err, scsi.MediumNotPresent) {
		return fmt.Errorf("%s: %w; the tape is still in the drive", what, err)
	}
	if !m.hasHome {
		return fmt.Errorf("%s: no free slot; the tape stays in the drive, unloaded", what)
	}
	if err := l.awaitPresented(ctx, m.element); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.unloaded[m.element] = true
	return l.move(ctx, m.element, m.home)
}

// awaitPresented waits until the arm can take the cartridge, for changers that tell.
func (l *Library) awaitPresented(ctx context.Context, address changer.ElementAddress) error {
	elements, err := l.elements(ctx)
	if err != nil {
		return err
	}
	if !tellsAccess(elements) {
		return nil
	}
	for waited := time.Duration(0); waited < presentTime; waited += time.Second {
		e, err := l.changer.Element(ctx, address)
		if err != nil {
			return err
		}
		if e.Accessible || !e.Full {
			return nil
		}
		if err := scsi.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil // the flag is a hint (scsi.md Q12): let the move decide
}

// tellsAccess reports whether the changer ever sets the ACCESS flag.
func tellsAccess(elements []changer.Element) bool {
	for _, e := range elements {
		if e.Type == changer.Storage && e.Accessible {
			return true
		}
	}
	return false
}

// driveAt returns the catalog's drive in the element.
func (l *Library) driveAt(address changer.ElementAddress) *mediacatalog.LibraryDrive {
	for i := range l.record.Drives {
		if l.record.Drives[i].ElementAddress == int(address) {
			return &l.record.Drives[i]
		}
	}
	return nil
}

func (l *Library) progress(text string) {
	if l.options.Progress != nil {
		l.options.Progress(text)
	}
}
