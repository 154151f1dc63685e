package mtf

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MediaHeader is the media header: the TAPE block at the beginning of a medium.
type MediaHeader struct {
	FamilyID           uint32 // random, the same on all media of a family
	Sequence           uint16 // media sequence number from 1; 0 means 1
	Label              MediaLabel
	Software           string // never empty on the medium
	VendorID           uint16 // 0 means VendorTapectl
	FormatLogicalBlock uint16 // 0 means DefaultFormatLogicalBlock
	Date               time.Time
	CatalogType        uint16 // media based catalog type; tapectl writes 1
	Name               string // media name
	Continuation       bool   // the medium continues the family

	// The rest is set by ReadMediaHeader only.
	HasLabel      bool   // the description is a media label that could be parsed
	Description   string // media description or label as it stands on the medium
	Attributes    uint32 // block attributes
	TapeFlags     uint32 // TAPE attributes
	PhysicalBlock int    // length of the first block
	NextObject    uint64 // behind the filemark of the media header
	Raw           []byte // the TAPE block up to its first event
}

// checkBlocks verifies a pair of physical and format logical block sizes and returns the latter, 1024 for 0.
func checkBlocks(physical, flb int) (int, error) {
	if flb == 0 {
		flb = DefaultFormatLogicalBlock
	}
	if flb != 512 && flb != 1024 {
		return 0, fmt.Errorf("use format logical block of %d: only 512 and 1024 exist", flb)
	}
	if physical < flb || physical > MaxPhysicalBlock || physical%flb != 0 {
		return 0, fmt.Errorf("use physical block of %d: needs a multiple of %d up to %d", physical, flb, MaxPhysicalBlock)
	}
	return flb, nil
}

// WriteMediaHeader writes the TAPE block, padded to one physical block of physicalBlock bytes, and a filemark. The medium
// must stand at its beginning. A header that does not fit one format logical block is refused before anything is written.
func WriteMediaHeader(ctx context.Context, w BlockWriter, physicalBlock int, h MediaHeader) error {
	flb, err := checkBlocks(physicalBlock, int(h.FormatLogicalBlock))
	if err != nil {
		return err
	}
	if h.Software == "" {
		return errors.New("write media header: the software name must not be empty")
	}
	b := TAPE{
		Header:   Header{OSID: OSTapectl, OSVersion: osVersionTapectl, OSData: make([]byte, osDataCRC), StringType: StringUnicode},
		FamilyID: h.FamilyID, Flags: TapeMediaLabel, Sequence: max(h.Sequence, 1), CatalogType: h.CatalogType, Name: h.Name,
		Description: h.Label.String(), Software: h.Software, FormatLogical: uint16(flb), VendorID: h.VendorID,
		Date: DateTimeOf(h.Date), MajorVersion: 1,
	}
	if b.VendorID == 0 {
		b.VendorID = VendorTapectl
	}
	if h.CatalogType != 0 {
		b.Attributes |= AttrSetMapExists | AttrFDDAllowed
	}
	if h.Continuation {
		b.Attributes |= AttrContinuation
	}
	p := make([]byte, flb)
	n, err := b.Marshal(p[:flb-StreamHeaderSize-2])
	if err != nil {
		return fmt.Errorf("write media header: %w", err)
	}
	sealBlock(p[:n])
	o := newOutput(w, physicalBlock)
	if err := o.write(ctx, p[:n]); err != nil {
		return err
	}
	if err := o.pad(ctx, StreamSPAD, uint64(physicalBlock)); err != nil {
		return err
	}
	return o.filemark(ctx)
}

// ReadMediaHeader reads the media header with the medium at its beginning and leaves it behind the header's filemark. buf
// must hold the largest physical block that is expected. ErrNotMTF is returned when the first block holds no TAPE block
// with a valid checksum; a header whose filemark is missing is returned together with the error.
func ReadMediaHeader(ctx context.Context, r BlockReader, buf []byte) (*MediaHeader, error) {
	object, err := r.Position(ctx)
	if err != nil {
		return nil, err
	}
	n, err := r.ReadBlock(ctx, buf)
	if errors.Is(err, ErrFilemark) {
		return nil, fmt.Errorf("read media header: the medium begins with a filemark: %w", ErrNotMTF)
	}
	if err != nil {
		return nil, err
	}
	h, err := DecodeMediaHeader(buf[:n])
	if err != nil {
		var fe *FormatError
		if errors.As(err, &fe) {
			fe.Object = object
		}
		return nil, err
	}
	if err := r.SpaceFilemarks(ctx, 1); err != nil {
		return h, fmt.Errorf("read media header: find its filemark: %w", err)
	}
	h.NextObject, err = r.Position(ctx)
	return h, err
}

// DecodeMediaHeader decodes the first physical block of a medium, or the beginning of an MTF file. ErrNotMTF when it does
// not begin with a TAPE block with a valid checksum; a *FormatError when that block's contents are damaged.
func DecodeMediaHeader(block []byte) (*MediaHeader, error) {
	hd, err := DecodeHeader(block)
	if err != nil || hd.Type != IDTAPE {
		return nil, ErrNotMTF
	}
	var b TAPE
	if int(hd.FirstEvent) > len(block) {
		return nil, formatErr("TAPE", "first event at %d in a block of %d", hd.FirstEvent, len(block))
	}
	if err := b.Unmarshal(block); err != nil {
		return nil, err
	}
	if err := checkBlockCRC(block[:hd.FirstEvent]); err != nil {
		return nil, err
	}
	h := &MediaHeader{
		FamilyID: b.FamilyID, Sequence: b.Sequence, Software: TrimNUL(b.Software), VendorID: b.VendorID,
		FormatLogicalBlock: b.FormatLogical, Date: b.Date.Time(time.UTC), CatalogType: b.CatalogType, Name: TrimNUL(b.Name),
		Continuation: b.Header.Attributes&AttrContinuation != 0, Description: TrimNUL(b.Description),
		Attributes: b.Header.Attributes, TapeFlags: b.Flags, PhysicalBlock: len(block),
		Raw: append([]byte(nil), block[:hd.FirstEvent]...),
	}
	if b.Flags&TapeMediaLabel != 0 {
		if l, err := ParseMediaLabel(h.Description); err == nil {
			h.Label, h.HasLabel = l, true
		}
	}
	return h, nil
}
