package vlib_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func inject(t testing.TB, l *vlib.Library, f vlib.Fault) int {
	t.Helper()
	id, err := l.InjectFault(f)
	must(t, err)
	return id
}

func pointer[T any](v T) *T { return &v }

func TestSenseFault(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x0A}, After: 2, Times: 2,
		Key: 3, ASC: 0x0C, TapeAlerts: []int{6}})
	for i, expect := range []string{"GOOD", "GOOD", "3/0C/00", "3/0C/00", "GOOD"} {
		if a := send(t, tr, []byte{0x0A, 0, 0, 0, 10, 0}, make([]byte, 10), 0); a.String() != expect {
			t.Errorf("write %d: %s, want %s", i, a, expect)
		}
	}
	if n := objectNumber(t, tr); n != 3 {
		t.Errorf("at object %d, want 3: failed writes do not move the tape", n)
	}
	list, err := l.Faults()
	must(t, err)
	if len(list) != 0 {
		t.Errorf("still there: %+v", list)
	}
	if a := send(t, tr, []byte{0x4D, 0, 0x52, 0, 0, 0, 0, 0, 16, 0}, nil, 16); a.data[8] != 0x04 {
		t.Errorf("TapeAlert 6 is not raised: % X", a.data)
	}
	t.Run("executed", func(t *testing.T) {
		inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x0A}, Executed: true,
			Key: 1, ASC: 0x0C, Information: pointer(int64(-5)), EndOfMedium: true})
		wantWrite(t, tr, make([]byte, 10), "1/0C/00 EOM info=-5")
		if n := objectNumber(t, tr); n != 4 {
			t.Errorf("at object %d, want 4", n)
		}
	})
	t.Run("at an object", func(t *testing.T) {
		inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Object: pointer(uint64(1)), Times: -1, Key: 3, ASC: 0x11})
		want(t, tr, rewindOp, "GOOD")
		wantRead(t, tr, 10, "GOOD")
		wantRead(t, tr, 10, "3/11/00")
		wantRead(t, tr, 10, "3/11/00")
		want(t, tr, spaceCDB(0, 1), "3/11/00")
		want(t, tr, locateCDB(2), "3/11/00")
		must(t, l.ClearFaults())
		want(t, tr, locateCDB(2), "GOOD")
	})
	t.Run("for a tape", func(t *testing.T) {
		id := inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Barcode: "OTHER", Key: 4, ASC: 0x44})
		want(t, tr, rewindOp, "GOOD")
		must(t, l.ClearFaults(id))
		inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Barcode: "VTL001L6", Key: 4, ASC: 0x44})
		if a := send(t, tr, []byte{0x12, 0, 0, 0, 36, 0}, nil, 36); a.String() != "GOOD" {
			t.Errorf("INQUIRY was hit: %s", a)
		}
		want(t, tr, rewindOp, "4/44/00")
		want(t, tr, rewindOp, "GOOD")
	})
}

func TestFaultsAreShared(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	other, err := vlib.Open(l.Folder())
	must(t, err)
	defer other.Close()
	a := inject(t, other, vlib.Fault{Device: "drive0", Kind: vlib.FaultStatus, Status: 0x28})
	b := inject(t, l, vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Key: 4, ASC: 0x15, ASCQ: 1})
	if a == b {
		t.Errorf("two faults with number %d", a)
	}
	want(t, tr, rewindOp, "TASK SET FULL")
	want(t, tr, rewindOp, "GOOD")
	list, err := other.Faults()
	must(t, err)
	if len(list) != 1 || list[0].ID != b || list[0].Device != "changer" {
		t.Errorf("%+v", list)
	}
	must(t, other.ClearFaults(b))
	list, err = l.Faults()
	must(t, err)
	if len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestBadFaults(t *testing.T) {
	l, _, _ := rawLab(t, vlib.Config{})
	bad := []vlib.Fault{
		{Device: "drive9", Kind: vlib.FaultSense}, {Device: "", Kind: vlib.FaultSense}, {Device: "drive0", Kind: "what"},
		{Device: "drive0", Kind: vlib.FaultRot}, {Device: "drive0", Kind: vlib.FaultSense, Key: 16},
		{Device: "drive0", Kind: vlib.FaultSense, Times: -2}, {Device: "drive0", Kind: vlib.FaultSense, Operations: []int{256}},
		{Device: "drive0", Kind: vlib.FaultSense, TapeAlerts: []int{65}}, {Device: "drive0", Kind: vlib.FaultDelay, Delay: -1},
	}
	for _, f := range bad {
		if _, err := l.InjectFault(f); err == nil {
			t.Errorf("accepted %+v", f)
		}
	}
}

