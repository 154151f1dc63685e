package mtf

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// at is one field of the standard's tables: offset, bytes as they stand on the medium.
type at struct {
	off  int
	want string // hexadecimal, blanks ignored
}

// TestBlockOffsets pins every field of every block to the offset that the standard prints (mtf.md 1.5).
func TestBlockOffsets(t *testing.T) {
	date := DateTimeOf(stamp) // 1F A8 C8 51 87
	str := Header{StringType: StringANSI}
	for _, tc := range []struct {
		name   string
		block  marshaler
		first  int
		fields []at
	}{
		{"TAPE", &TAPE{Header: str, FamilyID: 0x04030201, Flags: 0x08070605, Sequence: 0x0A09, PasswordAlgorithm: 0x0C0B, SoftFilemarkSize: 0x0E0D,
			CatalogType: 0x100F, Name: "n", Description: "de", Password: []byte("pwd"), Software: "soft", FormatLogical: 1024, VendorID: 0x1200,
			Date: date, MajorVersion: 1}, 104, []at{{0, "54415045"}, {8, "6800"}, {48, "01"}, {52, "01020304"}, {56, "05060708"}, {60, "090a"},
			{62, "0b0c"}, {64, "0d0e"}, {66, "0f10"}, {68, "01005e00"}, {72, "02005f00"}, {76, "03006100"}, {80, "04006400"}, {84, "0004"},
			{86, "0012"}, {88, "1fa8c85187"}, {93, "01"}, {94, "6e 6465 707764 736f6674"}}},
		{"SSET", &SSET{Header: str, Attributes: 0x04030201, PasswordAlgorithm: 0x0605, CompressionAlgorithm: 0x0ABE, VendorID: 0x1200, Number: 7,
			Name: "n", Description: "de", Password: []byte("pwd"), User: "user", PBA: 0x0807060504030201, Date: date, SoftwareMajor: 9,
			SoftwareMinor: 8, TimeZone: -20, MinorVersion: 0, CatalogVersion: 2}, 108, []at{{0, "53534554"}, {52, "01020304"}, {56, "0506"}, {58, "be0a"},
			{60, "0012"}, {62, "0700"}, {64, "01006200"}, {68, "02006300"}, {72, "03006500"}, {76, "04006800"}, {80, "0102030405060708"},
			{88, "1fa8c85187"}, {93, "09"}, {94, "08"}, {95, "ec"}, {96, "00"}, {97, "02"}, {98, "6e 6465 707764 75736572"}}},
		{"VOLB", &VOLB{Header: str, Attributes: 4, Device: "C:", Label: "lab", Machine: "m", Date: date}, 80, []at{{0, "564f4c42"}, {52, "04000000"},
			{56, "02004900"}, {60, "03004b00"}, {64, "01004e00"}, {68, "1fa8c85187"}, {73, "433a 6c6162 6d 00"}}},
		{"DIRB", &DIRB{Header: str, Attributes: 0x00010000, Modified: 1, Created: 2, BackedUp: 3, Accessed: date, DirectoryID: 5, Name: "a\x00"}, 88,
			[]at{{0, "44495242"}, {52, "00000100"}, {56, "0000000001"}, {61, "0000000002"}, {66, "0000000003"}, {71, "1fa8c85187"}, {76, "05000000"},
				{80, "02005400"}, {84, "6100 0000"}}},
		{"FILE", &FILE{Header: str, Attributes: 0x00020000, Modified: 1, Created: 2, BackedUp: 3, Accessed: date, DirectoryID: 5, FileID: 6, Name: "fil"}, 92,
			[]at{{0, "46494c45"}, {52, "00000200"}, {56, "0000000001"}, {61, "0000000002"}, {66, "0000000003"}, {71, "1fa8c85187"}, {76, "05000000"},
				{80, "06000000"}, {84, "03005800"}, {88, "66696c 00"}}},
		{"CFIL", &CFIL{Attributes: CorruptUnreadable, Offset: 0x0807060504030201, Stream: 3}, 76,
			[]at{{0, "4346494c"}, {52, "00000200"}, {56, "0000000000000000"}, {64, "0102030405060708"}, {72, "0300"}}},
		{"ESPB", &ESPB{}, 52, []at{{0, "45535042"}, {8, "3400"}}},
		{"ESET", &ESET{Header: Header{Attributes: AttrAbortedSet}, Attributes: MethodNormal, CorruptFiles: 3, Catalog1: 0x11, Catalog2: 0x12,
			FDDMediaSequence: 1, Number: 7, Date: date}, 88, []at{{0, "45534554"}, {4, "00000400"}, {52, "04000000"}, {56, "03000000"},
			{60, "1100000000000000"}, {68, "1200000000000000"}, {76, "0100"}, {78, "0700"}, {80, "1fa8c85187"}}},
		{"EOTM", &EOTM{Header: Header{Attributes: AttrNoESETPBA}, LastESET: 0x0807060504030201}, 60,
			[]at{{0, "454f544d"}, {4, "00000100"}, {52, "0102030405060708"}}},
	} {
		p := bytes.Repeat([]byte{0xCC}, 512) // what was in the buffer must not shine through
		n, err := tc.block.Marshal(p)
		if err != nil || n != tc.first {
			t.Errorf("%s: first event at %d, want %d, %v", tc.name, n, tc.first, err)
			continue
		}
		for _, f := range tc.fields {
			want := strings.ReplaceAll(f.want, " ", "")
			if got := fmt.Sprintf("%x", p[f.off:f.off+len(want)/2]); got != want {
				t.Errorf("%s: offset %d is %s, want %s", tc.name, f.off, got, want)
			}
		}
		if got := binary.LittleEndian.Uint16(p[50:]); got != XOR16(p[:50]) {
			t.Errorf("%s: checksum %#x", tc.name, got)
		}
		if bytes.Contains(p[:n], []byte{0xCC}) {
			t.Errorf("%s: old bytes of the buffer are in the block", tc.name)
		}
	}
}

