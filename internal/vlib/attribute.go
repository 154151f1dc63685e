package vlib

import (
	"encoding/binary"
	"fmt"
	"slices"

	"tapectl/internal/drive"
)

// The formats of an attribute (SPC-5 table 424).
const (
	formatBinary byte = 0
	formatASCII  byte = 1
	formatText   byte = 2
)

// value is an attribute as READ ATTRIBUTE returns it.
type value struct {
	id       uint16
	readOnly bool
	format   byte
	data     []byte
}

// hostAttributes are those that hosts write, with the most bytes and the format that each takes (SPC-5 table 430).
var hostAttributes = map[uint16]struct {
	length int
	format byte
}{
	0x0800: {8, formatASCII}, 0x0801: {32, formatASCII}, 0x0802: {8, formatASCII}, 0x0803: {160, formatText},
	0x0804: {12, formatASCII}, 0x0805: {1, formatBinary}, 0x0806: {32, formatASCII}, 0x0807: {80, formatText},
	0x0808: {160, formatText}, 0x0809: {16, formatASCII}, 0x080A: {1, formatBinary}, 0x080B: {16, formatASCII},
	0x080C: {1023, formatBinary}, 0x0820: {36, formatBinary}, 0x0821: {36, formatBinary},
}

// hostSpace is how many bytes the hosts' attributes may have together.
const hostSpace = 4096

func hostSpaceUsed(m *memory) int {
	n := 0
	for _, a := range m.Attributes {
		n += 5 + len(a.Value)
	}
	return n
}

// attributes lists all attributes of the loaded cartridge in the order of their numbers.
func (t *task) attributes(m *memory) []value {
	list := append(t.deviceAttributes(m), t.mediumAttributes(m)...)
	for id, a := range m.Attributes {
		list = append(list, value{id: id, format: a.Format, data: a.Value})
	}
	_, written := m.Attributes[0x0806]
	if barcode := t.d.entry.barcode; barcode != "" && !written && !t.d.config.Quirks.NoBarcodeAttribute {
		list = append(list, value{id: 0x0806, format: formatASCII, data: fmt.Appendf(nil, "%-32s", barcode)})
	}
	slices.SortFunc(list, func(a, b value) int { return int(a.id) - int(b.id) })
	return list
}

func number(id uint16, size int, n uint64) value {
	b := binary.BigEndian.AppendUint64(nil, n)
	return value{id: id, readOnly: true, data: b[8-size:]}
}

func text(id uint16, size int, s string) value {
	return value{id: id, readOnly: true, format: formatASCII, data: fmt.Appendf(nil, "%-*s", size, s)[:size]}
}

// deviceAttributes are those that the drive keeps (SPC-5 table 426).
func (t *task) deviceAttributes(m *memory) []value {
	d, s := t.d, t.s
	capacity, _ := d.capacity()
	used := int64(0)
	if d.cart != nil && s.load == loadReady {
		used = d.cart.end
	}
	const mebi = 1 << 20
	changes := m.Changes
	if s.wrote {
		changes++
	}
	list := []value{
		number(0x0000, 8, uint64(max(0, capacity-used)/mebi)), number(0x0001, 8, uint64(capacity/mebi)),
		number(0x0002, 8, s.activeAlerts()), number(0x0003, 8, m.Loads),
		number(0x0004, 8, uint64(max(0, hostSpace-hostSpaceUsed(m)))), text(0x0005, 8, "LTO-CVE"),
		number(0x0006, 1, uint64(d.entry.medium().density)), number(0x0007, 2, uint64(m.Initialized)),
		number(0x0009, 4, uint64(changes)),
		number(0x0220, 8, (m.Written+s.loadWritten)/mebi), number(0x0221, 8, (m.Read+s.loadRead)/mebi),
		number(0x0222, 8, m.LastWritten/mebi), number(0x0223, 8, m.LastRead/mebi),
	}
	for i, name := range m.Drives[:min(4, len(m.Drives))] {
		list = append(list, text(0x020A+uint16(i), 40, name))
	}
	return list
}

// mediumAttributes are those that the manufacturer wrote (SPC-5 table 428).
func (t *task) mediumAttributes(m *memory) []value {
	e := &t.d.entry
	k := e.medium()
	kind := uint64(0x00)
	switch {
	case k.cleaning:
		kind = 0x01
	case e.worm():
		kind = 0x80
	}
	info := uint64(0)
	if k.cleaning {
		info = uint64(e.usesLeft(m))
	}
	return []value{
		text(0x0400, 8, "TAPECTL"), text(0x0401, 32, fmt.Sprintf("%s%05d", t.d.config.Serial, t.s.cartridge)),
		number(0x0402, 4, uint64(k.lengthM)), number(0x0403, 4, 127), text(0x0404, 8, "LTO-CVE"),
		number(0x0405, 1, uint64(k.density)), text(0x0406, 8, "20260101"), number(0x0407, 8, 16384),
		number(0x0408, 1, kind), number(0x0409, 2, info),
	}
}

// usesLeft is how often a cleaning cartridge still works.
func (e *entry) usesLeft(m *memory) uint32 {
	if m.UsesLeft > 0 {
		return m.UsesLeft - 1
	}
	return e.uses
}

