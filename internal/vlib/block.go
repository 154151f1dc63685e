package vlib

import (
	"encoding/binary"
	"errors"
	"time"

	"tapectl/internal/drive"
)

// maxBlock is the largest block that READ (6) and WRITE (6) can carry (SSC-5 7.4).
const maxBlock = 0xFFFFFF

// capacity is how many bytes the loaded cartridge holds, and where early warning begins.
func (d *device) capacity() (capacity, warning int64) {
	capacity = d.entry.capacity
	if d.state.cartridge != 0 {
		if m, err := d.readMemory(); err == nil && m.Proportion != 0 {
			capacity = int64(float64(capacity) * float64(m.Proportion) / 0xFFFF)
		}
	}
	zone := d.entry.earlyWarning
	if zone == 0 {
		zone = min(capacity/8, 64<<20)
	}
	return capacity, max(0, capacity-zone)
}

// transfer accounts n bytes between host and tape.
func (t *task) transfer(n int) {
	caughtUp, wait := t.d.timing.throttle(t.s.caughtUp, t.now, n)
	if t.d.timing.Rate > 0 {
		t.s.caughtUp = caughtUp
	}
	// A wait too short for the timer is made up for later.
	if wait >= 1e6 {
		t.wait += wait
	}
}

// flush writes the buffer to the medium.
func (t *task) flush() *sense {
	if !t.s.writing {
		return nil
	}
	c := t.d.cart
	if t.d.config.Sync {
		if err := c.sync(); err != nil {
			return t.broken(err)
		}
	}
	t.s.writing, t.s.synced = false, c.count()
	t.waitForTape()
	return nil
}

// waitForTape waits until the tape has caught up with what the host sent.
func (t *task) waitForTape() {
	if ahead := t.s.caughtUp - t.now; ahead > 0 {
		t.wait += time.Duration(ahead)
	}
}

func (t *task) readBlockLimits() *sense {
	var r drive.ReadBlockLimits
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.MaximumLogicalObjectIdentifier {
		b := make([]byte, 20)
		binary.BigEndian.PutUint64(b[12:], maxObjects+maxFilemarks)
		return t.reply(b, len(b))
	}
	return t.reply([]byte{0, maxBlock >> 16, maxBlock >> 8 & 0xFF, maxBlock & 0xFF, 0, 1}, 6)
}

// read6 is READ (6) (SSC-5 6.5).
func (t *task) read6() *sense {
	var r drive.Read6
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.Fixed && r.SILI {
		return badCDB(1, 1)
	}
	if r.Fixed && t.s.blockLength == 0 {
		return badCDB(1, 0)
	}
	if r.Length == 0 {
		return nil
	}
	if s := t.flush(); s != nil {
		return s
	}
	t.s.overwriteAt = 0
	if r.Fixed {
		return t.readFixed(int(r.Length))
	}
	return t.readVariable(int(r.Length), r.SILI)
}

// atMark handles the two places where there is no block to read: a filemark, which is passed, and end of data. left is
// what is missing, in bytes or blocks.
func (t *task) atMark(left int64) *sense {
	c, s := t.d.cart, t.s
	if s.position >= c.count() {
		if t.d.config.Quirks.PlainEndOfData {
			return &sense{key: 0x8, eom: true}
		}
		return check(0x8, 0x00, 0x05).information(left)
	}
	if c.objects[s.position].kind == objectFilemark {
		s.position++
		return (&sense{ascq: 0x01, fm: true}).information(left)
	}
	return nil
}

// readVariable reads one block of up to length bytes.
func (t *task) readVariable(length int, sili bool) *sense {
	if s := t.atMark(int64(length)); s != nil {
		return s
	}
	actual := int(t.d.cart.objects[t.s.position].length)
	var buffer []byte
	if n := min(length, actual); len(t.c.Data) >= n {
		buffer = t.c.Data[:n]
	} else {
		buffer = t.c.Data
	}
	if s := t.readObject(buffer, int64(length)); s != nil {
		return s
	}
	t.moved = min(length, actual)
	difference := int64(length) - int64(actual)
	if difference > 0 && t.d.config.Quirks.ShortReadsLoseData {
		t.moved = int(difference)
		clear(t.c.Data[min(actual, len(t.c.Data)):min(max(t.moved, actual), len(t.c.Data))])
	}
	switch {
	case difference == 0,
		sili && difference > 0 && !t.d.config.Quirks.ShortReadsLoseData,
		sili && difference < 0 && t.s.blockLength == 0:
		return nil
	}
	return (&sense{ili: true}).information(difference)
}

// readObject reads the block at the position into buffer, or as much of it as fits, and passes it. A block that cannot
// be read is passed too, as the drives do that give up on it.
func (t *task) readObject(buffer []byte, left int64) *sense {
	c, s := t.d.cart, t.s
	n := int(c.objects[s.position].length)
	err := c.read(s.position, buffer)
	s.position++
	if errors.Is(err, errRotten) {
		clear(buffer)
		s.readErrors++
		s.raise(0x05)
		return check(0x3, 0x11, 0x00).information(left)
	}
	if err != nil {
		return t.broken(err)
	}
	s.read = true
	s.blocksRead++
	s.loadRead, s.lifeRead = s.loadRead+uint64(n), s.lifeRead+uint64(n)
	t.transfer(n)
	return nil
}

