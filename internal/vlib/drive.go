package vlib

import (
	"math/bits"
	"time"

	"tapectl/internal/drive"
)

// reconcile looks which cartridge is in the drive now: a move, in this process or another, may have changed it. The
// drive's gate is held.
func (d *device) reconcile(now int64) error {
	if d.number < 0 {
		return nil
	}
	id, e, err := d.lib.table.at(d.element)
	if err != nil {
		return err
	}
	d.entry = e
	if id == d.state.cartridge {
		return nil
	}
	if d.state.cartridge != 0 {
		d.endLoad()
	}
	s := &d.state
	s.cartridge, s.load, s.position = id, loadNone, 0
	s.deferred, s.toSwallow, s.swallowed, s.overwriteAt = false, 0, 0, 0
	s.writing, s.synced = false, 0
	s.mediumGen++
	if id != 0 {
		d.insert(now)
	}
	return nil
}

// insert begins the load of a cartridge that the arm put into the drive.
func (d *device) insert(now int64) {
	s, q := &d.state, &d.config.Quirks
	s.load, s.loadedBy = loadRunning, 0
	s.readyAt = now + int64(d.timing.Load)
	s.slowReady, s.absentFirst = uint32(q.SlowReady), uint32(q.AbsentAtFirst)
	switch {
	case d.entry.medium().cleaning:
		// The drive is seen cleaning at least once, however little time it takes.
		s.slowReady = max(s.slowReady, 2)
		s.readyAt = now + int64(d.timing.Clean)
	case q.LoadCommandNeeded:
		s.load = loadPending
	}
}

// settle ends a load whose time has come. force does so also when the drive still owes not-ready answers to its hosts.
func (d *device) settle(now int64, force bool) {
	s := &d.state
	if d.number < 0 || s.load != loadRunning || now < s.readyAt || !force && (s.slowReady > 0 || s.absentFirst > 0) {
		return
	}
	s.slowReady, s.absentFirst = 0, 0
	if d.entry.medium().cleaning {
		d.clean(now)
		return
	}
	s.load, s.position = loadReady, 0
	d.startLoad()
	if !d.config.Quirks.NoMediumAttention {
		s.attend(0x28, 0x00, s.loadedBy)
	}
}

func (t *task) settle() { t.d.settle(t.now, false) }

// clean uses a cleaning cartridge, which the drive then ejects. An expired one stays where it is until it is unloaded.
func (d *device) clean(now int64) {
	s := &d.state
	m, err := d.readMemory()
	if err != nil {
		s.raise(0x0F)
	}
	left := d.entry.uses
	if m.UsesLeft > 0 {
		left = m.UsesLeft - 1
	}
	if left == 0 {
		s.load = loadReady
		s.raise(0x16)
		return
	}
	m.UsesLeft = left // one less, plus 1
	m.Loads++
	d.storeMemory(m)
	s.load = loadEjected
	s.cleanings++
	s.cleanedAt = now
	s.alerts &^= 1<<(0x14-1) | 1<<(0x15-1)
	s.attend(0x28, 0x00, 0)
}

// startLoad notes the load in the cartridge's memory.
func (d *device) startLoad() {
	s := &d.state
	s.loads++
	s.wrote, s.writing, s.read, s.loadWritten, s.loadRead = false, false, false, 0, 0
	s.caughtUp = 0
	if d.gen.accessTo(d.entry.medium()) == noAccess {
		s.raise(0x0C)
		return
	}
	c, err := d.cartridge()
	if err != nil {
		s.raise(0x12) // the tape directory is damaged; commands say why
		return
	}
	s.synced = c.count()
	m, err := d.readMemory()
	if err != nil {
		s.raise(0x0F)
		return
	}
	m.Loads++
	m.Drives = append([]string{"TAPECTL " + d.serial}, m.Drives...)
	m.Drives = m.Drives[:min(len(m.Drives), 4)]
	if m.Initialized == 0 {
		m.Initialized = 1
	}
	d.storeMemory(m)
}

// endLoad adds what happened since the load to the cartridge's memory.
func (d *device) endLoad() {
	s := &d.state
	e := d.entryOf(s.cartridge)
	if s.load != loadReady || e.medium().cleaning {
		return
	}
	if m, err := d.readMemory(); err == nil {
		m.Written, m.Read = m.Written+s.loadWritten, m.Read+s.loadRead
		m.LastWritten, m.LastRead = s.loadWritten, s.loadRead
		if s.wrote {
			m.Changes++
		}
		d.storeMemory(m)
	}
	s.wrote, s.loadWritten, s.loadRead = false, 0, 0
}

