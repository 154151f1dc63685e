package mtf

import "time"

// MediaLabel is the media label in a TAPE block (mtf.md 1.5).
type MediaLabel struct {
	Tag            string // "MTF Media Label"
	Version        string // "1.0"
	Vendor         string
	Product        string // product id; DPM and tapectl put their version here
	Stamp          time.Time
	CartridgeLabel string
	Side           string
	MediaID        string // "{uuid}": the OMID
	DomainID       string // "{uuid}": the server that owns the medium
	VendorSpecific string
}

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
