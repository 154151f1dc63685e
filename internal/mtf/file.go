package mtf

import "encoding/binary"

const fileFixed = 88

// FILE is the MTF_FILE block of a file (docs/format.md 3.6).
type FILE struct {
	Header
	Attributes                            uint32
	Modified, Created, BackedUp, Accessed DateTime
	DirectoryID                           uint32 // of the DIRB that owns the file
	FileID                                uint32
	Name                                  string // without path; empty with AttrLongName
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *FILE) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDFILE, fileFixed)
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
	le.PutUint32(p[80:], b.FileID)
	e.str(84, b.Name)
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *FILE) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDFILE, fileFixed)
	if err != nil {
		return err
	}
	*b = FILE{
		Header: h, Attributes: binary.LittleEndian.Uint32(p[52:]),
		Modified: getDateTime(p[56:]), Created: getDateTime(p[61:]), BackedUp: getDateTime(p[66:]), Accessed: getDateTime(p[71:]),
		DirectoryID: binary.LittleEndian.Uint32(p[76:]), FileID: binary.LittleEndian.Uint32(p[80:]), Name: d.str(84),
	}
	return d.err
}
