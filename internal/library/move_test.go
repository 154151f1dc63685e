package library_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const moveMedium = 0xA5

func TestMove(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, MailSlots: 1, TapeCount: 2})
	if err := l.Move(t.Context(), slot1, slot3); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", slot3)
	if err := l.Move(t.Context(), slot3, mail1); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", mail1)
	if err := l.Move(t.Context(), mail1, drive2); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", drive2)
}

func TestMoveRefusals(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2})
	m := l.mount(slot2)
	for _, c := range []struct {
		name     string
		from, to changer.ElementAddress
		want     error
		says     string
	}{
		{"empty source", slot3, slot4, library.ErrSourceEmpty, "slot 3 (element 1003) holds no tape"},
		{"full destination", drive1, slot1, library.ErrInUse, "in use"},
		{"destination full", slot1, drive1, library.ErrInUse, "in use"},
		{"no such source", 4711, slot4, library.ErrNoElement, "element 4711"},
		{"no such destination", slot1, 4711, library.ErrNoElement, "element 4711"},
		{"same element", slot1, slot1, library.ErrSameElement, "same element"},
	} {
		err := l.Move(t.Context(), c.from, c.to)
		if e := moveError(t, err); !errors.Is(err, c.want) || e.Outcome != library.NotMoved || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := l.Move(t.Context(), drive1, slot2)
	if e := moveError(t, err); !errors.Is(err, library.ErrStillLoaded) || e.Outcome != library.NotMoved || !strings.Contains(err.Error(), "tapectl tape unload") {
		t.Errorf("loaded drive: %v", err)
	}
	err = l.Move(t.Context(), slot1, drive1)
	if moveError(t, err); !errors.Is(err, library.ErrDestinationFull) || !strings.Contains(err.Error(), "tape VTL002L6") {
		t.Errorf("full drive: %v", err)
	}
	l.at("VTL002L6", drive1)
	events, err := l.Catalog.Events(t.Context(), mediacatalog.EventFilter{Kind: "move failed"})
	if err != nil || len(events) != 0 {
		t.Errorf("refusals are events: %+v, %v", events, err)
	}
}

func TestMoveOutcomes(t *testing.T) {
	arm := vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}}
	for _, c := range []struct {
		name    string
		faults  []vlib.Fault
		to      changer.ElementAddress
		outcome library.MoveOutcome
		done    bool // Move returns nil
		at      int
		says    string
	}{
		{"refused by the changer", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 4, ASC: 0x15, ASCQ: 1}},
			slot3, library.NotMoved, false, slot1, "nothing was moved"},
		{"failed, but done", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 4, ASC: 0x15, ASCQ: 1, Executed: true}},
			slot3, 0, true, slot3, ""},
		{"no answer, but done", []vlib.Fault{{Device: "changer", Kind: vlib.FaultTimeout, Operations: []int{moveMedium}, Executed: true}},
			slot3, 0, true, slot3, ""},
		{"no answer, not done", []vlib.Fault{{Device: "changer", Kind: vlib.FaultTimeout, Operations: []int{moveMedium}}},
			slot3, library.OutcomeUnknown, false, slot1, "the library shows the tape in slot 1 (element 1001) but may still be moving it"},
		{"stays in the arm, put back", []vlib.Fault{arm}, slot3, library.NotMoved, false, slot1, "was put back"},
		{"stays in the arm for good", []vlib.Fault{arm, {Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 4, ASC: 0x15, ASCQ: 1, Times: -1}},
			slot3, library.InTransport, false, picker, "tapectl tape move picker:1 slot:N --library lab`"},
		{"attention, then done", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 6, ASC: 0x28, ASCQ: 1, Times: 3}},
			slot3, 0, true, slot3, ""},
		{"attentions without end", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 6, ASC: 0x28, ASCQ: 1, Times: -1}},
			slot3, library.NotMoved, false, slot1, "28/01"},
		{"library no longer answers", []vlib.Fault{{Device: "changer", Kind: vlib.FaultTimeout, Operations: []int{moveMedium}}, {Device: "changer", Kind: vlib.FaultSense, Operations: []int{0xB8}, Key: 4, ASC: 0x44, After: 4, Times: -1}},
			slot3, library.OutcomeUnknown, false, -1, "where the tape is now is not known"},
		{"busy", []vlib.Fault{{Device: "changer", Kind: vlib.FaultStatus, Operations: []int{moveMedium}, Status: 0x18}},
			slot3, library.NotMoved, false, slot1, "RESERVATION CONFLICT"},
		{"locked by another host", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 5, ASC: 0x53, ASCQ: 2, Times: -1}},
			slot3, library.NotMoved, false, slot1, "another host or program"},
		{"own lock left over", []vlib.Fault{{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 5, ASC: 0x53, ASCQ: 2}},
			slot3, 0, true, slot3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1})
			for _, f := range c.faults {
				l.fault(f)
			}
			err := l.Move(t.Context(), slot1, c.to)
			if c.done != (err == nil) {
				t.Fatalf("error is %v", err)
			}
			if err != nil {
				if e := moveError(t, err); e.Outcome != c.outcome || !strings.Contains(err.Error(), c.says) || e.Barcode != "VTL001L6" {
					t.Errorf("outcome %s: %v", e.Outcome, err)
				}
				events, eerr := l.Catalog.Events(t.Context(), mediacatalog.EventFilter{Kind: "move failed"})
				if eerr != nil || len(events) != 1 || events[0].Message != err.Error() {
					t.Errorf("events: %+v, %v", events, eerr)
				}
			}
			if c.at >= 0 && l.where("VTL001L6") != c.at {
				t.Errorf("the tape is in element %d, want %d", l.where("VTL001L6"), c.at)
			}
			if c.done {
				l.at("VTL001L6", c.at)
			}
		})
	}
}

