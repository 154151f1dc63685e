package mtf

import "encoding/binary"

const sfmbFixed = 60

// AttrSFMBLong marks the soft filemark blocks of SQL Server 2008 and later, whose entries are 64 bit byte offsets.
const AttrSFMBLong uint32 = 1 << 31

// SFMB is the MTF_SFMB block, a filemark on media without filemarks (Microsoft Tape Format 1.00a). It has no
// streams; its size is its offset to the first event. SQL Server's two deviating forms are understood on reading; Marshal
// writes the standard's.
type SFMB struct {
	Header
	Entries uint32   // size of the table
	Used    uint32   // entries in use
	PBA     []uint64 // addresses of earlier filemarks, newest first
}

// Marshal encodes the block in the standard's form (32 bit entries) into all of p, whose length is the soft filemark
// block size, and returns that length.
func (b *SFMB) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDSFMB, sfmbFixed)
	if len(p)%4 != 0 || len(p) > MaxBlockSize || len(b.PBA) > (len(p)-sfmbFixed)/4 {
		e.fail("%d entries in a block of %d: %w", len(b.PBA), len(p), ErrLimit)
	}
	if e.err != nil {
		return 0, e.err
	}
	binary.LittleEndian.PutUint32(p[52:], b.Entries)
	binary.LittleEndian.PutUint32(p[56:], b.Used)
	for i, v := range b.PBA {
		if v > 1<<32-1 {
			e.fail("address %d: %w", v, ErrLimit)
		}
		binary.LittleEndian.PutUint32(p[60+4*i:], uint32(v))
	}
	e.n = len(p)
	return e.finish()
}

// Unmarshal decodes a block of which all bytes up to the first event are present. sqlServer tells SQL Server 2005's form
// (64 bit entries without a mark) from the standard's.
func (b *SFMB) Unmarshal(p []byte, sqlServer bool) error {
	h, d, err := decodeBlock(p, IDSFMB, sfmbFixed)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	*b = SFMB{Header: h, Entries: le.Uint32(p[52:]), Used: le.Uint32(p[56:])}
	start, width := 60, 4
	switch {
	case h.Attributes&AttrSFMBLong != 0:
		if len(d.p) < 64 {
			return formatErr("SFMB", "%d bytes hold no table offset", len(d.p))
		}
		start, width = int(min(le.Uint32(p[60:]), MaxBlockSize)), 8
	case sqlServer:
		width = 8
	}
	for off, i := start, uint32(0); i < b.Used && off >= sfmbFixed && off+width <= len(d.p); off, i = off+width, i+1 {
		if width == 8 {
			b.PBA = append(b.PBA, le.Uint64(p[off:]))
		} else {
			b.PBA = append(b.PBA, uint64(le.Uint32(p[off:])))
		}
	}
	return d.err
}
