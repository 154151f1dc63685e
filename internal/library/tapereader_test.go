package library

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/mtf"
)

const testBlock = 16

// numbered is a block that holds its number.
func numbered(n int) []byte {
	b := make([]byte, testBlock)
	binary.BigEndian.PutUint64(b, uint64(n))
	return b
}

// modelTape makes a tape from a picture: "b" a block, "|" a filemark, "x" a block that cannot be read, "L" a long block.
func modelTape(picture string) *fakeTape {
	f := newFakeTape()
	f.bad = map[int]bool{}
	for i, c := range picture {
		switch c {
		case 'b':
			f.objects = append(f.objects, numbered(i))
		case '|':
			f.objects = append(f.objects, nil)
		case 'x':
			f.objects = append(f.objects, numbered(i))
			f.bad[i] = true
		case 'L':
			f.objects = append(f.objects, append(numbered(i), numbered(i)...))
		}
	}
	return f
}

// read reads one block and words the result.
func read(r *TapeReader, size int) string {
	p := make([]byte, size)
	n, err := r.ReadBlock(context.Background(), p)
	return result(p[:n], err)
}

func result(p []byte, err error) string {
	var long *drive.BlockTooLongError
	switch {
	case errors.Is(err, mtf.ErrFilemark):
		return "filemark"
	case errors.Is(err, mtf.ErrEndOfData):
		return "end of data"
	case errors.As(err, &long):
		return fmt.Sprintf("block of %d is too long", long.Length)
	case errors.Is(err, errBadBlock):
		return "bad block"
	case errors.Is(err, drive.ErrPositionUnknown):
		return "position unknown"
	case err != nil:
		return "error " + err.Error()
	}
	return fmt.Sprintf("block %d of %d", binary.BigEndian.Uint64(p), len(p))
}

// script carries out random operations and returns what came of each.
func script(t *testing.T, f *fakeTape, depth int, seed uint64) []string {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	r := NewTapeReader(f, depth)
	defer r.Close()
	ctx := t.Context()
	lost := false // after an error only Locate is defined
	var all []string
	for range 60 {
		switch k := rnd.IntN(20); {
		case lost || k == 0:
			object := uint64(rnd.IntN(len(f.objects) + 2))
			all = append(all, fmt.Sprintf("locate %d: %s", object, worded(r.Locate(ctx, object))))
			lost = object > uint64(len(f.objects))
		case k == 1:
			n := 1 + rnd.IntN(3)
			all = append(all, fmt.Sprintf("space %d: %s", n, worded(r.SpaceFilemarks(ctx, n))))
		case k == 2:
			at, err := r.Position(ctx)
			all = append(all, fmt.Sprintf("position %d: %s", at, worded(err)))
		case k == 3:
			all = append(all, "long read: "+read(r, 2*testBlock))
		default:
			for range 1 + rnd.IntN(12) {
				got := read(r, testBlock)
				all = append(all, got)
				if lost = got == "bad block" || got == "position unknown"; lost {
					break
				}
			}
		}
	}
	return all
}

func worded(err error) string {
	if err == nil {
		return "done"
	}
	return result(nil, err)
}

// Reading ahead must not be seen: whatever is read, spaced and located gives the same with and without it.
func TestReadAheadChangesNothing(t *testing.T) {
	pictures := []string{
		"", "b", "|", "bbbbbbbbbbbbbbbbbbbbbbbbb", "bbbbbbbbbb|bbbbbbbbbbbb||bbbbb|b", "bbbbbb|bbbbxbbbbbbb|bbbbbbb|", "|||bbbbbbbbbbbbbbx|bbbbbbbxb|b",
		"bbbbbbbbLbbbbbbbb|bbbbLbb",
	}
	for seed := range uint64(300) {
		picture := pictures[seed%uint64(len(pictures))]
		depth := 1 + int(seed%9)
		plain := script(t, modelTape(picture), 0, seed)
		f := modelTape(picture)
		ahead := script(t, f, depth, seed)
		for i := range plain {
			if i >= len(ahead) || plain[i] != ahead[i] {
				t.Fatalf("tape %q, seed %d, depth %d, result %d: %q without, %q with reading ahead", picture, seed, depth, i, plain[i:], ahead[min(i, len(ahead)):])
			}
		}
		if f.overlap.Load() {
			t.Fatalf("tape %q, seed %d: two commands at the drive at once", picture, seed)
		}
	}
}

