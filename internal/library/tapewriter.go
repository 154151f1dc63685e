package library

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"tapectl/internal/drive"
)

// BlockDrive is what a TapeWriter and a TapeReader need of a drive with a mounted tape.
type BlockDrive interface {
	WriteBlock(ctx context.Context, p []byte) (earlyWarning bool, err error)
	WriteFilemarks(ctx context.Context, count int, immediate bool) (earlyWarning bool, err error)
	Flush(ctx context.Context) error
	ReadBlock(ctx context.Context, p []byte) (int, error)
	SpaceFilemarks(ctx context.Context, n int) error
	Locate(ctx context.Context, object uint64) error
	Position(ctx context.Context) (drive.Position, error)
}

// TapeWriter writes blocks and filemarks behind the back of the one who makes them: WriteBlock queues, a goroutine of
// its own keeps exactly one command in flight at the drive. It implements mtf.BlockWriter and lends its blocks, so that
// data goes from the source to the drive without a copy between.
//
// The first error sticks: every later call returns it, and nothing is written after it. A TapeWriter is used by one
// goroutine, except Stats, which any may call. Close must be called; it does not flush.
type TapeWriter struct {
	drive     BlockDrive
	blockSize int
	queue     chan tapeItem
	free      chan []byte
	done      chan struct{}

	mu  sync.Mutex
	err error

	earlyWarning atomic.Bool
	objects      atomic.Uint64 // the object number of the next block to be written, as far as the drive took them
	bytes        atomic.Int64
	queued       uint64 // object number of the next block to be queued
	closed       bool

	ctx     context.Context // of the commands; ends with Abandon only
	abandon context.CancelFunc
}

// tapeItem is one entry of the queue: a block, a filemark, or a flush with the channel that waits for it.
type tapeItem struct {
	block    []byte
	filemark bool
	flushed  chan struct{}
}

// NewTapeWriter starts a writer at the drive's present position, which is object. Blocks are exactly blockSize bytes;
// up to depth of them are on their way at once.
//
// Commands in flight are not cut off when a context ends: the tape would be left in an unknown state. Abandon does that.
func NewTapeWriter(d BlockDrive, object uint64, blockSize, depth int) *TapeWriter {
	ctx, abandon := context.WithCancel(context.Background())
	w := &TapeWriter{
		ctx: ctx, abandon: abandon,
		drive: d, blockSize: blockSize, queued: object,
		queue: make(chan tapeItem, depth), free: make(chan []byte, depth+2), done: make(chan struct{}),
	}
	w.objects.Store(object)
	for range depth + 2 {
		w.free <- make([]byte, blockSize)
	}
	go w.run()
	return w
}

// run writes what is queued until the queue is closed. After an error it only drains.
func (w *TapeWriter) run() {
	defer close(w.done)
	defer w.abandon()
	for item := range w.queue {
		if w.Err() == nil {
			if err := w.write(w.ctx, item); err != nil {
				w.fail(err)
			}
		}
		if item.block != nil {
			w.free <- item.block[:w.blockSize]
		}
		if item.flushed != nil {
			close(item.flushed)
		}
	}
}

// write carries out one item.
func (w *TapeWriter) write(ctx context.Context, item tapeItem) error {
	var early bool
	var err error
	switch {
	case item.flushed != nil:
		return w.flush(ctx)
	case item.filemark:
		early, err = w.drive.WriteFilemarks(ctx, 1, true)
	default:
		early, err = w.drive.WriteBlock(ctx, item.block)
	}
	if early {
		w.earlyWarning.Store(true)
	}
	if err != nil {
		return fmt.Errorf("write object %d: %w", w.objects.Load(), err)
	}
	w.objects.Add(1)
	w.bytes.Add(int64(len(item.block)))
	return nil
}

// Abandon gives up the command in flight, whose outcome is unknown then, and writes nothing more: for a drive that does
// not answer. Any goroutine may call it.
func (w *TapeWriter) Abandon() { w.abandon() }

