package mtf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
)

// SetWriter writes one data set: NewSetWriter, then Volume, Directory and File in the order of a directory tree, then
// Finish or Abort. It is used by one goroutine. The first medium error sticks.
type SetWriter struct {
	out     *output
	o       SetOptions
	flb     int
	scratch []byte // one block or catalog entry
	piece   []byte // one piece of a variable length stream
	hash    hash.Hash
	csum    xorSum

	cbid, dirID, fileID uint32
	sset                SSET
	inVolume, inDir     bool
	closed              bool

	fdd     *spool
	fddErr  error
	lastVol int64     // catalog offset of the last VOLB entry, -1 none
	dirs    []dirMark // catalog entries of the last directory and its parents
	dirAt   int64     // catalog offset of the last DIRB entry
	volumes []CatalogEntry

	// An object that was begun and not completed, for Abort.
	open              bool
	openBlocks        uint64
	openPos           int
	openCbid, openFID uint32

	data uint64
	res  SetResult
}

// dirMark remembers the catalog entry of a directory for the link to its next sibling.
type dirMark struct {
	name string
	at   int64
}

// NewSetWriter writes the SSET block at the medium's current position, which is SSETObject. Nothing is written when the
// options do not fit the format (ErrLimit).
func NewSetWriter(ctx context.Context, w BlockWriter, o SetOptions) (*SetWriter, error) {
	flb, err := checkBlocks(o.PhysicalBlock, o.FormatLogical)
	if err != nil {
		return nil, err
	}
	if len(o.SetMap) >= 0xFFFF {
		return nil, fmt.Errorf("begin data set %d: set map has %d entries: %w", o.SetNumber, len(o.SetMap), ErrLimit)
	}
	if o.SetNumber == 0 {
		return nil, errors.New("begin data set: set numbers begin with 1")
	}
	if o.Created.IsZero() {
		o.Created = time.Now()
	}
	if o.Method == 0 {
		o.Method = MethodNormal
	}
	o.Sequence = max(o.Sequence, 1)
	s := &SetWriter{
		out: newOutput(w, o.PhysicalBlock), o: o, flb: flb, scratch: make([]byte, MaxBlockSize), hash: sha256.New(), lastVol: -1,
		fdd: newSpool(o.TempDir), res: SetResult{SSETObject: o.SSETObject, SetNumber: o.SetNumber},
	}
	s.sset = SSET{
		Header: Header{OSData: append(make([]byte, osDataCRC, osDataSet), o.SetID[:]...)}, Attributes: o.Method,
		VendorID: VendorTapectl, Number: o.SetNumber, Name: o.Name, Description: o.Description, User: o.User, PBA: o.SSETObject,
		Date: DateTimeOf(o.Created), SoftwareMajor: o.SoftwareMajor, SoftwareMinor: o.SoftwareMinor, TimeZone: TimeZoneUTC,
	}
	if !o.NoCatalog {
		s.sset.Header.Attributes |= AttrFDDExists
		s.sset.CatalogVersion = 2
	}
	if err := s.block(ctx, &s.sset, &s.sset.Header); err != nil {
		return nil, fmt.Errorf("begin data set %d: %w", o.SetNumber, err)
	}
	return s, s.pad(ctx, s.flb)
}

// marshaler is a descriptor block.
type marshaler interface{ Marshal(p []byte) (int, error) }

// block writes one descriptor block without its last stream: it completes the header, and seals the block.
func (s *SetWriter) block(ctx context.Context, b marshaler, h *Header) error {
	h.StringType, h.OSID, h.OSVersion = StringUnicode, OSTapectl, osVersionTapectl
	h.ControlBlockID = s.cbid
	if h.OSData == nil {
		h.OSData = make([]byte, osDataCRC)
	}
	n, err := s.encode(b)
	if err != nil {
		return err
	}
	s.cbid++
	return s.out.write(ctx, s.scratch[:n])
}

// encode marshals and seals a block in the scratch buffer. It leaves room for a stream header in the same format logical
// block.
func (s *SetWriter) encode(b marshaler) (int, error) {
	n, err := b.Marshal(s.scratch[:s.flb-StreamHeaderSize-2])
	if err == nil {
		sealBlock(s.scratch[:n])
	}
	return n, err
}

func (s *SetWriter) fla() uint64 { return s.out.total / uint64(s.flb) }

func (s *SetWriter) pad(ctx context.Context, unit int) error {
	return s.out.pad(ctx, StreamSPAD, uint64(unit))
}