// A tape that stays in the arm on its way out of a drive does not go back into the drive.
func TestMoveOutOfDriveGoesElsewhere(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1})
	m := l.mount(slot1)
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}})
	err := m.Dismount(t.Context())
	if e := moveError(t, err); e.Outcome != library.Elsewhere || !strings.Contains(e.Now, "slot") {
		t.Fatalf("outcome %s, now %q: %v", e.Outcome, e.Now, err)
	}
	at := l.where("VTL001L6")
	if at < slot1 || at > slot4 {
		t.Errorf("the tape is in element %d", at)
	}
	l.at("VTL001L6", at)
}

func TestTapeInPicker(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2})
	l.jam(slot1, slot3)
	err := l.Move(t.Context(), slot2, slot3)
	if e := moveError(t, err); !errors.Is(err, library.ErrPickerOccupied) || e.Outcome != library.NotMoved || !strings.Contains(err.Error(), "tapectl tape move picker:1 slot:1 --library lab`") {
		t.Errorf("move: %v", err)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: slot2}); !errors.Is(err, library.ErrPickerOccupied) || !strings.Contains(err.Error(), "VTL001L6") {
		t.Errorf("mount: %v", err)
	}
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 4, ASC: 0x15, ASCQ: 1})
	err = l.Move(t.Context(), picker, slot3)
	if e := moveError(t, err); e.Outcome != library.NotMoved || l.where("VTL001L6") != picker {
		t.Errorf("failed move out of the picker: %s, %v", e.Outcome, err)
	}
	if err := l.Move(t.Context(), picker, slot3); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", slot3)
	if err := l.Move(t.Context(), slot2, slot1); err != nil {
		t.Errorf("move after the picker was emptied: %v", err)
	}
}

func TestMoveNoticesSwappedTapes(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1})
	swapped := false
	l.Host.Wrap = func(_ string, inner scsi.Transport) scsi.Transport {
		return intercept{inner, func(ctx context.Context, c *scsi.Command, next scsi.Transport) error {
			if c.CDB[0] == moveMedium && !swapped {
				swapped = true // the attention of this comes with the move
				if err := l.Virtual.SwapBarcode(slot1, "OTHER1L6"); err != nil {
					return err
				}
			}
			return next.Send(ctx, c)
		}}
	}
	if _, err := library.Open(t.Context(), l.Catalog, l.Host, "lab", library.Options{}); err == nil {
		t.Fatal("a library in use is opened twice")
	}
	if err := l.Library.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := library.Open(t.Context(), l.Catalog, l.Host, "lab", library.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = again.Move(t.Context(), slot1, slot2)
	if e := moveError(t, err); e.Outcome != library.NotMoved && e.Outcome != library.OutcomeUnknown || !strings.Contains(err.Error(), "now holds tape OTHER1L6") {
		t.Errorf("outcome %s: %v", e.Outcome, err)
	}
	if l.where("OTHER1L6") != slot1 {
		t.Errorf("another tape than asked was moved to %d", l.where("OTHER1L6"))
	}
}

