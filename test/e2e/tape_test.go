package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/scsi/iscsi"
	"tapectl/internal/scsi/sgio"
	"tapectl/internal/vlib"
	"tapectl/test/mtfcheck"
)

// testIndependentReader loads each tape that was written and lets a reader that shares no code with the program look at
// every block of it.
func testIndependentReader(t *testing.T, o *operator, p place) {
	o = o.with(t)
	drives := records[struct{ Address string }](o, "drive", "list")
	checked := 0
	for _, tape := range records[struct {
		Barcode, Label string
		DataSets       int
	}](o, "tape", "list") {
		if tape.DataSets == 0 || tape.Label == "BIG" { // reading the big file again proves nothing more
			continue
		}
		o.must("tape", "load", tape.Barcode, "--drive", "1")
		report := checkTape(t, drives[0].Address)
		o.must("tape", "unload", "1")
		if len(report.Sets) != tape.DataSets {
			t.Errorf("tape %s: the independent reader found %d data sets, the catalog has %d", tape.Barcode, len(report.Sets), tape.DataSets)
		}
		compareObjects(t, o, tape.Barcode, report)
		checked++
	}
	if checked == 0 {
		t.Error("no tape was checked")
	}
}

// compareObjects holds what the independent reader found against the program's catalog.
func compareObjects(t *testing.T, o *operator, barcode string, report *mtfcheck.Report) {
	t.Helper()
	want := map[string]string{}
	for _, object := range records[struct {
		SetNumber    int
		Path, SHA256 string
		Kind         string
	}](o, "tape", "contents", barcode) {
		if object.Kind == "file" || object.Kind == "stream" {
			want[fmt.Sprintf("%d %s", object.SetNumber, object.Path)] = object.SHA256
		}
	}
	found := 0
	for _, s := range report.Sets {
		for _, f := range s.Files {
			found++
			if sum := want[fmt.Sprintf("%d %s", s.Number, f.Path)]; sum != fmt.Sprintf("%x", f.SHA256) {
				t.Errorf("tape %s, data set %d, %s: SHA-256 on tape %x, in the catalog %s", barcode, s.Number, f.Path, f.SHA256, sum)
			}
		}
	}
	if found != len(want) {
		t.Errorf("tape %s: %d files on the tape, %d in the catalog", barcode, found, len(want))
	}
}

// checkTape reads all blocks of the tape in a drive.
func checkTape(t *testing.T, address string) *mtfcheck.Report {
	t.Helper()
	ctx := context.Background()
	tr := openDevice(t, address)
	defer tr.Close()
	d, err := drive.New(ctx, tr, drive.Options{})
	if err == nil {
		err = d.WaitReady(ctx, drive.WaitOptions{})
	}
	if err == nil {
		err = d.Rewind(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	report, err := mtfcheck.Check(func(object uint64) ([]byte, bool, bool) {
		if object != next {
			if err := d.Locate(ctx, object); err != nil {
				t.Fatal(err)
			}
		}
		next = object + 1
		p := make([]byte, 256<<10)
		n, err := d.ReadBlock(ctx, p)
		switch {
		case err == nil:
			return p[:n], false, true
		case errors.Is(err, drive.ErrFilemark):
			return nil, true, true
		case errors.Is(err, drive.ErrEndOfData):
			return nil, false, false
		}
		t.Fatalf("read object %d: %v", object, err)
		return nil, false, false
	})
	if err != nil {
		t.Errorf("the independent reader does not agree: %v", err)
	}
	return report
}

// openDevice opens a drive by its address, as the program prints it.
func openDevice(t *testing.T, address string) scsi.Transport {
	t.Helper()
	var tr scsi.Transport
	var err error
	switch {
	case strings.HasPrefix(address, "iscsi:"):
		var a iscsi.Address
		if a, err = iscsi.ParseAddress(address); err == nil {
			tr, err = iscsi.Open(context.Background(), a)
		}
	case strings.HasPrefix(address, "vlib:"):
		folder, number, _ := strings.Cut(strings.TrimPrefix(address, "vlib:"), "#drive")
		var v *vlib.Library
		if v, err = vlib.Open(filepath.Clean(folder)); err == nil {
			t.Cleanup(func() { v.Close() })
			n, _ := strconv.Atoi(number)
			tr, err = v.Drive(n - 1)
		}
	default:
		tr, err = sgio.Open(address, sgio.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}
