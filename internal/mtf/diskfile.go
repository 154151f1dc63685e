package mtf

import (
	"errors"
	"fmt"
	"io"
)

// Event is one structure that Walk met: a descriptor block (Stream is nil) or one of the streams that follow it.
type Event struct {
	Block  Header
	Offset int64         // of the block, or of the stream header, in the file
	Raw    []byte        // the block up to its first event; shared between the events of the block
	Stream *StreamHeader // its data begins at Offset + StreamHeaderSize
}

// Walk walks the descriptor blocks and streams of an MTF image in a disk file, such as an uncompressed SQL Server backup,
// with soft filemarks (SFMB) or none. Every block and stream checksum is verified; a *FormatError tells where it ends
// otherwise. Zeros behind the last block are padding. fn may return io.EOF to end the walk early, other errors are passed
// on. Memory is bounded by 64 KiB.
func Walk(r io.ReaderAt, size int64, fn func(Event) error) error {
	w := fileWalk{r: r, size: size, fn: fn, flb: DefaultFormatLogicalBlock, buf: make([]byte, MaxBlockSize)}
	for first := true; w.pos < size; first = false {
		if !first && w.padding() {
			return nil
		}
		err := w.block(first)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type fileWalk struct {
	r    io.ReaderAt
	size int64
	fn   func(Event) error
	flb  int64
	buf  []byte
	pos  int64
}

func (w *fileWalk) fail(pos int64, block, format string, a ...any) error {
	return &FormatError{Offset: pos, Block: block, Reason: fmt.Sprintf(format, a...)}
}

// read fills p from pos; an image that ends before gives a *FormatError.
func (w *fileWalk) read(p []byte, pos int64) error {
	if pos < 0 || int64(len(p)) > w.size-pos {
		return w.fail(pos, "file", "needs %d bytes, %d are left", len(p), max(w.size-pos, 0))
	}
	n, err := w.r.ReadAt(p, pos)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return w.fail(pos, "file", "ends after %d of %d bytes", n, len(p))
	}
	return fmt.Errorf("read at offset %d: %w", pos, err)
}

// padding tells whether nothing but zeros follows.
func (w *fileWalk) padding() bool {
	var p [4096]byte
	for pos := w.pos; pos < w.size; {
		b := p[:min(int64(len(p)), w.size-pos)]
		if w.read(b, pos) != nil {
			return false
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
		pos += int64(len(b))
	}
	return true
}

// block handles the descriptor block at pos with its streams and moves behind them.
func (w *fileWalk) block(first bool) error {
	h, err := w.header(w.pos)
	if err != nil {
		if first {
			return errors.Join(ErrNotMTF, err)
		}
		return err
	}
	if first && h.Type != IDTAPE {
		return ErrNotMTF
	}
	raw := w.buf[:h.FirstEvent]
	if err := w.read(raw, w.pos); err != nil {
		return err
	}
	if b, err := address(raw, 44); err == nil {
		h.OSData = append([]byte(nil), b...)
	}
	if h.Type == IDTAPE {
		var t TAPE
		if err := t.Unmarshal(raw); err != nil {
			return err
		}
		if t.FormatLogical >= 512 {
			w.flb = int64(t.FormatLogical)
		}
	}
	begin := w.pos
	if err := w.fn(Event{Block: h, Offset: begin, Raw: raw}); err != nil {
		return err
	}
	w.pos += int64(h.FirstEvent)
	if h.Type == IDSFMB {
		return nil
	}
	return w.streams(h, raw, begin)
}

func (w *fileWalk) header(pos int64) (Header, error) {
	var p [HeaderSize]byte
	if err := w.read(p[:], pos); err != nil {
		return Header{}, err
	}
	h, err := DecodeHeader(p[:])
	var fe *FormatError
	if errors.As(err, &fe) {
		fe.Offset = pos
	}
	return h, err
}

// streams walks the streams of the block at begin up to SPAD.
func (w *fileWalk) streams(h Header, raw []byte, begin int64) error {
	for n := 0; ; n++ {
		var p [StreamHeaderSize]byte
		if err := w.read(p[:], w.pos); err != nil {
			return err
		}
		s, err := DecodeStreamHeader(p[:])
		if err != nil {
			if n == 0 && w.streamless() {
				return nil
			}
			var fe *FormatError
			if errors.As(err, &fe) {
				fe.Offset = w.pos
			}
			return err
		}
		if s.Length > uint64(w.size-w.pos-StreamHeaderSize) {
			return w.fail(w.pos, "stream", "%s of %d bytes exceeds the file", s.ID, s.Length)
		}
		if err := w.fn(Event{Block: h, Offset: w.pos, Raw: raw, Stream: &s}); err != nil {
			return err
		}
		w.pos += StreamHeaderSize + int64(s.Length)
		if s.ID == StreamSPAD {
			return nil
		}
		w.pos += (begin - w.pos) & 3
	}
}

// streamless recognizes a block of the drafts before 1.00a, which have blocks without streams: zeros up to the next
// boundary, where another block stands. It moves there.
func (w *fileWalk) streamless() bool {
	next := (w.pos + w.flb - 1) / w.flb * w.flb
	gap := make([]byte, next-w.pos)
	if w.read(gap, w.pos) != nil {
		return false
	}
	for _, c := range gap {
		if c != 0 {
			return false
		}
	}
	if _, err := w.header(next); err != nil {
		return false
	}
	w.pos = next
	return true
}
