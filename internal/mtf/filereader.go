package mtf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// HoleWriter is an optional addition to the writer given to SetReader.WriteTo: WriteHole stands for n zero bytes of a
// sparse file.
type HoleWriter interface {
	WriteHole(n uint64) error
}

// fileReader delivers the data of one file and verifies it.
type fileReader struct {
	s    *SetReader
	in   *input
	ctx  context.Context
	o    *Object
	hash hash.Hash

	h         StreamHeader // of the stream whose data comes next
	fresh     bool         // h was not looked at yet
	left      uint64       // data bytes of the current stream that were not delivered
	hole      uint64       // zero bytes to deliver first
	rest      []byte       // delivered to Read in part
	bytes     uint64       // delivered, holes included
	piece     xorSum       // of the last stream
	all       xorSum       // of all pieces of a variable length stream
	summed    bool         // the last stream announced a CSUM
	started   bool         // STAN was seen
	variable  bool         // inside a variable length stream
	sparse    bool
	verified  bool  // a SHA2 stream fitted
	corrupt   bool  // SHA2 says that a CFIL follows, or a CRPT stream was met
	skipping  bool  // the data is not wanted: pass over it
	sourceBad error // checksum error found; reported when the object has ended
	done      error // final verdict: io.EOF when good
}

func newFileReader(ctx context.Context, s *SetReader, o *Object, h StreamHeader, link string) *fileReader {
	f := &fileReader{s: s, in: s.in, ctx: ctx, o: o, hash: sha256.New(), h: h, fresh: true}
	f.hash.Write([]byte(link))
	return f
}

// drain passes over what is left of the object.
func (f *fileReader) drain(ctx context.Context) error {
	f.ctx, f.skipping, f.rest = ctx, true, nil
	if f.done != nil {
		return nil
	}
	for {
		if err := f.in.skip(ctx, f.left); err != nil {
			return err
		}
		f.left, f.hole = 0, 0
		if _, err := f.next(); err != nil {
			var te *TruncatedError
			var fe *FormatError
			if errors.As(err, &te) || errors.As(err, &fe) || !f.isVerdict(err) {
				return err
			}
			return nil
		}
	}
}

// isVerdict tells whether err only says how good the object is; the medium then stands behind it.
func (f *fileReader) isVerdict(err error) bool {
	var ce *ChecksumError
	var co *CorruptError
	return err == io.EOF || errors.As(err, &ce) || errors.As(err, &co) || errors.Is(err, ErrUnsupported)
}

func (f *fileReader) writeTo(w io.Writer) (int64, error) {
	var total int64
	holes, _ := w.(HoleWriter)
	for {
		p, err := f.next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		if f.hole > 0 && holes != nil {
			if err := holes.WriteHole(f.hole); err != nil {
				return total, fmt.Errorf("write %s: %w", f.o, err)
			}
			total += int64(f.hole)
			f.bytes, f.hole = f.bytes+f.hole, 0
			continue
		}
		if f.hole > 0 {
			p = zeroPage[:min(f.hole, uint64(len(zeroPage)))]
			f.hole -= uint64(len(p))
			f.bytes += uint64(len(p))
		}
		n, err := w.Write(p)
		total += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, fmt.Errorf("write %s: %w", f.o, err)
		}
	}
}

var zeroPage [64 << 10]byte

func (f *fileReader) read(p []byte) (int, error) {
	for {
		if len(p) == 0 {
			return 0, nil
		}
		if len(f.rest) > 0 {
			n := copy(p, f.rest)
			f.rest = f.rest[n:]
			return n, nil
		}
		c, err := f.next()
		if err != nil {
			return 0, err
		}
		if f.hole > 0 {
			p = p[:min(uint64(len(p)), f.hole)]
			clear(p)
			f.hole -= uint64(len(p))
			f.bytes += uint64(len(p))
			return len(p), nil
		}
		f.rest = c
	}
}

