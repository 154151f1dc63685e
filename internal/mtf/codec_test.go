package mtf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDateTime(t *testing.T) {
	// The standard's own example: 1996-12-31 20:07:30.
	want := []byte{0x1F, 0x33, 0x3F, 0x41, 0xDE}
	d := DateTimeOf(time.Date(1996, 12, 31, 20, 7, 30, 999, time.UTC))
	got := make([]byte, 5)
	d.put(got)
	if !bytes.Equal(got, want) {
		t.Errorf("encoded % x, want % x", got, want)
	}
	if tm := getDateTime(want).Time(time.UTC); !tm.Equal(time.Date(1996, 12, 31, 20, 7, 30, 0, time.UTC)) {
		t.Errorf("decoded %v", tm)
	}
	east := time.FixedZone("", 2*3600)
	if tm := getDateTime(want).Time(ZoneOf(8)); !tm.Equal(time.Date(1996, 12, 31, 20, 7, 30, 0, east)) {
		t.Errorf("decoded at UTC+2: %v", tm)
	}
	for _, bad := range []DateTime{0, 1996<<26 | 13<<22 | 1<<17, 1996<<26 | 4<<22 | 31<<17, 1996<<26 | 1<<22 | 1<<17 | 24<<12,
		1996<<26 | 1<<22, 1996<<26 | 1<<22 | 1<<17 | 60<<6, 2025<<26 | 2<<22 | 29<<17, 1996<<26 | 1<<17} {
		if tm := bad.Time(time.UTC); !tm.IsZero() {
			t.Errorf("%#x gives %v", uint64(bad), tm)
		}
	}
	if DateTimeOf(time.Time{}) != 0 || DateTimeOf(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)) != 0 {
		t.Error("a time that does not fit must give zero")
	}
}

func TestStrings(t *testing.T) {
	for _, s := range []string{"", "plain", "grüße", "😀 smile", "latin1-\xe9\xff", "\xf0\x9f\x98", "a\x00b\x00", "\xed\xb2\x80", "\xed\xa0\x80"} {
		b, err := encodeString(StringUnicode, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeString(StringUnicode, b); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := decodeString(StringUnicode, []byte{0x3D, 0xD8, 0x41, 0, 'x'}); got != "\uFFFDA" {
		t.Errorf("a lone high surrogate and an odd byte give %q", got)
	}
	if got := decodeString(StringANSI, []byte{'a', 0x80, 0xE9, 0x81}); got != "a€é\u0081" {
		t.Errorf("Windows-1252: %q", got)
	}
	if _, err := encodeString(StringANSI, "Ж"); err == nil {
		t.Error("a character outside of Windows-1252 was encoded")
	}
	if _, err := encodeString(StringNone, "x"); err == nil {
		t.Error("a string was encoded without a string type")
	}
}

func TestPath(t *testing.T) {
	for _, tc := range []struct {
		components []string
		name       string
	}{{nil, "\x00"}, {[]string{"apps", "fred"}, "apps\x00fred\x00"}} {
		if got := JoinPath(tc.components); got != tc.name {
			t.Errorf("JoinPath(%q) = %q", tc.components, got)
		}
		if got := SplitPath(tc.name); !cmp.Equal(got, tc.components) {
			t.Errorf("SplitPath(%q) = %q", tc.name, got)
		}
	}
}

func TestMediaLabel(t *testing.T) {
	stamp := time.Date(2010, 3, 19, 21, 4, 11, 0, time.UTC)
	ids := [2]string{"{c5dd3d54-d495-4139-9212-e9fb72e2cf27}", "{42bb9f73-f162-429b-93d3-e4a1fd257c7a}"}
	dpm := "MTF Media Label|1.0|Microsoft|2.0.8861.0|2010/03/19.21:04:11|Files Servers| Domain Controllers-LT-1Weeks-Copy0-00000125|0|" + ids[0] + "|" + ids[1] + "|"
	for _, tc := range []struct {
		name, in string
		want     MediaLabel
	}{
		{"DPM with a bar in its label", dpm, MediaLabel{LabelTag, "1.0", "Microsoft", "2.0.8861.0", stamp,
			"Files Servers| Domain Controllers-LT-1Weeks-Copy0-00000125", "0", ids[0], ids[1], ""}},
		{"without vendor field", strings.TrimSuffix(dpm, "|"), MediaLabel{LabelTag, "1.0", "Microsoft", "2.0.8861.0", stamp,
			"Files Servers| Domain Controllers-LT-1Weeks-Copy0-00000125", "0", ids[0], ids[1], ""}},
		{"vendor data with bars", "MTF Media Label|1.0|V|P|bad stamp|L|1|m|d|VS:a|b", MediaLabel{LabelTag, "1.0", "V", "P", time.Time{},
			"L", "1", "m", "d", "VS:a|b"}},
		{"empty label", "MTF Media Label|1.0|V|P|2010/03/19.21:04:11||1|m|d|", MediaLabel{LabelTag, "1.0", "V", "P", stamp, "", "1", "m", "d", ""}},
	} {
		got, err := ParseMediaLabel(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	for _, bad := range []string{"", "Media", "MTF Media Label|1.0|x", "mtf media label|1|2|3|4|5|6|7|8|9"} {
		if _, err := ParseMediaLabel(bad); err == nil {
			t.Errorf("%q was parsed", bad)
		}
	}
	l := MediaLabel{Vendor: "tapectl", Product: "1.0", Stamp: stamp, CartridgeLabel: "a|b\n", MediaID: ids[0], DomainID: ids[1]}
	want := "MTF Media Label|1.0|tapectl|1.0|2010/03/19.21:04:11|a_b_|0|" + ids[0] + "|" + ids[1] + "|"
	if l.String() != want {
		t.Errorf("String: %s", l)
	}
}

func FuzzMediaLabel(f *testing.F) {
	f.Add("MTF Media Label|1.0|tapectl|1|2010/03/19.21:04:11|A|B|0|{a}|{b}|VS:x|y")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseMediaLabel(s)
		if err != nil {
			return
		}
		if !strings.Contains(s, l.CartridgeLabel) || !strings.Contains(s, l.MediaID) {
			t.Fatalf("%q parsed as %+v", s, l)
		}
		m, err := ParseMediaLabel(l.String())
		if err != nil || (l.MediaID != "" && !strings.ContainsAny(s, "\x00") && !strings.HasPrefix(l.VendorSpecific, "VS:") &&
			!isID(l.VendorSpecific) && strings.Count(s, "|") == 9 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7F }) &&
			l.Side != "" && l.Version != "" && m != l) {
			t.Fatalf("%q: %+v came back as %+v, %v", s, l, m, err)
		}
	})
}

