package mtf

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// badTape fails to read one block, or to position.
type badTape struct {
	*memTape
	bad        int
	noLocate   bool
	noPosition bool
	wrong      int // ReadBlock returns this length
}

var errRead = errors.New("unrecovered read error")

func (b *badTape) ReadBlock(ctx context.Context, p []byte) (int, error) {
	if b.pos == b.bad {
		return 0, errRead
	}
	if b.wrong != 0 {
		return b.wrong, nil
	}
	return b.memTape.ReadBlock(ctx, p)
}

func (b *badTape) Locate(ctx context.Context, object uint64) error {
	if b.noLocate {
		return errRead
	}
	return b.memTape.Locate(ctx, object)
}

func (b *badTape) Position(ctx context.Context) (uint64, error) {
	if b.noPosition {
		return 0, errRead
	}
	return b.memTape.Position(ctx)
}

// TestUnreadableBlock goes on behind a block that the drive cannot read: only the files in it are lost.
func TestUnreadableBlock(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	res, files := writeSet(t, m, options(m, 1, nil), sampleItems(4096))
	for bad := int(res.SSETObject) + 1; bad < int(res.ESETObject)-1; bad += 7 {
		b := &badTape{memTape: m, bad: bad}
		r, err := NewSetReader(ctx, b, SetReaderOptions{PhysicalBlock: 4096, SSETObject: res.SSETObject})
		if err != nil {
			t.Fatal(err)
		}
		good, failed := 0, 0
		for {
			o, err := r.Next(ctx)
			if err == nil && o.Type == IDFILE {
				if _, err = r.WriteTo(io.Discard); err == nil {
					good++
				}
			}
			if err == io.EOF {
				break
			}
			if errors.Is(err, errRead) {
				if failed++; failed > 1 {
					t.Fatalf("block %d: failed again", bad)
				}
				if err := r.Resume(ctx, uint64(bad)+1); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A block of 4096 bytes holds at most four objects and part of a fifth.
		if failed != 1 || good < len(files)-5 {
			t.Errorf("block %d: %d failures, %d of %d files good", bad, failed, good, len(files))
		}
	}
}

func TestMediumFailures(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	res, _ := writeSet(t, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "big", size: 400 * 4096, data: random(1, 400*4096)}})
	o := SetReaderOptions{PhysicalBlock: 4096, SSETObject: res.SSETObject}
	check := func(what string, err error, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := NewSetReader(ctx, &badTape{memTape: m, noLocate: true}, o)
	check("locate", err, errRead)
	_, err = NewSetReader(ctx, &badTape{memTape: m, bad: int(res.SSETObject)}, o)
	check("SSET unreadable", err, errRead)
	for _, n := range []int{-1, 5000} {
		_, err = NewSetReader(ctx, &badTape{memTape: m, wrong: n}, o)
		if !isFormat(err) {
			t.Errorf("a reader that returns %d: %v", n, err)
		}
	}
	b := &badTape{memTape: m, noPosition: true}
	_, err = ReadMediaHeader(ctx, b, make([]byte, 4096))
	check("position for the media header", err, errRead)
	_, err = ReadCatalog(ctx, b, CatalogOptions{PhysicalBlock: 4096})
	check("position for the catalog", err, errRead)
	_, err = WalkSets(ctx, b, CatalogOptions{PhysicalBlock: 4096}, nil)
	check("position for the sets", err, errRead)
	m.pos = 2
	_, err = WalkSets(ctx, &badTape{memTape: m, bad: 2}, CatalogOptions{PhysicalBlock: 4096}, nil)
	check("SSET unreadable for the sets", err, errRead)
	m.pos = 2
	_, err = WalkSets(ctx, &badTape{memTape: m, bad: int(res.TSMPObject)}, CatalogOptions{PhysicalBlock: 4096}, nil)
	check("set map unreadable", err, errRead)
	// The big file is passed over by positioning, which fails.
	b = &badTape{memTape: m}
	r, err := NewSetReader(ctx, b, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.noLocate = true
	_, err = r.Next(ctx)
	check("positioning behind the big file", err, errRead)
}

func TestReaderRefuses(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	res, files := writeSet(t, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "f", size: 3, data: []byte("abc")}})
	for what, o := range map[string]SetReaderOptions{
		"media header":   {PhysicalBlock: 4096},
		"filemark":       {PhysicalBlock: 4096, SSETObject: 1},
		"end of set":     {PhysicalBlock: 4096, SSETObject: res.ESETObject},
		"end of data":    {PhysicalBlock: 4096, SSETObject: res.NextObject},
		"physical block": {PhysicalBlock: 4000, SSETObject: 2},
	} {
		if _, err := NewSetReader(ctx, m, o); err == nil {
			t.Errorf("%s: was read as a set", what)
		}
	}
	m.pos = int(res.SSETObject)
	if _, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: 4096}); !isFormat(err) {
		t.Errorf("catalog at the SSET: %v", err)
	}
	if _, err := ReadSetEnd(ctx, m, CatalogOptions{PhysicalBlock: 100}); err == nil {
		t.Error("an impossible physical block was accepted")
	}
	r := reader(t, m, res)
	if _, err := r.WriteTo(io.Discard); err == nil {
		t.Error("data without a file")
	}
	if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("data without a file: %v", err)
	}
	if r.SHA256() != [32]byte{} {
		t.Error("a digest without a file")
	}
	nextNamed(t, r, "f")
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing: %d, %v", n, err)
	}
	if n, err := r.WriteTo(io.Discard); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if r.SHA256() != sha256.Sum256([]byte("abc")) || r.SHA256() != files[0].TapeSHA256 {
		t.Error("the digest of the file is another one")
	}
	if err := r.Resume(ctx, 0); err == nil {
		t.Error("resumed before the set")
	}
}

