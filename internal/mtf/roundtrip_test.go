package mtf

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

	"github.com/google/go-cmp/cmp"
)

var stamp = time.Date(2026, 3, 4, 5, 6, 7, 890123456, time.UTC)

// item is one directory or file of a test set. size is what is announced; data is what the source holds.
type item struct {
	dir  []string
	name string
	link string
	size int64
	data []byte
	err  error // the source fails with it behind data
}

func random(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

func sampleItems(block int) []item {
	long := strings.Repeat("n", 255)
	deep := strings.Split(strings.TrimSuffix(strings.Repeat("component-of-a-deep-path/", 40), "/"), "/")
	items := []item{
		{dir: []string{}},
		{name: "empty"},
		{name: "one", size: 1, data: []byte{7}},
		{name: "grüße 😀.txt", size: 5, data: []byte("hello")},
		{name: "latin1-\xe9\xff", size: 3, data: []byte("abc")},
		{name: "link", link: "../target of the link"},
		{dir: []string{"a"}},
		{name: "block", size: int64(block), data: random(1, block)},
		{name: long, size: 100, data: random(2, 100)},
		{dir: []string{"a", "b"}},
		{name: "big", size: int64(5*block + 13), data: random(3, 5*block+13)},
		{dir: []string{"c"}},
		{name: "stdin", size: -1, data: random(4, variablePiece+4097)},
		{name: "stdin-empty", size: -1},
		{name: "stdin-piece", size: -1, data: random(5, variablePiece)},
		{dir: deep},
		{name: "deep", size: 2000, data: random(6, 2000)},
	}
	for i := range 40 {
		items = append(items, item{name: fmt.Sprintf("pad-%d", i), size: int64(1000 + i), data: random(int64(i), 1000+i)})
	}
	return items
}

func (i item) source() io.Reader {
	var r io.Reader = iotest.OneByteReader(bytes.NewReader(i.data))
	if len(i.data) > 100 {
		r = bytes.NewReader(i.data)
	}
	if i.err != nil {
		r = io.MultiReader(r, iotest.ErrReader(i.err))
	}
	return r
}

func meta(i int) Metadata {
	return Metadata{Mode: 0o100644, UID: uint32(1000 + i), GID: 100, ModTime: stamp.Add(time.Duration(i) * time.Second)}
}

func testHeader() MediaHeader {
	return MediaHeader{FamilyID: 0x11223344, Software: "tapectl test", Date: stamp, CatalogType: 1, Name: "tape 1",
		Label: MediaLabel{Vendor: "tapectl", Product: "1.2.3", Stamp: stamp, CartridgeLabel: "ABC123L6",
			MediaID: "{c5dd3d54-d495-4139-9212-e9fb72e2cf27}", DomainID: "{42bb9f73-f162-429b-93d3-e4a1fd257c7a}"}}
}

func options(m *memTape, number uint16, setMap []SetMapEntry) SetOptions {
	return SetOptions{PhysicalBlock: m.size, FamilyID: 0x11223344, Sequence: 1, SetNumber: number, SSETObject: uint64(m.pos),
		SetID: [16]byte{1, 2, 3, byte(number)}, Name: "set", Description: "the description", User: "root", Machine: "host",
		Created: stamp, SetMap: setMap}
}

// writeSet writes items as one set and returns the results of the files.
func writeSet(t testing.TB, w BlockWriter, o SetOptions, items []item) (SetResult, []FileResult) {
	t.Helper()
	ctx := context.Background()
	s, err := NewSetWriter(ctx, w, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Volume(ctx, VolumeEntry{Device: "/srv/data", Label: "data", Machine: "host", Created: stamp}); err != nil {
		t.Fatal(err)
	}
	var results []FileResult
	for i, it := range items {
		if it.dir != nil {
			if err := s.Directory(ctx, DirectoryEntry{Path: it.dir, Meta: meta(i)}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		r, err := s.File(ctx, FileEntry{Name: it.name, Meta: meta(i), LinkTarget: it.link}, it.size, it.source())
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	res, err := s.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return res, results
}

// newTape returns a medium with a media header.
func newTape(t testing.TB, block int) *memTape {
	t.Helper()
	m := &memTape{size: block}
	h := testHeader()
	if block < DefaultFormatLogicalBlock {
		h.FormatLogicalBlock = 512
	}
	if err := WriteMediaHeader(context.Background(), m, block, h); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	for _, tc := range []struct {
		block, flb int
		lend, csum bool
	}{{512, 512, false, false}, {1024, 1024, false, true}, {1024, 512, true, false}, {4096, 1024, false, true},
		{65536, 1024, true, true}, {262144, 1024, true, false}, {262144, 512, false, false}, {1 << 20, 1024, true, false}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			m := newTape(t, tc.block)
			var w BlockWriter = m
			l := &lendingTape{memTape: m}
			if tc.lend {
				w = l
			}
			items := sampleItems(tc.block)
			o := options(m, 1, nil)
			o.FormatLogical, o.Checksums = tc.flb, tc.csum
			res, files := writeSet(t, w, o, items)
			if l.foreign > 0 {
				t.Errorf("%d blocks were not in the lent buffer", l.foreign)
			}
			if res.NextObject != uint64(len(m.objects)) {
				t.Errorf("NextObject is %d, the medium holds %d objects", res.NextObject, len(m.objects))
			}
			checkBody(t, m, tc.flb, res, items, files, false)
			checkBody(t, m, tc.flb, res, items, files, true)
			checkCatalog(t, m, tc.flb, res, items, files)
		})
	}
}

// checkBody reads a set back and compares everything.
func checkBody(t *testing.T, m *memTape, flb int, res SetResult, items []item, files []FileResult, byRead bool) {
	t.Helper()
	ctx := context.Background()
	r, err := NewSetReader(ctx, m, SetReaderOptions{PhysicalBlock: m.size, FormatLogical: flb, SSETObject: res.SSETObject})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := r.Next(ctx); err != nil || o.Type != IDVOLB || o.Volume.Device != "/srv/data" || o.Volume.Machine != "host" {
		t.Fatalf("volume: %+v, %v", o, err)
	}
	var dir []string
	n := 0
	for i, it := range items {
		o, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		want := append(append([]string(nil), dir...), it.name)
		if it.dir != nil {
			dir, want = it.dir, it.dir
		}
		if strings.Join(want, "|") != strings.Join(o.Path, "|") || o.Orphan {
			t.Fatalf("path is %q, want %q (orphan %v)", o.Path, want, o.Orphan)
		}
		if d := cmp.Diff(meta(i), o.Meta); d != "" || !o.HasMeta {
			t.Errorf("%s: metadata: %s", o, d)
		}
		if !o.Modified.Equal(meta(i).ModTime.Truncate(time.Second)) {
			t.Errorf("%s: modified %v", o, o.Modified)
		}
		if it.dir != nil {
			continue
		}
		if o.LinkTarget != it.link || o.FLA != files[n].FLA {
			t.Errorf("%s: link %q FLA %d, want %q %d", o, o.LinkTarget, o.FLA, it.link, files[n].FLA)
		}
		var data []byte
		if byRead {
			data, err = io.ReadAll(readOnly{r})
		} else {
			var b bytes.Buffer
			_, err = r.WriteTo(&b)
			data = b.Bytes()
		}
		if err != nil {
			t.Errorf("%s: %v", o, err)
		}
		if !bytes.Equal(data, it.data) {
			t.Errorf("%s: %d bytes differ from the %d written", o, len(data), len(it.data))
		}
		n++
	}
	if _, err := r.Next(ctx); err != io.EOF {
		t.Errorf("behind the body: %v", err)
	}
	if p, _ := m.Position(ctx); p != res.ESETObject {
		t.Errorf("behind the body the medium stands at %d, ESET is at %d", p, res.ESETObject)
	}
}

// readOnly hides WriteTo.
type readOnly struct{ r io.Reader }

func (r readOnly) Read(p []byte) (int, error) { return r.r.Read(p) }

func checkCatalog(t *testing.T, m *memTape, flb int, res SetResult, items []item, files []FileResult) {
	t.Helper()
	ctx := context.Background()
	o := CatalogOptions{PhysicalBlock: m.size, FormatLogical: flb}
	if err := m.Locate(ctx, res.ESETObject); err != nil {
		t.Fatal(err)
	}
	c, err := ReadCatalog(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := c.Next(ctx); err != nil || e.Type != IDVOLB || e.Device != "/srv/data" || e.Volume != "data" {
		t.Fatalf("catalog volume: %+v, %v", e, err)
	}
	var dir []string
	n := 0
	for i, it := range items {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("catalog item %d: %v", i, err)
		}
		want := append(append([]string(nil), dir...), it.name)
		if it.dir != nil {
			dir, want = it.dir, it.dir
		}
		if strings.Join(want, "|") != strings.Join(c.Path(), "|") {
			t.Fatalf("catalog path is %q, want %q", c.Path(), want)
		}
		mt, sum, ok := e.Meta()
		if !ok || cmp.Diff(meta(i), mt) != "" {
			t.Errorf("%q: catalog metadata %+v", want, mt)
		}
		if it.dir != nil {
			continue
		}
		if e.FLA != files[n].FLA || e.Size != uint64(len(it.data)) || sum != files[n].TapeSHA256 {
			t.Errorf("%q: catalog FLA %d size %d, want %d %d", want, e.FLA, e.Size, files[n].FLA, len(it.data))
		}
		n++
	}
	if _, err := c.Next(ctx); err != io.EOF {
		t.Errorf("end of the detail: %v", err)
	}
	sets, err := c.SetMap(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(res.SetMap, sets); d != "" {
		t.Error("set map:", d)
	}
	end, err := c.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if end.NextObject != res.NextObject || end.FDDObject != res.FDDObject || end.TSMPObject != res.TSMPObject || end.Aborted {
		t.Errorf("end of set %+v, want %+v", end, res)
	}
	if p, _ := m.Position(ctx); p != res.NextObject {
		t.Errorf("behind the set the medium stands at %d, want %d", p, res.NextObject)
	}
}

func TestFileResults(t *testing.T) {
	bad := errors.New("input/output error")
	body := random(9, 5000)
	zeros := append(append([]byte(nil), body...), make([]byte, 3000)...)
	for _, tc := range []struct {
		name    string
		it      item
		want    FileResult
		data    []byte
		corrupt *CorruptError
	}{
		{"exact", item{size: 5000, data: body}, FileResult{SHA256: sha256.Sum256(body), TapeSHA256: sha256.Sum256(body), Bytes: 5000}, body, nil},
		{"grew", item{size: 4000, data: body}, FileResult{SHA256: sha256.Sum256(body[:4000]), TapeSHA256: sha256.Sum256(body[:4000]),
			Bytes: 4000, Grew: true}, body[:4000], nil},
		{"shorter", item{size: 8000, data: body}, FileResult{SHA256: sha256.Sum256(body), TapeSHA256: sha256.Sum256(zeros), Bytes: 5000,
			Corrupt: true, CorruptFrom: 5000}, zeros, &CorruptError{Path: "/f", Offset: 5000, Attributes: CorruptLengthChanged}},
		{"fails", item{size: 8000, data: body, err: bad}, FileResult{SHA256: sha256.Sum256(body), TapeSHA256: sha256.Sum256(zeros), Bytes: 5000,
			Corrupt: true, CorruptFrom: 5000, SourceError: bad}, zeros, &CorruptError{Path: "/f", Offset: 5000, Attributes: CorruptUnreadable}},
		{"stdin fails", item{size: -1, data: body, err: bad}, FileResult{SHA256: sha256.Sum256(body), TapeSHA256: sha256.Sum256(body), Bytes: 5000,
			Corrupt: true, CorruptFrom: 5000, SourceError: bad}, body, &CorruptError{Path: "/f", Offset: 5000, Attributes: CorruptUnreadable}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newTape(t, 4096)
			tc.it.name = "f"
			after := item{name: "after", size: 3, data: []byte("xyz")}
			res, files := writeSet(t, m, options(m, 1, nil), []item{{dir: []string{}}, tc.it, after})
			got := files[0]
			if !errors.Is(got.SourceError, tc.want.SourceError) {
				t.Errorf("source error %v, want %v", got.SourceError, tc.want.SourceError)
			}
			tc.want.FLA, got.SourceError, tc.want.SourceError = got.FLA, nil, nil
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if want := uint32(len(files)); res.Files != want || (res.CorruptFiles == 1) != (tc.corrupt != nil) {
				t.Errorf("%d files, %d corrupt", res.Files, res.CorruptFiles)
			}
			r := reader(t, m, res)
			nextNamed(t, r, "f")
			var b bytes.Buffer
			_, err := r.WriteTo(&b)
			var ce *CorruptError
			if errors.As(err, &ce) != (tc.corrupt != nil) || cmp.Diff(tc.corrupt, ce) != "" {
				t.Errorf("read: %v, want %v", err, tc.corrupt)
			}
			if !bytes.Equal(b.Bytes(), tc.data) {
				t.Errorf("data of %d bytes, want %d", b.Len(), len(tc.data))
			}
			nextNamed(t, r, "after")
			if _, err := r.WriteTo(io.Discard); err != nil {
				t.Errorf("the file after it: %v", err)
			}
		})
	}
}

func reader(t testing.TB, m BlockReader, res SetResult) *SetReader {
	t.Helper()
	size := 0
	switch m := m.(type) {
	case *memTape:
		size = m.size
	case *lendingTape:
		size = m.size
	}
	r, err := NewSetReader(context.Background(), m, SetReaderOptions{PhysicalBlock: size, SSETObject: res.SSETObject})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nextNamed goes forward to the file with a name.
func nextNamed(t testing.TB, r *SetReader, name string) *Object {
	t.Helper()
	for {
		o, err := r.Next(context.Background())
		if err != nil {
			t.Fatalf("look for %s: %v", name, err)
		}
		if o.Type == IDFILE && o.Path[len(o.Path)-1] == name {
			return o
		}
	}
}
