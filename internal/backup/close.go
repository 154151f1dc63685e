package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// catalogTime bounds what is written into the catalog when a data set ends.
const catalogTime = 2 * time.Minute

// commit makes what the drive has taken safe: it flushes the drive and then tells the catalog. In this order the catalog never
// promises what is not on the tape. What is still in memory (the block that is being filled) is not promised.
func (s *setJob) commit() error {
	if err := s.tape.Sync(s.ctx); err != nil {
		return err
	}
	object, _ := s.tape.Written()
	// All data but what is in the block that is being filled was queued, and so flushed.
	bytes := int64(s.set.Bytes()) - int64(s.target.media.BlockSize)
	if err := s.promise(s.ctx, object, bytes); err != nil {
		return err
	}
	s.atCommit, s.lastCommit = s.bytes, time.Now()
	return nil
}

// promise records in the catalog that the tape is safe up to a logical object number: the objects that end before it, and at least
// as many bytes as they have.
func (s *setJob) promise(ctx context.Context, object uint64, bytes int64) error {
	n := 0
	for n < len(s.objects) && s.target.object+s.ends[n] <= object {
		n++
	}
	if err := s.record(ctx, n); err != nil {
		return err
	}
	bytes = max(bytes, s.recorded, s.safeBytes)
	if err := s.catalog.CommitPoint(ctx, s.dataset.DatasetID, object, bytes); err != nil {
		return err
	}
	s.safeObject, s.safeBytes = object, bytes
	return nil
}

// record adds the first n of the objects that wait to the catalog.
func (s *setJob) record(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	if err := s.catalog.AddObjects(ctx, s.dataset.DatasetID, s.objects[:n]); err != nil {
		return err
	}
	for _, o := range s.objects[:n] {
		s.recorded += o.Size
	}
	s.objects = append(s.objects[:0], s.objects[n:]...)
	s.ends = append(s.ends[:0], s.ends[n:]...)
	return nil
}

// close ends the data set, complete or not, and writes into the catalog what came of it. It goes on when the caller has given up:
// each command to the drive is bounded by its own timeout, and none is cut off.
func (s *setJob) close(werr error) (mediacatalog.SetEnd, error) {
	ctx := context.WithoutCancel(s.ctx)
	if cause := context.Cause(s.ctx); cause != nil && werr != nil {
		werr = cause
	}
	result, uncertain, err := s.closeTape(ctx, werr)
	end := mediacatalog.SetEnd{
		State: mediacatalog.SetComplete, Files: s.files, CorruptFiles: s.corrupt, AppendUncertain: uncertain,
		ESETObject: result.ESETObject, NextObject: result.NextObject, TapeFull: s.tape.EarlyWarning() || errors.Is(err, ErrTapeFull),
	}
	if s.set != nil {
		end.Bytes = int64(s.set.Bytes())
	}
	written, _ := s.tape.Written()
	end.UsedBytes = s.target.media.UsedBytes + int64(written-s.target.object)*int64(s.target.media.BlockSize)

	ctx, cancel := context.WithTimeout(ctx, catalogTime)
	defer cancel()
	switch {
	case err == nil || !uncertain && result.NextObject != 0:
		if err != nil {
			end.State = mediacatalog.SetIncomplete
		}
		err = errors.Join(err, s.recordAll(ctx))
	default:
		err = errors.Join(err, s.salvage(ctx, errors.Join(err, s.tape.Err())))
		end.State = mediacatalog.SetFailed
		if s.safeObject > s.target.object {
			end.State = mediacatalog.SetIncomplete
		}
	}
	if ferr := s.catalog.FinishDataset(ctx, s.dataset.DatasetID, end); ferr != nil {
		err = errors.Join(err, ferr)
	}
	return end, s.explain(err, end)
}

// closeTape closes the set on the tape, as an aborted one when werr says that it is not complete. It reports whether the end
// of data of the tape is uncertain afterwards, and the error that kept the set from being complete.
func (s *setJob) closeTape(ctx context.Context, werr error) (result mtf.SetResult, uncertain bool, err error) {
	err = werr
	if err == nil {
		result, err = s.set.Finish(ctx)
	}
	if err == nil {
		err = s.tape.Sync(ctx)
	}
	if err != nil {
		result, uncertain = s.abort(ctx, err)
	}
	if cerr := s.tape.Close(); err == nil && cerr != nil {
		return result, true, cerr
	}
	if !uncertain && result.NextObject != 0 {
		s.target.mount.WriteDate(ctx)
	}
	return result, uncertain, err
}

// abort closes the set as an aborted one, where the tape still takes it. It reports whether the end of data of the tape is
// uncertain afterwards; it is not when nothing was written.
func (s *setJob) abort(ctx context.Context, cause error) (mtf.SetResult, bool) {
	if s.tape.Object() == s.target.object && s.tape.Err() == nil {
		return mtf.SetResult{}, false
	}
	if s.set == nil || s.tape.Err() != nil {
		return mtf.SetResult{}, true
	}
	result, err := s.set.Abort(ctx)
	if err == nil {
		err = s.tape.Sync(ctx)
	}
	if err != nil {
		s.log.Error("close an incomplete data set", "barcode", s.target.media.Barcode, "cause", cause, "error", err)
		return mtf.SetResult{}, true
	}
	return result, false
}

// recordAll adds all objects of a set that was closed. When that fails the catalog says that it does not have them.
func (s *setJob) recordAll(ctx context.Context) error {
	err := s.record(ctx, len(s.objects))
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("list the files of the data set in the catalog: %w; the data set on the tape is whole", err),
		s.catalog.RemoveObjects(ctx, s.dataset.DatasetID))
}

// salvage records what is on the tape for certain when the data set could not be closed because the tape came to its
// physical end: the drive then tells how many objects it has written.
func (s *setJob) salvage(ctx context.Context, cause error) error {
	var full *drive.EndOfMediumError
	if s.set == nil || !errors.As(cause, &full) || !full.PositionKnown || full.Position <= s.target.object {
		return nil
	}
	if err := s.target.mount.Flush(ctx); err != nil {
		s.log.Warn("flush at the end of the tape", "barcode", s.target.media.Barcode, "error", err)
		return nil
	}
	return s.promise(ctx, full.Position, 0)
}

// explain makes the operator's error of what ended the data set early.
func (s *setJob) explain(err error, end mediacatalog.SetEnd) error {
	if err == nil {
		return nil
	}
	var full *drive.EndOfMediumError
	if errors.As(err, &full) && !errors.Is(err, ErrTapeFull) {
		err = fmt.Errorf("%w: %w", ErrTapeFull, err)
	}
	safe := "nothing of it is usable"
	switch {
	case end.State == mediacatalog.SetComplete:
		safe = "it is whole on the tape"
	case end.State == mediacatalog.SetIncomplete && end.AppendUncertain:
		safe = fmt.Sprintf("its first %d bytes are safe; the tape is not appended to any more", s.safeBytes)
	case end.State == mediacatalog.SetIncomplete:
		safe = "the files that were complete can be restored, and the tape stays usable"
	case !end.AppendUncertain:
		safe = "nothing of it was written, and the tape is as it was"
	}
	return fmt.Errorf("write data set %d of %q to tape %s: %w; the data set is marked %s: %s; data sets before it are not touched",
		s.target.number, s.Name, s.target.media.Barcode, err, end.State, safe)
}
