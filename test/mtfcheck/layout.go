package mtfcheck

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unicode/utf16"
)

// field is one row of a table of the tape format.
type field struct {
	name string
	off  int
	size int
	kind byte // 'u' number, 's' address of a string, 'b' address of bytes, 'd' date, 'z' zero
}

var headerTable = []field{
	{"attributes", 4, 4, 'u'}, {"first", 8, 2, 'u'}, {"os", 10, 1, 'u'}, {"osversion", 11, 1, 'u'}, {"size", 12, 8, 'u'},
	{"fla", 20, 8, 'u'}, {"mbc", 28, 2, 'z'}, {"reserved", 30, 6, 'z'}, {"cbid", 36, 4, 'u'}, {"reserved", 40, 4, 'z'},
	{"osdata", 44, 4, 'b'}, {"strings", 48, 1, 'u'}, {"reserved", 49, 1, 'z'}, {"checksum", 50, 2, 'u'},
}

// blockTables holds what follows the common header, by block type; the last row ends the fixed part.
var blockTables = map[string][]field{
	"TAPE": {{"family", 52, 4, 'u'}, {"flags", 56, 4, 'u'}, {"sequence", 60, 2, 'u'}, {"password algorithm", 62, 2, 'z'}, {"soft filemark", 64, 2, 'z'},
		{"catalog", 66, 2, 'u'}, {"name", 68, 4, 's'}, {"label", 72, 4, 's'}, {"password", 76, 4, 'z'}, {"software", 80, 4, 's'}, {"flb", 84, 2, 'u'},
		{"vendor", 86, 2, 'u'}, {"date", 88, 5, 'd'}, {"major", 93, 1, 'u'}},
	"SSET": {{"method", 52, 4, 'u'}, {"password algorithm", 56, 2, 'z'}, {"compression", 58, 2, 'z'}, {"vendor", 60, 2, 'u'}, {"number", 62, 2, 'u'},
		{"name", 64, 4, 's'}, {"description", 68, 4, 's'}, {"password", 72, 4, 'z'}, {"user", 76, 4, 's'}, {"pba", 80, 8, 'u'}, {"date", 88, 5, 'd'},
		{"major", 93, 1, 'u'}, {"minor", 94, 1, 'u'}, {"zone", 95, 1, 'z'}, {"mtf minor", 96, 1, 'z'}, {"catalog version", 97, 1, 'u'}},
	"VOLB": {{"flags", 52, 4, 'u'}, {"device", 56, 4, 's'}, {"label", 60, 4, 's'}, {"machine", 64, 4, 's'}, {"date", 68, 5, 'd'}},
	"DIRB": {{"flags", 52, 4, 'u'}, {"modified", 56, 5, 'd'}, {"created", 61, 5, 'd'}, {"backup", 66, 5, 'd'}, {"accessed", 71, 5, 'd'},
		{"directory", 76, 4, 'u'}, {"name", 80, 4, 's'}},
	"FILE": {{"flags", 52, 4, 'u'}, {"modified", 56, 5, 'd'}, {"created", 61, 5, 'd'}, {"backup", 66, 5, 'd'}, {"accessed", 71, 5, 'd'},
		{"directory", 76, 4, 'u'}, {"file", 80, 4, 'u'}, {"name", 84, 4, 's'}},
	"CFIL": {{"flags", 52, 4, 'u'}, {"reserved", 56, 8, 'z'}, {"offset", 64, 8, 'u'}, {"stream", 72, 2, 'u'}},
	"ESPB": {},
	"ESET": {{"method", 52, 4, 'u'}, {"corrupt", 56, 4, 'u'}, {"fdd", 60, 8, 'u'}, {"tsmp", 68, 8, 'u'}, {"fdd sequence", 76, 2, 'u'},
		{"number", 78, 2, 'u'}, {"date", 80, 5, 'd'}},
}

var entryHeaderTable = []field{
	{"length", 0, 2, 'u'}, {"sequence", 6, 2, 'u'}, {"attributes", 8, 4, 'u'}, {"fla", 12, 8, 'u'}, {"size", 20, 8, 'u'}, {"link", 28, 4, 'u'},
	{"os", 32, 1, 'u'}, {"osversion", 33, 1, 'u'}, {"strings", 34, 1, 'u'}, {"pad", 35, 1, 'z'},
}

var objectEntry = []field{{"modified", 36, 5, 'd'}, {"created", 41, 5, 'd'}, {"backup", 46, 5, 'd'}, {"accessed", 51, 5, 'd'}, {"flags", 56, 4, 'u'},
	{"name", 60, 4, 's'}, {"osdata", 64, 4, 'b'}}

var entryTables = map[string][]field{
	"VOLB": {{"flags", 36, 4, 'u'}, {"device", 40, 4, 's'}, {"label", 44, 4, 's'}, {"machine", 48, 4, 's'}, {"osdata", 52, 4, 'b'}, {"date", 56, 5, 'd'}},
	"DIRB": objectEntry,
	"FILE": objectEntry,
	"FEND": {},
}

