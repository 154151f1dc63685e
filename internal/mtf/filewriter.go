package mtf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// variablePiece is the data length of one piece of a variable length stream.
const variablePiece = 256 << 10

// File writes a FILE block and its data: size bytes from r, or everything up to io.EOF when size is negative (unknown, such
// as standard input). r may be nil for a link or an empty file.
//
// The error is a medium error, a cancelled context or an entry that does not fit the format; only Abort can follow the first
// two. What the source does wrong is told in the result: where it was shorter or failed the rest is zero filled and a CFIL
// block marks the file as corrupt.
func (s *SetWriter) File(ctx context.Context, f FileEntry, size int64, r io.Reader) (FileResult, error) {
	if f.Name == "" || strings.IndexByte(f.Name, 0) >= 0 || len(f.Name) > MaxNameLength {
		return FileResult{}, fmt.Errorf("write file %.80q: name is empty, too long or holds a NUL: %w", f.Name, ErrLimit)
	}
	if len(f.LinkTarget) > MaxLinkLength || (f.LinkTarget != "" && size != 0) {
		return FileResult{}, fmt.Errorf("write link %.80q: target of %d bytes, data size %d: %w", f.Name, len(f.LinkTarget), size, ErrLimit)
	}
	if !s.inDir {
		return FileResult{}, fmt.Errorf("write file %q: no directory was written", f.Name)
	}
	if err := ctx.Err(); err != nil {
		return FileResult{}, err
	}
	if err := s.begin(); err != nil {
		return FileResult{}, err
	}
	w := fileWrite{s: s, f: f, r: r, size: size}
	if r == nil {
		w.r = strings.NewReader("")
	}
	if err := w.run(ctx); err != nil {
		return w.res, fmt.Errorf("write file %q: %w", f.Name, err)
	}
	return w.res, nil
}

// Limits of names in bytes.
const (
	MaxNameLength = 16 << 10
	MaxLinkLength = 64 << 10
)

// fileWrite is one call of File.
type fileWrite struct {
	s    *SetWriter
	f    FileEntry
	r    io.Reader
	size int64
	b    FILE
	stan uint16 // number of the STAN stream in the object
	res  FileResult
}

func (w *fileWrite) run(ctx context.Context) error {
	s := w.s
	if err := w.head(ctx); err != nil {
		return s.refuse(err)
	}
	s.hash.Reset()
	s.csum = xorSum{}
	if w.f.LinkTarget != "" {
		s.hash.Write([]byte(w.f.LinkTarget))
		if err := s.summed(ctx, StreamHeader{ID: StreamSYML, Length: uint64(len(w.f.LinkTarget))}, []byte(w.f.LinkTarget)); err != nil {
			return err
		}
	}
	var err error
	if w.size < 0 {
		err = w.variable(ctx)
	} else {
		err = w.exact(ctx)
	}
	if err != nil {
		return err
	}
	s.hash.Sum(w.res.TapeSHA256[:0])
	if !w.res.Corrupt {
		w.res.SHA256 = w.res.TapeSHA256
	}
	sha := StreamHeader{ID: StreamSHA2, Length: 32}
	if w.res.Corrupt {
		sha.FSAttributes = StreamObjectCorrupt
	}
	if err := s.out.stream(ctx, sha); err != nil {
		return err
	}
	if err := s.out.write(ctx, w.res.TapeSHA256[:]); err != nil {
		return err
	}
	if err := s.pad(ctx, s.flb); err != nil {
		return err
	}
	if w.res.Corrupt {
		if err := w.corrupt(ctx); err != nil {
			return err
		}
	}
	s.end()
	w.record()
	return nil
}

// head writes the FILE block.
func (w *fileWrite) head(ctx context.Context) error {
	s, f := w.s, w.f
	flags := uint32(0)
	if f.LinkTarget != "" {
		flags = osFlagLink
	}
	w.res.FLA = s.fla()
	w.stan = 1
	w.b = FILE{Header: Header{FLA: w.res.FLA, Size: uint64(max(w.size, 0)), OSData: encodeMeta(f.Meta, flags, nil)},
		Attributes: f.Attributes &^ AttrLongName, Modified: DateTimeOf(f.Meta.ModTime), Created: DateTimeOf(f.Created),
		BackedUp: DateTimeOf(s.o.Created), Accessed: DateTimeOf(f.Accessed), DirectoryID: s.dirID, FileID: s.fileID + 1, Name: f.Name}
	if err := s.named(ctx, &w.b, &w.b.Header, &w.b.Name, &w.b.Attributes, StreamFNAM); err != nil {
		return err
	}
	s.fileID++
	if w.b.Attributes&AttrLongName != 0 {
		w.stan += 2
	}
	if f.LinkTarget != "" {
		w.stan += 2
	}
	return nil
}

