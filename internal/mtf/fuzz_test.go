package mtf

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzStrings: every Unix name, whatever its bytes, comes back from UTF-16.
func FuzzStrings(f *testing.F) {
	for _, s := range []string{"", "name", "latin1-\xe9", "\xed\xb2\x80", "\xed\xa0\x80\xed\xb0\x80", "😀", "\xf0\x9f\x98", "\uFFFD\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := encodeString(StringUnicode, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeString(StringUnicode, b); got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
		if ansi, err := encodeString(StringANSI, s); err == nil && len(ansi) > 0 {
			if got := decodeString(StringANSI, ansi); got != string([]rune(s)) {
				t.Fatalf("%q came back as %q from Windows-1252", s, got)
			}
		}
	})
}

// FuzzWalk: events come in order, lie inside of the image, and say what stands there; the walk ends.
func FuzzWalk(f *testing.F) {
	f.Add(bytes.Join(vectorTape(f).objects, nil))
	m := make([]byte, 3072)
	for i, b := range []marshaler{&TAPE{FormatLogical: 1024}, &SFMB{}, &ESPB{}} {
		n, err := b.Marshal(m[i*1024:][:512])
		if err != nil {
			f.Fatal(err)
		}
		StreamHeader{ID: StreamSPAD, Length: uint64(1024 - n - StreamHeaderSize)}.Put(m[i*1024+n:])
	}
	f.Add(m)
	f.Fuzz(func(t *testing.T, img []byte) {
		img = append([]byte(nil), img...)
		for at := 0; at+HeaderSize <= len(img); at += 1024 { // checksums that fit make it reach deeper
			binary.LittleEndian.PutUint16(img[at+50:], XOR16(img[at:at+50]))
		}
		last, events := int64(-1), 0
		err := Walk(bytes.NewReader(img), int64(len(img)), func(e Event) error {
			events++
			if e.Offset <= last || len(e.Raw) != int(e.Block.FirstEvent) {
				t.Fatalf("event at %d behind %d, block of %d bytes", e.Offset, last, len(e.Raw))
			}
			last = e.Offset
			if e.Stream == nil {
				if !bytes.Equal(img[e.Offset:][:len(e.Raw)], e.Raw) {
					t.Fatalf("block at %d has other bytes", e.Offset)
				}
				return nil
			}
			if e.Offset+StreamHeaderSize+int64(e.Stream.Length) > int64(len(img)) {
				t.Fatalf("stream at %d exceeds the image", e.Offset)
			}
			return nil
		})
		if err == nil && events == 0 && len(img) > 0 {
			t.Fatal("nothing was found and nothing said")
		}
	})
}
