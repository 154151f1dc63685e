package inventory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// desk is a bench whose first drive is a stand-alone library, "desk", of the catalog as well. put moves tapes by the arm,
// as a person's hand would.
type desk struct {
	*librarytest.Bench
	t *testing.T
}

func newDesk(t *testing.T, c vlib.Config) *desk {
	t.Helper()
	b := librarytest.New(t, c)
	found, err := library.Discover(t.Context(), b.Host, "drive1", nil)
	if err != nil {
		t.Fatal(err)
	}
	found.Library.Name = "desk"
	if _, err := b.Catalog.AddLibrary(t.Context(), found.Library); err != nil {
		t.Fatal(err)
	}
	// The changer is only the hand here: the catalog must not know its tapes.
	if err := b.Catalog.RemoveLibrary(t.Context(), "lab"); err != nil {
		t.Fatal(err)
	}
	media, err := b.Catalog.ListMedia(t.Context(), mediacatalog.MediaFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range media {
		if err := b.Catalog.RemoveMedia(t.Context(), m.MediaID); err != nil {
			t.Fatal(err)
		}
	}
	return &desk{b, t}
}

// move moves a cartridge by hand.
func (d *desk) move(from, to uint16) {
	d.t.Helper()
	t, err := d.Virtual.Changer()
	if err != nil {
		d.t.Fatal(err)
	}
	defer t.Close()
	if _, err := scsi.ClearAttentions(d.t.Context(), t); err != nil {
		d.t.Fatal(err)
	}
	cdb := []byte{0xA5, 0, 0, 0, byte(from >> 8), byte(from), byte(to >> 8), byte(to), 0, 0, 0, 0}
	if err := scsi.Do(d.t.Context(), t, &scsi.Command{Name: "MOVE MEDIUM", CDB: cdb}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) inventory() *inventory.Report {
	d.t.Helper()
	r, err := fast(d.t, d.Bench, "desk")
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) tapes() []mediacatalog.Media {
	d.t.Helper()
	media, err := d.Catalog.ListMedia(d.t.Context(), mediacatalog.MediaFilter{Online: true})
	if err != nil {
		d.t.Fatal(err)
	}
	return media
}

func (d *desk) open() *library.Library {
	d.t.Helper()
	l, err := library.Open(d.t.Context(), d.Catalog, d.Host, "desk", library.Options{Command: "test"})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

func TestStandAloneInventory(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 2, Drives: 1})
	if r := d.inventory(); r.Tapes != 0 || cmp.Diff([]string{inventory.LibraryChanged}, kinds(r)) != "" {
		t.Errorf("empty drive: %+v", r)
	}
	d.move(1001, 257)
	r := d.inventory()
	if r.Tapes != 1 || r.Drives != 1 || cmp.Diff([]string{inventory.Came}, kinds(r)) != "" {
		t.Errorf("new tape: %+v", r)
	}
	tapes := d.tapes()
	if len(tapes) != 1 || tapes[0].State != mediacatalog.StateBlank || tapes[0].ElementAddress != library.StandAloneTape || tapes[0].MediumSerial == "" {
		t.Fatalf("tapes of the drive: %+v", tapes)
	}
	facts, err := d.Catalog.MediaFacts(t.Context(), tapes[0].MediaID)
	if err != nil || len(facts) != 1 || facts[0].MediumSerial != tapes[0].MediumSerial || facts[0].ElementAddress != library.StandAloneTape {
		t.Errorf("facts: %+v, %v", facts, err)
	}
	if r := d.inventory(); len(r.Findings) != 0 || d.tapes()[0].MediaID != tapes[0].MediaID {
		t.Errorf("same tape again: %+v, %+v", r, d.tapes())
	}
	d.unload()
	d.move(257, 1001)
	d.move(1002, 257)
	r = d.inventory()
	if diff := cmp.Diff([]string{inventory.Came}, kinds(r)); diff != "" {
		t.Errorf("another tape: %s", diff)
	}
	if other := d.tapes(); len(other) != 1 || other[0].MediaID == tapes[0].MediaID {
		t.Errorf("tapes after another was put in: %+v", other)
	}
	d.unload()
	d.move(257, 1002)
	d.move(1001, 257)
	d.inventory()
	if back := d.tapes(); len(back) != 1 || back[0].MediaID != tapes[0].MediaID {
		t.Errorf("the first tape came back as %+v, was %s", back, tapes[0].MediaID)
	}
}

// unload gives the tape out, as the operator does before taking it.
func (d *desk) unload() {
	d.t.Helper()
	l := d.open()
	defer l.Close()
	u, err := l.UnloadDrive(d.t.Context(), library.StandAloneTape)
	if err != nil {
		d.t.Fatal(err)
	}
	if u.Drive != 1 {
		d.t.Errorf("unloaded drive %d", u.Drive)
	}
	if tapes := d.tapes(); len(tapes) != 0 {
		d.t.Errorf("after unloading the catalog has %+v in the drive", tapes)
	}
}

func TestStandAloneNoticesATapeThatLeft(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1})
	d.move(1001, 257)
	d.inventory()
	if err := d.Virtual.Eject(0); err != nil {
		t.Fatal(err)
	}
	d.move(257, 1001)
	r := d.inventory()
	if diff := cmp.Diff([]string{inventory.Left}, kinds(r)); diff != "" {
		t.Errorf("findings: %s", diff)
	}
	if tapes := d.tapes(); len(tapes) != 0 {
		t.Errorf("tapes online: %+v", tapes)
	}
}