var setMapTable = []field{
	{"length", 0, 2, 'u'}, {"sequence", 2, 2, 'u'}, {"attributes", 4, 4, 'u'}, {"method", 8, 4, 'u'}, {"pba", 12, 8, 'u'}, {"fdd", 20, 8, 'u'},
	{"fdd sequence", 28, 2, 'u'}, {"number", 30, 2, 'u'}, {"fla", 32, 8, 'u'}, {"directories", 40, 4, 'u'}, {"files", 44, 4, 'u'},
	{"corrupt", 48, 4, 'u'}, {"size", 52, 8, 'u'}, {"volumes", 60, 2, 'u'}, {"password algorithm", 62, 2, 'z'}, {"name", 64, 4, 's'},
	{"password", 68, 4, 'z'}, {"description", 72, 4, 's'}, {"user", 76, 4, 's'}, {"date", 80, 5, 'd'}, {"zone", 85, 1, 'z'}, {"os", 86, 1, 'u'},
	{"osversion", 87, 1, 'u'}, {"strings", 88, 1, 'u'}, {"minor", 89, 1, 'z'}, {"catalog version", 90, 1, 'u'}, {"pad", 91, 1, 'z'},
}

// record is a structure taken apart by a table.
type record struct {
	typ  string
	raw  []byte
	num  map[string]uint64
	str  map[string]string
	data map[string][]byte
	at   map[string]int // where the data of an address stands
	used []bool         // bytes of raw that a row accounts for
}

// parse takes raw apart. Rows of kind 'z' and bytes that no row accounts for must be zero.
func parse(typ string, raw []byte, tables ...[]field) (*record, error) {
	r := &record{typ: typ, raw: raw, num: map[string]uint64{}, str: map[string]string{}, data: map[string][]byte{}, at: map[string]int{},
		used: make([]bool, len(raw))}
	for _, t := range tables {
		for _, f := range t {
			if f.off+f.size > len(raw) {
				return nil, fmt.Errorf("%s: %d bytes do not hold %s at %d", typ, len(raw), f.name, f.off)
			}
			if err := r.row(f); err != nil {
				return nil, fmt.Errorf("%s: %s at %d: %w", typ, f.name, f.off, err)
			}
		}
	}
	return r, nil
}

func (r *record) row(f field) error {
	p := r.raw[f.off : f.off+f.size]
	for i := range p {
		r.used[f.off+i] = true
	}
	switch f.kind {
	case 'z':
		for _, c := range p {
			if c != 0 {
				return fmt.Errorf("is % x, must be zero", p)
			}
		}
	case 'u':
		var b [8]byte
		copy(b[:], p)
		r.num[f.name] = binary.LittleEndian.Uint64(b[:])
	case 'd':
		var b [8]byte
		copy(b[3:], p)
		v := binary.BigEndian.Uint64(b[:])
		if mo, day := v>>22&15, v>>17&31; v != 0 && (mo < 1 || mo > 12 || day < 1 || v>>12&31 > 23 || v>>6&63 > 59 || v&63 > 59) {
			return fmt.Errorf("% x is no date", p)
		}
		r.num[f.name] = v
	case 's', 'b':
		return r.address(f, int(binary.LittleEndian.Uint16(p)), int(binary.LittleEndian.Uint16(p[2:])))
	}
	return nil
}

func (r *record) address(f field, size, at int) error {
	if size == 0 {
		if at != 0 {
			return fmt.Errorf("no bytes at %d", at)
		}
		return nil
	}
	if at+size > len(r.raw) {
		return fmt.Errorf("%d bytes at %d are outside of %d", size, at, len(r.raw))
	}
	for i := at; i < at+size; i++ {
		if r.used[i] {
			return fmt.Errorf("%d bytes at %d overlap another field", size, at)
		}
		r.used[i] = true
	}
	r.at[f.name] = at
	p := r.raw[at : at+size]
	if f.kind == 'b' {
		r.data[f.name] = p
		return nil
	}
	if size%2 != 0 {
		return fmt.Errorf("a string of %d bytes is not UTF-16", size)
	}
	r.str[f.name] = text(p)
	return nil
}

// rest verifies that everything else is zero.
func (r *record) rest() error {
	for i, u := range r.used {
		if !u && r.raw[i] != 0 {
			return fmt.Errorf("%s: byte %d is %#x, must be zero", r.typ, i, r.raw[i])
		}
	}
	return nil
}

// text decodes UTF-16LE; unpaired DC80..DCFF are raw bytes.
func text(p []byte) string {
	var out []byte
	for i := 0; i+1 < len(p); i += 2 {
		u := binary.LittleEndian.Uint16(p[i:])
		if u >= 0xDC80 && u <= 0xDCFF {
			out = append(out, byte(u))
			continue
		}
		if utf16.IsSurrogate(rune(u)) && i+3 < len(p) {
			out = append(out, string(utf16.DecodeRune(rune(u), rune(binary.LittleEndian.Uint16(p[i+2:]))))...)
			i += 2
			continue
		}
		out = append(out, string(rune(u))...)
	}
	return string(out)
}

func xorWords(p []byte) uint16 {
	x := uint16(0)
	for ; len(p) >= 2; p = p[2:] {
		x ^= uint16(p[0]) | uint16(p[1])<<8
	}
	return x
}

// crcWithout is the CRC-32C of p with two ranges {offset, length} taken as zero.
func crcWithout(p []byte, holes ...[2]int) uint32 {
	q := append([]byte(nil), p...)
	for _, h := range holes {
		for i := h[0]; i < h[0]+h[1]; i++ {
			q[i] = 0
		}
	}
	return crc32.Checksum(q, crc32.MakeTable(crc32.Castagnoli))
}
