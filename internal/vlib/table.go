package vlib

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// The table of cartridges: a header and one record for each cartridge that ever was, in the order of their numbers,
// which start at 1. Where a cartridge is stands in its record alone, so that a move is one write and a cartridge is
// never in two places or in none.
const (
	tableHeader = 64
	tableRecord = 128
	tableMagic  = "TCTLTAB1"
	maxTapes    = 1 << 17 // those on the shelf included
)

const shelf = 0 // the element address of a cartridge outside of the library

// entry is a record of the table.
type entry struct {
	barcode        string
	media          string
	element        uint16
	source         uint16 // last storage element
	sourceValid    bool
	imported       bool // an operator put it into its import/export element
	writeProtected bool
	uses           uint32
	capacity       int64
	earlyWarning   int64
}

func (e *entry) encode() []byte {
	b := make([]byte, tableRecord)
	b[4] = 1 | flag(e.writeProtected, 2) | flag(e.sourceValid, 4) | flag(e.imported, 8)
	copy(b[6:8], e.media)
	binary.LittleEndian.PutUint16(b[8:], e.element)
	binary.LittleEndian.PutUint16(b[10:], e.source)
	binary.LittleEndian.PutUint32(b[12:], e.uses)
	binary.LittleEndian.PutUint64(b[16:], uint64(e.capacity))
	binary.LittleEndian.PutUint64(b[24:], uint64(e.earlyWarning))
	copy(b[32:64], e.barcode)
	binary.LittleEndian.PutUint32(b[0:], crc32.Checksum(b[4:], castagnoli))
	return b
}

func (e *entry) decode(b []byte) error {
	if binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:tableRecord], castagnoli) || b[4]&1 == 0 {
		return errDamaged
	}
	*e = entry{
		barcode: string(bytes.TrimRight(b[32:64], "\x00")), media: string(bytes.TrimRight(b[6:8], "\x00")),
		element: binary.LittleEndian.Uint16(b[8:]), source: binary.LittleEndian.Uint16(b[10:]),
		sourceValid: b[4]&4 != 0, imported: b[4]&8 != 0, writeProtected: b[4]&2 != 0,
		uses: binary.LittleEndian.Uint32(b[12:]), capacity: int64(binary.LittleEndian.Uint64(b[16:])),
		earlyWarning: int64(binary.LittleEndian.Uint64(b[24:])),
	}
	if _, ok := mediumWithSuffix(e.media); !ok || e.capacity < 0 || e.earlyWarning < 0 {
		return errDamaged
	}
	return nil
}

// medium is what kind of cartridge it is. The suffix was checked.
func (e *entry) medium() medium {
	m, _ := mediumWithSuffix(e.media)
	return m
}

func (e *entry) worm() bool { return isWORM(e.media) }

// table is the table of cartridges with a copy in memory. Writers hold the changer's lock, and a drive's for a
// cartridge in that drive; readers need none.
type table struct {
	file *os.File

	mu        sync.Mutex
	seq       uint64 // of the file when it was read; odd while a writer is at work
	loaded    bool
	entries   []entry
	byElement map[uint16]uint32 // element address to cartridge number
}

// createTable writes a new table file.
func createTable(path string, entries []entry) error {
	b := make([]byte, tableHeader, tableHeader+tableRecord*len(entries))
	copy(b, tableMagic)
	for i := range entries {
		b = append(b, entries[i].encode()...)
	}
	return os.WriteFile(path, b, 0o666)
}

// sequence reads the counter of changes.
func (t *table) sequence() (uint64, error) {
	var b [24]byte
	if _, err := t.file.ReadAt(b[:], 0); err != nil || string(b[:8]) != tableMagic {
		return 0, fmt.Errorf("read %s: %w", t.file.Name(), errDamaged)
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

func (t *table) setSequence(n uint64) error {
	_, err := t.file.WriteAt(binary.LittleEndian.AppendUint64(nil, n), 16)
	return err
}

// refresh brings the copy up to date. While a writer is at work in another process, or after one was killed, the
// sequence is odd and the copy is not kept. t.mu is held.
func (t *table) refresh() error {
	seq, err := t.sequence()
	if err != nil {
		return err
	}
	if t.loaded && seq == t.seq && seq%2 == 0 {
		return nil
	}
	t.loaded = false
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	n := (info.Size() - tableHeader) / tableRecord
	if n < 0 || n > maxTapes {
		return fmt.Errorf("read %s: %w", t.file.Name(), errDamaged)
	}
	b := make([]byte, n*tableRecord)
	if _, err := io.ReadFull(io.NewSectionReader(t.file, tableHeader, int64(len(b))), b); err != nil {
		return fmt.Errorf("read %s: %w", t.file.Name(), err)
	}
	t.entries = make([]entry, n)
	t.byElement = make(map[uint16]uint32, n)
	for i := range t.entries {
		e := &t.entries[i]
		if err := e.decode(b[i*tableRecord:]); err != nil {
			return fmt.Errorf("read record %d of %s: %w", i+1, t.file.Name(), err)
		}
		if e.element != shelf {
			t.byElement[e.element] = uint32(i + 1)
		}
	}
	t.seq, t.loaded = seq, true
	return nil
}

// at returns the number of the cartridge in an element and its entry; 0 when there is none.
func (t *table) at(element uint16) (uint32, entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return 0, entry{}, err
	}
	id := t.byElement[element]
	if id == 0 {
		return 0, entry{}, nil
	}
	return id, t.entries[id-1], nil
}

// get returns the entry of a cartridge.
func (t *table) get(id uint32) (entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return entry{}, err
	}
	if id == 0 || int(id) > len(t.entries) {
		return entry{}, fmt.Errorf("cartridge %d is not in %s", id, t.file.Name())
	}
	return t.entries[id-1], nil
}

// view calls f with all entries (cartridge n is entries[n-1]) and the cartridges by element. f must not keep them.
func (t *table) view(f func(entries []entry, byElement map[uint16]uint32)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return err
	}
	f(t.entries, t.byElement)
	return nil
}

// set replaces the entry of a cartridge, or adds one when id is one above the last. The changer's lock is held.
func (t *table) set(id uint32, e entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return err
	}
	if id == 0 || int(id) > len(t.entries)+1 || int(id) > maxTapes {
		return fmt.Errorf("write cartridge %d to %s: no such number", id, t.file.Name())
	}
	odd := t.seq | 1
	t.loaded = false
	if err := t.setSequence(odd); err != nil {
		return err
	}
	if _, err := t.file.WriteAt(e.encode(), tableHeader+int64(id-1)*tableRecord); err != nil {
		return err
	}
	if err := t.setSequence(odd + 1); err != nil {
		return err
	}
	if int(id) > len(t.entries) {
		t.entries = append(t.entries, entry{})
	}
	old := t.entries[id-1]
	if t.byElement[old.element] == id {
		delete(t.byElement, old.element)
	}
	t.entries[id-1] = e
	if e.element != shelf {
		t.byElement[e.element] = id
	}
	t.seq, t.loaded = odd+1, true
	return nil
}
