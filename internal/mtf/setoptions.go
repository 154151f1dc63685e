package mtf

import "time"

// Backup methods: the low bits of the SSET and ESET attributes, exactly one of which is set (Microsoft Tape Format
// 1.00a).
const (
	MethodTransfer     uint32 = 1 << 0
	MethodCopy         uint32 = 1 << 1
	MethodNormal       uint32 = 1 << 2
	MethodDifferential uint32 = 1 << 3
	MethodIncremental  uint32 = 1 << 4
	MethodDaily        uint32 = 1 << 5
)

// SetOptions describes a data set to be written.
type SetOptions struct {
	PhysicalBlock int      // bytes; a multiple of FormatLogicalBlock, at most MaxPhysicalBlock
	FormatLogical int      // format logical block of the media family; 0 means DefaultFormatLogicalBlock
	FamilyID      uint32   // media family id, as in the TAPE block
	Sequence      uint16   // media sequence number, from 1
	SetNumber     uint16   // data set number in the family, from 1
	SSETObject    uint64   // logical object number at which the set begins (READ POSITION)
	SetID         [16]byte // identity of the data set, kept in the SSET's operating system specific data

	Name, Description, User, Machine string    // Machine is the default of VolumeEntry.Machine
	Created                          time.Time // media write date; zero means now
	Method                           uint32    // 0 means MethodNormal
	SoftwareMajor, SoftwareMinor     uint8

	// SetMap holds the entries of the earlier sets of the family, in order; they are repeated in the new set map.
	SetMap []SetMapEntry

	// NoCatalog leaves the media based catalog out; only for media whose TAPE block has MBC type 0.
	NoCatalog bool
	// Checksums adds a CSUM stream behind each data stream, for readers that know no SHA2 streams.
	Checksums bool
	// TempDir is the folder for the unlinked spool file of the catalog beyond 8 MiB; empty means os.TempDir.
	TempDir string
}

// Attributes of directories and files (Microsoft Tape Format 1.00a).
const (
	AttrReadOnly  uint32 = 1 << 8
	AttrHidden    uint32 = 1 << 9
	AttrSystem    uint32 = 1 << 10
	AttrModified  uint32 = 1 << 11
	AttrDirEmpty  uint32 = 1 << 16 // DIRB
	AttrFileInUse uint32 = 1 << 16 // FILE
	AttrLongName  uint32 = 1 << 17 // name in a PNAM or FNAM stream
	AttrCorrupt   uint32 = 1 << 18
)

// VOLB attributes (Microsoft Tape Format 1.00a); exactly one of the four device name forms is set.
const (
	VolumeNoRedirect   uint32 = 1 << 0
	VolumeNotAVolume   uint32 = 1 << 1
	VolumeDevice       uint32 = 1 << 2 // "X:"
	VolumeUNC          uint32 = 1 << 3
	VolumeOSSpecific   uint32 = 1 << 4 // what tapectl writes for Unix paths
	VolumeVendorDevice uint32 = 1 << 5
)

// VolumeEntry describes a volume (VOLB): the source that the following directories belong to.
type VolumeEntry struct {
	Device     string // for a Unix source its absolute path, such as "/srv/data"
	Label      string
	Machine    string
	Attributes uint32 // 0 means VolumeOSSpecific
	Created    time.Time
}

// Metadata is what tapectl keeps of a Unix file or directory in its operating system specific data.
type Metadata struct {
	Mode    uint32 // st_mode of stat(2): permission bits and file type
	UID     uint32
	GID     uint32
	ModTime time.Time // nanoseconds
}

// DirectoryEntry describes a directory of the current volume (DIRB). The root of the volume has no components.
type DirectoryEntry struct {
	Path              []string // components from the volume's root; none may be empty or hold a NUL
	Meta              Metadata
	Created, Accessed time.Time
	Attributes        uint32
}

// FileEntry describes a file (FILE) of the directory written last.
type FileEntry struct {
	Name              string // no path; may be any bytes but NUL
	Meta              Metadata
	Created, Accessed time.Time
	Attributes        uint32
	LinkTarget        string // target of a symbolic link; then size is 0 and there is no data
}

// FileResult tells what became of one file.
type FileResult struct {
	FLA         uint64   // format logical address of the FILE block in the set
	SHA256      [32]byte // of the bytes that came from the source (for a link: of the target)
	TapeSHA256  [32]byte // of the data as it stands on the medium, zero filling included
	Bytes       uint64   // bytes that came from the source
	Corrupt     bool     // the source was short or failed: zero filled and marked with CFIL
	CorruptFrom uint64   // offset at which the zeros begin
	SourceError error    // why, when the source failed; nil when it was just shorter
	Grew        bool     // the source had more than size bytes
}

// SetResult tells where a finished data set stands.
type SetResult struct {
	SSETObject   uint64 // first block of the set
	ESETObject   uint64 // first ESET, behind the body's filemark
	FDDObject    uint64 // block in which the TFDD stream begins; 0 without
	TSMPObject   uint64 // block in which the TSMP stream begins; 0 without
	NextObject   uint64 // behind the last filemark: where the next set begins
	SetNumber    uint16
	Directories  uint32
	Files        uint32
	CorruptFiles uint32
	Bytes        uint64 // data bytes of all objects
	Blocks       uint64 // physical blocks of body and end of set, without filemarks
	Aborted      bool   // ABORTED_SET
	CatalogError error  // why the file and directory detail is missing (FDD_ABORTED); the set itself is good
	SetMap       []SetMapEntry
}
