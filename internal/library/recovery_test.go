package library_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// reopen closes the library and opens it again through f, which stands in front of the changer ("changer") and drives.
func (l *lab) reopen(f func(address string, ctx context.Context, c *scsi.Command, next scsi.Transport) error) {
	l.t.Helper()
	if err := l.Library.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.Host.Wrap = func(address string, inner scsi.Transport) scsi.Transport {
		return intercept{inner, func(ctx context.Context, c *scsi.Command, next scsi.Transport) error { return f(address, ctx, c, next) }}
	}
	l.Library = l.Bench.Open()
	l.SetSleep(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
}

// A changer says GOOD, or nothing, and carries the move out later: after so many looks at the elements, or never.
func TestMovesThatAreLate(t *testing.T) {
	for _, c := range []struct {
		name    string
		looks   int // until it is carried out; 0: never
		lost    bool
		done    bool
		outcome library.MoveOutcome
		says    string
	}{
		{"success, done a moment later", 3, false, true, 0, ""},
		{"success, never done", 0, false, false, library.NotMoved, "the destination stays empty; nothing was moved"},
		{"no answer, done a moment later", 12, true, true, 0, ""},
		{"no answer, done ten minutes later", 3 * (30 + 114), true, true, 0, ""}, // 3 commands a look, 30 after 1 s each, then 5 s
		{"no answer, never done", 0, true, false, library.OutcomeUnknown, "may still be moving it; where the tape is now is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1})
			var late *scsi.Command
			looks := 0
			l.reopen(func(_ string, ctx context.Context, cmd *scsi.Command, next scsi.Transport) error {
				switch {
				case cmd.CDB[0] == moveMedium:
					kept := *cmd
					late = &kept
					if c.lost {
						return &scsi.TransportError{Op: cmd.Name, CDB: cmd.CDB, Err: errUnplugged}
					}
					return nil
				case cmd.CDB[0] == 0xB8 && late != nil:
					if looks++; looks == c.looks {
						if err := next.Send(ctx, late); err != nil {
							return err
						}
					}
				}
				return next.Send(ctx, cmd)
			})
			err := l.Move(t.Context(), slot1, slot3)
			if c.done != (err == nil) {
				t.Fatalf("move: %v", err)
			}
			if c.done {
				l.at("VTL001L6", slot3)
				return
			}
			if e := moveError(t, err); e.Outcome != c.outcome || !strings.Contains(err.Error(), c.says) {
				t.Errorf("outcome %s: %v", e.Outcome, err)
			}
			l.at("VTL001L6", slot1)
		})
	}
}

func TestNoSlotForATapeInThePicker(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, MailSlots: 1, TapeCount: 2, Drives: 1})
	m := l.mount(slot1)
	done := false
	// While the tape is on its way somebody fills its slot.
	l.Host.Wrap = nil
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}})
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.reopen(func(address string, ctx context.Context, c *scsi.Command, next scsi.Transport) error {
		err := next.Send(ctx, c)
		if c.CDB[0] == moveMedium && !done {
			done = true
			if _, aerr := l.Virtual.AddTape(vlib.TapeConfig{Barcode: "NEW001L6", Element: slot1}); aerr != nil {
				return aerr
			}
		}
		return err
	})
	_, err := l.UnloadDrive(t.Context(), drive1)
	if e := moveError(t, err); e.Outcome != library.InTransport || !strings.Contains(err.Error(), "no free slot") {
		t.Errorf("outcome %s: %v", e.Outcome, err)
	}
	if l.where("VTL001L6") != picker {
		t.Errorf("the tape is in %d", l.where("VTL001L6"))
	}
}

// Locks of this host on drives and changer are taken back before a move is tried again.
func TestAllowRemovalOfDrives(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 1})
	if err := l.LoadInto(t.Context(), slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Virtual.Eject(0); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]int{}
	l.reopen(func(address string, ctx context.Context, c *scsi.Command, next scsi.Transport) error {
		if c.CDB[0] == 0x1E && c.CDB[4]&3 == 0 {
			allowed[address]++
		}
		return next.Send(ctx, c)
	})
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 5, ASC: 0x53, ASCQ: 2})
	if err := l.Move(t.Context(), drive1, slot2); err != nil {
		t.Fatal(err)
	}
	l.at("VTL001L6", slot2)
	if allowed["changer"] != 1 || allowed["drive1"] != 1 {
		t.Errorf("ALLOW was sent %v", allowed)
	}
}

