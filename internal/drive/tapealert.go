package drive

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// Severity is how urgent a TapeAlert flag is.
type Severity byte

// The severities of TapeAlert.
const (
	Information Severity = 'I'
	Warning     Severity = 'W'
	Critical    Severity = 'C'
)

// String names the severity.
func (s Severity) String() string {
	switch s {
	case Information:
		return "information"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	}
	return fmt.Sprintf("severity %d", byte(s))
}

// Reaction is what a manager of tapes does about a TapeAlert flag.
type Reaction uint8

// The reactions of scsi.md 1.2.
const (
	NoReaction    Reaction = iota
	CleanDrive             // put in a cleaning cartridge
	SuspectMedium          // do not write to the medium any more
	RetireMedium           // copy the medium and take it out of use
	WrongMedium            // the medium does not belong into this drive
	DriveDown              // do not use the drive any more
)

// String names the reaction.
func (r Reaction) String() string {
	return [...]string{"none", "clean the drive", "suspect the medium", "retire the medium", "wrong medium", "take the drive out of service"}[min(int(r), 5)]
}

// TapeAlertFlag is one flag that a drive raised.
type TapeAlertFlag struct {
	// Number is 1 to 64.
	Number   int
	Name     string
	Severity Severity
	Reaction Reaction
}

// tapeAlerts names the flags (SSC-5 annex A, and scsi.md 1.2); index 0 is flag 1. Flags without a name are reserved or
// obsolete.
var tapeAlerts = [64]TapeAlertFlag{
	0x01 - 1: {Name: "read warning", Severity: Warning},
	0x02 - 1: {Name: "write warning", Severity: Warning},
	0x03 - 1: {Name: "hard error", Severity: Warning},
	0x04 - 1: {Name: "media", Severity: Critical, Reaction: SuspectMedium},
	0x05 - 1: {Name: "read failure", Severity: Critical, Reaction: SuspectMedium},
	0x06 - 1: {Name: "write failure", Severity: Critical, Reaction: SuspectMedium},
	0x07 - 1: {Name: "media life", Severity: Warning, Reaction: RetireMedium},
	0x08 - 1: {Name: "not data grade", Severity: Warning, Reaction: WrongMedium},
	0x09 - 1: {Name: "write protect", Severity: Critical},
	0x0A - 1: {Name: "no removal", Severity: Information},
	0x0B - 1: {Name: "cleaning media", Severity: Information},
	0x0C - 1: {Name: "unsupported format", Severity: Information, Reaction: WrongMedium},
	0x0D - 1: {Name: "recoverable mechanical cartridge failure", Severity: Critical, Reaction: SuspectMedium},
	0x0E - 1: {Name: "unrecoverable mechanical cartridge failure", Severity: Critical, Reaction: SuspectMedium},
	0x0F - 1: {Name: "memory chip in cartridge failure", Severity: Warning},
	0x10 - 1: {Name: "forced eject", Severity: Critical},
	0x11 - 1: {Name: "read only format", Severity: Warning},
	0x12 - 1: {Name: "tape directory corrupted on load", Severity: Warning},
	0x13 - 1: {Name: "nearing media life", Severity: Information, Reaction: RetireMedium},
	0x14 - 1: {Name: "clean now", Severity: Critical, Reaction: CleanDrive},
	0x15 - 1: {Name: "clean periodic", Severity: Warning, Reaction: CleanDrive},
	0x16 - 1: {Name: "expired cleaning media", Severity: Critical},
	0x17 - 1: {Name: "invalid cleaning tape", Severity: Critical, Reaction: WrongMedium},
	0x18 - 1: {Name: "retension requested", Severity: Warning},
	0x19 - 1: {Name: "multi-port interface error", Severity: Warning},
	0x1A - 1: {Name: "cooling fan failing", Severity: Warning},
	0x1B - 1: {Name: "power supply failure", Severity: Warning},
	0x1C - 1: {Name: "power consumption", Severity: Warning},
	0x1D - 1: {Name: "drive preventive maintenance", Severity: Warning},
	0x1E - 1: {Name: "hardware A", Severity: Critical, Reaction: DriveDown},
	0x1F - 1: {Name: "hardware B", Severity: Critical, Reaction: DriveDown},
	0x20 - 1: {Name: "interface", Severity: Warning},
	0x21 - 1: {Name: "eject media", Severity: Critical},
	0x22 - 1: {Name: "microcode update fail", Severity: Warning},
	0x23 - 1: {Name: "drive humidity", Severity: Warning},
	0x24 - 1: {Name: "drive temperature", Severity: Warning},
	0x25 - 1: {Name: "drive voltage", Severity: Warning},
	0x26 - 1: {Name: "predictive failure", Severity: Critical, Reaction: DriveDown},
	0x27 - 1: {Name: "diagnostics required", Severity: Warning},
	0x31 - 1: {Name: "diminished native capacity", Severity: Warning},
	0x32 - 1: {Name: "lost statistics", Severity: Warning},
	0x33 - 1: {Name: "tape directory invalid at unload", Severity: Warning},
	0x34 - 1: {Name: "tape system area write failure", Severity: Critical, Reaction: SuspectMedium},
	0x35 - 1: {Name: "tape system area read failure", Severity: Critical, Reaction: SuspectMedium},
	0x36 - 1: {Name: "no start of data", Severity: Critical, Reaction: SuspectMedium},
	0x37 - 1: {Name: "loading or threading failure", Severity: Critical},
	0x38 - 1: {Name: "unrecoverable unload failure", Severity: Critical},
	0x39 - 1: {Name: "automation interface failure", Severity: Critical, Reaction: DriveDown},
	0x3A - 1: {Name: "microcode failure", Severity: Warning},
	0x3B - 1: {Name: "WORM integrity check failed", Severity: Warning},
	0x3C - 1: {Name: "WORM overwrite attempted", Severity: Warning},
}