// readFixed reads up to n blocks of the block length of the mode parameters.
func (t *task) readFixed(n int) *sense {
	size := int(t.s.blockLength)
	for i := range n {
		left := int64(n - i)
		if s := t.atMark(left); s != nil {
			return s
		}
		actual := int(t.d.cart.objects[t.s.position].length)
		rest := t.c.Data[min(t.moved, len(t.c.Data)):]
		if s := t.readObject(rest[:min(size, actual, len(rest))], left); s != nil {
			return s
		}
		t.moved += min(size, actual)
		if actual != size {
			return (&sense{ili: true}).information(left)
		}
	}
	return nil
}

// write6 is WRITE (6) (SSC-5 6.14).
func (t *task) write6() *sense {
	var r drive.Write6
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	count, size := 1, int(r.Length)
	if r.Fixed {
		count, size = int(r.Length), int(t.s.blockLength)
		if size == 0 {
			return badCDB(1, 0)
		}
	}
	if r.Length == 0 {
		return nil
	}
	if int64(count)*int64(size) > 1<<31 {
		return badCDB(2, -1)
	}
	p, s := t.parameters(count * size)
	if s != nil {
		return s
	}
	if s := t.writable(); s != nil {
		t.moved = 0
		return s
	}
	return t.writeBlocks(p, count, size, r.Fixed)
}

// writable tells why nothing may be written at the position, or nil.
func (t *task) writable() *sense {
	d, s := t.d, t.s
	atEnd := s.position >= d.cart.count()
	switch {
	case d.entry.writeProtected:
		s.raise(0x09)
		return check(0x7, 0x27, 0x00)
	case s.softProtect:
		return check(0x7, 0x27, 0x02)
	case d.gen.accessTo(d.entry.medium()) == readOnly:
		s.raise(0x11)
		return check(0x7, 0x30, 0x05)
	case d.entry.worm() && !atEnd:
		s.raise(0x3C)
		return check(0x7, 0x30, 0x0C)
	case s.appendOnly && !atEnd && s.overwriteAt != s.position+1:
		return check(0x7, 0x50, 0x01)
	}
	return nil
}

// writeBlocks writes count blocks of size bytes and reports early warning and the end of the tape.
func (t *task) writeBlocks(p []byte, count, size int, fixed bool) *sense {
	d, s := t.d, t.s
	c := d.cart
	capacity, warning := d.capacity()
	start := c.bytesBefore(s.position)
	for i := range count {
		at := c.bytesBefore(s.position)
		if (at+int64(size) > capacity || s.position >= maxObjects) && !d.config.Quirks.EndIsOnlyAFlag {
			left := int64(count - i)
			if !fixed {
				left = int64(size)
			}
			t.moved = i * size
			return (&sense{key: 0xD, ascq: 0x02, eom: true}).information(left)
		}
		if s.toSwallow > 0 {
			s.toSwallow--
			s.swallowed++
			continue
		}
		if err := t.writeObject(p[i*size : (i+1)*size]); err != nil {
			return t.broken(err)
		}
	}
	return t.nearEnd(start, c.bytesBefore(s.position), capacity, warning)
}

// writeObject writes one block at the position; what was behind it is gone.
func (t *task) writeObject(p []byte) error {
	s, c := t.s, t.d.cart
	if err := t.cutTape(); err != nil {
		return err
	}
	if err := c.write(p); err != nil {
		return err
	}
	s.position++
	s.blocksWritten++
	s.loadWritten, s.lifeWritten = s.loadWritten+uint64(len(p)), s.lifeWritten+uint64(len(p))
	t.transfer(len(p))
	return nil
}

// cutTape makes the position the end of data, before something is written there.
func (t *task) cutTape() error {
	s, c := t.s, t.d.cart
	s.wrote, s.writing, s.overwriteAt = true, true, 0
	if s.position < c.count() || c.torn {
		if err := c.truncate(s.position); err != nil {
			return err
		}
		s.synced = min(s.synced, s.position)
	}
	s.mediumGen++
	c.gen = s.mediumGen
	return nil
}

// nearEnd is the note that goes with a write near the end of the tape. Everything was written.
func (t *task) nearEnd(before, after, capacity, warning int64) *sense {
	q := &t.d.config.Quirks
	if q.EndIsOnlyAFlag {
		if after > capacity {
			return &sense{eom: true}
		}
		return nil
	}
	if after > warning {
		return (&sense{ascq: 0x02, eom: true}).information(0)
	}
	soft := warning - int64(t.s.pews)*1e6
	if t.s.pews > 0 && after > soft && before <= soft {
		return (&sense{ascq: 0x07, eom: true}).information(0)
	}
	return nil
}

// writeFilemarks is WRITE FILEMARKS (6) (SSC-5 6.16); without IMMED, or with count 0, it flushes.
func (t *task) writeFilemarks() *sense {
	var r drive.WriteFilemarks6
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	d, s, c := t.d, t.s, t.d.cart
	if r.Count == 0 {
		return t.flush()
	}
	if w := t.writable(); w != nil {
		return w
	}
	n := int(r.Count)
	if c.marksBefore(s.position)+uint64(n) > maxFilemarks {
		return (&sense{key: 0xD, ascq: 0x02, eom: true}).information(int64(n))
	}
	if err := t.cutTape(); err != nil {
		return t.broken(err)
	}
	if err := c.writeMarks(n); err != nil {
		return t.broken(err)
	}
	s.position += uint64(n)
	if !r.Immediate {
		if f := t.flush(); f != nil {
			return f
		}
		t.work(activityWriting, d.timing.Filemark, false)
	}
	capacity, warning := d.capacity()
	if at := c.bytesBefore(s.position); !d.config.Quirks.EndIsOnlyAFlag {
		return t.nearEnd(at, at, capacity, warning)
	}
	return nil
}
