package mtf

import (
	"context"
	"hash"
	"io"
	"testing"
)

// sink takes blocks and forgets them.
type sink struct{ buf []byte }

func (*sink) WriteBlock(context.Context, []byte) error { return nil }
func (*sink) WriteFilemark(context.Context) error      { return nil }
func (s *sink) Block() []byte                          { return s.buf }

type zeroSource struct{}

func (zeroSource) Read(p []byte) (int, error) { return len(p), nil }

// noHash leaves the digest out, to show what the encoding itself costs.
type noHash struct{ hash.Hash }

func (noHash) Write(p []byte) (int, error) { return len(p), nil }

func benchmarkWrite(b *testing.B, size int64, digest bool) {
	ctx := context.Background()
	s, err := NewSetWriter(ctx, &sink{buf: make([]byte, 256<<10)}, SetOptions{PhysicalBlock: 256 << 10, SetNumber: 1})
	if err == nil {
		err = s.Volume(ctx, VolumeEntry{Device: "/"})
	}
	if err == nil {
		err = s.Directory(ctx, DirectoryEntry{})
	}
	if err != nil {
		b.Fatal(err)
	}
	if !digest {
		s.hash = noHash{s.hash}
	}
	b.SetBytes(max(size, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.File(ctx, FileEntry{Name: "file"}, size, zeroSource{}); err != nil {
			b.Fatal(err)
		}
	}
	s.fdd.close()
}

func BenchmarkWriteLarge(b *testing.B)       { benchmarkWrite(b, 64<<20, true) }
func BenchmarkWriteLargeNoHash(b *testing.B) { benchmarkWrite(b, 64<<20, false) }
func BenchmarkWriteSmall(b *testing.B)       { benchmarkWrite(b, 1<<10, true) }

func BenchmarkRead(b *testing.B) {
	m := newTape(b, 256<<10)
	const size = 16 << 20
	res, _ := writeSet(b, m, options(m, 1, nil), []item{{dir: []string{}}, {name: "f", size: size, data: random(1, size)}})
	b.SetBytes(size)
	for b.Loop() {
		r := reader(b, m, res)
		nextNamed(b, r, "f")
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
