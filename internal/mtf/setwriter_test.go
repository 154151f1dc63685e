package mtf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// begin starts a set with a volume and a root directory.
func begin(t testing.TB, m *memTape) *SetWriter {
	t.Helper()
	ctx := context.Background()
	s, err := NewSetWriter(ctx, m, options(m, 1, nil))
	if err == nil {
		err = s.Volume(ctx, VolumeEntry{Device: "/"})
	}
	if err == nil {
		err = s.Directory(ctx, DirectoryEntry{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cancelReader cancels a context after n bytes.
type cancelReader struct {
	n      int
	cancel context.CancelFunc
}

func (c *cancelReader) Read(p []byte) (int, error) {
	n := min(len(p), c.n)
	if c.n -= n; c.n <= 0 {
		c.cancel()
	}
	for i := range p[:n] {
		p[i] = 'x'
	}
	return n, nil
}

func TestAbort(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before int // bytes of the open object that are written before the context is cancelled
		gone   bool
	}{{"object in memory", 100, true}, {"object partly written", 10000, false}} {
		t.Run(tc.name, func(t *testing.T) {
			m := newTape(t, 4096)
			s := begin(t, m)
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := s.File(ctx, FileEntry{Name: "good"}, 5, strings.NewReader("hello")); err != nil {
				t.Fatal(err)
			}
			_, err := s.File(ctx, FileEntry{Name: "open"}, 1<<40, &cancelReader{tc.before, cancel})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled file: %v", err)
			}
			if _, err := s.Finish(context.Background()); err == nil {
				t.Fatal("a set with an open object was finished")
			}
			if err := s.Directory(context.Background(), DirectoryEntry{Path: []string{"x"}}); err == nil {
				t.Error("a directory was written behind an open object")
			}
			res, err := s.Abort(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !res.Aborted || res.Files != 1 || res.NextObject != uint64(len(m.objects)) {
				t.Errorf("result %+v, %d objects", res, len(m.objects))
			}
			r := reader(t, m, res)
			nextNamed(t, r, "good")
			if _, err := r.WriteTo(io.Discard); err != nil {
				t.Error(err)
			}
			o, err := r.Next(context.Background())
			if tc.gone {
				if err != io.EOF {
					t.Errorf("behind the last complete file: %v, %v", o, err)
				}
			} else {
				n, err := r.WriteTo(io.Discard)
				var te *TruncatedError
				if !errors.As(err, &te) || te.Good != uint64(n) || n == 0 || n > int64(tc.before) || te.Path != "/open" {
					t.Errorf("%d bytes, %v", n, err)
				}
				if _, err := r.Next(context.Background()); !errors.As(err, &te) {
					t.Errorf("Next behind it: %v", err)
				}
			}
			end := walkOne(t, m)
			if !end.Aborted || len(end.SetMap) != 1 || end.SetMap[0].Files != 1 {
				t.Errorf("end %+v", end)
			}
		})
	}
}

// walkOne returns the end of the only set.
func walkOne(t testing.TB, m *memTape) *SetEnd {
	t.Helper()
	ctx := context.Background()
	m.pos = 2
	var end *SetEnd
	if _, err := WalkSets(ctx, m, CatalogOptions{PhysicalBlock: m.size}, func(i *SetInfo) error { end = i.End; return i.Err }); err != nil {
		t.Fatal(err)
	}
	if end == nil {
		t.Fatal("no set was found")
	}
	return end
}

func TestMediumErrorSticks(t *testing.T) {
	items := sampleItems(4096)
	whole := newTape(t, 4096)
	writeSet(t, whole, options(whole, 1, nil), items)
	for fail := 3; fail < len(whole.objects); fail += 5 {
		m := newTape(t, 4096)
		m.failAt = fail
		ctx := context.Background()
		s, err := NewSetWriter(ctx, m, options(m, 1, nil))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Volume(ctx, VolumeEntry{Device: "/"})
		for _, it := range items {
			if err != nil {
				break
			}
			if it.dir != nil {
				err = s.Directory(ctx, DirectoryEntry{Path: it.dir})
				continue
			}
			var res FileResult
			res, err = s.File(ctx, FileEntry{Name: it.name, LinkTarget: it.link}, it.size, it.source())
			if res.SourceError != nil {
				t.Errorf("fail at %d: source error %v", fail, res.SourceError)
			}
		}
		if err == nil {
			_, err = s.Finish(ctx)
		}
		if !errors.Is(err, errMedium) {
			t.Fatalf("fail at %d: %v", fail, err)
		}
		if _, err := s.Abort(ctx); err == nil {
			t.Errorf("fail at %d: Abort succeeded", fail)
		}
		if len(m.objects) != fail {
			t.Errorf("fail at %d: %d objects were written", fail, len(m.objects))
		}
	}
}

func TestSpool(t *testing.T) {
	for _, limit := range []int{spoolMemory, 300} {
		m := newTape(t, 65536)
		s := begin(t, m)
		s.fdd.limit = limit
		dir := t.TempDir()
		s.fdd.dir = dir
		ctx := context.Background()
		for i := range 2000 {
			if i%10 == 0 {
				if err := s.Directory(ctx, DirectoryEntry{Path: []string{fmt.Sprintf("d%d", i/10)}}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.File(ctx, FileEntry{Name: fmt.Sprintf("f%d", i)}, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("the spool is visible: %v, %v", left, err)
		}
		res, err := s.Finish(ctx)
		if err != nil || res.CatalogError != nil {
			t.Fatal(err, res.CatalogError)
		}
		checkLinks(t, m, res)
	}
}

// checkLinks verifies counts and the links between the entries of a detail with 200 directories of ten files each.
func checkLinks(t *testing.T, m *memTape, res SetResult) {
	t.Helper()
	ctx := context.Background()
	m.pos = int(res.ESETObject)
	c, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: m.size})
	if err != nil {
		t.Fatal(err)
	}
	start := c.left
	var dirs, files int
	var dirAt, sibling int32
	for {
		at := int32(start - c.left)
		e, err := c.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case IDDIRB:
			dirs++
			dirAt = at
			if e.Name == "\x00" {
				break
			}
			if sibling != 0 && sibling != at {
				t.Errorf("%q stands at %d, the sibling before links to %d", e.Name, at, sibling)
			}
			sibling = e.Link
		case IDFILE:
			files++
			if e.Link != dirAt {
				t.Errorf("%q links to %d, its directory is at %d", e.Name, e.Link, dirAt)
			}
		}
	}
	if sibling != 0 {
		t.Errorf("the last directory links to %d", sibling)
	}
	if dirs != 201 || files != 2000 {
		t.Errorf("%d directories, %d files", dirs, files)
	}
}

func TestSpoolFailure(t *testing.T) {
	m := newTape(t, 4096)
	s := begin(t, m)
	s.fdd.limit, s.fdd.dir = 10, "/nonexistent/folder"
	ctx := context.Background()
	for range 10 {
		if _, err := s.File(ctx, FileEntry{Name: "f"}, 3, strings.NewReader("abc")); err != nil {
			t.Fatal(err)
		}
	}
	res, err := s.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(res.CatalogError, os.ErrNotExist) {
		t.Errorf("catalog error %v", res.CatalogError)
	}
	end := walkOne(t, m)
	if !end.FDDAborted || end.FDDObject != 0 || len(end.SetMap) != 1 || end.SetMap[0].Files != 10 || end.SetMap[0].FDDObject != 0 {
		t.Errorf("end %+v", end)
	}
	r := reader(t, m, res)
	nextNamed(t, r, "f")
	if _, err := r.WriteTo(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestWriterRefuses(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	for name, change := range map[string]func(*SetOptions){
		"physical block":  func(o *SetOptions) { o.PhysicalBlock = 1000 },
		"logical block":   func(o *SetOptions) { o.FormatLogical = 2048 },
		"set number":      func(o *SetOptions) { o.SetNumber = 0 },
		"description":     func(o *SetOptions) { o.Description = strings.Repeat("d", 1000) },
		"full set map":    func(o *SetOptions) { o.SetMap = make([]SetMapEntry, 65535) },
		"too large block": func(o *SetOptions) { o.PhysicalBlock = MaxPhysicalBlock * 2 },
	} {
		o := options(m, 1, nil)
		change(&o)
		if _, err := NewSetWriter(ctx, m, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if len(m.objects) != 2 {
		t.Fatalf("%d objects were written by refused sets", len(m.objects))
	}
	s, err := NewSetWriter(ctx, m, options(m, 1, nil))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, limit bool) {
		t.Helper()
		if err == nil || errors.Is(err, ErrLimit) != limit {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("directory without volume", s.Directory(ctx, DirectoryEntry{}), false)
	_, err = s.File(ctx, FileEntry{Name: "f"}, 0, nil)
	check("file without directory", err, false)
	check("long device", s.Volume(ctx, VolumeEntry{Device: strings.Repeat("/x", 600)}), true)
	if err := s.Volume(ctx, VolumeEntry{Device: "/"}); err != nil {
		t.Fatal(err)
	}
	check("empty component", s.Directory(ctx, DirectoryEntry{Path: []string{"a", ""}}), false)
	check("NUL", s.Directory(ctx, DirectoryEntry{Path: []string{"a\x00b"}}), false)
	check("long path", s.Directory(ctx, DirectoryEntry{Path: []string{strings.Repeat("x", 33000)}}), true)
	if err := s.Directory(ctx, DirectoryEntry{}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []FileEntry{{}, {Name: "a\x00"}, {Name: strings.Repeat("x", MaxNameLength+1)}, {Name: "l", LinkTarget: strings.Repeat("x", MaxLinkLength+1)}} {
		_, err = s.File(ctx, f, 0, nil)
		check("file "+f.Name[:min(len(f.Name), 3)], err, true)
	}
	if _, err := s.File(ctx, FileEntry{Name: strings.Repeat("x", MaxNameLength)}, 0, nil); err != nil {
		t.Error(err)
	}
	if _, err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Finish(ctx); err == nil {
		t.Error("a closed set was finished again")
	}
	check("volume behind the end", s.Volume(ctx, VolumeEntry{Device: "/"}), false)
	check("header without software", WriteMediaHeader(ctx, m, 4096, MediaHeader{}), false)
}

// hostile sources.
type noProgress struct{}

func (noProgress) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 5, nil }

func TestHostileSources(t *testing.T) {
	for name, r := range map[string]io.Reader{"no progress": noProgress{}, "liar": liar{}} {
		for _, size := range []int64{10, -1} {
			m := newTape(t, 4096)
			s := begin(t, m)
			res, err := s.File(context.Background(), FileEntry{Name: "f"}, size, r)
			if err != nil || !res.Corrupt || res.SourceError == nil || res.Bytes != 0 {
				t.Errorf("%s size %d: %+v, %v", name, size, res, err)
			}
		}
	}
}

func TestMediaHeader(t *testing.T) {
	ctx := context.Background()
	for _, block := range []int{1024, 65536, 262144} {
		m := newTape(t, block)
		m.pos = 0
		h, err := ReadMediaHeader(ctx, m, make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		want := testHeader()
		want.Label.Tag, want.Label.Version, want.Label.Side = LabelTag, "1.0", "0"
		want.Label.Stamp, want.Date = want.Label.Stamp.Truncate(1e9), want.Date.Truncate(1e9)
		want.Sequence, want.VendorID, want.FormatLogicalBlock = 1, VendorTapectl, 1024
		want.HasLabel, want.Description, want.TapeFlags, want.Attributes = true, want.Label.String(), TapeMediaLabel, AttrSetMapExists|AttrFDDAllowed
		want.PhysicalBlock, want.NextObject = block, 2
		want.Raw = h.Raw
		if d := cmp.Diff(want, *h); d != "" {
			t.Error(d)
		}
		if !bytes.HasPrefix(m.objects[0], h.Raw) || len(h.Raw) < 94 {
			t.Error("Raw is not the beginning of the medium")
		}
	}
}

func TestMediaHeaderForeign(t *testing.T) {
	ctx := context.Background()
	good := newTape(t, 4096)
	damaged := append([]byte(nil), good.objects[0]...)
	damaged[120] ^= 1
	for name, tc := range map[string]struct {
		objects [][]byte
		notMTF  bool
	}{
		"tar":          {[][]byte{bytes.Repeat([]byte("ustar "), 100)}, true},
		"filemark":     {[][]byte{nil}, true},
		"other block":  {[][]byte{newSetBlock(t)}, true},
		"short":        {[][]byte{[]byte("TAPE")}, true},
		"damaged name": {[][]byte{damaged, nil}, false},
		"blank":        {nil, false},
	} {
		m := &memTape{size: 4096, objects: tc.objects}
		h, err := ReadMediaHeader(ctx, m, make([]byte, 4096))
		if h != nil || err == nil || errors.Is(err, ErrNotMTF) != tc.notMTF {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	m := &memTape{size: 4096, objects: good.objects[:1]}
	if h, err := ReadMediaHeader(ctx, m, make([]byte, 4096)); h == nil || !errors.Is(err, ErrEndOfData) {
		t.Errorf("header without filemark: %v, %v", h, err)
	}
}

func newSetBlock(t *testing.T) []byte {
	m := newTape(t, 4096)
	writeSet(t, m, options(m, 1, nil), nil)
	return m.objects[2]
}
