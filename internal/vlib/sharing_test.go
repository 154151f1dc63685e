package vlib_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// TestGoroutinesShareALibrary does everything at once: commands, moves, changes of the configuration, faults.
func TestGoroutinesShareALibrary(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{Slots: 6, Drives: 2, MailSlots: 1, TapeCount: 3, Capacity: 1 << 20})
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "MAIL01L6"}))
	var group sync.WaitGroup
	for n := range 2 {
		group.Go(func() {
			if err := shuffle(l, n, 25); err != nil {
				t.Errorf("drive %d: %v", n, err)
			}
		})
	}
	group.Go(func() {
		for i := range 25 {
			if err := l.SetQuirks(vlib.Quirks{DescriptorSense: i%2 == 0}); err != nil {
				t.Error(err)
			}
			if err := l.SetTiming(vlib.Timing{Move: time.Duration(i%2) * time.Millisecond}); err != nil {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for range 25 {
			time.Sleep(4 * time.Millisecond) // a person is no faster, and drivers bear only so many attentions
			address, err := l.InsertMail("MAIL01L6")
			if err == nil {
				err = l.TakeMail(address)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for range 50 {
			a, err := trySend(ch, statusCDB(0x10, 0, 100, 1, 65535), nil, 65535)
			if err != nil || a.status != scsi.StatusGood && a.sense.Key != scsi.UnitAttention {
				t.Errorf("READ ELEMENT STATUS: %s, %v", a, err)
			}
		}
	})
	group.Go(func() {
		for range 25 {
			id, err := l.InjectFault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Barcode: "NONE"})
			if err == nil {
				err = l.ClearFaults(id)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	tapes, err := l.Tapes()
	must(t, err)
	for i, tape := range tapes[:3] {
		if int(tape.Element) != 1001+i {
			t.Errorf("tape %s ended in %d", tape.Barcode, tape.Element)
		}
	}
}

// TestStoppedProcess holds a device's lock, as a process does that was stopped in the middle of a command.
func TestStoppedProcess(t *testing.T) {
	l, ch, tr := loadedLab(t, vlib.Config{TapeCount: 2})
	f, err := os.OpenFile(filepath.Join(l.Folder(), "drive0", "lock"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	check := func(what string, tr scsi.Transport, cdb []byte) {
		t.Helper()
		start := time.Now()
		err := tr.Send(context.Background(), &scsi.Command{CDB: cdb, Timeout: 50 * time.Millisecond})
		var te *scsi.TransportError
		if !errors.As(err, &te) || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(start))
		}
	}
	check("TEST UNIT READY", tr, tur)
	check("MOVE MEDIUM out of the drive", ch, moveCDB(257, 1001))
	want(t, ch, moveCDB(1002, 258), "GOOD") // the rest of the library works
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var te *scsi.TransportError
	if err := tr.Send(ctx, &scsi.Command{CDB: tur}); !errors.As(err, &te) || !te.NotSent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context: %v", err)
	}
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_UN))
	want(t, tr, tur, "GOOD")
}

// TestLeftBehind removes what killed processes left in the folder of nexuses.
func TestLeftBehind(t *testing.T) {
	l, _, _ := rawLab(t, vlib.Config{})
	old := filepath.Join(l.Folder(), "nexus", fmt.Sprintf("%016x", 12345))
	young := filepath.Join(l.Folder(), "nexus", fmt.Sprintf("%016x", 12346))
	for _, path := range []string{old, young} {
		must(t, os.WriteFile(path, nil, 0o666))
	}
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(old, past, past))
	again, err := vlib.Open(l.Folder())
	must(t, err)
	must(t, again.Close())
	if _, err := os.Stat(old); err == nil {
		t.Error("the old file is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("the young file is gone")
	}
	list, err := os.ReadDir(filepath.Join(l.Folder(), "nexus"))
	if err != nil || len(list) != 3 {
		t.Errorf("%d files, want those of two transports and the young one: %v", len(list), err)
	}
}

// TestSync runs with synchronization to stable storage.
func TestSync(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20, Sync: true, WriteBack: true})
	wantWrite(t, tr, block(1, 1), "GOOD")
	want(t, tr, marks(0, 0), "GOOD")
	want(t, tr, rewindOp, "GOOD")
	if got := wantRead(t, tr, len(block(1, 1)), "GOOD"); !bytes.Equal(got, block(1, 1)) {
		t.Error("another block")
	}
}

// TestClosedLibrary ends the transports with their library.
func TestClosedLibrary(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "l")
	must(t, vlib.Create(folder, vlib.Config{}))
	l, err := vlib.Open(folder)
	must(t, err)
	tr, err := l.Drive(1)
	must(t, err)
	if _, err := l.Drive(2); err == nil {
		t.Error("there is no drive 2")
	}
	if _, err := l.Drive(-1); err == nil {
		t.Error("there is no drive -1")
	}
	must(t, l.Close())
	var te *scsi.TransportError
	if _, err := trySend(tr, tur, nil, 0); !errors.As(err, &te) || !te.NotSent {
		t.Errorf("a command after the library was closed: %v", err)
	}
	must(t, tr.Close())
}

// TestFullDisk is a host without room: the command fails, and what was written stays.
func TestFullDisk(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 30})
	wantWrite(t, tr, block(1, 0), "GOOD")
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	limit := before
	limit.Cur = 3000
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	p := block(1, 1)
	err := tr.Send(context.Background(), &scsi.Command{CDB: []byte{0x0A, 0, 0, byte(len(p) >> 8), byte(len(p)), 0},
		Direction: scsi.ToDevice, Data: p})
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before))
	var te *scsi.TransportError
	if !errors.As(err, &te) || !errors.Is(err, unix.EFBIG) {
		t.Errorf("a full disk: %v", err)
	}
	wantWrite(t, tr, block(1, 2), "GOOD")
	want(t, tr, rewindOp, "GOOD")
	for _, n := range []int{0, 2} {
		if got := wantRead(t, tr, len(block(1, n)), "GOOD"); !bytes.Equal(got, block(1, n)) {
			t.Errorf("block %d is not as written", n)
		}
	}
	wantRead(t, tr, 100, "8/00/05 info=100")
}
