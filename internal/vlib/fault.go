package vlib

import (
	"fmt"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of faults.
const (
	// FaultSense ends the command with CHECK CONDITION and the fault's sense data. The command is not executed unless
	// Fault.Executed is set.
	FaultSense FaultKind = "sense"
	// FaultStatus ends the command with Fault.Status (BUSY, RESERVATION CONFLICT, TASK ABORTED) without executing it.
	FaultStatus FaultKind = "status"
	// FaultTimeout gives no answer: the transport waits for Fault.Delay (not for the command's timeout) and then
	// reports that the outcome is unknown. Fault.Executed says whether the command was executed.
	FaultTimeout FaultKind = "timeout"
	// FaultDead is a device that is gone: every command fails in the transport, not sent.
	FaultDead FaultKind = "dead"
	// FaultArm is for moves: the arm takes the cartridge out of the source and keeps it; the move fails with the
	// fault's sense data, by default 04/15/01.
	FaultArm FaultKind = "arm"
	// FaultDeferred is for writes: this block and Fault.Blocks-1 more are accepted and lost; the command after them is
	// not executed and reports the fault's sense data, by default 03/0C/00, as a deferred error.
	FaultDeferred FaultKind = "deferred"
	// FaultRot damages the block Fault.Object of the loaded cartridge in its file, once, so that its checksum fails
	// when it is read.
	FaultRot FaultKind = "rot"
	// FaultDelay only makes the command take Fault.Delay longer.
	FaultDelay FaultKind = "delay"
)

// Fault is something that breaks, and when. Faults are kept in the folder until they have struck as often as they
// should; any process's commands can set them off.
type Fault struct {
	// ID is given by InjectFault.
	ID int
	// Device is "changer", "drive0", "drive1", ...
	Device string
	Kind   FaultKind
	// Operations are the operation codes that are hit; none means all that do something. INQUIRY, REPORT LUNS and
	// REQUEST SENSE are hit only when named here, except by FaultDead.
	Operations []int `json:",omitempty"`
	// After lets so many commands pass that would be hit.
	After int `json:",omitempty"`
	// Times is how often it strikes: 0 means once, -1 always.
	Times int `json:",omitempty"`
	// Object restricts it to READ, WRITE, WRITE FILEMARKS, SPACE and LOCATE that touch this logical object number.
	Object *uint64 `json:",omitempty"`
	// Barcode restricts it to the cartridge in the drive, or in the source of the move.
	Barcode string `json:",omitempty"`
	// Element restricts it to moves from or to this element address.
	Element uint16 `json:",omitempty"`

	// Key, ASC and ASCQ are the sense data of FaultSense, FaultArm and FaultDeferred.
	Key, ASC, ASCQ byte `json:",omitempty"`
	// Filemark, EndOfMedium and IncorrectLength are the flags of that sense data; Information goes with them when not
	// nil.
	Filemark, EndOfMedium, IncorrectLength bool   `json:",omitempty"`
	Information                            *int64 `json:",omitempty"`
	// Executed lets the command do its work before it fails.
	Executed bool `json:",omitempty"`
	// Status is the status of FaultStatus.
	Status byte `json:",omitempty"`
	// Blocks is how many blocks a FaultDeferred loses; 0 means 1.
	Blocks int `json:",omitempty"`
	// TapeAlerts are flags, 1 to 64, that are raised when it strikes.
	TapeAlerts []int `json:",omitempty"`
	// Delay is how long FaultTimeout and FaultDelay take.
	Delay time.Duration `json:",omitempty"`
}

const maxFaults = 1000

func (f *Fault) check() error {
	switch f.Kind {
	case FaultSense, FaultStatus, FaultTimeout, FaultDead, FaultArm, FaultDeferred, FaultRot, FaultDelay:
	default:
		return fmt.Errorf("fault kind %q is not known", f.Kind)
	}
	if f.Kind == FaultRot && f.Object == nil {
		return fmt.Errorf("fault %q needs an object number", f.Kind)
	}
	if f.After < 0 || f.Times < -1 || f.Blocks < 0 || f.Blocks > 1<<20 || f.Delay < 0 || f.Delay > maxDelay || f.Key > 0xF {
		return fmt.Errorf("a count, time or sense key of the fault is out of range")
	}
	for _, op := range f.Operations {
		if op < 0 || op > 0xFF {
			return fmt.Errorf("operation code %d is out of range", op)
		}
	}
	for _, n := range f.TapeAlerts {
		if n < 1 || n > 64 {
			return fmt.Errorf("TapeAlert flag %d is out of range", n)
		}
	}
	return nil
}
