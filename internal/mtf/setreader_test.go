package mtf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math/rand"
	"strings"
	"testing"
)

func TestSeekFile(t *testing.T) {
	m := newTape(t, 4096)
	items := sampleItems(4096)
	res, files := writeSet(t, m, options(m, 1, nil), items)
	r := reader(t, m, res)
	n := len(files)
	for i := len(items) - 1; i >= 0; i-- {
		if items[i].dir != nil {
			continue
		}
		n--
		if err := r.SeekFile(context.Background(), files[n].FLA); err != nil {
			t.Fatal(err)
		}
		o, err := r.Next(context.Background())
		if err != nil || !o.Orphan || len(o.Path) != 1 || o.Path[0] != items[i].name {
			t.Fatalf("%q: %+v, %v", items[i].name, o, err)
		}
		var b bytes.Buffer
		if _, err := r.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), items[i].data) {
			t.Errorf("%q: %d bytes, %v", items[i].name, b.Len(), err)
		}
	}
	if err := r.SeekFile(context.Background(), 1<<40); err == nil {
		t.Error("a place behind the medium was found")
	}
	if err := r.SeekFile(context.Background(), files[3].FLA+1); err != nil {
		t.Error(err)
	}
}

// TestSkipByLocate passes over a big file without reading it.
func TestSkipByLocate(t *testing.T) {
	m := newTape(t, 4096)
	big := random(1, 300*4096)
	res, _ := writeSet(t, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "big", size: int64(len(big)), data: big},
		{name: "after", size: 2, data: []byte("ok")}})
	r := reader(t, m, res)
	m.located, m.reads = 0, 0
	nextNamed(t, r, "after")
	if m.located == 0 || m.reads > 20 {
		t.Errorf("%d positionings, %d blocks read", m.located, m.reads)
	}
	if _, err := r.WriteTo(io.Discard); err != nil {
		t.Error(err)
	}
}

// TestTruncated cuts a set at every object, by end of data and by a filemark. Files that are complete stay good; the one
// that is cut is reported with the bytes that were there.
func TestTruncated(t *testing.T) {
	m := newTape(t, 4096)
	res, _ := writeSet(t, m, options(m, 1, nil), sampleItems(4096))
	sums := contents(t, m, res)
	for cut := int(res.SSETObject) + 1; cut < int(res.ESETObject)-1; cut++ {
		for _, mark := range []bool{false, true} {
			c := &memTape{size: 4096, objects: append([][]byte(nil), m.objects[:cut]...)}
			if mark {
				c.objects = append(c.objects, nil)
			}
			r := reader(t, c, res)
			var err error
			for {
				var o *Object
				if o, err = r.Next(context.Background()); err != nil {
					break
				}
				if o.Type != IDFILE {
					continue
				}
				h := sha256.New()
				n, werr := r.WriteTo(h)
				if werr == nil {
					if [32]byte(h.Sum(nil)) != sums[o.String()] {
						t.Errorf("cut at %d: %s is good with other data", cut, o)
					}
					continue
				}
				var te *TruncatedError
				if !errors.As(werr, &te) || te.Good != uint64(n) || te.Path != o.String() || !errors.Is(werr, ErrSetIncomplete) {
					t.Errorf("cut at %d: %s: %v", cut, o, werr)
				}
			}
			var te *TruncatedError
			if !errors.As(err, &te) && !(mark && err == io.EOF) {
				t.Errorf("cut at %d, filemark %v: ends with %v", cut, mark, err)
			}
		}
	}
}

// contents returns the digests of all files by path.
func contents(t testing.TB, m BlockReader, res SetResult) map[string][32]byte {
	t.Helper()
	r := reader(t, m, res)
	sums := map[string][32]byte{}
	for {
		o, err := r.Next(context.Background())
		if err == io.EOF {
			return sums
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.Type != IDFILE {
			continue
		}
		h := sha256.New()
		if _, err := r.WriteTo(h); err != nil {
			t.Fatal(err)
		}
		sums[o.String()] = [32]byte(h.Sum(nil))
	}
}

// readDamaged reads all that can be read of a damaged set; nothing with other data or under another name may be good. It
// returns how many files were good.
func readDamaged(t testing.TB, m *memTape, res SetResult, sums map[string][32]byte) int {
	t.Helper()
	r, err := NewSetReader(context.Background(), m, SetReaderOptions{PhysicalBlock: m.size, SSETObject: res.SSETObject})
	if err != nil {
		return 0
	}
	good := 0
	for calls := 0; ; calls++ {
		if calls > 10000 {
			t.Fatal("the reader does not come to an end")
		}
		o, err := r.Next(context.Background())
		var te *TruncatedError
		if err == io.EOF || errors.As(err, &te) {
			return good
		}
		if err != nil || o.Type != IDFILE {
			continue
		}
		h := &bounded{Hash: sha256.New(), left: 2 * len(m.objects) * m.size}
		if _, err := r.WriteTo(h); err != nil {
			if errors.Is(err, errEndless) {
				t.Fatalf("%s gives more data than the medium holds", o)
			}
			continue
		}
		want, ok := sums[o.String()]
		if o.Orphan {
			for path, sum := range sums {
				if strings.HasSuffix(path, o.String()) {
					want, ok = sum, true
				}
			}
		}
		if !ok || want != [32]byte(h.Sum(nil)) {
			t.Fatalf("%s (orphan %v) is good with other data", o, o.Orphan)
		}
		good++
	}
}

// bounded refuses more data than a medium can hold.
type bounded struct {
	hash.Hash
	left int
}

var errEndless = errors.New("data without end")

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errEndless
	}
	return b.Hash.Write(p)
}

