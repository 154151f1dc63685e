package changer

import (
	"encoding/binary"
	"fmt"

	"tapectl/internal/scsi"
)

// Operation codes of the media changer command set (SMC-3 table 4). 1Bh, 2Bh and B5h mean other commands on a tape
// drive.
const (
	opInitializeElementStatus          = 0x07
	opOpenCloseImportExport            = 0x1B
	opPositionToElement                = 0x2B
	opInitializeElementStatusWithRange = 0x37
	opMoveMedium                       = 0xA5
	opExchangeMedium                   = 0xA6
	opReadElementStatus                = 0xB8
	opInitializeRangeVendor            = 0xE7
)

// Interface checks: every command is a scsi.Request.
var (
	_ scsi.Request = InitializeElementStatus{}
	_ scsi.Request = InitializeElementStatusWithRange{}
	_ scsi.Request = ReadElementStatus{}
	_ scsi.Request = MoveMedium{}
	_ scsi.Request = ExchangeMedium{}
	_ scsi.Request = PositionToElement{}
	_ scsi.Request = OpenCloseImportExport{}
)

// checkCDB says whether b can be the command name: long enough and with one of the operation codes.
func checkCDB(b []byte, name string, length int, opcodes ...byte) error {
	if len(b) < length {
		return fmt.Errorf("decode %s: %d bytes, want %d", name, len(b), length)
	}
	for _, op := range opcodes {
		if b[0] == op {
			return nil
		}
	}
	return fmt.Errorf("decode %s: operation code %02Xh", name, b[0])
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// InitializeElementStatus makes the changer look at every element again (SMC-3 6.2). It can last half an hour, and many
// changers answer at once and are not ready meanwhile.
type InitializeElementStatus struct{}

// Name is INITIALIZE ELEMENT STATUS.
func (InitializeElementStatus) Name() string { return "INITIALIZE ELEMENT STATUS" }

// CDB encodes the command in 6 bytes.
func (InitializeElementStatus) CDB() []byte { return []byte{opInitializeElementStatus, 0, 0, 0, 0, 0} }

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *InitializeElementStatus) UnmarshalCDB(b []byte) error {
	return checkCDB(b, c.Name(), 6, opInitializeElementStatus)
}

// InitializeElementStatusWithRange makes the changer look at some elements again (SMC-3 6.3).
type InitializeElementStatusWithRange struct {
	// Fast asks to skip what the changer knows already.
	Fast bool
	// Range limits the command to Count elements from Start on; without it all elements are meant. Count 0 means all
	// to the end.
	Range bool
	Start ElementAddress
	Count uint16
	// Vendor selects the older operation code E7h (ADIC, Scalar, Exabyte, mhvtl), which has no Fast.
	Vendor bool
}

// Name is INITIALIZE ELEMENT STATUS WITH RANGE.
func (InitializeElementStatusWithRange) Name() string { return "INITIALIZE ELEMENT STATUS WITH RANGE" }

// CDB encodes the command in 10 bytes.
func (c InitializeElementStatusWithRange) CDB() []byte {
	b := make([]byte, 10)
	b[0] = opInitializeElementStatusWithRange
	b[1] = flag(c.Fast, 0x02) | flag(c.Range, 0x01)
	if c.Vendor {
		b[0], b[1] = opInitializeRangeVendor, flag(c.Range, 0x01)
	}
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Start))
	binary.BigEndian.PutUint16(b[6:8], c.Count)
	return b
}

// UnmarshalCDB decodes b, operation code 37h or E7h; an error says that b is not this command.
func (c *InitializeElementStatusWithRange) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 10, opInitializeElementStatusWithRange, opInitializeRangeVendor); err != nil {
		return err
	}
	vendor := b[0] == opInitializeRangeVendor
	*c = InitializeElementStatusWithRange{
		Fast:   b[1]&0x02 != 0 && !vendor,
		Range:  b[1]&0x01 != 0,
		Start:  ElementAddress(binary.BigEndian.Uint16(b[2:4])),
		Count:  binary.BigEndian.Uint16(b[6:8]),
		Vendor: vendor,
	}
	return nil
}

// ReadElementStatus reads what is in the elements (SMC-3 6.10). The answer is decoded by DecodeElementStatus.
type ReadElementStatus struct {
	// VolumeTag asks for barcodes.
	VolumeTag bool
	Type      ElementType
	// Start is the lowest address wanted, Count the most elements that are reported from there on.
	Start ElementAddress
	Count uint16
	// CurrentData asks the changer not to move anything to find out.
	CurrentData bool
	// DeviceIdentifier asks for the identifiers of drives.
	DeviceIdentifier bool
	// Allocation is how many bytes the answer may have, at most FFFFFFh.
	Allocation uint32
}

// Name is READ ELEMENT STATUS.
func (ReadElementStatus) Name() string { return "READ ELEMENT STATUS" }

// CDB encodes the command in 12 bytes. Allocation is cut to 24 bits.
func (c ReadElementStatus) CDB() []byte {
	b := make([]byte, 12)
	b[0] = opReadElementStatus
	b[1] = flag(c.VolumeTag, 0x10) | byte(c.Type)&0x0F
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Start))
	binary.BigEndian.PutUint16(b[4:6], c.Count)
	b[6] = flag(c.CurrentData, 0x02) | flag(c.DeviceIdentifier, 0x01)
	b[7], b[8], b[9] = byte(c.Allocation>>16), byte(c.Allocation>>8), byte(c.Allocation)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ReadElementStatus) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 12, opReadElementStatus); err != nil {
		return err
	}
	*c = ReadElementStatus{
		VolumeTag:        b[1]&0x10 != 0,
		Type:             ElementType(b[1] & 0x0F),
		Start:            ElementAddress(binary.BigEndian.Uint16(b[2:4])),
		Count:            binary.BigEndian.Uint16(b[4:6]),
		CurrentData:      b[6]&0x02 != 0,
		DeviceIdentifier: b[6]&0x01 != 0,
		Allocation:       uint32(b[7])<<16 | uint32(b[8])<<8 | uint32(b[9]),
	}
	return nil
}

