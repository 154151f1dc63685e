package mtf

import (
	"encoding/binary"
	"fmt"
)

const (
	setMapHeader   = 8
	setMapFixed    = 92 // the last byte is padding
	setMapFixedMin = 91
	maxSetMap      = 32 << 20 // bytes of a set map that are read into memory
)

// SetMapEntry describes one data set in the set map (TSMP) of a type 1 media based catalog (docs/format.md 7).
type SetMapEntry struct {
	MediaSequence     uint16 // medium with the SSET
	BlockAttributes   uint32 // of the SSET
	Attributes        uint32 // of the SSET
	SSETObject        uint64
	FDDObject         uint64 // block with the TFDD stream header; 0 none
	FDDMediaSequence  uint16
	SetNumber         uint16
	FLA               uint64 // of the SSET
	Directories       uint32
	Files             uint32
	CorruptFiles      uint32
	Size              uint64
	PasswordAlgorithm uint16
	Name              string
	Password          []byte
	Description       string
	User              string
	Date              DateTime
	TimeZone          int8
	OSID              uint8
	OSVersion         uint8
	StringType        uint8
	MinorVersion      uint8
	CatalogVersion    uint8
	Volumes           []CatalogEntry // at most 65,535, all of type IDVOLB
}

// marshal encodes the entry without its volumes into p.
func (s *SetMapEntry) marshal(p []byte) (int, error) {
	e := &blockEncoder{p: p, n: setMapFixed, typ: s.StringType, name: "set map entry"}
	if len(p) < setMapFixed || len(s.Volumes) > 0xFFFF {
		e.fail("set %d with %d volumes: %w", s.SetNumber, len(s.Volumes), ErrLimit)
		return 0, e.err
	}
	le := binary.LittleEndian
	clear(p[:setMapFixed])
	le.PutUint16(p[2:], s.MediaSequence)
	le.PutUint32(p[4:], s.BlockAttributes)
	le.PutUint32(p[8:], s.Attributes)
	le.PutUint64(p[12:], s.SSETObject)
	le.PutUint64(p[20:], s.FDDObject)
	le.PutUint16(p[28:], s.FDDMediaSequence)
	le.PutUint16(p[30:], s.SetNumber)
	le.PutUint64(p[32:], s.FLA)
	le.PutUint32(p[40:], s.Directories)
	le.PutUint32(p[44:], s.Files)
	le.PutUint32(p[48:], s.CorruptFiles)
	le.PutUint64(p[52:], s.Size)
	le.PutUint16(p[60:], uint16(len(s.Volumes)))
	le.PutUint16(p[62:], s.PasswordAlgorithm)
	e.str(64, s.Name)
	e.bytes(68, s.Password)
	e.str(72, s.Description)
	e.str(76, s.User)
	s.Date.put(p[80:])
	p[85], p[86], p[87], p[88], p[89], p[90] = byte(s.TimeZone), s.OSID, s.OSVersion, s.StringType, s.MinorVersion, s.CatalogVersion
	if e.err != nil {
		return 0, e.err
	}
	le.PutUint16(p[0:], uint16(e.n))
	return e.n, nil
}

// unmarshal decodes the entry at the beginning of p without its volumes; it returns its length and the volume count.
func (s *SetMapEntry) unmarshal(p []byte) (n, volumes int, err error) {
	if len(p) < setMapFixedMin {
		return 0, 0, formatErr("TSMP", "%d bytes are too few for an entry", len(p))
	}
	le := binary.LittleEndian
	n = int(le.Uint16(p[0:]))
	if n < setMapFixedMin || n > len(p) {
		return 0, 0, formatErr("TSMP", "entry of %d bytes, %d are there", n, len(p))
	}
	d := &blockDecoder{p: p[:n], typ: p[88], name: "TSMP"}
	*s = SetMapEntry{
		MediaSequence: le.Uint16(p[2:]), BlockAttributes: le.Uint32(p[4:]), Attributes: le.Uint32(p[8:]),
		SSETObject: le.Uint64(p[12:]), FDDObject: le.Uint64(p[20:]), FDDMediaSequence: le.Uint16(p[28:]),
		SetNumber: le.Uint16(p[30:]), FLA: le.Uint64(p[32:]), Directories: le.Uint32(p[40:]), Files: le.Uint32(p[44:]),
		CorruptFiles: le.Uint32(p[48:]), Size: le.Uint64(p[52:]), PasswordAlgorithm: le.Uint16(p[62:]),
		Name: d.str(64), Password: d.bytes(68), Description: d.str(72), User: d.str(76), Date: getDateTime(p[80:]),
		TimeZone: int8(p[85]), OSID: p[86], OSVersion: p[87], StringType: p[88], MinorVersion: p[89], CatalogVersion: p[90],
	}
	return n, int(le.Uint16(p[60:])), d.err
}

// MarshalSetMap encodes the data of a TSMP stream: header, then each set with its volumes.
func MarshalSetMap(familyID uint32, sets []SetMapEntry) ([]byte, error) {
	if len(sets) > 0xFFFF {
		return nil, fmt.Errorf("encode set map: %d sets: %w", len(sets), ErrLimit)
	}
	b := make([]byte, setMapHeader, 4096)
	binary.LittleEndian.PutUint32(b[0:], familyID)
	binary.LittleEndian.PutUint16(b[4:], uint16(len(sets)))
	scratch := make([]byte, MaxBlockSize)
	for i := range sets {
		n, err := sets[i].marshal(scratch)
		if err != nil {
			return nil, fmt.Errorf("encode set map entry %d: %w", i+1, err)
		}
		b = append(b, scratch[:n]...)
		for j := range sets[i].Volumes {
			if n, err = sets[i].Volumes[j].Marshal(scratch); err != nil {
				return nil, fmt.Errorf("encode set map entry %d volume %d: %w", i+1, j+1, err)
			}
			b = append(b, scratch[:n]...)
		}
	}
	return b, nil
}

// UnmarshalSetMap decodes the data of a TSMP stream. Bytes behind the last entry are padding.
func UnmarshalSetMap(p []byte) (familyID uint32, sets []SetMapEntry, err error) {
	if len(p) < setMapHeader {
		return 0, nil, formatErr("TSMP", "%d bytes are too few", len(p))
	}
	familyID = binary.LittleEndian.Uint32(p[0:])
	count := int(binary.LittleEndian.Uint16(p[4:]))
	p = p[setMapHeader:]
	for range count {
		var s SetMapEntry
		n, volumes, err := s.unmarshal(p)
		if err != nil {
			return familyID, nil, err
		}
		p = p[n:]
		for range volumes {
			var v CatalogEntry
			if n, err = v.Unmarshal(p); err != nil {
				return familyID, nil, err
			}
			if v.Type != IDVOLB {
				return familyID, nil, formatErr("TSMP", "%s entry among the volumes of set %d", v.Type, s.SetNumber)
			}
			s.Volumes = append(s.Volumes, v)
			p = p[n:]
		}
		sets = append(sets, s)
	}
	return familyID, sets, nil
}
