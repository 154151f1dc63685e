package backup

import "io"

const (
	// aheadSize and aheadPieces are the buffers in which a source is read ahead: 2 MiB, so that the source and the digest work
	// at the same time.
	aheadSize   = 256 << 10
	aheadPieces = 8
	// aheadFrom is the size from which a file is worth a goroutine.
	aheadFrom = 1 << 20
)

// readAhead reads a source in a goroutine of its own. It belongs to one goroutine; stop must be called before the source is
// closed. Buffers are used again by the next source.
type readAhead struct {
	pieces chan piece
	free   chan []byte
	quit   chan struct{}
	done   chan struct{}
	now    piece
	at     int // of now.data that was delivered
}

// piece is what one read gave.
type piece struct {
	data []byte
	err  error
}

// newBuffers makes the buffers that sources are read ahead into, one after the other.
func newBuffers() chan []byte {
	free := make(chan []byte, aheadPieces)
	for range aheadPieces {
		free <- make([]byte, aheadSize)
	}
	return free
}

// startAhead begins to read from r into the buffers.
func startAhead(r io.Reader, free chan []byte) *readAhead {
	a := &readAhead{pieces: make(chan piece, aheadPieces), free: free, quit: make(chan struct{}), done: make(chan struct{})}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.done)
	for {
		var buf []byte
		select {
		case <-a.quit:
			return
		case buf = <-a.free:
		}
		n, err := r.Read(buf)
		a.pieces <- piece{data: buf[:n], err: err} // never blocks: there are as many places as buffers
		if err != nil {
			return
		}
	}
}

// Read delivers what was read ahead. The error of the source comes behind its data, and stays.
func (a *readAhead) Read(p []byte) (int, error) {
	for a.at == len(a.now.data) {
		if a.now.err != nil {
			return 0, a.now.err
		}
		a.release()
		a.now, a.at = <-a.pieces, 0
	}
	n := copy(p, a.now.data[a.at:])
	a.at += n
	return n, nil
}

// release gives back the buffer that was delivered.
func (a *readAhead) release() {
	if a.now.data != nil {
		a.free <- a.now.data[:aheadSize]
		a.now.data, a.at = nil, 0
	}
}

// stop ends the goroutine, when the read that it is in has ended, and gives all buffers back.
func (a *readAhead) stop() {
	close(a.quit)
	<-a.done
	a.release()
	for {
		select {
		case p := <-a.pieces:
			a.free <- p.data[:aheadSize]
		default:
			return
		}
	}
}
