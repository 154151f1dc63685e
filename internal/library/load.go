package library

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/changer"
)

// LoadInto brings the tape in an element into a drive (0 for any that fits), loads it and leaves it there. An operator
// who names a drive that holds another tape, or a tape that is in another drive, is told so; nothing is moved then. fn, when set, is called while the tape is mounted.
//
// The errors are those of Mount, and of fn.
func (l *Library) LoadInto(ctx context.Context, from changer.ElementAddress, driveNumber int, fn func(*Mount) error) error {
	elements, err := l.Elements(ctx)
	if err != nil {
		return err
	}
	if err := refuseOccupied(l.record.Name, elements, from, driveNumber); err != nil {
		return err
	}
	m, err := l.Mount(ctx, MountRequest{Element: int(from), Drive: driveNumber})
	if err != nil {
		return err
	}
	if fn != nil {
		err = fn(m)
	}
	return errors.Join(err, m.Leave(ctx))
}

// refuseOccupied refuses a drive that the operator has named and that holds another tape.
func refuseOccupied(libraryName string, elements []changer.Element, from changer.ElementAddress, driveNumber int) error {
	for i := range elements {
		e := &elements[i]
		if driveNumber == 0 || e.Type != changer.DataTransfer || !e.Full || e.Address == from || Number(elements, e.Address) != driveNumber {
			continue
		}
		return &MoveError{
			Library: libraryName, Barcode: barcodeAt(elements, from), From: Place(elements, from), To: Place(elements, e.Address),
			Err: fmt.Errorf("%w: %s holds %s; `tapectl tape unload %d` puts it back", ErrDestinationFull, Place(elements, e.Address),
				tapeName(e.PrimaryVolumeTag.Identifier), driveNumber),
		}
	}
	return nil
}

func barcodeAt(elements []changer.Element, address changer.ElementAddress) string {
	if e := find(elements, address); e != nil {
		return e.PrimaryVolumeTag.Identifier
	}
	return ""
}

// Unloaded tells what UnloadDrive did.
type Unloaded struct {
	Barcode string `json:"barcode"`
	Drive   int    `json:"drive"` // the operator's number
	To      string `json:"to"`    // in the operator's words
}

// UnloadDrive unloads the tape of a drive and puts it back where it belongs. A stand-alone drive gives it out, so that
// the operator can take it.
//
// Errors: ErrNoElement, ErrSourceEmpty, ErrInUse, *NoSlotError, *UnreachableError, *MoveError, *LeaseLostError.
func (l *Library) UnloadDrive(ctx context.Context, address changer.ElementAddress) (*Unloaded, error) {
	if err := l.Lost(); err != nil {
		return nil, err
	}
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	defer l.freeArm()
	if l.StandAlone() {
		u, err := l.unloadStandAlone(ctx)
		return u, l.explain(err)
	}
	u, err := l.unloadDrive(ctx, address)
	return u, l.explain(err)
}

func (l *Library) unloadDrive(ctx context.Context, address changer.ElementAddress) (*Unloaded, error) {
	elements, err := l.elements(ctx)
	if err != nil {
		return nil, err
	}
	e := find(elements, address)
	switch {
	case e == nil || e.Type != changer.DataTransfer:
		return nil, fmt.Errorf("unload element %d: %w: it is no drive", address, ErrNoElement)
	case !e.Full:
		return nil, fmt.Errorf("unload %s: %w: it holds no tape", Place(elements, address), ErrSourceEmpty)
	case l.claims.uses(address):
		return nil, fmt.Errorf("unload %s: %w", Place(elements, address), ErrInUse)
	}
	d := l.driveAt(address)
	if d == nil {
		return nil, fmt.Errorf("unload %s: no device is known for it; `tapectl library scan %s` looks for it", Place(elements, address), l.record.Name)
	}
	to, err := l.empty(ctx, elements, *d)
	if err != nil {
		return nil, err
	}
	return &Unloaded{Barcode: e.PrimaryVolumeTag.Identifier, Drive: Number(elements, address), To: Place(elements, to)}, nil
}
