package drive

import "encoding/binary"

// LoadUnload loads or unloads the medium (SSC-5 7.3).
type LoadUnload struct {
	Immediate bool
	// Hold takes the cartridge in without threading the tape, so that its memory can be read.
	Hold bool
	// EndOfTape and Retension wind the tape.
	EndOfTape, Retension bool
	// Load loads; otherwise the medium is unloaded.
	Load bool
}

// Name is LOAD UNLOAD.
func (LoadUnload) Name() string { return "LOAD UNLOAD" }

// CDB encodes the command in 6 bytes.
func (c LoadUnload) CDB() []byte {
	return []byte{opLoadUnload, flag(c.Immediate, 0x01), 0, 0,
		flag(c.Hold, 0x08) | flag(c.EndOfTape, 0x04) | flag(c.Retension, 0x02) | flag(c.Load, 0x01), 0}
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *LoadUnload) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opLoadUnload); err != nil {
		return err
	}
	*c = LoadUnload{
		Immediate: b[1]&0x01 != 0,
		Hold:      b[4]&0x08 != 0,
		EndOfTape: b[4]&0x04 != 0,
		Retension: b[4]&0x02 != 0,
		Load:      b[4]&0x01 != 0,
	}
	return nil
}

// Erase6 erases from the position on (SSC-5 6.2).
type Erase6 struct {
	Immediate bool
	// Long overwrites everything, which takes hours; otherwise an end of data mark is written.
	Long bool
}

// Name is ERASE.
func (Erase6) Name() string { return "ERASE" }

// CDB encodes the command in 6 bytes.
func (c Erase6) CDB() []byte {
	return []byte{opErase6, flag(c.Immediate, 0x02) | flag(c.Long, 0x01), 0, 0, 0, 0}
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Erase6) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opErase6); err != nil {
		return err
	}
	*c = Erase6{Immediate: b[1]&0x02 != 0, Long: b[1]&0x01 != 0}
	return nil
}

// FormatMedium prepares the medium, with its partitions (SSC-5 7.2).
type FormatMedium struct {
	Verify    bool
	Immediate bool
	// Format is 0 for the default, 1 for the partitions of mode page 11h, 2 for both.
	Format byte
	// ParameterLength is the length of the data sent, mostly 0.
	ParameterLength uint16
}

// Name is FORMAT MEDIUM.
func (FormatMedium) Name() string { return "FORMAT MEDIUM" }

// CDB encodes the command in 6 bytes.
func (c FormatMedium) CDB() []byte {
	b := []byte{opFormatMedium, flag(c.Verify, 0x02) | flag(c.Immediate, 0x01), c.Format & 0x0F, 0, 0, 0}
	binary.BigEndian.PutUint16(b[3:5], c.ParameterLength)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *FormatMedium) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opFormatMedium); err != nil {
		return err
	}
	*c = FormatMedium{
		Verify:          b[1]&0x02 != 0,
		Immediate:       b[1]&0x01 != 0,
		Format:          b[2] & 0x0F,
		ParameterLength: binary.BigEndian.Uint16(b[3:5]),
	}
	return nil
}

// SetCapacity makes the medium shorter (SSC-5 7.12). It destroys all data and works at the beginning only.
type SetCapacity struct {
	Immediate bool
	// Proportion is the part of the medium that is used, in 1/65,535.
	Proportion uint16
}

// Name is SET CAPACITY.
func (SetCapacity) Name() string { return "SET CAPACITY" }

// CDB encodes the command in 6 bytes.
func (c SetCapacity) CDB() []byte {
	b := []byte{opSetCapacity, flag(c.Immediate, 0x01), 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[3:5], c.Proportion)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *SetCapacity) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opSetCapacity); err != nil {
		return err
	}
	*c = SetCapacity{Immediate: b[1]&0x01 != 0, Proportion: binary.BigEndian.Uint16(b[3:5])}
	return nil
}

