package drive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// Attributes of the cartridge memory (SPC-5 7.4, table 430).
const (
	AttributeRemainingCapacity   AttributeID = 0x0000 // MiB
	AttributeMaximumCapacity     AttributeID = 0x0001 // MiB
	AttributeTapeAlertFlags      AttributeID = 0x0002
	AttributeLoadCount           AttributeID = 0x0003
	AttributeSpaceRemaining      AttributeID = 0x0004 // bytes of the memory itself
	AttributeOrganization        AttributeID = 0x0005
	AttributeFormattedDensity    AttributeID = 0x0006
	AttributeInitializations     AttributeID = 0x0007
	AttributeVolumeIdentifier    AttributeID = 0x0008
	AttributeVolumeChange        AttributeID = 0x0009
	AttributeLastDrive           AttributeID = 0x020A // vendor and serial number; 020Bh to 020Dh are the drives before
	AttributeWrittenInLife       AttributeID = 0x0220 // MiB
	AttributeReadInLife          AttributeID = 0x0221 // MiB
	AttributeManufacturer        AttributeID = 0x0400
	AttributeSerialNumber        AttributeID = 0x0401
	AttributeMediumDensity       AttributeID = 0x0405
	AttributeManufactureDate     AttributeID = 0x0406
	AttributeMemoryCapacity      AttributeID = 0x0407
	AttributeMediumType          AttributeID = 0x0408
	AttributeMediumTypeInfo      AttributeID = 0x0409
	AttributeApplicationVendor   AttributeID = 0x0800
	AttributeApplicationName     AttributeID = 0x0801
	AttributeApplicationVersion  AttributeID = 0x0802
	AttributeUserMediumTextLabel AttributeID = 0x0803
	AttributeDateLastWritten     AttributeID = 0x0804
	AttributeTextLocalization    AttributeID = 0x0805
	AttributeBarcode             AttributeID = 0x0806
	AttributeOwningHost          AttributeID = 0x0807
	AttributeMediaPool           AttributeID = 0x0808
)

// AttributeFormat is how the value of an attribute is written (SPC-5 table 428).
type AttributeFormat uint8

// The formats of attributes.
const (
	BinaryAttribute AttributeFormat = 0
	ASCIIAttribute  AttributeFormat = 1
	TextAttribute   AttributeFormat = 2
)

// Attribute is one attribute of the cartridge memory.
type Attribute struct {
	ID       AttributeID
	ReadOnly bool
	Format   AttributeFormat
	Value    []byte
}

// Text is the value as text, without padding.
func (a Attribute) Text() string { return scsi.Text(a.Value) }

// Uint is the value as a number of up to 8 bytes; ok is false for others.
func (a Attribute) Uint() (v uint64, ok bool) {
	if len(a.Value) == 0 || len(a.Value) > 8 {
		return 0, false
	}
	for _, x := range a.Value {
		v = v<<8 | uint64(x)
	}
	return v, true
}

const (
	attributeHeaderLength = 5
	// maxAttributes is the size of the answer that is asked for: the memory of a cartridge has 4 to 32 KiB.
	maxAttributes = 64 << 10
)

// DecodeAttributes decodes the values of READ ATTRIBUTE (SPC-5 6.18.2): 4 bytes of length, then the attributes. A last
// attribute that is cut off is left out, and more is true then.
func DecodeAttributes(b []byte) (attributes []Attribute, more bool, err error) {
	if len(b) < 4 {
		return nil, false, fmt.Errorf("decode attributes: %d bytes, the header has 4", len(b))
	}
	n := binary.BigEndian.Uint32(b[0:4])
	more = uint64(n) > uint64(len(b)-4)
	b = b[4 : 4+min(uint64(n), uint64(len(b)-4))]
	for len(b) >= attributeHeaderLength {
		size := attributeHeaderLength + int(binary.BigEndian.Uint16(b[3:5]))
		if size > len(b) {
			return attributes, true, nil
		}
		attributes = append(attributes, Attribute{
			ID:       AttributeID(binary.BigEndian.Uint16(b[0:2])),
			ReadOnly: b[2]&0x80 != 0,
			Format:   AttributeFormat(b[2] & 0x03),
			Value:    append([]byte{}, b[attributeHeaderLength:size]...),
		})
		b = b[size:]
	}
	return attributes, more || len(b) > 0, nil
}

// EncodeAttributes builds the data of WRITE ATTRIBUTE, and of READ ATTRIBUTE for a simulated drive. Values above 65,535
// bytes are an error.
func EncodeAttributes(attributes []Attribute) ([]byte, error) {
	b := make([]byte, 4)
	for _, a := range attributes {
		if len(a.Value) > 0xFFFF {
			return nil, fmt.Errorf("encode attribute %04Xh: %d bytes, at most 65535 fit", uint16(a.ID), len(a.Value))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(a.ID))
		b = append(b, flag(a.ReadOnly, 0x80)|byte(a.Format)&0x03)
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		b = append(b, a.Value...)
	}
	binary.BigEndian.PutUint32(b[0:4], uint32(len(b)-4))
	return b, nil
}

