package changer

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Sizes of the parts of an element status answer (SMC-3 6.10.2 to 6.10.8).
const (
	statusHeaderLength     = 8
	pageHeaderLength       = 8
	descriptorFixedLength  = 12
	volumeTagLength        = 36
	volumeIdentifierLength = 32
	identifierHeaderLength = 4
)

// StatusReport is the decoded answer to READ ELEMENT STATUS.
type StatusReport struct {
	// First and Available are what the header claims: the first address, and how many elements there are. Do not rely
	// on them (quirk Q07).
	First     ElementAddress
	Available int
	// ByteCount is how long the answer would be without its 8 byte header, also when it was cut off.
	ByteCount int
	// Elements are the elements that were described completely, in the order of the answer.
	Elements []Element
	// Truncated is the element whose descriptor was cut off at the end of the answer, nil when there is none.
	Truncated *TruncatedElement
}

// TruncatedElement is what is left of a descriptor that was cut off. Only what the flags name can be used.
type TruncatedElement struct {
	Element Element
	// AddressKnown: Element.Address is right.
	AddressKnown bool
	// StatusKnown: all flags, codes and the source of the element are right.
	StatusKnown bool
	// VolumeTagKnown: the barcodes are complete, or there are none.
	VolumeTagKnown bool
}

// DecodeElementStatus decodes the answer to READ ELEMENT STATUS (SMC-3 6.10.2). It steps by the descriptor length that
// each page states, takes what both the counts and the received bytes cover, and accepts a last descriptor that is cut
// off. An answer that the standard cannot explain gives an error. The report shares no memory with b.
func DecodeElementStatus(b []byte) (StatusReport, error) {
	if len(b) < statusHeaderLength {
		return StatusReport{}, fmt.Errorf("decode element status: %d bytes, a header has 8", len(b))
	}
	r := StatusReport{
		First:     ElementAddress(binary.BigEndian.Uint16(b[0:2])),
		Available: int(binary.BigEndian.Uint16(b[2:4])),
		ByteCount: int(b[5])<<16 | int(b[6])<<8 | int(b[7]),
	}
	rest := b[statusHeaderLength:]
	rest = rest[:min(len(rest), r.ByteCount)]
	// tgt reports an empty result with a byte count of 8 and no page; an incomplete page header is the cut end.
	for len(rest) >= pageHeaderLength && r.Truncated == nil {
		n, err := r.decodePage(rest)
		if err != nil {
			return StatusReport{}, err
		}
		rest = rest[n:]
	}
	return r, nil
}

// decodePage takes one element status page (SMC-3 6.10.3) and returns how many bytes of b it has.
func (r *StatusReport) decodePage(b []byte) (int, error) {
	l := layout{
		typ:       ElementType(b[0] & 0x0F),
		primary:   b[1]&0x80 != 0,
		alternate: b[1]&0x40 != 0,
		length:    int(binary.BigEndian.Uint16(b[2:4])),
	}
	count := int(b[5])<<16 | int(b[6])<<8 | int(b[7])
	if count == 0 {
		return pageHeaderLength, nil
	}
	if l.typ < MediumTransport || l.typ > DataTransfer {
		return 0, fmt.Errorf("decode element status: page of %s", l.typ)
	}
	if l.length < descriptorFixedLength {
		return 0, fmt.Errorf("decode element status: descriptors of %d bytes, want at least 12", l.length)
	}
	body := b[pageHeaderLength:]
	cut := count > len(body)
	body = body[:min(len(body), count)]
	used := pageHeaderLength + len(body)
	for len(body) >= l.length {
		e := l.decode(body[:l.length])
		r.Elements = append(r.Elements, e)
		body = body[l.length:]
	}
	switch {
	case len(body) > 0:
		r.Truncated = l.decodeTruncated(body)
	case cut:
		// The page goes on behind the end of the answer, which fell between two descriptors.
		r.Truncated = &TruncatedElement{Element: Element{Type: l.typ}}
	}
	return used, nil
}

// layout is how the descriptors of one page are built.
type layout struct {
	typ                ElementType
	primary, alternate bool
	length             int
}

// tags gives the offsets of the volume tags, 0 for none, and where the identifier begins. A flag without room for its
// tag is ignored: mhvtl's HP and Spectra personalities set AVOLTAG and send none (quirk Q05).
func (l layout) tags() (primary, alternate, identifier int) {
	at := descriptorFixedLength
	if l.primary && l.length >= at+volumeTagLength {
		primary, at = at, at+volumeTagLength
	}
	if l.alternate && l.length >= at+volumeTagLength {
		alternate, at = at, at+volumeTagLength
	}
	return primary, alternate, at
}

// decode takes one complete descriptor of l.length bytes (SMC-3 6.10.4).
func (l layout) decode(d []byte) Element {
	e := Element{Type: l.typ}
	e.setStatus(d)
	primary, alternate, at := l.tags()
	if primary != 0 {
		e.VolumeTagReported = true
		e.PrimaryVolumeTag = decodeVolumeTag(d[primary:])
	}
	if alternate != 0 {
		e.AlternateVolumeTag = decodeVolumeTag(d[alternate:])
	}
	e.Identifier = decodeIdentifier(d[at:])
	return e
}

