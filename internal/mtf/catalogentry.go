package mtf

import "encoding/binary"

// Fixed sizes of catalog entries (docs/format.md 6 and 7).
const (
	entryHeader    = 36
	volumeEntryLen = 61
	objectEntryLen = 68
)

// CatalogEntry is one record of the file and directory detail (FDD) of a type 1 media based catalog, and a volume record
// of a set map (docs/format.md 6 and 7). Type tells which fields mean something.
type CatalogEntry struct {
	Type            ID // IDVOLB, IDDIRB, IDFILE or IDFEND
	MediaSequence   uint16
	BlockAttributes uint32
	FLA             uint64 // of the block in the set body
	Size            uint64 // displayable size
	Link            int32  // FILE: offset of the parent DIRB entry; VOLB: next VOLB; DIRB: next sibling; 0 none
	OSID            uint8
	OSVersion       uint8
	StringType      uint8
	Attributes      uint32 // of the VOLB, DIRB or FILE block
	OSData          []byte

	Device, Volume, Machine string   // VOLB
	Date                    DateTime // VOLB

	Modified, Created, BackedUp, Accessed DateTime // DIRB, FILE
	Name                                  string   // DIRB: JoinPath form; FILE: without path
}

// minLength returns the length of the fixed part by type; 0 for a type that no catalog has.
func (c *CatalogEntry) minLength() int {
	switch c.Type {
	case IDVOLB:
		return volumeEntryLen
	case IDDIRB, IDFILE:
		return objectEntryLen
	case IDFEND:
		return entryHeader
	}
	return 0
}

// Marshal encodes the entry into p and returns its length. An entry has at most 65,535 bytes.
func (c *CatalogEntry) Marshal(p []byte) (int, error) {
	fixed := c.minLength()
	e := &blockEncoder{p: p, n: fixed, typ: c.StringType, name: "catalog entry " + c.Type.String()}
	switch {
	case fixed == 0:
		e.fail("unknown type")
	case len(p) < fixed:
		e.fail("%d bytes are too few: %w", len(p), ErrLimit)
	}
	if e.err != nil {
		return 0, e.err
	}
	le := binary.LittleEndian
	clear(p[:fixed])
	le.PutUint32(p[2:], uint32(c.Type))
	le.PutUint16(p[6:], c.MediaSequence)
	le.PutUint32(p[8:], c.BlockAttributes)
	le.PutUint64(p[12:], c.FLA)
	le.PutUint64(p[20:], c.Size)
	le.PutUint32(p[28:], uint32(c.Link))
	p[32], p[33], p[34] = c.OSID, c.OSVersion, c.StringType
	switch c.Type {
	case IDVOLB:
		le.PutUint32(p[36:], c.Attributes)
		e.bytes(52, c.OSData)
		e.str(40, c.Device)
		e.str(44, c.Volume)
		e.str(48, c.Machine)
		c.Date.put(p[56:])
	case IDDIRB, IDFILE:
		c.Modified.put(p[36:])
		c.Created.put(p[41:])
		c.BackedUp.put(p[46:])
		c.Accessed.put(p[51:])
		le.PutUint32(p[56:], c.Attributes)
		e.bytes(64, c.OSData)
		e.str(60, c.Name)
	}
	if e.err != nil {
		return 0, e.err
	}
	le.PutUint16(p[0:], uint16(e.n))
	return e.n, nil
}

// Unmarshal decodes the entry at the beginning of p and returns its length, which is at least 36. For FEND that is the
// distance to the next physical block, of which only the header must be in p.
func (c *CatalogEntry) Unmarshal(p []byte) (int, error) {
	if len(p) < entryHeader {
		return 0, formatErr("catalog entry", "%d bytes are too few", len(p))
	}
	le := binary.LittleEndian
	n := int(le.Uint16(p[0:]))
	*c = CatalogEntry{
		Type: ID(le.Uint32(p[2:])), MediaSequence: le.Uint16(p[6:]), BlockAttributes: le.Uint32(p[8:]), FLA: le.Uint64(p[12:]),
		Size: le.Uint64(p[20:]), Link: int32(le.Uint32(p[28:])), OSID: p[32], OSVersion: p[33], StringType: p[34],
	}
	least := c.minLength()
	if least == 0 {
		return 0, formatErr("catalog entry", "unknown type %s", c.Type)
	}
	if n < least || (n > len(p) && c.Type != IDFEND) {
		return 0, formatErr("catalog entry", "%s entry of %d bytes, needs %d, %d are there", c.Type, n, least, len(p))
	}
	d := &blockDecoder{p: p[:min(n, len(p))], typ: c.StringType, name: "catalog entry"}
	switch c.Type {
	case IDVOLB:
		c.Attributes = le.Uint32(p[36:])
		c.Device, c.Volume, c.Machine, c.OSData = d.str(40), d.str(44), d.str(48), d.bytes(52)
		c.Date = getDateTime(p[56:])
	case IDDIRB, IDFILE:
		c.Modified, c.Created = getDateTime(p[36:]), getDateTime(p[41:])
		c.BackedUp, c.Accessed = getDateTime(p[46:]), getDateTime(p[51:])
		c.Attributes = le.Uint32(p[56:])
		c.Name, c.OSData = d.str(60), d.bytes(64)
	}
	return n, d.err
}

// Meta returns the metadata and digest that tapectl keeps in its operating system specific data; ok is false for entries
// of other writers. A FILE entry whose CRC does not fit gives a *ChecksumError from CatalogReader.Next already.
func (c *CatalogEntry) Meta() (m Metadata, sha256 [32]byte, ok bool) {
	if c.OSID != OSTapectl {
		return m, sha256, false
	}
	return decodeMeta(c.OSData)
}