// Attributes reads all attributes of the cartridge memory, in ascending order. Drives without the command give
// ErrNotSupported.
func (d *Drive) Attributes(ctx context.Context) ([]Attribute, error) {
	var all []Attribute
	for first := 0; first <= 0xFFFF; {
		got, more, err := d.readAttributes(ctx, AttributeID(first))
		if err != nil {
			if first > 0 && errors.Is(err, ErrNoAttribute) {
				break
			}
			return nil, fmt.Errorf("read cartridge memory: %w", err)
		}
		next := first
		for _, a := range got {
			if int(a.ID) >= next { // anything else would make the loop endless
				all = append(all, a)
				next = int(a.ID) + 1
			}
		}
		if !more || next == first {
			break
		}
		first = next
	}
	return all, nil
}

// readAttributes reads the values from the attribute first on.
func (d *Drive) readAttributes(ctx context.Context, first AttributeID) ([]Attribute, bool, error) {
	if !d.can.MAM {
		return nil, false, ErrNotSupported
	}
	r := ReadAttribute{Action: AttributeValues, First: first, Allocation: maxAttributes}
	b, err := scsi.DataIn(ctx, d.attentive, r, maxAttributes, d.timeouts.of(r.CDB()))
	switch {
	case errors.Is(err, scsi.InvalidOperationCode):
		d.can.MAM = false
		return nil, false, fmt.Errorf("%w: %w", ErrNotSupported, err)
	case errors.Is(err, scsi.InvalidFieldInCDB): // IBM: the first attribute is not there (quirk Q63)
		return nil, false, fmt.Errorf("%w: %w", ErrNoAttribute, err)
	case err != nil:
		return nil, false, err
	}
	list, more, err := DecodeAttributes(b)
	if err != nil {
		return nil, false, &scsi.ResponseError{Op: r.Name(), CDB: r.CDB(), Reason: err.Error()}
	}
	return list, more, nil
}

// Attribute reads one attribute. ErrNoAttribute says that the cartridge memory does not hold it.
func (d *Drive) Attribute(ctx context.Context, id AttributeID) (Attribute, error) {
	list, _, err := d.readAttributes(ctx, id)
	if err != nil {
		return Attribute{}, fmt.Errorf("read attribute %04Xh: %w", uint16(id), err)
	}
	for _, a := range list {
		if a.ID == id {
			return a, nil
		}
	}
	return Attribute{}, fmt.Errorf("read attribute %04Xh: %w", uint16(id), ErrNoAttribute)
}

