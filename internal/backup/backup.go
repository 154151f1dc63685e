// Package backup writes sources to tape: files, folders and standard input become a data set in Microsoft Tape Format, in as
// many copies as asked for, each on a tape of its own.
//
// A backup is a recovery point of the catalog; each copy is a physical data set. At commit points the drive's buffer is flushed
// and the catalog records how far the data set is safe, and which objects that covers. A copy that cannot be finished is
// closed as an incomplete data set where the tape allows it, so that the tape stays readable and can be appended to.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

// DefaultBlockSize is the size of tape blocks that suits LTO drives and every transport (docs/format.md).
const DefaultBlockSize = 256 << 10

// Request is one backup.
type Request struct {
	// Name is what the recovery point is called, such as "DPMDB".
	Name string
	// Sources are paths of files and folders, or Stdin.
	Sources []string
	// Stdin is read for the source Stdin, and named StdinName on the tape.
	Stdin     io.Reader
	StdinName string
	// Label is the label of the tape to write to; "" makes one from the name. A tape of one's own with the label is
	// appended to, else a free tape gets it.
	Label string
	// Expires is when the recovery point expires; zero is never.
	Expires time.Time
	// Copies is how many tapes get a copy, at least 1.
	Copies int
	// BlockSize is the size of tape blocks in bytes, 0 for the default. A tape that is appended to keeps its own.
	BlockSize int
	// Software is name and version of the program, for the label.
	Software, Version string
	// Progress, when set, is called often. Copies that are written at the same time call it from goroutines of their own.
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress is how far a backup is.
type Progress struct {
	Copy, Copies int
	Barcode      string
	Path         string // the object that is being read
	Bytes, Total int64  // of this copy; Total is -1 when it is not known
	Files        int64
}

// CopyResult is what became of one copy.
type CopyResult struct {
	Number       int    `json:"copy"`
	DatasetID    string `json:"datasetId,omitempty"`
	Label        string `json:"label,omitempty"`
	Barcode      string `json:"barcode,omitempty"`
	SetNumber    uint16 `json:"setNumber,omitempty"`
	State        string `json:"state"` // of the catalog: complete, incomplete, failed; "" when nothing was written
	Bytes        int64  `json:"bytes"`
	Files        int64  `json:"files"`
	CorruptFiles int64  `json:"corruptFiles"`
	Err          error  `json:"-"`

	contents []byte // digest over the objects of a complete copy
}

// Result is what became of a backup.
type Result struct {
	RecoveryPointID string
	Copies          []CopyResult
	// Skipped is what could not be read, or not completely, without ending the backup.
	Skipped []SourceError
	// Notes is what the operator should know of tapes that were passed over.
	Notes []string
}

// Complete returns how many copies are complete.
func (r *Result) Complete() int {
	n := 0
	for _, c := range r.Copies {
		if c.State == mediacatalog.SetComplete {
			n++
		}
	}
	return n
}

// ErrTapeFull says that a tape came to its end before the data set did.
var ErrTapeFull = errors.New("the tape is full")

// job is a Request under way.
type job struct {
	Request
	catalog *mediacatalog.Catalog
	library *library.Library
	log     *slog.Logger
	sources []source
	total   int64
	point   mediacatalog.RecoveryPoint
	used    map[string]bool // media that hold a copy of this recovery point already
	result  *Result
	mu      sync.Mutex // guards result.Skipped while copies are written at the same time
	// writeFailures counts tapes that could not be labelled.
	writeFailures int
	// commitBytes is how much data is on its way without a commit point at most.
	commitBytes int64
}

// Run carries out a backup with tapes of the library. The Result tells what was written, also when there is an error; the
// error joins what went wrong with each copy. Sources that could not be read are no error: see Result.Skipped.
//
// When ctx ends, the copy that is being written is closed as an incomplete data set, and the tape put back, before Run
// returns.
func Run(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library, r Request) (*Result, error) {
	j, err := prepare(ctx, catalog, lib, r)
	if err != nil {
		return &Result{}, err
	}
	return j.run(ctx)
}

// prepare checks the request and the sources before any tape is touched.
func prepare(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library, r Request) (*job, error) {
	if err := checkNames(r); err != nil {
		return nil, err
	}
	if r.Copies == 0 {
		r.Copies = 1
	}
	if r.BlockSize == 0 {
		r.BlockSize = DefaultBlockSize
	}
	if r.StdinName == "" {
		r.StdinName = r.Name
	}
	sources, err := resolveSources(r.Sources, r.Stdin, r.StdinName)
	if err != nil {
		return nil, err
	}
	total, _, err := measure(ctx, sources)
	if err != nil {
		return nil, err
	}
	j := &job{
		Request: r, catalog: catalog, library: lib, log: r.Log, sources: sources, total: total,
		used: map[string]bool{}, result: &Result{}, commitBytes: commitBytes,
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	return j, j.endUnfinished(ctx)
}

// mostName is the longest name and label in characters, and mostSource the longest path of a source: what goes into one
// descriptor block of the tape.
const (
	mostName   = 100
	mostSource = 400
)

// checkNames refuses names that the tape format has no room for, before a tape is touched.
func checkNames(r Request) error {
	if r.Name == "" {
		return errors.New("back up: the recovery point has no name")
	}
	for _, n := range []string{r.Name, r.Label} {
		if utf8.RuneCountInString(n) > mostName || !utf8.ValidString(n) || strings.ContainsRune(n, 0) {
			return fmt.Errorf("back up: %.40q... is no name: at most %d characters of UTF-8", n, mostName)
		}
	}
	for _, s := range r.Sources {
		if abs, err := filepath.Abs(s); err == nil && utf8.RuneCountInString(abs) > mostSource {
			return fmt.Errorf("back up %.40s...: the path of a source has at most %d characters; name a folder nearer to the root", s, mostSource)
		}
	}
	return nil
}

// endUnfinished closes, in the catalog, data sets on tapes of this library that a crash cut off: this process holds the
// library's lease, so nobody is writing them. Their tapes are not appended to until they were read.
func (j *job) endUnfinished(ctx context.Context) error {
	sets, err := j.catalog.UnfinishedDatasets(ctx)
	if err != nil {
		return err
	}
	for _, d := range sets {
		m, err := j.catalog.MediaByID(ctx, d.MediaID)
		if err != nil {
			return err
		}
		if m.LibraryID != j.library.Record().LibraryID {
			continue
		}
		end := mediacatalog.SetEnd{State: mediacatalog.SetFailed, AppendUncertain: true, Bytes: d.SafeBytes}
		if d.SafeObject > d.SSETObject {
			end.State = mediacatalog.SetIncomplete
		}
		err = j.catalog.Objects(ctx, d.DatasetID, "", func(o mediacatalog.Object) error {
			if o.Kind == mediacatalog.KindFile || o.Kind == mediacatalog.KindStream {
				end.Files++
			}
			return nil
		})
		if err != nil {
			return err
		}
		j.log.Warn("a data set was cut off", "barcode", m.Barcode, "set", d.SetNumber, "safe", d.SafeBytes)
		if err := j.catalog.FinishDataset(ctx, d.DatasetID, end); err != nil {
			return err
		}
		err = j.catalog.AddEvents(ctx, mediacatalog.Event{
			EventDate: time.Now(), Kind: "data set cut off", Severity: "warning", MediaID: m.MediaID, ElementAddress: -1, Barcode: m.Barcode,
			Message: fmt.Sprintf("the program that wrote data set %d to tape %s ended without closing it: its first %d bytes are safe; the tape is not appended to any more",
				d.SetNumber, m.Barcode, d.SafeBytes),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beginPoint adds the recovery point to the catalog when the first tape is ready to be written.
func (j *job) beginPoint(ctx context.Context) error {
	if j.point.RecoveryPointID != "" {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	j.point, err = j.catalog.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{
		Name: j.Name, Server: host, CreationDate: time.Now().UTC(), ExpiryDate: j.Expires, SourceKind: j.sourceKind(),
	})
	j.result.RecoveryPointID = j.point.RecoveryPointID
	return err
}

func (j *job) sourceKind() string {
	kind := "file"
	for _, s := range j.sources {
		switch {
		case s.path == Stdin:
			return "stream"
		case s.info.IsDir():
			kind = "folder"
		}
	}
	return kind
}

// finishPoint records what the best copy holds.
func (j *job) finishPoint(ctx context.Context) error {
	if j.point.RecoveryPointID == "" {
		return nil
	}
	for _, c := range j.result.Copies {
		if c.Files >= j.point.Files && c.Bytes >= j.point.TotalBytes {
			j.point.Files, j.point.TotalBytes, j.point.CorruptFiles = c.Files, c.Bytes, c.CorruptFiles
		}
	}
	return j.catalog.UpdateRecoveryPoint(ctx, j.point)
}