func TestWithoutCatalog(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	o := options(m, 1, nil)
	o.NoCatalog = true
	items := sampleItems(4096)
	res, files := writeSet(t, m, o, items)
	checkBody(t, m, 1024, res, items, files, false)
	end := walkOne(t, m)
	if end.FDDObject != 0 || end.TSMPObject != 0 || end.SetMap != nil || end.SetMapError != nil || end.NextObject != uint64(len(m.objects)) {
		t.Errorf("%+v", end)
	}
	m.pos = int(res.ESETObject)
	c, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(ctx); err != io.EOF {
		t.Errorf("an entry without a catalog: %v", err)
	}
}

// TestSpoolUnreadable: a spool that cannot be read back costs the detail, not the set.
func TestSpoolUnreadable(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	s := begin(t, m)
	s.fdd.limit = 500
	for range 50 {
		if _, err := s.File(ctx, FileEntry{Name: "f"}, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s.fdd.file == nil {
		t.Fatal("the spool is still in memory")
	}
	s.fdd.file.Close()
	s.fdd.limit = 1 << 20
	res, err := s.Finish(ctx)
	if err != nil || res.CatalogError == nil || res.FDDObject != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	end := walkOne(t, m)
	if !end.FDDAborted || len(end.SetMap) != 1 || end.SetMap[0].Files != 50 {
		t.Errorf("%+v", end)
	}
	m.pos = int(res.ESETObject)
	c, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := c.Next(ctx); !isFormat(err) {
		t.Errorf("an entry of a lost detail: %+v, %v", e, err)
	}
}

func TestProgress(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	s := begin(t, m)
	if _, err := s.File(ctx, FileEntry{Name: "f"}, 10000, strings.NewReader(strings.Repeat("x", 10000))); err != nil {
		t.Fatal(err)
	}
	if s.Bytes() != 10000 || s.BlocksWritten() != uint64(len(m.objects)-2) || s.BlocksWritten() < 2 {
		t.Errorf("%d bytes, %d blocks of %d", s.Bytes(), s.BlocksWritten(), len(m.objects)-2)
	}
	res, err := s.File(ctx, FileEntry{Name: "grows from nothing"}, 0, strings.NewReader("x"))
	if err != nil || !res.Grew || res.Bytes != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// stingy lends buffers that are too short.
type stingy struct{ *memTape }

func (stingy) Block() []byte { return make([]byte, 100) }

func TestLentBufferTooShort(t *testing.T) {
	m := newTape(t, 4096)
	if _, err := NewSetWriter(context.Background(), stingy{m}, options(m, 1, nil)); err == nil {
		t.Error("a buffer of 100 bytes was taken for a block")
	}
	if len(m.objects) != 2 {
		t.Errorf("%d objects", len(m.objects))
	}
}

// TestMessages: the operator must see which object, where and why.
func TestMessages(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want []string
	}{
		{&FormatError{Object: 7, Offset: 1024, Block: "FILE", Reason: "bad"}, []string{"object 7", "1024", "FILE", "bad"}},
		{&ChecksumError{Path: "/a/b", Stream: "SHA2", Want: []byte{1}, Got: []byte{2}}, []string{"/a/b", "SHA2", "01", "02"}},
		{&CorruptError{Path: "/a", Offset: 5}, []string{"/a", "offset 5"}},
		{&TruncatedError{Path: "/a", Good: 9, Err: ErrEndOfData}, []string{"/a", "9 bytes", "end of data"}},
		{&TruncatedError{Err: ErrFilemark}, []string{"data set", "filemark"}},
	} {
		for _, w := range tc.want {
			if !strings.Contains(tc.err.Error(), w) {
				t.Errorf("%q does not say %q", tc.err, w)
			}
		}
	}
	if s := ID(0x00414243).String(); s != "CBA?" {
		t.Errorf("an id with a NUL is shown as %q", s)
	}
}

// TestMemory: the file and directory detail of many files does not stay in memory.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 150,000 files")
	}
	ctx := context.Background()
	s, err := NewSetWriter(ctx, &sink{buf: make([]byte, 256<<10)}, SetOptions{PhysicalBlock: 256 << 10, SetNumber: 1, TempDir: t.TempDir()})
	if err == nil {
		err = s.Volume(ctx, VolumeEntry{Device: "/"})
	}
	if err == nil {
		err = s.Directory(ctx, DirectoryEntry{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 150000 {
		if _, err := s.File(ctx, FileEntry{Name: "a file name of usual length.txt"}, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 || s.fdd.size() < 25<<20 {
		t.Errorf("%d MiB of heap for a detail of %d MiB", grown>>20, s.fdd.size()>>20)
	}
	if res, err := s.Finish(ctx); err != nil || res.CatalogError != nil || res.Files != 150000 {
		t.Errorf("%+v, %v", res.CatalogError, err)
	}
}
