package vlib_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func TestMailSlots(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{Slots: 4, MailSlots: 1, TapeCount: 1})
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "NEW001L6"}))
	address, err := l.InsertMail("NEW001L6")
	if err != nil || address != 769 {
		t.Fatal(address, err)
	}
	want(t, ch, tur, "6/28/01")
	e := elementsOf(t, ch, statusCDB(0x13, 0, 9, 0, 1000))[0]
	if !e.Full || !e.ImportedByOperator || e.SourceValid || e.PrimaryVolumeTag.Identifier != "NEW001L6" {
		t.Errorf("%+v", e)
	}
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "NEW002L6"}))
	if _, err := l.InsertMail("NEW002L6"); err == nil {
		t.Error("a second tape fits in the mail slot")
	}
	if _, err := l.InsertMail("NOSUCH"); err == nil {
		t.Error("a tape that is not there")
	}
	want(t, ch, moveCDB(769, 1004), "GOOD")
	want(t, ch, moveCDB(1001, 769), "GOOD")
	if e := elementsOf(t, ch, statusCDB(0x13, 0, 9, 0, 1000))[0]; e.ImportedByOperator || e.Source != 1001 {
		t.Errorf("put there by the arm: %+v", e)
	}
	must(t, l.TakeMail(769))
	want(t, ch, tur, "6/28/01")
	if l.TakeMail(769) == nil || l.TakeMail(1004) == nil || l.TakeMail(5) == nil {
		t.Error("took a tape out of an empty element, a slot or nowhere")
	}
	tapes, err := l.Tapes()
	must(t, err)
	if tapes[0].Element != 0 || tapes[1].Element != 1004 || len(tapes) != 3 {
		t.Errorf("%+v", tapes)
	}
	// What is on the shelf keeps its data and comes back.
	if _, err := l.InsertMail("VTL001L6"); err != nil {
		t.Error(err)
	}
}

func TestLockedLibrary(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{Slots: 4, MailSlots: 1, TapeCount: 1})
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "NEW001L6"}))
	want(t, ch, []byte{0x1E, 0, 0, 0, 1, 0}, "GOOD")
	_, insert := l.InsertMail("NEW001L6")
	_, add := l.AddTape(vlib.TapeConfig{Barcode: "NEW002L6"})
	for name, err := range map[string]error{"insert": insert, "add": add, "take": l.TakeMail(769), "remove": l.RemoveTape(1001), "open": l.OpenDoor()} {
		if err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, ch, []byte{0x1B, 0, 3, 1, 0, 0}, "5/53/02")
	want(t, ch, moveCDB(1001, 1002), "GOOD") // the arm goes on
	want(t, ch, []byte{0x1E, 0, 0, 0, 0, 0}, "GOOD")
	must(t, l.OpenDoor())
}

func TestDoor(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	must(t, l.OpenDoor())
	for _, cdb := range [][]byte{tur, moveCDB(1001, 257), {7, 0, 0, 0, 0, 0}, statusCDB(0, 0, 1, 0, 100)} {
		want(t, ch, cdb, "2/04/18")
	}
	if a := send(t, ch, statusCDB(0, 0, 1, 2, 100), nil, 100); a.String() != "GOOD" {
		t.Errorf("current data with the door open: %s", a)
	}
	must(t, l.CloseDoor())
	want(t, ch, tur, "6/28/00")
	want(t, ch, moveCDB(1001, 257), "GOOD")
}