// memoryReady tells why the cartridge memory cannot be accessed, or nil: unlike the tape it needs no threading.
func (t *task) memoryReady() *sense {
	switch t.s.load {
	case loadNone, loadEjected:
		return notReady(0x3A, 0x00)
	case loadHeld:
		return nil
	case loadReady:
		if t.d.entry.medium().cleaning {
			return nil
		}
	}
	if s := t.unready(); s != nil {
		return s
	}
	if _, err := t.d.cartridge(); err != nil {
		return t.unreadable(err)
	}
	return nil
}

// readAttribute is READ ATTRIBUTE (SPC-5 6.18).
func (t *task) readAttribute() *sense {
	var r drive.ReadAttribute
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.LogicalVolume != 0 {
		return badCDB(5, -1)
	}
	if r.Partition != 0 {
		return badCDB(7, -1)
	}
	if s := t.memoryReady(); s != nil {
		return s
	}
	m, err := t.d.readMemory()
	if err != nil {
		t.s.raise(0x0F)
		return check(0x3, 0x11, 0x12)
	}
	list := t.attributes(&m)
	allocation := int(min(r.Allocation, 1<<24))
	switch r.Action {
	case drive.LogicalVolumeList, drive.PartitionList:
		return t.reply([]byte{0, 2, 0, 1}, allocation)
	case drive.AttributeList, drive.SupportedAttributes:
		return t.reply(attributeNumbers(list, r.Action == drive.SupportedAttributes), allocation)
	}
	b := make([]byte, 4)
	first := false
	for _, v := range list {
		first = first || v.id == uint16(r.First)
		if v.id >= uint16(r.First) {
			b = v.append(b)
		}
	}
	// A first attribute that is not there is an error of the CDB (quirk Q63), but the beginning of the list is not.
	if !first && r.First != 0 {
		return badCDB(8, -1)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return t.reply(b, allocation)
}

func (v *value) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, v.id)
	b = append(b, flag(v.readOnly, 0x80)|v.format)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.data)))
	return append(b, v.data...)
}

// attributeNumbers lists the attributes that are there, or that could be.
func attributeNumbers(list []value, supported bool) []byte {
	var ids []uint16
	for _, v := range list {
		ids = append(ids, v.id)
	}
	if supported {
		for id := range hostAttributes {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	b := make([]byte, 4)
	for _, id := range slices.Compact(ids) {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// writeAttribute is WRITE ATTRIBUTE (SPC-5 6.49): all of the list or nothing.
func (t *task) writeAttribute() *sense {
	var r drive.WriteAttribute
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.LogicalVolume != 0 {
		return badCDB(5, -1)
	}
	if r.Partition != 0 {
		return badCDB(7, -1)
	}
	if r.Length > 1<<20 {
		return illegal(0x1A, 0x00)
	}
	if s := t.memoryReady(); s != nil {
		return s
	}
	if r.Length == 0 {
		return nil
	}
	b, s := t.parameters(int(r.Length))
	if s != nil {
		return s
	}
	if t.d.entry.writeProtected {
		return check(0x7, 0x27, 0x00)
	}
	m, err := t.d.readMemory()
	if err != nil {
		t.s.raise(0x0F)
		return check(0x3, 0x11, 0x12)
	}
	changed, s := withAttributes(m.Attributes, b)
	if s != nil {
		return s
	}
	m.Attributes = changed
	if hostSpaceUsed(&m) > hostSpace {
		return illegal(0x55, 0x06) // INSUFFICIENT SPACE IN MEDIUM AUXILIARY MEMORY
	}
	t.d.storeMemory(m)
	return nil
}

// withAttributes applies the parameter list of WRITE ATTRIBUTE to a copy of the attributes.
func withAttributes(old map[uint16]attribute, b []byte) (map[uint16]attribute, *sense) {
	if len(b) < 4 || int64(binary.BigEndian.Uint32(b)) != int64(len(b)-4) {
		return nil, illegal(0x1A, 0x00)
	}
	next := map[uint16]attribute{}
	for id, a := range old {
		next[id] = a
	}
	last := -1
	for at := 4; at < len(b); {
		if len(b)-at < 5 {
			return nil, illegal(0x1A, 0x00)
		}
		id, format, n := binary.BigEndian.Uint16(b[at:]), b[at+2]&0x03, int(binary.BigEndian.Uint16(b[at+3:]))
		if len(b)-at-5 < n {
			return nil, illegal(0x1A, 0x00)
		}
		rule, known := hostAttributes[id]
		vendor := id >= 0x1400 && id <= 0x17FF
		switch {
		case int(id) <= last, !known && !vendor:
			return nil, badParameter(at, -1)
		case b[at+2]&0xFC != 0, known && format != rule.format && n > 0:
			return nil, badParameter(at+2, -1)
		case known && n > rule.length, vendor && n > 1024:
			return nil, badParameter(at+3, -1)
		}
		last = int(id)
		data := b[at+5 : at+5+n]
		if n == 0 {
			delete(next, id)
		} else {
			next[id] = attribute{Format: format, Value: slices.Clone(data)}
		}
		at += 5 + n
	}
	return next, nil
}
