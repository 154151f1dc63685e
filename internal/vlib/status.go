package vlib

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"tapectl/internal/changer"
)

// readElementStatus is READ ELEMENT STATUS (SMC-3 6.10).
func (t *task) readElementStatus() *sense {
	var r changer.ReadElementStatus
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.refuseStatus(&r); s != nil {
		return s
	}
	if !r.CurrentData && t.s.doorOpen {
		return notReady(0x04, 0x18)
	}
	q := &t.d.config.Quirks
	limit := int(r.Count)
	if q.IgnoreElementCount {
		limit = maxElementAddress
	}
	if q.MaxElements > 0 {
		limit = min(limit, q.MaxElements)
	}
	list, err := t.elements(r, limit)
	if err != nil {
		return t.broken(err)
	}
	b, err := t.encodeElements(list, r)
	if err != nil {
		return t.broken(err)
	}
	if q.TruncateAnswer > 0 && len(list) > 0 {
		b = b[:max(8, len(b)-q.TruncateAnswer)]
	}
	return t.reply(b, int(r.Allocation))
}

// refuseStatus checks the CDB against the standard and the quirks.
func (t *task) refuseStatus(r *changer.ReadElementStatus) *sense {
	q := &t.d.config.Quirks
	switch {
	case r.Type > changer.DataTransfer:
		return badCDB(1, 3)
	case r.Type == changer.AllElements && q.NoAllTypes:
		return badCDB(1, 3)
	case r.VolumeTag && q.NoVolumeTags:
		return badCDB(1, 4)
	case r.CurrentData && q.NoCURDATA:
		return badCDB(6, 1)
	case r.DeviceIdentifier && (q.NoDVCID || q.DVCIDExcludesVOLTAG && r.VolumeTag ||
		q.DVCIDOnlyForDrives && r.Type != changer.DataTransfer):
		return badCDB(6, 0)
	}
	last := 0
	for _, x := range t.d.config.ranges() {
		if x.count > 0 {
			last = max(last, x.first+x.count-1)
		}
	}
	if int(r.Start) > last {
		return illegal(0x21, 0x01)
	}
	return nil
}

// elements describes the elements of the type from the starting address on, in the order of their addresses.
func (t *task) elements(r changer.ReadElementStatus, limit int) ([]changer.Element, error) {
	type typed struct {
		elementRange
		kind changer.ElementType
	}
	var ranges []typed
	for i, x := range t.d.config.ranges() {
		if kind := changer.ElementType(i + 1); x.count > 0 && (r.Type == changer.AllElements || r.Type == kind) {
			ranges = append(ranges, typed{x, kind})
		}
	}
	slices.SortFunc(ranges, func(a, b typed) int { return a.first - b.first })
	var list []changer.Element
	err := t.d.lib.table.view(func(entries []entry, byElement map[uint16]uint32) {
		for _, x := range ranges {
			for a := max(x.first, int(r.Start)); a < x.first+x.count && len(list) < limit; a++ {
				e := changer.Element{Address: changer.ElementAddress(a), Type: x.kind}
				if id := byElement[uint16(a)]; id != 0 {
					t.describe(&e, &entries[id-1])
				}
				list = append(list, e)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := t.finishElement(&list[i], r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// describe fills in what the changer knows of the cartridge in an element.
func (t *task) describe(e *changer.Element, c *entry) {
	q := &t.d.config.Quirks
	e.Full = true
	if !t.d.config.NoBarcodeReader {
		e.PrimaryVolumeTag.Identifier = c.barcode
	}
	e.Source, e.SourceValid = changer.ElementAddress(c.source), c.sourceValid && !q.SourceNeverValid
	e.ImportedByOperator = c.imported
	switch {
	case c.medium().cleaning:
		e.MediumType = changer.MediumCleaning
	case c.worm():
		e.MediumType = changer.MediumWORM
	default:
		e.MediumType = changer.MediumData
	}
	if q.ExceptForCleaning && e.MediumType == changer.MediumCleaning {
		e.Exception, e.ASC, e.ASCQ = true, 0x30, 0x03
	} else if q.ExceptForCleaning && c.barcode == "" {
		e.Exception, e.ASC, e.ASCQ = true, 0x83, 0x01
	}
}

// finishElement adds what does not depend on the cartridge: access and, for drives, who they are.
func (t *task) finishElement(e *changer.Element, r changer.ReadElementStatus) error {
	q := &t.d.config.Quirks
	e.Accessible = e.Type != changer.MediumTransport && !q.AccessNeverSet
	if e.Type == changer.ImportExport {
		e.ImportEnabled, e.ExportEnabled = true, true
	}
	if e.Type != changer.DataTransfer {
		return nil
	}
	d := t.d.lib.devices[1+int(uint16(e.Address)-t.d.config.Addresses.DataTransfer)]
	if e.Full && !q.AccessNeverSet && !q.AccessAlwaysSet {
		load, err := d.peekLoad()
		if err != nil {
			return err
		}
		e.Accessible = load == loadEjected || load == loadPending
	}
	if !r.DeviceIdentifier {
		return nil
	}
	e.Identifier = changer.DeviceIdentifier{CodeSet: 2, Type: 1, Serial: d.serial}
	if q.SerialOnlyIdentifier {
		e.Identifier.Type = 0
	} else {
		e.Identifier.Vendor, e.Identifier.Product = "TAPECTL", d.gen.product
	}
	return nil
}

// peekLoad looks at the drive's load state without waiting for the drive. A read that meets the drive's write may see
// half of each, which the checksum tells.
func (d *device) peekLoad() (byte, error) {
	var b [stateSize]byte
	var s state
	for tries := 0; ; tries++ {
		_, err := d.file.file.ReadAt(b[:], 0)
		if err == nil {
			err = s.decode(b[:])
		}
		if err == nil {
			return s.load, nil
		}
		if tries == 10 {
			return 0, fmt.Errorf("read %s: %w", d.file.file.Name(), err)
		}
		runtime.Gosched()
	}
}

// encodeElements makes the answer, no longer than the quirk allows.
func (t *task) encodeElements(list []changer.Element, r changer.ReadElementStatus) ([]byte, error) {
	q := &t.d.config.Quirks
	// The empty identifier header behind each descriptor is what most changers send; truncating ones lose it first.
	o := changer.EncodeOptions{VolumeTag: r.VolumeTag, DeviceIdentifier: r.DeviceIdentifier, IdentifierHeader: true}
	b, err := changer.EncodeElementStatus(list, o)
	for err == nil && q.MaxAnswer > 0 && len(b) > q.MaxAnswer && len(list) > 1 {
		list = list[:max(1, len(list)*q.MaxAnswer/len(b))]
		b, err = changer.EncodeElementStatus(list, o)
	}
	if err == nil && q.NULVolumeTags && r.VolumeTag {
		nulTags(b)
	}
	return b, err
}

// nulTags replaces the blanks that pad the volume tags with NULs. b is what EncodeElementStatus made.
func nulTags(b []byte) {
	for p := b[8:]; len(p) >= 8; {
		step, size := int(binary.BigEndian.Uint16(p[2:])), int(p[5])<<16|int(p[6])<<8|int(p[7])
		for d := p[8 : 8+size]; len(d) >= step && step >= 48; d = d[step:] {
			for i := 43; i >= 12 && d[i] == ' '; i-- {
				d[i] = 0
			}
		}
		p = p[8+size:]
	}
}
