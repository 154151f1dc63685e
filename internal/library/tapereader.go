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
	drive    BlockDrive
	object   uint64 // of the next block as the caller sees it
	known    bool   // object is valid
	streak   int
	ahead    *readAhead
	depth    int
	blockMax int
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
// block, and what the drive returns otherwise.
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
		r.startAhead(len(p))
	}
	var n int
	var err error
	if r.ahead != nil {
		n, err = r.next(p)
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
func (r *TapeReader) next(p []byte) (int, error) {
	item, ok := <-r.ahead.items
	if !ok {
		return 0, errors.New("read ahead: ended without a result")
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

// halt ends reading ahead and tells whether the drive stands behind a filemark that the caller has not read.
func (r *TapeReader) halt() (atFilemark bool) {
	a := r.ahead
	if a == nil {
		return false
	}
	r.ahead = nil
	r.streak = 0
	close(a.stop)
	for item := range a.items {
		if errors.Is(item.err, drive.ErrFilemark) {
			atFilemark = true
		}
	}
	<-a.done
	return atFilemark || errors.Is(a.dropped, drive.ErrFilemark)
}

// resync brings the drive to where the caller believes to be.
func (r *TapeReader) resync(ctx context.Context) error {
	if r.ahead == nil {
		return nil
	}
	r.halt()
	if !r.known {
		return errors.New("read from tape: the position is not known")
	}
	return r.drive.Locate(ctx, r.object)
}

// SpaceFilemarks moves forward behind the n-th filemark from here. It returns mtf.ErrEndOfData when there are fewer.
func (r *TapeReader) SpaceFilemarks(ctx context.Context, n int) error {
	if n < 1 {
		return fmt.Errorf("space filemarks: %d is not forward", n)
	}
	r.streak = 0
	r.known = false // until Position asks the drive: how many blocks were skipped is not known here
	if r.halt() {
		n--
	}
	if n == 0 {
		return nil
	}
	err := r.drive.SpaceFilemarks(ctx, n)
	if errors.Is(err, drive.ErrEndOfData) {
		return mtf.ErrEndOfData
	}
	return err
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

// Position returns the object number of the next block. The drive is asked when it is not known here.
func (r *TapeReader) Position(ctx context.Context) (uint64, error) {
	if r.known {
		return r.object, nil
	}
	if r.ahead != nil {
		return 0, errors.New("read position: blocks were read ahead from an unknown position")
	}
	p, err := r.drive.Position(ctx)
	if err != nil {
		return 0, err
	}
	r.object, r.known = p.Object, true
	return r.object, nil
}

// Close ends reading ahead. The drive itself stays open.
func (r *TapeReader) Close() { r.halt() }
