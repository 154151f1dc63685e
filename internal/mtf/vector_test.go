package mtf

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// readVector reads a tape written as hexadecimal text: blocks of size bytes, FILEMARK for nil.
func readVector(t testing.TB, name string, size int) [][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var objects [][]byte
	var buf []byte
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		for _, tok := range strings.Fields(line) {
			if tok == "FILEMARK" {
				if len(buf)%size != 0 {
					t.Fatalf("%s line %d: filemark after %d bytes", name, i+1, len(buf))
				}
				for ; len(buf) > 0; buf = buf[size:] {
					objects = append(objects, buf[:size:size])
				}
				objects = append(objects, nil)
				continue
			}
			tok, times, _ := strings.Cut(tok, "*")
			b, err := hex.DecodeString(tok)
			n := 1
			if times != "" && err == nil {
				n, err = strconv.Atoi(times)
			}
			if err != nil {
				t.Fatalf("%s line %d: %v", name, i+1, err)
			}
			buf = append(buf, bytes.Repeat(b, n)...)
		}
	}
	return objects
}

// vectorTape writes the tape that testdata/tape.hex describes.
func vectorTape(t testing.TB) *memTape {
	t.Helper()
	ctx := context.Background()
	m := newTape(t, 2048)
	o := options(m, 1, nil)
	o.SoftwareMajor, o.SoftwareMinor = 1, 2
	s, err := NewSetWriter(ctx, m, o)
	if err != nil {
		t.Fatal(err)
	}
	md := Metadata{Mode: 0o40755, UID: 1000, GID: 100, ModTime: stamp}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Volume(ctx, VolumeEntry{Device: "/srv/data", Label: "data", Machine: "host", Created: stamp}))
	must(s.Directory(ctx, DirectoryEntry{Meta: md}))
	for _, f := range []item{{name: "hello.txt", size: 5, data: []byte("hello")}, {name: "empty"}, {name: "stdin", size: -1, data: []byte("abc")},
		{name: "link", link: "../target"}, {name: "short", size: 4, data: []byte("ab")}} {
		md.Mode = 0o100644
		if f.link != "" {
			md.Mode = 0o120777
		}
		_, err := s.File(ctx, FileEntry{Name: f.name, Meta: md, LinkTarget: f.link}, f.size, f.source())
		must(err)
	}
	_, err = s.Finish(ctx)
	must(err)
	return m
}

// TestVectorTape holds the writer to the vector in testdata, which was made from the tables of docs/format.md and not by
// this package.
func TestVectorTape(t *testing.T) {
	want := readVector(t, "tape.hex", 2048)
	got := vectorTape(t).objects
	if len(got) != len(want) {
		t.Errorf("%d objects, the vector has %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if (got[i] == nil) != (want[i] == nil) {
			t.Fatalf("object %d: filemark %v, want %v", i, got[i] == nil, want[i] == nil)
		}
		for j := range got[i] {
			if got[i][j] != want[i][j] {
				t.Errorf("object %d offset %d: % x, want % x", i, j, got[i][j:min(j+16, 2048)], want[i][j:min(j+16, 2048)])
				break
			}
		}
	}
}

// TestDocumentedBytes: the byte strings in the table of docs/format.md section 12 stand on the vector tape.
func TestDocumentedBytes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## 12.")
	image := bytes.Join(vectorTape(t).objects, nil)
	n := 0
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !strings.Contains(cells[2], "`") {
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(cells[2], " `"), " ", ""))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if !bytes.Contains(image, b) {
			t.Errorf("%s: not on the tape", strings.TrimSpace(cells[1]))
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d rows in the table", n)
	}
}
