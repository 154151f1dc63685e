package scsi

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// The reporting options of REPORT SUPPORTED OPERATION CODES (SPC-5 table 269).
const (
	ReportAllCommands      = 0
	ReportOneCommand       = 1 // without service action
	ReportOneServiceAction = 2
)

// ReportSupportedOperationCodes is REPORT SUPPORTED OPERATION CODES (SPC-5 6.34).
type ReportSupportedOperationCodes struct {
	Timeouts               bool // RCTD: timeouts wanted
	ReportingOptions       byte
	RequestedOperationCode byte
	RequestedServiceAction uint16
	AllocationLength       uint32
}

// Name is the standard's name of the command.
func (ReportSupportedOperationCodes) Name() string { return "REPORT SUPPORTED OPERATION CODES" }

// CDB encodes the command.
func (r ReportSupportedOperationCodes) CDB() []byte {
	b := make([]byte, 12)
	b[0], b[1] = 0xA3, 0x0C
	b[2] = flag(r.Timeouts, 0x80) | r.ReportingOptions&0x07
	b[3] = r.RequestedOperationCode
	binary.BigEndian.PutUint16(b[4:6], r.RequestedServiceAction)
	binary.BigEndian.PutUint32(b[6:10], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *ReportSupportedOperationCodes) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 12, 0xA3); err != nil {
		return err
	}
	if err := CheckServiceAction(r.Name(), b, 0x0C); err != nil {
		return err
	}
	*r = ReportSupportedOperationCodes{Timeouts: b[2]&0x80 != 0, ReportingOptions: b[2] & 0x07,
		RequestedOperationCode: b[3], RequestedServiceAction: binary.BigEndian.Uint16(b[4:6]),
		AllocationLength: binary.BigEndian.Uint32(b[6:10])}
	return nil
}

// SupportedCommand is a command that a device says it has (SPC-5 6.34.2).
type SupportedCommand struct {
	OperationCode    byte
	ServiceAction    uint16
	HasServiceAction bool // SERVACTV
	CDBLength        int  // in bytes
	// NominalTimeout and RecommendedTimeout are zero when the device does not tell.
	NominalTimeout, RecommendedTimeout time.Duration
}

// SupportedCommands is the list of a device's commands.
type SupportedCommands []SupportedCommand

// Find returns the entry of an operation code, and of its service action where the code has any.
func (l SupportedCommands) Find(opcode byte, action uint16) (SupportedCommand, bool) {
	for _, c := range l {
		if c.OperationCode == opcode && (!c.HasServiceAction || c.ServiceAction == action) {
			return c, true
		}
	}
	return SupportedCommand{}, false
}

// Unmarshal decodes the data of the report of all commands. An entry that is cut off gives those before it and a
// *ResponseError.
func (l *SupportedCommands) Unmarshal(b []byte) error {
	*l = nil
	if len(b) < 4 {
		return malformed("list of commands of %d bytes", len(b))
	}
	n := int64(binary.BigEndian.Uint32(b[0:4]))
	b = b[4:min(int64(len(b)), 4+n)]
	for len(b) > 0 {
		size := 8
		if len(b) >= 8 && b[5]&0x02 != 0 { // CTDP
			size = 20
		}
		if len(b) < size {
			return malformed("entry %d of the list of commands is cut off", len(*l)+1)
		}
		c := SupportedCommand{OperationCode: b[0], ServiceAction: binary.BigEndian.Uint16(b[2:4]),
			HasServiceAction: b[5]&0x01 != 0, CDBLength: int(binary.BigEndian.Uint16(b[6:8]))}
		if size == 20 {
			c.NominalTimeout = time.Duration(binary.BigEndian.Uint32(b[12:16])) * time.Second
			c.RecommendedTimeout = time.Duration(binary.BigEndian.Uint32(b[16:20])) * time.Second
		}
		*l = append(*l, c)
		b = b[size:]
	}
	return nil
}

// Marshal encodes the report of all commands, with timeouts descriptors when timeouts is set. Timeouts are in whole
// seconds.
func (l SupportedCommands) Marshal(timeouts bool) []byte {
	b := make([]byte, 4)
	for _, c := range l {
		e := make([]byte, 8, 20)
		e[0] = c.OperationCode
		binary.BigEndian.PutUint16(e[2:4], c.ServiceAction)
		e[5] = flag(timeouts, 0x02) | flag(c.HasServiceAction, 0x01)
		binary.BigEndian.PutUint16(e[6:8], uint16(c.CDBLength))
		if timeouts {
			e = e[:20]
			binary.BigEndian.PutUint16(e[8:10], 0x000A)
			binary.BigEndian.PutUint32(e[12:16], uint32(c.NominalTimeout/time.Second))
			binary.BigEndian.PutUint32(e[16:20], uint32(c.RecommendedTimeout/time.Second))
		}
		b = append(b, e...)
	}
	binary.BigEndian.PutUint32(b[0:4], uint32(len(b)-4))
	return b
}

// ReadSupportedCommands returns the commands that the device has, with their timeouts where it tells them. A device
// without the command gives errors.Is(err, InvalidOperationCode) or InvalidFieldInCDB.
func ReadSupportedCommands(ctx context.Context, t Transport) (SupportedCommands, error) {
	l, err := readSupportedCommands(ctx, t, true)
	if errors.Is(err, InvalidFieldInCDB) {
		return readSupportedCommands(ctx, t, false)
	}
	return l, err
}

func readSupportedCommands(ctx context.Context, t Transport, timeouts bool) (SupportedCommands, error) {
	const size = 16384 // 819 entries of 20 bytes, three times what any drive has
	r := ReportSupportedOperationCodes{Timeouts: timeouts, AllocationLength: size}
	b, err := DataIn(ctx, t, r, size, StandardTimeout)
	if err != nil {
		return nil, err
	}
	var l SupportedCommands
	err = named(r, l.Unmarshal(b))
	return l, err
}
