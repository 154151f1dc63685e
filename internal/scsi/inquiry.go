package scsi

import (
	"context"
	"encoding/binary"
	"fmt"
)

// DeviceType is the peripheral device type of a logical unit (SPC-5 table 150).
type DeviceType byte

// The device types that matter here.
const (
	DiskDevice       DeviceType = 0x00
	TapeDevice       DeviceType = 0x01
	ChangerDevice    DeviceType = 0x08
	ControllerDevice DeviceType = 0x0C
	NoDevice         DeviceType = 0x1F
)

// String names the device type.
func (d DeviceType) String() string {
	switch d {
	case DiskDevice:
		return "disk"
	case TapeDevice:
		return "tape drive"
	case ChangerDevice:
		return "medium changer"
	case ControllerDevice:
		return "array controller"
	case NoDevice:
		return "no device"
	}
	return fmt.Sprintf("device type %02Xh", byte(d))
}

// Inquiry is INQUIRY (SPC-5 6.7).
type Inquiry struct {
	EVPD             bool // a vital product data page is wanted
	Page             byte // which one
	AllocationLength uint16
}

// Name is the standard's name of the command.
func (Inquiry) Name() string { return "INQUIRY" }

// CDB encodes the command.
func (r Inquiry) CDB() []byte {
	b := []byte{0x12, flag(r.EVPD, 0x01), r.Page, 0, 0, 0}
	binary.BigEndian.PutUint16(b[3:5], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *Inquiry) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 6, 0x12); err != nil {
		return err
	}
	*r = Inquiry{EVPD: b[1]&0x01 != 0, Page: b[2], AllocationLength: binary.BigEndian.Uint16(b[3:5])}
	return nil
}

// InquiryData is the standard INQUIRY data (SPC-5 6.7.2).
type InquiryData struct {
	// Qualifier is 0 for a logical unit that is there, 1 for one that could be, 3 for one that cannot.
	Qualifier  byte
	DeviceType DeviceType
	Removable  bool
	// Version is 3 for SPC, 4 for SPC-2, 5 for SPC-3, 6 for SPC-4, 7 for SPC-5.
	Version        byte
	ResponseFormat byte // 2 in every standard since SCSI-2
	Protect        bool // on a tape drive: logical block protection
	MultiPort      bool
	MediumChanger  bool // obsolete MCHNGR: a changer hangs on this drive's logical unit
	// Vendor, Product and Revision are without their padding.
	Vendor, Product, Revision string
	// VendorSpecific holds bytes 36 to 55, as far as the device sent them.
	VendorSpecific []byte
	// VersionDescriptors name the standards the device claims, without the zeros.
	VersionDescriptors []uint16
}

// Unmarshal decodes the data of INQUIRY. Devices from before SCSI-2 send fewer than 36 bytes; 5 are enough to know
// the type. The error is a *ResponseError.
func (d *InquiryData) Unmarshal(b []byte) error {
	if len(b) < 5 {
		return malformed("standard INQUIRY data of %d bytes", len(b))
	}
	// Bytes beyond the additional length are the buffer's, not the device's.
	b = b[:min(len(b), 5+int(b[4]))]
	*d = InquiryData{
		Qualifier: b[0] >> 5, DeviceType: DeviceType(b[0] & 0x1F), Removable: b[1]&0x80 != 0, Version: b[2],
		ResponseFormat: b[3] & 0x0F,
	}
	if len(b) >= 8 {
		d.Protect = b[5]&0x01 != 0
		d.MultiPort = b[6]&0x10 != 0
		d.MediumChanger = b[6]&0x08 != 0
	}
	d.Vendor, d.Product, d.Revision = Text(span(b, 8, 16)), Text(span(b, 16, 32)), Text(span(b, 32, 36))
	d.VendorSpecific = append([]byte(nil), span(b, 36, 56)...)
	for v := span(b, 58, 74); len(v) >= 2; v = v[2:] {
		if n := binary.BigEndian.Uint16(v); n != 0 {
			d.VersionDescriptors = append(d.VersionDescriptors, n)
		}
	}
	return nil
}

// span gives b[from:to], as far as b reaches.
func span(b []byte, from, to int) []byte {
	return b[min(from, len(b)):min(to, len(b))]
}

// Marshal encodes the data in 96 bytes, or 36 when there is nothing after the revision. Strings that are too long are
// cut.
func (d InquiryData) Marshal() []byte {
	b := make([]byte, 36, 96)
	if len(d.VendorSpecific) > 0 || len(d.VersionDescriptors) > 0 {
		b = b[:96]
	}
	b[0] = d.Qualifier<<5 | byte(d.DeviceType)&0x1F
	b[1] = flag(d.Removable, 0x80)
	b[2] = d.Version
	b[3] = d.ResponseFormat & 0x0F
	b[4] = byte(len(b) - 5)
	b[5] = flag(d.Protect, 0x01)
	b[6] = flag(d.MultiPort, 0x10) | flag(d.MediumChanger, 0x08)
	b[7] = 0x02 // CMDQUE
	padded(b[8:16], d.Vendor)
	padded(b[16:32], d.Product)
	padded(b[32:36], d.Revision)
	if len(b) > 36 {
		copy(b[36:56], d.VendorSpecific)
		for i, v := range d.VersionDescriptors[:min(8, len(d.VersionDescriptors))] {
			binary.BigEndian.PutUint16(b[58+2*i:], v)
		}
	}
	return b
}

// inquiryLength is the allocation length for INQUIRY: SPC-2 devices look at one byte of it only.
const inquiryLength = 252

// ReadInquiry returns the standard INQUIRY data. It works with a unit attention pending and without a medium.
func ReadInquiry(ctx context.Context, t Transport) (InquiryData, error) {
	var d InquiryData
	r := Inquiry{AllocationLength: inquiryLength}
	b, err := DataIn(ctx, t, r, inquiryLength, StandardTimeout)
	if err != nil {
		return d, err
	}
	err = named(r, d.Unmarshal(b))
	return d, err
}
