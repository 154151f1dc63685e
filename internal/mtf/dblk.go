package mtf

import (
	"encoding/binary"
	"fmt"
)

// ID is the four character name of a descriptor block or stream, as the little endian number that stands on the medium.
type ID uint32

// Descriptor block types (Microsoft Tape Format 1.00a).
const (
	IDTAPE ID = 0x45504154
	IDSSET ID = 0x54455353
	IDVOLB ID = 0x424C4F56
	IDDIRB ID = 0x42524944
	IDFILE ID = 0x454C4946
	IDCFIL ID = 0x4C494643
	IDESPB ID = 0x42505345
	IDESET ID = 0x54455345
	IDEOTM ID = 0x4D544F45
	IDSFMB ID = 0x424D4653
	IDFEND ID = 0x444E4546 // catalog entry only
)

// String returns the four characters; bytes that are not printable show as '?'.
func (id ID) String() string {
	b := [4]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}
	for i, c := range b {
		if c < 0x20 || c > 0x7E {
			b[i] = '?'
		}
	}
	return string(b[:])
}

// printable reports whether all four characters are upper case letters, digits or '_' as in every known name.
func (id ID) printable() bool {
	for s := 0; s < 32; s += 8 {
		c := byte(id >> s)
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Block attributes of the common header (Microsoft Tape Format 1.00a). Bits 16 and up have a meaning per block type.
const (
	AttrContinuation uint32 = 1 << 0 // repeated block on a continuation medium
	AttrCompression  uint32 = 1 << 2 // compression may be active
	AttrEOSatEOM     uint32 = 1 << 3 // end of medium met during end of set processing

	AttrSetMapExists uint32 = 1 << 16 // TAPE
	AttrFDDAllowed   uint32 = 1 << 17 // TAPE
	AttrFDDExists    uint32 = 1 << 16 // SSET
	AttrEncryption   uint32 = 1 << 17 // SSET
	AttrFDDAborted   uint32 = 1 << 16 // ESET
	AttrEndOfFamily  uint32 = 1 << 17 // ESET
	AttrAbortedSet   uint32 = 1 << 18 // ESET
	AttrNoESETPBA    uint32 = 1 << 16 // EOTM
	AttrInvalidPBA   uint32 = 1 << 17 // EOTM
)

// Operating system ids of the common header (Microsoft Tape Format 1.00a).
const (
	OSWindowsNT uint8 = 14
	OSUnix      uint8 = 28
	// OSTapectl marks the operating system specific data of tapectl (docs/format.md); 128..255 are vendor specific.
	OSTapectl uint8 = 212
)

// Sizes of the common block header and of a descriptor block.
const (
	HeaderSize = 52
	// MaxBlockSize bounds the offset to the first event that is accepted: descriptor blocks are at most one format
	// logical block in practice, and the field has 16 bits.
	MaxBlockSize = 1<<16 - 1
)

// Header is MTF_DB_HDR, the common descriptor block header (docs/format.md 3.1).
type Header struct {
	Type           ID
	Attributes     uint32
	FirstEvent     uint16 // offset of the first stream header; set by Marshal
	OSID           uint8
	OSVersion      uint8
	Size           uint64 // displayable size
	FLA            uint64 // format logical address, counted from the first SSET of the set
	MBC            uint16 // reserved for the media based catalog
	ControlBlockID uint32
	OSData         []byte // operating system specific data
	StringType     uint8
}

// XOR16 is the checksum of MTF headers: the XOR of the little endian 16 bit words of p (docs/format.md 2). An odd last
// byte does not count.
func XOR16(p []byte) uint16 {
	var x uint16
	for i := 0; i+1 < len(p); i += 2 {
		x ^= binary.LittleEndian.Uint16(p[i:])
	}
	return x
}

// DecodeHeader decodes and verifies a common block header. It checks the checksum, the type's characters and that the
// first event lies behind the header; OSData is copied when it lies inside p.
func DecodeHeader(p []byte) (Header, error) {
	var h Header
	if len(p) < HeaderSize {
		return h, formatErr("DBLK", "%d bytes are too few for a block header", len(p))
	}
	le := binary.LittleEndian
	h.Type = ID(le.Uint32(p[0:]))
	if sum := XOR16(p[:50]); sum != le.Uint16(p[50:]) {
		return h, formatErr("DBLK", "header checksum is %#04x, computed %#04x", le.Uint16(p[50:]), sum)
	}
	if !h.Type.printable() {
		return h, formatErr("DBLK", "block type %#08x is not a name", uint32(h.Type))
	}
	h.Attributes = le.Uint32(p[4:])
	h.FirstEvent = le.Uint16(p[8:])
	h.OSID, h.OSVersion = p[10], p[11]
	h.Size = le.Uint64(p[12:])
	h.FLA = le.Uint64(p[20:])
	h.MBC = le.Uint16(p[28:])
	h.ControlBlockID = le.Uint32(p[36:])
	h.StringType = p[48]
	if h.FirstEvent < HeaderSize {
		return h, formatErr(h.Type.String(), "offset to first event is %d", h.FirstEvent)
	}
	if b, err := address(p, 44); err == nil {
		h.OSData = append([]byte(nil), b...)
	}
	return h, nil
}

// address returns the bytes that the MTF_TAPE_ADDRESS at off points to, inside p.
func address(p []byte, off int) ([]byte, error) {
	size, at := int(binary.LittleEndian.Uint16(p[off:])), int(binary.LittleEndian.Uint16(p[off+2:]))
	if size == 0 {
		return nil, nil
	}
	if at+size > len(p) {
		return nil, fmt.Errorf("address at %d: %d bytes at %d lie outside of %d bytes", off, size, at, len(p))
	}
	return p[at : at+size], nil
}

// blockDecoder reads the variable part of one descriptor block; the first error sticks.
type blockDecoder struct {
	p    []byte
	typ  uint8
	name string
	err  error
}

// decodeBlock verifies the common header and that the block is of type want and at least min bytes long. The decoder
// sees the block up to the first event only.
func decodeBlock(p []byte, want ID, min int) (Header, *blockDecoder, error) {
	h, err := DecodeHeader(p)
	if err != nil {
		return h, nil, err
	}
	if h.Type != want {
		return h, nil, formatErr(want.String(), "found a %s block", h.Type)
	}
	if int(h.FirstEvent) < min || len(p) < int(h.FirstEvent) {
		return h, nil, formatErr(want.String(), "block has %d bytes, first event at %d, needs %d", len(p), h.FirstEvent, min)
	}
	d := &blockDecoder{p: p[:h.FirstEvent], typ: h.StringType, name: want.String()}
	if h.OSData = d.bytes(44); d.err != nil {
		return h, nil, d.err
	}
	return h, d, nil
}

func (d *blockDecoder) bytes(off int) []byte {
	b, err := address(d.p, off)
	if err != nil && d.err == nil {
		d.err = formatErr(d.name, "%v", err)
	}
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

func (d *blockDecoder) str(off int) string {
	b, err := address(d.p, off)
	if err != nil && d.err == nil {
		d.err = formatErr(d.name, "%v", err)
	}
	return decodeString(d.typ, b)
}

// blockEncoder builds one descriptor block or catalog entry: fixed part, then variable data, each with its address.
type blockEncoder struct {
	p    []byte
	n    int
	typ  uint8
	name string
	err  error
}

func (e *blockEncoder) fail(format string, a ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("encode "+e.name+": "+format, a...)
	}
}

// bytes appends b and stores its address at off.
func (e *blockEncoder) bytes(off int, b []byte) {
	if len(b) == 0 || e.err != nil {
		return
	}
	if e.n+len(b) > len(e.p) || e.n+len(b) > MaxBlockSize {
		e.fail("%d bytes at %d exceed the block of %d: %w", len(b), e.n, min(len(e.p), MaxBlockSize), ErrLimit)
		return
	}
	binary.LittleEndian.PutUint16(e.p[off:], uint16(len(b)))
	binary.LittleEndian.PutUint16(e.p[off+2:], uint16(e.n))
	e.n += copy(e.p[e.n:], b)
}

func (e *blockEncoder) str(off int, s string) {
	b, err := encodeString(e.typ, s)
	if err != nil {
		e.fail("%w", err)
		return
	}
	// Unicode strings start on even offsets for the readers that expect it.
	if len(b) > 0 && e.n%2 == 1 && e.typ == StringUnicode && e.n < len(e.p) {
		e.n++
	}
	e.bytes(off, b)
}

// encodeBlock starts a descriptor block in p: p is cleared up to fixed bytes, the header is written without checksum.
func encodeBlock(p []byte, h *Header, typ ID, fixed int) *blockEncoder {
	e := &blockEncoder{p: p, n: fixed, typ: h.StringType, name: typ.String()}
	if len(p) < fixed {
		e.fail("%d bytes are too few for %d: %w", len(p), fixed, ErrLimit)
		return e
	}
	clear(p)
	le := binary.LittleEndian
	le.PutUint32(p[0:], uint32(typ))
	le.PutUint32(p[4:], h.Attributes)
	p[10], p[11] = h.OSID, h.OSVersion
	le.PutUint64(p[12:], h.Size)
	le.PutUint64(p[20:], h.FLA)
	le.PutUint16(p[28:], h.MBC)
	le.PutUint32(p[36:], h.ControlBlockID)
	p[48] = h.StringType
	e.bytes(44, h.OSData)
	return e
}

// finish pads the block to 4 bytes, stores the offset to the first event and the checksum, and returns that offset.
func (e *blockEncoder) finish() (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n := (e.n + 3) &^ 3
	if n > len(e.p) || n > MaxBlockSize {
		return 0, fmt.Errorf("encode %s: %d bytes exceed the block of %d: %w", e.name, n, len(e.p), ErrLimit)
	}
	binary.LittleEndian.PutUint16(e.p[8:], uint16(n))
	binary.LittleEndian.PutUint16(e.p[50:], XOR16(e.p[:50]))
	return n, nil
}
