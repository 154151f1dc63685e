package vlib

import (
	"errors"

	"tapectl/internal/scsi"
)

var errNotBuilt = errors.New("not available yet")

// Library is an open virtual library. It is safe for use by several goroutines.
type Library struct{}

// Create makes a virtual library in folder, which is created if need be and must be empty. What it wrote is removed
// again when it fails.
func Create(folder string, c Config) error { return errNotBuilt }

// Open opens the virtual library in folder. The caller closes it; transports that are still open then fail.
func Open(folder string) (*Library, error) { return nil, errNotBuilt }

// Close ends all transports of this Library. The folder stays.
func (l *Library) Close() error { return errNotBuilt }

// Folder is where the library is.
func (l *Library) Folder() string { return "" }

// Config is the configuration with all defaults filled in, and the quirks and timing of now.
func (l *Library) Config() Config { return Config{} }

// Changer opens the medium changer. Each call is a new I_T nexus with its own unit attentions, PREVENT state and
// reservations; the caller closes it.
func (l *Library) Changer() (scsi.Transport, error) { return nil, errNotBuilt }

// Drive opens drive n, counted from 0, like Changer.
func (l *Library) Drive(n int) (scsi.Transport, error) { return nil, errNotBuilt }

// SetQuirks changes how the library deviates from the standard, for all processes, from the next command on.
func (l *Library) SetQuirks(q Quirks) error { return errNotBuilt }

// SetTiming changes how long things take, for all processes, from the next command on.
func (l *Library) SetTiming(t Timing) error { return errNotBuilt }

// InjectFault adds a fault and returns its number.
func (l *Library) InjectFault(f Fault) (int, error) { return 0, errNotBuilt }

// Faults lists the faults that have not struck for the last time.
func (l *Library) Faults() ([]Fault, error) { return nil, errNotBuilt }

// ClearFaults removes the faults with these numbers, or all when none is given.
func (l *Library) ClearFaults(ids ...int) error { return errNotBuilt }

// Tape is what a person can see of a cartridge.
type Tape struct {
	// ID is the number of its folder under cartridges/.
	ID      int
	Barcode string
	Media   string
	// Element is where it is; 0 is the shelf outside of the library.
	Element        uint16
	Capacity       int64
	WriteProtected bool
	// Uses is how many cleanings are left in a cleaning cartridge.
	Uses int
}

// Tapes lists all cartridges, those on the shelf included, by number.
func (l *Library) Tapes() ([]Tape, error) { return nil, errNotBuilt }

// NewTape makes a new cartridge on the shelf. TapeConfig.Element must be 0.
func (l *Library) NewTape(t TapeConfig) error { return errNotBuilt }

// InsertMail puts the cartridge with this barcode from the shelf into the first empty import/export element and
// returns its address. Every nexus of the changer gets 28/01.
func (l *Library) InsertMail(barcode string) (uint16, error) { return 0, errNotBuilt }

// TakeMail puts the cartridge of an import/export element on the shelf. Every nexus of the changer gets 28/01.
func (l *Library) TakeMail(element uint16) error { return errNotBuilt }

// AddTape makes a new cartridge and puts it through the door into t.Element, a storage element, or the first empty one, and
// returns the address. Every nexus of the changer gets 28/00.
func (l *Library) AddTape(t TapeConfig) (uint16, error) { return 0, errNotBuilt }

// RemoveTape takes the cartridge out of a storage or import/export element through the door and puts it on the shelf.
// Every nexus of the changer gets 28/00.
func (l *Library) RemoveTape(element uint16) error { return errNotBuilt }

// SwapBarcode puts another label on the cartridge in an element. Every nexus of the changer gets 28/00.
func (l *Library) SwapBarcode(element uint16, barcode string) error { return errNotBuilt }

// SetWriteProtect moves the tab of the cartridge with this barcode. It takes effect when it is loaded next.
func (l *Library) SetWriteProtect(barcode string, on bool) error { return errNotBuilt }

// OpenDoor opens the door: the changer is not ready with 02/04/18.
func (l *Library) OpenDoor() error { return errNotBuilt }

// CloseDoor closes the door. Every nexus of the changer gets 28/00.
func (l *Library) CloseDoor() error { return errNotBuilt }

// Eject presses the button of drive n: the tape is unloaded unless a host prevents it.
func (l *Library) Eject(n int) error { return errNotBuilt }

// PowerLoss cuts the power of the whole library and switches it on again: with Config.WriteBack the blocks that came after the last
// synchronizing command are gone, tapes are at their beginning, mode parameters, PREVENT and reservations are reset, and
// every nexus gets 29/00.
func (l *Library) PowerLoss() error { return errNotBuilt }
