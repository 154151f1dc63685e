package mtf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// SetReaderOptions says how a set stands on the medium.
type SetReaderOptions struct {
	PhysicalBlock int    // bytes; MediaHeader.PhysicalBlock
	FormatLogical int    // MediaHeader.FormatLogicalBlock; 0 means 1024
	SSETObject    uint64 // where the set begins
}

// Object is a volume, directory or file of a set.
type Object struct {
	Type            ID       // IDVOLB, IDDIRB or IDFILE
	Path            []string // components from the volume's root, with the file's name; as on the medium: not safe to use unchecked
	Volume          *VolumeEntry
	FLA             uint64
	Size            uint64 // displayable size; 0 for a stream of unknown length
	BlockAttributes uint32
	Attributes      uint32
	DirectoryID     uint32
	FileID          uint32
	Modified        time.Time
	Created         time.Time
	BackedUp        time.Time
	Accessed        time.Time
	HasMeta         bool // Meta is set: the set was written by tapectl
	Meta            Metadata
	LinkTarget      string // symbolic link
	Orphan          bool   // the file's directory is not known (damage, or SeekFile): Path holds the name only
	OSID, OSVersion uint8
	OSData          []byte
}

// String returns the path with '/' between the components.
func (o *Object) String() string {
	if o.Type == IDVOLB && o.Volume != nil {
		return o.Volume.Device
	}
	return "/" + strings.Join(o.Path, "/")
}

// maxName bounds PNAM, FNAM and SYML streams.
const maxName = 64 << 10

// SetReader reads the body of one data set. It is used by one goroutine.
type SetReader struct {
	in   *input
	o    SetReaderOptions
	flb  uint64
	sset SSET
	own  bool // written by tapectl: digests, CRCs and addresses are required
	zone *time.Location

	dblk    []byte
	volume  *VolumeEntry
	dir     []string
	dirID   uint32
	haveDir bool
	resync  bool
	end     error // io.EOF or *TruncatedError, once the body has ended
	file    *fileReader
}

