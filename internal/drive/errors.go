package drive

import (
	"errors"
	"fmt"
)

// What reading and spacing meet. They are no failures: the position is known and described.
var (
	// ErrFilemark says that a filemark was met. The position is behind it after reading and spacing forward, in front
	// of it after spacing backward.
	ErrFilemark = errors.New("filemark")
	// ErrEndOfData says that nothing is recorded behind the position.
	ErrEndOfData = errors.New("end of data")
	// ErrBeginningOfMedium says that spacing backward met the beginning of the partition.
	ErrBeginningOfMedium = errors.New("beginning of the medium")
)

var (
	// ErrPositionUnknown refuses a command because an attention, a reset, a move or a failed command made the position
	// unknown. Rewind, Locate or SpaceEndOfData (where the drive tells positions) make it known again.
	ErrPositionUnknown = errors.New("position on the medium is unknown: rewind or locate first")
	// ErrNotSupported says that the drive does not have what was asked for.
	ErrNotSupported = errors.New("not supported by the drive")
	// ErrNoAttribute says that the cartridge memory does not hold the attribute.
	ErrNoAttribute = errors.New("no such attribute in the cartridge memory")
	// ErrSpaceBackward refuses to space backward over filemarks on drives with counted positions: tgt ends one object
	// too far.
	ErrSpaceBackward = errors.New("spacing backward over filemarks is not reliable on this drive")
	// ErrNotReady says that the drive did not become ready in time.
	ErrNotReady = errors.New("drive did not become ready in time")
)

// BlockTooLongError says that the next block is longer than the buffer. The position is in front of the block: read it
// again with Length bytes.
type BlockTooLongError struct {
	Length int
	Buffer int
}

// Error tells both lengths.
func (e *BlockTooLongError) Error() string {
	return fmt.Sprintf("block of %d bytes is longer than the buffer of %d", e.Length, e.Buffer)
}

// EndOfMediumError says that the medium is physically full. The block or filemark that was to be written is not on
// it; blocks before it that the drive had only buffered may be missing too, see Lost.
type EndOfMediumError struct {
	// Position is where the drive says that the next object goes, valid when PositionKnown.
	Position      uint64
	PositionKnown bool
	// Lost is how many objects that were accepted before did not reach the medium, as far as the drive tells.
	Lost uint64
	Err  error
}

// Error tells that the medium is full.
func (e *EndOfMediumError) Error() string {
	if e.Lost > 0 {
		return fmt.Sprintf("end of medium: block not written, and %d accepted before are not on the medium: %v", e.Lost, e.Err)
	}
	return fmt.Sprintf("end of medium: block not written: %v", e.Err)
}

// Unwrap gives access to the *scsi.CheckError.
func (e *EndOfMediumError) Unwrap() error { return e.Err }

// DeferredWriteError says that data that the drive had accepted did not reach the medium. The present command was not
// executed. Nothing behind LastSafe may be relied on.
type DeferredWriteError struct {
	// LastSafe is the object number behind the last object that is certainly on the medium (the last successful
	// flush), valid when LastSafeKnown.
	LastSafe      uint64
	LastSafeKnown bool
	Err           error
}

// Error tells from where on data is lost.
func (e *DeferredWriteError) Error() string {
	if e.LastSafeKnown {
		return fmt.Sprintf("earlier data did not reach the medium, safe up to object %d: %v", e.LastSafe, e.Err)
	}
	return fmt.Sprintf("earlier data did not reach the medium: %v", e.Err)
}

// Unwrap gives access to the *scsi.CheckError.
func (e *DeferredWriteError) Unwrap() error { return e.Err }

// UncertainWriteError says that it is not known whether the last block or filemark was written, and that the position
// is uncertain. Writing goes on only after Rewind or Locate, best on another medium.
type UncertainWriteError struct {
	// LastSafe is the object number behind the last object that is certainly on the medium, valid when LastSafeKnown.
	LastSafe      uint64
	LastSafeKnown bool
	Err           error
}

// Error tells that the outcome is unknown.
func (e *UncertainWriteError) Error() string {
	if e.LastSafeKnown {
		return fmt.Sprintf("write outcome and position are uncertain, safe up to object %d: %v", e.LastSafe, e.Err)
	}
	return fmt.Sprintf("write outcome and position are uncertain: %v", e.Err)
}

// Unwrap gives access to the error of the write.
func (e *UncertainWriteError) Unwrap() error { return e.Err }

// NotWrittenError says that a block or filemark was certainly not written, that nothing before it is known to be lost,
// and that the position is where it was.
type NotWrittenError struct {
	Err error
}

// Error tells that nothing was written.
func (e *NotWrittenError) Error() string { return fmt.Sprintf("not written: %v", e.Err) }

// Unwrap gives access to the error of the write.
func (e *NotWrittenError) Unwrap() error { return e.Err }

// SpaceError says that spacing ended early. Err is ErrFilemark, ErrEndOfData, ErrBeginningOfMedium or what the drive
// reported.
type SpaceError struct {
	// Remaining is how many blocks or filemarks were not passed, without sign, when RemainingKnown.
	Remaining      uint64
	RemainingKnown bool
	Err            error
}

// Error tells where spacing ended.
func (e *SpaceError) Error() string {
	if e.RemainingKnown {
		return fmt.Sprintf("space: %v, %d not passed", e.Err, e.Remaining)
	}
	return fmt.Sprintf("space: %v", e.Err)
}

// Unwrap gives access to the reason.
func (e *SpaceError) Unwrap() error { return e.Err }

// CleaningCartridgeError says that the drive holds a cleaning cartridge (30/03), or one that is used up or failed.
type CleaningCartridgeError struct {
	// Expired: the cartridge is used up. Failed: cleaning did not succeed.
	Expired, Failed bool
	Err             error
}

// Error tells what is with the cartridge.
func (e *CleaningCartridgeError) Error() string {
	switch {
	case e.Expired:
		return fmt.Sprintf("cleaning cartridge is used up: %v", e.Err)
	case e.Failed:
		return fmt.Sprintf("cleaning failed: %v", e.Err)
	}
	return fmt.Sprintf("drive holds a cleaning cartridge: %v", e.Err)
}

// Unwrap gives access to the *scsi.CheckError.
func (e *CleaningCartridgeError) Unwrap() error { return e.Err }
