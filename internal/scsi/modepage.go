package scsi

import "encoding/binary"

// ModeHeader is the form of the mode parameter header; its value is the header's length.
type ModeHeader int

// The two forms (SPC-5 7.5.5).
const (
	Header6  ModeHeader = 4 // of MODE SENSE(6) and MODE SELECT(6)
	Header10 ModeHeader = 8 // of MODE SENSE(10) and MODE SELECT(10)
)

// total is the length of the mode data that the header states, its length field included.
func (h ModeHeader) total(b []byte) int {
	switch {
	case h == Header6 && len(b) >= 1:
		return 1 + int(b[0])
	case h == Header10 && len(b) >= 2:
		return 2 + int(binary.BigEndian.Uint16(b[0:2]))
	}
	return 0
}

// ModePage is one mode page with its header, so that the byte numbers of the standards apply: byte 0 holds PS, SPF and
// the page code.
type ModePage []byte

// Code is the page code.
func (p ModePage) Code() byte {
	if len(p) == 0 {
		return 0
	}
	return p[0] & 0x3F
}

// Subpage is the subpage code, 0 for a page without.
func (p ModePage) Subpage() byte {
	if len(p) < 2 || p[0]&0x40 == 0 {
		return 0
	}
	return p[1]
}

// Saveable reports the PS bit: the device can keep the page over a power cycle.
func (p ModePage) Saveable() bool { return len(p) > 0 && p[0]&0x80 != 0 }

// ModeParameters are the parameters of a device: header, the first block descriptor and pages (SPC-5 7.5, SSC-5 8.3).
type ModeParameters struct {
	MediumType     byte
	WriteProtected bool
	BufferedMode   byte // 0 synchronous writes, 1 buffered, of tape drives
	Speed          byte
	// HasBlockDescriptor says that Density, Blocks and BlockLength are there.
	HasBlockDescriptor bool
	Density            byte   // in MODE SELECT 0 is the default and 7Fh leaves it as it is
	Blocks             uint32 // 24 bits; 0 is all of the medium
	BlockLength        uint32 // 24 bits, in bytes; 0 is variable
	Pages              []ModePage
}

// Page returns the page with the code and subpage, or nil.
func (p ModeParameters) Page(code, subpage byte) ModePage {
	for _, m := range p.Pages {
		if m.Code() == code && m.Subpage() == subpage {
			return m
		}
	}
	return nil
}

// Unmarshal decodes the data of MODE SENSE. The block descriptors are skipped by the length that the header states;
// pages are copies. A page that reaches beyond the data gives those before it and a *ResponseError.
func (p *ModeParameters) Unmarshal(h ModeHeader, b []byte) error {
	if len(b) < int(h) {
		return malformed("mode data of %d bytes", len(b))
	}
	// A stated length of 0 is nonsense that some libraries send with whole pages behind it: then the transfer decides.
	if n := h.total(b); n >= int(h) {
		b = b[:min(n, len(b))]
	}
	return p.unmarshal(h, b)
}

// UnmarshalSelect decodes the parameter list of MODE SELECT, whose length field is reserved.
func (p *ModeParameters) UnmarshalSelect(h ModeHeader, b []byte) error {
	if len(b) < int(h) {
		return malformed("mode parameter list of %d bytes", len(b))
	}
	return p.unmarshal(h, b)
}

func (p *ModeParameters) unmarshal(h ModeHeader, b []byte) error {
	medium, device, descriptors := b[1], b[2], int(b[3])
	if h == Header10 {
		medium, device, descriptors = b[2], b[3], int(binary.BigEndian.Uint16(b[6:8]))
	}
	*p = ModeParameters{MediumType: medium, WriteProtected: device&0x80 != 0, BufferedMode: device >> 4 & 0x07,
		Speed: device & 0x0F}
	b = b[h:]
	if descriptors > len(b) {
		return malformed("block descriptors of %d bytes in %d bytes of mode data", descriptors, len(b))
	}
	if descriptors >= 8 {
		p.HasBlockDescriptor = true
		p.Density = b[0]
		p.Blocks = uint24(b[1:4])
		p.BlockLength = uint24(b[5:8])
	}
	return p.unmarshalPages(b[descriptors:])
}

func (p *ModeParameters) unmarshalPages(b []byte) error {
	for len(b) > 0 {
		// Zeros where a page should begin are a block descriptor that the header does not mention (quirk Q16), or padding.
		if b[0]&0x7F == 0 && (len(b) == 1 || b[1] == 0) {
			b = b[min(2, len(b)):]
			continue
		}
		n := 0
		switch {
		case b[0]&0x40 == 0 && len(b) >= 2:
			n = 2 + int(b[1])
		case b[0]&0x40 != 0 && len(b) >= 4:
			n = 4 + int(binary.BigEndian.Uint16(b[2:4]))
		}
		if n == 0 || n > len(b) {
			return malformed("mode page %02Xh reaches beyond the data", b[0]&0x3F)
		}
		p.Pages = append(p.Pages, append(ModePage(nil), b[:n]...))
		b = b[n:]
	}
	return nil
}

// Marshal encodes the data of MODE SENSE, for a simulated device. The length wraps where the form cannot hold it.
func (p ModeParameters) Marshal(h ModeHeader) []byte {
	b := p.marshal(h)
	for _, page := range p.Pages {
		b = append(b, page...)
	}
	if h == Header6 {
		b[0] = byte(len(b) - 1)
	} else {
		binary.BigEndian.PutUint16(b[0:2], uint16(len(b)-2))
	}
	b[h.deviceSpecific()] |= flag(p.WriteProtected, 0x80)
	return b
}

// MarshalSelect encodes the parameter list of MODE SELECT: the length field, the write protection and the PS bits are
// reserved there and sent as zero.
func (p ModeParameters) MarshalSelect(h ModeHeader) []byte {
	b := p.marshal(h)
	for _, page := range p.Pages {
		at := len(b)
		b = append(b, page...)
		if len(page) > 0 {
			b[at] &^= 0x80
		}
	}
	return b
}

// deviceSpecific is the offset of the device-specific parameter.
func (h ModeHeader) deviceSpecific() int {
	if h == Header6 {
		return 2
	}
	return 3
}

// marshal encodes header and block descriptor.
func (p ModeParameters) marshal(h ModeHeader) []byte {
	b := make([]byte, int(h), int(h)+8)
	at := h.deviceSpecific()
	b[at-1] = p.MediumType
	b[at] = p.BufferedMode&0x07<<4 | p.Speed&0x0F
	if p.HasBlockDescriptor {
		b[h-1] = 8
		b = b[:h+8]
		d := b[h:]
		d[0] = p.Density
		putUint24(d[1:4], p.Blocks)
		putUint24(d[5:8], p.BlockLength)
	}
	return b
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func putUint24(b []byte, v uint32) { b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v) }