// NewSetReader locates the set and reads its SSET. A medium that holds something else there gives a *FormatError.
func NewSetReader(ctx context.Context, r BlockReader, o SetReaderOptions) (*SetReader, error) {
	flb, err := checkBlocks(o.PhysicalBlock, o.FormatLogical)
	if err != nil {
		return nil, err
	}
	s := &SetReader{in: newInput(r, o.PhysicalBlock), o: o, flb: uint64(flb), dblk: make([]byte, MaxBlockSize)}
	if err := s.in.seek(ctx, o.SSETObject, 0, 0); err != nil {
		return nil, fmt.Errorf("read data set at object %d: %w", o.SSETObject, err)
	}
	_, p, err := s.in.dblk(ctx, s.dblk)
	if err == nil {
		err = s.in.place(s.sset.Unmarshal(p), 0)
	}
	if err == nil {
		err = s.skipStreams(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read data set at object %d: %w", o.SSETObject, err)
	}
	s.own = s.sset.Header.OSID == OSTapectl
	s.zone = ZoneOf(s.sset.TimeZone)
	return s, nil
}

// SSET returns the block that begins the set.
func (s *SetReader) SSET() SSET { return s.sset }

// Next returns the next object, io.EOF behind the set body (then the medium stands behind its filemark, at the ESET), or a
// *TruncatedError where the set ends without one. Data of the last file that was not read is skipped and not verified.
//
// After a *FormatError or *ChecksumError the next call goes on with the next valid block that proves its address. ctx also
// governs WriteTo and Read for the object returned.
func (s *SetReader) Next(ctx context.Context) (*Object, error) {
	if s.end != nil {
		return nil, s.end
	}
	if f := s.file; f != nil {
		s.file = nil
		if err := f.drain(ctx); err != nil {
			return nil, s.failed(err, f.o.String(), f.bytes)
		}
	}
	for {
		o, err := s.next(ctx)
		if err != nil {
			return nil, s.failed(err, "", 0)
		}
		if o != nil {
			return o, nil
		}
	}
}

// failed turns an error into what the caller sees: ends of the recorded blocks become *TruncatedError or io.EOF, damage
// starts a resynchronization.
func (s *SetReader) failed(err error, path string, good uint64) error {
	var fe *FormatError
	var ce *ChecksumError
	var te *TruncatedError
	switch {
	case errors.As(err, &te):
		s.end = err
	case err == io.EOF:
		s.end = err
	case ended(err):
		s.end = &TruncatedError{Path: path, Good: good, Err: err}
		return s.end
	case errors.As(err, &fe), errors.As(err, &ce):
		s.resync = true
	}
	return err
}

// next reads one descriptor block; nil without error for one that is no object.
func (s *SetReader) next(ctx context.Context) (*Object, error) {
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	begin, pos := s.in.at, s.in.pos
	h, p, err := s.in.dblk(ctx, s.dblk)
	if err != nil {
		return nil, err
	}
	switch h.Type {
	case IDVOLB, IDDIRB, IDFILE:
		want := begin/s.flb + s.sset.Header.FLA
		if h.FLA != want && (s.own || s.in.jumped) {
			return nil, s.in.place(formatErr(h.Type.String(), "format logical address is %d, stands at %d", h.FLA, want), pos)
		}
		s.in.jumped = false
	case IDSSET, IDESET, IDTAPE, IDEOTM:
		return nil, s.in.place(formatErr(h.Type.String(), "found in a set body"), pos)
	}
	switch h.Type {
	case IDVOLB:
		return s.readVolume(ctx, p)
	case IDDIRB:
		return s.readDirectory(ctx, p)
	case IDFILE:
		return s.readFile(ctx, p)
	}
	return nil, s.skipStreams(ctx)
}

// find stands at the next descriptor block: io.EOF where a filemark ends the body. After damage it looks for a header on
// every format logical block whose checksum, type and address fit.
func (s *SetReader) find(ctx context.Context) error {
	if s.resync {
		if err := s.in.align(ctx, s.flb); err != nil && !ended(err) {
			return err
		}
	}
	for {
		err := s.in.load(ctx)
		switch {
		case errors.Is(err, ErrFilemark):
			return io.EOF
		case err != nil:
			return err
		case !s.resync && !s.own && allZero(s.in.buf[s.in.pos:s.in.n]):
			// Old writers fill the last physical block without an ESPB.
			if err := s.in.skip(ctx, uint64(s.in.n-s.in.pos)); err != nil {
				return err
			}
			continue
		case !s.resync:
			return nil
		}
		if s.plausible(s.in.buf[s.in.pos:s.in.n]) {
			s.resync = false
			return nil
		}
		if err := s.in.skip(ctx, min(s.flb, uint64(s.in.n-s.in.pos))); err != nil {
			return err
		}
	}
}

func allZero(p []byte) bool {
	for _, c := range p {
		if c != 0 {
			return false
		}
	}
	return true
}

// plausible tells whether p begins with a body block that stands where it says; data that looks like a block (a backup of
// a backup) has another address.
func (s *SetReader) plausible(p []byte) bool {
	h, err := DecodeHeader(p)
	if err != nil || int(h.FirstEvent) > len(p) || h.FLA != s.in.at/s.flb+s.sset.Header.FLA {
		return false
	}
	switch h.Type {
	case IDVOLB, IDDIRB, IDFILE:
		return checkBlockCRC(p[:h.FirstEvent]) == nil && (!s.own || h.OSID == OSTapectl)
	}
	return false
}

// skipStreams walks the streams of a block to the end of its SPAD.
func (s *SetReader) skipStreams(ctx context.Context) error {
	for {
		h, err := s.in.streamHeader(ctx)
		if err != nil {
			return err
		}
		if err := s.in.skip(ctx, h.Length); err != nil {
			return err
		}
		if h.ID == StreamSPAD {
			return nil
		}
	}
}

func (s *SetReader) readVolume(ctx context.Context, p []byte) (*Object, error) {
	var b VOLB
	if err := b.Unmarshal(p); err != nil {
		return nil, s.in.place(err, s.in.pos)
	}
	s.volume = &VolumeEntry{Device: TrimNUL(b.Device), Label: TrimNUL(b.Label), Machine: TrimNUL(b.Machine),
		Attributes: b.Attributes, Created: b.Date.Time(s.zone)}
	s.dir, s.haveDir = nil, false
	o := s.object(&b.Header)
	o.Attributes, o.Created = b.Attributes, s.volume.Created
	return o, s.skipStreams(ctx)
}

func (s *SetReader) object(h *Header) *Object {
	o := &Object{Type: h.Type, Volume: s.volume, FLA: h.FLA, Size: h.Size, BlockAttributes: h.Attributes, OSID: h.OSID,
		OSVersion: h.OSVersion, OSData: h.OSData}
	if h.OSID == OSTapectl && h.Type != IDVOLB {
		o.Meta, _, o.HasMeta = decodeMeta(h.OSData)
	}
	return o
}

func (s *SetReader) readDirectory(ctx context.Context, p []byte) (*Object, error) {
	var b DIRB
	if err := b.Unmarshal(p); err != nil {
		return nil, s.in.place(err, s.in.pos)
	}
	s.haveDir = false
	n := names{typ: b.StringType, name: b.Name, id: StreamPNAM}
	h, err := n.read(ctx, s.in)
	if err != nil {
		return nil, err
	}
	if b.Attributes&AttrLongName != 0 && !n.found {
		return nil, s.in.fail("DIRB", "the PNAM stream with its name is missing")
	}
	if err := s.finishStreams(ctx, h); err != nil {
		return nil, err
	}
	s.dir, s.dirID, s.haveDir = SplitPath(n.name), b.DirectoryID, true
	o := s.object(&b.Header)
	o.Path, o.Attributes, o.DirectoryID = append([]string(nil), s.dir...), b.Attributes, b.DirectoryID
	o.Modified, o.Created = b.Modified.Time(s.zone), b.Created.Time(s.zone)
	o.BackedUp, o.Accessed = b.BackedUp.Time(s.zone), b.Accessed.Time(s.zone)
	return o, nil
}

// finishStreams skips the stream h and those that follow to the end of SPAD.
func (s *SetReader) finishStreams(ctx context.Context, h StreamHeader) error {
	if err := s.in.skip(ctx, h.Length); err != nil || h.ID == StreamSPAD {
		return err
	}
	return s.skipStreams(ctx)
}

func (s *SetReader) readFile(ctx context.Context, p []byte) (*Object, error) {
	var b FILE
	if err := b.Unmarshal(p); err != nil {
		return nil, s.in.place(err, s.in.pos)
	}
	n := names{typ: b.StringType, name: TrimNUL(b.Name), id: StreamFNAM}
	h, err := n.read(ctx, s.in)
	o := s.object(&b.Header)
	o.Attributes, o.DirectoryID, o.FileID, o.LinkTarget = b.Attributes, b.DirectoryID, b.FileID, n.link
	o.Modified, o.Created = b.Modified.Time(s.zone), b.Created.Time(s.zone)
	o.BackedUp, o.Accessed = b.BackedUp.Time(s.zone), b.Accessed.Time(s.zone)
	o.Orphan = !s.haveDir || b.DirectoryID != s.dirID
	if !o.Orphan {
		o.Path = append(o.Path, s.dir...)
	}
	o.Path = append(o.Path, TrimNUL(n.name))
	if ended(err) {
		return nil, &TruncatedError{Path: o.String(), Err: err}
	}
	if err != nil {
		return nil, err
	}
	if b.Attributes&AttrLongName != 0 && !n.found {
		return nil, s.in.fail("FILE", "the FNAM stream with its name is missing")
	}
	s.file = newFileReader(ctx, s, o, h, n.link)
	return o, nil
}

// SeekFile positions before the block at a format logical address of this medium, such as CatalogEntry.FLA; the next Next
// returns it. Its directory is not known (Object.Orphan), unless it is that of the last directory read.
func (s *SetReader) SeekFile(ctx context.Context, fla uint64) error {
	if fla < s.sset.Header.FLA || fla-s.sset.Header.FLA > 1<<62/s.flb {
		return fmt.Errorf("seek format logical address %d: the set begins with %d on this medium", fla, s.sset.Header.FLA)
	}
	at := (fla - s.sset.Header.FLA) * s.flb
	block := uint64(s.o.PhysicalBlock)
	s.file, s.end, s.resync = nil, nil, false
	if err := s.in.seek(ctx, s.o.SSETObject+at/block, int(at%block), at); err != nil {
		return fmt.Errorf("seek format logical address %d: %w", fla, err)
	}
	s.in.jumped = true
	return nil
}

// Resume goes on behind a place that cannot be read: Next then looks for the next valid block from the physical block with
// this object number on.
func (s *SetReader) Resume(ctx context.Context, object uint64) error {
	if object < s.o.SSETObject {
		return fmt.Errorf("resume at object %d: the set begins at %d", object, s.o.SSETObject)
	}
	s.file, s.end, s.resync = nil, nil, true
	at := (object - s.o.SSETObject) * uint64(s.o.PhysicalBlock)
	if err := s.in.seek(ctx, object, 0, at); err != nil && !ended(err) {
		return fmt.Errorf("resume at object %d: %w", object, err)
	}
	return nil
}

// WriteTo writes the data of the current file. A nil error means that it is complete and every checksum on the medium
// fits; what was written before an error must not be taken as good. Holes of sparse files are written as zeros, or given to
// WriteHole where w is a HoleWriter.
func (s *SetReader) WriteTo(w io.Writer) (int64, error) {
	if s.file == nil {
		return 0, errors.New("read file data: no file was returned by Next")
	}
	n, err := s.file.writeTo(w)
	return n, s.dataFailed(err)
}

// Read reads the data of the current file; io.EOF means that it is complete and every checksum on the medium fits.
func (s *SetReader) Read(p []byte) (int, error) {
	if s.file == nil {
		return 0, errors.New("read file data: no file was returned by Next")
	}
	n, err := s.file.read(p)
	if err == io.EOF {
		return n, err
	}
	return n, s.dataFailed(err)
}

// dataFailed notes what an error in the data of a file means for the objects after it.
func (s *SetReader) dataFailed(err error) error {
	var fe *FormatError
	var te *TruncatedError
	switch {
	case errors.As(err, &te):
		s.end, s.file = err, nil
	case errors.As(err, &fe):
		s.resync, s.file = true, nil
	}
	return err
}
