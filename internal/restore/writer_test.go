package restore

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestFileWriter writes files of all sizes in writes of all sizes through one set of buffers.
func TestFileWriter(t *testing.T) {
	b := newBuffers()
	for round := range 60 {
		size := rand.IntN(3 * mostPieces * pieceSize)
		if round%2 == 0 {
			size = rand.IntN(2 * pieceSize)
		}
		data := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(round)}).Read(data)
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		var reported int64
		w := newFileWriter(context.Background(), f, b, func(n int64) { reported = n })
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(2*pieceSize))
			if k, err := w.Write(rest[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if err := w.finish(); err != nil || w.written != int64(size) || reported != int64(size) {
			t.Fatalf("%d of %d bytes, %d reported, %v", w.written, size, reported, err)
		}
		f.Close()
		if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("size %d: wrong content, %v", size, err)
		}
	}
	if b.made > mostPieces {
		t.Errorf("%d buffers were made", b.made)
	}
}

// TestFileWriterFails writes to a file that takes nothing: the error comes soon, and finish does not hang.
func TestFileWriterFails(t *testing.T) {
	b := newBuffers()
	for range 3 {
		f, err := os.Open(os.DevNull) // for reading only
		if err != nil {
			t.Fatal(err)
		}
		w := newFileWriter(context.Background(), f, b, func(int64) {})
		p := make([]byte, pieceSize)
		for range 10 * mostPieces {
			if _, err = w.Write(p); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("160 writes into a file that takes none, and no error")
		}
		if err := w.finish(); err == nil {
			t.Error("finish tells no error")
		}
		f.Close()
	}
	if len(b.free) != b.made {
		t.Errorf("%d of %d buffers came back", len(b.free), b.made)
	}
}

func TestFileWriterCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := newFileWriter(ctx, f, newBuffers(), func(int64) {})
	cancel()
	if _, err := w.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := w.finish(); err != nil {
		t.Error(err)
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want string
		ok   bool
	}{
		{nil, ".", true},
		{[]string{"a", "b.txt"}, "a/b.txt", true},
		{[]string{"..."}, "...", true},
		{[]string{"a", ".."}, "", false},
		{[]string{"."}, "", false},
		{[]string{""}, "", false},
		{[]string{"a/b"}, "", false},
		{[]string{"a\x00b"}, "", false},
	} {
		got, err := clean(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("clean(%q) = %q, %v", c.in, got, err)
		}
	}
}

func TestVolumeOf(t *testing.T) {
	volumes := []string{"/srv", "/srv/data", "/"}
	for folder, want := range map[string]string{"/srv": "/srv", "/srv/data/x": "/srv/data", "/srv/datax": "/srv", "/etc": "/", "relative": ""} {
		if got := volumeOf(volumes, folder); got != want {
			t.Errorf("volumeOf(%q) = %q, want %q", folder, got, want)
		}
	}
}