func TestTimeoutFault(t *testing.T) {
	for _, executed := range []bool{true, false} {
		l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
		inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultTimeout, Operations: []int{0x0A}, Executed: executed})
		_, err := trySend(tr, []byte{0x0A, 0, 0, 0, 10, 0}, make([]byte, 10), 0)
		var te *scsi.TransportError
		if !errors.As(err, &te) || te.NotSent || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("executed %t: %v", executed, err)
		}
		if n := objectNumber(t, tr); n == 1 != executed {
			t.Errorf("executed %t: at object %d", executed, n)
		}
	}
}

func TestMoveWithUnknownOutcome(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	inject(t, l, vlib.Fault{Device: "changer", Kind: vlib.FaultTimeout, Operations: []int{0xA5}, Element: 257, Executed: true})
	want(t, ch, moveCDB(1001, 1002), "GOOD") // another element
	if _, err := trySend(ch, moveCDB(1002, 257), nil, 0); err == nil {
		t.Fatal("the move was answered")
	}
	tapes, err := l.Tapes()
	must(t, err)
	if tapes[0].Element != 257 {
		t.Errorf("the tape is in %d", tapes[0].Element)
	}
}

func TestArmKeepsTheTape(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	inject(t, l, vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Barcode: "VTL001L6"})
	want(t, ch, moveCDB(1001, 257), "4/15/01")
	arm := elementsOf(t, ch, statusCDB(0x11, 0, 10, 0, 1000))
	if len(arm) != 1 || !arm[0].Full || arm[0].PrimaryVolumeTag.Identifier != "VTL001L6" || arm[0].Source != 1001 {
		t.Errorf("%+v", arm)
	}
	want(t, ch, moveCDB(1001, 257), "5/3B/0E")
	want(t, ch, moveCDB(1, 1001), "GOOD")
	want(t, ch, moveCDB(1001, 257), "GOOD")
}

func TestDeadDevice(t *testing.T) {
	l, _, tr := rawLab(t, vlib.Config{})
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultDead, Times: -1})
	for range 2 {
		_, err := trySend(tr, []byte{0x12, 0, 0, 0, 36, 0}, nil, 36)
		var te *scsi.TransportError
		if !errors.As(err, &te) || !te.NotSent {
			t.Errorf("a dead device: %v", err)
		}
	}
	must(t, l.ClearFaults())
	want(t, tr, tur, "2/3A/00")
}

func TestDeferredError(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultDeferred, Blocks: 3})
	for range 3 {
		wantWrite(t, tr, make([]byte, 10), "GOOD") // accepted, and lost
	}
	wantWrite(t, tr, make([]byte, 10), "3/0C/00 deferred")
	if n := objectNumber(t, tr); n != 1 {
		t.Errorf("at object %d, want 1", n)
	}
	// A flush brings it out early.
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultDeferred, Blocks: 3, Key: 4, ASC: 9})
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	a := send(t, tr, make10(0x34), nil, 20)
	if a.data[7] != 2 || a.data[11] != 1 || a.data[15] != 1 {
		t.Errorf("position with a block in the buffer % X", a.data)
	}
	want(t, tr, marks(0, 0), "4/09/00 deferred")
	want(t, tr, marks(0, 0), "GOOD")
	want(t, tr, rewindOp, "GOOD")
	wantRead(t, tr, 10, "GOOD")
	wantRead(t, tr, 10, "8/00/05 info=10")
}

func TestDeferredErrorThroughDriver(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	must(t, l.changer.Move(ctx, 1001, 257))
	d, _ := l.drive(t, 0)
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	must(t, d.Rewind(ctx))
	if _, err := d.WriteBlock(ctx, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	must(t, d.Flush(ctx))
	inject(t, l.Library, vlib.Fault{Device: "drive0", Kind: vlib.FaultDeferred, Blocks: 1})
	if _, err := d.WriteBlock(ctx, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_, err := d.WriteBlock(ctx, make([]byte, 10))
	var deferred *drive.DeferredWriteError
	if !errors.As(err, &deferred) {
		t.Fatalf("the driver says %v", err)
	}
}

func TestRotFault(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	for range 3 {
		wantWrite(t, tr, make([]byte, 100), "GOOD")
	}
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultRot, Object: pointer(uint64(1))})
	want(t, tr, rewindOp, "GOOD")
	wantRead(t, tr, 100, "GOOD")
	wantRead(t, tr, 100, "3/11/00 info=100")
	wantRead(t, tr, 100, "GOOD")
}

