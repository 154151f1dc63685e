package library

import (
	"context"
	"fmt"

	"tapectl/internal/changer"
)

// LoadInto brings the tape in an element into a drive (0 for any that fits), loads it and leaves it there. An operator
// who names a drive that holds a tape is told so; nothing is moved then. fn, when set, is called while the tape is mounted.
func (l *Library) LoadInto(ctx context.Context, from changer.ElementAddress, driveNumber int, fn func(*Mount) error) error {
	elements, err := l.Elements(ctx)
	if err != nil {
		return err
	}
	if driveNumber != 0 {
		for i := range elements {
			e := &elements[i]
			if e.Type == changer.DataTransfer && Number(elements, e.Address) == driveNumber && e.Full && e.Address != from {
				return &MoveError{
					Barcode: barcodeAt(elements, from), From: Place(elements, from), To: Place(elements, e.Address),
					Err: fmt.Errorf("%w: %s holds %s; `tapectl tape unload %d` puts it back", ErrDestinationFull, Place(elements, e.Address),
						tapeName(e.PrimaryVolumeTag.Identifier), driveNumber),
				}
			}
		}
	}
	m, err := l.Mount(ctx, MountRequest{Element: int(from), Drive: driveNumber})
	if err != nil {
		return err
	}
	if fn != nil {
		err = fn(m)
	}
	if lerr := m.Leave(ctx); err == nil {
		err = lerr
	}
	return err
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
	Drive   int    `json:"drive"`
	To      string `json:"to"`
}

// UnloadDrive unloads the tape of a drive and puts it back where it belongs.
func (l *Library) UnloadDrive(ctx context.Context, address changer.ElementAddress) (*Unloaded, error) {
	l.arm.Lock()
	defer l.arm.Unlock()
	elements, err := l.elements(ctx)
	if err != nil {
		return nil, err
	}
	e, d := find(elements, address), l.driveAt(address)
	switch {
	case e == nil:
		return nil, fmt.Errorf("unload: %w: %d", ErrNoElement, address)
	case !e.Full:
		return nil, fmt.Errorf("unload: %w: %s holds no tape", ErrSourceEmpty, Place(elements, address))
	case d == nil:
		return nil, fmt.Errorf("unload %s: no device is known for it", Place(elements, address))
	}
	home, ok := l.homeOf(ctx, elements, e)
	if !ok {
		return nil, fmt.Errorf("unload %s: there is no free slot", Place(elements, address))
	}
	if err := l.empty(ctx, elements, *d); err != nil {
		return nil, err
	}
	return &Unloaded{Barcode: e.PrimaryVolumeTag.Identifier, Drive: Number(elements, address), To: Place(elements, home)}, nil
}