// begin marks the start of an object; end its completion. What lies between is dropped by Abort.
func (s *SetWriter) begin() error {
	switch {
	case s.closed:
		return errors.New("write data set: it is closed")
	case s.out.err != nil:
		return s.out.err
	case s.open:
		return errors.New("write data set: the last object is not complete, only Abort can follow")
	}
	s.open, s.openBlocks, s.openPos = true, s.out.blocks, s.out.pos
	s.openCbid, s.openFID = s.cbid, s.fileID
	return nil
}

func (s *SetWriter) end() { s.open = false }

// refuse takes back begin when an object turned out not to fit the format before anything of it was written.
func (s *SetWriter) refuse(err error) error {
	if s.out.err == nil {
		s.open = false
	}
	return err
}

// Volume writes a VOLB block; directories that follow belong to it. A device name that does not fit one format logical
// block (about 450 characters) is refused with ErrLimit before anything is written.
func (s *SetWriter) Volume(ctx context.Context, v VolumeEntry) error {
	if len(s.volumes) >= 0xFFFF {
		return fmt.Errorf("write volume %s: a set has at most 65535 volumes: %w", v.Device, ErrLimit)
	}
	if err := s.begin(); err != nil {
		return err
	}
	if v.Machine == "" {
		v.Machine = s.o.Machine
	}
	b := VOLB{Header: Header{FLA: s.fla()}, Attributes: v.Attributes, Device: v.Device, Label: v.Label, Machine: v.Machine,
		Date: DateTimeOf(v.Created)}
	if b.Attributes&(VolumeDevice|VolumeUNC|VolumeOSSpecific|VolumeVendorDevice) == 0 {
		b.Attributes |= VolumeOSSpecific
	}
	if err := s.block(ctx, &b, &b.Header); err != nil {
		return s.refuse(fmt.Errorf("write volume %s: %w", v.Device, err))
	}
	if err := s.pad(ctx, s.flb); err != nil {
		return err
	}
	s.end()
	s.inVolume, s.inDir = true, false
	e := s.entry(IDVOLB, &b.Header)
	e.Attributes, e.Device, e.Volume, e.Machine, e.Date = b.Attributes, b.Device, b.Label, b.Machine, b.Date
	e.OSData = make([]byte, osDataCRC)
	n, err := e.Marshal(s.scratch)
	if err != nil {
		return err
	}
	sealEntry(s.scratch[:n], 52)
	copy(e.OSData, s.scratch[binary.LittleEndian.Uint16(s.scratch[54:]):])
	s.volumes = append(s.volumes, e) // the set map repeats the sealed entry
	at := s.catalog(&e, 52)
	if s.lastVol >= 0 {
		s.link(s.lastVol, at)
	}
	s.lastVol, s.dirs = at, s.dirs[:0]
	return nil
}

// Directory writes a DIRB block; files that follow belong to it. Every directory names its full path from the volume's
// root; the root itself has no components. Paths of more than about 32,000 characters are refused with ErrLimit.
func (s *SetWriter) Directory(ctx context.Context, d DirectoryEntry) error {
	for _, c := range d.Path {
		if c == "" || strings.IndexByte(c, 0) >= 0 {
			return fmt.Errorf("write directory %q: empty component or NUL in it", d.Path)
		}
	}
	name := JoinPath(d.Path)
	if n := 2 * len(name); n > MaxBlockSize-objectEntryLen-osDataDigest {
		return fmt.Errorf("write directory %.80q: path of %d bytes: %w", d.Path, len(name), ErrLimit)
	}
	if !s.inVolume {
		return fmt.Errorf("write directory %q: no volume was written", d.Path)
	}
	if err := s.begin(); err != nil {
		return err
	}
	b := DIRB{Header: Header{FLA: s.fla(), OSData: encodeMeta(d.Meta, 0, nil)}, Attributes: d.Attributes &^ AttrLongName,
		Modified: DateTimeOf(d.Meta.ModTime), Created: DateTimeOf(d.Created), BackedUp: DateTimeOf(s.o.Created),
		Accessed: DateTimeOf(d.Accessed), DirectoryID: s.dirID + 1, Name: name}
	if err := s.named(ctx, &b, &b.Header, &b.Name, &b.Attributes, StreamPNAM); err != nil {
		return s.refuse(fmt.Errorf("write directory %q: %w", d.Path, err))
	}
	if err := s.pad(ctx, s.flb); err != nil {
		return err
	}
	s.end()
	s.dirID++
	s.res.Directories++
	s.inDir = true
	e := s.entry(IDDIRB, &b.Header)
	e.Attributes, e.Name, e.OSData = d.Attributes&^AttrLongName, name, b.Header.OSData
	e.Modified, e.Created, e.BackedUp, e.Accessed = b.Modified, b.Created, b.BackedUp, b.Accessed
	s.dirAt = s.catalog(&e, 64)
	s.linkDirectory(d.Path, s.dirAt)
	return nil
}

