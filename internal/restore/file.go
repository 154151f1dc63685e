package restore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
)

// relative is where an object of a volume goes below the target folder: its path in the volume when there is one
// volume, with the volume's path in front when there are more, so that they do not mix. Of a data set that was cut off
// the catalog may know fewer volumes than the tape has.
func (j *job) relative(volume string, components []string) (string, error) {
	if len(j.volumePaths) > 1 || !j.complete() {
		var front []string
		for _, c := range strings.Split(strings.Trim(volume, "/"), "/") {
			if c != "" {
				front = append(front, c)
			}
		}
		components = append(front, components...)
	}
	return clean(components)
}

func (j *job) restoreFolder(volume string, o *mtf.Object) error {
	name, err := j.relative(volume, o.Path)
	if err == nil {
		err = j.target.mkdir(name, o.Meta, o.HasMeta)
	}
	if err != nil {
		if isFull(err) {
			return err
		}
		j.problem(FileProblem{Path: path.Join(append([]string{volume}, o.Path...)...), Err: err})
		return nil
	}
	j.result.Folders++
	return nil
}

// restoreFile restores the file that the set reader stands at. Only what makes going on senseless is returned: a tape or
// target that fails, or the end of ctx.
func (j *job) restoreFile(ctx context.Context, set *mtf.SetReader, volume string, components []string, o *mtf.Object) error {
	full := path.Join(append([]string{volume}, components...)...)
	j.report(full, 0)
	name, err := j.relative(volume, components)
	if err == nil {
		name, err = j.target.place(name)
	}
	switch {
	case errors.Is(err, errExists):
		j.result.Existing = append(j.result.Existing, full)
		return nil
	case err != nil:
		j.problem(FileProblem{Path: full, Err: err})
		return nil
	}
	if o.LinkTarget != "" {
		err = j.target.link(name, o.LinkTarget)
		if err != nil {
			j.problem(FileProblem{Path: full, Err: err})
			return nil
		}
		j.result.Files++
		return nil
	}
	return j.restoreData(ctx, set, full, name, o)
}

// restoreData reads the data of a file to a temporary name, and to its own when everything fits.
func (j *job) restoreData(ctx context.Context, set *mtf.SetReader, full, name string, o *mtf.Object) error {
	f, temp, err := j.target.temporary(name)
	if err != nil {
		return j.targetFailed(full, err)
	}
	w := newFileWriter(ctx, f, j.buffers, func(n int64) { j.report(full, n) })
	n, err := set.WriteTo(w)
	if werr := w.finish(); werr != nil {
		err = werr
	}
	if err == nil {
		err = j.compare(o, set)
	}
	if err == nil {
		if err = j.target.commit(f, temp, name, o.Meta, o.HasMeta, o.Modified); err == nil {
			j.result.Files++
			j.result.Bytes += n
			return nil
		}
		w.err = err
	}
	kept := ""
	if good, ok := readable(err, w.written); ok && w.err == nil && good > 0 {
		kept = j.keep(w, temp, name, good, o)
	}
	if kept == "" {
		f.Close()
		_ = j.target.root.Remove(temp)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("restore %s: %w", full, ctx.Err())
	case w.err != nil:
		return j.targetFailed(full, w.err)
	}
	return j.damagedFile(full, kept, w.written, o, err)
}

// compare holds the data that was read against the catalog: the tape's own checksum has been verified by the reader.
func (j *job) compare(o *mtf.Object, set *mtf.SetReader) error {
	want := j.digest(o.FLA)
	if want == nil {
		return nil
	}
	got := set.SHA256()
	if string(want) != string(got[:]) {
		return &mtf.ChecksumError{Path: strings.Join(o.Path, "/"), Stream: "catalog", Want: want, Got: got[:]}
	}
	return nil
}

// readable returns how many bytes of a file that could not be read completely, or does not fit its checksum, are worth keeping, when
// so many were delivered.
func readable(err error, delivered int64) (int64, bool) {
	var corrupt *mtf.CorruptError
	var truncated *mtf.TruncatedError
	var checksum *mtf.ChecksumError
	var format *mtf.FormatError
	switch {
	case errors.As(err, &corrupt):
		return int64(corrupt.Offset), true
	case errors.As(err, &truncated):
		return int64(truncated.Good), true
	case errors.As(err, &checksum), errors.As(err, &format), errors.Is(err, scsi.IsMediumError):
		return delivered, true
	}
	return 0, false
}

// keep saves the good beginning of a file under a name that says that it is incomplete. It returns that name, or "".
func (j *job) keep(w *fileWriter, temp, name string, good int64, o *mtf.Object) string {
	incomplete := name + ".incomplete"
	place, err := j.target.place(incomplete)
	if err == nil {
		err = w.file.Truncate(min(good, w.written))
	}
	if err == nil {
		err = j.target.commit(w.file, temp, place, o.Meta, o.HasMeta, o.Modified)
	}
	if err != nil {
		j.log.Warn("keep the beginning of a file", "path", name, "error", err)
		return ""
	}
	return path.Join(j.target.path, place)
}

// damagedFile notes what is wrong with the data of a file, of which so many bytes were delivered. It returns what ends the restore:
// errors that are not about this file.
func (j *job) damagedFile(full, kept string, delivered int64, o *mtf.Object, err error) error {
	var corrupt *mtf.CorruptError
	var checksum *mtf.ChecksumError
	var format *mtf.FormatError
	cut := errors.As(err, &j.cutOff)
	switch {
	case j.damage.met(err):
		err = &unreadableError{from: uint64(delivered), size: o.Size, err: err}
	case errors.As(err, &format):
		j.damage.happened = true
		err = &unreadableError{from: uint64(delivered), size: o.Size, err: err}
	case errors.As(err, &corrupt): // it was read so: no other copy is better
		j.problem(FileProblem{Path: full, Kept: kept, Err: err})
		return nil
	case cut, errors.As(err, &checksum), errors.Is(err, mtf.ErrUnsupported):
	default:
		return j.elsewhere(fmt.Errorf("restore %s from tape %s: %w", full, j.copy.Media.Barcode, err))
	}
	j.problem(FileProblem{Path: full, Kept: kept, Err: j.elsewhere(err)})
	if fatal := j.damage.tooMuch(err); fatal != nil {
		return j.tapeFailed(fatal)
	}
	return nil
}

// targetFailed ends the restore when the target cannot take any more, and notes a single file otherwise.
func (j *job) targetFailed(full string, err error) error {
	if isFull(err) {
		return fmt.Errorf("restore %s: the target folder %s is full: %w; %d files before it were restored completely, of this one nothing was left",
			full, j.target.path, err, j.result.Files)
	}
	j.problem(FileProblem{Path: full, Err: err})
	return nil
}

func (j *job) report(full string, current int64) {
	if j.Progress != nil {
		j.Progress(Progress{
			Barcode: j.copy.Media.Barcode, Path: full, Bytes: j.result.Bytes + current, Total: j.total, Files: j.result.Files,
		})
	}
}
