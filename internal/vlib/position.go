package vlib

import (
	"encoding/binary"
	"math"
	"time"

	"tapectl/internal/drive"
)

// wind moves the tape to an object and takes the time for it.
func (t *task) wind(to uint64, fixed time.Duration, activity byte, immediate bool) {
	c, s := t.d.cart, t.s
	distance := c.bytesBefore(to) - c.bytesBefore(s.position)
	if to != s.position {
		t.work(activity, t.d.timing.travel(fixed, distance), immediate)
	}
	s.position, s.overwriteAt = to, 0
}

func (t *task) rewind() *sense {
	var r drive.Rewind
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.flush(); s != nil {
		return s
	}
	t.wind(0, t.d.timing.Rewind, activityRewinding, r.Immediate)
	return nil
}

// locateTarget is what the two forms of LOCATE and READ POSITION agree on: an object, a filemark or the end.
type locateTarget struct {
	kind      drive.LocateDestination
	id        uint64
	immediate bool
}

// decodeLocate decodes LOCATE (10) and (16) and checks what they have beyond the number.
func (t *task) decodeLocate() (locateTarget, *sense) {
	if t.cdb[0] == 0x2B {
		var r drive.Locate10
		if err := r.UnmarshalCDB(t.cdb); err != nil {
			return locateTarget{}, badCDB(0, -1)
		}
		if r.BlockAddressType {
			return locateTarget{}, badCDB(1, 2)
		}
		if r.ChangePartition && r.Partition != 0 {
			return locateTarget{}, badCDB(8, -1)
		}
		return locateTarget{drive.LocateObject, uint64(r.Object), r.Immediate}, nil
	}
	var r drive.Locate16
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return locateTarget{}, badCDB(0, -1)
	}
	if r.ChangePartition && r.Partition != 0 {
		return locateTarget{}, badCDB(3, -1)
	}
	if r.Destination == 2 {
		return locateTarget{}, badCDB(1, 4)
	}
	return locateTarget{r.Destination, r.Object, r.Immediate}, nil
}

// resolve finds the object to stand before, and whether it lies within the data.
func (l locateTarget) resolve(c *cartridge) (uint64, bool) {
	switch l.kind {
	case drive.LocateEndOfData:
		return c.count(), true
	case drive.LocateLogicalFile:
		if l.id == 0 {
			return 0, true
		}
		if l.id > uint64(len(c.marks)) {
			return c.count(), false
		}
		return c.marks[l.id-1] + 1, true
	}
	if l.id > c.count() {
		return c.count(), false
	}
	return l.id, true
}

// locate is LOCATE (10) and (16) (SSC-5 7.1, 7.2).
func (t *task) locate() *sense {
	l, s := t.decodeLocate()
	if s != nil {
		return s
	}
	if s := t.flush(); s != nil {
		return s
	}
	to, within := l.resolve(t.d.cart)
	t.wind(to, t.d.timing.Locate, activityLocating, l.immediate)
	if !within {
		return check(0x8, 0x00, 0x05)
	}
	return nil
}

// target is where SPACE or LOCATE would stop, for faults that are bound to an object.
func (t *task) target() (uint64, bool) {
	if t.cdb[0] == 0x2B || t.cdb[0] == 0x92 {
		l, s := t.decodeLocate()
		if s != nil {
			return 0, false
		}
		to, _ := l.resolve(t.d.cart)
		return to, true
	}
	code, count, s := t.decodeSpace()
	if s != nil {
		return 0, false
	}
	to, _ := t.spaceTo(code, count)
	return to, true
}

func (t *task) decodeSpace() (drive.SpaceCode, int64, *sense) {
	if t.cdb[0] == 0x11 {
		var r drive.Space6
		if err := r.UnmarshalCDB(t.cdb); err != nil {
			return 0, 0, badCDB(0, -1)
		}
		return r.Code, int64(r.Count), nil
	}
	var r drive.Space16
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return 0, 0, badCDB(0, -1)
	}
	return r.Code, r.Count, nil
}

// space is SPACE (6) and (16) (SSC-5 6.12, 6.13).
func (t *task) space() *sense {
	code, count, s := t.decodeSpace()
	if s != nil {
		return s
	}
	if code == drive.SpaceSequentialFilemarks || code > drive.SpaceToEndOfData {
		return badCDB(1, 3)
	}
	if s := t.flush(); s != nil {
		return s
	}
	to, s := t.spaceTo(code, count)
	t.wind(to, t.d.timing.Locate, activityLocating, false)
	return s
}

