package mtf

import (
	"encoding/binary"
	"math/rand"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// randomEntry fills the fields that a type has.
func randomEntry(seed int64, typ ID) CatalogEntry {
	var e CatalogEntry
	fillRandom(rand.New(rand.NewSource(seed)), reflect.ValueOf(&e).Elem())
	e.Type = typ
	if typ == IDVOLB {
		e.Name, e.Modified, e.Created, e.BackedUp, e.Accessed = "", 0, 0, 0, 0
	} else {
		e.Device, e.Volume, e.Machine, e.Date = "", "", "", 0
	}
	return e
}

func FuzzCatalogEntryRoundTrip(f *testing.F) {
	f.Add(int64(1))
	f.Add(int64(77))
	f.Fuzz(func(t *testing.T, seed int64) {
		p := make([]byte, 2048)
		for _, typ := range []ID{IDVOLB, IDDIRB, IDFILE} {
			in := randomEntry(seed, typ)
			n, err := in.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var out CatalogEntry
			if m, err := out.Unmarshal(p); err != nil || m != n {
				t.Fatalf("%s: %d bytes, want %d, %v", typ, m, n, err)
			}
			if d := cmp.Diff(in, out); d != "" {
				t.Error(d)
			}
		}
	})
}

func FuzzSetMap(f *testing.F) {
	var s SetMapEntry
	fillRandom(rand.New(rand.NewSource(5)), reflect.ValueOf(&s).Elem())
	s.Volumes = []CatalogEntry{randomEntry(1, IDVOLB), randomEntry(2, IDVOLB)}
	b, err := MarshalSetMap(99, []SetMapEntry{s, {SetNumber: 2, StringType: StringUnicode, Name: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	family, sets, err := UnmarshalSetMap(b)
	if err != nil || family != 99 || len(sets) != 2 || !cmp.Equal(sets[0], s) {
		f.Fatalf("set map of two sets came back as %+v, %v", sets, err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, p []byte) {
		family, sets, err := UnmarshalSetMap(p)
		if err != nil {
			return
		}
		q, err := MarshalSetMap(family, sets)
		if err != nil {
			return
		}
		_, again, err := UnmarshalSetMap(q)
		if err != nil || len(again) != len(sets) {
			t.Fatalf("%d sets came back as %d, %v", len(sets), len(again), err)
		}
		for i := range sets {
			if again[i].SSETObject != sets[i].SSETObject || len(again[i].Volumes) != len(sets[i].Volumes) {
				t.Fatalf("set %d: %+v came back as %+v", i, sets[i], again[i])
			}
		}
	})
}

// TestEntryOffsets pins catalog entries to the standard's tables (mtf.md 1.8).
func TestEntryOffsets(t *testing.T) {
	p := make([]byte, 80)
	le := binary.LittleEndian
	le.PutUint16(p[0:], 76)
	copy(p[2:], "FILE")
	le.PutUint16(p[6:], 3)
	le.PutUint32(p[8:], 0x80)
	le.PutUint64(p[12:], 1234)
	le.PutUint64(p[20:], 5678)
	le.PutUint32(p[28:], 0xFFFFFFFF)
	p[32], p[33], p[34] = 14, 1, 2
	p[40], p[45], p[50], p[55] = 1, 2, 3, 4 // last bytes of the four dates from 36
	le.PutUint32(p[56:], 0x800)
	copy(p[60:], []byte{4, 0, 68, 0, 4, 0, 72, 0})
	copy(p[68:], []byte{'h', 0, 'i', 0, 9, 8, 7, 6})
	want := CatalogEntry{Type: IDFILE, MediaSequence: 3, BlockAttributes: 0x80, FLA: 1234, Size: 5678, Link: -1, OSID: 14, OSVersion: 1,
		StringType: 2, Attributes: 0x800, OSData: []byte{9, 8, 7, 6}, Modified: 1, Created: 2, BackedUp: 3, Accessed: 4, Name: "hi"}
	var got CatalogEntry
	if n, err := got.Unmarshal(p); err != nil || n != 76 {
		t.Fatalf("%d, %v", n, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for n := range 76 {
		if _, err := got.Unmarshal(p[:n]); err == nil {
			t.Errorf("%d of 76 bytes were accepted", n)
		}
	}
	copy(p[2:], "XXXX")
	if _, err := got.Unmarshal(p); err == nil {
		t.Error("an unknown type was accepted")
	}
}

// TestSetMapOffsets pins the set map entry to the standard's table (mtf.md 1.8).
func TestSetMapOffsets(t *testing.T) {
	e := SetMapEntry{MediaSequence: 1, BlockAttributes: 2, Attributes: 3, SSETObject: 4, FDDObject: 5, FDDMediaSequence: 6, SetNumber: 7, FLA: 8,
		Directories: 9, Files: 10, CorruptFiles: 11, Size: 12, PasswordAlgorithm: 13, Name: "n", Password: []byte("pw"), Description: "de", User: "usr",
		Date: 14, TimeZone: -20, OSID: 15, OSVersion: 16, StringType: StringANSI, MinorVersion: 17, CatalogVersion: 18}
	b, err := MarshalSetMap(0xAABBCCDD, []SetMapEntry{e})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]byte{0: 0xDD, 3: 0xAA, 4: 1, 8: 100, 10: 1, 12: 2, 16: 3, 20: 4, 28: 5, 36: 6, 38: 7, 40: 8, 48: 9, 52: 10, 56: 11, 60: 12, 68: 0,
		70: 13, 72: 1, 74: 92, 76: 2, 78: 93, 80: 2, 82: 95, 84: 3, 86: 97, 92: 14, 93: 0xEC, 94: 15, 95: 16, 96: 1, 97: 17, 98: 18, 99: 0, 100: 'n',
		101: 'p', 103: 'd', 105: 'u'}
	for off, v := range want {
		if b[off] != v {
			t.Errorf("offset %d is %#x, want %#x", off-8, b[off], v)
		}
	}
	if len(b) != 108 {
		t.Errorf("length %d", len(b))
	}
}