func TestXOR(t *testing.T) {
	if got := XOR16([]byte{0x01, 0x02, 0x10, 0x20, 0xFF}); got != 0x2211 {
		t.Errorf("XOR16 is %#x", got)
	}
	data := random(1, 1001)
	var want uint32
	padded := append(append([]byte(nil), data...), 0, 0, 0)
	for i := 0; i < len(padded); i += 4 {
		want ^= binary.LittleEndian.Uint32(padded[i:])
	}
	for cut := range 40 {
		var x xorSum
		x.write(data[:cut])
		x.write(data[cut : cut*2])
		x.write(data[cut*2:])
		if x.sum != want {
			t.Errorf("cut at %d: %#x, want %#x", cut, x.sum, want)
		}
	}
}

// TestHeaderOffsets pins the common header to the standard's table (mtf.md 1.4).
func TestHeaderOffsets(t *testing.T) {
	p := make([]byte, 64)
	copy(p, "ESPB")
	for off, b := range map[int]byte{4: 0x11, 7: 0x44, 8: 56, 10: 14, 11: 1, 12: 0x21, 19: 0x28, 20: 0x31, 27: 0x38, 28: 0x41, 36: 0x51, 39: 0x54,
		44: 4, 46: 52, 48: 2, 52: 0xA1, 55: 0xA4} {
		p[off] = b
	}
	var x uint16
	for i := 0; i < 50; i += 2 {
		x ^= uint16(p[i]) | uint16(p[i+1])<<8
	}
	p[50], p[51] = byte(x), byte(x>>8)
	var b ESPB
	if err := b.Unmarshal(p); err != nil {
		t.Fatal(err)
	}
	want := Header{Type: IDESPB, Attributes: 0x44000011, FirstEvent: 56, OSID: 14, OSVersion: 1, Size: 0x2800000000000021,
		FLA: 0x3800000000000031, MBC: 0x41, ControlBlockID: 0x54000051, OSData: []byte{0xA1, 0, 0, 0xA4}, StringType: 2}
	if d := cmp.Diff(want, b.Header); d != "" {
		t.Error(d)
	}
	for i := range 52 {
		q := append([]byte(nil), p...)
		q[i] ^= 1
		if err := b.Unmarshal(q); err == nil {
			t.Errorf("bit 0 of byte %d flipped: accepted", i)
		}
	}
}

