package mtf

import "encoding/binary"

const volbFixed = 73

// VOLB is the MTF_VOLB block of a volume (docs/format.md 3.4).
type VOLB struct {
	Header
	Attributes uint32
	Device     string
	Label      string
	Machine    string
	Date       DateTime
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *VOLB) Marshal(p []byte) (int, error) {
	e := encodeBlock(p, &b.Header, IDVOLB, volbFixed)
	if e.err != nil {
		return 0, e.err
	}
	binary.LittleEndian.PutUint32(p[52:], b.Attributes)
	e.str(56, b.Device)
	e.str(60, b.Label)
	e.str(64, b.Machine)
	b.Date.put(p[68:])
	return e.finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *VOLB) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDVOLB, volbFixed)
	if err != nil {
		return err
	}
	*b = VOLB{
		Header: h, Attributes: binary.LittleEndian.Uint32(p[52:]),
		Device: d.str(56), Label: d.str(60), Machine: d.str(64), Date: getDateTime(p[68:]),
	}
	return d.err
}
