package library_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/library"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func TestMountAndDismount(t *testing.T) {
	t.Parallel()
	for _, name := range vlib.QuirkProfiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quirks := profile(t, name) // each wait for ready takes a second of real time
			quirks.SlowReady, quirks.AbsentAtFirst = min(quirks.SlowReady, 1), min(quirks.AbsentAtFirst, 1)
			l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2, Quirks: quirks})
			if name == "noreader" {
				mountWithoutBarcodes(t, l)
				return
			}
			m := l.mount(slot1)
			if m.Barcode != "VTL001L6" || m.Number != 1 || m.Element() != drive1 {
				t.Errorf("mounted %s in drive %d, element %d", m.Barcode, m.Number, m.Element())
			}
			if home, ok := m.Home(); !ok || home != slot1 {
				t.Errorf("home is %d, %v", home, ok)
			}
			l.at("VTL001L6", drive1)
			label, err := m.ReadLabel(t.Context())
			if err != nil || !label.Blank {
				t.Errorf("label is %v, %v", label, err)
			}
			l.dismount(m)
			l.at("VTL001L6", slot1)
			if err := m.Dismount(t.Context()); err != nil {
				t.Errorf("second dismount: %v", err)
			}
		})
	}
}

func mountWithoutBarcodes(t *testing.T, l *lab) {
	m := l.mount(slot1)
	if m.Barcode != "" {
		t.Errorf("mounted %q", m.Barcode)
	}
	l.dismount(m)
	if got := l.where("VTL001L6"); got != slot1 {
		t.Errorf("the tape is in element %d", got)
	}
}

func TestMountInPlace(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2})
	if err := l.LoadInto(t.Context(), slot1, 2, func(m *library.Mount) error {
		if m.Number != 2 {
			return fmt.Errorf("loaded into drive %d", m.Number)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", drive2)
	m := l.mount(drive2)
	if home, ok := m.Home(); !ok || home != slot1 {
		t.Errorf("home is %d, %v", home, ok)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: drive2}); !errors.Is(err, library.ErrInUse) {
		t.Errorf("second mount of the tape: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), drive2); !errors.Is(err, library.ErrInUse) {
		t.Errorf("unload of a drive in use: %v", err)
	}
	l.dismount(m)
	l.at("VTL001L6", slot1)
}

func TestMountInPlaceAfterUnload(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1})
	if err := l.LoadInto(t.Context(), slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Virtual.Eject(0); err != nil {
		t.Fatal(err)
	}
	m := l.mount(drive1) // the tape is loaded again
	l.dismount(m)
	l.at("VTL001L6", slot1)
}

// A tape that is in one drive is not taken for one that is in the drive that was asked for.
func TestLoadIntoAnotherDriveThanItIsIn(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 2})
	if err := l.LoadInto(t.Context(), slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	called := false
	err := l.LoadInto(t.Context(), drive1, 2, func(*library.Mount) error { called = true; return nil })
	if !errors.Is(err, library.ErrOtherDrive) || called {
		t.Fatalf("called %v, %v", called, err)
	}
	for _, says := range []string{"tape VTL001L6 in drive 2", "in another drive, drive 1", "`tapectl tape unload 1 --library lab`"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q lacks %q", err, says)
		}
	}
	l.at("VTL001L6", drive1)
	// The drive is not left claimed, and where it is it can be used.
	if err := l.LoadInto(t.Context(), drive1, 1, nil); err != nil {
		t.Error(err)
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); err != nil {
		t.Error(err)
	}
}

func TestLoadIntoOccupiedDrive(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2})
	if err := l.LoadInto(t.Context(), slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	err := l.LoadInto(t.Context(), slot2, 1, nil)
	if e := moveError(t, err); !errors.Is(err, library.ErrDestinationFull) || e.Outcome != library.NotMoved || !strings.Contains(err.Error(), "tapectl tape unload 1") {
		t.Errorf("error: %v", err)
	}
	l.at("VTL001L6", drive1)
	l.at("VTL002L6", slot2)
	u, err := l.UnloadDrive(t.Context(), drive1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(library.Unloaded{Barcode: "VTL001L6", Drive: 1, To: "slot 1 (element 1001)"}, *u); diff != "" {
		t.Error(diff)
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); !errors.Is(err, library.ErrSourceEmpty) {
		t.Errorf("unload of an empty drive: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), slot1); !errors.Is(err, library.ErrNoElement) {
		t.Errorf("unload of a slot: %v", err)
	}
}

func TestMountRefusals(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1, Tapes: []vlib.TapeConfig{{Barcode: "OLD001L3", Media: "L3"}}})
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: slot4}); !errors.Is(err, library.ErrSourceEmpty) {
		t.Errorf("empty slot: %v", err)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: 4711}); !errors.Is(err, library.ErrNoElement) {
		t.Errorf("no such element: %v", err)
	}
	var none *library.NoDriveError
	for _, r := range []struct {
		request library.MountRequest
		says    string
	}{
		{library.MountRequest{Element: l.where("OLD001L3")}, "drive 1 is LTO-6 and cannot read the medium"},
		{library.MountRequest{Element: l.where("VTL001L6"), MediaType: "LTO-4", Write: true}, "drive 1 is LTO-6 and cannot write the medium"},
		{library.MountRequest{Element: l.where("VTL001L6"), Drive: 7}, "drive 7"},
	} {
		_, err := l.Mount(t.Context(), r.request)
		if !errors.As(err, &none) || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%+v: %v", r.request, err)
		}
	}
	m := l.mount(l.where("VTL001L6"))
	defer m.Dismount(t.Context())
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: l.where("OLD001L3"), MediaType: "LTO-6"}); !errors.As(err, &none) || !strings.Contains(err.Error(), "drive 1 is in use") {
		t.Errorf("drive in use: %v", err)
	}
}