// AllowOverwrite lets a drive in append-only mode overwrite (SSC-5 7.1).
type AllowOverwrite struct {
	// Code is 0 for nothing, 1 for writing at the current position, 2 for formatting.
	Code      byte
	Partition byte
	// Object must be the current position.
	Object uint64
}

// Name is ALLOW OVERWRITE.
func (AllowOverwrite) Name() string { return "ALLOW OVERWRITE" }

// CDB encodes the command in 16 bytes.
func (c AllowOverwrite) CDB() []byte {
	b := make([]byte, 16)
	b[0], b[2], b[3] = opAllowOverwrite, c.Code&0x0F, c.Partition
	binary.BigEndian.PutUint64(b[4:12], c.Object)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *AllowOverwrite) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 16, opAllowOverwrite); err != nil {
		return err
	}
	*c = AllowOverwrite{Code: b[2] & 0x0F, Partition: b[3], Object: binary.BigEndian.Uint64(b[4:12])}
	return nil
}

// ReportDensitySupport asks which formats the drive or the loaded medium knows (SSC-5 7.10).
type ReportDensitySupport struct {
	// MediumType asks for medium types instead of densities.
	MediumType bool
	// Media limits the answer to the loaded medium.
	Media      bool
	Allocation uint16
}

// Name is REPORT DENSITY SUPPORT.
func (ReportDensitySupport) Name() string { return "REPORT DENSITY SUPPORT" }

// CDB encodes the command in 10 bytes.
func (c ReportDensitySupport) CDB() []byte {
	b := make([]byte, 10)
	b[0], b[1] = opReportDensitySupport, flag(c.MediumType, 0x02)|flag(c.Media, 0x01)
	binary.BigEndian.PutUint16(b[7:9], c.Allocation)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ReportDensitySupport) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 10, opReportDensitySupport); err != nil {
		return err
	}
	*c = ReportDensitySupport{
		MediumType: b[1]&0x02 != 0,
		Media:      b[1]&0x01 != 0,
		Allocation: binary.BigEndian.Uint16(b[7:9]),
	}
	return nil
}

// AttributeAction is the service action of READ ATTRIBUTE (SPC-5 table 223).
type AttributeAction uint8

// The service actions of READ ATTRIBUTE.
const (
	AttributeValues      AttributeAction = 0x00
	AttributeList        AttributeAction = 0x01
	LogicalVolumeList    AttributeAction = 0x02
	PartitionList        AttributeAction = 0x03
	SupportedAttributes  AttributeAction = 0x05
	attributeActionsMask                 = 0x1F
)

// AttributeID is the number of a medium auxiliary memory attribute (SPC-5 7.4).
type AttributeID uint16

// ReadAttribute reads the cartridge memory (SPC-5 6.18).
type ReadAttribute struct {
	Action AttributeAction
	// Element is for changers.
	Element                  uint16
	LogicalVolume, Partition byte
	// First is the lowest attribute wanted.
	First      AttributeID
	Allocation uint32
	// Cache allows an answer from the drive's copy.
	Cache bool
}

// Name is READ ATTRIBUTE.
func (ReadAttribute) Name() string { return "READ ATTRIBUTE" }

// CDB encodes the command in 16 bytes.
func (c ReadAttribute) CDB() []byte {
	b := make([]byte, 16)
	b[0], b[1] = opReadAttribute, byte(c.Action)&attributeActionsMask
	binary.BigEndian.PutUint16(b[2:4], c.Element)
	b[5], b[7] = c.LogicalVolume, c.Partition
	binary.BigEndian.PutUint16(b[8:10], uint16(c.First))
	binary.BigEndian.PutUint32(b[10:14], c.Allocation)
	b[14] = flag(c.Cache, 0x01)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ReadAttribute) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 16, opReadAttribute); err != nil {
		return err
	}
	*c = ReadAttribute{
		Action:        AttributeAction(b[1] & attributeActionsMask),
		Element:       binary.BigEndian.Uint16(b[2:4]),
		LogicalVolume: b[5],
		Partition:     b[7],
		First:         AttributeID(binary.BigEndian.Uint16(b[8:10])),
		Allocation:    binary.BigEndian.Uint32(b[10:14]),
		Cache:         b[14]&0x01 != 0,
	}
	return nil
}

