package mtf

import (
	"context"
	"fmt"
)

// output gathers bytes into physical blocks. The first medium error sticks.
type output struct {
	w      BlockWriter
	lender BlockLender // nil: the one own buffer is used again and again
	size   int
	buf    []byte // the current block; nil while none is borrowed
	pos    int
	total  uint64 // bytes since the object began
	blocks uint64
	err    error
}

func newOutput(w BlockWriter, size int) *output {
	o := &output{w: w, size: size}
	if l, ok := w.(BlockLender); ok {
		o.lender = l
	} else {
		o.buf = make([]byte, size)
	}
	return o
}

// space returns the free rest of the current block, at least one byte.
func (o *output) space() ([]byte, error) {
	if o.err != nil {
		return nil, o.err
	}
	if o.buf == nil {
		b := o.lender.Block()
		if len(b) < o.size {
			o.err = fmt.Errorf("write block: borrowed a buffer of %d bytes, need %d", len(b), o.size)
			return nil, o.err
		}
		o.buf = b[:o.size]
	}
	return o.buf[o.pos:], nil
}

// advance counts n bytes that were put into space, and writes the block when it is full.
func (o *output) advance(ctx context.Context, n int) error {
	o.pos += n
	o.total += uint64(n)
	if o.pos < o.size {
		return nil
	}
	p := o.buf
	if o.lender != nil {
		o.buf = nil
	}
	o.pos = 0
	if err := o.w.WriteBlock(ctx, p); err != nil {
		o.err = err
		return err
	}
	o.blocks++
	return nil
}

func (o *output) write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		b, err := o.space()
		if err != nil {
			return err
		}
		n := copy(b, p)
		p = p[n:]
		if err := o.advance(ctx, n); err != nil {
			return err
		}
	}
	return o.err
}

func (o *output) zeros(ctx context.Context, n uint64) error {
	for n > 0 {
		b, err := o.space()
		if err != nil {
			return err
		}
		b = b[:min(uint64(len(b)), n)]
		clear(b)
		n -= uint64(len(b))
		if err := o.advance(ctx, len(b)); err != nil {
			return err
		}
	}
	return o.err
}

// stream writes a stream header on the next multiple of 4.
func (o *output) stream(ctx context.Context, h StreamHeader) error {
	if err := o.zeros(ctx, -o.total&3); err != nil {
		return err
	}
	var p [StreamHeaderSize]byte
	h.Put(p[:])
	return o.write(ctx, p[:])
}

// pad writes a stream of zeros that ends on the next multiple of unit; at least its header is written.
func (o *output) pad(ctx context.Context, id ID, unit uint64) error {
	begin := (o.total + 3) &^ 3
	end := begin + StreamHeaderSize
	end += (unit - end%unit) % unit
	n := end - begin - StreamHeaderSize
	if err := o.stream(ctx, StreamHeader{ID: id, Length: n}); err != nil {
		return err
	}
	return o.zeros(ctx, n)
}

// filemark writes a filemark; the current block must be empty.
func (o *output) filemark(ctx context.Context) error {
	if o.err != nil {
		return o.err
	}
	if o.pos != 0 {
		o.err = fmt.Errorf("write filemark: %d bytes of a block are not written", o.pos)
		return o.err
	}
	if err := o.w.WriteFilemark(ctx); err != nil {
		o.err = err
	}
	return o.err
}

// rewind drops what was put after the state (blocks, pos). Where that is in a block already written, only the bytes of the
// current block are dropped; kept tells which.
func (o *output) rewind(blocks uint64, pos int) (kept bool) {
	kept = o.blocks == blocks
	if !kept {
		pos = 0
	}
	o.total -= uint64(o.pos - pos)
	o.pos = pos
	return kept
}