func TestMountEmptiesAnIdleDrive(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2, Drives: 1})
	if err := l.LoadInto(t.Context(), slot1, 0, nil); err != nil {
		t.Fatal(err)
	}
	m := l.mount(slot2)
	l.at("VTL001L6", slot1)
	l.at("VTL002L6", drive1)
	l.dismount(m)
}

func TestMountTakesTheNextDrive(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1})
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultDead, Times: -1})
	m := l.mount(slot1)
	if m.Number != 2 {
		t.Errorf("mounted in drive %d", m.Number)
	}
	l.dismount(m)
	l.fault(vlib.Fault{Device: "drive1", Kind: vlib.FaultDead, Times: -1})
	_, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
	var none *library.NoDriveError
	var unreachable *library.UnreachableError
	if !errors.As(err, &none) || !errors.As(err, &unreachable) || len(none.Reasons) != 2 {
		t.Errorf("no drive answers: %v", err)
	}
	l.at("VTL001L6", slot1)
}

func TestMountPutsBackWhatDoesNotLoad(t *testing.T) {
	t.Parallel()
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1, CleaningTapes: 1, Drives: 1})
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x00}, Key: 3, ASC: 0x30, ASCQ: 0x01, Barcode: "VTL001L6", Times: -1})
	_, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
	if !errors.Is(err, scsi.IncompatibleMedium) || !strings.Contains(err.Error(), "VTL001L6") || !strings.Contains(err.Error(), "put back") {
		t.Fatalf("error: %v", err)
	}
	l.at("VTL001L6", slot1)
	if err := l.Virtual.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	_, err = l.Mount(t.Context(), library.MountRequest{Element: slot4})
	var cleaning *drive.CleaningCartridgeError
	if !errors.As(err, &cleaning) {
		t.Errorf("cleaning tape: %v", err)
	}
	l.at("CLNU01CU", slot4)
	l.dismount(l.mount(slot1))
}

func TestHomeIsNobodyElses(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 3, Quirks: vlib.Quirks{SourceNeverValid: true}})
	a := l.mount(slot1)
	b := l.mount(slot2)
	if home, _ := a.Home(); home != slot1 {
		t.Errorf("home of the first is %d", home)
	}
	if home, _ := b.Home(); home != slot2 {
		t.Errorf("home of the second is %d", home)
	}
	// Somebody puts the third tape into the slot of the first.
	l.byHand(slot3, slot1)
	l.dismount(a)
	if got := l.where("VTL001L6"); got != slot3 {
		t.Errorf("the first went to %d, want the only slot that is free and not the home of the second, %d", got, slot3)
	}
	l.dismount(b)
	l.at("VTL002L6", slot2)
}

// Tapes that an earlier process left in drives keep their slots.
func TestHomeOfTapesLeftInDrives(t *testing.T) {
	for _, quirks := range []vlib.Quirks{{}, {SourceNeverValid: true}} {
		l := newLab(t, vlib.Config{Slots: 3, TapeCount: 3, Quirks: quirks})
		if err := errors.Join(l.LoadInto(t.Context(), slot1, 1, nil), l.LoadInto(t.Context(), slot2, 2, nil)); err != nil {
			t.Fatal(err)
		}
		l.byHand(slot3, slot1)
		if _, err := l.Virtual.AddTape(vlib.TapeConfig{Barcode: "NEW001L6", Element: slot3}); err != nil {
			t.Fatal(err)
		}
		var full *library.NoSlotError
		if _, err := l.UnloadDrive(t.Context(), drive1); !errors.As(err, &full) {
			t.Errorf("the only free slot is that of another tape: %v", err)
		}
		if err := l.Virtual.RemoveTape(slot3); err != nil {
			t.Fatal(err)
		}
		if _, err := l.UnloadDrive(t.Context(), drive1); err != nil || l.where("VTL001L6") != slot3 {
			t.Errorf("the tape went to %d, %v", l.where("VTL001L6"), err)
		}
		if _, err := l.UnloadDrive(t.Context(), drive2); err != nil {
			t.Error(err)
		}
		l.at("VTL002L6", slot2)
	}
}

func TestMountBusyDrive(t *testing.T) {
	t.Parallel()
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultStatus, Operations: []int{0x00}, Status: 0x08, Times: 2})
	l.dismount(l.mount(slot1))
	l.at("VTL001L6", slot1)
}