// flush makes everything safe, and makes sure that it went where it was meant to go: a drive that somebody else has moved
// would have taken it all the same.
func (w *TapeWriter) flush(ctx context.Context) error {
	if err := w.drive.Flush(ctx); err != nil {
		return err
	}
	p, err := w.drive.Position(ctx)
	if err != nil {
		return fmt.Errorf("read the position behind what was written: %w", err)
	}
	if want := w.objects.Load(); !p.Counted && p.Object != want {
		return &MovedError{Want: want, Found: p.Object}
	}
	return nil
}

// MovedError says that a tape was moved behind the back of the one who writes it: nothing that was written since the last flush is
// certain, and what was before may be damaged.
type MovedError struct {
	Want, Found uint64 // logical object numbers
}

// Error tells both positions and what to do.
func (e *MovedError) Error() string {
	return fmt.Sprintf("the tape stands at object %d where object %d was written last: something else has used the drive; "+
		"read what is on the tape before anything is written to it again", e.Found, e.Want)
}

// Block returns a buffer of the block size to fill and pass to WriteBlock. It is lent: the writer takes it back with
// that call. At most depth+2 buffers are out at once: whoever takes more without passing them on waits for ever. When the writer has failed, the buffer is of no use but can be filled all the same.
func (w *TapeWriter) Block() []byte {
	return <-w.free
}

// WriteBlock queues a block that Block lent, and takes it over. A context that has ended does not stop it: a block that
// is full belongs on the tape, so that the data set can still be closed.
func (w *TapeWriter) WriteBlock(_ context.Context, p []byte) error {
	if len(p) == 0 || len(p) > w.blockSize || cap(p) < w.blockSize {
		w.giveBack(p)
		return fmt.Errorf("write object %d: a block of %d bytes, the block size is %d", w.queued, len(p), w.blockSize)
	}
	if err := w.ready(); err != nil {
		w.giveBack(p)
		return err
	}
	w.queue <- tapeItem{block: p}
	w.queued++
	return w.Err()
}

// giveBack puts a buffer back that is not written, so that Block never waits for one that will not come.
func (w *TapeWriter) giveBack(p []byte) {
	if cap(p) < w.blockSize {
		return
	}
	select {
	case w.free <- p[:w.blockSize]:
	default: // it was never lent
	}
}

// WriteFilemark queues a filemark. It is not flushed: Sync does that.
func (w *TapeWriter) WriteFilemark(context.Context) error {
	if err := w.ready(); err != nil {
		return err
	}
	w.queue <- tapeItem{filemark: true}
	w.queued++
	return w.Err()
}

// Sync returns nil when everything queued so far is safe on the medium. When ctx ends first it returns the reason: the
// flush goes on, and nothing is known about it.
func (w *TapeWriter) Sync(ctx context.Context) error {
	if err := w.ready(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	item := tapeItem{flushed: make(chan struct{})}
	select {
	case w.queue <- item:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-item.flushed:
		return w.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *TapeWriter) ready() error {
	if w.closed {
		return errors.New("write to tape: the writer is closed")
	}
	return w.Err()
}

// Err returns the error that ended writing, if any.
func (w *TapeWriter) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *TapeWriter) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// EarlyWarning reports whether the drive has said that the end of the medium is near. All blocks so far were written.
func (w *TapeWriter) EarlyWarning() bool { return w.earlyWarning.Load() }

// Object returns the object number of the next block or filemark to be queued.
func (w *TapeWriter) Object() uint64 { return w.queued }

// Written returns the object number behind what the drive has taken, and the bytes of the blocks it has taken.
func (w *TapeWriter) Written() (object uint64, bytes int64) { return w.objects.Load(), w.bytes.Load() }

// Close waits for what is queued and ends the writer. It returns the error that ended writing, if any.
func (w *TapeWriter) Close() error {
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	<-w.done
	return w.Err()
}
