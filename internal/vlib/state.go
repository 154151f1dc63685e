package vlib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// castagnoli is the polynomial of all checksums in the folder; the processor computes it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	stateSize     = 2048
	stateMagic    = "TCTLDEV1"
	maxAttentions = 16
	maxNexuses    = 32
)

// attention is a unit attention condition that was established for every nexus but one.
type attention struct {
	asc, ascq byte
	except    uint64
}

// registration is a reservation key of a nexus.
type registration struct{ nexus, key uint64 }

// The states of a drive's cartridge.
const (
	loadNone    byte = iota // no cartridge
	loadEjected             // in the drive's mouth: the arm can take it, LOAD can pull it in
	loadHeld                // seated but not threaded: the cartridge memory is accessible
	loadPending             // inserted, waits for a LOAD command (quirk LoadCommandNeeded)
	loadRunning             // being threaded until readyAt
	loadReady               // threaded
)

// The activities of log page 11h (SSC-5 8.4.3.1).
const (
	activityNone      byte = 0x00
	activityCleaning  byte = 0x01
	activityLoading   byte = 0x02
	activityUnloading byte = 0x03
	activityReading   byte = 0x05
	activityWriting   byte = 0x06
	activityLocating  byte = 0x07
	activityRewinding byte = 0x08
	activityErasing   byte = 0x09
)

// state is what a device remembers between commands. It is read before and written after each command under the
// device's lock, in one piece, so that any process sees it and a killed one leaves the old or the new one.
type state struct {
	configGen, faultGen uint32

	attentionSeq uint64                   // how many were ever established
	attentions   [maxAttentions]attention // the last ones, by sequence number modulo maxAttentions
	prevent      []uint64                 // nexuses that prevent removal
	reservedBy   uint64                   // RESERVE (6)
	prGeneration uint32
	prType       byte // persistent reservation, 0 for none
	prHolder     uint64
	registered   []registration

	busyUntil int64 // the mechanism works until then, in nanoseconds of Unix time
	busyFrom  int64
	immediate bool // what works was started with IMMED
	activity  byte
	doorOpen  bool

	alerts     uint64    // TapeAlert flags, flag n is bit n-1
	alertCount [64]uint8 // how often each was raised, modulo 256

	// A deferred error: so many more blocks are swallowed, swallowed were, then the sense is reported.
	deferred                            bool
	deferredKey, deferredASC, deferASCQ byte
	toSwallow, swallowed                uint32

	// The rest is of drives only.
	cartridge     uint32 // number, 0 for none
	load          byte
	wrote         bool // written to since the load
	writing       bool // blocks may be in the buffer
	read          bool
	position      uint64 // number of the next object
	mediumGen     uint64 // counts changes of the cartridge's objects, so that processes know when their index is old
	memoryGen     uint64 // counts changes of memory.json
	synced        uint64 // objects that are safe from a power loss
	readyAt       int64
	caughtUp      int64 // when the tape has caught up with the host, see Timing.throttle
	blockLength   uint32
	bufferedMode  byte
	compression   bool
	appendOnly    bool
	softProtect   bool
	pews          uint16
	slowReady     uint32
	absentFirst   uint32
	loadedBy      uint64 // the nexus whose LOAD it was, 0 for a move
	overwriteAt   uint64 // ALLOW OVERWRITE at this object, plus 1
	cleanedAt     int64
	loadWritten   uint64 // bytes since the load
	loadRead      uint64
	lifeWritten   uint64
	lifeRead      uint64
	blocksWritten uint64
	blocksRead    uint64
	loads         uint64
	cleanings     uint64
	writeErrors   uint64
	readErrors    uint64
	motion        uint64 // nanoseconds of tape motion
	powerOn       int64
}

// resetModes sets what a power cycle sets: mode parameters, PREVENT, reservations.
func (s *state) resetModes() {
	s.prevent, s.reservedBy = nil, 0
	s.blockLength, s.bufferedMode, s.compression = 0, 1, true
	s.appendOnly, s.softProtect, s.pews, s.overwriteAt = false, false, 0, 0
	s.deferred, s.toSwallow, s.swallowed = false, 0, 0
}

// attend establishes a unit attention for every nexus except one (0: for all).
func (s *state) attend(asc, ascq byte, except uint64) {
	s.attentions[s.attentionSeq%maxAttentions] = attention{asc, ascq, except}
	s.attentionSeq++
}

// raise raises a TapeAlert flag, 1 to 64.
func (s *state) raise(n int) {
	if n >= 1 && n <= 64 {
		s.alerts |= 1 << (n - 1)
		s.alertCount[n-1]++
	}
}

// registeredKey returns the index of a nexus in registered, or -1.
func (s *state) registeredKey(nexus uint64) int {
	return slices.IndexFunc(s.registered, func(r registration) bool { return r.nexus == nexus })
}

// fields walks over the fields of state in one order, to put or to get them. The offsets are its own affair, since no
// other program reads the file.
type fields struct {
	b   []byte
	at  int
	put bool
}

func (f *fields) u8(p *byte) {
	if f.put {
		f.b[f.at] = *p
	} else {
		*p = f.b[f.at]
	}
	f.at++
}

func (f *fields) bool(p *bool) {
	v := flag(*p, 1)
	f.u8(&v)
	*p = v != 0
}

