// Package sgio carries SCSI commands to the devices of a Linux host, through the SCSI generic driver's nodes /dev/sgN
// and its version 3 interface, without cgo. [Open] opens a node; [Devices] lists tape drives and changers.
//
// # Why not the SG_IO ioctl
//
// The ioctl sleeps interruptibly. Whatever disturbs the sleep (a signal of the Go runtime's, which sends SIGURG to
// preempt goroutines; Ctrl-Z and fg; a debugger; the freezer before a suspend) makes the kernel restart it, and the
// restarted ioctl issues the command a second time while the first still runs: two blocks written, two filemarks spaced
// over, two moves. Blocking signals in the thread helps against handlers, and not against a stop of the process.
//
// The driver's write and read do the same in two steps of which neither can harm: write starts the command and returns,
// poll waits, read fetches the result. An interrupted poll is repeated, and nothing is issued twice.
//
// # What cannot be done
//
// A running command cannot be taken back. When a context ends, or the kernel's own recovery takes much longer
// than the timeout, only the waiting ends: Send returns with an unknown outcome, and the next Send waits for the command
// to finish.
package sgio

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is in the error of Send after Close.
	ErrClosed = errors.New("the device is closed")
	// ErrNoAnswer is in the error of a command that the kernel itself did not give back in time.
	ErrNoAnswer = errors.New("the kernel did not end the command in time")
	// ErrStillRunning is in the error of Close when a command did not end. The node is closed when it does.
	ErrStillRunning = errors.New("a command is still running")
)

// HostError is what the kernel says when the device did not answer a command: the host adapter's or the driver's
// status instead of the device's.
type HostError struct {
	Host   uint16 // DID_* of the Linux kernel
	Driver uint16
}

// hostTexts tell the DID_* codes (include/scsi/scsi_status.h) in the words of an operator.
var hostTexts = map[uint16]string{
	0x00: "",
	0x01: "the device cannot be reached",
	0x02: "the bus stayed busy",
	0x03: "the device did not answer in time",
	0x04: "there is no such target",
	0x05: "the command was aborted",
	0x06: "parity error",
	0x07: "host adapter error",
	0x08: "the device or the bus was reset",
	0x09: "unexpected interrupt",
	0x0A: "the driver passed the command on",
	0x0B: "temporary error of the driver",
	0x0C: "the driver wants an immediate retry",
	0x0D: "the driver wants to queue the command again",
	0x0E: "the connection to the device was disrupted",
	0x0F: "the path failed",
	0x10: "the target failed for good",
	0x11: "reserved by another host",
	0x12: "no space left on the target",
	0x13: "medium error reported by the driver",
	0x14: "transport failure",
}

// Error tells what the host adapter reported.
func (e *HostError) Error() string {
	text, ok := hostTexts[e.Host]
	if !ok {
		text = "unknown error of the host adapter"
	}
	if text == "" {
		return fmt.Sprintf("driver status %02Xh", e.Driver)
	}
	return fmt.Sprintf("%s (host status %02Xh, driver status %02Xh)", text, e.Host, e.Driver)
}