// spaceTo computes where SPACE stops, and why there.
func (t *task) spaceTo(code drive.SpaceCode, count int64) (uint64, *sense) {
	switch {
	case code == drive.SpaceToEndOfData:
		return t.d.cart.count(), nil
	case count == 0 || code != drive.SpaceLogicalBlocks && code != drive.SpaceFilemarkCount:
		return t.s.position, nil
	case count == math.MinInt64:
		count++
	}
	q := &t.d.config.Quirks
	switch {
	case code == drive.SpaceFilemarkCount && count > 0:
		return t.spaceMarks(uint64(count))
	case code == drive.SpaceFilemarkCount:
		return t.spaceMarksBack(uint64(-count))
	case q.SpaceCountsFilemarks:
		return t.spaceObjects(count)
	case count > 0:
		return t.spaceBlocks(uint64(count))
	}
	return t.spaceBlocksBack(uint64(-count))
}

// endOfData is how SPACE says that it met end of data with left still to go.
func (t *task) endOfData(left uint64) *sense {
	if t.d.config.Quirks.PlainEndOfData {
		return check(0x0, 0x00, 0x05)
	}
	return check(0x8, 0x00, 0x05).information(signed(left))
}

// signed makes a count that fits INFORMATION.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func atBeginning(left uint64) *sense {
	return (&sense{ascq: 0x04, eom: true}).information(signed(left))
}

func filemarkMet(left uint64) *sense {
	return (&sense{ascq: 0x01, fm: true}).information(signed(left))
}

// spaceBlocks goes forward over n blocks and stops behind a filemark.
func (t *task) spaceBlocks(n uint64) (uint64, *sense) {
	c, at := t.d.cart, t.s.position
	if i := c.marksBefore(at); i < uint64(len(c.marks)) && c.marks[i]-at < n {
		return c.marks[i] + 1, filemarkMet(n - (c.marks[i] - at))
	}
	if left := c.count() - at; left < n {
		return c.count(), t.endOfData(n - left)
	}
	return at + n, nil
}

// spaceBlocksBack goes back over n blocks and stops before a filemark.
func (t *task) spaceBlocksBack(n uint64) (uint64, *sense) {
	c, at := t.d.cart, t.s.position
	if i := c.marksBefore(at); i > 0 && at-c.marks[i-1]-1 < n {
		return c.marks[i-1], filemarkMet(n - (at - c.marks[i-1] - 1))
	}
	if at < n {
		return 0, atBeginning(n - at)
	}
	return at - n, nil
}

// spaceMarks goes forward behind the n-th filemark.
func (t *task) spaceMarks(n uint64) (uint64, *sense) {
	c := t.d.cart
	i := c.marksBefore(t.s.position)
	if left := uint64(len(c.marks)) - i; left < n {
		return c.count(), t.endOfData(n - left)
	}
	return c.marks[i+n-1] + 1, nil
}

// spaceMarksBack goes back to the beginning-side of the n-th filemark.
func (t *task) spaceMarksBack(n uint64) (uint64, *sense) {
	c := t.d.cart
	i := c.marksBefore(t.s.position)
	if t.d.config.Quirks.SpaceCountsFilemarks {
		// tgt counts a mark that it stands directly before, and goes one object too far.
		if t.s.position < c.count() && c.objects[t.s.position].kind == objectFilemark {
			i++
		}
		if i < n {
			return 0, check(0x0, 0x00, 0x04)
		}
		return c.marks[i-n] - min(c.marks[i-n], 1), nil
	}
	if i < n {
		return 0, atBeginning(n - i)
	}
	return c.marks[i-n], nil
}

// spaceObjects is what tgt does for blocks: filemarks count as blocks and do not stop it.
func (t *task) spaceObjects(n int64) (uint64, *sense) {
	c, at := t.d.cart, t.s.position
	if n < 0 {
		return at - min(at, uint64(-n)), nil
	}
	if left := c.count() - at; left < uint64(n) {
		return c.count(), t.endOfData(uint64(n) - left)
	}
	return at + uint64(n), nil
}

