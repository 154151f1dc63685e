package iscsi

import (
	"errors"
	"fmt"
)

// maxTransfer is the largest data phase: what the 24 bits of READ(6) and WRITE(6) can ask for. libiscsi took more.
const maxTransfer = 1 << 24

var (
	// ErrNotBuilt is in the error of Open in a program that was built without libiscsi.
	ErrNotBuilt = errors.New("this program was built without iSCSI (build tag libiscsi)")
	// ErrSessionLost is in the error of every Send after the session was lost or dropped.
	ErrSessionLost = errors.New("iSCSI session lost, reopen the device")
	// ErrConnectionLost is in the error of the command during which the connection broke.
	ErrConnectionLost = errors.New("iSCSI connection lost")
	// ErrTimeout is in the error of a command that the device did not answer in time.
	ErrTimeout = errors.New("no answer")
	// ErrClosed is in the error of Send after Close.
	ErrClosed = errors.New("the iSCSI transport is closed")
)

// ConnectError says that no session could be set up: no connection, login refused, or the program cannot do iSCSI.
type ConnectError struct {
	Address Address
	Err     error
}

// Error names the address, without its password, and the reason.
func (e *ConnectError) Error() string { return fmt.Sprintf("open %s: %v", e.Address, e.Err) }

// Unwrap gives access to the reason.
func (e *ConnectError) Unwrap() error { return e.Err }
