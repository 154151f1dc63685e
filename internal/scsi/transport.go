// Package scsi carries SCSI commands to tape drives and medium changers and turns what comes back into Go errors.
//
// The seam between the command sets and the hardware is one whole command: a [Transport] moves the bytes of a [Command]
// and fills in status, sense data and residual, and interprets nothing. [Do] alone turns a status into an error, so
// unit attentions, busy retries and sense parsing exist once, whatever the transport.
//
// A command that fails does so in one of four ways, told apart by type:
//
//   - [*TransportError]: the answer never came. Whether the device executed the command is unknown unless NotSent says
//     that it cannot have.
//   - [*ResponseError]: an answer came and made no sense.
//   - [*CheckError]: the device reported sense data (CHECK CONDITION).
//   - [*StatusError]: the device refused with another status, such as RESERVATION CONFLICT. The command did not run.
package scsi

import (
	"context"
	"fmt"
	"time"
)

// Direction says which way the data of a command travels.
type Direction uint8

// The directions of a command's data phase.
const (
	NoData     Direction = iota
	FromDevice           // the device sends, Command.Data is filled
	ToDevice             // Command.Data is sent
)

// String names the direction.
func (d Direction) String() string {
	switch d {
	case NoData:
		return "none"
	case FromDevice:
		return "in"
	case ToDevice:
		return "out"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}

// Status is the status byte that ends a command (SAM-5 5.3).
type Status uint8

// The statuses of SAM-5 5.3.1.
const (
	StatusGood                Status = 0x00
	StatusCheckCondition      Status = 0x02
	StatusConditionMet        Status = 0x04
	StatusBusy                Status = 0x08
	StatusReservationConflict Status = 0x18
	StatusTaskSetFull         Status = 0x28
	StatusACAActive           Status = 0x30
	StatusTaskAborted         Status = 0x40
)

// String gives the standard's name of the status.
func (s Status) String() string {
	switch s {
	case StatusGood:
		return "GOOD"
	case StatusCheckCondition:
		return "CHECK CONDITION"
	case StatusConditionMet:
		return "CONDITION MET"
	case StatusBusy:
		return "BUSY"
	case StatusReservationConflict:
		return "RESERVATION CONFLICT"
	case StatusTaskSetFull:
		return "TASK SET FULL"
	case StatusACAActive:
		return "ACA ACTIVE"
	case StatusTaskAborted:
		return "TASK ABORTED"
	}
	return fmt.Sprintf("status %02Xh", uint8(s))
}

// MaxSense is the size of the sense buffer that every transport offers a device. Linux keeps at most 96 bytes; 252 is
// the most that SPC lets a device send.
const MaxSense = 252

// Command is one SCSI command: what is sent, and after Transport.Send what came back.
//
// A Command belongs to one goroutine and may be sent again after Send returned.
type Command struct {
	// Name is the standard's name of the command, such as "READ ELEMENT STATUS", for errors and traces.
	Name string
	// CDB is the command descriptor block, 6 to 16 bytes.
	CDB []byte
	// Direction is the direction of the data phase; NoData when Data is empty.
	Direction Direction
	// Data is the buffer that the device fills (FromDevice, its length is the expected transfer length) or the data
	// that is sent (ToDevice). It is the caller's again when Send has returned, whatever Send returned.
	Data []byte
	// Timeout is how long the device may take. Zero means a minute.
	Timeout time.Duration
	// Attention, when set, makes Do consume unit attentions: it is called with each, and the command is sent again.
	// Only commands whose meaning does not depend on what the attention reports (position, medium, elements) set it;
	// the callback must remember that the state it knew is gone.
	Attention func(Sense)

	// Status is the device's status. Valid when Send returned nil.
	Status Status
	// Sense is the raw sense data that came with the status, if any; a copy that belongs to the Command.
	Sense []byte
	// Residual is len(Data) minus the bytes that were really transferred. Negative values mean that the device had
	// more than the buffer took.
	Residual int
}

// Transferred returns how many bytes of Data really moved: never negative, never more than len(Data).
func (c *Command) Transferred() int {
	n := len(c.Data) - c.Residual
	return max(0, min(n, len(c.Data)))
}

// Request is a command of a standard with its fields: what a driver encodes and a simulator or a trace decodes.
// Implementations are small structs, one for each command, with an UnmarshalCDB beside CDB.
type Request interface {
	// Name is the standard's name of the command, in capitals.
	Name() string
	// CDB encodes the command descriptor block.
	CDB() []byte
}

// NewCommand makes the command that carries r.
func NewCommand(r Request, direction Direction, data []byte, timeout time.Duration) *Command {
	if len(data) == 0 {
		direction = NoData
	}
	return &Command{Name: r.Name(), CDB: r.CDB(), Direction: direction, Data: data, Timeout: timeout}
}

// Transport carries one SCSI command at a time to one logical unit. It moves bytes and fills in status, sense and
// residual; it interprets nothing.
//
// Send returns nil when the device answered with any status, and a *TransportError when no answer came: timeout,
// connection or device lost, or ctx done. It issues a command at most once. A ctx that ends while the command is
// in flight makes the outcome unknown; implementations that cannot abort a command may return only when it has ended.
// Send and Close may be called by several goroutines; commands run one after the other.
type Transport interface {
	Send(ctx context.Context, c *Command) error
	Close() error
}

// DefaultTimeout applies to commands whose Timeout is zero.
const DefaultTimeout = time.Minute

// TimeoutOrDefault is the time that a transport gives the command.
func (c *Command) TimeoutOrDefault() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return DefaultTimeout
}
