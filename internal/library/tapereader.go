package library

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/drive"
	"tapectl/internal/mtf"
)

// readAheadAfter is how many blocks are read one by one before the reader starts to read ahead: labels and catalogs
// are short, data sets are long.
const readAheadAfter = 4

// TapeReader reads blocks for mtf (it implements mtf.BlockReader) and keeps the drive busy by reading ahead once
// blocks are read in sequence. It never reads past a filemark that the caller has not seen, so that spacing by filemarks
// stays right.
//
// It belongs to one goroutine. Close must be called before the drive is used otherwise; the drive's position is then
// anywhere between the caller's and the next filemark.
type TapeReader struct {
	drive  BlockDrive
	object uint64 // of the next block as the caller sees it
	known  bool   // object is valid
	streak int
	ahead  *readAhead
	depth  int
}

// readAhead is one run of the goroutine that reads ahead.
type readAhead struct {
	size  int
	items chan readItem
	free  chan []byte
	stop  chan struct{}
	done  chan struct{}
	// dropped is the result that came when nobody waited for it any more. Valid when done is closed.
	dropped error
}

type readItem struct {
	buf []byte
	n   int
	err error
}

// NewTapeReader makes a reader that holds at most depth blocks read ahead.
func NewTapeReader(d BlockDrive, depth int) *TapeReader {
	return &TapeReader{drive: d, depth: depth}
}

// ReadBlock reads the next block into p. It returns mtf.ErrFilemark behind a filemark and mtf.ErrEndOfData behind the last
// block, and what the drive returns otherwise. When ctx ends while it waits for a block that is read ahead, the block is not
// lost: the next call returns it.
func (r *TapeReader) ReadBlock(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if r.ahead != nil && r.ahead.size != len(p) {
		if err := r.resync(ctx); err != nil {
			return 0, err
		}
	}
	if r.ahead == nil && r.streak >= readAheadAfter && r.depth > 0 {
		// Where reading ahead began has to be known, so that the drive can be brought back.
		if _, err := r.Position(ctx); err == nil {
			r.startAhead(len(p))
		} else {
			r.streak = 0
		}
	}
	var n int
	var err error
	if r.ahead != nil {
		n, err = r.next(ctx, p)
	} else {
		n, err = r.drive.ReadBlock(ctx, p)
	}
	return n, r.account(err)
}

// account follows the position and translates the drive's sentinels.
func (r *TapeReader) account(err error) error {
	switch {
	case err == nil:
		r.object++
		r.streak++
		return nil
	case errors.Is(err, drive.ErrFilemark):
		r.object++
		r.streak = 0
		return mtf.ErrFilemark
	case errors.Is(err, drive.ErrEndOfData):
		r.streak = 0
		return mtf.ErrEndOfData
	}
	r.streak = 0
	if r.known {
		return fmt.Errorf("read object %d: %w", r.object, err)
	}
	return fmt.Errorf("read from tape: %w", err)
}

// next takes the next block that was read ahead.
func (r *TapeReader) next(ctx context.Context, p []byte) (int, error) {
	var item readItem
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case item = <-r.ahead.items: // the goroutine ends only after an item with an error
	}
	n := copy(p, item.buf[:item.n])
	if item.err != nil {
		<-r.ahead.done
		r.ahead = nil
		return n, item.err
	}
	r.ahead.free <- item.buf
	return n, nil
}

// startAhead starts reading blocks of the size ahead. The goroutine ends at the first result that is no block.
func (r *TapeReader) startAhead(size int) {
	a := &readAhead{
		size: size, items: make(chan readItem, r.depth), free: make(chan []byte, r.depth+1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range r.depth + 1 {
		a.free <- make([]byte, size)
	}
	r.ahead = a
	go a.run(r.drive)
}

func (a *readAhead) run(d BlockDrive) {
	defer close(a.done)
	defer close(a.items)
	for {
		var buf []byte
		select {
		case <-a.stop:
			return
		case buf = <-a.free:
		}
		// A read that has begun is not cut off: the position would be unknown.
		n, err := d.ReadBlock(context.Background(), buf)
		select {
		case <-a.stop:
			a.dropped = err
			return
		case a.items <- readItem{buf: buf, n: n, err: err}:
		}
		if err != nil {
			return
		}
	}
}

// Where the drive stands after halt.
const (
	haltInside   = iota // before the next filemark
	haltFilemark        // behind a filemark that the caller has not read
	haltFailed          // a read failed: nobody knows
)

// halt ends reading ahead and tells where the drive stands.
func (r *TapeReader) halt() int {
	a := r.ahead
	if a == nil {
		return haltInside
	}
	r.ahead = nil
	r.streak = 0
	close(a.stop)
	var last error
	for item := range a.items {
		last = item.err
	}
	<-a.done
	if a.dropped != nil {
		last = a.dropped
	}
	switch {
	case last == nil || errors.Is(last, drive.ErrEndOfData):
		return haltInside
	case errors.Is(last, drive.ErrFilemark):
		return haltFilemark
	}
	return haltFailed
}

// resync brings the drive to where the caller believes to be.
func (r *TapeReader) resync(ctx context.Context) error {
	if r.ahead == nil {
		return nil
	}
	r.halt()
	return r.drive.Locate(ctx, r.object)
}

// SpaceFilemarks moves forward behind the n-th filemark from here. It returns mtf.ErrEndOfData when there are fewer.
func (r *TapeReader) SpaceFilemarks(ctx context.Context, n int) error {
	if n < 1 {
		return fmt.Errorf("space filemarks: %d is not forward", n)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.streak = 0
	switch r.halt() {
	case haltFilemark:
		n--
	case haltFailed: // a block that the caller never asked for; the tape behind it may be good
		if err := r.drive.Locate(ctx, r.object); err != nil {
			return fmt.Errorf("space %d filemarks: %w", n, err)
		}
	}
	r.known = false // until Position asks the drive: how many blocks were skipped is not known here
	if n == 0 {
		return nil
	}
	err := r.drive.SpaceFilemarks(ctx, n)
	switch {
	case errors.Is(err, drive.ErrEndOfData):
		return mtf.ErrEndOfData
	case err != nil:
		return fmt.Errorf("space %d filemarks: %w", n, err)
	}
	return nil
}

// Locate moves to the logical object with the number.
func (r *TapeReader) Locate(ctx context.Context, object uint64) error {
	r.halt()
	r.streak = 0
	r.known = false
	if err := r.drive.Locate(ctx, object); err != nil {
		if errors.Is(err, drive.ErrEndOfData) {
			return mtf.ErrEndOfData
		}
		return fmt.Errorf("locate object %d: %w", object, err)
	}
	r.object, r.known = object, true
	return nil
}

// Position returns the object number of the next block. The drive is asked when it is not known here: then nothing was
// read ahead.
func (r *TapeReader) Position(ctx context.Context) (uint64, error) {
	if r.known {
		return r.object, nil
	}
	p, err := r.drive.Position(ctx)
	if err != nil {
		return 0, err
	}
	r.object, r.known = p.Object, true
	return r.object, nil
}

// Close ends reading ahead, after the read that is under way. The drive itself stays open; the reader can go on only with
// Locate.
func (r *TapeReader) Close() {
	if r.ahead != nil {
		r.halt()
		r.known = false
	}
}
