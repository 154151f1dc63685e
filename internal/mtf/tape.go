package mtf

import "encoding/binary"

// TAPE attributes (Microsoft Tape Format 1.00a).
const (
	TapeSoftFilemarks uint32 = 1 << 0
	TapeMediaLabel    uint32 = 1 << 1
)

const tapeFixed = 94

// TAPE is the MTF_TAPE block at the beginning of a medium (docs/format.md 3.2).
type TAPE struct {
	Header
	FamilyID          uint32
	Flags             uint32 // TapeSoftFilemarks, TapeMediaLabel
	Sequence          uint16
	PasswordAlgorithm uint16
	SoftFilemarkSize  uint16 // in units of 512 bytes
	CatalogType       uint16 // 0 none, 1, 2; SQL Server writes 3, Backup Exec 4
	Name              string
	Description       string // media description or, with TapeMediaLabel, the media label
	Password          []byte
	Software          string
	FormatLogical     uint16
	VendorID          uint16
	Date              DateTime
	MajorVersion      uint8
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *TAPE) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDTAPE, tapeFixed)
	if e.err != nil {
		return 0, e.err
	}
	le := binary.LittleEndian
	le.PutUint32(p[52:], b.FamilyID)
	le.PutUint32(p[56:], b.Flags)
	le.PutUint16(p[60:], b.Sequence)
	le.PutUint16(p[62:], b.PasswordAlgorithm)
	le.PutUint16(p[64:], b.SoftFilemarkSize)
	le.PutUint16(p[66:], b.CatalogType)
	e.str(68, b.Name)
	e.str(72, b.Description)
	e.bytes(76, b.Password)
	e.str(80, b.Software)
	le.PutUint16(p[84:], b.FormatLogical)
	le.PutUint16(p[86:], b.VendorID)
	b.Date.put(p[88:])
	p[93] = b.MajorVersion
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *TAPE) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDTAPE, tapeFixed)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	*b = TAPE{
		Header: h, FamilyID: le.Uint32(p[52:]), Flags: le.Uint32(p[56:]), Sequence: le.Uint16(p[60:]),
		PasswordAlgorithm: le.Uint16(p[62:]), SoftFilemarkSize: le.Uint16(p[64:]), CatalogType: le.Uint16(p[66:]),
		Name: d.str(68), Description: d.str(72), Password: d.bytes(76), Software: d.str(80),
		FormatLogical: le.Uint16(p[84:]), VendorID: le.Uint16(p[86:]), Date: getDateTime(p[88:]), MajorVersion: p[93],
	}
	return d.err
}
