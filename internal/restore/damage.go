package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
)

// mostUnreadable is how many places in a row may be unreadable before the restore ends: the drive tries each for a minute or more,
// and one that reads nothing at all says the same of every block.
const mostUnreadable = 32

// damage follows what of a data set the drive cannot read, so that reading can go on behind it.
type damage struct {
	position func(context.Context) (uint64, error) // object number of the next block; after an error of the one that failed
	begin    uint64                                // object number of the SSET
	end      uint64                                // object number of the filemark behind the body, 0 when it is not known
	first    uint64                                // format logical address of the SSET
	unit     uint64                                // bytes of a format logical block
	block    uint64                                // bytes of a physical block
	last     uint64                                // object number that everything before was read or given up
	pending  bool                                  // reading has stopped at a place that cannot be read
	happened bool                                  // there was damage: the reader may not know volume and folder
	row      int                                   // unreadable places since something was read
}

func newDamage(position func(context.Context) (uint64, error), d mediacatalog.Dataset, h *mtf.MediaHeader, first uint64) damage {
	unit := uint64(h.FormatLogicalBlock)
	if unit == 0 {
		unit = mtf.DefaultFormatLogicalBlock
	}
	g := damage{position: position, begin: d.SSETObject, first: first, unit: unit, block: uint64(h.PhysicalBlock), last: d.SSETObject}
	if d.ESETObject > d.SSETObject {
		g.end = d.ESETObject - 1
	}
	return g
}

// met reports whether err means that the drive cannot read a place of the tape, and notes it. Everything else that a drive says,
// such as a hardware error or no answer, is not about the place.
func (d *damage) met(err error) bool {
	if !errors.Is(err, scsi.IsMediumError) {
		return false
	}
	d.pending, d.happened = true, true
	d.row++
	return true
}

// tooMuch is an error when it makes no sense to go on after err.
func (d *damage) tooMuch(err error) error {
	if d.row < mostUnreadable {
		return nil
	}
	return fmt.Errorf("%d places in a row cannot be read, the last: %w", d.row, err)
}

// reached notes that the object with the format logical address was read.
func (d *damage) reached(fla uint64) {
	d.row = 0
	if fla > d.first {
		d.last = max(d.last, d.begin+(fla-d.first)*d.unit/d.block)
	}
}

// behind returns the object number behind the place where reading stopped: always farther than before, whatever the drive says.
func (d *damage) behind(ctx context.Context) (uint64, error) {
	at, err := d.position(ctx)
	if err != nil {
		return 0, err
	}
	d.last = max(d.last, at) + 1
	return d.last, nil
}

// resume brings the reader behind the place that could not be read, when there is one; io.EOF when nothing of the body is left.
func (j *job) resume(ctx context.Context, set *mtf.SetReader) error {
	d := &j.damage
	for d.pending {
		d.pending = false
		object, err := d.behind(ctx)
		switch {
		case err != nil:
			return j.tapeFailed(err)
		case d.end != 0 && object > d.end:
			return io.EOF
		}
		err = set.Resume(ctx, object)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !d.met(err):
			return j.tapeFailed(err)
		}
		j.problem(FileProblem{Err: err})
		if err := d.tooMuch(err); err != nil {
			return j.tapeFailed(err)
		}
	}
	return nil
}

// tapeFailed is the error that ends the restore.
func (j *job) tapeFailed(err error) error {
	err = fmt.Errorf("read data set %d of tape %s: %w", j.copy.Dataset.SetNumber, j.copy.Media.Barcode, err)
	return j.elsewhere(err)
}

// elsewhere adds to an error where else the data can be had.
func (j *job) elsewhere(err error) error {
	if j.others == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, j.others)
}

// otherCopies says which other copies there are, "" for none.
func (j *job) otherCopies(ctx context.Context) (string, error) {
	copies, err := Copies(ctx, j.catalog, j.copy.Dataset.RecoveryPointID)
	if err != nil {
		return "", err
	}
	var others []string
	for _, c := range copies {
		if c.Dataset.DatasetID == j.copy.Dataset.DatasetID {
			continue
		}
		state := ""
		if c.Dataset.SetState != mediacatalog.SetComplete {
			state = ", incomplete"
		}
		others = append(others, fmt.Sprintf("tape %s (`--copy %d`%s)", c.Media.Barcode, c.Dataset.CopyNumber, state))
	}
	if len(others) == 0 {
		return "", nil
	}
	return "another copy is on " + strings.Join(others, ", "), nil
}

// errMissing is the problem of files that the catalog knows and the tape does not show.
var errMissing = errors.New("was not found on the tape, or lies where it cannot be read")

// missing notes a file that reading has passed without meeting it.
func (j *job) missing(o mediacatalog.Object) {
	j.problem(FileProblem{Path: path.Join(o.Path, o.FileSpec), Err: j.elsewhere(errMissing)})
}

// unreadableError says which part of a file could not be read.
type unreadableError struct {
	from, size uint64 // size is 0 when it is not known
	err        error
}

// Error names the bytes.
func (e *unreadableError) Error() string {
	if e.size > e.from {
		return fmt.Sprintf("bytes %d to %d could not be read: %v", e.from, e.size-1, e.err)
	}
	return fmt.Sprintf("what is behind byte %d could not be read: %v", e.from, e.err)
}

// Unwrap gives the cause.
func (e *unreadableError) Unwrap() error { return e.err }

// place is where in the data set the reader of the whole set is.
type place struct {
	known  *expected
	volume string
}

// folder returns the volume and the path in it of a file. The catalog knows both when the blocks that name them were damaged.
func (j *job) folder(p *place, o *mtf.Object) (volume string, components []string) {
	c := p.known.current
	if !j.damage.happened || len(o.Path) == 0 {
		return p.volume, o.Path
	}
	name := o.Path[len(o.Path)-1]
	if c.FLA == o.FLA && c.FileSpec == name {
		volume = volumeOf(j.volumePaths, c.Path)
		full := path.Join(c.Path, name)
		return volume, strings.Split(strings.TrimPrefix(strings.TrimPrefix(full, volume), "/"), "/")
	}
	if o.Orphan {
		components = []string{fmt.Sprintf("folder %d of unknown name", o.DirectoryID), name}
		j.problem(FileProblem{Path: path.Join(append([]string{p.volume}, components...)...), Err: errOrphan})
		return p.volume, components
	}
	return p.volume, o.Path
}

var errOrphan = errors.New("the name of its folder could not be read, and is not in the catalog")