// entryOf is the entry of a cartridge wherever it is now.
func (d *device) entryOf(id uint32) entry {
	e, err := d.lib.table.get(id)
	if err != nil {
		return d.entry
	}
	return e
}

// readMemory is the memory of the cartridge in the drive.
func (d *device) readMemory() (memory, error) {
	s := &d.state
	if d.memoryOf == s.cartridge && d.memoryGen == s.memoryGen {
		return d.memory, nil
	}
	d.memoryOf = 0
	m, err := readMemory(cartridgeDir(d.lib.folder, s.cartridge))
	if err != nil {
		return m, err
	}
	d.memory, d.memoryOf, d.memoryGen = m, s.cartridge, s.memoryGen
	return m, nil
}

// storeMemory writes the memory of the cartridge in the drive; a failure raises the flag that hosts know it by.
func (d *device) storeMemory(m memory) {
	s := &d.state
	s.memoryGen++
	d.memoryOf = 0
	if err := writeMemory(cartridgeDir(d.lib.folder, s.cartridge), m); err != nil {
		s.raise(0x0F)
		return
	}
	d.memory, d.memoryOf, d.memoryGen = m, s.cartridge, s.memoryGen
}

// cartridge opens the cartridge in the drive, with its index up to date.
func (d *device) cartridge() (*cartridge, error) {
	if d.cart != nil && d.cart.id != d.state.cartridge {
		d.cart.close()
		d.cart = nil
	}
	if d.cart == nil {
		c, err := openCartridge(d.lib.folder, d.state.cartridge)
		if err != nil {
			return nil, err
		}
		c.gen = d.state.mediumGen
		d.cart = c
	}
	return d.cart, d.cart.current(d.state.mediumGen)
}

// unready tells why the medium cannot be used, or nil.
func (t *task) unready() *sense {
	s := t.s
	if t.d.number < 0 {
		if s.doorOpen {
			return notReady(0x04, 0x18)
		}
		return nil
	}
	cleaning := t.d.entry.medium().cleaning
	switch s.load {
	case loadNone, loadEjected:
		return notReady(0x3A, 0x00)
	case loadHeld:
		return notReady(0x3A, 0x04)
	case loadPending:
		return notReady(0x04, 0x02)
	case loadRunning:
		return t.loading(cleaning)
	}
	if cleaning {
		return notReady(0x30, 0x13)
	}
	if t.d.gen.accessTo(t.d.entry.medium()) == noAccess {
		return check(0x3, 0x30, 0x00)
	}
	return nil
}

// loading is the answer while the tape is being threaded. Each counts as one of those that the quirks demand.
func (t *task) loading(cleaning bool) *sense {
	s := t.s
	if s.absentFirst > 0 {
		s.absentFirst--
		return notReady(0x3A, 0x00)
	}
	if s.slowReady > 0 && t.now >= s.readyAt {
		s.slowReady--
	}
	if cleaning {
		return notReady(0x30, 0x03)
	}
	n := notReady(0x04, 0x01)
	if total := int64(t.d.timing.Load); total > 0 {
		n.progress(1 - float64(s.readyAt-t.now)/float64(total))
	}
	return n
}

// ready holds a command that needs the medium back until it can be used.
func (t *task) ready(cmd *command) *sense {
	if cmd.traits&loaded == 0 {
		return nil
	}
	if s := t.unready(); s != nil {
		return s
	}
	if done, working := t.working(); working {
		return notReady(0x04, 0x07).progress(done)
	}
	if t.d.number >= 0 {
		if _, err := t.d.cartridge(); err != nil {
			return t.unreadable(err)
		}
	}
	return nil
}

// unreadable is a cartridge whose files cannot be used: the medium is defective, and the operator finds the reason in
// the files.
func (t *task) unreadable(error) *sense {
	t.s.raise(0x04)
	return check(0x3, 0x31, 0x00) // MEDIUM FORMAT CORRUPTED
}

// loadUnload is LOAD UNLOAD (SSC-5 7.3).
func (t *task) loadUnload() *sense {
	var r drive.LoadUnload
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.EndOfTape && r.Load {
		return badCDB(4, 2)
	}
	if r.Load {
		return t.loadMedium(r)
	}
	if t.d.config.Quirks.UnloadDoesNothing {
		return nil
	}
	switch t.s.load {
	case loadNone:
		return notReady(0x3A, 0x00)
	case loadEjected:
		return nil
	}
	if t.d.prevented() {
		return illegal(0x53, 0x02)
	}
	return t.unload(r.Immediate, r.Hold)
}

