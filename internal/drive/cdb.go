package drive

import (
	"encoding/binary"
	"fmt"

	"tapectl/internal/scsi"
)

// Operation codes of sequential-access devices (SSC-5 table 13, SPC-5 for attributes and security protocols). 1Bh, 2Bh
// and B5h mean other commands on a media changer.
const (
	opRewind               = 0x01
	opFormatMedium         = 0x04
	opReadBlockLimits      = 0x05
	opRead6                = 0x08
	opWrite6               = 0x0A
	opSetCapacity          = 0x0B
	opWriteFilemarks6      = 0x10
	opSpace6               = 0x11
	opErase6               = 0x19
	opLoadUnload           = 0x1B
	opLocate10             = 0x2B
	opReadPosition         = 0x34
	opReportDensitySupport = 0x44
	opAllowOverwrite       = 0x82
	opReadAttribute        = 0x8C
	opWriteAttribute       = 0x8D
	opSpace16              = 0x91
	opLocate16             = 0x92
	opSecurityProtocolIn   = 0xA2
	opSecurityProtocolOut  = 0xB5
)

// MaxTransferLength is the largest block that READ (6) and WRITE (6) can express, in bytes.
const MaxTransferLength = 0xFFFFFF

// Interface checks: every command is a scsi.Request.
var (
	_ scsi.Request = ReadBlockLimits{}
	_ scsi.Request = Read6{}
	_ scsi.Request = Write6{}
	_ scsi.Request = WriteFilemarks6{}
	_ scsi.Request = Space6{}
	_ scsi.Request = Space16{}
	_ scsi.Request = Locate10{}
	_ scsi.Request = Locate16{}
	_ scsi.Request = ReadPosition{}
	_ scsi.Request = Rewind{}
	_ scsi.Request = LoadUnload{}
	_ scsi.Request = Erase6{}
	_ scsi.Request = FormatMedium{}
	_ scsi.Request = SetCapacity{}
	_ scsi.Request = AllowOverwrite{}
	_ scsi.Request = ReportDensitySupport{}
	_ scsi.Request = ReadAttribute{}
	_ scsi.Request = WriteAttribute{}
	_ scsi.Request = SecurityProtocolIn{}
	_ scsi.Request = SecurityProtocolOut{}
)

// checkCDB says whether b can be the command name: long enough and with the operation code.
func checkCDB(b []byte, name string, length int, opcode byte) error {
	if len(b) < length {
		return fmt.Errorf("decode %s: %d bytes, want %d", name, len(b), length)
	}
	if b[0] != opcode {
		return fmt.Errorf("decode %s: operation code %02Xh", name, b[0])
	}
	return nil
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func put24(b []byte, v uint32) { b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v) }

func get24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// signed24 reads a 24 bit two's complement number.
func signed24(b []byte) int32 { return int32(get24(b)<<8) >> 8 }

// ReadBlockLimits asks for the block lengths that the drive takes (SSC-5 7.4).
type ReadBlockLimits struct {
	// MaximumLogicalObjectIdentifier asks for the largest object number instead.
	MaximumLogicalObjectIdentifier bool
}

// Name is READ BLOCK LIMITS.
func (ReadBlockLimits) Name() string { return "READ BLOCK LIMITS" }

// CDB encodes the command in 6 bytes.
func (c ReadBlockLimits) CDB() []byte {
	return []byte{opReadBlockLimits, flag(c.MaximumLogicalObjectIdentifier, 0x01), 0, 0, 0, 0}
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ReadBlockLimits) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opReadBlockLimits); err != nil {
		return err
	}
	*c = ReadBlockLimits{MaximumLogicalObjectIdentifier: b[1]&0x01 != 0}
	return nil
}

// Read6 reads one block of up to Length bytes, or Length blocks when Fixed (SSC-5 6.5).
type Read6 struct {
	// SILI suppresses the report of blocks with another length.
	SILI  bool
	Fixed bool
	// Length has 24 bits; more is cut.
	Length uint32
}

// Name is READ.
func (Read6) Name() string { return "READ" }

