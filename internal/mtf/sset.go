package mtf

import "encoding/binary"

const ssetFixed = 98

// SSET is the MTF_SSET block that starts a data set (docs/format.md 3.3).
type SSET struct {
	Header
	Attributes           uint32 // Method bits
	PasswordAlgorithm    uint16
	CompressionAlgorithm uint16
	VendorID             uint16
	Number               uint16 // data set number in the family
	Name                 string
	Description          string
	Password             []byte
	User                 string
	PBA                  uint64 // logical object number of this block
	Date                 DateTime
	SoftwareMajor        uint8
	SoftwareMinor        uint8
	TimeZone             int8 // quarter hours east of UTC, 127 unknown
	MinorVersion         uint8
	CatalogVersion       uint8 // 2 for the type 1 catalog, 1 for type 2
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *SSET) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDSSET, ssetFixed)
	if e.err != nil {
		return 0, e.err
	}
	le := binary.LittleEndian
	le.PutUint32(p[52:], b.Attributes)
	le.PutUint16(p[56:], b.PasswordAlgorithm)
	le.PutUint16(p[58:], b.CompressionAlgorithm)
	le.PutUint16(p[60:], b.VendorID)
	le.PutUint16(p[62:], b.Number)
	e.str(64, b.Name)
	e.str(68, b.Description)
	e.bytes(72, b.Password)
	e.str(76, b.User)
	le.PutUint64(p[80:], b.PBA)
	b.Date.put(p[88:])
	p[93], p[94], p[95], p[96], p[97] = b.SoftwareMajor, b.SoftwareMinor, byte(b.TimeZone), b.MinorVersion, b.CatalogVersion
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *SSET) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDSSET, ssetFixed)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	*b = SSET{
		Header: h, Attributes: le.Uint32(p[52:]), PasswordAlgorithm: le.Uint16(p[56:]),
		CompressionAlgorithm: le.Uint16(p[58:]), VendorID: le.Uint16(p[60:]), Number: le.Uint16(p[62:]),
		Name: d.str(64), Description: d.str(68), Password: d.bytes(72), User: d.str(76),
		PBA: le.Uint64(p[80:]), Date: getDateTime(p[88:]), SoftwareMajor: p[93], SoftwareMinor: p[94],
		TimeZone: int8(p[95]), MinorVersion: p[96], CatalogVersion: p[97],
	}
	return d.err
}