// decodeTruncated takes the beginning of a descriptor.
func (l layout) decodeTruncated(d []byte) *TruncatedElement {
	t := &TruncatedElement{Element: Element{Type: l.typ}}
	if len(d) < 2 {
		return t
	}
	t.AddressKnown = true
	t.Element.Address = ElementAddress(binary.BigEndian.Uint16(d[0:2]))
	if len(d) < descriptorFixedLength {
		return t
	}
	t.StatusKnown = true
	t.Element.setStatus(d)
	primary, alternate, at := l.tags()
	t.VolumeTagKnown = true
	for _, tag := range []struct {
		at int
		to *VolumeTag
	}{{primary, &t.Element.PrimaryVolumeTag}, {alternate, &t.Element.AlternateVolumeTag}} {
		switch {
		case tag.at == 0:
		case len(d) >= tag.at+volumeTagLength:
			*tag.to = decodeVolumeTag(d[tag.at:])
		case len(d) >= tag.at+volumeIdentifierLength:
			// Only the sequence number is missing, as in the last descriptor of every answer of tgt.
			tag.to.Identifier = trimPadding(d[tag.at : tag.at+volumeIdentifierLength])
		default:
			t.VolumeTagKnown = false
		}
	}
	t.Element.VolumeTagReported = primary != 0 && t.VolumeTagKnown
	if len(d) > at {
		t.Element.Identifier = decodeIdentifier(d[at:])
	}
	return t
}

// setStatus takes the fixed part of a descriptor, at least 12 bytes (SMC-3 tables 29, 32, 33 and 34).
func (e *Element) setStatus(d []byte) {
	e.Address = ElementAddress(binary.BigEndian.Uint16(d[0:2]))
	e.Full = d[2]&0x01 != 0
	e.Exception = d[2]&0x04 != 0
	if e.Type != MediumTransport {
		e.Accessible = d[2]&0x08 != 0
	}
	if e.Type == ImportExport {
		e.ImportedByOperator = d[2]&0x02 != 0
		e.ExportEnabled = d[2]&0x10 != 0
		e.ImportEnabled = d[2]&0x20 != 0
		e.ConnectedMediaChanger = d[2]&0x40 != 0
		e.OperatorInterventionRequired = d[2]&0x80 != 0
	}
	e.ASC, e.ASCQ = d[4], d[5]
	if e.Type == DataTransfer {
		e.LogicalUnit = d[6] & 0x07
		e.LogicalUnitValid = d[6]&0x10 != 0
		e.BusAddressValid = d[6]&0x20 != 0
		e.NotThisBus = d[6]&0x80 != 0
		e.BusAddress = d[7]
	}
	e.MediumType = MediumType(d[9] & 0x07)
	e.Disabled = d[9]&0x08 != 0
	e.Inverted = d[9]&0x40 != 0
	e.SourceValid = d[9]&0x80 != 0
	if e.SourceValid {
		e.Source = ElementAddress(binary.BigEndian.Uint16(d[10:12]))
	}
}

// decodeVolumeTag takes 36 bytes (SMC-3 6.10.8).
func decodeVolumeTag(b []byte) VolumeTag {
	return VolumeTag{
		Identifier: trimPadding(b[:volumeIdentifierLength]),
		Sequence:   binary.BigEndian.Uint16(b[34:36]),
	}
}

// trimPadding removes the blanks and NULs around a name (quirk Q21).
func trimPadding(b []byte) string { return string(bytes.Trim(b, " \x00")) }

// decodeIdentifier takes what is behind the volume tags: a header of 4 bytes, the identifier, and whatever a vendor
// adds (quirks Q03, Q04). The header is often there with length 0.
func decodeIdentifier(b []byte) DeviceIdentifier {
	if len(b) < identifierHeaderLength || b[3] == 0 {
		return DeviceIdentifier{}
	}
	id := DeviceIdentifier{CodeSet: b[0] & 0x0F, Type: b[1] & 0x0F}
	n := int(b[3])
	if n > len(b)-identifierHeaderLength {
		n = len(b) - identifierHeaderLength
		id.Truncated = true
	}
	id.Raw = append([]byte(nil), b[identifierHeaderLength:identifierHeaderLength+n]...)
	id.setNames()
	return id
}

// setNames takes vendor, product and serial number out of the raw identifier, by its type and its length.
func (d *DeviceIdentifier) setNames() {
	const vendorEnd, productEnd = 8, 24
	if d.CodeSet == 1 || d.Type > 1 {
		return // binary names such as NAA hold no serial number
	}
	text := bytes.TrimRight(d.Raw, " \x00")
	// Vendor identification, product identification and serial number, in 8, 16 and the other bytes. The bare serial
	// number of type 0 never is that long with a blank inside.
	long := len(text) > productEnd && (d.Type == 1 || bytes.ContainsAny(text[:productEnd], " "))
	if !long {
		if !d.Truncated || d.Type == 0 {
			d.Serial = trimPadding(text)
		}
		return
	}
	d.Vendor = trimPadding(text[:vendorEnd])
	d.Product = trimPadding(text[vendorEnd:productEnd])
	d.Serial = trimPadding(text[productEnd:])
}