// block is what all descriptor blocks have.
type block interface {
	marshaler
	Unmarshal([]byte) error
}

// fillRandom sets every exported field; strings and bytes stay short.
func fillRandom(r *rand.Rand, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		name := v.Type().Field(i).Name
		switch f.Kind() {
		case reflect.Struct:
			fillRandom(r, f)
		case reflect.String:
			runes := []rune("aZ09 äß€\x00😀|/\\")
			var b strings.Builder
			for range r.Intn(12) {
				b.WriteRune(runes[r.Intn(len(runes))])
			}
			f.SetString(b.String())
		case reflect.Slice:
			if f.Type().Elem().Kind() == reflect.Uint8 {
				if b := random(r.Int63(), r.Intn(20)); len(b) > 0 {
					f.SetBytes(b)
				}
			}
		case reflect.Uint64:
			f.SetUint(r.Uint64())
			if f.Type() == reflect.TypeFor[DateTime]() {
				f.SetUint(r.Uint64() >> 24)
			}
		case reflect.Int8, reflect.Int32:
			f.SetInt(int64(int8(r.Uint32())))
		default:
			f.SetUint(uint64(r.Uint32()) & (1<<(8*f.Type().Size()) - 1))
		}
		if name == "StringType" {
			f.SetUint(uint64(StringUnicode))
		}
	}
}

func roundTrip(t *testing.T, seed int64, make2 func() (a, b block), typ ID) {
	t.Helper()
	in, out := make2()
	v := reflect.ValueOf(in).Elem()
	fillRandom(rand.New(rand.NewSource(seed)), v)
	h := v.FieldByName("Header")
	h.FieldByName("Type").SetUint(uint64(typ))
	p := make([]byte, 1024)
	n, err := in.Marshal(p)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	h.FieldByName("FirstEvent").SetUint(uint64(n))
	if err := out.Unmarshal(p[:n]); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Errorf("%s seed %d: %s", typ, seed, d)
	}
	q := make([]byte, 1024)
	if m, err := out.Marshal(q); err != nil || m != n || !bytes.Equal(p, q) {
		t.Errorf("%s seed %d: encoding again gives other bytes, %v", typ, seed, err)
	}
}

var allBlocks = map[ID]func() (block, block){
	IDTAPE: func() (block, block) { return &TAPE{}, &TAPE{} },
	IDSSET: func() (block, block) { return &SSET{}, &SSET{} },
	IDVOLB: func() (block, block) { return &VOLB{}, &VOLB{} },
	IDDIRB: func() (block, block) { return &DIRB{}, &DIRB{} },
	IDFILE: func() (block, block) { return &FILE{}, &FILE{} },
	IDCFIL: func() (block, block) { return &CFIL{}, &CFIL{} },
	IDESPB: func() (block, block) { return &ESPB{}, &ESPB{} },
	IDESET: func() (block, block) { return &ESET{}, &ESET{} },
	IDEOTM: func() (block, block) { return &EOTM{}, &EOTM{} },
}

func TestBlockRoundTrip(t *testing.T) {
	for typ, mk := range allBlocks {
		for seed := range int64(200) {
			roundTrip(t, seed, mk, typ)
		}
	}
}

func FuzzBlockRoundTrip(f *testing.F) {
	f.Add(int64(1))
	f.Fuzz(func(t *testing.T, seed int64) {
		for typ, mk := range allBlocks {
			roundTrip(t, seed, mk, typ)
		}
	})
}

