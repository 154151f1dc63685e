package mtf

import "encoding/binary"

const eotmFixed = 60

// EOTM is the MTF_EOTM block at the end of a full medium (Microsoft Tape Format 1.00a).
type EOTM struct {
	Header
	LastESET uint64 // object number of the last complete (second) ESET on this medium
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *EOTM) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDEOTM, eotmFixed)
	if e.err != nil {
		return 0, e.err
	}
	binary.LittleEndian.PutUint64(p[52:], b.LastESET)
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *EOTM) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDEOTM, eotmFixed)
	if err != nil {
		return err
	}
	*b = EOTM{Header: h, LastESET: binary.LittleEndian.Uint64(p[52:])}
	return d.err
}
