package vlib

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sort"
)

// A cartridge's files: data holds the blocks one after the other, index a header and one record for each logical
// object. A record is written after its data, so what a killed process leaves is data without a record, which does not
// count.
const (
	indexHeader = 64
	indexRecord = 24
	indexMagic  = "TCTLIDX1"

	objectBlock    = 1
	objectFilemark = 2
	objectLost     = 3 // in memory only: the record is damaged

	// maxObjects and maxFilemarks bound the index where the capacity does not.
	maxObjects   = 1 << 26
	maxFilemarks = 1 << 20
)

// object is a record of the index.
type object struct {
	offset int64
	length uint32
	crc    uint32
	kind   byte
}

// errRotten says that a block's bytes are not those that were written.
var errRotten = errors.New("the checksum of the block is wrong")

// cartridge is an open cartridge. The drive's lock is held by whoever uses it.
type cartridge struct {
	id      uint32
	dir     string
	data    *os.File
	index   *os.File
	salt    uint64 // binds records to this index
	gen     uint64 // state.mediumGen that objects belongs to
	objects []object
	marks   []uint64 // object numbers of the filemarks
	end     int64    // offset behind the last block
	torn    bool     // the files are longer than objects says
	scratch []byte
}

func cartridgeDir(folder string, id uint32) string {
	return filepath.Join(folder, "cartridges", fmt.Sprintf("%05d", id))
}

// openCartridge opens the files of a cartridge and makes them if it was never used.
func openCartridge(folder string, id uint32) (_ *cartridge, err error) {
	c := &cartridge{id: id, dir: cartridgeDir(folder, id)}
	defer func() {
		if err != nil {
			c.close()
			err = fmt.Errorf("open cartridge %05d: %w", id, err)
		}
	}()
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		return nil, err
	}
	if c.data, err = os.OpenFile(filepath.Join(c.dir, "data"), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	if c.index, err = os.OpenFile(filepath.Join(c.dir, "index"), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	return c, c.load()
}

func (c *cartridge) close() {
	if c.data != nil {
		c.data.Close()
	}
	if c.index != nil {
		c.index.Close()
	}
}

// load reads the index: every record is checked, and the torn tail of a killed process or a power cut is left out.
func (c *cartridge) load() error {
	c.objects, c.marks, c.end, c.torn = c.objects[:0], c.marks[:0], 0, false
	indexInfo, err := c.index.Stat()
	if err != nil {
		return err
	}
	dataInfo, err := c.data.Stat()
	if err != nil {
		return err
	}
	if indexInfo.Size() < indexHeader {
		return c.initialize()
	}
	n := (indexInfo.Size() - indexHeader) / indexRecord
	if n > maxObjects+maxFilemarks {
		return fmt.Errorf("the index has %d bytes: %w", indexInfo.Size(), errDamaged)
	}
	b := make([]byte, indexHeader+n*indexRecord)
	if _, err := io.ReadFull(io.NewSectionReader(c.index, 0, int64(len(b))), b); err != nil {
		return err
	}
	if string(b[:8]) != indexMagic || binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return fmt.Errorf("the head of the index: %w", errDamaged)
	}
	c.salt = binary.LittleEndian.Uint64(b[16:])
	c.loadRecords(b[indexHeader:], dataInfo.Size())
	c.torn = indexInfo.Size() != c.indexSize() || dataInfo.Size() != c.end
	return nil
}

// loadRecords takes the records over. A damaged record with good ones behind it is a lost block, at the end it is the
// torn tail; so is a record whose data is not there.
func (c *cartridge) loadRecords(b []byte, dataSize int64) {
	lost := 0
	for n := uint64(0); len(b) > 0; n, b = n+1, b[indexRecord:] {
		o, ok := c.decodeRecord(b[:indexRecord], n)
		if !ok || o.offset < c.end {
			lost++
			continue
		}
		if o.offset+int64(o.length) > dataSize {
			return
		}
		for ; lost > 0; lost-- {
			gap := object{offset: c.end, kind: objectLost}
			if lost == 1 {
				gap.length = uint32(min(o.offset-c.end, maxBlock))
			}
			c.objects = append(c.objects, gap)
		}
		c.add(o)
	}
}

// add appends o to the index in memory.
func (c *cartridge) add(o object) {
	if o.kind == objectFilemark {
		c.marks = append(c.marks, uint64(len(c.objects)))
	}
	c.objects = append(c.objects, o)
	c.end = o.offset + int64(o.length)
}

// initialize writes the head of an empty index.
func (c *cartridge) initialize() error {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	b := make([]byte, indexHeader)
	copy(b, indexMagic)
	copy(b[16:], salt[:])
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	if err := c.index.Truncate(0); err != nil {
		return err
	}
	if _, err := c.index.WriteAt(b, 0); err != nil {
		return err
	}
	c.salt = binary.LittleEndian.Uint64(salt[:])
	return c.data.Truncate(0)
}

func (c *cartridge) indexSize() int64 { return indexHeader + indexRecord*int64(len(c.objects)) }

// recordCRC covers the record's fields, the index it belongs to and its place there.
func (c *cartridge) recordCRC(b []byte, n uint64) uint32 {
	var context [16]byte
	binary.LittleEndian.PutUint64(context[:], c.salt)
	binary.LittleEndian.PutUint64(context[8:], n)
	return crc32.Update(crc32.Checksum(context[:], castagnoli), castagnoli, b[:20])
}