// WriteAttribute writes one attribute to the cartridge memory; an empty value deletes it.
func (d *Drive) WriteAttribute(ctx context.Context, a Attribute) error {
	if !d.can.MAM {
		return fmt.Errorf("write attribute %04Xh: %w", uint16(a.ID), ErrNotSupported)
	}
	a.ReadOnly = false
	data, err := EncodeAttributes([]Attribute{a})
	if err != nil {
		return fmt.Errorf("write attribute %04Xh: %w", uint16(a.ID), err)
	}
	r := WriteAttribute{WriteThrough: true, Length: uint32(len(data))}
	err = scsi.DataOut(ctx, d.attentive, r, data, d.timeouts.of(r.CDB()))
	if errors.Is(err, scsi.InvalidOperationCode) {
		err = fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	if err != nil {
		return fmt.Errorf("write attribute %04Xh: %w", uint16(a.ID), err)
	}
	return nil
}

// attributeLengths are the fixed lengths of the text attributes that applications write.
var attributeLengths = map[AttributeID]int{
	AttributeApplicationVendor: 8, AttributeApplicationName: 32, AttributeApplicationVersion: 8,
	AttributeUserMediumTextLabel: 160, AttributeDateLastWritten: 12, AttributeBarcode: 32,
	AttributeOwningHost: 80, AttributeMediaPool: 160,
}

// NewTextAttribute makes an attribute that applications write, padded with blanks to its fixed length. Longer text is
// cut; ok is false for attributes that hold no text.
func NewTextAttribute(id AttributeID, text string) (a Attribute, ok bool) {
	n, ok := attributeLengths[id]
	if !ok {
		return Attribute{}, false
	}
	value := make([]byte, n)
	for i := copy(value, text); i < n; i++ {
		value[i] = ' '
	}
	a = Attribute{ID: id, Format: ASCIIAttribute, Value: value}
	switch id {
	case AttributeUserMediumTextLabel, AttributeOwningHost, AttributeMediaPool:
		a.Format = TextAttribute
	}
	return a, true
}

// MediumMemory is what the cartridge memory tells. Zero values are for what it does not tell.
type MediumMemory struct {
	// Serial and Manufacturer identify the cartridge for its whole life.
	Serial, Manufacturer string
	// Barcode is what an application or a library wrote, not what the label shows.
	Barcode   string
	LoadCount uint64
	// MaximumCapacity and RemainingCapacity are of the partition, without compression, in bytes.
	MaximumCapacity, RemainingCapacity uint64
	// RemainingKnown says that RemainingCapacity is told (0 is a full tape then).
	RemainingKnown bool
	// FormattedDensity is the density of the recording, 0 for blank media; MediumDensity that of the cartridge.
	FormattedDensity, MediumDensity byte
	// MediumType is 00h data, 01h cleaning, 80h write once (SPC-5); mhvtl has other values.
	MediumType byte
	// CleaningsLeft is how often a cleaning cartridge can be used.
	CleaningsLeft uint64
	// ManufactureDate is YYYYMMDD.
	ManufactureDate                                        string
	ApplicationVendor, ApplicationName, ApplicationVersion string
	UserMediumTextLabel                                    string
	// DateLastWritten is in UTC as far as the writer kept to it; zero when not told.
	DateLastWritten time.Time
	OwningHost      string
	MediaPool       string
	// LastDriveVendor and LastDriveSerial name the drive that had the cartridge last.
	LastDriveVendor, LastDriveSerial string
	// WrittenInLife and ReadInLife are in bytes.
	WrittenInLife, ReadInLife uint64
	// VolumeChange is the reference that changes each time the medium is written after a load, in hex.
	VolumeChange string
}

// MediumMemory reads the cartridge memory. An attribute that is missing is no error; a drive without cartridge memory
// is ErrNotSupported.
func (d *Drive) MediumMemory(ctx context.Context) (MediumMemory, error) {
	list, err := d.Attributes(ctx)
	if err != nil {
		return MediumMemory{}, err
	}
	return NewMediumMemory(list), nil
}

// NewMediumMemory takes the known attributes out of a list.
func NewMediumMemory(list []Attribute) MediumMemory {
	var m MediumMemory
	for _, a := range list {
		m.addText(a)
		m.addNumber(a)
	}
	return m
}

func (m *MediumMemory) addText(a Attribute) {
	texts := map[AttributeID]*string{
		AttributeSerialNumber: &m.Serial, AttributeManufacturer: &m.Manufacturer, AttributeBarcode: &m.Barcode,
		AttributeManufactureDate: &m.ManufactureDate, AttributeApplicationVendor: &m.ApplicationVendor,
		AttributeApplicationName: &m.ApplicationName, AttributeApplicationVersion: &m.ApplicationVersion,
		AttributeUserMediumTextLabel: &m.UserMediumTextLabel, AttributeOwningHost: &m.OwningHost,
		AttributeMediaPool: &m.MediaPool,
	}
	if to, ok := texts[a.ID]; ok {
		*to = a.Text()
		return
	}
	switch a.ID {
	case AttributeDateLastWritten:
		if t, err := time.Parse("200601021504", a.Text()); err == nil {
			m.DateLastWritten = t
		}
	case AttributeVolumeChange:
		m.VolumeChange = fmt.Sprintf("%x", a.Value)
	case AttributeLastDrive:
		if len(a.Value) >= 40 {
			m.LastDriveVendor, m.LastDriveSerial = scsi.Text(a.Value[:8]), scsi.Text(a.Value[8:40])
		}
	}
}

func (m *MediumMemory) addNumber(a Attribute) {
	v, ok := a.Uint()
	if !ok {
		return
	}
	const mebibyte = 1 << 20
	bytes := v * mebibyte
	if v > (1<<64-1)/mebibyte { // all ones: not known
		bytes = 0
	}
	switch a.ID {
	case AttributeRemainingCapacity:
		m.RemainingCapacity, m.RemainingKnown = bytes, bytes/mebibyte == v
	case AttributeMaximumCapacity:
		m.MaximumCapacity = bytes
	case AttributeLoadCount:
		m.LoadCount = v
	case AttributeFormattedDensity:
		m.FormattedDensity = byte(v)
	case AttributeMediumDensity:
		m.MediumDensity = byte(v)
	case AttributeMediumType:
		m.MediumType = byte(v)
	case AttributeMediumTypeInfo:
		m.CleaningsLeft = v
	case AttributeWrittenInLife:
		m.WrittenInLife = bytes
	case AttributeReadInLife:
		m.ReadInLife = bytes
	}
}