func TestTapesThroughTheDoor(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{Slots: 3, TapeCount: 1})
	address, err := l.AddTape(vlib.TapeConfig{Barcode: "ADD001L6"})
	if err != nil || address != 1002 {
		t.Fatal(address, err)
	}
	address, err = l.AddTape(vlib.TapeConfig{Barcode: "ADD002L6", Element: 1003})
	if err != nil || address != 1003 {
		t.Fatal(address, err)
	}
	for name, tape := range map[string]vlib.TapeConfig{"full library": {Barcode: "X"}, "full element": {Barcode: "X", Element: 1001},
		"a drive": {Barcode: "X", Element: 257}, "long barcode": {Barcode: strings.Repeat("x", 33)}, "unknown medium": {Media: "Q9"},
		"control character": {Barcode: "A\n"}} {
		if _, err := l.AddTape(tape); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	quiet(t, ch)
	must(t, l.SwapBarcode(1002, "SWAP01L6"))
	want(t, ch, tur, "6/28/00")
	if e := elementsOf(t, ch, statusCDB(0x12, 1002, 1, 0, 1000))[0]; e.PrimaryVolumeTag.Identifier != "SWAP01L6" {
		t.Errorf("%+v", e)
	}
	must(t, l.RemoveTape(1002))
	if l.RemoveTape(1002) == nil || l.RemoveTape(257) == nil || l.SwapBarcode(1002, "X") == nil || l.SetWriteProtect("X", true) == nil {
		t.Error("an empty element, a drive or an unknown tape was accepted")
	}
	quiet(t, ch)
	want(t, ch, moveCDB(1001, 257), "GOOD")
	if l.SwapBarcode(257, "X") == nil || l.SetWriteProtect("VTL001L6", true) == nil {
		t.Error("a tape in a drive was changed")
	}
	// A medium that is told by the barcode's suffix, else the library's.
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "S00001LW"}))
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "PLAIN"}))
	tapes, err := l.Tapes()
	must(t, err)
	if n := len(tapes); tapes[n-2].Media != "LW" || tapes[n-1].Media != "L6" || tapes[n-1].Capacity != 2500e9 {
		t.Errorf("%+v", tapes)
	}
}

