package mtf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// foreignSet builds a set as another program might write it: every stream by hand, no operating system data.
type foreignSet struct {
	out *output
	n   uint32
	t   *testing.T
}

func newForeign(t *testing.T, m *memTape) *foreignSet {
	f := &foreignSet{out: newOutput(m, m.size), t: t}
	f.block(&SSET{Attributes: MethodNormal, Number: 1, TimeZone: 8})
	f.pad()
	f.block(&VOLB{Attributes: VolumeDevice, Device: "C:"})
	f.pad()
	f.block(&DIRB{DirectoryID: 1, Name: "dir\x00"})
	f.pad()
	return f
}

func (f *foreignSet) block(b marshaler) {
	f.t.Helper()
	h := Header{StringType: StringUnicode, OSID: OSWindowsNT, FLA: f.out.total / 1024, ControlBlockID: f.n}
	switch b := b.(type) {
	case *SSET:
		b.Header = h
	case *VOLB:
		b.Header = h
	case *DIRB:
		b.Header = h
	case *FILE:
		h.Size = b.Header.Size
		b.Header = h
	case *CFIL:
		b.Header = h
	}
	f.n++
	p := make([]byte, 1000)
	n, err := b.Marshal(p)
	if err == nil {
		err = f.out.write(context.Background(), p[:n])
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *foreignSet) stream(id ID, fs, media uint16, data []byte) {
	f.t.Helper()
	ctx := context.Background()
	if err := f.out.stream(ctx, StreamHeader{ID: id, FSAttributes: fs, MediaAttributes: media, Length: uint64(len(data))}); err != nil {
		f.t.Fatal(err)
	}
	if err := f.out.write(ctx, data); err != nil {
		f.t.Fatal(err)
	}
}

func (f *foreignSet) pad() {
	f.t.Helper()
	if err := f.out.pad(context.Background(), StreamSPAD, 1024); err != nil {
		f.t.Fatal(err)
	}
}

func (f *foreignSet) end() {
	f.t.Helper()
	ctx := context.Background()
	if f.out.pos != 0 {
		if err := f.out.zeros(ctx, uint64(f.out.size-f.out.pos)); err != nil { // padding without ESPB
			f.t.Fatal(err)
		}
	}
	if err := f.out.filemark(ctx); err != nil {
		f.t.Fatal(err)
	}
}

func csumOf(p []byte) []byte {
	var x xorSum
	x.write(p)
	return binary.LittleEndian.AppendUint32(nil, x.sum)
}

func le64(v uint64, p string) []byte { return append(binary.LittleEndian.AppendUint64(nil, v), p...) }

func TestForeignStreams(t *testing.T) {
	nacl := func(f *foreignSet) { f.stream(ID(0x4C43414E), StreamSecurity, 0, random(1, 333)) }
	for _, tc := range []struct {
		name  string
		size  uint64
		build func(f *foreignSet)
		want  string
		check func(err error) bool // nil: no error
	}{
		{"plain with security", 5, func(f *foreignSet) { nacl(f); f.stream(StreamSTAN, 0, 0, []byte("hello")); nacl(f) }, "hello", nil},
		{"checksum", 5, func(f *foreignSet) {
			f.stream(StreamSTAN, 0, StreamChecksummed, []byte("hello"))
			f.stream(StreamCSUM, 0, 0, csumOf([]byte("hello")))
		}, "hello", nil},
		{"bad checksum", 5, func(f *foreignSet) {
			f.stream(StreamSTAN, 0, StreamChecksummed, []byte("hello"))
			f.stream(StreamCSUM, 0, 0, csumOf([]byte("hellO")))
		}, "hello", func(err error) bool { var e *ChecksumError; return errors.As(err, &e) && e.Stream == "CSUM" }},
		{"variable", 0, func(f *foreignSet) {
			f.stream(StreamSTAN, 0, StreamVariable, []byte("abc"))
			f.stream(StreamSTAN, 0, StreamVariable, []byte("defg"))
			f.stream(StreamSTAN, 0, StreamVariable|StreamVarEnd, nil)
		}, "abcdefg", nil},
		{"variable without end", 0, func(f *foreignSet) { f.stream(StreamSTAN, 0, StreamVariable, []byte("abc")) }, "abc", isFormat},
		{"second STAN", 3, func(f *foreignSet) {
			f.stream(StreamSTAN, 0, 0, []byte("abc"))
			f.stream(StreamSTAN, 0, 0, []byte("def"))
		}, "abc", isFormat},
		{"sparse", 20, func(f *foreignSet) {
			f.stream(StreamSTAN, StreamIsSparse, 0, nil)
			f.stream(StreamSPAR, 0, 0, le64(3, "ab"))
			f.stream(StreamSPAR, 0, 0, le64(10, "cd"))
		}, "\x00\x00\x00ab\x00\x00\x00\x00\x00cd\x00\x00\x00\x00\x00\x00\x00\x00", nil},
		{"sparse going back", 20, func(f *foreignSet) {
			f.stream(StreamSTAN, StreamIsSparse, 0, nil)
			f.stream(StreamSPAR, 0, 0, le64(3, "abcd"))
			f.stream(StreamSPAR, 0, 0, le64(5, "cd"))
		}, "\x00\x00\x00abcd", isFormat},
		{"compressed", 5, func(f *foreignSet) { f.stream(StreamSTAN, 0, StreamCompressed, []byte("FHxxxx")) }, "",
			func(err error) bool { return errors.Is(err, ErrUnsupported) }},
		{"corrupt stream", 5, func(f *foreignSet) { f.stream(StreamSTAN, 0, 0, []byte("hello")); f.stream(StreamCRPT, 0, 0, nil) }, "hello",
			func(err error) bool { var e *CorruptError; return errors.As(err, &e) }},
		{"CFIL", 5, func(f *foreignSet) {
			f.stream(StreamSTAN, 0, 0, []byte("he\x00\x00\x00"))
			f.pad()
			f.block(&CFIL{Attributes: CorruptDeadlock, Offset: 2, Stream: 1})
		}, "he\x00\x00\x00", func(err error) bool {
			var e *CorruptError
			return errors.As(err, &e) && e.Offset == 2 && e.Attributes == CorruptDeadlock
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newTape(t, 4096)
			f := newForeign(t, m)
			f.block(&FILE{Header: Header{Size: tc.size}, DirectoryID: 1, FileID: 1, Name: "f"})
			tc.build(f)
			f.pad()
			f.block(&FILE{DirectoryID: 1, FileID: 2, Name: "after"})
			f.stream(StreamSTAN, 0, 0, nil)
			f.pad()
			f.end()
			for _, byRead := range []bool{false, true} {
				r := reader(t, m, SetResult{SSETObject: 2})
				o := nextNamed(t, r, "f")
				if strings.Join(o.Path, "/") != "dir/f" || o.HasMeta || o.Volume.Device != "C:" {
					t.Errorf("%+v", o)
				}
				var b bytes.Buffer
				var err error
				if byRead {
					_, err = b.ReadFrom(readOnly{r})
				} else {
					_, err = r.WriteTo(&b)
				}
				if b.String() != tc.want {
					t.Errorf("data %q, want %q", b.String(), tc.want)
				}
				if (err != nil) != (tc.check != nil) || (err != nil && !tc.check(err)) {
					t.Errorf("error %v", err)
				}
				if tc.name != "variable without end" && tc.name != "second STAN" && tc.name != "sparse going back" {
					nextNamed(t, r, "after")
					if _, err := r.Next(context.Background()); err != io.EOF {
						t.Errorf("behind the last file: %v", err)
					}
				}
			}
		})
	}
}

func isFormat(err error) bool { var e *FormatError; return errors.As(err, &e) }

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
