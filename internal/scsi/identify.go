package scsi

import (
	"bytes"
	"context"
	"errors"
)

// Identity is what a logical unit says about itself: INQUIRY and the pages of vital product data that it lists.
type Identity struct {
	DeviceType DeviceType
	// Present is false for a logical unit that is not there (peripheral qualifier other than 0).
	Present                   bool
	Removable                 bool
	Vendor, Product, Revision string
	// Serial is the unit serial number (page 80h), trimmed, or "". Libraries override it in the drives of their bays,
	// and report the same number in READ ELEMENT STATUS.
	Serial string
	// ManufacturerSerial is the serial number on the drive's type plate (page B1h), or "".
	ManufacturerSerial string
	// AutomationSerial is the number that the library gave the drive's bay (page B3h), or "".
	AutomationSerial string
	// NAA is the world wide name of the logical unit in hexadecimal (page 83h), or "".
	NAA string
	// ElementAddress is the drive's address in its library (page B4h); valid when ElementAddressKnown.
	ElementAddress      uint16
	ElementAddressKnown bool
	// WORM says that a tape drive knows write once media (page B0h).
	WORM bool
	// Protect says that a tape drive can protect logical blocks with a CRC.
	Protect bool
}

// Identify asks a logical unit who it is. Pages that the device does not list are not asked for; pages that it refuses
// or garbles are left out. Only a device that does not answer INQUIRY is an error, or a transport that fails.
func Identify(ctx context.Context, t Transport) (Identity, error) {
	d, err := ReadInquiry(ctx, t)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{
		DeviceType: d.DeviceType, Present: d.Qualifier == 0, Removable: d.Removable, Protect: d.Protect,
		Vendor: d.Vendor, Product: d.Product, Revision: d.Revision,
	}
	if !id.Present {
		return id, nil
	}
	listed, err := ReadVPD(ctx, t, VPDSupportedPages)
	if err != nil {
		return id, unlessAnswered(err)
	}
	pages := []byte{VPDUnitSerialNumber, VPDDeviceIdentification}
	if id.DeviceType == TapeDevice { // the numbers mean other things on other devices
		pages = append(pages, VPDSequentialAccess, VPDManufacturerSerialNumber, VPDAutomationSerialNumber,
			VPDDataTransferElementAddress)
	}
	for _, page := range pages {
		if bytes.IndexByte(listed.Data, page) < 0 {
			continue
		}
		p, err := ReadVPD(ctx, t, page)
		if err == nil {
			id.add(p)
		} else if err = unlessAnswered(err); err != nil {
			return id, err
		}
	}
	return id, nil
}

// unlessAnswered gives nil for the errors of a device that is alive and merely refuses.
func unlessAnswered(err error) error {
	var check *CheckError
	var response *ResponseError
	if errors.As(err, &check) || errors.As(err, &response) {
		return nil
	}
	return err
}

// add takes what a page says.
func (id *Identity) add(p VPDPage) {
	switch p.Code {
	case VPDUnitSerialNumber:
		id.Serial = p.Serial()
	case VPDManufacturerSerialNumber:
		id.ManufacturerSerial = p.Serial()
	case VPDAutomationSerialNumber:
		id.AutomationSerial = p.Serial()
	case VPDDataTransferElementAddress:
		id.ElementAddress, id.ElementAddressKnown = p.ElementAddress()
	case VPDSequentialAccess:
		var s SequentialAccess
		if s.Unmarshal(p) == nil {
			id.WORM = s.WORM
		}
	case VPDDeviceIdentification:
		list, _ := p.Designators() // a cut last descriptor takes nothing from those before it
		for _, d := range list {
			if d.Association == OfLogicalUnit && d.Type == DesignatorNAA && id.NAA == "" {
				id.NAA = d.String()
			}
		}
	}
}
