package library

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
)

// NoDriveError says why no drive of the library can take a tape now.
type NoDriveError struct {
	Barcode string
	Reasons []string // one for each drive
	Errs    []error  // of the drives that were tried and failed
}

// Error lists the drives and why each does not do.
func (e *NoDriveError) Error() string {
	s := fmt.Sprintf("find a drive for %s: none can take it", tapeName(e.Barcode))
	for _, r := range e.Reasons {
		s += "; " + r
	}
	return s
}

// Unwrap gives the errors of the drives that were tried.
func (e *NoDriveError) Unwrap() []error { return e.Errs }

func (e *NoDriveError) because(format string, args ...any) {
	e.Reasons = append(e.Reasons, fmt.Sprintf(format, args...))
}

func (e *NoDriveError) failed(err error) {
	e.Reasons, e.Errs = append(e.Reasons, err.Error()), append(e.Errs, err)
}

// chooseDrive opens the first drive that is enabled, has a device that answers, fits the medium and is empty; when there is
// none, the first that can be emptied.
func (l *Library) chooseDrive(ctx context.Context, elements []changer.Element, barcode string, r MountRequest) (*OpenDrive, error) {
	none := &NoDriveError{Barcode: barcode}
	free, occupied := l.suitable(elements, r, none)
	for _, d := range free {
		o, err := l.OpenDrive(ctx, d)
		if err == nil {
			return o, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("find a drive for %s: %w", tapeName(barcode), err)
		}
		none.failed(err)
	}
	for _, d := range occupied {
		_, err := l.empty(ctx, elements, d)
		if err == nil {
			var o *OpenDrive
			if o, err = l.OpenDrive(ctx, d); err == nil {
				return o, nil
			}
		}
		var move *MoveError
		if ctx.Err() != nil || errors.As(err, &move) && move.Outcome != NotMoved {
			return nil, err // the arm is not to be used before someone has looked
		}
		none.failed(err)
	}
	if r.Drive != 0 && len(none.Reasons) == 0 {
		none.because("no device is known for drive %d of the library", r.Drive)
	}
	if len(none.Reasons) == 0 {
		none.because("no drive of the library was found as a device; `tapectl library show %s` tells why", l.record.Name)
	}
	return nil, none
}

// suitable sorts the drives that could take the tape into free ones and ones with an idle tape, and notes in none why
// the others could not.
func (l *Library) suitable(elements []changer.Element, r MountRequest, none *NoDriveError) (free, occupied []mediacatalog.LibraryDrive) {
	for _, d := range l.record.Drives {
		address := changer.ElementAddress(d.ElementAddress)
		e, number := find(elements, address), Number(elements, address)
		switch {
		case r.Drive != 0 && r.Drive != number:
		case e == nil || e.Type != changer.DataTransfer:
			none.because("drive element %d is not in the library any more", address)
		case !d.Enabled:
			none.because("drive %d is disabled", number)
		case e.Disabled:
			none.because("drive %d is disabled by the library", number)
		case !fits(d, r, none.Barcode):
			none.because("drive %d is %s and cannot %s the medium", number, d.Generation, verb(r.Write))
		case l.claims.uses(address):
			none.because("drive %d is in use", number)
		case e.Full:
			occupied = append(occupied, d)
		default:
			free = append(free, d)
		}
	}
	return free, occupied
}

func verb(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// MediumGeneration tells the generation of a medium from its type in the catalog ("LTO-6", or the media identifier "L6"),
// else from its barcode; "" when neither tells.
func MediumGeneration(mediaType, barcode string) drive.Generation {
	switch len(mediaType) {
	case 0:
		return drive.MediaFromBarcode(barcode)
	case 2:
		return drive.MediaFromBarcode("000000" + mediaType)
	}
	return drive.Generation(mediaType)
}

// fits reports whether the drive can take the medium, as far as both are known.
func fits(d mediacatalog.LibraryDrive, r MountRequest, barcode string) bool {
	media := MediumGeneration(r.MediaType, barcode)
	if media == "" || d.Generation == "" {
		return true // the drive itself tells when the tape is in it
	}
	if r.Write {
		return drive.CanWrite(drive.Generation(d.Generation), media)
	}
	return drive.CanRead(drive.Generation(d.Generation), media)
}
