package library

import (
	"errors"
	"time"

	"tapectl/internal/scsi"
)

// All waits and retries of this package. Anything that is not listed here is tried once.
//
//	MOVE MEDIUM, unit attention      the command was not executed: the elements are read again, everything is checked
//	                                 again, and it is sent again, attentionRetries times (scsi.md Q34)
//	MOVE MEDIUM, removal prevented   once, after ALLOW from this host on the drives concerned and the changer (Q39)
//	MOVE MEDIUM, from a mail slot    refused by the changer: once by way of a free slot (Q36)
//	MOVE MEDIUM, tape in the picker  put back once, to where it came from or a free slot
//	elements after a lost move       read until the tape is in the destination, lostMoveTime (it may still be carried out)
//	elements after a good move       read until the destination is full, settleTime (Q38)
//	elements, changer not ready      once, after the changer has become ready
//	drive before a move out of it    asked until the cartridge is presented, presentTime (Q31)
//	drive that unloaded its tape     LOAD once when the tape is mounted where it is
//	drive at another address         looked for once by its serial number among the devices nearby
const (
	// attentionRetries is how often a move is sent again that a unit attention kept from being executed.
	attentionRetries = 3
	// settleTime is how long the elements may take to show what a MOVE MEDIUM did (scsi.md Q38).
	settleTime = 30 * time.Second
	// presentTime is how long a drive may take to present a cartridge that it has unloaded (scsi.md Q31).
	presentTime = 60 * time.Second
	// lostMoveTime is how long a move without an answer may still be carried out: the time that the command itself has,
	// for the drive may rewind and unload first. Nothing shows earlier that the arm will not move the cartridge any
	// more: libraries answer READ ELEMENT STATUS and TEST UNIT READY while they move, so that any number of equal looks
	// proves nothing. A cartridge that is still seen where it was then has an unknown outcome.
	lostMoveTime = 15 * time.Minute
	// pollTime is the time between two looks, lostPollTime that between those after settleTime.
	pollTime     = time.Second
	lostPollTime = 5 * time.Second
	// recoveryTime bounds each step that finds out or mends the outcome of a move. Such a step does not end when the
	// caller gives up, and begins when MOVE MEDIUM, which only the timeout of the command bounds, has ended.
	recoveryTime = 10 * time.Minute
	// armTime bounds the wait for the arm in a dismount whose caller has given up: another task may have it while it
	// unloads a drive, which takes an LTO-9 drive more than two hours, and moves the tape.
	armTime = 4 * time.Hour
	// storeTime bounds the looks before the move of a dismount: the changer may take half an hour to become ready.
	// Rewinding, flushing and unloading before that are bounded by the drive's timeouts of these commands.
	storeTime = 45 * time.Minute
	// leaseTTL is how long a lease outlives a process that died without a word on another host.
	leaseTTL = 90 * time.Second
)

// notExecuted reports a move that a unit attention kept from being carried out.
func notExecuted(err error) bool {
	return errors.Is(err, scsi.IsUnitAttention) && !errors.Is(err, scsi.IsDeferredError)
}

// outcomeUnknown reports errors after which a command may still have been carried out, or be carried out yet.
func outcomeUnknown(err error) bool {
	var transport *scsi.TransportError
	var status *scsi.StatusError
	switch {
	case errors.As(err, &transport):
		return !transport.NotSent
	case errors.As(err, &status):
		return status.Status == scsi.StatusTaskAborted
	}
	return false
}

// unsupported reports that the device does not know the command.
func unsupported(err error) bool { return errors.Is(err, scsi.InvalidOperationCode) }