// The barcode that an application wrote into the cartridge memory is all that a stand-alone drive can tell.
func TestStandAloneBarcode(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1})
	d.move(1001, 257)
	l := d.open()
	defer l.Close()
	m, err := l.Mount(t.Context(), library.MountRequest{})
	if err != nil {
		t.Fatal(err)
	}
	m.Barcode = "DESK01L6"
	m.WriteApplicationMemory(t.Context(), "tapectl", "1", "DPMDB-1")
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	elements, err := l.Elements(t.Context())
	if err != nil || len(elements) != 1 || elements[0].PrimaryVolumeTag.Identifier != "DESK01L6" || elements[0].Address != library.StandAloneTape {
		t.Errorf("elements: %+v, %v", elements, err)
	}
	if _, err := inventory.Fast(t.Context(), d.Catalog, l); err != nil {
		t.Fatal(err)
	}
	if tapes := d.tapes(); len(tapes) != 1 || tapes[0].Barcode != "DESK01L6" || tapes[0].MediaType != "LTO-6" {
		t.Errorf("tapes: %+v", tapes)
	}
	if m, err = l.Mount(t.Context(), library.MountRequest{}); err != nil || m.Barcode != "DESK01L6" {
		t.Fatalf("mounted %+v, %v", m, err)
	}
	if err := m.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

// A tape whose label has its identifiers in upper case is the same tape when it is read again.
func TestStandAloneLabelInUpperCase(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1})
	d.move(1001, 257)
	l := d.open()
	defer l.Close()
	m, err := l.Mount(t.Context(), library.MountRequest{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := library.NewTapeWriter(m, 0, 64<<10, 2)
	now := time.Date(2026, 11, 23, 5, 41, 3, 0, time.UTC)
	err = mtf.WriteMediaHeader(t.Context(), w, 64<<10, mtf.MediaHeader{
		FamilyID: 7, Sequence: 1, Software: "DPM", Date: now, CatalogType: 1,
		Label: mtf.MediaLabel{Vendor: "Microsoft", Product: "DPM", Stamp: now, CartridgeLabel: "DPM-1", Side: "0",
			MediaID: "{ABCDEF11-1111-4111-8111-11111111ABCD}", DomainID: "{FEDCBA11-1111-4111-8111-11111111ABCD}"},
	})
	if err := errors.Join(err, w.Sync(t.Context()), w.Close(), m.Dismount(t.Context())); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		r, err := inventory.Fast(t.Context(), d.Catalog, l)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && len(r.Findings) != 0 {
			t.Errorf("second look: %+v", r.Findings)
		}
		if tapes := d.tapes(); len(tapes) != 1 || tapes[0].State != mediacatalog.StateImported {
			t.Errorf("look %d: %+v", n+1, tapes)
		}
	}
}

func TestStandAloneCleaningTape(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, CleaningTapes: 1, Drives: 1})
	d.move(1004, 257)
	r := d.inventory()
	if r.Cleaning != 1 || r.Tapes != 1 {
		t.Errorf("report: %+v", r)
	}
	tapes := d.tapes()
	if len(tapes) != 1 || !tapes[0].Cleaning || tapes[0].State != mediacatalog.StateCleaning {
		t.Errorf("tapes: %+v", tapes)
	}
}

func TestStandAloneUnreadableLabel(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1})
	d.move(1001, 257)
	d.inventory()
	known := d.tapes()[0]
	if _, err := d.Virtual.InjectFault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x08}, Key: 3, ASC: 0x11, Times: -1}); err != nil {
		t.Fatal(err)
	}
	r := d.inventory()
	if diff := cmp.Diff([]string{inventory.LabelUnreadable}, kinds(r)); diff != "" {
		t.Errorf("findings: %s", diff)
	}
	if got := d.tapes(); len(got) != 1 || got[0].MediaID != known.MediaID || got[0].State != known.State {
		t.Errorf("the tape became %+v", got)
	}
	facts, err := d.Catalog.MediaFacts(t.Context(), known.MediaID)
	if err != nil || len(facts) != 2 || facts[0].Error == "" && facts[1].Error == "" {
		t.Errorf("facts: %+v, %v", facts, err)
	}
}

func TestStandAloneRefusesWhatNeedsAnArm(t *testing.T) {
	d := newDesk(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1})
	l := d.open()
	defer l.Close()
	if err := l.Move(t.Context(), 0, 1); !errors.Is(err, library.ErrStandAlone) {
		t.Errorf("move: %v", err)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{}); !errors.Is(err, library.ErrDriveEmpty) || !errors.Is(err, scsi.MediumNotPresent) {
		t.Errorf("mount of an empty drive: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), 0); !errors.Is(err, library.ErrSourceEmpty) {
		t.Errorf("unload of an empty drive: %v", err)
	}
	d.move(1001, 257)
	m, err := l.Mount(t.Context(), library.MountRequest{Element: 77, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	if m.Element() != library.StandAloneTape || m.Number != 1 {
		t.Errorf("mounted in element %d, drive %d", m.Element(), m.Number)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{}); !errors.Is(err, library.ErrInUse) {
		t.Errorf("second mount: %v", err)
	}
	if _, err := l.UnloadDrive(t.Context(), 0); !errors.Is(err, library.ErrInUse) {
		t.Errorf("unload while mounted: %v", err)
	}
	elements, err := l.Elements(t.Context())
	if err != nil || len(elements) != 1 || !elements[0].Full {
		t.Errorf("elements while mounted: %+v, %v", elements, err)
	}
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.LoadInto(t.Context(), library.StandAloneTape, 1, nil); err != nil {
		t.Errorf("load: %v", err)
	}
	var none *library.NoDriveError
	if _, err := l.Mount(t.Context(), library.MountRequest{Drive: 2}); !errors.As(err, &none) {
		t.Errorf("mount in drive 2: %v", err)
	}
}