func TestDelayFault(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	inject(t, l, vlib.Fault{Device: "drive0", Kind: vlib.FaultDelay, Delay: 60 * time.Millisecond})
	start := time.Now()
	want(t, tr, rewindOp, "GOOD")
	if d := time.Since(start); d < 55*time.Millisecond {
		t.Errorf("took %v", d)
	}
}

func TestPowerLoss(t *testing.T) {
	for _, writeBack := range []bool{true, false} {
		t.Run(fmt.Sprintf("write back %t", writeBack), func(t *testing.T) {
			l, ch, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20, WriteBack: writeBack})
			wantWrite(t, tr, make([]byte, 10), "GOOD")
			want(t, tr, marks(1, 0), "GOOD")
			wantWrite(t, tr, make([]byte, 11), "GOOD")
			want(t, tr, marks(0, 0), "GOOD")
			wantWrite(t, tr, make([]byte, 12), "GOOD")
			want(t, tr, marks(1, 1), "GOOD") // IMMED: not flushed
			want(t, tr, []byte{0x1E, 0, 0, 0, 1, 0}, "GOOD")
			must(t, l.PowerLoss())
			want(t, tr, tur, "6/29/01")
			want(t, ch, tur, "6/29/01")
			if n := objectNumber(t, tr); n != 0 {
				t.Errorf("at object %d after power on", n)
			}
			wantRead(t, tr, 10, "GOOD")
			wantRead(t, tr, 10, "0/00/01 FM info=10")
			wantRead(t, tr, 11, "GOOD")
			if writeBack {
				wantRead(t, tr, 12, "8/00/05 info=12")
			} else {
				wantRead(t, tr, 12, "GOOD")
			}
			want(t, tr, unloadOp, "GOOD") // PREVENT is gone
			if a := send(t, tr, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); a.data[2] != 0x10 {
				t.Errorf("mode header % X", a.data)
			}
		})
	}
	// What a truncating write cut off is gone, also when the write itself was lost.
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20, WriteBack: true})
	for range 3 {
		wantWrite(t, tr, make([]byte, 10), "GOOD")
	}
	want(t, tr, rewindOp, "GOOD")
	wantRead(t, tr, 10, "GOOD")
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	must(t, l.PowerLoss())
	quiet(t, tr)
	wantRead(t, tr, 10, "GOOD")
	wantRead(t, tr, 10, "8/00/05 info=10")
}

func TestDamagedFolder(t *testing.T) {
	damage := map[string]func(folder string) error{
		"no configuration":     func(f string) error { return os.Remove(filepath.Join(f, "library.json")) },
		"broken configuration": func(f string) error { return os.WriteFile(filepath.Join(f, "library.json"), []byte("{"), 0o666) },
		"other format": func(f string) error {
			return os.WriteFile(filepath.Join(f, "library.json"), []byte(`{"Format":9}`), 0o666)
		},
		"bad values": func(f string) error {
			return os.WriteFile(filepath.Join(f, "library.json"), []byte(`{"Format":1,"Config":{"Slots":-1}}`), 0o666)
		},
		"huge configuration": func(f string) error {
			return os.WriteFile(filepath.Join(f, "library.json"), make([]byte, 2<<20), 0o666)
		},
		"no table":      func(f string) error { return os.Remove(filepath.Join(f, "cartridges.tab")) },
		"short table":   func(f string) error { return os.Truncate(filepath.Join(f, "cartridges.tab"), 10) },
		"flipped table": func(f string) error { return flip(filepath.Join(f, "cartridges.tab"), 100) },
		"no state":      func(f string) error { return os.Remove(filepath.Join(f, "drive0", "state")) },
		"flipped state": func(f string) error { return flip(filepath.Join(f, "drive0", "state"), 500) },
		"short state":   func(f string) error { return os.Truncate(filepath.Join(f, "drive0", "state"), 100) },
		"broken faults": func(f string) error {
			return os.WriteFile(filepath.Join(f, "drive0", "faults.json"), []byte("[{}]"), 0o666)
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "l")
			must(t, vlib.Create(folder, vlib.Config{TapeCount: 1}))
			must(t, do(folder))
			l, err := vlib.Open(folder)
			if err != nil {
				return
			}
			defer l.Close()
			if tr, err := l.Drive(0); err == nil {
				if _, err := trySend(tr, tur, nil, 0); err == nil {
					t.Error("the damage went unnoticed")
				}
			}
		})
	}
}

func flip(path string, at int64) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[at] ^= 0x10
	return os.WriteFile(path, b, 0o666)
}
