package mtf

import "encoding/binary"

// CFIL attributes (Microsoft Tape Format 1.00a).
const (
	CorruptLengthChanged uint32 = 1 << 16
	CorruptUnreadable    uint32 = 1 << 17
	CorruptDeadlock      uint32 = 1 << 18
)

const cfilFixed = 74

// CFIL is the MTF_CFIL block that marks the object before it as corrupt (docs/format.md 3.7).
type CFIL struct {
	Header
	Attributes uint32
	Offset     uint64 // where the zero filling begins in the uncompressed stream
	Stream     uint16 // which stream of the object, from 1
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *CFIL) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDCFIL, cfilFixed)
	if e.err != nil {
		return 0, e.err
	}
	binary.LittleEndian.PutUint32(p[52:], b.Attributes)
	binary.LittleEndian.PutUint64(p[64:], b.Offset)
	binary.LittleEndian.PutUint16(p[72:], b.Stream)
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *CFIL) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDCFIL, cfilFixed)
	if err != nil {
		return err
	}
	*b = CFIL{
		Header: h, Attributes: binary.LittleEndian.Uint32(p[52:]),
		Offset: binary.LittleEndian.Uint64(p[64:]), Stream: binary.LittleEndian.Uint16(p[72:]),
	}
	return d.err
}