// WriteAttribute writes the cartridge memory (SPC-5 6.49).
type WriteAttribute struct {
	// WriteThrough returns when the memory is written.
	WriteThrough             bool
	LogicalVolume, Partition byte
	// Length is the length of the parameter list.
	Length uint32
}

// Name is WRITE ATTRIBUTE.
func (WriteAttribute) Name() string { return "WRITE ATTRIBUTE" }

// CDB encodes the command in 16 bytes.
func (c WriteAttribute) CDB() []byte {
	b := make([]byte, 16)
	b[0], b[1] = opWriteAttribute, flag(c.WriteThrough, 0x01)
	b[5], b[7] = c.LogicalVolume, c.Partition
	binary.BigEndian.PutUint32(b[10:14], c.Length)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *WriteAttribute) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 16, opWriteAttribute); err != nil {
		return err
	}
	*c = WriteAttribute{
		WriteThrough:  b[1]&0x01 != 0,
		LogicalVolume: b[5],
		Partition:     b[7],
		Length:        binary.BigEndian.Uint32(b[10:14]),
	}
	return nil
}

// securityProtocolCDB builds both SECURITY PROTOCOL commands, which differ in their operation code only.
func securityProtocolCDB(op, protocol byte, specific uint16, inc512 bool, length uint32) []byte {
	b := make([]byte, 12)
	b[0], b[1] = op, protocol
	binary.BigEndian.PutUint16(b[2:4], specific)
	b[4] = flag(inc512, 0x80)
	binary.BigEndian.PutUint32(b[6:10], length)
	return b
}

// SecurityProtocolIn reads a page of a security protocol (SPC-5 6.40).
type SecurityProtocolIn struct {
	// Protocol is 0 for information, 20h for tape data encryption; Specific is the page code.
	Protocol byte
	Specific uint16
	// Increment512 counts Allocation in units of 512 bytes.
	Increment512 bool
	Allocation   uint32
}

// Name is SECURITY PROTOCOL IN.
func (SecurityProtocolIn) Name() string { return "SECURITY PROTOCOL IN" }

// CDB encodes the command in 12 bytes.
func (c SecurityProtocolIn) CDB() []byte {
	return securityProtocolCDB(opSecurityProtocolIn, c.Protocol, c.Specific, c.Increment512, c.Allocation)
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *SecurityProtocolIn) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 12, opSecurityProtocolIn); err != nil {
		return err
	}
	*c = SecurityProtocolIn{
		Protocol:     b[1],
		Specific:     binary.BigEndian.Uint16(b[2:4]),
		Increment512: b[4]&0x80 != 0,
		Allocation:   binary.BigEndian.Uint32(b[6:10]),
	}
	return nil
}

// SecurityProtocolOut sends a page of a security protocol (SPC-5 6.41).
type SecurityProtocolOut struct {
	// Protocol is 20h for tape data encryption; Specific is the page code.
	Protocol byte
	Specific uint16
	// Increment512 counts Length in units of 512 bytes.
	Increment512 bool
	Length       uint32
}

// Name is SECURITY PROTOCOL OUT.
func (SecurityProtocolOut) Name() string { return "SECURITY PROTOCOL OUT" }

// CDB encodes the command in 12 bytes.
func (c SecurityProtocolOut) CDB() []byte {
	return securityProtocolCDB(opSecurityProtocolOut, c.Protocol, c.Specific, c.Increment512, c.Length)
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *SecurityProtocolOut) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 12, opSecurityProtocolOut); err != nil {
		return err
	}
	*c = SecurityProtocolOut{
		Protocol:     b[1],
		Specific:     binary.BigEndian.Uint16(b[2:4]),
		Increment512: b[4]&0x80 != 0,
		Length:       binary.BigEndian.Uint32(b[6:10]),
	}
	return nil
}
