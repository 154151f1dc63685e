// Package mtf reads and writes Microsoft Tape Format 1.00a: descriptor blocks, data streams, data sets and the media
// based catalog of type 1.
//
// The package knows blocks and filemarks (BlockWriter, BlockReader) but no devices. All structures are little endian.
// docs/format.md specifies what tapectl itself puts on tape; what it only reads is in Microsoft Tape Format 1.00a.
package mtf

import (
	"context"
	"errors"
)

// ErrFilemark is returned by BlockReader.ReadBlock when it meets a filemark; the position is then behind the filemark.
var ErrFilemark = errors.New("filemark")

// ErrEndOfData is returned by a BlockReader where nothing more is recorded on the medium.
var ErrEndOfData = errors.New("end of data")

// BlockWriter writes physical blocks and filemarks at the current position of a medium. It is used by one goroutine.
//
// WriteBlock may return before the block is on the medium; the first error sticks and every later call returns it.
type BlockWriter interface {
	// WriteBlock writes one block of exactly the physical block size. p may be reused after the return, unless it came
	// from BlockLender.
	WriteBlock(ctx context.Context, p []byte) error
	WriteFilemark(ctx context.Context) error
}

// BlockLender is an optional addition to BlockWriter that saves copies. Block lends an empty buffer of the physical block
// size; the writer fills it in place and passes exactly that slice to WriteBlock, which takes it back.
type BlockLender interface {
	Block() []byte
}

// BlockReader reads the physical blocks of a medium. It is used by one goroutine.
type BlockReader interface {
	// ReadBlock reads one physical block into p and returns its length; ErrFilemark and ErrEndOfData are sentinels.
	ReadBlock(ctx context.Context, p []byte) (n int, err error)
	// SpaceFilemarks moves forward behind the n-th filemark (n >= 1); ErrEndOfData if there are fewer.
	SpaceFilemarks(ctx context.Context, n int) error
	// Locate moves to an absolute logical object number; blocks and filemarks both count.
	Locate(ctx context.Context, object uint64) error
	// Position returns the object number of the next block.
	Position(ctx context.Context) (uint64, error)
}

// Limits of the physical block size in bytes. A physical block is a multiple of the format logical block.
const (
	MinPhysicalBlock = 512
	MaxPhysicalBlock = 16 << 20
)

// DefaultFormatLogicalBlock is the format logical block size that tapectl writes; 512 is the only other size
// (docs/format.md 1).
const DefaultFormatLogicalBlock = 1024

// VendorTapectl is the software vendor id in TAPE and SSET blocks written by tapectl; the bytes spell "TC".
const VendorTapectl = 0x4354
