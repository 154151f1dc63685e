//go:build libiscsi

package drive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
	"tapectl/internal/scsi/iscsi"
)

// live moves a tape of the iSCSI laboratory into drive 2 for the time of the test. What is on it is overwritten.
func live(t *testing.T) (context.Context, *Drive) {
	t.Helper()
	base := os.Getenv("TAPECTL_LAB_ISCSI")
	if base == "" {
		t.Skip("TAPECTL_LAB_ISCSI is not set: no iSCSI laboratory (iscsi://127.0.0.1:PORT/iqn)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	open := func(lun string) scsi.Transport {
		a, err := iscsi.ParseAddress(base + "/" + lun)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := iscsi.Open(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		return tr
	}
	c, err := changer.New(ctx, open("3"))
	if err != nil {
		t.Fatal(err)
	}
	slots, err := c.ElementsOf(ctx, changer.Storage)
	if err != nil {
		t.Fatal(err)
	}
	var tape changer.ElementAddress
	for _, e := range slots {
		if e.Full {
			tape = e.Address // the last one
		}
	}
	if err := c.Move(ctx, tape, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Move(context.WithoutCancel(ctx), 2, tape); err != nil {
			t.Errorf("put the tape back: %v", err)
		}
	})
	d, err := New(ctx, open("2"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WaitReady(ctx, WaitOptions{JustMoved: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.Prepare(ctx, PrepareOptions{}); err != nil {
		t.Fatal(err)
	}
	return ctx, d
}

func TestLiveBlocks(t *testing.T) {
	ctx, d := live(t)
	if _, err := d.WriteBlock(ctx, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("write at an unknown position: %v", err)
	}
	if err := d.Rewind(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Status(ctx); err != nil || !s.Ready || s.WriteProtected || s.BlockLength != 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	// Objects: 0 to 4 blocks, 5 filemark, 6 block, 7 and 8 filemarks, 9 block.
	sizes := []int{4, 1000, 200 << 10, 256 << 10, 140000}
	for _, n := range sizes {
		if early, err := d.WriteBlock(ctx, pattern(n)); err != nil || early {
			t.Fatalf("write %d bytes: %t, %v", n, early, err)
		}
	}
	write := func(blocks, marks int) {
		t.Helper()
		for range blocks {
			if _, err := d.WriteBlock(ctx, pattern(5000)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.WriteFilemarks(ctx, marks, false); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 1)
	write(1, 2)
	write(1, 0)
	if p, err := d.Position(ctx); err != nil || p.Object != 10 || p.Filemarks != 3 {
		t.Errorf("position %+v, %v", p, err)
	}
	if err := d.Rewind(ctx); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 256<<10)
	for _, want := range sizes {
		if n, err := d.ReadBlock(ctx, p); err != nil || n != want || !bytes.Equal(p[:n], pattern(want)) {
			t.Errorf("read %d bytes, want %d, right: %t, %v", n, want, n <= len(p) && bytes.Equal(p[:n], pattern(n)), err)
		}
	}
	if _, err := d.ReadBlock(ctx, p); !errors.Is(err, ErrFilemark) {
		t.Errorf("filemark: %v", err)
	}
	for object, size := range map[uint64]int{2: 200 << 10, 4: 140000, 6: 5000, 9: 5000} {
		if err := d.Locate(ctx, object); err != nil {
			t.Fatal(err)
		}
		n, err := d.ReadBlock(ctx, p[:4096])
		var long *BlockTooLongError
		if !errors.As(err, &long) || long.Length != size {
			t.Fatalf("object %d with a short buffer: %d, %v", object, n, err)
		}
		if n, err := d.ReadBlock(ctx, p[:long.Length]); err != nil || n != size || !bytes.Equal(p[:n], pattern(size)) {
			t.Errorf("object %d: %d, %v", object, n, err)
		}
	}
	if err := d.Locate(ctx, 10); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.ReadBlock(ctx, p); !errors.Is(err, ErrEndOfData) {
			t.Errorf("end of data: %v", err)
		}
	}
}

func TestLivePositions(t *testing.T) {
	ctx, d := live(t)
	if err := d.Rewind(ctx); err != nil {
		t.Fatal(err)
	}
	// 100 blocks with a filemark behind each tenth: objects 10, 21, 32, ... are filemarks.
	for i := range 100 {
		if _, err := d.WriteBlock(ctx, bytes.Repeat([]byte{byte(i)}, 512)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if _, err := d.WriteFilemarks(ctx, 1, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	at := func(what string, err error, object uint64) {
		t.Helper()
		p, perr := d.Position(ctx)
		if err != nil || perr != nil || p.Object != object {
			t.Fatalf("%s: %v; position %+v, %v, want object %d", what, err, p, perr, object)
		}
	}
	first := func(want byte) {
		t.Helper()
		p := make([]byte, 512)
		if n, err := d.ReadBlock(ctx, p); err != nil || n != 512 || p[0] != want {
			t.Fatalf("block %d: %d bytes of %d, %v", want, n, p[0], err)
		}
	}
	at("locate 55", d.Locate(ctx, 55), 55)
	first(50)
	at("rewind", d.Rewind(ctx), 0)
	at("3 filemarks", d.SpaceFilemarks(ctx, 3), 33)
	first(30)
	at("5 blocks", d.SpaceBlocks(ctx, 5), 39)
	first(36)
	at("5 blocks back", d.SpaceBlocks(ctx, -5), 35)
	first(32)
	at("end of data", d.SpaceEndOfData(ctx), 110)
	if err := d.SpaceFilemarks(ctx, 1); !errors.Is(err, ErrEndOfData) {
		t.Errorf("filemark behind the end: %v", err)
	}
	if err := d.Locate(ctx, 111); !errors.Is(err, ErrEndOfData) {
		t.Errorf("locate behind the end: %v", err)
	}
	at("locate the end", d.Locate(ctx, 110), 110)
	if _, err := d.WriteBlock(ctx, bytes.Repeat([]byte{200}, 512)); err != nil {
		t.Fatal(err)
	}
	at("locate what was appended", d.Locate(ctx, 110), 110)
	first(200)
	// Writing in the middle cuts off what follows.
	at("locate 11", d.Locate(ctx, 11), 11)
	if _, err := d.WriteFilemarks(ctx, 1, false); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadBlock(ctx, make([]byte, 512)); !errors.Is(err, ErrEndOfData) {
		t.Errorf("behind an overwritten object: %v", err)
	}
	if d.Capabilities().CountedPosition {
		if err := d.SpaceFilemarks(ctx, -1); !errors.Is(err, ErrSpaceBackward) {
			t.Errorf("backward: %v", err)
		}
	}
	if err := d.Unload(ctx); err != nil {
		t.Error(err)
	}
}

// The laboratory's tapes are large unless it was started otherwise; 64 MiB are written at most.
func TestLiveEarlyWarning(t *testing.T) {
	ctx, d := live(t)
	if err := d.Rewind(ctx); err != nil {
		t.Fatal(err)
	}
	block := pattern(1 << 20)
	written := 0
	for early := false; !early; written++ {
		if written == 64 {
			t.Skip("the tape takes more than 64 MiB")
		}
		var err error
		if early, err = d.WriteBlock(ctx, block); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.WriteFilemarks(ctx, 1, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Locate(ctx, uint64(written-1)); err != nil {
		t.Fatal(err)
	}
	if n, err := d.ReadBlock(ctx, make([]byte, 1<<20)); err != nil || n != 1<<20 {
		t.Errorf("the block that early warning came with: %d, %v", n, err)
	}
	if _, err := d.ReadBlock(ctx, make([]byte, 1<<20)); !errors.Is(err, ErrFilemark) {
		t.Errorf("the filemark behind it: %v", err)
	}
}

func TestLiveWithoutFeatures(t *testing.T) {
	ctx, d := live(t)
	if _, err := d.MediumMemory(ctx); !errors.Is(err, ErrNotSupported) {
		t.Errorf("cartridge memory: %v", err)
	}
	if _, err := d.TapeAlerts(ctx); !errors.Is(err, ErrNotSupported) {
		t.Errorf("TapeAlert: %v", err)
	}
	if _, err := d.Densities(ctx, false); !errors.Is(err, ErrNotSupported) {
		t.Errorf("densities: %v", err)
	}
	if err := d.Rewind(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.Erase(ctx, false); !errors.Is(err, ErrNotSupported) {
		t.Errorf("erase: %v", err)
	}
	if err := d.PreventRemoval(ctx); err != nil {
		t.Error(err)
	}
	if err := d.AllowRemoval(ctx); err != nil {
		t.Error(err)
	}
	if c := d.Capabilities(); !c.CountedPosition || c.Locate10 || c.Locate16 {
		t.Errorf("capabilities %+v", c)
	}
}
