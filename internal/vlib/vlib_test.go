package vlib_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// lab is a library with its changer and drives open.
type lab struct {
	*vlib.Library
	changer *changer.Changer
	raw     scsi.Transport
}

func newLab(t testing.TB, c vlib.Config) *lab {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "library")
	if err := vlib.Create(folder, c); err != nil {
		t.Fatal(err)
	}
	return openLab(t, folder)
}

func openLab(t testing.TB, folder string) *lab {
	t.Helper()
	l, err := vlib.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	raw, err := l.Changer()
	if err != nil {
		t.Fatal(err)
	}
	ch, err := changer.New(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{l, ch, raw}
}

func (l *lab) drive(t testing.TB, n int) (*drive.Drive, scsi.Transport) {
	t.Helper()
	tr, err := l.Drive(n)
	if err != nil {
		t.Fatal(err)
	}
	d, err := drive.New(context.Background(), tr, drive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d, tr
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDriverWritesAndReadsBack(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{TapeCount: 3, Capacity: 64 << 20, MailSlots: 2, CleaningTapes: 1})
	elements, err := l.changer.Elements(ctx)
	must(t, err)
	if len(elements) != 1+24+2+2 {
		t.Errorf("inventory has %d elements, want 29", len(elements))
	}
	must(t, l.changer.Move(ctx, 1001, 257))
	d, _ := l.drive(t, 0)
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	must(t, d.Prepare(ctx, drive.PrepareOptions{}))
	must(t, d.Rewind(ctx))
	blocks := [][]byte{bytes.Repeat([]byte("a"), 262144), bytes.Repeat([]byte("b"), 1), bytes.Repeat([]byte("c"), 65536)}
	for _, b := range blocks {
		if ew, err := d.WriteBlock(ctx, b); err != nil || ew {
			t.Fatalf("write: early warning %t, %v", ew, err)
		}
	}
	if _, err := d.WriteFilemarks(ctx, 1, false); err != nil {
		t.Fatal(err)
	}
	must(t, d.Flush(ctx))
	must(t, d.Rewind(ctx))
	buf := make([]byte, 1<<20)
	for i, want := range blocks {
		n, err := d.ReadBlock(ctx, buf)
		if err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("block %d: %d bytes, %v", i, n, err)
		}
	}
	if _, err := d.ReadBlock(ctx, buf); !errors.Is(err, drive.ErrFilemark) {
		t.Errorf("at the filemark: %v", err)
	}
	if _, err := d.ReadBlock(ctx, buf); !errors.Is(err, drive.ErrEndOfData) {
		t.Errorf("at the end: %v", err)
	}
	must(t, d.Locate(ctx, 1))
	if n, err := d.ReadBlock(ctx, buf); err != nil || n != 1 {
		t.Errorf("after LOCATE 1: %d bytes, %v", n, err)
	}
	must(t, d.Unload(ctx))
	must(t, l.changer.Move(ctx, 257, 1001))
}