// TestSiblingLinks compares the links of directories, written in any order, with their definition: the next directory with
// the same parent, as long as no directory outside of that parent came between.
func TestSiblingLinks(t *testing.T) {
	ctx := context.Background()
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		paths := randomTree(r)
		if seed%2 == 1 {
			r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		}
		m := newTape(t, 4096)
		s, err := NewSetWriter(ctx, m, options(m, 1, nil))
		if err == nil {
			err = s.Volume(ctx, VolumeEntry{Device: "/"})
		}
		for _, p := range paths {
			if err == nil {
				err = s.Directory(ctx, DirectoryEntry{Path: p})
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Finish(ctx)
		if err != nil {
			t.Fatal(err)
		}
		offsets, links := readLinks(t, m, res)
		for i, p := range paths {
			want := int32(0)
			for j := i + 1; j < len(paths) && below(paths[j], p); j++ {
				if len(paths[j]) == len(p) {
					want = offsets[j]
					break
				}
			}
			if links[i] != want {
				t.Fatalf("seed %d: %q links to %d, want %d; order %q", seed, p, links[i], want, paths)
			}
		}
	}
}

// below tells whether q lies in the same parent as p.
func below(q, p []string) bool {
	n := len(p) - 1
	return n >= 0 && len(q) > n && slices.Equal(q[:n], p[:n])
}

func randomTree(r *rand.Rand) [][]string {
	paths := [][]string{{}}
	for i := range 30 {
		parent := paths[r.Intn(len(paths))]
		paths = append(paths, append(slices.Clone(parent), fmt.Sprint(i)))
	}
	slices.SortFunc(paths, slices.Compare)
	return paths
}

// readLinks returns the offsets and links of the DIRB entries.
func readLinks(t *testing.T, m *memTape, res SetResult) (offsets, links []int32) {
	t.Helper()
	ctx := context.Background()
	m.pos = int(res.ESETObject)
	c, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: m.size})
	if err != nil {
		t.Fatal(err)
	}
	start := c.left
	for {
		off := int32(start - c.left)
		e, err := c.Next(ctx)
		if err == io.EOF {
			return offsets, links
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == IDDIRB {
			offsets, links = append(offsets, off), append(links, e.Link)
		}
	}
}

