package mtf

// CatalogEntry is one record of the file and directory detail (FDD) of a type 1 media based catalog, and a volume record
// of a set map (mtf.md 1.8). Type tells which fields mean something.
type CatalogEntry struct {
	Type            ID // IDVOLB, IDDIRB, IDFILE or IDFEND
	MediaSequence   uint16
	BlockAttributes uint32
	FLA             uint64 // of the block in the set body
	Size            uint64 // displayable size
	Link            int32  // FILE: offset of the parent DIRB entry; VOLB: next VOLB; DIRB: next sibling; 0 none
	OSID            uint8
	OSVersion       uint8
	StringType      uint8
	Attributes      uint32 // of the VOLB, DIRB or FILE block
	OSData          []byte

	Device, Volume, Machine string   // VOLB
	Date                    DateTime // VOLB

	Modified, Created, BackedUp, Accessed DateTime // DIRB, FILE
	Name                                  string   // DIRB: JoinPath form; FILE: without path
}

// SetMapEntry describes one data set in the set map (TSMP) of a type 1 media based catalog (mtf.md 1.8).
type SetMapEntry struct {
	MediaSequence     uint16 // medium with the SSET
	BlockAttributes   uint32 // of the SSET
	Attributes        uint32 // of the SSET
	SSETObject        uint64
	FDDObject         uint64 // block with the TFDD stream header; 0 none
	FDDMediaSequence  uint16
	SetNumber         uint16
	FLA               uint64 // of the SSET
	Directories       uint32
	Files             uint32
	CorruptFiles      uint32
	Size              uint64
	PasswordAlgorithm uint16
	Name              string
	Password          []byte
	Description       string
	User              string
	Date              DateTime
	TimeZone          int8
	OSID              uint8
	OSVersion         uint8
	StringType        uint8
	MinorVersion      uint8
	CatalogVersion    uint8
	Volumes           []CatalogEntry // at most 65,535, all of type IDVOLB
}
