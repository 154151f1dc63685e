package changer

import (
	"encoding/binary"
	"fmt"
)

// EncodeOptions says what EncodeElementStatus puts into the descriptors.
type EncodeOptions struct {
	// VolumeTag adds the primary volume tags (VOLTAG of the command).
	VolumeTag bool
	// AlternateVolumeTag adds the alternate volume tags as well.
	AlternateVolumeTag bool
	// DeviceIdentifier adds the identifiers of data transfer elements (DVCID of the command). Elements of other types
	// get none.
	DeviceIdentifier bool
	// IdentifierHeader adds an identifier header of length 0 when no identifiers are asked for, as most changers do.
	IdentifierHeader bool
}

// EncodeElementStatus builds the complete answer to READ ELEMENT STATUS (SMC-3 6.10.2) for the elements, one page for
// each run of elements of the same type, in the order given. The caller cuts it to the allocation length. It fails for
// elements that the format cannot express: a type that is none, a volume tag above 32 bytes, an identifier above 255
// bytes, more than 65,535 elements.
func EncodeElementStatus(elements []Element, o EncodeOptions) ([]byte, error) {
	if len(elements) > 0xFFFF {
		return nil, fmt.Errorf("encode element status: %d elements, at most 65535 fit", len(elements))
	}
	out := make([]byte, statusHeaderLength)
	if len(elements) > 0 {
		first := elements[0].Address
		for _, e := range elements {
			first = min(first, e.Address)
		}
		binary.BigEndian.PutUint16(out[0:2], uint16(first))
	}
	binary.BigEndian.PutUint16(out[2:4], uint16(len(elements)))
	for rest := elements; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Type == rest[0].Type {
			n++
		}
		page, err := encodePage(rest[:n], o)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		rest = rest[n:]
	}
	if err := putCount(out[5:8], len(out)-statusHeaderLength); err != nil {
		return nil, err
	}
	return out, nil
}

func putCount(b []byte, n int) error {
	if n > 0xFFFFFF {
		return fmt.Errorf("encode element status: %d bytes, at most 16777215 fit", n)
	}
	b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n)
	return nil
}

// encodePage builds one page of elements of one type (SMC-3 6.10.3).
func encodePage(elements []Element, o EncodeOptions) ([]byte, error) {
	t := elements[0].Type
	if t < MediumTransport || t > DataTransfer {
		return nil, fmt.Errorf("encode element status: element %d is of %s", elements[0].Address, t)
	}
	length := descriptorFixedLength
	page := make([]byte, pageHeaderLength)
	page[0] = byte(t)
	if o.VolumeTag {
		page[1] |= 0x80
		length += volumeTagLength
	}
	if o.AlternateVolumeTag {
		page[1] |= 0x40
		length += volumeTagLength
	}
	identifiers := make([][]byte, len(elements))
	if o.DeviceIdentifier && t == DataTransfer {
		longest := 0
		for i, e := range elements {
			id, err := encodeIdentifier(e)
			if err != nil {
				return nil, err
			}
			identifiers[i] = id
			longest = max(longest, len(id))
		}
		length += longest
	} else if o.DeviceIdentifier || o.IdentifierHeader {
		length += identifierHeaderLength
	}
	binary.BigEndian.PutUint16(page[2:4], uint16(length))
	for i, e := range elements {
		d, err := encodeDescriptor(e, o, length, identifiers[i])
		if err != nil {
			return nil, err
		}
		page = append(page, d...)
	}
	return page, putCount(page[5:8], len(page)-pageHeaderLength)
}

// encodeDescriptor builds one descriptor of length bytes (SMC-3 6.10.4).
func encodeDescriptor(e Element, o EncodeOptions, length int, identifier []byte) ([]byte, error) {
	d := make([]byte, length)
	binary.BigEndian.PutUint16(d[0:2], uint16(e.Address))
	d[2] = flag(e.Full, 0x01) | flag(e.Exception, 0x04)
	if e.Type != MediumTransport {
		d[2] |= flag(e.Accessible, 0x08)
	}
	if e.Type == ImportExport {
		d[2] |= flag(e.ImportedByOperator, 0x02) | flag(e.ExportEnabled, 0x10) | flag(e.ImportEnabled, 0x20) |
			flag(e.ConnectedMediaChanger, 0x40) | flag(e.OperatorInterventionRequired, 0x80)
	}
	d[4], d[5] = e.ASC, e.ASCQ
	if e.Type == DataTransfer {
		d[6] = flag(e.NotThisBus, 0x80) | flag(e.BusAddressValid, 0x20) | flag(e.LogicalUnitValid, 0x10) | e.LogicalUnit&0x07
		d[7] = e.BusAddress
	}
	d[9] = flag(e.SourceValid, 0x80) | flag(e.Inverted, 0x40) | flag(e.Disabled, 0x08) | byte(e.MediumType)&0x07
	if e.SourceValid {
		binary.BigEndian.PutUint16(d[10:12], uint16(e.Source))
	}
	at := descriptorFixedLength
	if o.VolumeTag {
		if err := encodeVolumeTag(d[at:], e.Address, e.PrimaryVolumeTag, e.Full); err != nil {
			return nil, err
		}
		at += volumeTagLength
	}
	if o.AlternateVolumeTag {
		if err := encodeVolumeTag(d[at:], e.Address, e.AlternateVolumeTag, e.Full); err != nil {
			return nil, err
		}
		at += volumeTagLength
	}
	copy(d[at:], identifier)
	return d, nil
}

// encodeVolumeTag fills 36 bytes: padded with blanks when a medium is there, NULs when not.
func encodeVolumeTag(b []byte, address ElementAddress, t VolumeTag, full bool) error {
	if len(t.Identifier) > volumeIdentifierLength {
		return fmt.Errorf("encode element status: volume tag of element %d has %d bytes, at most 32 fit", address, len(t.Identifier))
	}
	n := copy(b, t.Identifier)
	for ; full && n < volumeIdentifierLength; n++ {
		b[n] = ' '
	}
	binary.BigEndian.PutUint16(b[34:36], t.Sequence)
	return nil
}

// encodeIdentifier builds header and identifier of a drive: the raw one, or vendor, product and serial number in the
// T10 form, or the bare serial number.
func encodeIdentifier(e Element) ([]byte, error) {
	id := e.Identifier
	raw := id.Raw
	if raw == nil && id.Vendor != "" {
		raw = append(pad(id.Vendor, 8), pad(id.Product, 16)...)
		raw = append(raw, id.Serial...)
		id.CodeSet, id.Type = 2, 1
	} else if raw == nil && id.Serial != "" {
		raw = []byte(id.Serial)
		id.CodeSet, id.Type = 2, 0
	}
	if len(raw) > 0xFF {
		return nil, fmt.Errorf("encode element status: identifier of element %d has %d bytes, at most 255 fit", e.Address, len(raw))
	}
	return append([]byte{id.CodeSet & 0x0F, id.Type & 0x0F, 0, byte(len(raw))}, raw...), nil
}

// pad makes s exactly n bytes long, with blanks behind it.
func pad(s string, n int) []byte {
	b := make([]byte, n)
	for i := copy(b, s); i < n; i++ {
		b[i] = ' '
	}
	return b
}
