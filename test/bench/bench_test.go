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
	"sync/atomic"
	"testing"
	"time"

	"tapectl/internal/backup"
	"tapectl/internal/drive"
	"tapectl/internal/inventory"
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

// warm makes the host find memory for so many bytes before something is measured: in a virtual machine the first touch of
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
func plainWrite(b *testing.B, t scsi.Transport, bytes int64) float64 {
	ctx := context.Background()
	p := make([]byte, block)
	rand.NewChaCha8([32]byte{2}).Read(p)
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, time.Minute)))
	begun := time.Now()
	for n := int64(0); n < bytes; n += block {
		must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Write6{Length: block}, scsi.ToDevice, p, time.Minute)))
	}
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.WriteFilemarks6{}, scsi.NoData, nil, time.Minute)))
	return rate(bytes, time.Since(begun))
}

// plainRead is a loop of READ commands over what plainWrite wrote.
func plainRead(b *testing.B, t scsi.Transport, bytes int64) float64 {
	ctx := context.Background()
	p := make([]byte, block)
	must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, time.Minute)))
	begun := time.Now()
	for n := int64(0); n < bytes; n += block {
		must(b, scsi.Do(ctx, t, scsi.NewCommand(drive.Read6{Length: block}, scsi.FromDevice, p, time.Minute)))
	}
	return rate(bytes, time.Since(begun))
}

// stopwatch measures the rate between the first and the last tick with progress: mounting is not throughput.
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

// subject is a library whose throughput is measured: its first drive, and two blank tapes.
type subject struct {
	catalog *mediacatalog.Catalog
	host    library.Host
	drive   string // address of the first drive
	scratch mediacatalog.Media
	open    func() *library.Library
}

// throughput compares backup and restore of a file with the plain loops.
func throughput(b *testing.B, s subject, bytes int64) {
	path := source(b, bytes)
	for b.Loop() {
		l := s.open()
		plainW, plainR := s.plain(b, l, bytes)
		w, r := s.backupAndRestore(b, l, path, bytes)
		must(b, l.Close())
		b.ReportMetric(w/plainW, "backup/WRITE")
		b.ReportMetric(r/plainR, "restore/READ")
		fmt.Printf("%-24s plain WRITE %6.0f MB/s   backup  %6.0f MB/s   ratio %.2f\n", b.Name(), plainW, w, w/plainW)
		fmt.Printf("%-24s plain READ  %6.0f MB/s   restore %6.0f MB/s   ratio %.2f\n", b.Name(), plainR, r, r/plainR)
	}
}

// plain runs the loops on the scratch tape.
func (s subject) plain(b *testing.B, l *library.Library, bytes int64) (write, read float64) {
	ctx := context.Background()
	m, err := l.Mount(ctx, library.MountRequest{Element: s.scratch.ElementAddress, Drive: 1})
	must(b, err)
	t, err := s.host.Open(ctx, s.drive)
	must(b, err)
	_, err = scsi.ClearAttentions(ctx, t)
	must(b, err)
	warm(b, bytes+bytes/4)
	write = plainWrite(b, t, bytes)
	read = plainRead(b, t, bytes)
	must(b, t.Close())
	must(b, m.Dismount(ctx))
	return write, read
}

// backupAndRestore runs the program's own way on another tape.
func (s subject) backupAndRestore(b *testing.B, l *library.Library, path string, bytes int64) (write, read float64) {
	ctx := context.Background()
	var w, r stopwatch
	warm(b, bytes+bytes/4)
	result, err := backup.Run(ctx, s.catalog, l, backup.Request{
		Name: "bench", Sources: []string{path}, Label: "BENCH", Software: "tapectl", Version: "bench",
		Progress: func(p backup.Progress) { w.tick(p.Bytes) },
	})
	must(b, err)
	point, err := s.catalog.RecoveryPoint(ctx, result.RecoveryPointID)
	must(b, err)
	c, err := restore.Choose(ctx, s.catalog, point, 0)
	must(b, err)
	to := memory(b)
	warm(b, bytes+bytes/4)
	_, err = restore.Run(ctx, s.catalog, l, c, restore.Request{To: to, Progress: func(p restore.Progress) { r.tick(p.Bytes) }})
	must(b, err)
	must(b, os.RemoveAll(to))
	return w.rate(), r.rate()
}

// virtual is a virtual library with drives of a generation.
func virtual(b *testing.B, timing vlib.Timing, generation, media string) subject {
	v := librarytest.New(b, vlib.Config{Slots: 4, Drives: 1, TapeCount: 2, Generations: []string{generation}, Media: media, Capacity: 64 << 30})
	must(b, v.Virtual.SetTiming(timing))
	return subject{catalog: v.Catalog, host: v.Host, drive: "drive1", scratch: v.Tape("VTL001" + media), open: v.Open}
}

func BenchmarkVirtualUnthrottled(b *testing.B) {
	throughput(b, virtual(b, vlib.Timing{}, "LTO-6", "L6"), 2<<30)
}

func BenchmarkVirtualLTO9(b *testing.B) {
	throughput(b, virtual(b, vlib.Timing{Rate: 400_000_000}, "LTO-9", "L9"), 2<<30)
}

// BenchmarkInventory takes a fast inventory of 10,000 slots, the catalog included, and counts the commands.
func BenchmarkInventory(b *testing.B) {
	const readElementStatus = 0xB8
	v := librarytest.New(b, vlib.Config{Slots: 10_000, TapeCount: 9_000, Drives: 4, MailSlots: 40, Capacity: 1 << 30})
	var commands atomic.Int64
	v.Host.Wrap = func(_ string, t scsi.Transport) scsi.Transport {
		return counter{t, func(c *scsi.Command) {
			if c.CDB[0] == readElementStatus {
				commands.Add(1)
			}
		}}
	}
	for b.Loop() {
		l := v.Open()
		commands.Store(0)
		begun := time.Now()
		r, err := inventory.Fast(context.Background(), v.Catalog, l)
		must(b, err)
		elapsed := time.Since(begun)
		must(b, l.Close())
		b.ReportMetric(float64(commands.Load()), "commands")
		fmt.Printf("%-24s %d slots, %d tapes: %.2f s with the catalog, %d READ ELEMENT STATUS commands\n", b.Name(), r.Slots, r.Tapes, elapsed.Seconds(), commands.Load())
	}
}

// counter calls fn before each command.
type counter struct {
	scsi.Transport
	fn func(*scsi.Command)
}

func (c counter) Send(ctx context.Context, cmd *scsi.Command) error {
	c.fn(cmd)
	return c.Transport.Send(ctx, cmd)
}
