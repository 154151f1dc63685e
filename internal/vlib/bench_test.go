package vlib_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// fast is a folder in memory where the host has one.
func fast(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "vlib-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return filepath.Join(dir, "library")
	}
	return filepath.Join(t.TempDir(), "library")
}

// loadedDrive is a raw transport to a drive with a tape of so many bytes.
func loadedDrive(t testing.TB, c vlib.Config) (*lab, scsi.Transport) {
	folder := fast(t)
	must(t, vlib.Create(folder, c))
	l := openLab(t, folder)
	must(t, l.changer.Move(context.Background(), 1001, 257))
	d, tr := l.drive(t, 0)
	must(t, d.WaitReady(context.Background(), drive.WaitOptions{}))
	return l, tr
}

const benchBlock = 256 << 10

func writeCommand(p []byte) *scsi.Command {
	return scsi.NewCommand(drive.Write6{Length: uint32(len(p))}, scsi.ToDevice, p, time.Minute)
}

func readCommand(p []byte) *scsi.Command {
	return scsi.NewCommand(drive.Read6{Length: uint32(len(p))}, scsi.FromDevice, p, time.Minute)
}

func rewind(t testing.TB, tr scsi.Transport) {
	must(t, scsi.Do(context.Background(), tr, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, time.Minute)))
}

func BenchmarkWrite(b *testing.B) {
	_, tr := loadedDrive(b, vlib.Config{TapeCount: 1, Capacity: 1 << 40})
	p := make([]byte, benchBlock)
	b.SetBytes(benchBlock)
	for i := 0; b.Loop(); i++ {
		// A gigabyte again and again, so that memory lasts.
		if i%4096 == 0 {
			rewind(b, tr)
		}
		must(b, scsi.Do(context.Background(), tr, writeCommand(p)))
	}
}

func BenchmarkRead(b *testing.B) {
	_, tr := loadedDrive(b, vlib.Config{TapeCount: 1, Capacity: 1 << 40})
	p := make([]byte, benchBlock)
	const blocks = 2048
	for range blocks {
		must(b, scsi.Do(context.Background(), tr, writeCommand(p)))
	}
	b.SetBytes(benchBlock)
	for i := 0; b.Loop(); i++ {
		if i%blocks == 0 {
			rewind(b, tr)
		}
		must(b, scsi.Do(context.Background(), tr, readCommand(p)))
	}
}

// BenchmarkPlainFile is what the file system itself does with blocks of this size: the measure for BenchmarkWrite.
func BenchmarkPlainFile(b *testing.B) {
	for _, write := range []bool{true, false} {
		name := map[bool]string{true: "write", false: "read"}[write]
		b.Run(name, func(b *testing.B) {
			folder := fast(b)
			must(b, os.MkdirAll(folder, 0o777))
			f, err := os.Create(filepath.Join(folder, "file"))
			must(b, err)
			defer f.Close()
			p := make([]byte, benchBlock)
			for i := range int64(2048) {
				_, err := f.WriteAt(p, i*benchBlock)
				must(b, err)
			}
			b.SetBytes(benchBlock)
			for i := int64(0); b.Loop(); i++ {
				if i%4096 == 0 && write {
					must(b, f.Truncate(0))
				}
				if write {
					_, err = f.WriteAt(p, i%4096*benchBlock)
				} else {
					_, err = f.ReadAt(p, i%2048*benchBlock)
				}
				must(b, err)
			}
		})
	}
}

func BenchmarkTestUnitReady(b *testing.B) {
	_, tr := loadedDrive(b, vlib.Config{TapeCount: 1})
	for b.Loop() {
		must(b, scsi.Ready(context.Background(), tr))
	}
}
