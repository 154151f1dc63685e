// Package mtfcheck is a second reader of tapectl's tapes, for tests: it shares no code with internal/mtf and reads by the
// tables of docs/format.md. It accepts what tapectl must write and nothing else, down to reserved and padding bytes.
package mtfcheck

import (
	"fmt"
)

// File is one file that was found and verified.
type File struct {
	Path        string // volume's device, then '/' and the components
	Size        uint64
	SHA256      [32]byte // of the data on the medium, or of the link target
	FLA         uint64
	Corrupt     bool
	CorruptFrom uint64
	Link        string
}

// Set is one data set that was found and verified.
type Set struct {
	Number      uint16
	Name        string
	SSETObject  uint64
	ESETObject  uint64
	NextObject  uint64
	Directories int
	Files       []File
	Corrupt     int
	Aborted     bool
	Truncated   bool // aborted in the middle of an object
	Catalog     bool // file and directory detail was there and fits
}

// Report is what a medium holds.
type Report struct {
	FamilyID      uint32
	Label         string
	PhysicalBlock int
	FormatLogical int
	Sets          []Set
	Blocks        int // descriptor blocks
	Streams       int
	Objects       uint64 // physical blocks and filemarks
}

// Check walks all of a medium. blocks returns the physical block or filemark with an object number; ok is false behind the
// last one. The first deviation from the format ends the walk with an error that names object and offset; the report then
// holds what was verified before.
func Check(blocks func(object uint64) (data []byte, filemark bool, ok bool)) (*Report, error) {
	c := &checker{blocks: blocks, rep: &Report{}}
	if err := c.media(); err != nil {
		return c.rep, err
	}
	for {
		_, mark, ok := blocks(c.object)
		if !ok {
			c.rep.Objects = c.object
			return c.rep, nil
		}
		if mark {
			return c.rep, fmt.Errorf("object %d: a filemark stands where a data set begins", c.object)
		}
		if err := c.set(); err != nil {
			return c.rep, err
		}
	}
}

// checker walks the blocks between two filemarks (a region) as one run of bytes.
type checker struct {
	blocks func(uint64) ([]byte, bool, bool)
	rep    *Report
	p, flb int

	object uint64 // of the next block
	data   []byte
	pos    int
	at     uint64 // bytes since the region or, in the body, the set began
	eof    bool   // the region's filemark was met

	family  uint32
	maps    []byte // set map entries of the sets before
	lastSet uint16
}

// load makes the next block of the region current; false at its filemark.
func (c *checker) load() (bool, error) {
	if c.pos < len(c.data) {
		return true, nil
	}
	if c.eof {
		return false, nil
	}
	d, mark, ok := c.blocks(c.object)
	switch {
	case !ok:
		return false, fmt.Errorf("object %d: the medium ends without a filemark", c.object)
	case mark:
		c.object++
		c.eof, c.data, c.pos = true, nil, 0
		return false, nil
	case c.p != 0 && len(d) != c.p:
		return false, fmt.Errorf("object %d: block of %d bytes on a medium with blocks of %d", c.object, len(d), c.p)
	}
	c.object++
	c.data, c.pos = d, 0
	return true, nil
}

var errRegion = fmt.Errorf("the blocks end in the middle")

// take consumes n bytes.
func (c *checker) take(n int) ([]byte, error) {
	var out []byte
	for n > 0 {
		if ok, err := c.load(); err != nil || !ok {
			if err == nil {
				err = errRegion
			}
			return out, err
		}
		k := min(n, len(c.data)-c.pos)
		out = append(out, c.data[c.pos:c.pos+k]...)
		c.pos, c.at, n = c.pos+k, c.at+uint64(k), n-k
	}
	return out, nil
}

// each hands n bytes piece by piece to fn.
func (c *checker) each(n uint64, fn func(p []byte)) error {
	for n > 0 {
		if ok, err := c.load(); err != nil || !ok {
			if err == nil {
				err = errRegion
			}
			return err
		}
		k := min(n, uint64(len(c.data)-c.pos))
		fn(c.data[c.pos : c.pos+int(k)])
		c.pos, c.at, n = c.pos+int(k), c.at+k, n-k
	}
	return nil
}

func (c *checker) errf(format string, a ...any) error {
	return fmt.Errorf("object %d offset %d: %w", c.object-1, c.pos, fmt.Errorf(format, a...))
}

// begin starts a region; at keeps counting in the end of a set.
func (c *checker) begin() { c.eof, c.data, c.pos = false, nil, 0 }

