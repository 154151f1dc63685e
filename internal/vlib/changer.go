package vlib

import (
	"encoding/binary"
	"errors"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
)

// nothing is TEST UNIT READY: being ready is all it asks.
func (t *task) nothing() *sense { return nil }

func (t *task) inventory() *sense {
	t.work(activityNone, t.d.timing.Inventory, false)
	return nil
}

func (t *task) inventoryRange() *sense {
	var r changer.InitializeElementStatusWithRange
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	duration := t.d.timing.Inventory
	if r.Range {
		if t.d.typeOf(uint16(r.Start)) == 0 {
			return illegal(0x21, 0x01)
		}
		if all := t.d.config.Slots + t.d.config.MailSlots + t.d.config.Drives; r.Count > 0 && int(r.Count) < all {
			duration = duration * time.Duration(r.Count) / time.Duration(all)
		}
	}
	if !r.Fast {
		t.work(activityNone, duration, false)
	}
	return nil
}

func (t *task) openCloseMail() *sense {
	var r changer.OpenCloseImportExport
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(4, 4)
	}
	if t.d.typeOf(uint16(r.Element)) != changer.ImportExport {
		return illegal(0x21, 0x01)
	}
	if t.d.prevented() && !r.Close {
		return illegal(0x53, 0x02)
	}
	t.work(activityNone, t.d.timing.Move/2, false)
	return nil
}

// typeOf is the element type of an address, 0 for none.
func (d *device) typeOf(address uint16) changer.ElementType {
	for i, r := range d.config.ranges() {
		if r.has(address) {
			return changer.ElementType(i + 1)
		}
	}
	return 0
}

// transport checks the medium transport address of a move.
func (t *task) transport(address changer.ElementAddress) *sense {
	if address == 0 && !t.d.config.Quirks.RealTransportAddress {
		return nil
	}
	if t.d.typeOf(uint16(address)) != changer.MediumTransport {
		return illegal(0x21, 0x01)
	}
	return nil
}

func (t *task) positionTo() *sense {
	var r changer.PositionToElement
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.transport(r.Transport); s != nil {
		return s
	}
	if t.d.typeOf(uint16(r.Destination)) == 0 {
		return illegal(0x21, 0x01)
	}
	if r.Invert {
		return badCDB(8, 0)
	}
	t.work(activityNone, t.d.timing.Move/2, false)
	return nil
}

// moveMedium is MOVE MEDIUM (SMC-3 6.6).
func (t *task) moveMedium() *sense {
	var r changer.MoveMedium
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.transport(r.Transport); s != nil {
		return s
	}
	if r.Invert {
		return badCDB(10, 0)
	}
	if t.d.typeOf(uint16(r.Destination)) == changer.MediumTransport {
		return illegal(0x21, 0x01) // the arm stores nothing
	}
	if s := t.move(uint16(r.Source), uint16(r.Destination)); s != nil {
		return s
	}
	t.work(activityNone, t.d.timing.Move, false)
	return nil
}

// exchangeMedium is EXCHANGE MEDIUM (SMC-3 6.1): what is in the first destination makes room first.
func (t *task) exchangeMedium() *sense {
	var r changer.ExchangeMedium
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.transport(r.Transport); s != nil {
		return s
	}
	if r.Invert1 || r.Invert2 {
		return badCDB(10, 1)
	}
	source, first, second := uint16(r.Source), uint16(r.FirstDestination), uint16(r.SecondDestination)
	id, _, err := t.d.lib.table.at(source)
	switch {
	case err != nil:
		return t.broken(err)
	case t.d.typeOf(source) == 0 || t.d.typeOf(first) == 0 || t.d.typeOf(second) == 0:
		return illegal(0x21, 0x01)
	case id == 0:
		return illegal(0x3B, 0x0E)
	case source == first:
		return badCDB(6, -1)
	}
	arm := t.d.config.Addresses.MediumTransport
	if second == source {
		// The arm holds one while the other passes.
		for _, m := range [][2]uint16{{first, arm}, {source, first}, {arm, second}} {
			if s := t.move(m[0], m[1]); s != nil {
				return s
			}
		}
	} else {
		for _, m := range [][2]uint16{{first, second}, {source, first}} {
			if s := t.move(m[0], m[1]); s != nil {
				return s
			}
		}
	}
	t.work(activityNone, 2*t.d.timing.Move, false)
	return nil
}

// holdDrives locks the drives among the elements of a move, lower numbers first, and returns what unlocks them.
func (t *task) holdDrives(elements ...uint16) (func() error, error) {
	var held []*device
	release := func() error {
		var errs []error
		for _, d := range held {
			// The drive begins to load when the arm has done its work.
			errs = append(errs, d.reconcile(t.now+int64(t.wait+t.d.timing.Move)), d.leave())
		}
		return errors.Join(errs...)
	}
	for _, d := range t.d.lib.devices[1:] {
		for _, e := range elements {
			if d.element != e {
				continue
			}
			// Drives keep their lock only while they execute, never while they wait.
			if err := d.enterBefore(t.ctx, t.deadline); err != nil {
				return nil, errors.Join(err, release())
			}
			held = append(held, d)
			break
		}
	}
	return release, nil
}

