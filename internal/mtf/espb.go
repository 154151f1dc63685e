package mtf

// ESPB is the MTF_ESPB block: its only stream, a SPAD, fills the rest of the physical block behind a set body.
type ESPB struct {
	Header
}

// Marshal encodes the block into p, which it clears, and returns the offset to the first event.
func (b *ESPB) Marshal(p []byte) (int, error) {
	return encodeBlock(p, &b.Header, IDESPB, HeaderSize).finish()
}

// Unmarshal decodes a block that is complete up to its first event.
func (b *ESPB) Unmarshal(p []byte) error {
	h, d, err := decodeBlock(p, IDESPB, HeaderSize)
	if err != nil {
		return err
	}
	*b = ESPB{Header: h}
	return d.err
}
