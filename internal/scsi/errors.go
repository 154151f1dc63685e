package scsi

import (
	"fmt"
	"strings"
)

// TransportError says that no answer to a command came: the device, the connection or the host adapter is gone, or
// the time was up. Unless NotSent is set the outcome is unknown: the device may have executed the command, may be
// executing it now, or may never have seen it. Nothing may be assumed before its state was read again.
type TransportError struct {
	Op      string // the standard's name of the command
	CDB     []byte
	NotSent bool // the command certainly never reached the device
	Err     error
}

// Error names the command and tells whether its outcome is known.
func (e *TransportError) Error() string {
	if e.NotSent {
		return fmt.Sprintf("%s not sent: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s: no answer, outcome unknown: %v", e.Op, e.Err)
}

// Unwrap gives access to the cause, such as context.Canceled or an errno.
func (e *TransportError) Unwrap() error { return e.Err }

// ResponseError says that the device answered something that the standard does not allow: a page that is too short,
// a length beyond the data, sense data of no known format.
type ResponseError struct {
	Op     string
	CDB    []byte
	Reason string
}

// Error names the command and what is wrong with the answer.
func (e *ResponseError) Error() string {
	return fmt.Sprintf("%s: the device's answer makes no sense: %s", e.Op, e.Reason)
}

// CheckError says that a command ended with CHECK CONDITION. Match conditions with errors.Is, for example
// errors.Is(err, scsi.MediumNotPresent); look at Sense for the flags of tape commands.
type CheckError struct {
	Op    string
	CDB   []byte
	Sense Sense
}

// Error names the command and the sense data.
func (e *CheckError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Sense.String())
	return b.String()
}

// Is reports whether target is a Condition that the sense data shows.
func (e *CheckError) Is(target error) bool {
	c, ok := target.(Condition)
	return ok && c.Matches(e.Sense)
}

// StatusError says that the device refused a command with a status other than GOOD and CHECK CONDITION. The command
// was not executed, except after TASK ABORTED, where the outcome is unknown.
type StatusError struct {
	Op     string
	CDB    []byte
	Status Status
}

// Error names the command and the status.
func (e *StatusError) Error() string {
	switch e.Status {
	case StatusReservationConflict:
		return e.Op + ": RESERVATION CONFLICT: another host has reserved the device"
	case StatusTaskAborted:
		return e.Op + ": TASK ABORTED: outcome unknown"
	}
	return fmt.Sprintf("%s: %s", e.Op, e.Status)
}