// A drive that does not let its tape go keeps it, and the operator is told.
func TestDismountThatFails(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x1B}, Key: 4, ASC: 0x53})
	if err := m.Dismount(t.Context()); !errors.Is(err, scsi.LoadOrEjectFailed) || !strings.Contains(err.Error(), "still in the drive") {
		t.Errorf("dismount: %v", err)
	}
	l.at("VTL001L6", drive1)
	if _, err := l.UnloadDrive(t.Context(), drive1); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", slot1)
}

func TestNumbersOfManyElements(t *testing.T) {
	elements := make([]changer.Element, 0, 60000)
	for n := range cap(elements) {
		elements = append(elements, changer.Element{Address: changer.ElementAddress(n), Type: changer.ElementType(1 + n%4)})
	}
	numbers := library.Numbers(elements)
	for _, n := range []int{0, 1, 5, 59999} {
		if got, want := numbers[changer.ElementAddress(n)], n/4+1; got != want || library.Number(elements, changer.ElementAddress(n)) != want {
			t.Errorf("element %d has number %d, want %d", n, got, want)
		}
	}
}

func TestNoFreeSlot(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 2, Drives: 1})
	m := l.mount(slot1)
	if _, err := l.Virtual.AddTape(vlib.TapeConfig{Barcode: "NEW001L6"}); err != nil {
		t.Fatal(err)
	}
	err := m.Dismount(t.Context())
	var full *library.NoSlotError
	if !errors.As(err, &full) || full.Barcode != "VTL001L6" || !strings.Contains(err.Error(), "tapectl tape unload 1 --library lab") {
		t.Fatalf("dismount: %v", err)
	}
	if l.where("VTL001L6") != drive1 {
		t.Errorf("the tape is in element %d", l.where("VTL001L6"))
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); !errors.As(err, &full) {
		t.Errorf("unload: %v", err)
	}
	if err := l.Virtual.RemoveTape(slot1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); err != nil {
		t.Errorf("unload when a slot is free: %v", err)
	}
	l.at("VTL001L6", slot1)
}

func TestMailSlotTapesGoBack(t *testing.T) {
	for _, c := range []struct {
		quirks vlib.Quirks
		home   int
	}{{vlib.Quirks{}, mail1}, {vlib.Quirks{NoMailMoves: true}, slot1}} {
		l := newLab(t, vlib.Config{Slots: 2, MailSlots: 1, Tapes: []vlib.TapeConfig{{Barcode: "MAIL01L6", Element: mail1}}, Quirks: c.quirks})
		m := l.mount(mail1)
		l.dismount(m)
		l.at("MAIL01L6", c.home)
	}
}

func TestTwoMountsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, vlib.Config{Slots: 6, TapeCount: 4, Drives: 2, Timing: vlib.Timing{Load: 20 * time.Millisecond, Move: 5 * time.Millisecond}})
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() {
			for i := range 2 {
				element := slot1 + 2*n + i%2
				m, err := l.Mount(context.Background(), library.MountRequest{Element: element})
				if err != nil {
					t.Errorf("mount from %d: %v", element, err)
					return
				}
				if err := m.Rewind(context.Background()); err != nil {
					t.Errorf("rewind: %v", err)
				}
				if err := m.Dismount(context.Background()); err != nil {
					t.Errorf("dismount: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for n := range 4 {
		l.at(fmt.Sprintf("VTL00%dL6", n+1), slot1+n)
	}
}

// Whenever the context ends, the tape is in its slot or in the drive, and the catalog is right.
func TestMountCancelledAtEveryCommand(t *testing.T) {
	t.Parallel()
	commands := 1000
	for after := 0; after <= commands; after++ {
		l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 1})
		ctx, cancel := context.WithCancel(t.Context())
		sent, counting := 0, false
		l.Host.Wrap = func(_ string, inner scsi.Transport) scsi.Transport {
			return intercept{inner, func(sctx context.Context, c *scsi.Command, next scsi.Transport) error {
				if counting {
					if sent++; sent == after {
						cancel()
					}
				}
				return next.Send(sctx, c)
			}}
		}
		if err := l.Library.Close(); err != nil {
			t.Fatal(err)
		}
		lib, err := library.Open(t.Context(), l.Catalog, l.Host, "lab", library.Options{})
		if err != nil {
			t.Fatal(err)
		}
		counting = true
		m, err := lib.Mount(ctx, library.MountRequest{Element: slot1})
		switch {
		case err == nil:
			l.at("VTL001L6", drive1)
			if err := m.Dismount(ctx); err != nil {
				t.Fatalf("dismount after the context has ended: %v", err)
			}
		case !errors.Is(err, context.Canceled):
			t.Errorf("cancelled after %d commands: %v", after, err)
		}
		l.at("VTL001L6", slot1)
		cancel()
		if err := lib.Close(); err != nil {
			t.Fatal(err)
		}
		if after == 0 {
			commands = sent // of a mount and dismount that nothing disturbs
		}
	}
	if commands < 10 || commands > 200 {
		t.Errorf("a mount and dismount took %d commands", commands)
	}
}