// MoveMedium moves the medium in Source to Destination (SMC-3 6.6).
type MoveMedium struct {
	// Transport is the arm that moves it; 0 is the default one.
	Transport   ElementAddress
	Source      ElementAddress
	Destination ElementAddress
	// Invert turns a two-sided medium over.
	Invert bool
}

// Name is MOVE MEDIUM.
func (MoveMedium) Name() string { return "MOVE MEDIUM" }

// CDB encodes the command in 12 bytes.
func (c MoveMedium) CDB() []byte {
	b := make([]byte, 12)
	b[0] = opMoveMedium
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Transport))
	binary.BigEndian.PutUint16(b[4:6], uint16(c.Source))
	binary.BigEndian.PutUint16(b[6:8], uint16(c.Destination))
	b[10] = flag(c.Invert, 0x01)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *MoveMedium) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 12, opMoveMedium); err != nil {
		return err
	}
	*c = MoveMedium{
		Transport:   ElementAddress(binary.BigEndian.Uint16(b[2:4])),
		Source:      ElementAddress(binary.BigEndian.Uint16(b[4:6])),
		Destination: ElementAddress(binary.BigEndian.Uint16(b[6:8])),
		Invert:      b[10]&0x01 != 0,
	}
	return nil
}

// ExchangeMedium moves the medium in Source to FirstDestination, and what was there to SecondDestination (SMC-3 6.1).
// Most changers do not have it.
type ExchangeMedium struct {
	Transport         ElementAddress
	Source            ElementAddress
	FirstDestination  ElementAddress
	SecondDestination ElementAddress
	// Invert1 and Invert2 turn the first and the second medium over.
	Invert1, Invert2 bool
}

// Name is EXCHANGE MEDIUM.
func (ExchangeMedium) Name() string { return "EXCHANGE MEDIUM" }

// CDB encodes the command in 12 bytes.
func (c ExchangeMedium) CDB() []byte {
	b := make([]byte, 12)
	b[0] = opExchangeMedium
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Transport))
	binary.BigEndian.PutUint16(b[4:6], uint16(c.Source))
	binary.BigEndian.PutUint16(b[6:8], uint16(c.FirstDestination))
	binary.BigEndian.PutUint16(b[8:10], uint16(c.SecondDestination))
	b[10] = flag(c.Invert1, 0x02) | flag(c.Invert2, 0x01)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ExchangeMedium) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 12, opExchangeMedium); err != nil {
		return err
	}
	*c = ExchangeMedium{
		Transport:         ElementAddress(binary.BigEndian.Uint16(b[2:4])),
		Source:            ElementAddress(binary.BigEndian.Uint16(b[4:6])),
		FirstDestination:  ElementAddress(binary.BigEndian.Uint16(b[6:8])),
		SecondDestination: ElementAddress(binary.BigEndian.Uint16(b[8:10])),
		Invert1:           b[10]&0x02 != 0,
		Invert2:           b[10]&0x01 != 0,
	}
	return nil
}

// PositionToElement moves the arm in front of an element (SMC-3 6.8).
type PositionToElement struct {
	Transport   ElementAddress
	Destination ElementAddress
	Invert      bool
}

// Name is POSITION TO ELEMENT.
func (PositionToElement) Name() string { return "POSITION TO ELEMENT" }

// CDB encodes the command in 10 bytes.
func (c PositionToElement) CDB() []byte {
	b := make([]byte, 10)
	b[0] = opPositionToElement
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Transport))
	binary.BigEndian.PutUint16(b[4:6], uint16(c.Destination))
	b[8] = flag(c.Invert, 0x01)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *PositionToElement) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 10, opPositionToElement); err != nil {
		return err
	}
	*c = PositionToElement{
		Transport:   ElementAddress(binary.BigEndian.Uint16(b[2:4])),
		Destination: ElementAddress(binary.BigEndian.Uint16(b[4:6])),
		Invert:      b[8]&0x01 != 0,
	}
	return nil
}

// OpenCloseImportExport opens or closes a motorised mail slot (SMC-3 6.7).
type OpenCloseImportExport struct {
	Element ElementAddress
	// Close closes the element; otherwise it is opened.
	Close bool
}

// Name is OPEN/CLOSE IMPORT/EXPORT ELEMENT.
func (OpenCloseImportExport) Name() string { return "OPEN/CLOSE IMPORT/EXPORT ELEMENT" }

// CDB encodes the command in 6 bytes.
func (c OpenCloseImportExport) CDB() []byte {
	b := make([]byte, 6)
	b[0] = opOpenCloseImportExport
	binary.BigEndian.PutUint16(b[2:4], uint16(c.Element))
	b[4] = flag(c.Close, 0x01)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command or has an action that the standard does not know.
func (c *OpenCloseImportExport) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opOpenCloseImportExport); err != nil {
		return err
	}
	action := b[4] & 0x1F
	if action > 1 {
		return fmt.Errorf("decode %s: action code %d", c.Name(), action)
	}
	*c = OpenCloseImportExport{Element: ElementAddress(binary.BigEndian.Uint16(b[2:4])), Close: action == 1}
	return nil
}