func TestChangerThatBecomesReady(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1})
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{0xB8}, Key: 2, ASC: 0x04, ASCQ: 0x01})
	if elements, err := l.Elements(t.Context()); err != nil || len(elements) != 6 {
		t.Errorf("%d elements, %v", len(elements), err)
	}
	if err := l.Virtual.OpenDoor(); err != nil {
		t.Fatal(err)
	}
	err := l.Move(t.Context(), slot1, slot2)
	if e := moveError(t, err); !errors.Is(err, scsi.DoorOpen) || e.Outcome != library.NotMoved {
		t.Errorf("move with the door open: %v", err)
	}
	if err := l.Virtual.CloseDoor(); err != nil {
		t.Fatal(err)
	}
	if err := l.Move(t.Context(), slot1, slot2); err != nil {
		t.Errorf("move with the door closed: %v", err)
	}
	attentions, err := l.Attentions(t.Context())
	if err != nil || len(attentions) == 0 {
		t.Errorf("attentions of the door: %v, %v", attentions, err)
	}
	if again, err := l.Attentions(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("attentions are told twice: %v, %v", again, err)
	}
}

// editDrives changes the drives of the catalog and opens the library with them.
func (l *lab) editDrives(change func(drives []mediacatalog.LibraryDrive) []mediacatalog.LibraryDrive) {
	l.t.Helper()
	if err := l.Library.Close(); err != nil {
		l.t.Fatal(err)
	}
	record, err := l.Catalog.Library(l.t.Context(), "lab")
	if err != nil {
		l.t.Fatal(err)
	}
	record.Drives = change(record.Drives)
	if _, err := l.Catalog.UpdateLibrary(l.t.Context(), record); err != nil {
		l.t.Fatal(err)
	}
	l.Library = l.Bench.Open()
}

func TestDrivesThatCannotBeUsed(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 2, Drives: 2})
	var none *library.NoDriveError
	refused := func(says string) {
		t.Helper()
		_, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
		if !errors.As(err, &none) || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
		l.at("VTL001L6", slot1)
	}
	record := l.Record()
	for _, d := range record.Drives {
		if err := l.Catalog.SetDriveEnabled(t.Context(), d.DriveID, false); err != nil {
			t.Fatal(err)
		}
	}
	l.editDrives(func(d []mediacatalog.LibraryDrive) []mediacatalog.LibraryDrive { return d })
	refused("drive 1 is disabled; drive 2 is disabled")
	for _, d := range record.Drives {
		if err := l.Catalog.SetDriveEnabled(t.Context(), d.DriveID, true); err != nil {
			t.Fatal(err)
		}
	}
	l.byHand(slot2, drive1)
	l.editDrives(func(d []mediacatalog.LibraryDrive) []mediacatalog.LibraryDrive {
		d[1].ElementAddress = 299
		return d[1:]
	})
	refused("drive element 299 is not in the library any more")
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: drive1}); err == nil || !strings.Contains(err.Error(), "for which no device is known") {
		t.Errorf("a tape in a drive without device: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); err == nil || !strings.Contains(err.Error(), "tapectl library scan lab") {
		t.Errorf("unload of a drive without device: %v", err)
	}
	l.editDrives(func([]mediacatalog.LibraryDrive) []mediacatalog.LibraryDrive { return nil })
	refused("no drive of the library was found as a device")
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: slot1, Drive: 1}); !errors.As(err, &none) || !strings.Contains(err.Error(), "no device is known for drive 1") {
		t.Errorf("a named drive without device: %v", err)
	}
}

// A drive that does not answer does not keep a tape from being taken out: the changer itself refuses when it is loaded.
func TestMoveOutOfADriveThatDoesNotAnswer(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 1})
	if err := l.LoadInto(t.Context(), slot1, 1, nil); err != nil {
		t.Fatal(err)
	}
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultDead, Times: -1})
	err := l.Move(t.Context(), drive1, slot2)
	if e := moveError(t, err); e.Outcome != library.NotMoved || !errors.Is(err, scsi.RemovalPreventedByDrive) {
		t.Errorf("loaded: %s, %v", e.Outcome, err)
	}
	if err := l.Virtual.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	if err := l.Virtual.Eject(0); err != nil {
		t.Fatal(err)
	}
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultDead, Times: -1})
	if err := l.Move(t.Context(), drive1, slot2); err != nil {
		t.Errorf("unloaded: %v", err)
	}
	l.at("VTL001L6", slot2)
}