// TestSeveralVolumes: volumes are linked, named in the set map, and start their own trees.
func TestSeveralVolumes(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	o := options(m, 1, nil)
	o.Machine = "default"
	s, err := NewSetWriter(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := s.Volume(ctx, VolumeEntry{Device: fmt.Sprintf("/vol%d", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.File(ctx, FileEntry{Name: "f"}, 0, nil); err == nil {
			t.Fatal("a file was written before the directory of its volume")
		}
		if err := s.Directory(ctx, DirectoryEntry{Path: []string{"d"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.File(ctx, FileEntry{Name: "f"}, 4, strings.NewReader(fmt.Sprintf("vol%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	res, err := s.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.SetMap[0].Volumes); n != 5 {
		t.Errorf("%d volumes in the set map", n)
	}
	r := reader(t, m, res)
	for i := range 5 {
		o := nextNamed(t, r, "f")
		var b bytes.Buffer
		if _, err := r.WriteTo(&b); err != nil || o.Volume.Device != fmt.Sprintf("/vol%d", i) || o.Volume.Machine != "default" || b.String() != o.Volume.Device[1:] {
			t.Errorf("volume %d: %+v, %q, %v", i, o.Volume, b.String(), err)
		}
	}
	m.pos = int(res.ESETObject)
	c, err := ReadCatalog(ctx, m, CatalogOptions{PhysicalBlock: 4096})
	if err != nil {
		t.Fatal(err)
	}
	start, want := c.left, int32(0)
	for {
		off := int32(start - c.left)
		e, err := c.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == IDVOLB {
			if want != 0 && off != want {
				t.Errorf("volume at %d, the one before links to %d", off, want)
			}
			want = e.Link
		}
	}
	if want != 0 {
		t.Errorf("the last volume links to %d", want)
	}
}

// TestGoldenRead reads the vector tape, which this package did not write, from its text.
func TestGoldenRead(t *testing.T) {
	ctx := context.Background()
	m := &memTape{size: 2048, objects: readVector(t, "tape.hex", 2048)}
	h, err := ReadMediaHeader(ctx, m, make([]byte, 65536))
	if err != nil || !h.HasLabel || h.Label.CartridgeLabel != "ABC123L6" || h.FamilyID != 0x11223344 || h.PhysicalBlock != 2048 {
		t.Fatalf("%+v, %v", h, err)
	}
	res, err := WalkSets(ctx, m, CatalogOptions{PhysicalBlock: 2048}, func(i *SetInfo) error {
		if i.End == nil || i.End.CorruptFiles != 1 || i.Name != "set" || i.SetID[0] != 1 {
			t.Errorf("%+v", i)
		}
		return i.Err
	})
	if err != nil || res.Sets != 1 || res.NextObject != uint64(len(m.objects)) || res.SetMap[0].Files != 5 || res.SetMap[0].Size != 12 {
		t.Fatalf("%+v, %v", res, err)
	}
	r := reader(t, m, SetResult{SSETObject: 2})
	for _, f := range []struct{ name, data, link string }{{"hello.txt", "hello", ""}, {"empty", "", ""}, {"stdin", "abc", ""}, {"link", "", "../target"}} {
		o := nextNamed(t, r, f.name)
		var b bytes.Buffer
		if _, err := r.WriteTo(&b); err != nil || b.String() != f.data || o.LinkTarget != f.link || !o.Meta.ModTime.Equal(stamp) || o.Meta.UID != 1000 {
			t.Errorf("%s: %q, %+v, %v", f.name, b.String(), o, err)
		}
	}
	nextNamed(t, r, "short")
	var ce *CorruptError
	if _, err := r.WriteTo(io.Discard); !asCorrupt(err, &ce) || ce.Offset != 2 || ce.Attributes != CorruptLengthChanged {
		t.Errorf("%v", err)
	}
}

func asCorrupt(err error, target **CorruptError) bool {
	ce, ok := err.(*CorruptError)
	*target = ce
	return ok
}
