package mtf

import (
	"context"
	"errors"
	"io"
	"time"
)

var errPending = errors.New("mtf: not written yet")

// ParseMediaLabel parses a media label from both ends.
func ParseMediaLabel(s string) (MediaLabel, error) { return MediaLabel{}, errPending }

// String returns the label as it stands in the TAPE block; `|` inside a field becomes '!'.
func (l MediaLabel) String() string { return "" }

// WriteMediaHeader writes TAPE and a filemark at the beginning of a medium.
func WriteMediaHeader(ctx context.Context, w BlockWriter, physicalBlock int, h MediaHeader) error {
	return errPending
}

// ReadMediaHeader reads the media header with the medium at its beginning and leaves it behind the header's filemark.
// buf must hold the largest physical block that is expected. A header whose filemark is missing is returned together
// with the error.
func ReadMediaHeader(ctx context.Context, r BlockReader, buf []byte) (*MediaHeader, error) {
	return nil, errPending
}

// SetWriter writes one data set. It is used by one goroutine.
type SetWriter struct{}

// NewSetWriter writes the SSET block at the medium's current position.
func NewSetWriter(ctx context.Context, w BlockWriter, o SetOptions) (*SetWriter, error) {
	return nil, errPending
}

// Volume writes a VOLB block.
func (s *SetWriter) Volume(ctx context.Context, v VolumeEntry) error { return errPending }

// Directory writes a DIRB block.
func (s *SetWriter) Directory(ctx context.Context, d DirectoryEntry) error { return errPending }

// File writes a FILE block and its data; size < 0 means unknown. The error is a medium error; source errors are in the result.
func (s *SetWriter) File(ctx context.Context, f FileEntry, size int64, r io.Reader) (FileResult, error) {
	return FileResult{}, errPending
}

// Finish closes the set: filemark, ESET, catalog, ESET, filemark.
func (s *SetWriter) Finish(ctx context.Context) (SetResult, error) { return SetResult{}, errPending }

// Abort closes an incomplete set with ABORTED_SET; what was complete stays readable and catalogued.
func (s *SetWriter) Abort(ctx context.Context) (SetResult, error) { return SetResult{}, errPending }

// BlocksWritten returns the physical blocks handed to the medium so far, without filemarks.
func (s *SetWriter) BlocksWritten() uint64 { return 0 }

// Bytes returns the data bytes of objects taken from sources so far.
func (s *SetWriter) Bytes() uint64 { return 0 }

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

// SetReader reads the body of one data set. It is used by one goroutine.
type SetReader struct{}

// NewSetReader locates the set and reads its SSET.
func NewSetReader(ctx context.Context, r BlockReader, o SetReaderOptions) (*SetReader, error) {
	return nil, errPending
}

// Next returns the next object, io.EOF behind the set body (then the medium stands at the ESET).
// After a *FormatError the next call goes on with the next valid block.
func (s *SetReader) Next(ctx context.Context) (*Object, error) { return nil, errPending }

// WriteTo writes the data of the current file; a nil error means that it is complete and every checksum fits.
func (s *SetReader) WriteTo(w io.Writer) (int64, error) { return 0, errPending }

// Read reads the data of the current file; io.EOF means that it is complete and every checksum fits.
func (s *SetReader) Read(p []byte) (int, error) { return 0, errPending }

// SeekFile positions before the block at a format logical address; the next Next returns it.
func (s *SetReader) SeekFile(ctx context.Context, fla uint64) error { return errPending }

// CatalogReader reads the end of a set with its media based catalog.
type CatalogReader struct{}

// CatalogOptions says how to read the end of a set.
type CatalogOptions struct {
	PhysicalBlock int
	FormatLogical int
}

// ReadCatalog reads the ESET at the medium's position (behind the filemark of the set body).
func ReadCatalog(ctx context.Context, r BlockReader, o CatalogOptions) (*CatalogReader, error) {
	return nil, errPending
}

// Next returns the next entry of the file and directory detail, io.EOF at its end or without one.
func (c *CatalogReader) Next(ctx context.Context) (*CatalogEntry, error) { return nil, errPending }

// SetMap skips what is left of the detail and returns the set map; nil without one.
func (c *CatalogReader) SetMap(ctx context.Context) ([]SetMapEntry, error) { return nil, errPending }

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

// ReadSetEnd reads the end of set at the medium's position, and leaves the medium behind its closing filemark.
func ReadSetEnd(ctx context.Context, r BlockReader, o CatalogOptions) (*SetEnd, error) {
	return nil, errPending
}

// SetInfo is one data set that WalkSets found.
type SetInfo struct {
	SSETObject  uint64
	Number      uint16
	Name        string
	Description string
	User        string
	Date        time.Time
	Method      uint32
	SetID       [16]byte // zero unless written by tapectl
	Attributes  uint32   // block attributes of the SSET
	End         *SetEnd  // nil: the set has no end (Err says why)
	Err         error
}

// WalkResult tells where the next set can be appended.
type WalkResult struct {
	Sets       int
	NextObject uint64 // behind the last complete set
	NextNumber uint16
	SetMap     []SetMapEntry // the newest complete set map
	Incomplete bool          // the last set has no end: appending at NextObject overwrites it
	EndOfMedia bool          // EOTM or END_OF_FAMILY: nothing may be appended
}

// WalkSets walks from the first SSET over all sets of a medium by filemarks; only labels and catalogs are read.
func WalkSets(ctx context.Context, r BlockReader, o CatalogOptions, fn func(*SetInfo) error) (*WalkResult, error) {
	return nil, errPending
}