// CDB encodes the command in 6 bytes.
func (c Read6) CDB() []byte {
	b := []byte{opRead6, flag(c.SILI, 0x02) | flag(c.Fixed, 0x01), 0, 0, 0, 0}
	put24(b[2:5], c.Length)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Read6) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opRead6); err != nil {
		return err
	}
	*c = Read6{SILI: b[1]&0x02 != 0, Fixed: b[1]&0x01 != 0, Length: get24(b[2:5])}
	return nil
}

// Write6 writes one block of Length bytes, or Length blocks when Fixed (SSC-5 6.14).
type Write6 struct {
	Fixed bool
	// Length has 24 bits; more is cut.
	Length uint32
}

// Name is WRITE.
func (Write6) Name() string { return "WRITE" }

// CDB encodes the command in 6 bytes.
func (c Write6) CDB() []byte {
	b := []byte{opWrite6, flag(c.Fixed, 0x01), 0, 0, 0, 0}
	put24(b[2:5], c.Length)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Write6) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opWrite6); err != nil {
		return err
	}
	*c = Write6{Fixed: b[1]&0x01 != 0, Length: get24(b[2:5])}
	return nil
}

// WriteFilemarks6 writes Count filemarks (SSC-5 6.16). Count 0 without Immediate flushes the drive's buffer.
type WriteFilemarks6 struct {
	// Immediate returns before the filemarks are on the medium.
	Immediate bool
	// Count has 24 bits; more is cut.
	Count uint32
}

// Name is WRITE FILEMARKS.
func (WriteFilemarks6) Name() string { return "WRITE FILEMARKS" }

// CDB encodes the command in 6 bytes.
func (c WriteFilemarks6) CDB() []byte {
	b := []byte{opWriteFilemarks6, flag(c.Immediate, 0x01), 0, 0, 0, 0}
	put24(b[2:5], c.Count)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *WriteFilemarks6) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opWriteFilemarks6); err != nil {
		return err
	}
	*c = WriteFilemarks6{Immediate: b[1]&0x01 != 0, Count: get24(b[2:5])}
	return nil
}

// SpaceCode is what SPACE counts (SSC-5 table 57).
type SpaceCode uint8

// The codes of SPACE.
const (
	SpaceLogicalBlocks       SpaceCode = 0
	SpaceFilemarkCount       SpaceCode = 1
	SpaceSequentialFilemarks SpaceCode = 2
	SpaceToEndOfData         SpaceCode = 3
)

// Space6 moves over Count blocks or filemarks, backward when negative (SSC-5 6.12).
type Space6 struct {
	Code SpaceCode
	// Count has 24 bits with its sign; more is cut.
	Count int32
}

// Name is SPACE.
func (Space6) Name() string { return "SPACE" }

// CDB encodes the command in 6 bytes.
func (c Space6) CDB() []byte {
	b := []byte{opSpace6, byte(c.Code) & 0x0F, 0, 0, 0, 0}
	put24(b[2:5], uint32(c.Count))
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Space6) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opSpace6); err != nil {
		return err
	}
	*c = Space6{Code: SpaceCode(b[1] & 0x0F), Count: signed24(b[2:5])}
	return nil
}

// Space16 is Space6 with a wider count (SSC-5 6.13).
type Space16 struct {
	Code  SpaceCode
	Count int64
}

// Name is SPACE (16).
func (Space16) Name() string { return "SPACE (16)" }

// CDB encodes the command in 16 bytes.
func (c Space16) CDB() []byte {
	b := make([]byte, 16)
	b[0], b[1] = opSpace16, byte(c.Code)&0x0F
	binary.BigEndian.PutUint64(b[4:12], uint64(c.Count))
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Space16) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 16, opSpace16); err != nil {
		return err
	}
	*c = Space16{Code: SpaceCode(b[1] & 0x0F), Count: int64(binary.BigEndian.Uint64(b[4:12]))}
	return nil
}

// Locate10 positions in front of an object (SSC-5 7.1).
type Locate10 struct {
	// BlockAddressType selects the device's own numbers instead of logical ones (BT).
	BlockAddressType bool
	// ChangePartition makes Partition valid (CP).
	ChangePartition bool
	Immediate       bool
	Object          uint32
	Partition       byte
}