// next returns the next piece of data, in the buffer of the physical block; or nil with f.hole set. At the end it returns
// the verdict: io.EOF when everything fits.
func (f *fileReader) next() ([]byte, error) {
	if f.done != nil {
		return nil, f.done
	}
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	if f.hole > 0 {
		return nil, nil
	}
	for f.left == 0 {
		err := f.step()
		if err == nil && f.hole > 0 && !f.skipping {
			return nil, nil
		}
		if err == nil && f.skipping && f.left > 0 {
			return nil, nil
		}
		if err != nil {
			return nil, f.finish(err)
		}
	}
	p, err := f.in.chunk(f.ctx, f.left)
	if err != nil {
		return nil, f.finish(err)
	}
	f.left -= uint64(len(p))
	f.bytes += uint64(len(p))
	f.hash.Write(p)
	if f.summed {
		f.piece.write(p)
		f.all.write(p)
	}
	return p, nil
}

// finish makes the verdict out of what ended the data; medium errors are passed on and can be met again.
func (f *fileReader) finish(err error) error {
	if ended(err) {
		err = &TruncatedError{Path: f.o.String(), Good: f.bytes, Err: err}
	}
	f.done = err
	return err
}

// step handles one stream: it sets left for data, or consumes the stream.
func (f *fileReader) step() error {
	h := f.h
	if !f.fresh {
		var err error
		if h, err = f.in.streamHeader(f.ctx); err != nil {
			return err
		}
	}
	f.fresh = false
	switch h.ID {
	case StreamSTAN:
		return f.standard(h)
	case StreamSPAR:
		return f.sparsePiece(h)
	case StreamCSUM:
		return f.verifyCSUM(h)
	case StreamSHA2:
		return f.verifySHA2(h)
	case StreamCRPT:
		f.corrupt = true
	case StreamSPAD:
		if err := f.in.skip(f.ctx, h.Length); err != nil {
			return err
		}
		return f.verdict()
	}
	f.summed = false
	return f.in.skip(f.ctx, h.Length)
}

// encoded refuses data that is not there as it was: compressed, encrypted, continued from another medium.
func (f *fileReader) encoded(h StreamHeader) error {
	if h.MediaAttributes&(StreamCompressed|StreamEncrypted|StreamContinue) == 0 {
		return nil
	}
	if err := f.in.skip(f.ctx, h.Length); err != nil {
		return err
	}
	if err := f.s.skipStreams(f.ctx); err != nil {
		return err
	}
	return fmt.Errorf("read %s: %s stream with media attributes %#x (compression %#x, encryption %#x): %w", f.o, h.ID,
		h.MediaAttributes, h.CompressionAlgorithm, h.EncryptionAlgorithm, ErrUnsupported)
}

func (f *fileReader) standard(h StreamHeader) error {
	if err := f.encoded(h); err != nil {
		return err
	}
	piece := h.MediaAttributes&StreamVariable != 0
	if f.started && !(f.variable && piece) {
		return f.in.fail("stream", "%s has a second STAN stream", f.o)
	}
	f.started = true
	f.variable = piece && h.MediaAttributes&StreamVarEnd == 0
	f.sparse = h.FSAttributes&StreamIsSparse != 0 && !f.s.own
	f.begin(h)
	return nil
}

func (f *fileReader) begin(h StreamHeader) {
	f.left = h.Length
	f.summed = h.MediaAttributes&StreamChecksummed != 0
	f.piece = xorSum{}
}

// sparsePiece begins a piece of a sparse file: its offset, then data.
func (f *fileReader) sparsePiece(h StreamHeader) error {
	if err := f.encoded(h); err != nil {
		return err
	}
	if !f.started || h.Length < 8 || f.s.own {
		return f.in.fail("stream", "%s has a SPAR stream of %d bytes that no sparse STAN announces", f.o, h.Length)
	}
	var p [8]byte
	if err := f.in.read(f.ctx, p[:]); err != nil {
		return err
	}
	f.sparse = true
	f.begin(h)
	f.piece.write(p[:])
	f.left -= 8
	at := binary.LittleEndian.Uint64(p[:])
	if at < f.bytes || at > f.o.Size {
		return f.in.fail("stream", "%s of %d bytes has a SPAR stream for offset %d behind %d bytes", f.o, f.o.Size, at, f.bytes)
	}
	f.hole = at - f.bytes
	return nil
}

