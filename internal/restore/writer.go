package restore

import (
	"context"
	"os"
)

const (
	// pieceSize and mostPieces are the buffers between reading the tape and writing files: 4 MiB in all, so that the drive and
	// the disk work at the same time.
	pieceSize  = 256 << 10
	mostPieces = 16
)

// buffers are the pieces of a restore, used by one file after the other.
type buffers struct {
	free chan []byte
	made int
}

func newBuffers() *buffers { return &buffers{free: make(chan []byte, mostPieces)} }

// get returns an empty piece. It waits when all are on their way to the disk.
func (b *buffers) get() []byte {
	if b.made < mostPieces && len(b.free) == 0 {
		b.made++
		return make([]byte, 0, pieceSize)
	}
	return <-b.free
}

func (b *buffers) put(p []byte) { b.free <- p[:0] }

// fileWriter writes to a file behind the back of the one who reads the tape; a file of one piece is written at the end, without a
// goroutine. The first error sticks. finish must be called.
type fileWriter struct {
	ctx     context.Context
	file    *os.File
	buffers *buffers
	report  func(taken int64)
	piece   []byte      // being filled
	full    chan []byte // nil until there is a second piece
	done    chan struct{}
	failed  chan struct{} // closed when err is set
	taken   int64         // bytes taken from the reader of the tape
	written int64         // bytes in the file; valid after finish
	err     error         // valid when failed is closed, and after finish
}

func newFileWriter(ctx context.Context, f *os.File, b *buffers, report func(int64)) *fileWriter {
	return &fileWriter{ctx: ctx, file: f, buffers: b, report: report, failed: make(chan struct{})}
}

// Write takes a copy of p. It fails when the file could not be written, or ctx has ended.
func (w *fileWriter) Write(p []byte) (int, error) {
	select {
	case <-w.failed:
		return 0, w.err
	default:
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		if w.piece == nil {
			w.piece = w.buffers.get()
		}
		n := min(len(rest), cap(w.piece)-len(w.piece))
		w.piece = append(w.piece, rest[:n]...)
		rest = rest[n:]
		if len(w.piece) == cap(w.piece) {
			w.send()
		}
	}
	w.taken += int64(len(p))
	w.report(w.taken)
	return len(p), nil
}

// send hands the piece to the goroutine that writes.
func (w *fileWriter) send() {
	if w.full == nil {
		w.full, w.done = make(chan []byte, mostPieces), make(chan struct{})
		go w.run()
	}
	w.full <- w.piece
	w.piece = nil
}

// run writes the pieces until full is closed. After an error it only gives them back.
func (w *fileWriter) run() {
	defer close(w.done)
	for p := range w.full {
		w.write(p)
	}
}

func (w *fileWriter) write(p []byte) {
	if w.err == nil {
		n, err := w.file.Write(p)
		w.written += int64(n)
		if err != nil {
			w.err = err
			close(w.failed)
		}
	}
	w.buffers.put(p)
}

// finish writes what is left and returns the error of the file, if any.
func (w *fileWriter) finish() error {
	if w.full != nil {
		if w.piece != nil {
			w.send()
		}
		close(w.full)
		<-w.done
	} else if w.piece != nil {
		w.write(w.piece)
		w.piece = nil
	}
	return w.err
}