// Name is LOCATE.
func (Locate10) Name() string { return "LOCATE" }

// CDB encodes the command in 10 bytes.
func (c Locate10) CDB() []byte {
	b := make([]byte, 10)
	b[0] = opLocate10
	b[1] = flag(c.BlockAddressType, 0x04) | flag(c.ChangePartition, 0x02) | flag(c.Immediate, 0x01)
	binary.BigEndian.PutUint32(b[3:7], c.Object)
	b[8] = c.Partition
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Locate10) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 10, opLocate10); err != nil {
		return err
	}
	*c = Locate10{
		BlockAddressType: b[1]&0x04 != 0,
		ChangePartition:  b[1]&0x02 != 0,
		Immediate:        b[1]&0x01 != 0,
		Object:           binary.BigEndian.Uint32(b[3:7]),
		Partition:        b[8],
	}
	return nil
}

// LocateDestination is what LOCATE (16) looks for (SSC-5 table 82).
type LocateDestination uint8

// The destination types of LOCATE (16).
const (
	LocateObject      LocateDestination = 0
	LocateLogicalFile LocateDestination = 1 // IBM and HP differ by one (quirk Q50)
	LocateEndOfData   LocateDestination = 3
)

// Locate16 is Locate10 with wider numbers and other destinations (SSC-5 7.2).
type Locate16 struct {
	Destination     LocateDestination
	ChangePartition bool
	Immediate       bool
	Partition       byte
	// Object is the logical object identifier or logical file identifier.
	Object uint64
}

// Name is LOCATE (16).
func (Locate16) Name() string { return "LOCATE (16)" }

// CDB encodes the command in 16 bytes.
func (c Locate16) CDB() []byte {
	b := make([]byte, 16)
	b[0] = opLocate16
	b[1] = byte(c.Destination)&0x03<<3 | flag(c.ChangePartition, 0x02) | flag(c.Immediate, 0x01)
	b[3] = c.Partition
	binary.BigEndian.PutUint64(b[4:12], c.Object)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Locate16) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 16, opLocate16); err != nil {
		return err
	}
	*c = Locate16{
		Destination:     LocateDestination(b[1] >> 3 & 0x03),
		ChangePartition: b[1]&0x02 != 0,
		Immediate:       b[1]&0x01 != 0,
		Partition:       b[3],
		Object:          binary.BigEndian.Uint64(b[4:12]),
	}
	return nil
}

// PositionForm is the service action of READ POSITION (SSC-5 table 94).
type PositionForm uint8

// The forms of READ POSITION.
const (
	ShortForm    PositionForm = 0x00
	LongForm     PositionForm = 0x06
	ExtendedForm PositionForm = 0x08
)

// ReadPosition asks where the medium is positioned (SSC-5 7.7).
type ReadPosition struct {
	Form PositionForm
	// Allocation is for the extended form only; it is 0 for the others (quirk Q51).
	Allocation uint16
}

// Name is READ POSITION.
func (ReadPosition) Name() string { return "READ POSITION" }

// CDB encodes the command in 10 bytes.
func (c ReadPosition) CDB() []byte {
	b := make([]byte, 10)
	b[0], b[1] = opReadPosition, byte(c.Form)&0x1F
	binary.BigEndian.PutUint16(b[7:9], c.Allocation)
	return b
}

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *ReadPosition) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 10, opReadPosition); err != nil {
		return err
	}
	*c = ReadPosition{Form: PositionForm(b[1] & 0x1F), Allocation: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// Rewind positions at the beginning of the partition (SSC-5 7.11).
type Rewind struct {
	Immediate bool
}

// Name is REWIND.
func (Rewind) Name() string { return "REWIND" }

// CDB encodes the command in 6 bytes.
func (c Rewind) CDB() []byte { return []byte{opRewind, flag(c.Immediate, 0x01), 0, 0, 0, 0} }

// UnmarshalCDB decodes b; an error says that b is not this command.
func (c *Rewind) UnmarshalCDB(b []byte) error {
	if err := checkCDB(b, c.Name(), 6, opRewind); err != nil {
		return err
	}
	*c = Rewind{Immediate: b[1]&0x01 != 0}
	return nil
}
