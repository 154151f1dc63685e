package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writeNumbered(t *testing.T, w *TapeWriter, n int) error {
	t.Helper()
	b := w.Block()
	if len(b) != testBlock {
		t.Fatalf("lent a block of %d bytes", len(b))
	}
	b[0] = byte(n)
	return w.WriteBlock(t.Context(), b)
}

func TestWriterWritesInOrder(t *testing.T) {
	f := newFakeTape()
	f.objects, f.at = [][]byte{nil, nil, nil}, 3
	w := NewTapeWriter(f, 3, testBlock, 4)
	for n := range 5 {
		if err := writeNumbered(t, w, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteFilemark(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.safe != 9 {
		t.Errorf("after Sync %d objects are safe, want 9", f.safe)
	}
	object, size := w.Written()
	if object != 9 || size != 5*testBlock || w.Object() != 9 {
		t.Errorf("written up to %d, %d bytes, next %d", object, size, w.Object())
	}
	if err := writeNumbered(t, w, 9); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"block 0", "block 1", "block 2", "block 3", "block 4", "filemark", "flush", "block 9"}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if f.overlap.Load() {
		t.Error("two commands at the drive at once")
	}
	if err := w.WriteFilemark(t.Context()); err == nil {
		t.Error("a closed writer takes a filemark")
	}
}

func TestWriterKeepsFirstError(t *testing.T) {
	f := newFakeTape()
	f.failAt, f.failure = 2, errors.New("medium is full")
	w := NewTapeWriter(f, 0, testBlock, 3)
	for n := range 50 { // far more than there are buffers: none may get lost
		f.mu.Lock()
		if n == 20 {
			f.failure = errors.New("another one")
		}
		f.mu.Unlock()
		if err := writeNumbered(t, w, n); err != nil && !errors.Is(err, w.Err()) {
			t.Fatalf("block %d: %v", n, err)
		}
	}
	err := w.Sync(t.Context())
	if err == nil || err.Error() != "write object 2: medium is full" {
		t.Errorf("sync: %v", err)
	}
	if again := w.WriteFilemark(t.Context()); !errors.Is(again, err) {
		t.Errorf("filemark: %v", again)
	}
	if cerr := w.Close(); !errors.Is(cerr, err) {
		t.Errorf("close: %v", cerr)
	}
	if object, _ := w.Written(); object != 2 || len(f.objects) != 2 {
		t.Errorf("written %d, on tape %d, want 2", object, len(f.objects))
	}
}

func TestWriterEarlyWarningIsNoError(t *testing.T) {
	f := newFakeTape()
	f.earlyFrom = 2
	w := NewTapeWriter(f, 0, testBlock, 2)
	defer w.Close()
	for n := range 2 {
		if err := writeNumbered(t, w, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sync(t.Context()); err != nil || w.EarlyWarning() {
		t.Fatalf("before the end: %v, early warning %v", err, w.EarlyWarning())
	}
	if err := writeNumbered(t, w, 2); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(t.Context()); err != nil || !w.EarlyWarning() {
		t.Errorf("at the end: %v, early warning %v", err, w.EarlyWarning())
	}
	if len(f.objects) != 3 {
		t.Errorf("%d objects on tape, want 3", len(f.objects))
	}
}

func TestWriterFlushFailure(t *testing.T) {
	f := newFakeTape()
	f.flushFails = errors.New("deferred error")
	w := NewTapeWriter(f, 0, testBlock, 2)
	if err := writeNumbered(t, w, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(t.Context()); !errors.Is(err, f.flushFails) {
		t.Errorf("sync: %v", err)
	}
	if err := writeNumbered(t, w, 2); !errors.Is(err, f.flushFails) {
		t.Errorf("write after a failed flush: %v", err)
	}
	if err := w.Close(); !errors.Is(err, f.flushFails) {
		t.Errorf("close: %v", err)
	}
}

func TestWriterContext(t *testing.T) {
	f := newFakeTape()
	f.gate = make(chan struct{})
	w := NewTapeWriter(f, 0, testBlock, 2)
	if err := writeNumbered(t, w, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sync of a drive that hangs: %v", err)
	}
	b := w.Block()
	if err := w.WriteBlock(ctx, b); err != nil {
		t.Errorf("a full block is not taken once the context has ended: %v", err)
	}
	close(f.gate)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(f.objects) != 2 {
		t.Errorf("%d objects on tape, want 2", len(f.objects))
	}
}

func TestWriterRefusesWrongBlocks(t *testing.T) {
	w := NewTapeWriter(newFakeTape(), 0, testBlock, 2)
	defer w.Close()
	for _, b := range [][]byte{nil, {}, make([]byte, 3), make([]byte, testBlock+1)} {
		if err := w.WriteBlock(t.Context(), b); err == nil {
			t.Errorf("a block of %d bytes is accepted", len(b))
		}
	}
	short := w.Block()[:5]
	if err := w.WriteBlock(t.Context(), short); err != nil {
		t.Errorf("a short last block is refused: %v", err)
	}
	if err := w.Sync(t.Context()); err != nil || w.Object() != 1 {
		t.Errorf("%v, object %d", err, w.Object())
	}
}

// What goes in comes out, whatever the order of blocks, filemarks and flushes.
func FuzzWriterKeepsOrder(f *testing.F) {
	f.Add([]byte("bb|s|b"), byte(1))
	f.Fuzz(func(t *testing.T, program []byte, depth byte) {
		tape := newFakeTape()
		w := NewTapeWriter(tape, 0, testBlock, 1+int(depth%8))
		var want [][]byte
		for i, c := range program {
			var err error
			switch c {
			case '|':
				err = w.WriteFilemark(t.Context())
				want = append(want, nil)
			case 's':
				if err = w.Sync(t.Context()); tape.safe != len(want) {
					t.Fatalf("after Sync %d of %d objects are safe", tape.safe, len(want))
				}
			default:
				b := w.Block()
				copy(b, bytes.Repeat([]byte{byte(i)}, testBlock))
				want = append(want, bytes.Clone(b))
				err = w.WriteBlock(t.Context(), b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(tape.objects) != fmt.Sprint(want) || w.Object() != uint64(len(want)) {
			t.Errorf("on tape %v, want %v", tape.objects, want)
		}
	})
}