// unload rewinds, unthreads and ejects the tape; with hold it stays seated.
func (t *task) unload(immediate, hold bool) *sense {
	d := t.d
	duration := d.timing.Unload
	if t.s.load == loadReady && !d.entry.medium().cleaning {
		if c, err := d.cartridge(); err == nil {
			if s := t.flush(); s != nil {
				return s
			}
			duration += d.timing.travel(d.timing.Rewind, c.bytesBefore(t.s.position))
		}
	}
	d.endLoad()
	t.s.load, t.s.position = loadEjected, 0
	if hold {
		t.s.load = loadHeld
	}
	t.work(activityUnloading, duration, immediate)
	return nil
}

// loadMedium loads what is in the drive's mouth.
func (t *task) loadMedium(r drive.LoadUnload) *sense {
	s := t.s
	switch {
	case s.load == loadNone:
		return notReady(0x3A, 0x00)
	case s.load == loadReady && !r.Hold:
		if u := t.unready(); u != nil {
			return u
		}
		if u := t.flush(); u != nil {
			return u
		}
		s.position = 0
		return nil
	case s.load == loadReady:
		return t.unload(r.Immediate, true)
	case r.Hold:
		s.load = loadHeld
		t.work(activityLoading, t.d.timing.Load/4, r.Immediate)
		return nil
	}
	if s.load != loadRunning {
		s.load, s.readyAt = loadRunning, t.now+int64(t.d.timing.Load)
		s.slowReady, s.absentFirst = 0, 0
	}
	s.loadedBy = t.n.id
	if !r.Immediate {
		t.wait += time.Duration(max(0, s.readyAt-t.now))
		t.d.settle(max(t.now, s.readyAt), true)
		if t.d.entry.medium().cleaning {
			return nil
		}
		return t.unready()
	}
	t.d.settle(t.now, true)
	return nil
}

// touches tells whether a command works on the logical object.
func (t *task) touches(object uint64) bool {
	s := t.s
	if t.d.number < 0 || s.load != loadReady || len(t.cdb) < 6 {
		return false
	}
	length := uint64(t.cdb[2])<<16 | uint64(t.cdb[3])<<8 | uint64(t.cdb[4])
	from := s.position
	var to uint64
	switch t.cdb[0] {
	case 0x08, 0x0A:
		to = from + 1
		if t.cdb[1]&1 != 0 {
			to = from + length
		}
	case 0x10:
		to = from + length
	case 0x11, 0x91, 0x2B, 0x92:
		if t.d.cart == nil {
			return false
		}
		target, ok := t.target()
		if !ok {
			return false
		}
		from, to = min(from, target), max(from, target)+1
	default:
		return false
	}
	return object >= from && object < to
}

// concerns tells whether the command is about the cartridge with the barcode.
func (t *task) concerns(barcode string) bool {
	if t.d.number >= 0 {
		return t.s.cartridge != 0 && t.d.entry.barcode == barcode
	}
	if len(t.cdb) < 6 || t.cdb[0] != 0xA5 && t.cdb[0] != 0xA6 {
		return false
	}
	id, e, err := t.d.lib.table.at(uint16(t.cdb[4])<<8 | uint16(t.cdb[5]))
	return err == nil && id != 0 && e.barcode == barcode
}

// activeAlerts are the TapeAlert flags with flag 1 in the most significant bit, as the log pages and MAM show them.
func (s *state) activeAlerts() uint64 { return bits.Reverse64(s.alerts) }

// power switches the device off and on: see Library.PowerLoss.
func (d *device) power(now int64) error {
	s := &d.state
	s.resetModes()
	s.registered, s.prType, s.prHolder = nil, 0, 0
	s.busyUntil, s.activity, s.alerts = 0, activityNone, 0
	s.powerOn = now
	if d.number >= 0 && s.load == loadReady {
		c, err := d.cartridge()
		if err == nil && d.config.WriteBack && s.synced < c.count() {
			s.mediumGen++
			c.gen = s.mediumGen
			err = c.truncate(s.synced)
		}
		if err != nil {
			return err
		}
		s.position, s.writing, s.caughtUp = 0, false, 0
	}
	s.attend(0x29, 0x01, 0)
	return nil
}
