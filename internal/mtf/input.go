package mtf

import (
	"context"
	"errors"
	"fmt"
)

// skipByLocate is the distance in physical blocks from which on a skip positions the medium instead of reading.
const skipByLocate = 64

// input hands out the bytes of consecutive physical blocks. The first error sticks until seek: ErrFilemark and
// ErrEndOfData where the blocks end, or a medium error.
type input struct {
	r      BlockReader
	buf    []byte
	n, pos int
	object uint64 // object number of the block in buf
	next   uint64 // object number of the next block
	at     uint64 // offset of pos from the first byte that was counted
	odd    bool   // a block shorter than buf was read: addresses cannot be computed
	jumped bool   // a skip passed blocks unread; the next block header has to prove the place
	err    error
}

func newInput(r BlockReader, size int) *input { return &input{r: r, buf: make([]byte, size)} }

// seek moves to byte off of the block with an object number, and lets counting go on at at.
func (in *input) seek(ctx context.Context, object uint64, off int, at uint64) error {
	in.err = nil
	in.n, in.pos = 0, 0
	if err := in.r.Locate(ctx, object); err != nil {
		in.err = err
		return fmt.Errorf("locate object %d: %w", object, err)
	}
	in.next, in.at = object, at-uint64(off)
	if err := in.load(ctx); err != nil {
		return err
	}
	if off > in.n {
		return in.fail("DBLK", "offset %d lies outside of a block of %d bytes", off, in.n)
	}
	in.pos, in.at = off, at
	return nil
}

// load makes at least one byte available.
func (in *input) load(ctx context.Context) error {
	if in.pos < in.n {
		return nil
	}
	if in.err != nil {
		return in.err
	}
	n, err := in.r.ReadBlock(ctx, in.buf)
	if err == nil && (n <= 0 || n > len(in.buf)) {
		err = &FormatError{Object: in.next, Block: "block", Reason: fmt.Sprintf("reader returned %d bytes for a buffer of %d", n, len(in.buf))}
	}
	if err != nil {
		in.err = err
		in.n, in.pos = 0, 0
		if errors.Is(err, ErrFilemark) {
			in.next++
		}
		return err
	}
	in.odd = in.odd || (in.n != 0 && in.n < len(in.buf)) // a short block in the middle
	in.n, in.pos = n, 0
	in.object = in.next
	in.next++
	return nil
}

// chunk consumes and returns up to most bytes of the current block; the slice is good until the next call.
func (in *input) chunk(ctx context.Context, most uint64) ([]byte, error) {
	if err := in.load(ctx); err != nil {
		return nil, err
	}
	p := in.buf[in.pos:in.n]
	p = p[:min(uint64(len(p)), most)]
	in.pos += len(p)
	in.at += uint64(len(p))
	return p, nil
}

// read fills p.
func (in *input) read(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		c, err := in.chunk(ctx, uint64(len(p)))
		if err != nil {
			return err
		}
		p = p[copy(p, c):]
	}
	return nil
}

// skip passes over n bytes; far ones by positioning.
func (in *input) skip(ctx context.Context, n uint64) error {
	for n > 0 {
		left := uint64(in.n - in.pos)
		size := uint64(len(in.buf))
		if full := (n - min(n, left)) / size; full > skipByLocate && !in.odd && in.err == nil && (in.n == 0 || in.n == len(in.buf)) {
			if full > 1<<62 || in.next+full < in.next {
				return in.fail("stream", "length %d is impossible", n)
			}
			if err := in.r.Locate(ctx, in.next+full); err != nil {
				in.err = err
				in.n, in.pos = 0, 0
				return err
			}
			in.n, in.pos, in.jumped = 0, 0, true
			in.next += full
			in.at += left + full*size
			n -= left + full*size
			continue
		}
		c, err := in.chunk(ctx, n)
		if err != nil {
			return err
		}
		n -= uint64(len(c))
	}
	return nil
}

// align skips to the next multiple of unit.
func (in *input) align(ctx context.Context, unit uint64) error {
	if k := in.at % unit; k != 0 {
		return in.skip(ctx, unit-k)
	}
	return nil
}

func (in *input) fail(block, format string, a ...any) error {
	return &FormatError{Object: in.object, Offset: int64(in.pos), Block: block, Reason: fmt.Sprintf(format, a...)}
}

// place adds the position to a format error that a decoder returned.
func (in *input) place(err error, offset int) error {
	var fe *FormatError
	if errors.As(err, &fe) {
		fe.Object, fe.Offset = in.object, int64(offset)
	}
	return err
}

// streamHeader aligns to 4 bytes and reads a stream header.
func (in *input) streamHeader(ctx context.Context) (StreamHeader, error) {
	if err := in.align(ctx, 4); err != nil {
		return StreamHeader{}, err
	}
	var p [StreamHeaderSize]byte
	pos := in.pos
	if err := in.read(ctx, p[:]); err != nil {
		return StreamHeader{}, err
	}
	h, err := DecodeStreamHeader(p[:])
	return h, in.place(err, pos)
}

// dblk reads a descriptor block up to its first event into scratch and verifies header checksum and, for tapectl's
// blocks, the CRC.
func (in *input) dblk(ctx context.Context, scratch []byte) (Header, []byte, error) {
	pos := in.pos
	if err := in.read(ctx, scratch[:HeaderSize]); err != nil {
		return Header{}, nil, err
	}
	h, err := DecodeHeader(scratch[:HeaderSize])
	if err != nil {
		return h, nil, in.place(err, pos)
	}
	p := scratch[:h.FirstEvent]
	if err := in.read(ctx, p[HeaderSize:]); err != nil {
		return h, nil, err
	}
	return h, p, in.place(checkBlockCRC(p), pos)
}

// ended tells whether err is one of the two sentinels.
func ended(err error) bool { return errors.Is(err, ErrFilemark) || errors.Is(err, ErrEndOfData) }