func TestCreate(t *testing.T) {
	bad := map[string]vlib.Config{
		"generation":       {Generations: []string{"LTO-4"}},
		"media":            {Media: "ZZ"},
		"tapes":            {Slots: 2, TapeCount: 3},
		"overlap":          {Slots: 10, MailSlots: 300},
		"addresses":        {Slots: 10, Addresses: vlib.Addresses{Storage: 65530}},
		"too many":         {Slots: 70000},
		"negative":         {Slots: -1},
		"serial":           {Serial: "0123456789"},
		"vendor":           {Vendor: "NINE CHAR"},
		"element":          {Tapes: []vlib.TapeConfig{{Barcode: "A", Element: 5}}},
		"element twice":    {Tapes: []vlib.TapeConfig{{Barcode: "A", Element: 1001}, {Barcode: "B", Element: 1001}}},
		"negative size":    {Tapes: []vlib.TapeConfig{{Barcode: "A", Capacity: -1}}},
		"timing":           {Timing: vlib.Timing{Scale: -1}},
		"quirks":           {Quirks: vlib.Quirks{SlowReady: -1}},
		"huge tape number": {TapeCount: 1 << 40},
	}
	for name, c := range bad {
		folder := filepath.Join(t.TempDir(), "l")
		if err := vlib.Create(folder, c); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := os.Stat(folder); err == nil {
			t.Errorf("%s: a refused library left its folder", name)
		}
	}
	t.Run("not empty", func(t *testing.T) {
		folder := t.TempDir()
		must(t, os.WriteFile(filepath.Join(folder, "x"), nil, 0o666))
		if err := vlib.Create(folder, vlib.Config{}); err == nil {
			t.Error("accepted")
		}
		if list, _ := os.ReadDir(folder); len(list) != 1 {
			t.Errorf("%v", list)
		}
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x")
		must(t, os.WriteFile(path, nil, 0o666))
		if err := vlib.Create(path, vlib.Config{}); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("empty folder", func(t *testing.T) {
		folder := t.TempDir()
		must(t, vlib.Create(folder, vlib.Config{}))
		if err := vlib.Create(folder, vlib.Config{}); err == nil {
			t.Error("a library was created over another")
		}
		l, err := vlib.Open(folder)
		must(t, err)
		c := l.Config()
		if c.Slots != 24 || c.Drives != 2 || c.Generations[0] != "LTO-6" || c.Media != "L6" || c.Serial == "" || l.Folder() != folder {
			t.Errorf("%+v", c)
		}
		must(t, l.Close())
		must(t, l.Close())
		if _, err := l.Changer(); err == nil {
			t.Error("a closed library opened its changer")
		}
	})
	if _, err := vlib.Open(filepath.Join(t.TempDir(), "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestGeneratedBarcodes(t *testing.T) {
	l, _, _ := rawLab(t, vlib.Config{Slots: 5, Tapes: []vlib.TapeConfig{{Barcode: "A00001L5", Element: 1002}}, TapeCount: 2,
		BarcodePrefix: "DPM", Media: "LW", CleaningTapes: 1})
	tapes, err := l.Tapes()
	must(t, err)
	for i, expect := range []struct {
		barcode string
		element uint16
	}{{"A00001L5", 1002}, {"DPM001LW", 1001}, {"DPM002LW", 1003}, {"CLNU01CU", 1005}} {
		if tapes[i].Barcode != expect.barcode || tapes[i].Element != expect.element || tapes[i].ID != i+1 {
			t.Errorf("tape %d: %+v, want %+v", i, tapes[i], expect)
		}
	}
}

// TestStateSurvives closes and opens the library between all steps.
func TestStateSurvives(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "l")
	must(t, vlib.Create(folder, vlib.Config{TapeCount: 2, Capacity: 1 << 20}))
	step := func(f func(l *vlib.Library, ch, tr scsi.Transport)) {
		t.Helper()
		l, err := vlib.Open(folder)
		must(t, err)
		ch, err := l.Changer()
		must(t, err)
		tr, err := l.Drive(0)
		must(t, err)
		quiet(t, ch)
		quiet(t, tr)
		f(l, ch, tr)
		must(t, l.Close())
	}
	step(func(l *vlib.Library, ch, tr scsi.Transport) { want(t, ch, moveCDB(1001, 257), "GOOD") })
	step(func(l *vlib.Library, ch, tr scsi.Transport) {
		want(t, tr, tur, "GOOD")
		wantWrite(t, tr, make([]byte, 100), "GOOD")
		want(t, tr, marks(1, 0), "GOOD")
		if a := send(t, tr, modeSelect12, setBlockLength(64), 0); a.String() != "GOOD" {
			t.Fatal(a)
		}
	})
	step(func(l *vlib.Library, ch, tr scsi.Transport) {
		if n := objectNumber(t, tr); n != 2 {
			t.Errorf("at object %d", n)
		}
		if a := send(t, tr, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); a.data[11] != 64 {
			t.Errorf("mode data % X", a.data)
		}
		want(t, tr, rewindOp, "GOOD")
		wantRead(t, tr, 100, "GOOD")
	})
	step(func(l *vlib.Library, ch, tr scsi.Transport) {
		wantRead(t, tr, 100, "0/00/01 FM info=100")
		want(t, tr, unloadOp, "GOOD")
	})
	step(func(l *vlib.Library, ch, tr scsi.Transport) {
		want(t, tr, tur, "2/3A/00")
		want(t, ch, moveCDB(257, 1010), "GOOD")
		must(t, l.SetTiming(vlib.Timing{Move: 1}))
	})
	step(func(l *vlib.Library, ch, tr scsi.Transport) {
		if c := l.Config(); c.Timing.Move != 1 {
			t.Errorf("%+v", c.Timing)
		}
		if e := elementsOf(t, ch, statusCDB(0x12, 1010, 1, 0, 1000))[0]; !e.Full || e.Source != 1001 {
			t.Errorf("%+v", e)
		}
	})
	// Nothing of the transports is left behind.
	list, err := os.ReadDir(filepath.Join(folder, "nexus"))
	must(t, err)
	if len(list) != 0 {
		t.Errorf("%d files of closed transports", len(list))
	}
}