// block reads one descriptor block with all that must hold for it: checksum, CRC, reserved bytes, place, ids.
func (c *checker) block(cbid uint64, fla uint64) (*record, error) {
	if c.flb > 0 && c.at%uint64(c.flb) != 0 {
		return nil, c.errf("a block begins at %d, not on a format logical block", c.at)
	}
	h, err := c.take(52)
	if err != nil {
		return nil, err
	}
	typ := string(h[:4])
	table, known := blockTables[typ]
	if got, want := xorWords(h[:50]), uint16(h[50])|uint16(h[51])<<8; !known || got != want {
		return nil, c.errf("block %q: header checksum %#x, computed %#x", typ, want, got)
	}
	first := int(h[8]) | int(h[9])<<8
	if first < 52 || first%4 != 0 || first > 1024-22 {
		return nil, c.errf("%s: first event at %d", typ, first)
	}
	body, err := c.take(first - 52)
	if err != nil {
		return nil, err
	}
	raw := append(h, body...)
	r, err := parse(typ, raw, []field{{"type", 0, 4, 'u'}}, headerTable, table)
	if err == nil {
		err = r.rest()
	}
	if err != nil {
		return nil, c.errf("%w", err)
	}
	os := r.data["osdata"]
	if r.num["os"] != 212 || r.num["osversion"] != 1 || r.num["strings"] != 2 || len(os) < 4 {
		return nil, c.errf("%s: not a block of tapectl", typ)
	}
	at := r.at["osdata"]
	if got, want := crcWithout(raw, [2]int{50, 2}, [2]int{at, 4}), le(os[:4]); uint64(got) != want {
		return nil, c.errf("%s: CRC %#x, computed %#x", typ, want, got)
	}
	if r.num["cbid"] != cbid || r.num["fla"] != fla {
		return nil, c.errf("%s: control block id %d and FLA %d, want %d and %d", typ, r.num["cbid"], r.num["fla"], cbid, fla)
	}
	c.rep.Blocks++
	return r, nil
}

func le(p []byte) uint64 {
	v := uint64(0)
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}

// stream is one stream header.
type stream struct {
	id        string
	fs, media uint16
	length    uint64
}

// stream reads a stream header behind zero alignment bytes.
func (c *checker) stream() (stream, error) {
	pad, err := c.take(int(-c.at & 3))
	if err != nil {
		return stream{}, err
	}
	for _, b := range pad {
		if b != 0 {
			return stream{}, c.errf("alignment bytes are % x", pad)
		}
	}
	h, err := c.take(22)
	if err != nil {
		return stream{}, err
	}
	s := stream{string(h[:4]), uint16(le(h[4:6])), uint16(le(h[6:8])), le(h[8:16])}
	if got, want := xorWords(h[:20]), uint16(le(h[20:22])); got != want {
		return s, c.errf("stream %q: checksum %#x, computed %#x", s.id, want, got)
	}
	if le(h[16:20]) != 0 {
		return s, c.errf("stream %s: encrypted or compressed", s.id)
	}
	c.rep.Streams++
	return s, nil
}

// plain requires a stream without attributes.
func (c *checker) plain(s stream, id string) error {
	if s.id != id || s.fs != 0 || s.media != 0 {
		return c.errf("stream %s with attributes %#x %#x, want a plain %s", s.id, s.fs, s.media, id)
	}
	return nil
}

// zeros verifies the data of a padding stream, which must end on a multiple of unit and be no longer than needed.
func (c *checker) zeros(s stream, unit int) error {
	begin := c.at
	bad := false
	if err := c.each(s.length, func(p []byte) {
		for _, b := range p {
			bad = bad || b != 0
		}
	}); err != nil {
		return err
	}
	if bad {
		return c.errf("stream %s holds bytes that are not zero", s.id)
	}
	if c.at%uint64(unit) != 0 || c.at-begin >= uint64(unit) {
		return c.errf("stream %s of %d bytes ends at %d, not at the next multiple of %d", s.id, s.length, c.at, unit)
	}
	return nil
}

// pad requires a padding stream.
func (c *checker) pad(id string, unit int) error {
	s, err := c.stream()
	if err == nil {
		err = c.plain(s, id)
	}
	if err != nil {
		return err
	}
	return c.zeros(s, unit)
}

// filemark requires the region to end here.
func (c *checker) filemark() error {
	ok, err := c.load()
	if err == nil && ok {
		err = c.errf("the filemark is missing")
	}
	return err
}

// media checks the media header.
func (c *checker) media() error {
	d, mark, ok := c.blocks(0)
	if !ok || mark || len(d) < 1024 && len(d) != 512 {
		return fmt.Errorf("object 0: no media header")
	}
	c.p = len(d)
	c.begin()
	r, err := c.block(0, 0)
	if err != nil {
		return err
	}
	c.flb, c.family = int(r.num["flb"]), uint32(r.num["family"])
	c.rep.FamilyID, c.rep.Label, c.rep.PhysicalBlock, c.rep.FormatLogical = c.family, r.str["label"], c.p, c.flb
	switch {
	case r.typ != "TAPE":
		return c.errf("the medium begins with %s", r.typ)
	case c.flb != 512 && c.flb != 1024 || c.p%c.flb != 0:
		return c.errf("TAPE: format logical block %d in physical blocks of %d", c.flb, c.p)
	case r.num["flags"] != 2 || r.num["major"] != 1 || r.num["catalog"] > 1 || r.num["sequence"] == 0 || r.str["software"] == "":
		return c.errf("TAPE: flags %#x, version %d, catalog %d, sequence %d, software %q", r.num["flags"], r.num["major"], r.num["catalog"],
			r.num["sequence"], r.str["software"])
	case (r.num["catalog"] == 1) != (r.num["attributes"] == 0x30000):
		return c.errf("TAPE: attributes %#x with catalog type %d", r.num["attributes"], r.num["catalog"])
	}
	if err := c.pad("SPAD", c.p); err != nil {
		return err
	}
	return c.filemark()
}
