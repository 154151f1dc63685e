package mtfcheck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tapectl/internal/mtf"
)

// tape is a medium in memory; nil is a filemark.
type tape [][]byte

func (t *tape) WriteBlock(_ context.Context, p []byte) error {
	*t = append(*t, append([]byte(nil), p...))
	return nil
}

func (t *tape) WriteFilemark(context.Context) error {
	*t = append(*t, nil)
	return nil
}

func (t tape) at(object uint64) ([]byte, bool, bool) {
	if object >= uint64(len(t)) {
		return nil, false, false
	}
	return t[object], t[object] == nil, true
}

var stamp = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

// wanted is a file that must be found.
type wanted struct {
	path    string
	data    []byte
	corrupt bool
	link    string
}

func data(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// writer builds a tape set by set.
type writer struct {
	t      testing.TB
	tape   tape
	block  int
	flb    int
	sums   bool
	setMap []mtf.SetMapEntry
	number uint16
	files  []wanted
}

func newWriter(t testing.TB, block, flb int, sums bool) *writer {
	w := &writer{t: t, block: block, flb: flb, sums: sums}
	err := mtf.WriteMediaHeader(context.Background(), &w.tape, block, mtf.MediaHeader{FamilyID: 77, Software: "tapectl", Date: stamp,
		CatalogType: 1, FormatLogicalBlock: uint16(flb), Label: mtf.MediaLabel{Vendor: "tapectl", Product: "1", Stamp: stamp, CartridgeLabel: "A00001L6"}})
	w.must(err)
	return w
}

func (w *writer) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) begin() *mtf.SetWriter {
	w.t.Helper()
	w.number++
	s, err := mtf.NewSetWriter(context.Background(), &w.tape, mtf.SetOptions{PhysicalBlock: w.block, FormatLogical: w.flb, FamilyID: 77, Sequence: 1,
		SetNumber: w.number, SSETObject: uint64(len(w.tape)), Name: fmt.Sprintf("set %d", w.number), Description: "test", User: "root",
		Created: stamp, SetMap: w.setMap, Checksums: w.sums})
	w.must(err)
	return s
}

func (w *writer) file(s *mtf.SetWriter, dir, name string, size int64, p []byte, fail error, link string) {
	w.t.Helper()
	var r io.Reader = bytes.NewReader(p)
	if fail != nil {
		r = io.MultiReader(r, iotest.ErrReader(fail))
	}
	res, err := s.File(context.Background(), mtf.FileEntry{Name: name, LinkTarget: link, Meta: mtf.Metadata{Mode: 0o100600, ModTime: stamp}}, size, r)
	w.must(err)
	if n := int(size) - len(p); n > 0 {
		p = append(append([]byte(nil), p...), make([]byte, n)...)
	}
	w.files = append(w.files, wanted{path: strings.ReplaceAll("/src/"+dir+"/"+name, "//", "/"), data: p, corrupt: res.Corrupt, link: link})
}

// set writes one set with everything that a set can hold.
func (w *writer) set(scale int) {
	ctx := context.Background()
	s := w.begin()
	w.must(s.Volume(ctx, mtf.VolumeEntry{Device: "/src", Machine: "host", Created: stamp}))
	w.must(s.Directory(ctx, mtf.DirectoryEntry{Meta: mtf.Metadata{Mode: 0o40755, ModTime: stamp}}))
	w.file(s, "", "empty", 0, nil, nil, "")
	w.file(s, "", "link", 0, nil, nil, "/the/target")
	deep := strings.Repeat("deep directory/", 60) + "end"
	for i, dir := range []string{"a", "a/b", "a/b/c", "a/d", "e", "e/f", deep, "z"} {
		w.must(s.Directory(ctx, mtf.DirectoryEntry{Path: strings.Split(dir, "/")}))
		w.file(s, dir, "file", int64(scale+i), data(int64(i), scale+i), nil, "")
		w.file(s, dir, strings.Repeat("l", 400), 9, []byte("long name"), nil, "")
		w.file(s, dir, "stream", -1, data(int64(i), scale*i), nil, "")
	}
	w.must(s.Volume(ctx, mtf.VolumeEntry{Device: "/src", Label: "again"}))
	w.must(s.Directory(ctx, mtf.DirectoryEntry{Path: []string{"second"}}))
	w.file(s, "second", "short", 3000, []byte("xyz"), nil, "")
	w.file(s, "second", "bad", 3000, data(3, 2000), errors.New("unreadable"), "")
	w.file(s, "second", "bad stream", -1, data(3, 2000), errors.New("unreadable"), "")
	res, err := s.Finish(ctx)
	w.must(err)
	w.setMap = res.SetMap
}