func TestDriveWithoutCartridgeMemory(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1, Quirks: vlib.Quirks{DriveUnsupported: []int{0x8C, 0x8D}}})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	if memory := m.Memory(t.Context()); memory != (library.Memory{}) {
		t.Errorf("memory is %+v", memory)
	}
	m.WriteApplicationMemory(t.Context(), "tapectl", "1", "X") // of no consequence
	m.WriteDate(t.Context())
}

func TestCartridgeMemoryThatFails(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x8C, 0x8D}, Key: 4, ASC: 0x44, Times: -1})
	if memory := m.Memory(t.Context()); memory != (library.Memory{}) {
		t.Errorf("memory is %+v", memory)
	}
	m.WriteDate(t.Context())
	label, err := m.ReadLabel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RecordLabel(t.Context(), l.Catalog, l.Tape("VTL001L6").MediaID, label); err != nil {
		t.Errorf("the label is not recorded: %v", err)
	}
}

func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	b := librarytest.New(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1, Quirks: vlib.Quirks{SlowReady: 1}})
	var told []string
	l, err := library.Open(t.Context(), b.Catalog, b.Host, "lab", library.Options{Progress: func(s string) { told = append(told, s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Name() != "lab" || l.Changer() == nil {
		t.Errorf("library %q, changer %v", l.Name(), l.Changer())
	}
	m, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"moving tape VTL001L6 from slot 1 (element 1001) into drive 1", "loading tape VTL001L6 in drive 1: ", "unloading tape VTL001L6 from drive 1"} {
		if !strings.Contains(all, want) {
			t.Errorf("nobody was told %q:\n%s", want, all)
		}
	}
}

func TestStandAloneDrive(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	found, err := library.Discover(t.Context(), b.Host, "drive1", nil)
	if err != nil {
		t.Fatal(err)
	}
	found.Library.Name = "desk"
	if _, err := b.Catalog.AddLibrary(t.Context(), found.Library); err != nil {
		t.Fatal(err)
	}
	hand := b.Open()
	if err := errors.Join(hand.LoadInto(t.Context(), slot1, 1, nil), hand.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := library.Open(t.Context(), b.Catalog, b.Host, "desk", library.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if elements, err := l.Elements(t.Context()); err != nil || len(elements) != 1 || !elements[0].Full || elements[0].Type != changer.DataTransfer {
		t.Errorf("elements: %+v, %v", elements, err)
	}
	if attentions, err := l.Attentions(t.Context()); err != nil || attentions != nil {
		t.Errorf("attentions: %v, %v", attentions, err)
	}
	m, err := l.Mount(t.Context(), library.MountRequest{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	writeLabel(t, m, 64<<10, "DESK", oneID, foreign)
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Dismounting leaves the tape in the drive, and mounting it again works without a hand.
	if m, err = l.Mount(t.Context(), library.MountRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.VerifyLabel(t.Context(), mediacatalog.Media{OnMediaID: oneID, DomainID: foreign}); err != nil {
		t.Error(err)
	}
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, err := l.UnloadDrive(t.Context(), library.StandAloneTape); err != nil || u.Drive != 1 || !strings.Contains(u.To, "by hand") {
		t.Errorf("unload: %+v, %v", u, err)
	}
	if elements, err := l.Elements(t.Context()); err != nil || elements[0].Full {
		t.Errorf("elements after unloading: %+v, %v", elements, err)
	}
}

// A tape that stayed in the drive after a failed unload of a drive whose UNLOAD does nothing can be put away later.
func TestUnloadIsRememberedWhereItDoesNothing(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 3, TapeCount: 1, Drives: 1, Quirks: profile(t, "tgt")})
	m := l.mount(slot1)
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{moveMedium}, Key: 4, ASC: 0x15, ASCQ: 1})
	err := m.Dismount(t.Context())
	if e := moveError(t, err); e.Outcome != library.NotMoved {
		t.Fatalf("dismount: %v", err)
	}
	if err := l.Move(t.Context(), drive1, slot2); err != nil {
		t.Errorf("move of the unloaded tape: %v", err)
	}
	l.at("VTL001L6", slot2)
	if err := l.LoadInto(t.Context(), slot2, 1, nil); err != nil {
		t.Fatal(err)
	}
	err = l.Move(t.Context(), drive1, slot2)
	if moveError(t, err); !errors.Is(err, library.ErrStillLoaded) {
		t.Errorf("move of a tape that was loaded again: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), drive1); err != nil {
		t.Error(err)
	}
	l.at("VTL001L6", slot2)
}
