package mtf

import "encoding/binary"

const dirbFixed = 84

// DIRB is the MTF_DIRB block of a directory (docs/format.md 3.5).
type DIRB struct {
	Header
	Attributes                            uint32
	Modified, Created, BackedUp, Accessed DateTime
	DirectoryID                           uint32
	Name                                  string // JoinPath form; empty with AttrLongName
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *DIRB) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDDIRB, dirbFixed)
	if e.err != nil {
		return 0, e.err
	}
	le := binary.LittleEndian
	le.PutUint32(p[52:], b.Attributes)
	b.Modified.put(p[56:])
	b.Created.put(p[61:])
	b.BackedUp.put(p[66:])
	b.Accessed.put(p[71:])
	le.PutUint32(p[76:], b.DirectoryID)
	e.str(80, b.Name)
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *DIRB) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDDIRB, dirbFixed)
	if err != nil {
		return err
	}
	*b = DIRB{
		Header: h, Attributes: binary.LittleEndian.Uint32(p[52:]),
		Modified: getDateTime(p[56:]), Created: getDateTime(p[61:]), BackedUp: getDateTime(p[66:]), Accessed: getDateTime(p[71:]),
		DirectoryID: binary.LittleEndian.Uint32(p[76:]), Name: d.str(80),
	}
	return d.err
}
