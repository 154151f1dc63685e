package scsi

import (
	"context"
	"encoding/binary"
	"fmt"
)

// The vital product data pages that this package knows (SPC-5 7.7, SSC-5 8.5).
const (
	VPDSupportedPages             = 0x00
	VPDUnitSerialNumber           = 0x80
	VPDDeviceIdentification       = 0x83
	VPDSequentialAccess           = 0xB0 // of tape drives; block limits on disks
	VPDManufacturerSerialNumber   = 0xB1 // of tape drives
	VPDTapeAlertSupported         = 0xB2 // of tape drives
	VPDAutomationSerialNumber     = 0xB3 // of tape drives: given by the library to the bay
	VPDDataTransferElementAddress = 0xB4 // of tape drives
)

// VPDPage is a vital product data page: header and the bytes behind it (SPC-5 7.7.1).
type VPDPage struct {
	Qualifier  byte
	DeviceType DeviceType
	Code       byte
	Data       []byte // from byte 4 of the page on
}

// Unmarshal decodes the header. The stated length is clipped to what came. The error is a *ResponseError.
func (p *VPDPage) Unmarshal(b []byte) error {
	if len(b) < 4 {
		return malformed("vital product data page of %d bytes", len(b))
	}
	n := int(binary.BigEndian.Uint16(b[2:4]))
	*p = VPDPage{
		Qualifier: b[0] >> 5, DeviceType: DeviceType(b[0] & 0x1F), Code: b[1],
		Data: append([]byte(nil), span(b, 4, 4+n)...),
	}
	return nil
}

// Marshal encodes the page. Data beyond 65,535 bytes is cut.
func (p VPDPage) Marshal() []byte {
	d := p.Data[:min(len(p.Data), 0xFFFF)]
	b := make([]byte, 4, 4+len(d))
	b[0] = p.Qualifier<<5 | byte(p.DeviceType)&0x1F
	b[1] = p.Code
	binary.BigEndian.PutUint16(b[2:4], uint16(len(d)))
	return append(b, d...)
}

// Serial gives the text of a page that holds a serial number: 80h, B1h, B3h. It is "" when the text is not printable,
// which happens where a target answers a tape page with a disk's.
func (p VPDPage) Serial() string {
	s := Text(p.Data)
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7E {
			return ""
		}
	}
	return s
}

// SequentialAccess is the sequential-access device capabilities page B0h (SSC-5 8.5.2).
type SequentialAccess struct {
	WORM bool // write once media are supported
	TSMC bool // tape stream mirroring is supported
}

// Unmarshal decodes page B0h of a tape drive. Disks use the number for their block limits, which has 12 bytes and more,
// and there are targets that answer a tape drive's page with that: it is refused with a *ResponseError.
func (s *SequentialAccess) Unmarshal(p VPDPage) error {
	if p.Code != VPDSequentialAccess || p.DeviceType != TapeDevice || len(p.Data) < 1 || len(p.Data) >= 12 {
		return malformed("page %02Xh of a %s with %d bytes is no sequential-access device capabilities page",
			p.Code, p.DeviceType, len(p.Data))
	}
	*s = SequentialAccess{WORM: p.Data[0]&0x01 != 0, TSMC: p.Data[0]&0x02 != 0}
	return nil
}

// Marshal encodes the page.
func (s SequentialAccess) Marshal() VPDPage {
	return VPDPage{DeviceType: TapeDevice, Code: VPDSequentialAccess,
		Data: []byte{flag(s.WORM, 0x01) | flag(s.TSMC, 0x02), 0}}
}

// ElementAddress decodes page B4h: the element address that the library told the drive (SSC-5 8.5.6).
// ok is false when the page says nothing.
func (p VPDPage) ElementAddress() (address uint16, ok bool) {
	if p.Code != VPDDataTransferElementAddress || len(p.Data) == 0 || len(p.Data) > 8 {
		return 0, false
	}
	var v uint64
	for _, x := range p.Data {
		v = v<<8 | uint64(x)
	}
	return uint16(v), v <= 0xFFFF
}

// Association says what a designator belongs to (SPC-5 table 528).
type Association byte

// The associations.
const (
	OfLogicalUnit  Association = 0
	OfTargetPort   Association = 1
	OfTargetDevice Association = 2
)

// Designator types (SPC-5 table 529).
const (
	DesignatorVendor = 0
	DesignatorT10    = 1
	DesignatorEUI64  = 2
	DesignatorNAA    = 3
	DesignatorPort   = 4
	DesignatorName   = 8
)

// Designator is one designation descriptor of page 83h (SPC-5 7.7.6).
type Designator struct {
	Protocol    byte // protocol identifier, valid when PIV
	CodeSet     byte // 1 binary, 2 ASCII, 3 UTF-8
	PIV         bool
	Association Association
	Type        byte
	Data        []byte
}

// String gives the designator's text: ASCII and UTF-8 trimmed, binary as hexadecimal digits.
func (d Designator) String() string {
	if d.CodeSet == 2 || d.CodeSet == 3 {
		return Text(d.Data)
	}
	return fmt.Sprintf("%x", d.Data)
}

// Designators decodes page 83h. A descriptor that reaches beyond the page gives those before it and a *ResponseError.
func (p VPDPage) Designators() ([]Designator, error) {
	var out []Designator
	for b := p.Data; len(b) > 0; {
		if len(b) < 4 || len(b) < 4+int(b[3]) {
			return out, malformed("designation descriptor %d reaches beyond the page", len(out)+1)
		}
		n := 4 + int(b[3])
		out = append(out, Designator{
			Protocol: b[0] >> 4, CodeSet: b[0] & 0x0F, PIV: b[1]&0x80 != 0, Association: Association(b[1] >> 4 & 0x03),
			Type: b[1] & 0x0F, Data: append([]byte(nil), b[4:n]...),
		})
		b = b[n:]
	}
	return out, nil
}

// MarshalDesignators encodes page 83h. Designators longer than 255 bytes are cut.
func MarshalDesignators(t DeviceType, list []Designator) VPDPage {
	p := VPDPage{DeviceType: t, Code: VPDDeviceIdentification}
	for _, d := range list {
		data := d.Data[:min(len(d.Data), 255)]
		p.Data = append(p.Data, d.Protocol<<4|d.CodeSet&0x0F,
			flag(d.PIV, 0x80)|byte(d.Association)&0x03<<4|d.Type&0x0F, 0, byte(len(data)))
		p.Data = append(p.Data, data...)
	}
	return p
}

// ReadVPD returns a vital product data page. An answer with another page code is a *ResponseError: some devices send the
// standard data when they do not know EVPD.
func ReadVPD(ctx context.Context, t Transport, page byte) (VPDPage, error) {
	var p VPDPage
	size := inquiryLength
	for {
		r := Inquiry{EVPD: true, Page: page, AllocationLength: uint16(size)}
		b, err := DataIn(ctx, t, r, size, StandardTimeout)
		if err != nil {
			return p, err
		}
		if err := p.Unmarshal(b); err != nil {
			return p, named(r, err)
		}
		if p.Code != page {
			return p, named(r, malformed("page %02Xh where %02Xh was asked for", p.Code, page))
		}
		want := 4 + int(binary.BigEndian.Uint16(b[2:4]))
		if want <= size || size > inquiryLength {
			return p, nil
		}
		size = min(want, 0xFFFF)
	}
}
