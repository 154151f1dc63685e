package vlib_test

import (
	"context"
	"fmt"
	"testing"

	"tapectl/internal/drive"
	"tapectl/internal/vlib"
)

func TestGenerations(t *testing.T) {
	t.Parallel()
	// The matrix as it is printed: rows are drives, columns media; W reads and writes, R reads, - is rejected.
	columns := []string{"L3", "L4", "L5", "L6", "L7", "M8", "L8", "L9", "LA", "PA"}
	rows := map[string]string{
		"LTO-5":  "RWW-------",
		"LTO-6":  "-RWW------",
		"LTO-7":  "--RWW-----",
		"LTO-8":  "----WWW---",
		"LTO-9":  "------WW--",
		"LTO-10": "--------WW",
	}
	densities := map[string]byte{"L3": 0x44, "L4": 0x46, "L5": 0x58, "L6": 0x5A, "L7": 0x5C, "M8": 0x5D, "L8": 0x5E, "L9": 0x60,
		"LA": 0x62, "PA": 0x63}
	for generation, row := range rows {
		t.Run(generation, func(t *testing.T) {
			t.Parallel()
			c := vlib.Config{Slots: len(columns), Drives: 1, Generations: []string{generation}, Media: "L6"}
			for i, m := range columns {
				c.Tapes = append(c.Tapes, vlib.TapeConfig{Barcode: fmt.Sprintf("G%05d%s", i, m), Capacity: 1 << 20})
			}
			_, ch, tr := rawLab(t, c)
			for i, m := range columns {
				want(t, ch, moveCDB(1001+i, 257), "GOOD")
				quiet(t, tr)
				write, read, density := "GOOD", "8/00/05 info=10", densities[m]
				switch row[i] {
				case 'R':
					write = "7/30/05"
				case '-':
					write, read = "3/30/00", "3/30/00"
				}
				wantRead(t, tr, 10, read)
				wantWrite(t, tr, make([]byte, 10), write)
				if a := send(t, tr, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); a.data[4] != density && row[i] != '-' {
					t.Errorf("%s: density %02X, want %02X", m, a.data[4], density)
				}
				want(t, tr, unloadOp, "GOOD")
				want(t, ch, moveCDB(257, 1001+i), "GOOD")
			}
		})
	}
}

func TestLoadStates(t *testing.T) {
	_, ch, tr := rawLab(t, vlib.Config{TapeCount: 2, Capacity: 1 << 20})
	want(t, tr, tur, "2/3A/00")
	want(t, tr, unloadOp, "2/3A/00")
	want(t, tr, loadOp, "2/3A/00")
	wantRead(t, tr, 10, "2/3A/00")
	want(t, ch, moveCDB(1001, 257), "GOOD")
	want(t, tr, tur, "6/28/00") // the medium may have changed, once
	want(t, tr, tur, "GOOD")
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	// The drive holds its tape until it is told to let go.
	want(t, ch, moveCDB(257, 1001), "5/53/03")
	want(t, tr, tur, "GOOD")
	want(t, tr, unloadOp, "GOOD")
	want(t, tr, unloadOp, "GOOD")
	want(t, tr, tur, "2/3A/00")
	want(t, tr, loadOp, "GOOD") // pulled in again
	want(t, tr, tur, "GOOD")    // who loads needs no attention
	wantRead(t, tr, 10, "GOOD")
	want(t, tr, []byte{0x1B, 0, 0, 0, 5, 0}, "5/24/00") // load to the end of the tape
	want(t, tr, []byte{0x1B, 0, 0, 0, 9, 0}, "GOOD")    // hold
	want(t, tr, tur, "2/3A/04")
	want(t, ch, moveCDB(257, 1001), "5/53/03")
	want(t, tr, loadOp, "GOOD")
	want(t, tr, []byte{0x1B, 1, 0, 0, 0, 0}, "GOOD") // unload at once
	want(t, ch, moveCDB(257, 1001), "GOOD")
	want(t, tr, tur, "2/3A/00")
}