// TestResync damages one place after another: all files but those hit are still read.
func TestResync(t *testing.T) {
	m := newTape(t, 2048)
	// A file whose data is a tape of its own: its blocks must not be taken for those of the set.
	inner := newTape(t, 2048)
	writeSet(t, inner, options(inner, 1, nil), sampleItems(2048))
	image := bytes.Join(inner.objects, nil)
	items := append(sampleItems(2048), item{name: "tape in a tape", size: int64(len(image)), data: image}, item{name: "last", size: 1, data: []byte("z")})
	res, files := writeSet(t, m, options(m, 1, nil), items)
	sums := contents(t, m, res)
	rnd := rand.New(rand.NewSource(1))
	for range 400 {
		c := &memTape{size: m.size, objects: append([][]byte(nil), m.objects...)}
		k := int(res.SSETObject) + 1 + rnd.Intn(int(res.ESETObject-res.SSETObject)-2)
		b := append([]byte(nil), c.objects[k]...)
		at := rnd.Intn(len(b))
		b[at] ^= byte(1 << rnd.Intn(8))
		c.objects[k] = b
		// A file, or with a directory up to all its files' places, is lost; never more than two objects and their data.
		if good := readDamaged(t, c, res, sums); good < len(files)-4 {
			t.Errorf("object %d offset %d: only %d of %d files are good", k, at, good, len(files))
		}
	}
}

func FuzzMutatedTape(f *testing.F) {
	m := newTape(f, 1024)
	res, _ := writeSet(f, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "a", size: 10, data: random(1, 10)}, {dir: []string{"d"}},
		{name: "b", size: 5000, data: random(2, 5000)}, {name: "c", size: -1, data: random(3, 700)}, {name: "l", link: "t"}})
	sums := contents(f, m, res)
	f.Add([]byte{0, 20, 1, 0xFF})
	f.Add([]byte{1, 8, 0, 1, 2, 2, 2, 2})
	f.Fuzz(func(t *testing.T, edits []byte) {
		c := &memTape{size: m.size, objects: append([][]byte(nil), m.objects...)}
		for ; len(edits) >= 4; edits = edits[4:] {
			k := 2 + int(edits[0])%(len(c.objects)-2)
			if c.objects[k] == nil {
				continue
			}
			b := append([]byte(nil), c.objects[k]...)
			at := int(edits[1]) | int(edits[2])<<8&0x300
			b[at] = edits[3]
			// Checksums that fit make the damage reach deeper.
			if p := at &^ 1023; edits[2]&4 != 0 {
				binary.LittleEndian.PutUint16(b[p+50:], XOR16(b[p:p+50]))
			}
			c.objects[k] = b
		}
		readDamaged(t, c, res, sums)
		c.pos = 2
		_, _ = WalkSets(context.Background(), c, CatalogOptions{PhysicalBlock: c.size}, nil)
		c.pos = int(res.ESETObject)
		if r, err := ReadCatalog(context.Background(), c, CatalogOptions{PhysicalBlock: c.size}); err == nil {
			for n := 0; ; n++ {
				if _, err := r.Next(context.Background()); err != nil {
					break
				}
				if n > 100000 {
					t.Fatal("the catalog does not come to an end")
				}
			}
		}
	})
}

// holes counts what it gets.
type holes struct {
	bytes.Buffer
	hole uint64
}

func (h *holes) WriteHole(n uint64) error { h.hole += n; return nil }

func TestHoleWriter(t *testing.T) {
	m := newTape(t, 4096)
	f := newForeign(t, m)
	f.block(&FILE{Header: Header{Size: 1 << 50}, DirectoryID: 1, FileID: 1, Name: "f"})
	f.stream(StreamSTAN, StreamIsSparse, 0, nil)
	f.stream(StreamSPAR, 0, 0, le64(1<<40, "ab"))
	f.pad()
	f.end()
	r := reader(t, m, SetResult{SSETObject: 2})
	nextNamed(t, r, "f")
	var h holes
	n, err := r.WriteTo(&h)
	if err != nil || n != 1<<50 || h.String() != "ab" || h.hole != 1<<50-2 {
		t.Errorf("%d bytes, holes %d, data %q, %v", n, h.hole, h.String(), err)
	}
	// Zeros without end are stopped by the context.
	ctx, cancel := context.WithCancel(context.Background())
	r = reader(t, m, SetResult{SSETObject: 2})
	for range 3 {
		if _, err := r.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.CopyN(io.Discard, readOnly{r}, 1<<20); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTargetFails(t *testing.T) {
	m := newTape(t, 4096)
	res, _ := writeSet(t, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "f", size: 9000, data: random(1, 9000)}, {name: "g"}})
	r := reader(t, m, res)
	nextNamed(t, r, "f")
	full := errors.New("no space left")
	if _, err := r.WriteTo(failWriter{full}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	nextNamed(t, r, "g")
}

type failWriter struct{ err error }

func (f failWriter) Write([]byte) (int, error) { return 0, f.err }

func TestResume(t *testing.T) {
	m := newTape(t, 4096)
	res, files := writeSet(t, m, options(m, 1, nil), sampleItems(4096))
	r := reader(t, m, res)
	last := files[len(files)-1]
	if err := r.Resume(context.Background(), res.SSETObject+last.FLA*1024/4096); err != nil {
		t.Fatal(err)
	}
	o := nextNamed(t, r, "pad-39")
	if !o.Orphan || o.FLA != last.FLA {
		t.Errorf("%+v", o)
	}
	if _, err := r.WriteTo(io.Discard); err != nil {
		t.Error(err)
	}
}
