package mtf

import (
	"errors"
	"fmt"
)

// ErrNotMTF is returned when the first block of a medium holds no TAPE block with a valid checksum.
var ErrNotMTF = errors.New("not a Microsoft Tape Format medium")

// ErrSetIncomplete is wrapped by the errors for a data set that is not closed by a filemark and an ESET block.
var ErrSetIncomplete = errors.New("data set is not complete")

// ErrLimit is wrapped when something does not fit a field of the format (16 bit lengths, numbers and counts).
var ErrLimit = errors.New("limit of the tape format")

// ErrUnsupported is wrapped where data is compressed or encrypted in a way this package cannot undo.
var ErrUnsupported = errors.New("not supported")

// FormatError reports a structure on the medium that is damaged or not Microsoft Tape Format.
type FormatError struct {
	Object uint64 // logical object number of the physical block; 0 when decoded from memory or a disk file
	Offset int64  // byte offset inside that block, or in the disk file
	Block  string // the structure, such as "FILE", "stream", "TSMP"
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("read %s at object %d offset %d: %s", e.Block, e.Object, e.Offset, e.Reason)
}

// ChecksumError reports data whose CSUM or SHA2 stream, or block CRC, does not fit: the data must not be used.
type ChecksumError struct {
	Path   string // path of the object, components joined with "/"
	Stream string // "CSUM", "SHA2"
	Want   []byte // what stands on the medium
	Got    []byte // what the data that was read gives
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("verify %s: %s on the medium is %x, the data gives %x", e.Path, e.Stream, e.Want, e.Got)
}

// CorruptError reports an object that a CFIL block marks as corrupt: it could not be read completely when it was written.
type CorruptError struct {
	Path       string
	Offset     uint64 // the data from here on is zero filling
	Attributes uint32 // CFIL attributes: CorruptLengthChanged, CorruptUnreadable, CorruptDeadlock
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read %s: marked corrupt from offset %d (CFIL attributes %#x)", e.Path, e.Offset, e.Attributes)
}

// TruncatedError reports a data set that ends (filemark or end of data) in the middle of an object, or without its end.
// It unwraps to the sentinel that ended it and to ErrSetIncomplete.
type TruncatedError struct {
	Path string // the object; empty when the set ends between two objects
	Good uint64 // bytes of the object's data that were read before the end
	Err  error  // ErrFilemark or ErrEndOfData
}

func (e *TruncatedError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("read data set: ends without its end of set: %v", e.Err)
	}
	return fmt.Sprintf("read %s: data set ends after %d bytes of it: %v", e.Path, e.Good, e.Err)
}

// Unwrap makes errors.Is find the sentinel and ErrSetIncomplete.
func (e *TruncatedError) Unwrap() []error { return []error{e.Err, ErrSetIncomplete} }

func formatErr(block, format string, a ...any) *FormatError {
	return &FormatError{Block: block, Reason: fmt.Sprintf(format, a...)}
}