// readPosition is READ POSITION (SSC-5 7.7).
func (t *task) readPosition() *sense {
	var r drive.ReadPosition
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	extended := r.Form == drive.ExtendedForm
	if !extended && r.Allocation != 0 {
		return badCDB(7, -1)
	}
	unknown := t.d.config.Quirks.PositionUnknown
	if extended && unknown {
		return badCDB(1, 3)
	}
	c, s := t.d.cart, t.s
	_, warning := t.d.capacity()
	// The logical position counts blocks that were accepted and will be lost.
	first, last := s.position+uint64(s.swallowed), s.position
	here := c.bytesBefore(s.position)
	flags := flag(first == 0, 0x80) | flag(here > warning, 0x40) |
		flag(s.pews > 0 && here > warning-int64(s.pews)*1e6, 0x01)
	switch r.Form {
	case drive.LongForm:
		b := make([]byte, 32)
		b[0] = flags
		if unknown {
			b[0] = 0x0C // MPU, LONU
			return t.reply(b, len(b))
		}
		binary.BigEndian.PutUint64(b[8:], first)
		binary.BigEndian.PutUint64(b[16:], c.marksBefore(s.position))
		return t.reply(b, len(b))
	case drive.ExtendedForm:
		b := make([]byte, 32)
		b[0], b[3] = flags, 0x1C
		binary.BigEndian.PutUint32(b[4:], s.swallowed)
		binary.BigEndian.PutUint64(b[8:], first)
		binary.BigEndian.PutUint64(b[16:], last)
		return t.reply(b, int(r.Allocation))
	}
	b := make([]byte, 20)
	switch {
	case unknown:
		b[0] = 0x14 // BYCU, LOLU
	case first > math.MaxUint32:
		b[0] = flags | 0x02 // PERR
	default:
		b[0] = flags
		binary.BigEndian.PutUint32(b[4:], uint32(first))
		binary.BigEndian.PutUint32(b[8:], uint32(last))
		binary.BigEndian.PutUint32(b[12:], s.swallowed)
	}
	return t.reply(b, len(b))
}

// erase is ERASE (6) (SSC-5 6.2): end of data is at the position. Nothing tells a long erase from a short one but the
// time.
func (t *task) erase() *sense {
	var r drive.Erase6
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if s := t.writable(); s != nil {
		return s
	}
	capacity, _ := t.d.capacity()
	left := capacity - t.d.cart.bytesBefore(t.s.position)
	if err := t.cutTape(); err != nil {
		return t.broken(err)
	}
	if s := t.flush(); s != nil {
		return s
	}
	duration := t.d.timing.Filemark
	if rate := t.d.timing.Rate; r.Long && rate > 0 {
		duration += time.Duration(float64(left) * 1e9 / float64(rate))
	}
	t.work(activityErasing, duration, r.Immediate)
	return nil
}

// allowOverwrite is ALLOW OVERWRITE (SSC-5 7.1).
func (t *task) allowOverwrite() *sense {
	var r drive.AllowOverwrite
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	switch {
	case !t.s.appendOnly:
		return illegal(0x20, 0x0C)
	case r.Code > 2:
		return badCDB(2, 3)
	case r.Partition != 0:
		return badCDB(3, -1)
	case r.Code == 1 && r.Object != t.s.position:
		return badCDB(4, -1)
	}
	t.s.overwriteAt = 0
	if r.Code != 0 {
		t.s.overwriteAt = t.s.position + 1
	}
	return nil
}

// wholeTape is what SET CAPACITY and FORMAT MEDIUM have in common: at the beginning only, and all data goes.
func (t *task) wholeTape() *sense {
	if t.s.position != 0 {
		return illegal(0x3B, 0x0C) // POSITION PAST BEGINNING OF MEDIUM
	}
	if s := t.writable(); s != nil {
		return s
	}
	if err := t.cutTape(); err != nil {
		return t.broken(err)
	}
	return t.flush()
}

func (t *task) setCapacity() *sense {
	var r drive.SetCapacity
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if t.d.entry.worm() {
		return check(0x7, 0x30, 0x0C)
	}
	if s := t.wholeTape(); s != nil {
		return s
	}
	m, err := t.d.readMemory()
	if err != nil {
		return check(0x3, 0x11, 0x12) // AUXILIARY MEMORY READ ERROR
	}
	m.Proportion = max(r.Proportion, 1)
	if r.Proportion == math.MaxUint16 {
		m.Proportion = 0
	}
	m.Initialized++
	t.d.storeMemory(m)
	t.work(activityErasing, t.d.timing.Filemark, r.Immediate)
	return nil
}

func (t *task) formatMedium() *sense {
	var r drive.FormatMedium
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.Format != 0 {
		return badCDB(2, 3) // one partition is all there is
	}
	if r.ParameterLength != 0 {
		return illegal(0x1A, 0x00)
	}
	if s := t.wholeTape(); s != nil {
		return s
	}
	m, err := t.d.readMemory()
	if err != nil {
		return check(0x3, 0x11, 0x12)
	}
	m.Initialized++
	t.d.storeMemory(m)
	t.work(activityErasing, t.d.timing.Load, r.Immediate)
	return nil
}