// exact writes the STAN stream of a known length.
func (w *fileWrite) exact(ctx context.Context) error {
	s := w.s
	h := StreamHeader{ID: StreamSTAN, Length: uint64(w.size)}
	if s.o.Checksums {
		h.MediaAttributes = StreamChecksummed
	}
	if err := s.out.stream(ctx, h); err != nil {
		return err
	}
	cause, err := w.copy(ctx)
	if err != nil {
		return err
	}
	if w.res.Bytes < uint64(w.size) {
		w.res.Corrupt, w.res.CorruptFrom = true, w.res.Bytes
		if cause != io.EOF {
			w.res.SourceError = cause
		}
		s.hash.Sum(w.res.SHA256[:0])
		if err := w.fill(ctx, uint64(w.size)-w.res.Bytes); err != nil {
			return err
		}
	} else {
		w.res.Grew = w.more()
	}
	if s.o.Checksums {
		return s.csumStream(ctx, s.csum)
	}
	return nil
}

// copy reads from the source directly into the physical blocks. cause is why the source ended early, err a medium error or
// a cancelled context.
func (w *fileWrite) copy(ctx context.Context) (cause, err error) {
	s := w.s
	for w.res.Bytes < uint64(w.size) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := s.out.space()
		if err != nil {
			return nil, err
		}
		p = p[:min(uint64(len(p)), uint64(w.size)-w.res.Bytes)]
		n, cause := readSome(w.r, p)
		w.take(p[:n])
		w.res.Bytes += uint64(n)
		s.data += uint64(n)
		if n > 0 {
			if err := s.out.advance(ctx, n); err != nil {
				return nil, err
			}
		}
		if cause != nil && w.res.Bytes < uint64(w.size) {
			return cause, ctx.Err()
		}
	}
	return nil, nil
}

// take adds data to the digests.
func (w *fileWrite) take(p []byte) {
	w.s.hash.Write(p)
	if w.s.o.Checksums {
		w.s.csum.write(p)
	}
}

// readSome reads at least one byte or returns why not. It bounds readers that return nothing, and refuses impossible counts.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		n, err := r.Read(p)
		if n < 0 || n > len(p) {
			return 0, errors.New("source returned an impossible count")
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// fill writes the zeros of a file that came short.
func (w *fileWrite) fill(ctx context.Context, n uint64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := w.s.out.space()
		if err != nil {
			return err
		}
		p = p[:min(uint64(len(p)), n)]
		clear(p)
		w.take(p)
		n -= uint64(len(p))
		if err := w.s.out.advance(ctx, len(p)); err != nil {
			return err
		}
	}
	return nil
}

// more tells whether the source has another byte.
func (w *fileWrite) more() bool {
	var one [1]byte
	n, _ := readSome(w.r, one[:])
	return n > 0
}

// variable writes a source of unknown length as pieces of a variable length STAN stream; the last one has VAR_END and may
// be empty.
func (w *fileWrite) variable(ctx context.Context) error {
	s := w.s
	if s.piece == nil {
		s.piece = make([]byte, variablePiece)
	}
	for last := false; !last; {
		n := 0
		for n < len(s.piece) && !last {
			if err := ctx.Err(); err != nil {
				return err
			}
			k, err := readSome(w.r, s.piece[n:])
			n += k
			if err != nil {
				if cerr := ctx.Err(); cerr != nil {
					return cerr
				}
				last = true
				if err != io.EOF {
					w.res.Corrupt, w.res.SourceError = true, err
				}
			}
		}
		h := StreamHeader{ID: StreamSTAN, MediaAttributes: StreamVariable, Length: uint64(n)}
		if last {
			h.MediaAttributes |= StreamVarEnd
		}
		s.hash.Write(s.piece[:n])
		if err := s.out.stream(ctx, h); err != nil {
			return err
		}
		if err := s.out.write(ctx, s.piece[:n]); err != nil {
			return err
		}
		w.res.Bytes += uint64(n)
		s.data += uint64(n)
	}
	if w.res.Corrupt {
		w.res.CorruptFrom = w.res.Bytes
		s.hash.Sum(w.res.SHA256[:0])
	}
	return nil
}

// corrupt writes the CFIL block behind the file.
func (w *fileWrite) corrupt(ctx context.Context) error {
	s := w.s
	b := CFIL{Header: Header{FLA: s.fla()}, Attributes: CorruptUnreadable, Offset: w.res.CorruptFrom, Stream: w.stan}
	if w.res.SourceError == nil {
		b.Attributes = CorruptLengthChanged
	}
	if err := s.block(ctx, &b, &b.Header); err != nil {
		return err
	}
	s.res.CorruptFiles++
	return s.pad(ctx, s.flb)
}

// record adds the file to the catalog and the counts.
func (w *fileWrite) record() {
	s := w.s
	s.res.Files++
	flags := uint32(0)
	if w.f.LinkTarget != "" {
		flags = osFlagLink
	}
	size := w.size
	if size < 0 {
		size = int64(w.res.Bytes)
	}
	s.res.Bytes += uint64(size)
	e := s.entry(IDFILE, &w.b.Header)
	e.Size, e.Name, e.Attributes = uint64(size), w.f.Name, w.f.Attributes&^AttrLongName
	if w.res.Corrupt {
		e.Attributes |= AttrCorrupt
	}
	e.Modified, e.Created, e.BackedUp, e.Accessed = w.b.Modified, w.b.Created, w.b.BackedUp, w.b.Accessed
	e.OSData = encodeMeta(w.f.Meta, flags, &w.res.TapeSHA256)
	if s.dirAt <= 1<<31-1 {
		e.Link = int32(s.dirAt)
	}
	s.catalog(&e, 64)
}