func TestGoodTapes(t *testing.T) {
	for _, tc := range []struct {
		block, flb int
		sums       bool
	}{{512, 512, false}, {1024, 1024, true}, {4096, 512, false}, {4096, 1024, true}, {65536, 1024, false}, {262144, 1024, true}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			w := newWriter(t, tc.block, tc.flb, tc.sums)
			w.set(100)
			w.set(5000)
			w.set(70000)
			rep, err := Check(w.tape.at)
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Sets) != 3 || rep.Objects != uint64(len(w.tape)) || rep.PhysicalBlock != tc.block || rep.FormatLogical != tc.flb {
				t.Errorf("report %+v", rep)
			}
			compare(t, rep, w.files)
		})
	}
}

func compare(t *testing.T, rep *Report, want []wanted) {
	t.Helper()
	for _, s := range rep.Sets {
		for _, f := range s.Files {
			if len(want) == 0 {
				t.Fatalf("%s was not written", f.Path)
			}
			sum := sha256.Sum256(want[0].data)
			if want[0].link != "" {
				sum = sha256.Sum256([]byte(want[0].link))
			}
			if f.Path != want[0].path || f.SHA256 != sum || f.Corrupt != want[0].corrupt || f.Link != want[0].link || f.Size != uint64(len(want[0].data)) {
				t.Errorf("found %+v, want %s of %d bytes", f, want[0].path, len(want[0].data))
			}
			want = want[1:]
		}
	}
	if len(want) != 0 {
		t.Errorf("%d files are missing, first %s", len(want), want[0].path)
	}
}

// stopReader cancels when it has given n bytes.
type stopReader struct {
	n    int
	stop func()
}

func (r *stopReader) Read(p []byte) (int, error) {
	p = p[:min(len(p), r.n)]
	for i := range p {
		p[i] = 1
	}
	if r.n -= len(p); r.n <= 0 {
		r.stop()
	}
	return len(p), nil
}

func TestAbortedSets(t *testing.T) {
	for _, n := range []int{10, 20000} {
		w := newWriter(t, 4096, 1024, false)
		w.set(100)
		s := w.begin()
		ctx, cancel := context.WithCancel(context.Background())
		w.must(s.Volume(ctx, mtf.VolumeEntry{Device: "/src"}))
		w.must(s.Directory(ctx, mtf.DirectoryEntry{}))
		w.file(s, "", "whole", 6, []byte("abcdef"), nil, "")
		if _, err := s.File(ctx, mtf.FileEntry{Name: "open"}, 1<<30, &stopReader{n, cancel}); err == nil {
			t.Fatal("the file was completed")
		}
		res, err := s.Abort(context.Background())
		w.must(err)
		w.setMap = res.SetMap
		w.set(200)
		rep, err := Check(w.tape.at)
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Sets) != 3 || !rep.Sets[1].Aborted || rep.Sets[1].Truncated != (n > 4096) || rep.Sets[0].Aborted {
			t.Errorf("sets %+v", rep.Sets[1])
		}
		compare(t, rep, w.files)
	}
}