func FuzzReadAhead(f *testing.F) {
	f.Add("bbbbbbb|bbbbxb", uint64(1), byte(3))
	f.Fuzz(func(t *testing.T, picture string, seed uint64, depth byte) {
		if len(picture) > 60 {
			return
		}
		plain := script(t, modelTape(picture), 0, seed)
		ahead := script(t, modelTape(picture), 1+int(depth%16), seed)
		if fmt.Sprint(plain) != fmt.Sprint(ahead) {
			t.Errorf("without %q, with reading ahead %q", plain, ahead)
		}
	})
}

func TestReadAheadStopsAtFilemark(t *testing.T) {
	f := modelTape("bbbbbbbb|bbbbbbbbbb")
	r := NewTapeReader(f, 16)
	for i := range 6 {
		if got, want := read(r, testBlock), fmt.Sprintf("block %d of 16", i); got != want {
			t.Fatalf("read %q, want %q", got, want)
		}
	}
	r.Close()
	if f.furthest > 8 {
		t.Errorf("object %d was read, behind the filemark at 8", f.furthest)
	}
}

func TestReadAheadReadsAhead(t *testing.T) {
	f := modelTape("bbbbbbbbbbbbbbbbbbbb")
	r := NewTapeReader(f, 8)
	defer r.Close()
	for range readAheadAfter + 1 {
		read(r, testBlock)
	}
	for range 1000 {
		f.mu.Lock()
		far := f.furthest
		f.mu.Unlock()
		if far >= readAheadAfter+8 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("only %d objects were read", f.furthest)
}

func TestReaderHonoursContext(t *testing.T) {
	f := modelTape("bbbbbbbbbbbbbbbbbbbb")
	f.gate = make(chan struct{}, 1000)
	for range 6 { // five blocks and the position, then the drive hangs
		f.gate <- struct{}{}
	}
	r := NewTapeReader(f, 4)
	for range 5 {
		read(r, testBlock)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.ReadBlock(ctx, make([]byte, testBlock)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read from a drive that hangs: %v", err)
	}
	close(f.gate)
	if got := read(r, testBlock); got != "block 5 of 16" {
		t.Errorf("the next read gives %q", got)
	}
	r.Close()
	done, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.ReadBlock(done, make([]byte, testBlock)); !errors.Is(err, context.Canceled) {
		t.Errorf("read with a context that has ended: %v", err)
	}
	if err := r.SpaceFilemarks(done, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("space with a context that has ended: %v", err)
	}
	if err := r.SpaceFilemarks(t.Context(), 0); err == nil {
		t.Error("spacing over no filemark is accepted")
	}
}

func TestReaderDoesNotReadAheadFromUnknownPosition(t *testing.T) {
	f := &positionless{modelTape("bbbbbbbbbbbbbbbbbbbbbbbb")}
	r := NewTapeReader(f, 8)
	defer r.Close()
	for i := range 12 {
		if got, want := read(r, testBlock), fmt.Sprintf("block %d of 16", i); got != want {
			t.Fatalf("read %q, want %q", got, want)
		}
	}
	if r.ahead != nil {
		t.Error("the reader reads ahead although it could not come back")
	}
}

// positionless is a drive that does not know where it is.
type positionless struct{ *fakeTape }

func (p *positionless) Position(context.Context) (drive.Position, error) {
	return drive.Position{}, drive.ErrPositionUnknown
}

func TestReaderLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		f := modelTape("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
		r := NewTapeReader(f, 4)
		for range 8 {
			read(r, testBlock)
		}
		r.Close()
		r.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