func (c *cartridge) encodeRecord(b []byte, o object, n uint64) {
	clear(b[:indexRecord])
	b[0] = o.kind
	binary.LittleEndian.PutUint32(b[4:], o.length)
	binary.LittleEndian.PutUint64(b[8:], uint64(o.offset))
	binary.LittleEndian.PutUint32(b[16:], o.crc)
	binary.LittleEndian.PutUint32(b[20:], c.recordCRC(b, n))
}

func (c *cartridge) decodeRecord(b []byte, n uint64) (object, bool) {
	o := object{kind: b[0], length: binary.LittleEndian.Uint32(b[4:]), offset: int64(binary.LittleEndian.Uint64(b[8:])),
		crc: binary.LittleEndian.Uint32(b[16:])}
	ok := binary.LittleEndian.Uint32(b[20:]) == c.recordCRC(b, n) && o.offset >= 0 && o.length <= maxBlock &&
		(o.kind == objectBlock && o.length > 0 || o.kind == objectFilemark && o.length == 0)
	return o, ok
}

// current reloads the index when another process changed it: gen is what the drive's state says now.
func (c *cartridge) current(gen uint64) error {
	if c.gen == gen {
		info, err := c.index.Stat()
		if err != nil {
			return err
		}
		if c.torn || info.Size() == c.indexSize() {
			return nil
		}
	}
	if err := c.load(); err != nil {
		return fmt.Errorf("read cartridge %05d: %w", c.id, err)
	}
	c.gen = gen
	return nil
}

// count is the number of logical objects; it is also the object number of end of data.
func (c *cartridge) count() uint64 { return uint64(len(c.objects)) }

// marksBefore is the number of filemarks before object n.
func (c *cartridge) marksBefore(n uint64) uint64 {
	return uint64(sort.Search(len(c.marks), func(i int) bool { return c.marks[i] >= n }))
}

// bytesBefore is how many bytes of data lie before object n.
func (c *cartridge) bytesBefore(n uint64) int64 {
	if n < c.count() {
		return c.objects[n].offset
	}
	return c.end
}

// truncate makes object n the end of data.
func (c *cartridge) truncate(n uint64) error {
	if n < c.count() {
		c.end = c.objects[n].offset
		c.objects = c.objects[:n]
		c.marks = c.marks[:c.marksBefore(n)]
	} else if !c.torn {
		return nil
	}
	c.torn = true
	if err := c.index.Truncate(c.indexSize()); err != nil {
		return err
	}
	if err := c.data.Truncate(c.end); err != nil {
		return err
	}
	c.torn = false
	return nil
}

// write appends a block at the end of data.
func (c *cartridge) write(p []byte) error {
	o := object{offset: c.end, length: uint32(len(p)), crc: crc32.Checksum(p, castagnoli), kind: objectBlock}
	if _, err := c.data.WriteAt(p, o.offset); err != nil {
		c.torn = true
		return err
	}
	return c.writeRecords(o, 1)
}

// writeMarks appends n filemarks.
func (c *cartridge) writeMarks(n int) error {
	return c.writeRecords(object{offset: c.end, kind: objectFilemark}, n)
}

// writeRecords appends n records that are the same.
func (c *cartridge) writeRecords(o object, n int) error {
	var one [indexRecord]byte
	b := one[:]
	if n > 1 {
		b = make([]byte, n*indexRecord)
	}
	for i := range n {
		c.encodeRecord(b[i*indexRecord:], o, c.count()+uint64(i))
	}
	if _, err := c.index.WriteAt(b, c.indexSize()); err != nil {
		c.torn = true
		return err
	}
	for range n {
		c.add(o)
	}
	return nil
}

// read reads block n, or as much of it as p takes, into p. It needs no copy when p takes all. The error is errRotten
// when the bytes are not those that were written.
func (c *cartridge) read(n uint64, p []byte) error {
	o := c.objects[n]
	if o.kind != objectBlock {
		return errRotten
	}
	whole := p
	if len(p) < int(o.length) {
		if cap(c.scratch) < int(o.length) {
			c.scratch = make([]byte, o.length)
		}
		whole = c.scratch
	}
	whole = whole[:o.length]
	if _, err := c.data.ReadAt(whole, o.offset); err != nil {
		if errors.Is(err, io.EOF) {
			return errRotten
		}
		return err
	}
	if crc32.Checksum(whole, castagnoli) != o.crc {
		return errRotten
	}
	if len(p) < int(o.length) {
		copy(p, whole)
	}
	return nil
}

// rot damages block n in its file.
func (c *cartridge) rot(n uint64) error {
	if n >= c.count() || c.objects[n].kind != objectBlock {
		return fmt.Errorf("damage object %d: there is no such block", n)
	}
	o := c.objects[n]
	var b [1]byte
	at := o.offset + int64(o.length)/2
	if _, err := c.data.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 0xFF
	_, err := c.data.WriteAt(b[:], at)
	return err
}

// sync puts everything on stable storage.
func (c *cartridge) sync() error {
	if err := c.data.Sync(); err != nil {
		return err
	}
	return c.index.Sync()
}
