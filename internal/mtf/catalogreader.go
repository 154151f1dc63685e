package mtf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// CatalogOptions says how to read the end of a set.
type CatalogOptions struct {
	PhysicalBlock int // bytes; MediaHeader.PhysicalBlock
	FormatLogical int // MediaHeader.FormatLogicalBlock; 0 means 1024
}

// SetEnd is the end of a set without its file and directory detail.
type SetEnd struct {
	ESETObject   uint64 // first ESET
	NextObject   uint64 // behind the closing filemark
	SetNumber    uint16
	Date         DateTime
	CorruptFiles uint32
	FDDObject    uint64 // 0 without file and directory detail
	TSMPObject   uint64 // 0 without set map
	Aborted      bool   // ABORTED_SET
	FDDAborted   bool
	EndOfFamily  bool // nothing may be appended
	SetMap       []SetMapEntry
	SetMapError  error // why SetMap is nil although there is one
}

// CatalogReader reads the end of a set with its media based catalog: Next until io.EOF, SetMap, End, in that order; each
// passes over what the calls before it left. It needs little memory however long the detail is. It is used by one goroutine.
type CatalogReader struct {
	in      *input
	scratch []byte
	end     SetEnd
	own     bool // written by tapectl: every entry has a CRC
	dir     []string
	path    []string

	h       StreamHeader // of the stream whose data comes next
	left    uint64       // data bytes of it that were not read
	fdd     bool         // inside TFDD, before FEND
	walked  bool         // the streams were walked to the closing filemark
	failure error
}

// ReadCatalog reads the ESET at the medium's position, behind the filemark of the set body.
func ReadCatalog(ctx context.Context, r BlockReader, o CatalogOptions) (*CatalogReader, error) {
	if _, err := checkBlocks(o.PhysicalBlock, o.FormatLogical); err != nil {
		return nil, err
	}
	object, err := r.Position(ctx)
	if err != nil {
		return nil, err
	}
	c := &CatalogReader{in: newInput(r, o.PhysicalBlock), scratch: make([]byte, MaxBlockSize)}
	c.in.next, c.end.ESETObject = object, object
	if err := c.eset(ctx); err != nil {
		return nil, fmt.Errorf("read end of set at object %d: %w", object, err)
	}
	if err := c.forward(ctx); err != nil {
		return nil, fmt.Errorf("read end of set at object %d: %w", object, err)
	}
	return c, nil
}

// eset reads an ESET block; a second one amends the first.
func (c *CatalogReader) eset(ctx context.Context) error {
	h, p, err := c.in.dblk(ctx, c.scratch)
	if err != nil {
		return err
	}
	c.own = h.OSID == OSTapectl
	var b ESET
	if err := b.Unmarshal(p); err != nil {
		return c.in.place(err, c.in.pos)
	}
	c.end.SetNumber, c.end.Date, c.end.CorruptFiles = b.Number, b.Date, b.CorruptFiles
	c.end.Aborted = c.end.Aborted || b.Header.Attributes&AttrAbortedSet != 0
	c.end.FDDAborted = c.end.FDDAborted || b.Header.Attributes&AttrFDDAborted != 0
	c.end.EndOfFamily = c.end.EndOfFamily || b.Header.Attributes&AttrEndOfFamily != 0
	return nil
}

