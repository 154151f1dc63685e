package backup

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestReadAhead compares what comes through read ahead with the source itself, whatever the sizes of reads.
func TestReadAhead(t *testing.T) {
	free := newBuffers()
	for range 200 {
		data := make([]byte, rand.IntN(5*aheadSize))
		rand.NewChaCha8([32]byte{}).Read(data)
		broken := errors.New("broken")
		want := error(nil)
		var source io.Reader = bytes.NewReader(data)
		switch rand.IntN(4) {
		case 0:
			source = iotest.OneByteReader(bytes.NewReader(data[:min(len(data), 5000)]))
			data = data[:min(len(data), 5000)]
		case 1:
			source = iotest.DataErrReader(source)
		case 2:
			source, want = io.MultiReader(source, iotest.ErrReader(broken)), broken
		}
		a := startAhead(source, free)
		if rand.IntN(3) == 0 { // the reader gives up early
			p := make([]byte, rand.IntN(len(data)+1))
			if _, err := io.ReadFull(a, p); err != nil || !bytes.Equal(p, data[:len(p)]) {
				t.Errorf("read %d of %d bytes: %v", len(p), len(data), err)
			}
		} else if got, err := io.ReadAll(a); !errors.Is(err, want) || !bytes.Equal(got, data) {
			t.Errorf("got %d of %d bytes, %v", len(got), len(data), err)
		}
		a.stop()
		if len(free) != aheadPieces {
			t.Fatalf("%d of %d buffers came back", len(free), aheadPieces)
		}
	}
}