// FuzzUnmarshal feeds any bytes, with the checksum made good, to every decoder: what is accepted encodes to something that
// decodes to the same.
func FuzzUnmarshal(f *testing.F) {
	for typ, mk := range allBlocks {
		in, _ := mk()
		v := reflect.ValueOf(in).Elem()
		fillRandom(rand.New(rand.NewSource(int64(typ))), v)
		p := make([]byte, 512)
		if n, err := in.Marshal(p); err == nil {
			f.Add(p[:n])
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) < HeaderSize {
			return
		}
		p = append([]byte(nil), p...)
		binary.LittleEndian.PutUint16(p[50:], XOR16(p[:50]))
		mk := allBlocks[ID(binary.LittleEndian.Uint32(p))]
		if mk == nil {
			return
		}
		a, b := mk()
		if a.Unmarshal(p) != nil || checkBlockCRC(p[:binary.LittleEndian.Uint16(p[8:])]) != nil {
			return
		}
		q := make([]byte, 1<<18)
		n, err := a.Marshal(q)
		if err != nil {
			return // strings that do not fit again, such as overlapping ones
		}
		if err := b.Unmarshal(q[:n]); err != nil {
			t.Fatal(err)
		}
		reflect.ValueOf(a).Elem().FieldByName("Header").FieldByName("FirstEvent").SetUint(uint64(n))
		if d := cmp.Diff(a, b); d != "" && !strings.Contains(d, "\uFFFD") {
			t.Fatal(d)
		}
	})
}

func TestSFMB(t *testing.T) {
	in := SFMB{Header: Header{Type: IDSFMB, FirstEvent: 512, ControlBlockID: 3}, Entries: 113, Used: 3, PBA: []uint64{900, 500, 2}}
	p := make([]byte, 512)
	if _, err := in.Marshal(p); err != nil {
		t.Fatal(err)
	}
	if v := binary.LittleEndian.Uint32(p[64:]); v != 500 {
		t.Errorf("second entry at 64 is %d", v)
	}
	var out SFMB
	if err := out.Unmarshal(p, false); err != nil || !cmp.Equal(in, out) {
		t.Errorf("%+v, %v", out, err)
	}
	in.PBA = make([]uint64, 114)
	if _, err := in.Marshal(p); !errors.Is(err, ErrLimit) {
		t.Errorf("too many entries: %v", err)
	}
}

func TestStreamHeader(t *testing.T) {
	want := []byte{'S', 'T', 'A', 'N', 0x08, 0, 0x22, 0, 5, 0, 0, 0, 0, 0, 0, 0x40, 1, 2, 3, 4}
	want = binary.LittleEndian.AppendUint16(want, XOR16(want))
	h := StreamHeader{ID: StreamSTAN, FSAttributes: StreamIsSparse, MediaAttributes: StreamVariable | StreamChecksummed,
		Length: 5 | 0x40<<56, EncryptionAlgorithm: 0x0201, CompressionAlgorithm: 0x0403}
	got := make([]byte, StreamHeaderSize)
	h.Put(got)
	if !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if back, err := DecodeStreamHeader(got); err != nil || back != h {
		t.Errorf("%+v, %v", back, err)
	}
	for i := range got {
		got[i] ^= 4
		if _, err := DecodeStreamHeader(got); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		got[i] ^= 4
	}
}

func TestMarshalLimits(t *testing.T) {
	b := SSET{Header: Header{StringType: StringUnicode}, Name: strings.Repeat("x", 600)}
	if _, err := b.Marshal(make([]byte, 1024)); !errors.Is(err, ErrLimit) {
		t.Errorf("a name that does not fit: %v", err)
	}
	if _, err := (&TAPE{}).Marshal(make([]byte, 20)); !errors.Is(err, ErrLimit) {
		t.Errorf("a buffer that is too short: %v", err)
	}
	e := CatalogEntry{Type: IDFILE, StringType: StringUnicode, Name: strings.Repeat("x", 33000)}
	if _, err := e.Marshal(make([]byte, 1<<18)); !errors.Is(err, ErrLimit) {
		t.Errorf("a catalog entry of more than 65535 bytes: %v", err)
	}
	if _, err := MarshalSetMap(1, make([]SetMapEntry, 65536)); !errors.Is(err, ErrLimit) {
		t.Errorf("65536 sets: %v", err)
	}
	if _, err := MarshalSetMap(1, []SetMapEntry{{Volumes: make([]CatalogEntry, 65536)}}); !errors.Is(err, ErrLimit) {
		t.Errorf("65536 volumes: %v", err)
	}
}
