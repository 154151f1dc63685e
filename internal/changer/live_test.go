//go:build libiscsi

package changer

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/iscsi"
)

// live opens the changer of the iSCSI laboratory: drives are elements 1 and 2, the arm 500, mail slots from 600, slots
// from 1000.
func live(t *testing.T) (context.Context, *Changer) {
	t.Helper()
	base := os.Getenv("TAPECTL_LAB_ISCSI")
	if base == "" {
		t.Skip("TAPECTL_LAB_ISCSI is not set: no iSCSI laboratory (iscsi://127.0.0.1:PORT/iqn)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	a, err := iscsi.ParseAddress(base + "/3")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := iscsi.Open(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	c, err := New(ctx, tr)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, c
}

func TestLiveInventory(t *testing.T) {
	ctx, c := live(t)
	if id := c.Identity(); id.Vendor != "STK" || id.Product != "L700" || id.Serial == "" {
		t.Errorf("identity %+v", id)
	}
	a := c.Assignment()
	want := Assignment{MediumTransport: Range{500, 1}, Storage: Range{1000, a.Storage.Count}, ImportExport: Range{600, 4}, DataTransfer: Range{1, 2}}
	if diff := cmp.Diff(want, a); diff != "" || a.Storage.Count == 0 {
		t.Error(diff)
	}
	elements, err := c.Elements(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(elements) != 1+4+2+a.Storage.Count {
		t.Errorf("%d elements", len(elements))
	}
	tapes := 0
	for _, e := range elements {
		if typ, ok := a.TypeOf(e.Address); !ok || typ != e.Type {
			t.Errorf("element %d is %s", e.Address, e.Type)
		}
		if e.Full && len(e.PrimaryVolumeTag.Identifier) != 8 {
			t.Errorf("element %d: barcode %q", e.Address, e.PrimaryVolumeTag.Identifier)
		}
		if e.Full {
			tapes++
		}
		one, err := c.Element(ctx, e.Address)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, one); diff != "" {
			t.Errorf("element %d alone: %s", e.Address, diff)
		}
	}
	if tapes == 0 {
		t.Error("no tapes")
	}
	if _, err := c.Element(ctx, 900); !errors.Is(err, ErrNoElement) {
		t.Errorf("element 900: %v", err)
	}
}

func TestLiveDriveIdentifiers(t *testing.T) {
	ctx, c := live(t)
	ids, err := c.DriveIdentifiers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if ids[1].Serial != "HUM1A00001" || ids[1].Truncated {
		t.Errorf("drive 1: %+v", ids[1])
	}
	// tgt cuts the last identifier off; a fixed one does not.
	if ids[2].Serial != "HUM1A00002" && !(ids[2].Truncated && ids[2].Serial == "HU") {
		t.Errorf("drive 2: %+v", ids[2])
	}
}

func TestLiveMove(t *testing.T) {
	ctx, c := live(t)
	elements, err := c.Elements(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var tape, empty Element
	for _, e := range elements {
		switch {
		case e.Type == Storage && e.Full:
			tape = e
		case e.Type == Storage && !e.Full:
			empty = e
		}
	}
	if err := c.Move(ctx, tape.Address, empty.Address); err != nil {
		t.Fatal(err)
	}
	if e, err := c.Element(ctx, empty.Address); err != nil || !e.Full || e.PrimaryVolumeTag != tape.PrimaryVolumeTag || !e.SourceValid || e.Source != tape.Address {
		t.Errorf("%+v, %v", e, err)
	}
	if err := c.Move(ctx, tape.Address, empty.Address); !errors.Is(err, scsi.SourceEmpty) && !errors.Is(err, scsi.DestinationFull) {
		t.Errorf("moved twice: %v", err)
	}
	if err := c.Move(ctx, empty.Address, tape.Address); err != nil {
		t.Error(err)
	}
	if err := c.Move(ctx, tape.Address, 9999); !errors.Is(err, scsi.IsIllegalRequest) {
		t.Errorf("moved to nowhere: %v", err)
	}
	if err := c.PreventRemoval(ctx); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Errorf("lock: %v", err)
	}
	if err := c.WaitReady(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := c.InitializeElementStatusRange(ctx, Range{1000, 2}); err != nil {
		t.Error(err)
	}
}