// TapeAlert describes a flag by its number from 1 to 64; others give a flag without a name.
func TapeAlert(number int) TapeAlertFlag {
	f := TapeAlertFlag{Severity: Information}
	if number >= 1 && number <= len(tapeAlerts) && tapeAlerts[number-1].Name != "" {
		f = tapeAlerts[number-1]
	}
	f.Number = number
	return f
}

// DecodeTapeAlertResponse takes log page 12h: parameter 0 has 64 bits, flag 1 first (SSC-5 8.2.4).
func DecodeTapeAlertResponse(p scsi.LogPage) ([]TapeAlertFlag, error) {
	v, ok := p.Parameter(0)
	if !ok || len(v.Value) < 8 {
		return nil, &scsi.ResponseError{Op: "LOG SENSE", Reason: "TapeAlert response page without its 64 flags"}
	}
	var flags []TapeAlertFlag
	for n := 1; n <= 64; n++ {
		if v.Value[(n-1)/8]&(0x80>>((n-1)%8)) != 0 {
			flags = append(flags, TapeAlert(n))
		}
	}
	return flags, nil
}

// DecodeTapeAlert takes log page 2Eh: parameters 1 to 64, bit 0 of one byte each (SSC-5 8.2.3).
func DecodeTapeAlert(p scsi.LogPage) ([]TapeAlertFlag, error) {
	var flags []TapeAlertFlag
	var seen [65]bool
	it := p.Parameters()
	for it.Next() {
		v := it.Parameter()
		if v.Code < 1 || v.Code > 64 || seen[v.Code] || len(v.Value) == 0 || v.Value[0]&0x01 == 0 {
			continue
		}
		seen[v.Code] = true
		flags = append(flags, TapeAlert(int(v.Code)))
	}
	return flags, it.Err()
}

// TapeAlerts reads the flags that are raised: from log page 12h, which can be read again, else from 2Eh, which is
// cleared by reading (quirk Q52), so keep what it returns. Drives without both give ErrNotSupported.
func (d *Drive) TapeAlerts(ctx context.Context) ([]TapeAlertFlag, error) {
	p, err := d.log(ctx, 0x12)
	if err == nil {
		if flags, derr := DecodeTapeAlertResponse(p); derr == nil {
			return flags, nil
		}
	}
	if err == nil || errors.Is(err, ErrNotSupported) {
		p, err = d.log(ctx, 0x2E)
	}
	if err != nil {
		return nil, fmt.Errorf("read TapeAlert flags: %w", err)
	}
	flags, err := DecodeTapeAlert(p)
	if err != nil && len(flags) == 0 {
		return nil, fmt.Errorf("read TapeAlert flags: %w", err)
	}
	return flags, nil
}