func TestLoadAttentionForOthers(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	other, err := l.Drive(0)
	must(t, err)
	want(t, other, tur, "6/29/00")
	want(t, other, tur, "GOOD")
	want(t, tr, unloadOp, "GOOD")
	want(t, tr, loadOp, "GOOD")
	want(t, tr, tur, "GOOD")
	want(t, other, tur, "6/28/00")
	want(t, other, tur, "GOOD")
}

func TestPreventOnDrive(t *testing.T) {
	l, ch, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	other, err := l.Drive(0)
	must(t, err)
	quiet(t, other)
	want(t, other, []byte{0x1E, 0, 0, 0, 1, 0}, "GOOD")
	want(t, tr, unloadOp, "5/53/02")
	want(t, other, unloadOp, "5/53/02")
	want(t, ch, moveCDB(257, 1001), "5/53/02")
	if err := l.Eject(0); err == nil {
		t.Error("the button works although a host prevents it")
	}
	want(t, tr, []byte{0x1E, 0, 0, 0, 0, 0}, "GOOD") // another nexus' ALLOW does nothing
	want(t, tr, unloadOp, "5/53/02")
	must(t, other.Close())
	want(t, tr, unloadOp, "GOOD")
	want(t, ch, moveCDB(257, 1001), "GOOD")
	want(t, tr, []byte{0x1E, 0, 0, 0, 2, 0}, "5/24/00")
}

func TestEjectButton(t *testing.T) {
	l, ch, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	must(t, l.Eject(0))
	want(t, tr, tur, "2/3A/00")
	want(t, ch, moveCDB(257, 1001), "GOOD")
	if l.Eject(0) == nil || l.Eject(7) == nil {
		t.Error("an empty or missing drive ejected something")
	}
}

func TestCleaning(t *testing.T) {
	l, ch, tr := rawLab(t, vlib.Config{Slots: 4, CleaningTapes: 1, CleaningUses: 2, TapeCount: 1})
	must(t, l.RequestCleaning(0))
	d, err := l.Drive(0)
	must(t, err)
	driver, err := drive.New(context.Background(), d, drive.Options{})
	must(t, err)
	asked := func() bool {
		flags, err := driver.TapeAlerts(context.Background())
		must(t, err)
		for _, f := range flags {
			if f.Number == 0x14 {
				return true
			}
		}
		return false
	}
	if !asked() {
		t.Error("the drive does not ask for cleaning")
	}
	for use := range 2 {
		want(t, ch, moveCDB(1004, 257), "GOOD")
		want(t, tr, tur, "2/30/03")
		want(t, tr, tur, "2/30/03")
		want(t, tr, tur, "6/28/00")
		want(t, tr, tur, "2/3A/00")
		want(t, ch, moveCDB(257, 1004), "GOOD")
		tapes, err := l.Tapes()
		must(t, err)
		if last := tapes[len(tapes)-1]; last.Uses != 1-use || last.Barcode != "CLNU01CU" {
			t.Errorf("after use %d: %+v", use+1, last)
		}
	}
	if asked() {
		t.Error("the drive still asks for cleaning")
	}
	// The third time it is expired, and stays until it is unloaded.
	want(t, ch, moveCDB(1004, 257), "GOOD")
	want(t, tr, tur, "2/30/03")
	want(t, tr, tur, "2/30/03")
	want(t, tr, tur, "2/30/13")
	want(t, ch, moveCDB(257, 1004), "5/53/03")
	want(t, tr, unloadOp, "GOOD")
	want(t, ch, moveCDB(257, 1004), "GOOD")
	// A changer can fetch a cleaning tape although no host looked at the drive.
	must(t, l.RequestCleaning(0))
	_, err = l.AddTape(vlib.TapeConfig{Barcode: "CLNU02CU"})
	must(t, err)
	quiet(t, ch)
	want(t, ch, moveCDB(1002, 257), "GOOD")
	want(t, ch, moveCDB(257, 1002), "GOOD")
}