// named writes a DIRB or FILE block, with the name in a stream of its own where the block is too small for it.
func (s *SetWriter) named(ctx context.Context, b marshaler, h *Header, name *string, attr *uint32, id ID) error {
	full := *name
	err := s.block(ctx, b, h)
	if err == nil || !errors.Is(err, ErrLimit) || s.out.err != nil {
		return err
	}
	*name, *attr = "", *attr|AttrLongName
	if err := s.block(ctx, b, h); err != nil {
		return err
	}
	raw := appendUTF16(nil, full)
	return s.summed(ctx, StreamHeader{ID: id, Length: uint64(len(raw))}, raw)
}

// summed writes a small stream and the CSUM stream that protects it.
func (s *SetWriter) summed(ctx context.Context, h StreamHeader, data []byte) error {
	h.MediaAttributes |= StreamChecksummed
	if err := s.out.stream(ctx, h); err != nil {
		return err
	}
	if err := s.out.write(ctx, data); err != nil {
		return err
	}
	var x xorSum
	x.write(data)
	return s.csumStream(ctx, x)
}

func (s *SetWriter) csumStream(ctx context.Context, x xorSum) error {
	if err := s.out.stream(ctx, StreamHeader{ID: StreamCSUM, Length: 4}); err != nil {
		return err
	}
	return s.out.write(ctx, []byte{byte(x.sum), byte(x.sum >> 8), byte(x.sum >> 16), byte(x.sum >> 24)})
}

// entry starts the catalog entry of a block.
func (s *SetWriter) entry(typ ID, h *Header) CatalogEntry {
	return CatalogEntry{Type: typ, MediaSequence: s.o.Sequence, BlockAttributes: h.Attributes, FLA: h.FLA, Size: h.Size,
		OSID: OSTapectl, OSVersion: osVersionTapectl, StringType: StringUnicode}
}

// catalog seals an entry and adds it to the file and directory detail; addr is where the address of its data stands. A
// catalog that cannot be kept costs the detail (FDD_ABORTED), never the set.
func (s *SetWriter) catalog(e *CatalogEntry, addr int) int64 {
	if s.o.NoCatalog || s.fddErr != nil {
		return 0
	}
	n, err := e.Marshal(s.scratch)
	if err == nil {
		sealEntry(s.scratch[:n], addr)
		var at int64
		if at, err = s.fdd.add(s.scratch[:n]); err == nil {
			return at
		}
	}
	s.fddErr = err
	return 0
}

// link stores the catalog offset to in the entry at from; offsets that do not fit 31 bits stay 0.
func (s *SetWriter) link(from, to int64) {
	if s.o.NoCatalog || s.fddErr != nil || to > 1<<31-1 {
		return
	}
	s.fddErr = s.fdd.patch(from+28, uint32(to))
}

// linkDirectory links the previous directory of the same parent to the new one, as far as directories come in the order of
// the tree.
func (s *SetWriter) linkDirectory(path []string, at int64) {
	depth := len(path)
	name := func(i int) string { // of the directory at depth i on the way to path
		if i == 0 {
			return ""
		}
		return path[i-1]
	}
	elder := int64(-1) // the last directory beside a parent that was not written
	for i := 0; i < min(depth, len(s.dirs)); i++ {
		if s.dirs[i].name != name(i) {
			elder = s.dirs[i].at
			s.dirs = s.dirs[:i] // another branch of the tree
		}
	}
	if depth > 0 && len(s.dirs) > depth && s.dirs[depth].at >= 0 {
		s.link(s.dirs[depth].at, at)
	}
	s.dirs = s.dirs[:min(depth, len(s.dirs))]
	for len(s.dirs) < depth { // parents that were not written
		s.dirs = append(s.dirs, dirMark{name: name(len(s.dirs)), at: elder})
		elder = -1
	}
	s.dirs = append(s.dirs, dirMark{name: name(depth), at: at})
}

// BlocksWritten returns the physical blocks handed to the medium so far, without filemarks.
func (s *SetWriter) BlocksWritten() uint64 { return s.out.blocks }

// Bytes returns the data bytes of objects taken from sources so far.
func (s *SetWriter) Bytes() uint64 { return s.data }