// verifyCSUM compares the checksum of the stream before. Behind a variable length stream it may cover the last piece or all.
func (f *fileReader) verifyCSUM(h StreamHeader) error {
	if h.Length != 4 || !f.summed || f.skipping {
		f.summed = false
		return f.in.skip(f.ctx, h.Length)
	}
	var want, got [4]byte
	if err := f.in.read(f.ctx, want[:]); err != nil {
		return err
	}
	f.summed = false
	v := binary.LittleEndian.Uint32(want[:])
	if v != f.piece.sum && v != f.all.sum {
		binary.LittleEndian.PutUint32(got[:], f.piece.sum)
		f.sourceBad = &ChecksumError{Path: f.o.String(), Stream: "CSUM", Want: want[:], Got: got[:]}
	}
	return nil
}

func (f *fileReader) verifySHA2(h StreamHeader) error {
	if h.Length != sha256.Size {
		return f.in.fail("stream", "%s has a SHA2 stream of %d bytes", f.o, h.Length)
	}
	var want [sha256.Size]byte
	if err := f.in.read(f.ctx, want[:]); err != nil {
		return err
	}
	f.corrupt = f.corrupt || h.FSAttributes&StreamObjectCorrupt != 0
	got := f.hash.Sum(nil)
	if string(got) != string(want[:]) && !f.skipping {
		f.sourceBad = &ChecksumError{Path: f.o.String(), Stream: "SHA2", Want: want[:], Got: got}
	}
	f.verified = true
	return nil
}

// verdict is reached behind the SPAD stream.
func (f *fileReader) verdict() error {
	if f.sparse && f.o.Size > f.bytes && !f.skipping {
		size := f.o.Size
		f.hole, f.sparse = size-f.bytes, false
		f.h, f.fresh = StreamHeader{ID: StreamSPAD}, true // come back when the hole at the end is delivered
		return nil
	}
	if f.variable {
		return f.in.fail("stream", "%s: its variable length stream has no end", f.o)
	}
	cfil, err := f.corruption()
	switch {
	case err != nil:
		return err
	case f.sourceBad != nil:
		return f.sourceBad
	case cfil != nil:
		return cfil
	case f.corrupt:
		return &CorruptError{Path: f.o.String()}
	case f.s.own && (!f.verified || !f.started):
		return f.in.fail("FILE", "%s has no SHA2 stream", f.o)
	}
	return io.EOF
}

// corruption reads the CFIL block where one follows. In sets of tapectl the SHA2 stream says whether one does.
func (f *fileReader) corruption() (*CorruptError, error) {
	if f.s.own && !f.corrupt {
		return nil, nil
	}
	err := f.in.load(f.ctx)
	if errors.Is(err, ErrFilemark) {
		return nil, nil // the end of the set, which Next will meet
	}
	if err != nil {
		return nil, err
	}
	rest := f.in.buf[f.in.pos:f.in.n]
	if !f.s.own && allZero(rest) {
		return nil, nil // padding without an ESPB
	}
	h, err := DecodeHeader(rest)
	if err != nil {
		return nil, f.in.place(err, f.in.pos)
	}
	if h.Type != IDCFIL {
		return nil, nil
	}
	_, p, err := f.in.dblk(f.ctx, f.s.dblk)
	if err != nil {
		return nil, err
	}
	var b CFIL
	if err := b.Unmarshal(p); err != nil {
		return nil, f.in.place(err, f.in.pos)
	}
	if err := f.s.skipStreams(f.ctx); err != nil {
		return nil, err
	}
	return &CorruptError{Path: f.o.String(), Offset: b.Offset, Attributes: b.Attributes}, nil
}