// TestEveryFlip changes one bit of every byte of a small tape, one after another: none goes unnoticed.
func TestEveryFlip(t *testing.T) {
	w := newWriter(t, 2048, 1024, true)
	ctx := context.Background()
	s := w.begin()
	w.must(s.Volume(ctx, mtf.VolumeEntry{Device: "/src", Label: "l", Machine: "host"}))
	w.must(s.Directory(ctx, mtf.DirectoryEntry{Path: []string{"d"}}))
	w.file(s, "d", "f", 700, data(1, 700), nil, "")
	w.file(s, "d", strings.Repeat("n", 500), -1, []byte("stream"), nil, "")
	w.file(s, "d", "link", 0, nil, nil, "target")
	w.file(s, "d", "short", 10, []byte("1"), nil, "")
	_, err := s.Finish(ctx)
	w.must(err)
	if _, err := Check(w.tape.at); err != nil {
		t.Fatal(err)
	}
	for k, b := range w.tape {
		for i := range b {
			b[i] ^= 1 << (i % 8)
			_, err := Check(w.tape.at)
			b[i] ^= 1 << (i % 8)
			if err == nil {
				t.Errorf("object %d offset %d: bit %d changed, not noticed", k, i, i%8)
			}
		}
	}
}

// TestStructuralDamage shows that each kind of damage is named.
func TestStructuralDamage(t *testing.T) {
	w := newWriter(t, 4096, 1024, true)
	w.set(5000)
	first := len(w.tape)
	w.set(100)
	cut := func(from, to int) tape { return append(append(tape(nil), w.tape[:from]...), w.tape[to:]...) }
	twice := func(k int) tape {
		return append(append(append(tape(nil), w.tape[:k+1]...), w.tape[k]), w.tape[k+1:]...)
	}
	swap := append(tape(nil), w.tape...)
	swap[5], swap[6] = swap[6], swap[5]
	short := append(tape(nil), w.tape...)
	short[7] = short[7][:1024]
	for _, tc := range []struct {
		name string
		tape tape
		want string
	}{
		{"no media header", w.tape[2:], "object 0"},
		{"block lost", cut(5, 6), "object"},
		{"block twice", twice(6), "object"},
		{"blocks swapped", swap, "object"},
		{"short block", short, "block of 1024 bytes"},
		{"first filemark lost", cut(1, 2), "filemark is missing"},
		{"last filemark lost", w.tape[:len(w.tape)-1], "without a filemark"},
		{"filemark too much", append(append(tape(nil), w.tape...), nil), "where a data set begins"},
		{"first set lost", cut(2, first), "PBA"},
		{"set twice", append(append(tape(nil), w.tape...), w.tape[first:]...), "PBA"},
		{"end of set lost", w.tape[:first-2], "without a filemark"},
		{"blank", nil, "no media header"},
	} {
		_, err := Check(tc.tape.at)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	w := newWriter(f, 1024, 1024, false)
	ctx := context.Background()
	s := w.begin()
	w.must(s.Volume(ctx, mtf.VolumeEntry{Device: "/src"}))
	w.must(s.Directory(ctx, mtf.DirectoryEntry{Path: []string{"d"}}))
	w.file(s, "d", "f", 700, data(1, 700), nil, "")
	_, err := s.Finish(ctx)
	w.must(err)
	want, err := Check(w.tape.at)
	w.must(err)
	f.Add([]byte{3, 8, 0, 9})
	f.Fuzz(func(t *testing.T, edits []byte) {
		c := append(tape(nil), w.tape...)
		for ; len(edits) >= 4; edits = edits[4:] {
			k := int(edits[0]) % len(c)
			if c[k] == nil {
				continue
			}
			c[k] = append([]byte(nil), c[k]...)
			c[k][int(edits[1])|int(edits[2])<<8&0x300] = edits[3]
		}
		got, err := Check(c.at)
		if err == nil && (len(got.Sets) != 1 || len(got.Sets[0].Files) != 1 || got.Sets[0].Files[0].SHA256 != want.Sets[0].Files[0].SHA256) {
			t.Fatalf("a damaged tape was accepted with other contents: %+v", got)
		}
	})
}
