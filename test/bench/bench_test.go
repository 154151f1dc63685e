// Package bench measures the program beside plain loops of commands: throughput of backup and restore, memory, inventory.
//
// Every figure is a ratio of two measurements of the same run, because machines differ and are shared.
package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tapectl/internal/backup"
	"tapectl/internal/drive"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const block = backup.DefaultBlockSize

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// memory is a folder in memory, for sources and targets that are no bottleneck.
func memory(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "tapectl-bench-")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// warm makes the host find memory for so many bytes before anything is measured: in a virtual machine the first touch of
// a page costs several times what writing it costs.
func warm(b *testing.B, bytes int64) {
	path := filepath.Join(memory(b), "warm")
	f, err := os.Create(path)
	must(b, err)
	defer os.Remove(path)
	defer f.Close()
	p := make([]byte, 1<<20)
	for range bytes >> 20 {
		_, err := f.Write(p)
		must(b, err)
	}
}

// source writes a file that no compression makes smaller.
func source(b *testing.B, size int64) string {
	path := filepath.Join(memory(b), "source.bin")
	f, err := os.Create(path)
	must(b, err)
	defer f.Close()
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), size)
	must(b, err)
	return path
}

// rate is bytes a second in MB/s.
func rate(bytes int64, d time.Duration) float64 { return float64(bytes) / 1e6 / d.Seconds() }

// plainWrite is a loop of WRITE commands of the block size, as fast as the transport takes them, with a flush at the end.
func plainWrite(b *testing.B, t scsi.Transport, bytes int64) time.Duration {
	ctx := context.Background()
	p := make([]byte, block)
	rand.NewChaCha8([32]byte{2}).Read(p)
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, time.Minute)))
	begun := time.Now()
	for n := int64(0); n < bytes; n += block {
		must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Write6{Length: block}, scsi.ToDevice, p, time.Minute)))
	}
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.WriteFilemarks6{}, scsi.NoData, nil, time.Minute)))
	return time.Since(begun)
}

// plainRead is a loop of READ commands over what plainWrite wrote.
func plainRead(b *testing.B, t scsi.Transport, bytes int64) time.Duration {
	ctx := context.Background()
	p := make([]byte, block)
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, time.Minute)))
	begun := time.Now()
	for n := int64(0); n < bytes; n += block {
		must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Read6{Length: block}, scsi.FromDevice, p, time.Minute)))
	}
	return time.Since(begun)
}

// throughput compares backup and restore of a file with the plain loops, on a virtual library. The times of tapectl are those
// between the first and the last byte: mounting is not throughput.
func throughput(b *testing.B, bytes int64, timing vlib.Timing, generation, media string) {
	ctx := context.Background()
	v := librarytest.New(b, vlib.Config{Slots: 4, Drives: 1, TapeCount: 2, Generations: []string{generation}, Media: media, Capacity: 64 << 30})
	must(b, v.Virtual.SetTiming(timing))
	path := source(b, bytes)
	for b.Loop() {
		l := v.Open()
		m, err := l.Mount(ctx, library.MountRequest{Element: v.Tape("VTL001" + media).ElementAddress})
		must(b, err)
		t, err := v.Host.Open(ctx, "drive1")
		must(b, err)
		_, err = scsi.ClearAttentions(ctx, t)
		must(b, err)
		warm(b, bytes+bytes/4)
		pw := plainWrite(b, t, bytes)
		pr := plainRead(b, t, bytes)
		must(b, t.Close())
		must(b, m.Dismount(ctx))

		warm(b, bytes+bytes/4)
		var w stopwatch
		_, err = backup.Run(ctx, v.Catalog, l, backup.Request{Name: "bench", Sources: []string{path}, Label: "BENCH", Software: "tapectl", Version: "bench",
			Progress: func(p backup.Progress) { w.tick(p.Bytes) }})
		must(b, err)
		points, err := v.Catalog.RecoveryPoints(ctx, mediacatalog.RecoveryPointFilter{})
		must(b, err)
		c, err := restore.Choose(ctx, v.Catalog, points[0], 0)
		must(b, err)
		warm(b, bytes+bytes/4)
		var r stopwatch
		to := memory(b)
		_, err = restore.Run(ctx, v.Catalog, l, c, restore.Request{To: to, Progress: func(p restore.Progress) { r.tick(p.Bytes) }})
		must(b, err)
		must(b, os.RemoveAll(to))
		must(b, l.Close())
		fmt.Printf("%-28s plain WRITE %6.0f MB/s  backup  %6.0f MB/s  ratio %.2f\n", b.Name(), rate(bytes, pw), w.rate(), w.rate()/rate(bytes, pw))
		fmt.Printf("%-28s plain READ  %6.0f MB/s  restore %6.0f MB/s  ratio %.2f\n", b.Name(), rate(bytes, pr), r.rate(), r.rate()/rate(bytes, pr))
	}
}

// stopwatch measures the rate between the first and the last tick with progress.
type stopwatch struct {
	first, last time.Time
	from, to    int64
}

func (s *stopwatch) tick(bytes int64) {
	if s.first.IsZero() && bytes > 0 {
		s.first, s.from = time.Now(), bytes
	}
	if bytes > s.to {
		s.last, s.to = time.Now(), bytes
	}
}

func (s *stopwatch) rate() float64 { return rate(s.to-s.from, s.last.Sub(s.first)) }

func BenchmarkUnthrottled(b *testing.B) { throughput(b, 2<<30, vlib.Timing{}, "LTO-6", "L6") }

func BenchmarkLTO9(b *testing.B) {
	throughput(b, 2<<30, vlib.Timing{Rate: 400_000_000}, "LTO-9", "L9")
}