// move takes a cartridge from one element to another, under the locks of the drives among them.
func (t *task) move(source, destination uint16) (s *sense) {
	from, to := t.d.typeOf(source), t.d.typeOf(destination)
	if from == 0 || to == 0 {
		return illegal(0x21, 0x01)
	}
	release, err := t.holdDrives(source, destination)
	if err != nil {
		return t.broken(err)
	}
	defer func() {
		if err := release(); err != nil && s == nil {
			s = t.broken(err)
		}
	}()
	id, e, err := t.d.lib.table.at(source)
	if err != nil {
		return t.broken(err)
	}
	if s := t.mayMove(id, &e, source, destination, from, to); s != nil || source == destination {
		return s
	}
	return t.put(id, e, destination)
}

// mayMove tells why a cartridge cannot be moved, in the order in which libraries find out.
func (t *task) mayMove(id uint32, e *entry, source, destination uint16, from, to changer.ElementType) *sense {
	if id == 0 {
		return illegal(0x3B, 0x0E)
	}
	if source != destination {
		other, _, err := t.d.lib.table.at(destination)
		if err != nil {
			return t.broken(err)
		}
		if other != 0 {
			return illegal(0x3B, 0x0D)
		}
	}
	mailAndDrive := from == changer.ImportExport && to == changer.DataTransfer ||
		from == changer.DataTransfer && to == changer.ImportExport
	if mailAndDrive && t.d.config.Quirks.NoMailMoves {
		return badCDB(4, -1)
	}
	if from == changer.DataTransfer {
		return t.takeFromDrive(source)
	}
	return nil
}

// takeFromDrive makes the drive give its cartridge away, if it does.
func (t *task) takeFromDrive(source uint16) *sense {
	d := t.d.lib.devices[1+int(source-t.d.config.Addresses.DataTransfer)]
	d.settle(t.now, true)
	if d.prevented() {
		return illegal(0x53, 0x02)
	}
	if d.state.busyUntil > t.now {
		t.wait += time.Duration(d.state.busyUntil - t.now)
	}
	switch d.state.load {
	case loadNone, loadEjected, loadPending:
		return nil
	}
	if !d.config.Quirks.AutoUnload {
		return illegal(0x53, 0x03)
	}
	u := &task{ctx: t.ctx, deadline: t.deadline, n: t.n, d: d, s: &d.state, now: t.now}
	if s := u.unload(false, false); s != nil {
		return s
	}
	t.wait += u.wait
	return nil
}

// put stores where the cartridge is now.
func (t *task) put(id uint32, e entry, destination uint16) *sense {
	if t.d.typeOf(e.element) == changer.Storage {
		e.source, e.sourceValid = e.element, true
	}
	e.element, e.imported = destination, false
	if err := t.d.lib.table.set(id, e); err != nil {
		return t.broken(err)
	}
	t.s.loads++ // the changer's count of moves
	return nil
}

// armKeeps is the end of a move whose cartridge stayed in the arm.
func (t *task) armKeeps(s *sense) *sense {
	var r changer.MoveMedium
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return s
	}
	if m := t.move(uint16(r.Source), t.d.config.Addresses.MediumTransport); m != nil {
		return m
	}
	return s
}

// movesFromOrTo tells whether the command is a move of this element.
func (t *task) movesFromOrTo(element uint16) bool {
	if t.d.number >= 0 || len(t.cdb) < 12 || t.cdb[0] != 0xA5 && t.cdb[0] != 0xA6 {
		return false
	}
	return binary.BigEndian.Uint16(t.cdb[4:]) == element || binary.BigEndian.Uint16(t.cdb[6:]) == element ||
		t.cdb[0] == 0xA6 && binary.BigEndian.Uint16(t.cdb[8:]) == element
}

// changerPages are the mode pages of the changer (SMC-3 7.3).
func (t *task) changerPages() []scsi.ModePage {
	a := scsi.ModePage{0x1D, 0x12}
	for _, r := range t.d.config.ranges() {
		a = binary.BigEndian.AppendUint16(a, uint16(r.first))
		a = binary.BigEndian.AppendUint16(a, uint16(r.count))
	}
	a = append(a, 0, 0)
	// The arm stores nothing; everything else can be moved from everywhere to everywhere.
	capabilities := scsi.ModePage{0x1F, 0x12, 0x0E, 0, 0x0E, 0x0E, 0x0E, 0x0E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if t.d.config.Exchange {
		copy(capabilities[12:16], []byte{0x0E, 0x0E, 0x0E, 0x0E})
	}
	return []scsi.ModePage{a, {0x1E, 0x02, 0, 0}, capabilities}
}
