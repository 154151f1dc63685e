package vlib

import (
	"errors"
	"fmt"
	"time"

	"tapectl/internal/changer"
)

// Tape is what a person can see of a cartridge.
type Tape struct {
	// ID is the number of its folder under cartridges/.
	ID      int
	Barcode string
	Media   string
	// Element is where it is; 0 is the shelf outside of the library.
	Element        uint16
	Capacity       int64
	WriteProtected bool
	// Uses is how many cleanings are left in a cleaning cartridge.
	Uses int
}

// Tapes lists all cartridges, those on the shelf included, by number.
func (l *Library) Tapes() ([]Tape, error) {
	var list []Tape
	err := l.table.view(func(entries []entry, _ map[uint16]uint32) {
		for i := range entries {
			e := &entries[i]
			list = append(list, Tape{ID: i + 1, Barcode: e.barcode, Media: e.media, Element: e.element, Capacity: e.capacity,
				WriteProtected: e.writeProtected, Uses: int(e.uses)})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list tapes of virtual library %s: %w", l.folder, err)
	}
	for i := range list {
		if m, _ := mediumWithSuffix(list[i].Media); !m.cleaning {
			continue
		}
		m, err := readMemory(cartridgeDir(l.folder, uint32(list[i].ID)))
		if err != nil {
			return nil, fmt.Errorf("list tapes of virtual library %s: %w", l.folder, err)
		}
		list[i].Uses = int((&entry{uses: uint32(list[i].Uses)}).usesLeft(&m))
	}
	return list, nil
}

// operate does something at the machine while the changer stands still.
func (l *Library) operate(what string, f func(*device) error) error {
	d := l.devices[0]
	err := d.enter()
	if err == nil {
		err = errors.Join(f(d), d.leave())
	}
	if err != nil {
		return fmt.Errorf("%s virtual library %s: %w", what, l.folder, err)
	}
	return nil
}

// find returns the cartridge with a barcode; where limits the search to those for which it is true.
func (l *Library) find(barcode string, where func(*entry) bool) (uint32, entry, error) {
	var id uint32
	var found entry
	err := l.table.view(func(entries []entry, _ map[uint16]uint32) {
		for i := range entries {
			if e := &entries[i]; id == 0 && e.barcode == barcode && where(e) {
				id, found = uint32(i+1), *e
			}
		}
	})
	return id, found, err
}

// newEntry adds a cartridge to the table.
func (l *Library) newEntry(d *device, t TapeConfig) error {
	e, err := d.config.entry(t)
	if err != nil {
		return err
	}
	next := uint32(0)
	if err := l.table.view(func(entries []entry, _ map[uint16]uint32) { next = uint32(len(entries) + 1) }); err != nil {
		return err
	}
	return l.table.set(next, e)
}

// NewTape makes a new cartridge on the shelf. TapeConfig.Element must be 0.
func (l *Library) NewTape(t TapeConfig) error {
	return l.operate(fmt.Sprintf("add tape %q to the shelf of", t.Barcode), func(d *device) error {
		if t.Element != shelf {
			return fmt.Errorf("element %d is not the shelf", t.Element)
		}
		return l.newEntry(d, t)
	})
}

// empty returns the first empty element of a type.
func (l *Library) empty(d *device, kind changer.ElementType) (uint16, error) {
	r := d.config.ranges()[kind-1]
	address := uint16(0)
	err := l.table.view(func(_ []entry, byElement map[uint16]uint32) {
		for a := r.first; a < r.first+r.count && address == 0; a++ {
			if byElement[uint16(a)] == 0 {
				address = uint16(a)
			}
		}
	})
	if err == nil && address == 0 {
		err = fmt.Errorf("no %s element is empty", kind)
	}
	return address, err
}

// locked says that a host keeps people out.
func (d *device) locked() error {
	if d.prevented() {
		return errors.New("a host has locked the library (PREVENT MEDIUM REMOVAL)")
	}
	return nil
}

// InsertMail puts the cartridge with this barcode from the shelf into the first empty import/export element and
// returns its address. Every nexus of the changer gets 28/01.
func (l *Library) InsertMail(barcode string) (uint16, error) {
	var address uint16
	err := l.operate(fmt.Sprintf("insert %q into a mail slot of", barcode), func(d *device) error {
		if err := d.locked(); err != nil {
			return err
		}
		id, e, err := l.find(barcode, func(e *entry) bool { return e.element == shelf })
		if err != nil {
			return err
		}
		if id == 0 {
			return errors.New("there is no such tape on the shelf")
		}
		if address, err = l.empty(d, changer.ImportExport); err != nil {
			return err
		}
		e.element, e.imported, e.sourceValid = address, true, false
		d.state.attend(0x28, 0x01, 0)
		return l.table.set(id, e)
	})
	return address, err
}

// TakeMail puts the cartridge of an import/export element on the shelf. Every nexus of the changer gets 28/01.
func (l *Library) TakeMail(element uint16) error {
	return l.take(element, "take the tape out of mail slot", 0x01, changer.ImportExport)
}

// RemoveTape takes the cartridge out of a storage or import/export element through the door and puts it on the shelf.
// Every nexus of the changer gets 28/00.
func (l *Library) RemoveTape(element uint16) error {
	return l.take(element, "take the tape out of element", 0x00, changer.Storage, changer.ImportExport)
}

func (l *Library) take(element uint16, what string, ascq byte, kinds ...changer.ElementType) error {
	return l.operate(fmt.Sprintf("%s %d of", what, element), func(d *device) error {
		if err := d.locked(); err != nil {
			return err
		}
		kind := d.typeOf(element)
		if kind != kinds[0] && kind != kinds[len(kinds)-1] {
			return fmt.Errorf("it is no %s element", kinds[0])
		}
		id, e, err := l.table.at(element)
		if err != nil {
			return err
		}
		if id == 0 {
			return errors.New("the element is empty")
		}
		e.element, e.imported, e.sourceValid = shelf, false, false
		d.state.attend(0x28, ascq, 0)
		return l.table.set(id, e)
	})
}

// AddTape makes a new cartridge and puts it through the door into t.Element, a storage element, or the first empty one,
// and returns the address. Every nexus of the changer gets 28/00.
func (l *Library) AddTape(t TapeConfig) (uint16, error) {
	err := l.operate(fmt.Sprintf("add tape %q to", t.Barcode), func(d *device) (err error) {
		if err := d.locked(); err != nil {
			return err
		}
		if t.Element == 0 {
			if t.Element, err = l.empty(d, changer.Storage); err != nil {
				return err
			}
		}
		if d.typeOf(t.Element) != changer.Storage {
			return fmt.Errorf("element %d is no storage element", t.Element)
		}
		id, _, err := l.table.at(t.Element)
		if err != nil {
			return err
		}
		if id != 0 {
			return fmt.Errorf("element %d is full", t.Element)
		}
		d.state.attend(0x28, 0x00, 0)
		return l.newEntry(d, t)
	})
	return t.Element, err
}

// SwapBarcode puts another label on the cartridge in an element. Every nexus of the changer gets 28/00.
func (l *Library) SwapBarcode(element uint16, barcode string) error {
	return l.operate(fmt.Sprintf("relabel the tape in element %d of", element), func(d *device) error {
		if err := checkText("barcode", barcode, 32); err != nil {
			return err
		}
		if d.typeOf(element) == changer.DataTransfer {
			return errors.New("a tape in a drive cannot be relabelled")
		}
		id, e, err := l.table.at(element)
		if err != nil {
			return err
		}
		if id == 0 {
			return errors.New("the element is empty")
		}
		e.barcode = barcode
		d.state.attend(0x28, 0x00, 0)
		return l.table.set(id, e)
	})
}

// SetWriteProtect moves the tab of the cartridge with this barcode, which must not be in a drive.
func (l *Library) SetWriteProtect(barcode string, on bool) error {
	return l.operate(fmt.Sprintf("set the write protection of %q in", barcode), func(d *device) error {
		id, e, err := l.find(barcode, func(*entry) bool { return true })
		if err != nil {
			return err
		}
		if id == 0 {
			return errors.New("there is no such tape")
		}
		if d.typeOf(e.element) == changer.DataTransfer {
			return fmt.Errorf("the tape is in the drive of element %d", e.element)
		}
		e.writeProtected = on
		return l.table.set(id, e)
	})
}

// OpenDoor opens the door: the changer is not ready with 02/04/18.
func (l *Library) OpenDoor() error {
	return l.operate("open the door of", func(d *device) error {
		if err := d.locked(); err != nil {
			return err
		}
		d.state.doorOpen = true
		return nil
	})
}

// CloseDoor closes the door. Every nexus of the changer gets 28/00.
func (l *Library) CloseDoor() error {
	return l.operate("close the door of", func(d *device) error {
		if d.state.doorOpen {
			d.state.doorOpen = false
			d.state.attend(0x28, 0x00, 0)
		}
		return nil
	})
}

// Eject presses the button of drive n: the tape is unloaded unless a host prevents it.
func (l *Library) Eject(n int) error {
	fail := func(err error) error {
		return fmt.Errorf("eject the tape of drive %d of virtual library %s: %w", n, l.folder, err)
	}
	if n < 0 || n+1 >= len(l.devices) {
		return fail(errors.New("there is no such drive"))
	}
	d := l.devices[n+1]
	if err := d.enter(); err != nil {
		return fail(err)
	}
	t := &task{n: &nexus{d: d}, d: d, s: &d.state, now: time.Now().UnixNano()}
	var err error
	switch {
	case d.prevented():
		err = errors.New("a host has locked the drive (PREVENT MEDIUM REMOVAL)")
	case d.state.load == loadNone:
		err = errors.New("the drive is empty")
	default:
		if s := t.unload(true, false); s != nil {
			err = &senseError{s}
		}
	}
	if err = errors.Join(err, d.leave()); err != nil {
		return fail(err)
	}
	return nil
}

// RequestCleaning makes drive n ask for cleaning: TapeAlert 14h, clean now, which a cleaning cartridge clears.
func (l *Library) RequestCleaning(n int) error {
	return l.RaiseTapeAlert(n, 0x14)
}

// RaiseTapeAlert raises a TapeAlert flag, 1 to 64, of drive n.
func (l *Library) RaiseTapeAlert(n, alert int) error {
	fail := func(err error) error {
		return fmt.Errorf("raise TapeAlert %d of drive %d of virtual library %s: %w", alert, n, l.folder, err)
	}
	if n < 0 || n+1 >= len(l.devices) || alert < 1 || alert > 64 {
		return fail(errors.New("there is no such drive or flag"))
	}
	d := l.devices[n+1]
	if err := d.enter(); err != nil {
		return fail(err)
	}
	d.state.raise(alert)
	if err := d.leave(); err != nil {
		return fail(err)
	}
	return nil
}

// PowerLoss cuts the power of the whole library and switches it on again: with Config.WriteBack the blocks that came
// after the last synchronizing command are gone, tapes are at their beginning, mode parameters, PREVENT and
// reservations are reset, and every nexus gets 29/01.
func (l *Library) PowerLoss() error {
	err := l.enterAll()
	if err == nil {
		for _, d := range l.devices {
			err = errors.Join(err, d.power(time.Now().UnixNano()))
		}
		err = errors.Join(err, l.leaveAll())
	}
	if err != nil {
		return fmt.Errorf("cut the power of virtual library %s: %w", l.folder, err)
	}
	return nil
}