// forward moves to the data of the next catalog stream (TFDD, TSMP), over padding and second ESET blocks, or behind the
// closing filemark.
func (c *CatalogReader) forward(ctx context.Context) error {
	c.fdd = false
	for {
		if err := c.in.skip(ctx, c.left); err != nil {
			return err
		}
		c.left = 0
		if c.h.ID == StreamSPAD {
			err := c.in.load(ctx)
			if errors.Is(err, ErrFilemark) {
				c.walked, c.end.NextObject = true, c.in.next
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.eset(ctx); err != nil {
				return err
			}
		}
		if err := c.in.align(ctx, 4); err != nil {
			return err
		}
		if err := c.in.load(ctx); err != nil {
			return err
		}
		begin := c.in.object
		h, err := c.in.streamHeader(ctx)
		if err != nil {
			return err
		}
		c.h, c.left = h, h.Length
		switch h.ID {
		case StreamTFDD:
			c.fdd, c.end.FDDObject = true, begin
			return nil
		case StreamTSMP:
			c.end.TSMPObject = begin
			return nil
		}
	}
}

// Next returns the next entry of the file and directory detail, io.EOF at its end or where there is none. Damage gives a
// *FormatError or *ChecksumError; then no more entries can be had, but SetMap can.
func (c *CatalogReader) Next(ctx context.Context) (*CatalogEntry, error) {
	if c.failure != nil {
		return nil, c.failure
	}
	if !c.fdd {
		return nil, io.EOF
	}
	e, err := c.entry(ctx)
	if err != nil {
		c.failure = fmt.Errorf("read catalog of set %d: %w", c.end.SetNumber, err)
		return nil, c.failure
	}
	if e.Type == IDFEND {
		c.fdd = false
		return nil, io.EOF
	}
	c.setPath(e)
	return e, nil
}

func (c *CatalogReader) entry(ctx context.Context) (*CatalogEntry, error) {
	if c.h.MediaAttributes&(StreamCompressed|StreamEncrypted|StreamContinue) != 0 {
		return nil, c.in.fail("TFDD", "media attributes %#x", c.h.MediaAttributes)
	}
	if c.left < entryHeader {
		return nil, c.in.fail("TFDD", "ends without FEND entry")
	}
	if err := c.in.read(ctx, c.scratch[:entryHeader]); err != nil {
		return nil, err
	}
	c.left -= entryHeader
	p := c.scratch[:max(int(binary.LittleEndian.Uint16(c.scratch)), entryHeader)]
	var e CatalogEntry
	if ID(binary.LittleEndian.Uint32(p[2:])) == IDFEND {
		if c.own && uint64(len(p)) != c.left+entryHeader {
			return nil, c.in.fail("TFDD", "FEND entry of %d bytes, %d are left in the stream", len(p), c.left+entryHeader)
		}
		_, err := e.Unmarshal(c.scratch[:entryHeader])
		return &e, c.in.place(err, c.in.pos)
	}
	rest := p[entryHeader:]
	if uint64(len(rest)) > c.left {
		return nil, c.in.fail("TFDD", "entry of %d bytes exceeds the stream", len(p))
	}
	if err := c.in.read(ctx, rest); err != nil {
		return nil, err
	}
	c.left -= uint64(len(rest))
	if _, err := e.Unmarshal(p); err != nil {
		return nil, c.in.place(err, c.in.pos)
	}
	if c.own && e.OSID != OSTapectl {
		return nil, c.in.fail("TFDD", "%s entry with OS id %d in a catalog of tapectl", e.Type, e.OSID)
	}
	return &e, c.in.place(checkEntryCRC(p, e.Type), c.in.pos)
}

func (c *CatalogReader) setPath(e *CatalogEntry) {
	switch e.Type {
	case IDVOLB:
		c.dir, c.path = nil, nil
	case IDDIRB:
		c.dir = SplitPath(e.Name)
		c.path = c.dir
	case IDFILE:
		c.path = append(append([]string(nil), c.dir...), TrimNUL(e.Name))
	}
}

// Path returns the components of the entry returned last, from the volume's root; nil for a volume.
func (c *CatalogReader) Path() []string { return append([]string(nil), c.path...) }

// SetMap passes over what is left of the detail and returns the set map; nil without one. A set map that is damaged gives
// an error; End still works.
func (c *CatalogReader) SetMap(ctx context.Context) ([]SetMapEntry, error) {
	for c.end.TSMPObject == 0 && !c.walked {
		if err := c.forward(ctx); err != nil {
			return nil, fmt.Errorf("read set map: %w", err)
		}
	}
	if c.end.SetMap == nil && c.end.SetMapError == nil && c.end.TSMPObject != 0 && !c.walked {
		c.end.SetMap, c.end.SetMapError = c.readSetMap(ctx)
	}
	return c.end.SetMap, c.end.SetMapError
}

func (c *CatalogReader) readSetMap(ctx context.Context) ([]SetMapEntry, error) {
	if c.left > maxSetMap {
		return nil, c.in.fail("TSMP", "%d bytes, at most %d are accepted", c.left, maxSetMap)
	}
	data, err := c.gather(ctx, c.left)
	if err != nil {
		return nil, fmt.Errorf("read set map: %w", err)
	}
	c.left = 0
	h, err := c.in.streamHeader(ctx)
	if err != nil {
		return nil, fmt.Errorf("read set map: %w", err)
	}
	c.h, c.left = h, h.Length
	if h.ID == StreamSHA2 && h.Length == sha256.Size {
		want, err := c.gather(ctx, c.left)
		if err != nil {
			return nil, fmt.Errorf("read set map: %w", err)
		}
		c.left = 0
		if got := sha256.Sum256(data); string(got[:]) != string(want) {
			return nil, &ChecksumError{Path: "set map", Stream: "SHA2", Want: want, Got: got[:]}
		}
	}
	_, sets, err := UnmarshalSetMap(data)
	return sets, c.in.place(err, 0)
}

// gather reads n bytes; memory grows with what is really there, not with what a length says.
func (c *CatalogReader) gather(ctx context.Context, n uint64) ([]byte, error) {
	data := make([]byte, 0, min(n, 64<<10))
	for uint64(len(data)) < n {
		p, err := c.in.chunk(ctx, n-uint64(len(data)))
		if err != nil {
			return nil, err
		}
		data = append(data, p...)
	}
	return data, nil
}

// End passes over what is left and returns the end of the set; the medium then stands behind its closing filemark.
func (c *CatalogReader) End(ctx context.Context) (*SetEnd, error) {
	for !c.walked {
		if err := c.forward(ctx); err != nil {
			return nil, fmt.Errorf("read end of set %d: %w", c.end.SetNumber, err)
		}
	}
	e := c.end
	return &e, nil
}

// ReadSetEnd reads the end of set at the medium's position, behind the filemark of the set body, without the file and
// directory detail. It leaves the medium behind the closing filemark.
func ReadSetEnd(ctx context.Context, r BlockReader, o CatalogOptions) (*SetEnd, error) {
	c, err := ReadCatalog(ctx, r, o)
	if err != nil {
		return nil, err
	}
	if _, err := c.SetMap(ctx); err != nil {
		c.end.SetMap, c.end.SetMapError = nil, err
	}
	return c.End(ctx)
}
