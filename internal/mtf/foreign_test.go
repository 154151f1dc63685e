package mtf

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sqlTape turns a SQL Server backup in a disk file into a medium: soft filemarks become filemarks, what lies between becomes
// blocks of 1024 bytes.
func sqlTape(t *testing.T, name string) *memTape {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(samples(t), "sqlserver", name))
	if err != nil {
		t.Skip(err)
	}
	m := &memTape{size: 1024}
	begin := 0
	region := func(end int) {
		for ; begin < end; begin += 1024 {
			p := make([]byte, 1024)
			copy(p, b[begin:min(begin+1024, end)])
			m.objects = append(m.objects, p)
		}
	}
	err = Walk(bytes.NewReader(b), int64(len(b)), func(e Event) error {
		if e.Block.Type == IDSFMB {
			region(int(e.Offset))
			m.objects = append(m.objects, nil)
			begin = int(e.Offset) + int(e.Block.FirstEvent)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSQLServerAsTape reads backups of SQL Server through the readers for tapes.
func TestSQLServerAsTape(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct{ name, set string }{
		{"sql2005-9.0.1399-northwind.bak", ""}, {"sql2014-12.0.4213-products.bak", ""}, {"sql2019-15.0.2070-testdb.bak", ""},
	} {
		m := sqlTape(t, tc.name)
		h, err := ReadMediaHeader(ctx, m, make([]byte, 4096))
		if err != nil || h.Software != "Microsoft SQL Server" || h.CatalogType != 3 || h.FormatLogicalBlock != 1024 || h.HasLabel {
			t.Fatalf("%s: %+v, %v", tc.name, h, err)
		}
		var sets []*SetInfo
		o := CatalogOptions{PhysicalBlock: 1024}
		res, err := WalkSets(ctx, m, o, func(i *SetInfo) error { sets = append(sets, i); return nil })
		if err != nil || len(sets) != 1 || res.Sets != 1 || res.NextNumber != 2 || len(res.SetMap) != 1 {
			t.Fatalf("%s: %d sets, %+v, %v", tc.name, len(sets), res, err)
		}
		i := sets[0]
		if i.Err != nil || i.Number != 1 || i.End == nil || i.End.Aborted || i.End.FDDObject != 0 || i.SetID != [16]byte{} || i.Date.IsZero() {
			t.Errorf("%s: %+v, %+v", tc.name, i, i.End)
		}
		if sm := res.SetMap[0]; sm.SetNumber != 1 || !strings.HasPrefix(i.Name, sm.Name) || len(sm.Volumes) != 1 || sm.Volumes[0].Device == "" {
			t.Errorf("%s: set map %+v", tc.name, sm)
		}
		r, err := NewSetReader(ctx, m, SetReaderOptions{PhysicalBlock: 1024, SSETObject: i.SSETObject})
		if err != nil {
			t.Fatal(err)
		}
		if s := r.SSET(); s.VendorID != 0x1200 || s.Number != 1 {
			t.Errorf("%s: SSET %+v", tc.name, s)
		}
		if v, err := r.Next(ctx); err != nil || v.Type != IDVOLB || v.String() != v.Volume.Device || v.Volume.Machine == "" {
			t.Errorf("%s: %+v, %v", tc.name, v, err)
		}
		if o, err := r.Next(ctx); err != io.EOF {
			t.Errorf("%s: behind the volume: %+v, %v", tc.name, o, err)
		}
		if p, _ := m.Position(ctx); p != i.End.ESETObject {
			t.Errorf("%s: at object %d, ESET at %d", tc.name, p, i.End.ESETObject)
		}
	}
}

// TestOtherPrograms: tapes of other programs are no MTF, and said to be so.
func TestOtherPrograms(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(samples(t), "foreign", "*.bin"))
	if err != nil || len(files) == 0 {
		t.Skip("no samples of other programs")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip(err)
		}
		if h, err := DecodeMediaHeader(b); err != ErrNotMTF {
			t.Errorf("%s: %+v, %v", f, h, err)
		}
	}
}

// TestANSINames reads a set with single byte names, as Windows 95 wrote them, and a corrupt name stream.
func TestANSINames(t *testing.T) {
	m := newTape(t, 4096)
	f := newForeign(t, m)
	p := make([]byte, 1000)
	file := FILE{Header: Header{StringType: StringANSI, OSID: 26, FLA: f.out.total / 1024, ControlBlockID: f.n}, DirectoryID: 1, Name: "Größe€.txt"}
	n, err := file.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.out.write(context.Background(), p[:n]); err != nil {
		t.Fatal(err)
	}
	f.stream(StreamSTAN, 0, 0, []byte("x"))
	f.pad()
	f.block(&FILE{DirectoryID: 9, Name: "lost"})
	f.stream(StreamSTAN, 0, 0, []byte("y"))
	f.pad()
	f.end()
	r := reader(t, m, SetResult{SSETObject: 2})
	o := nextNamed(t, r, "Größe€.txt")
	if o.String() != "/dir/Größe€.txt" || o.Orphan {
		t.Errorf("%s, orphan %v", o, o.Orphan)
	}
	if o = nextNamed(t, r, "lost"); !o.Orphan || o.String() != "/lost" {
		t.Errorf("file of an unknown directory: %s, orphan %v", o, o.Orphan)
	}
}

// TestNameStreams damages names in streams of their own: the object is not returned under another name.
func TestNameStreams(t *testing.T) {
	long := utf16Bytes("long name")
	for _, tc := range []struct {
		name  string
		build func(f *foreignSet)
		good  bool
	}{
		{"without checksum", func(f *foreignSet) { f.stream(StreamFNAM, 0, 0, long) }, true},
		{"checksum", func(f *foreignSet) {
			f.stream(StreamFNAM, 0, StreamChecksummed, long)
			f.stream(StreamCSUM, 0, 0, csumOf(long))
		}, true},
		{"bad checksum", func(f *foreignSet) {
			f.stream(StreamFNAM, 0, StreamChecksummed, long)
			f.stream(StreamCSUM, 0, 0, []byte{1, 2, 3, 4})
		}, false},
		{"checksum missing", func(f *foreignSet) { f.stream(StreamFNAM, 0, StreamChecksummed, long) }, false},
		{"name missing", func(f *foreignSet) {}, false},
		{"too long", func(f *foreignSet) { f.stream(StreamFNAM, 0, 0, make([]byte, maxName+2)) }, false},
		{"compressed", func(f *foreignSet) { f.stream(StreamFNAM, 0, StreamCompressed, long) }, false},
	} {
		m := newTape(t, 4096)
		f := newForeign(t, m)
		f.block(&FILE{Attributes: AttrLongName, DirectoryID: 1})
		tc.build(f)
		f.stream(StreamSTAN, 0, 0, []byte("x"))
		f.pad()
		f.block(&FILE{DirectoryID: 1, Name: "after"})
		f.stream(StreamSTAN, 0, 0, nil)
		f.pad()
		f.end()
		r := reader(t, m, SetResult{SSETObject: 2})
		var names []string
		for range 20 {
			o, err := r.Next(context.Background())
			if err == io.EOF {
				break
			}
			if err == nil && o.Type == IDFILE {
				names = append(names, o.Path[len(o.Path)-1])
			}
		}
		want := "after"
		if tc.good {
			want = "long name,after"
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%s: files %q, want %q", tc.name, got, want)
		}
	}
}

func utf16Bytes(s string) []byte { return appendUTF16(nil, s) }

// TestStreamlessImage walks an image of a draft before 1.00a, whose blocks have no streams, with padding at the end.
func TestStreamlessImage(t *testing.T) {
	img := make([]byte, 8192)
	put := func(at int, b marshaler) {
		if _, err := b.Marshal(img[at : at+1000]); err != nil {
			t.Fatal(err)
		}
	}
	put(0, &TAPE{Header: Header{StringType: StringANSI}, Software: "draft", FormatLogical: 1024})
	put(1024, &SSET{Number: 1})
	put(2048, &VOLB{Attributes: VolumeDevice})
	put(3072, &ESPB{})
	StreamHeader{ID: StreamSPAD, Length: 1024 - 52 - 22}.Put(img[3072+52:])
	var got []string
	walk := func(fn func(e Event) error) error { return Walk(bytes.NewReader(img), int64(len(img)), fn) }
	if err := walk(func(e Event) error { got = append(got, e.Block.Type.String()); return nil }); err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(got, " "); s != "TAPE SSET VOLB ESPB ESPB" { // the last one is its stream
		t.Errorf("met %s", s)
	}
	n := 0
	if err := walk(func(Event) error { n++; return io.EOF }); err != nil || n != 1 {
		t.Errorf("stopped: %d events, %v", n, err)
	}
	if err := walk(func(Event) error { return errMedium }); err != errMedium {
		t.Errorf("failed: %v", err)
	}
	img[6000] = 1
	if err := walk(func(Event) error { return nil }); err == nil {
		t.Error("garbage behind the last block was taken for padding")
	}
}
