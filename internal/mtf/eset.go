package mtf

import "encoding/binary"

const esetFixed = 85

// ESET is the MTF_ESET block that ends a data set (docs/format.md 3.9). With a type 1 catalog there are two; the second
// holds the addresses of the catalog's streams.
type ESET struct {
	Header
	Attributes       uint32 // Method bits, as in the SSET
	CorruptFiles     uint32
	Catalog1         uint64 // type 1, second ESET: object number of the TFDD stream header
	Catalog2         uint64 // type 1, second ESET: object number of the TSMP stream header
	FDDMediaSequence uint16
	Number           uint16 // data set number
	Date             DateTime
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *ESET) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDESET, esetFixed)
	if e.err != nil {
		return 0, e.err
	}
	le := binary.LittleEndian
	le.PutUint32(p[52:], b.Attributes)
	le.PutUint32(p[56:], b.CorruptFiles)
	le.PutUint64(p[60:], b.Catalog1)
	le.PutUint64(p[68:], b.Catalog2)
	le.PutUint16(p[76:], b.FDDMediaSequence)
	le.PutUint16(p[78:], b.Number)
	b.Date.put(p[80:])
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *ESET) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDESET, esetFixed)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	*b = ESET{
		Header: h, Attributes: le.Uint32(p[52:]), CorruptFiles: le.Uint32(p[56:]), Catalog1: le.Uint64(p[60:]),
		Catalog2: le.Uint64(p[68:]), FDDMediaSequence: le.Uint16(p[76:]), Number: le.Uint16(p[78:]), Date: getDateTime(p[80:]),
	}
	return d.err
}