// No command of a move or a dismount is cut off before its own timeout: a changer may take a quarter of an hour for a
// move, an LTO-9 drive two hours to unload. What is done after a move has a time of its own.
func TestStepsHaveTheirOwnTime(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 1, Timing: vlib.Timing{}})
	seen, moved := map[byte]int{}, false
	cut := func(ctx context.Context, c *scsi.Command, least time.Duration) {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < least-time.Second {
			t.Errorf("%s ends in %v, want %v", c.Name, time.Until(end), least)
		}
	}
	l.reopen(func(_ string, ctx context.Context, c *scsi.Command, next scsi.Transport) error {
		switch op := c.CDB[0]; {
		case op == moveMedium:
			seen[op]++
			moved = true
			cut(ctx, c, c.TimeoutOrDefault())
		case op == 0x1B && c.CDB[4]&1 == 0:
			seen[op]++
			cut(ctx, c, 3*time.Hour)
		case op == 0xB8 && moved:
			seen[op]++
			cut(ctx, c, 10*time.Minute)
		}
		return next.Send(ctx, c)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := l.Mount(ctx, library.MountRequest{Element: slot1})
	if err != nil {
		t.Fatal(err)
	}
	moved = false
	if err := m.Dismount(ctx); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", slot1)
	moved = false
	if err := l.LoadInto(ctx, slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	moved = false
	if _, err := l.UnloadDrive(ctx, drive1); err != nil {
		t.Fatal(err)
	}
	moved = false
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}})
	if e := moveError(t, l.Move(ctx, slot1, slot2)); e.Outcome != library.NotMoved {
		t.Errorf("outcome %s: %v", e.Outcome, e)
	}
	if seen[moveMedium] != 6 || seen[0x1B] != 2 || seen[0xB8] < 6 {
		t.Errorf("seen %v", seen)
	}
}

// A tape that is moved on out of the picker without an answer is not said to be in the picker: it may still be on its way.
func TestPutBackWithoutAnAnswer(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1})
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}})
	moves := 0
	l.reopen(func(_ string, ctx context.Context, c *scsi.Command, next scsi.Transport) error {
		if c.CDB[0] == moveMedium {
			if moves++; moves == 2 {
				return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: errUnplugged}
			}
		}
		return next.Send(ctx, c)
	})
	err := l.Move(t.Context(), slot1, slot2)
	if e := moveError(t, err); e.Outcome != library.OutcomeUnknown || moves != 2 || !strings.Contains(err.Error(), "failed as well") {
		t.Errorf("%d moves, outcome %s: %v", moves, e.Outcome, err)
	}
}

// A move that a unit attention kept from being executed has not moved anything, even if the changer does not answer for
// a moment afterwards.
func TestMoveThatWasNotSentAgain(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1})
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 6, ASC: 0x28, ASCQ: 1})
	moves, lost := 0, false
	l.reopen(func(_ string, ctx context.Context, c *scsi.Command, next scsi.Transport) error {
		switch {
		case c.CDB[0] == moveMedium:
			moves++
		case c.CDB[0] == 0xB8 && moves == 1 && !lost:
			lost = true
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: errUnplugged}
		}
		return next.Send(ctx, c)
	})
	err := l.Move(t.Context(), slot1, slot2)
	if e := moveError(t, err); e.Outcome != library.NotMoved || moves != 1 || !strings.Contains(err.Error(), "not sent again") {
		t.Errorf("%d moves, outcome %s: %v", moves, e.Outcome, err)
	}
}

func TestMoveIsFinishedWhenTheContextEnds(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 1, Timing: vlib.Timing{Move: 100 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := l.Move(ctx, slot1, slot2); err != nil {
		t.Fatalf("a move that had begun: %v", err)
	}
	l.at("VTL001L6", slot2)
	if err := l.Move(ctx, slot2, slot3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a move that had not: %v", err)
	}
	l.at("VTL001L6", slot2)
}

// The catalog follows the tape that was moved, and not the one that it takes to be in the slot.
func TestMoveRecordsTheRightTape(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 4, TapeCount: 2})
	l.byHand(slot1, slot3)
	l.byHand(slot2, slot1) // the catalog still has VTL001L6 in slot 1
	if err := l.Move(t.Context(), slot1, slot4); err != nil {
		t.Fatal(err)
	}
	l.at("VTL002L6", slot4)
	if got := l.Tape("VTL001L6").ElementAddress; got == slot4 {
		t.Error("the catalog has the other tape where the moved one is")
	}
}

func TestElementsInWords(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, MailSlots: 2, TapeCount: 1})
	elements, err := l.Elements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	numbers := library.Numbers(elements)
	for address, want := range map[changer.ElementAddress]string{
		picker: "picker 1 (element 1)", drive2: "drive 2 (element 258)", 770: "mail slot 2 (element 770)", slot3: "slot 3 (element 1003)", 4711: "element 4711",
	} {
		if got := library.Place(elements, address); got != want {
			t.Errorf("element %d is %q, want %q", address, got, want)
		}
		if got := library.Number(elements, address); got != numbers[address] {
			t.Errorf("element %d has number %d and %d", address, got, numbers[address])
		}
	}
	for typ, want := range map[changer.ElementType]string{changer.Storage: "slot", 9: "element"} {
		if got := library.TypeName(typ); got != want {
			t.Errorf("type %d is %q", typ, got)
		}
	}
}
