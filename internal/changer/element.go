// Package changer drives a medium changer (tape library) with the commands of SMC-3: it knows which elements there are,
// what is in them, and moves media between them.
//
// The package reports what the changer says and does one thing for one call. What to do after a failed move, and which
// cartridge belongs where, is decided above it.
package changer

import "fmt"

// ElementAddress is the number of an element as the changer gives it (SMC-3 4.2.1). It is not the slot number that
// operators see.
type ElementAddress uint16

// ElementType is what an element is (SMC-3 6.10, table 27).
type ElementType uint8

// The element types of SMC-3. AllElements is for requests only.
const (
	AllElements     ElementType = 0
	MediumTransport ElementType = 1 // an arm that moves media
	Storage         ElementType = 2 // a slot
	ImportExport    ElementType = 3 // a mail slot
	DataTransfer    ElementType = 4 // a drive
)

// String names the type.
func (t ElementType) String() string {
	switch t {
	case AllElements:
		return "all elements"
	case MediumTransport:
		return "medium transport"
	case Storage:
		return "storage"
	case ImportExport:
		return "import/export"
	case DataTransfer:
		return "data transfer"
	}
	return fmt.Sprintf("element type %d", uint8(t))
}

// MediumType is what the changer believes a medium to be (SMC-3 table 31, 3 bits).
type MediumType uint8

// The medium types of SMC-3. Many changers report MediumUnspecified for everything.
const (
	MediumUnspecified MediumType = 0
	MediumData        MediumType = 1
	MediumCleaning    MediumType = 2
	MediumDiagnostic  MediumType = 3
	MediumWORM        MediumType = 4
	MediumMicrocode   MediumType = 5
)

// String names the medium type.
func (t MediumType) String() string {
	switch t {
	case MediumUnspecified:
		return "unspecified"
	case MediumData:
		return "data"
	case MediumCleaning:
		return "cleaning"
	case MediumDiagnostic:
		return "diagnostic"
	case MediumWORM:
		return "WORM"
	case MediumMicrocode:
		return "microcode image"
	}
	return fmt.Sprintf("medium type %d", uint8(t))
}

// VolumeTag is a barcode (SMC-3 6.10.8): the identifier without the blanks and NULs around it, and the volume sequence
// number.
type VolumeTag struct {
	Identifier string
	Sequence   uint16
}

// DeviceIdentifier names the drive in a data transfer element (SMC-3 6.10.6).
type DeviceIdentifier struct {
	// CodeSet is 1 for binary, 2 for ASCII, 3 for UTF-8; Type is 0 for a vendor's own (mostly the bare serial number),
	// 1 for vendor, product and serial number, others as in VPD page 83h.
	CodeSet, Type byte
	// Raw is the identifier as it came, nil when there was none.
	Raw []byte
	// Vendor, Product and Serial are what could be taken out of Raw, without padding.
	Vendor, Product, Serial string
	// Truncated says that the changer cut the identifier off; Serial is empty or a beginning only. tgt does this to the
	// last drive of every answer.
	Truncated bool
}

// Element is one place for a medium, as READ ELEMENT STATUS describes it (SMC-3 6.10.4 to 6.10.7). Flags that the
// element's type does not have are false.
type Element struct {
	Address ElementAddress
	Type    ElementType
	// Full says that a medium is in the element.
	Full bool
	// Exception says that something is unusual, see ASC and ASCQ. It is no fault by itself: IBM and Dell libraries set
	// it for cleaning cartridges and unreadable barcodes (quirk Q09).
	Exception bool
	// Accessible says that the arm can reach the medium now. Only a hint (quirk Q12).
	Accessible bool
	// ImportedByOperator: the medium was put into the import/export element by a person and not by the arm.
	ImportedByOperator bool
	// ImportEnabled and ExportEnabled say what the import/export element can be used for.
	ImportEnabled, ExportEnabled bool
	// ConnectedMediaChanger: the import/export element leads to another changer.
	ConnectedMediaChanger bool
	// OperatorInterventionRequired: a person has to empty or close the import/export element.
	OperatorInterventionRequired bool
	// Disabled: the element is out of service.
	Disabled bool
	// Inverted: the medium was turned over on its last move.
	Inverted bool
	// ASC and ASCQ tell the reason of Exception, with the codes of sense data. Some changers set them without it (Q10).
	ASC, ASCQ byte
	// VolumeTagReported says that the answer had room for a barcode, so that an empty identifier of a full element
	// means a medium without readable label.
	VolumeTagReported bool
	PrimaryVolumeTag  VolumeTag
	// AlternateVolumeTag is the other side's barcode; some libraries put the drive's serial number here (Q05).
	AlternateVolumeTag VolumeTag
	// SourceValid says that Source holds the storage element that the medium came from. It may be out of date (Q11).
	SourceValid bool
	Source      ElementAddress
	MediumType  MediumType
	// Identifier names the drive of a data transfer element, when it was asked for.
	Identifier DeviceIdentifier
	// BusAddressValid and LogicalUnitValid say whether BusAddress and LogicalUnit tell how the drive is attached
	// (parallel SCSI only), NotThisBus that it is not on the changer's bus.
	BusAddressValid, LogicalUnitValid, NotThisBus bool
	BusAddress, LogicalUnit                       byte
}

// Range is a range of element addresses of one type.
type Range struct {
	First ElementAddress
	Count int
}

// Contains reports whether a lies in the range.
func (r Range) Contains(a ElementAddress) bool {
	return int(a) >= int(r.First) && int(a) < int(r.First)+r.Count
}

// Assignment tells which addresses the elements of each type have (mode page 1Dh, SMC-3 7.3.3).
type Assignment struct {
	MediumTransport, Storage, ImportExport, DataTransfer Range
}

// Of gives the range of a type, a zero Range for AllElements and unknown types.
func (a Assignment) Of(t ElementType) Range {
	switch t {
	case MediumTransport:
		return a.MediumTransport
	case Storage:
		return a.Storage
	case ImportExport:
		return a.ImportExport
	case DataTransfer:
		return a.DataTransfer
	}
	return Range{}
}

// TypeOf gives the type of the element at address, and whether the assignment has such an address.
func (a Assignment) TypeOf(address ElementAddress) (ElementType, bool) {
	for t := MediumTransport; t <= DataTransfer; t++ {
		if a.Of(t).Contains(address) {
			return t, true
		}
	}
	return AllElements, false
}