func (f *fields) u16(p *uint16) {
	if f.put {
		binary.LittleEndian.PutUint16(f.b[f.at:], *p)
	} else {
		*p = binary.LittleEndian.Uint16(f.b[f.at:])
	}
	f.at += 2
}

func (f *fields) u32(p *uint32) {
	if f.put {
		binary.LittleEndian.PutUint32(f.b[f.at:], *p)
	} else {
		*p = binary.LittleEndian.Uint32(f.b[f.at:])
	}
	f.at += 4
}

func (f *fields) u64(p *uint64) {
	if f.put {
		binary.LittleEndian.PutUint64(f.b[f.at:], *p)
	} else {
		*p = binary.LittleEndian.Uint64(f.b[f.at:])
	}
	f.at += 8
}

func (f *fields) i64(p *int64) {
	v := uint64(*p)
	f.u64(&v)
	*p = int64(v)
}

// walk passes every field of s through f.
func (s *state) walk(f *fields) {
	f.u32(&s.configGen)
	f.u32(&s.faultGen)
	f.u64(&s.attentionSeq)
	for i := range s.attentions {
		a := &s.attentions[i]
		f.u8(&a.asc)
		f.u8(&a.ascq)
		f.u64(&a.except)
	}
	s.walkNexuses(f)
	f.i64(&s.busyUntil)
	f.i64(&s.busyFrom)
	f.bool(&s.immediate)
	f.u8(&s.activity)
	f.bool(&s.doorOpen)
	f.u64(&s.alerts)
	for i := range s.alertCount {
		f.u8(&s.alertCount[i])
	}
	f.bool(&s.deferred)
	f.u8(&s.deferredKey)
	f.u8(&s.deferredASC)
	f.u8(&s.deferASCQ)
	f.u32(&s.toSwallow)
	f.u32(&s.swallowed)
	s.walkDrive(f)
}

func (s *state) walkNexuses(f *fields) {
	prevent, registered := uint16(len(s.prevent)), uint16(len(s.registered))
	f.u16(&prevent)
	f.u16(&registered)
	if !f.put {
		s.prevent = make([]uint64, min(prevent, maxNexuses))
		s.registered = make([]registration, min(registered, maxNexuses))
	}
	for i := range s.prevent {
		f.u64(&s.prevent[i])
	}
	for i := range s.registered {
		f.u64(&s.registered[i].nexus)
		f.u64(&s.registered[i].key)
	}
	f.u64(&s.reservedBy)
	f.u32(&s.prGeneration)
	f.u8(&s.prType)
	f.u64(&s.prHolder)
}

func (s *state) walkDrive(f *fields) {
	f.u32(&s.cartridge)
	f.u8(&s.load)
	for _, p := range []*bool{&s.wrote, &s.writing, &s.read, &s.compression, &s.appendOnly, &s.softProtect} {
		f.bool(p)
	}
	for _, p := range []*uint64{&s.position, &s.mediumGen, &s.memoryGen, &s.synced} {
		f.u64(p)
	}
	f.i64(&s.readyAt)
	f.i64(&s.caughtUp)
	f.u32(&s.blockLength)
	f.u8(&s.bufferedMode)
	f.u16(&s.pews)
	f.u32(&s.slowReady)
	f.u32(&s.absentFirst)
	f.u64(&s.overwriteAt)
	f.u64(&s.loadedBy)
	f.i64(&s.cleanedAt)
	for _, p := range []*uint64{&s.loadWritten, &s.loadRead, &s.lifeWritten, &s.lifeRead, &s.blocksWritten, &s.blocksRead,
		&s.loads, &s.cleanings, &s.writeErrors, &s.readErrors, &s.motion} {
		f.u64(p)
	}
	f.i64(&s.powerOn)
}

// encode writes the state into b, which has stateSize bytes.
func (s *state) encode(b []byte) {
	copy(b, stateMagic)
	s.walk(&fields{b: b[12:], put: true})
	binary.LittleEndian.PutUint32(b[8:12], crc32.Checksum(b[12:], castagnoli))
}

var errDamaged = errors.New("the file is damaged")

func (s *state) decode(b []byte) error {
	if len(b) < stateSize || !bytes.Equal(b[:8], []byte(stateMagic)) ||
		binary.LittleEndian.Uint32(b[8:12]) != crc32.Checksum(b[12:stateSize], castagnoli) {
		return errDamaged
	}
	s.walk(&fields{b: b[12:stateSize]})
	return nil
}

// stateFile is the file that holds a state, and its last known content.
type stateFile struct {
	file *os.File
	raw  [stateSize]byte // what the file holds
	next [stateSize]byte // scratch
}

// read loads the state; nothing is decoded when the file has not changed.
func (f *stateFile) read(s *state) error {
	n, err := f.file.ReadAt(f.next[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n == stateSize && f.raw == f.next && f.raw[0] != 0 {
		return nil
	}
	if err := s.decode(f.next[:n]); err != nil {
		f.raw[0] = 0
		return fmt.Errorf("read %s: %w", f.file.Name(), err)
	}
	f.raw = f.next
	return nil
}

// write stores the state if it changed.
func (f *stateFile) write(s *state) error {
	clear(f.next[:])
	s.encode(f.next[:])
	if f.next == f.raw {
		return nil
	}
	if _, err := f.file.WriteAt(f.next[:], 0); err != nil {
		f.raw[0] = 0
		return err
	}
	f.raw = f.next
	return nil
}
