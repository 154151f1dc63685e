// Package restore brings what a recovery point holds back from tape into a folder.
//
// Nothing unverified gets a file's name: a file is written beside its place under a temporary name, and renamed when every
// checksum of the tape and of the catalog fits. What is damaged or incomplete on the tape is kept apart, under a name that says
// so. Nothing is ever written outside the target folder, whatever the names on the tape are.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sort"
	"strings"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// Overwrite says what happens to files that are in the target folder already.
type Overwrite string

// The ways to treat files that exist.
const (
	Never    Overwrite = "never"     // they stay, the file on tape is skipped
	Always   Overwrite = "always"    // they are replaced
	KeepBoth Overwrite = "keep-both" // the restored file gets a number
)

// Request is one restore.
type Request struct {
	// RecoveryPoint is the identifier of the recovery point, or the beginning of it.
	RecoveryPoint string
	// To is the target folder; it is made when it does not exist.
	To string
	// Only restores the objects that one of the patterns fits: a name, a path, or either with the wildcards of path.Match.
	Only      []string
	Overwrite Overwrite
	// Copy is the number of the copy to read, 0 for the first that is there.
	Copy     int
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress is how far a restore is.
type Progress struct {
	Barcode      string
	Path         string
	Bytes, Total int64 // Total is -1 when it is not known
	Files        int64
}

// FileProblem is a file that could not be restored, or not as it was.
type FileProblem struct {
	Path string
	// Kept is the name of what could be read of it, "" when nothing was kept.
	Kept string
	Err  error
}

// Error names the file, why, and what was kept.
func (p FileProblem) Error() string {
	if errors.Is(p.Err, errIncomplete) {
		return p.Path + " " + p.Err.Error()
	}
	if p.Kept != "" {
		return fmt.Sprintf("%s: %v; what could be read is in %s", p.Path, p.Err, p.Kept)
	}
	return fmt.Sprintf("%s: %v", p.Path, p.Err)
}

// Unwrap gives the cause.
func (p FileProblem) Unwrap() error { return p.Err }

// Result is what a restore did.
type Result struct {
	RecoveryPointID string
	Barcode, Label  string
	Copy            int
	Files, Folders  int64
	Bytes           int64
	Incomplete      bool     // the data set is not all of what was to be backed up; it is the first of the Problems too
	Existing        []string // files that were there and stayed
	Problems        []FileProblem
}

// TapeNeededError says that the copies of a recovery point are on tapes that are in no library that could be used.
type TapeNeededError struct {
	RecoveryPoint string
	Tapes         []string // label and barcode of each
	// Incomplete is the number of an incomplete copy on a tape that is in a library, 0 for none; IncompleteTape is its barcode.
	Incomplete     int
	IncompleteTape string
}

// Error names the tapes to fetch, and what can be had without them.
func (e *TapeNeededError) Error() string {
	text := fmt.Sprintf("restore %s: put one of these tapes into the library and run `tapectl inventory`: %s",
		e.RecoveryPoint, strings.Join(e.Tapes, "; "))
	if e.Incomplete != 0 {
		text += fmt.Sprintf("; the copy on tape %s, which is in a library, is incomplete: `--copy %d` restores what it has", e.IncompleteTape, e.Incomplete)
	}
	return text
}

// ErrNothingMatches says that nothing in the recovery point fits the patterns.
var ErrNothingMatches = errors.New("nothing in the recovery point fits")

// Copy is one copy of a recovery point and the tape it is on.
type Copy struct {
	Dataset mediacatalog.Dataset
	Media   mediacatalog.Media
}

// Copies lists the copies of a recovery point, the best to restore from first: complete ones before incomplete ones, tapes in a
// library before others.
func Copies(ctx context.Context, catalog *mediacatalog.Catalog, recoveryPointID string) ([]Copy, error) {
	sets, err := catalog.Datasets(ctx, mediacatalog.DatasetFilter{RecoveryPointID: recoveryPointID})
	if err != nil {
		return nil, err
	}
	var copies []Copy
	for _, d := range sets {
		if d.SetState == mediacatalog.SetFailed {
			continue
		}
		m, err := catalog.MediaByID(ctx, d.MediaID)
		if err != nil {
			return nil, err
		}
		copies = append(copies, Copy{Dataset: d, Media: m})
	}
	rank := func(c Copy) int {
		r := c.Dataset.CopyNumber
		if c.Dataset.SetState != mediacatalog.SetComplete {
			r += 2000
		}
		if c.Media.LibraryID == "" {
			r += 1000
		}
		return r
	}
	sort.SliceStable(copies, func(i, k int) bool { return rank(copies[i]) < rank(copies[k]) })
	return copies, nil
}

// Choose returns the copy that a restore reads: the wanted one (0 for any) on a tape that is in a library. An incomplete copy is
// chosen only when it is the wanted one, or there is no complete one anywhere.
func Choose(ctx context.Context, catalog *mediacatalog.Catalog, point mediacatalog.RecoveryPoint, number int) (Copy, error) {
	copies, err := Copies(ctx, catalog, point.RecoveryPointID)
	if err != nil {
		return Copy{}, err
	}
	needed := &TapeNeededError{RecoveryPoint: fmt.Sprintf("%q (%s)", point.Name, point.RecoveryPointID)}
	anyComplete := false // the complete ones come first
	for _, c := range copies {
		if number != 0 && c.Dataset.CopyNumber != number {
			continue
		}
		complete := c.Dataset.SetState == mediacatalog.SetComplete
		switch {
		case !complete && number == 0 && anyComplete:
			if c.Media.LibraryID != "" && needed.Incomplete == 0 {
				needed.Incomplete, needed.IncompleteTape = c.Dataset.CopyNumber, c.Media.Barcode
			}
			continue
		case c.Media.LibraryID != "":
			return c, nil
		}
		anyComplete = anyComplete || complete
		needed.Tapes = append(needed.Tapes, fmt.Sprintf("%q with barcode %s (copy %d, %s)", c.Media.Label, c.Media.Barcode,
			c.Dataset.CopyNumber, c.Dataset.SetState))
	}
	if len(needed.Tapes) == 0 {
		return Copy{}, fmt.Errorf("restore %s: it has no copy on tape that could be read", needed.RecoveryPoint)
	}
	return Copy{}, needed
}

// job is a Request under way.
type job struct {
	Request
	catalog *mediacatalog.Catalog
	copy    Copy
	log     *slog.Logger
	target  *target
	result  *Result
	digest  func(fla uint64) []byte // what the catalog has of a file; nil for none
	// volumePaths are the volumes that the catalog knows.
	volumePaths []string
	total       int64
	cutOff      *mtf.TruncatedError // where the data set ended in the middle of a file; noted already
	others      string              // where else the files can be had, "" for nowhere
	damage      damage
	buffers     *buffers
}

// Run restores a copy with the library that holds its tape. The Result tells what was restored, also when there is an
// error. Files that are damaged on the tape, or incomplete there, are no error of Run: see Result.Problems.
func Run(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library, c Copy, r Request) (*Result, error) {
	j := &job{
		Request: r, catalog: catalog, copy: c, log: r.Log, total: c.Dataset.Bytes, buffers: newBuffers(),
		result: &Result{RecoveryPointID: c.Dataset.RecoveryPointID, Barcode: c.Media.Barcode, Label: c.Media.Label, Copy: c.Dataset.CopyNumber},
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := lib.WhileHeld(ctx)
	defer cancel()
	chosen, err := j.choose(ctx)
	if err != nil {
		return j.result, err
	}
	j.target, err = openTarget(r.To, r.Overwrite)
	if err != nil {
		return j.result, err
	}
	defer j.target.close()
	mount, err := lib.Mount(ctx, library.MountRequest{Element: c.Media.ElementAddress, MediaType: c.Media.MediaType})
	if err != nil {
		return j.result, err
	}
	err = j.read(ctx, mount, chosen)
	if err == nil {
		j.tellIncomplete()
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	return j.result, errors.Join(err, mount.Dismount(ctx), j.target.sync())
}

// tellIncomplete puts in front of the problems that the data set is not all of what was to be backed up.
func (j *job) tellIncomplete() {
	if j.complete() {
		return
	}
	p := FileProblem{Path: j.setName(), Err: errIncomplete}
	j.log.Warn("restored from an incomplete data set", "set", p.Path)
	j.result.Incomplete = true
	j.result.Problems = append([]FileProblem{p}, j.result.Problems...)
}

// errIncomplete is the problem of a data set whose backup did not come to its end.
var errIncomplete = errors.New("is incomplete: the backup was interrupted; what was complete was restored")

func (j *job) complete() bool { return j.copy.Dataset.SetState == mediacatalog.SetComplete }

func (j *job) setName() string {
	return fmt.Sprintf("data set %d of tape %s", j.copy.Dataset.SetNumber, j.copy.Media.Barcode)
}

// choose finds the objects that the patterns fit, and what the catalog knows of all of them. It returns nil when everything is
// to be restored.
func (j *job) choose(ctx context.Context) ([]mediacatalog.Object, error) {
	var chosen []mediacatalog.Object
	err := j.catalog.Objects(ctx, j.copy.Dataset.DatasetID, "", func(o mediacatalog.Object) error {
		if o.Kind == mediacatalog.KindVolume {
			j.volumePaths = append(j.volumePaths, o.Path)
			return nil
		}
		if len(j.Only) > 0 && j.fits(o) && o.Kind != mediacatalog.KindDirectory {
			chosen = append(chosen, o)
		}
		return nil
	})
	if err != nil || len(j.Only) == 0 {
		return nil, err
	}
	switch {
	case len(chosen) == 0 && !j.copy.Dataset.Cataloged:
		return nil, errors.New("the catalog has no list of the files of this data set: restore it whole")
	case len(chosen) == 0:
		return nil, fmt.Errorf("%w: %s", ErrNothingMatches, strings.Join(j.Only[:min(len(j.Only), 10)], ", "))
	}
	sort.Slice(chosen, func(i, k int) bool { return chosen[i].FLA < chosen[k].FLA })
	j.total = 0
	for _, o := range chosen {
		j.total += o.Size
	}
	return chosen, nil
}

// fits reports whether one of the patterns means the object.
func (j *job) fits(o mediacatalog.Object) bool {
	full := path.Join(o.Path, o.FileSpec)
	for _, p := range j.Only {
		clean := strings.TrimSuffix(p, "/")
		if full == clean || strings.HasPrefix(full, clean+"/") {
			return true
		}
		for _, name := range []string{o.FileSpec, full} {
			if ok, err := path.Match(clean, name); err == nil && ok {
				return true
			}
		}
	}
	return false
}

// ValidPatterns refuses patterns that path.Match does not understand.
func ValidPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	return nil
}

// read verifies the tape and reads the data set.
func (j *job) read(ctx context.Context, mount *library.Mount, chosen []mediacatalog.Object) error {
	header, err := mount.VerifyLabel(ctx, j.copy.Media)
	if err != nil {
		return err
	}
	r := mount.Reader()
	defer r.Close()
	if j.others, err = j.otherCopies(ctx); err != nil {
		return err
	}
	set, err := mtf.NewSetReader(ctx, r, mtf.SetReaderOptions{
		PhysicalBlock: header.PhysicalBlock, FormatLogical: int(header.FormatLogicalBlock), SSETObject: j.copy.Dataset.SSETObject,
	})
	if err != nil {
		return j.tapeFailed(err)
	}
	j.damage = newDamage(r.Position, j.copy.Dataset, header, set.SSET().Header.FLA)
	if chosen == nil {
		return j.readAll(ctx, set)
	}
	return j.readChosen(ctx, set, chosen)
}

// readAll restores everything in the order of the tape.
func (j *job) readAll(ctx context.Context, set *mtf.SetReader) error {
	defer j.target.finishFolders()
	known := newExpected(ctx, j.catalog, j.copy.Dataset.DatasetID)
	defer j.forget(ctx, known)
	j.digest = known.digest
	p := &place{known: known}
	for {
		o, err := set.Next(ctx)
		switch {
		case err == nil:
			j.damage.reached(o.FLA)
			err = j.restoreObject(ctx, p, set, o)
		case errors.Is(err, io.EOF):
		default:
			var goOn bool
			if goOn, err = j.damaged(ctx, p.volume, "", err); err == nil && !goOn {
				err = io.EOF
			}
		}
		if err == nil {
			err = j.resume(ctx, set)
		}
		if err == io.EOF {
			known.rest(j.missing)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// restoreObject restores what the reader of the whole set stands at.
func (j *job) restoreObject(ctx context.Context, p *place, set *mtf.SetReader, o *mtf.Object) error {
	switch o.Type {
	case mtf.IDVOLB:
		p.volume = o.Volume.Device
	case mtf.IDDIRB:
		return j.restoreFolder(p.volume, o)
	case mtf.IDFILE:
		p.known.meet(o.FLA, j.missing)
		volume, components := j.folder(p, o)
		return j.restoreFile(ctx, set, volume, components, o)
	}
	return nil
}

// forget ends what the catalog tells of the files, and notes when that was not everything.
func (j *job) forget(ctx context.Context, known *expected) {
	if err := known.close(); err != nil && ctx.Err() == nil {
		j.problem(FileProblem{Err: fmt.Errorf("some of its files were verified against the tape only: the catalog could not be read: %w", err)})
	}
}

// readChosen restores single files, each found by its address.
func (j *job) readChosen(ctx context.Context, set *mtf.SetReader, chosen []mediacatalog.Object) error {
	volumes := j.volumePaths
	for _, c := range chosen {
		j.damage.pending = false // each is found by its own address
		j.digest = func(uint64) []byte { return c.SHA256 }
		full := path.Join(c.Path, c.FileSpec)
		if err := set.SeekFile(ctx, c.FLA); err != nil {
			if goOn, err := j.damaged(ctx, volumeOf(volumes, c.Path), full, err); !goOn {
				return err
			}
			continue
		}
		o, err := set.Next(ctx)
		if err == nil && (o.Type != mtf.IDFILE || len(o.Path) == 0 || o.Path[len(o.Path)-1] != c.FileSpec) {
			err = &mtf.FormatError{Block: "FILE", Reason: fmt.Sprintf("at address %d is not %s", c.FLA, c.FileSpec)}
		}
		if err != nil {
			if goOn, err := j.damaged(ctx, volumeOf(volumes, c.Path), full, err); !goOn {
				return err
			}
			continue
		}
		volume := volumeOf(volumes, c.Path)
		rel := strings.Split(strings.TrimPrefix(strings.TrimPrefix(full, volume), "/"), "/")
		if err := j.restoreFile(ctx, set, volume, rel, o); err != nil {
			return err
		}
		if !j.damage.pending {
			j.damage.row = 0
		}
	}
	return nil
}

// volumeOf returns the longest volume path that the folder is in.
func volumeOf(volumes []string, folder string) string {
	best := ""
	for _, v := range volumes {
		if (folder == v || strings.HasPrefix(folder, strings.TrimSuffix(v, "/")+"/")) && len(v) > len(best) {
			best = v
		}
	}
	return best
}

// damaged decides what an error of reading the tape means: damage of single files is noted and reading goes on, anything
// else ends the restore. name is the whole path of the file that was looked for, "" when what comes next was.
func (j *job) damaged(ctx context.Context, volume, name string, err error) (goOn bool, fatal error) {
	var format *mtf.FormatError
	var truncated *mtf.TruncatedError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case j.damage.met(err):
		if fatal := j.damage.tooMuch(err); fatal != nil {
			return false, j.tapeFailed(fatal)
		}
		j.problem(FileProblem{Path: name, Err: j.elsewhere(err)})
		return true, nil
	case errors.As(err, &truncated):
		j.truncated(volume, name, truncated)
		return name != "", nil
	case errors.As(err, &format):
		j.damage.happened = true
		j.problem(FileProblem{Path: name, Err: j.elsewhere(err)})
		return true, nil
	}
	return false, j.tapeFailed(err)
}

// truncated notes where the data set ends early, once.
func (j *job) truncated(volume, name string, err *mtf.TruncatedError) {
	switch {
	case err == j.cutOff: // noted with the file that it cut off
		return
	case name == "" && err.Path != "":
		name = path.Join(volume, err.Path)
	case name == "" && !j.complete(): // it is known to be incomplete
		return
	}
	j.problem(FileProblem{Path: name, Err: err})
}

func (j *job) problem(p FileProblem) {
	if p.Path == "" {
		p.Path = j.setName()
	}
	j.log.Warn("not restored as it was", "path", p.Path, "error", p.Err)
	j.result.Problems = append(j.result.Problems, p)
}
