package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// mountedCopy is one copy with its tape mounted and ready.
type mountedCopy struct {
	target *target
	stdin  io.ReadCloser // what this copy reads as standard input, nil when nothing does
	result CopyResult
}

// run writes the copies: as many at the same time as there are drives and tapes for, then the rest.
func (j *job) run(ctx context.Context) (*Result, error) {
	ctx, cancel := j.library.WhileHeld(ctx)
	defer cancel()
	for next := 1; next <= j.Copies && ctx.Err() == nil; next = len(j.result.Copies) + 1 {
		group, err := j.mountGroup(ctx, next)
		if len(group) == 0 {
			j.result.Copies = append(j.result.Copies, CopyResult{Number: next, Err: err})
			if j.readsStdin() {
				break // it cannot be read for another copy alone
			}
			continue
		}
		j.writeGroup(ctx, group)
		for _, c := range group {
			j.result.Copies = append(j.result.Copies, c.result)
		}
	}
	j.compareCopies()
	return j.result, errors.Join(j.copyErrors(ctx), j.finishPoint(context.WithoutCancel(ctx)))
}

// copyErrors joins what went wrong with each copy, and why the backup was ended early.
func (j *job) copyErrors(ctx context.Context) error {
	var errs []error
	for _, c := range j.result.Copies {
		if c.Err != nil {
			errs = append(errs, fmt.Errorf("copy %d: %w", c.Number, c.Err))
		}
	}
	err := errors.Join(errs...)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	return err
}

// mountGroup mounts tapes for the copies from the first on, until all have one or no more can be mounted now. The error says
// why not even the first could be.
func (j *job) mountGroup(ctx context.Context, first int) ([]*mountedCopy, error) {
	var group []*mountedCopy
	for n := first; n <= j.Copies; n++ {
		t, err := j.chooseTarget(ctx, n)
		if err != nil && j.readsStdin() && j.Copies > 1 {
			return nil, errors.Join(fmt.Errorf("standard input can be read once only, so that all %d copies must be written at the same time: %w", j.Copies, err),
				j.dismountAll(ctx, group))
		}
		if err != nil {
			if len(group) > 0 {
				return group, nil // the rest comes after these
			}
			return nil, err
		}
		j.used[t.media.MediaID] = true
		group = append(group, &mountedCopy{target: t, result: CopyResult{
			Number: n, Label: t.media.Label, Barcode: t.media.Barcode, SetNumber: t.number,
		}})
	}
	return group, nil
}

func (j *job) readsStdin() bool {
	for _, s := range j.sources {
		if s.path == Stdin {
			return true
		}
	}
	return false
}

func (j *job) dismountAll(ctx context.Context, group []*mountedCopy) error {
	var errs []error
	for _, c := range group {
		errs = append(errs, c.target.mount.Dismount(ctx))
	}
	return errors.Join(errs...)
}

// writeGroup writes the copies of a group at the same time, each in a goroutine of its own that puts its tape back at the end.
func (j *job) writeGroup(ctx context.Context, group []*mountedCopy) {
	if err := j.beginPoint(ctx); err != nil {
		for _, c := range group {
			c.result.Err = errors.Join(err, c.target.mount.Dismount(ctx))
		}
		return
	}
	if j.readsStdin() {
		distribute(j.Stdin, group)
	}
	var wait sync.WaitGroup
	for _, c := range group {
		wait.Go(func() {
			c.result.Err = j.writeSet(ctx, c)
			if c.stdin != nil {
				c.stdin.Close()
			}
			c.result.Err = errors.Join(c.result.Err, c.target.mount.Dismount(ctx))
		})
	}
	wait.Wait()
}

// distribute gives each copy a reader of its own for what comes from r. A copy that stops reading closes its reader, and does
// not hold up the others.
func distribute(r io.Reader, group []*mountedCopy) {
	if len(group) == 1 {
		group[0].stdin = io.NopCloser(r)
		return
	}
	var writers []*io.PipeWriter
	for _, c := range group {
		pr, pw := io.Pipe()
		c.stdin = pr
		writers = append(writers, pw)
	}
	go func() {
		buf := make([]byte, 256<<10)
		for len(writers) > 0 {
			n, err := r.Read(buf)
			open := writers[:0]
			for _, w := range writers {
				if _, werr := w.Write(buf[:n]); werr != nil {
					continue
				}
				if err != nil {
					w.CloseWithError(err) // io.EOF included
					continue
				}
				open = append(open, w)
			}
			writers = open
		}
	}()
}

// compareCopies tells the operator when copies that are complete do not hold the same: the source changed between the passes.
func (j *job) compareCopies() {
	var first *CopyResult
	for i := range j.result.Copies {
		c := &j.result.Copies[i]
		if c.Err != nil || c.contents == nil {
			continue
		}
		if first == nil {
			first = c
		} else if string(first.contents) != string(c.contents) {
			j.result.Skipped = append(j.result.Skipped, SourceError{Path: j.Name, Err: fmt.Errorf(
				"the source changed while it was backed up: copies %d and %d are each complete, but not the same", first.Number, c.Number)})
		}
	}
}
