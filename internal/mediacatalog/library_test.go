package mediacatalog

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleLibrary() Library {
	return Library{Name: "lib1", ChangerAddress: "/dev/sg3", Serial: "CH01", Vendor: "QUANTUM", Product: "Scalar i3",
		Revision: "1.02", Enabled: true, AddedDate: day(0), Drives: []LibraryDrive{
			{ElementAddress: 256, Address: "/dev/sg1", Serial: "DR01", Vendor: "IBM", Product: "ULT3580-HH6",
				Revision: "K1", Generation: "LTO-6", Enabled: true},
			{ElementAddress: 257, Address: "/dev/sg2", Serial: "DR02", Generation: "LTO-6"},
		}}
}

func TestLibraries(t *testing.T) {
	c, ctx := open(t), t.Context()
	want := sampleLibrary()
	got := must[Library](t)(c.AddLibrary(ctx, want))
	if len(got.LibraryID) != 36 || len(got.Drives) != 2 || len(got.Drives[0].DriveID) != 36 {
		t.Fatalf("got %+v", got)
	}
	ids := cmpopts.IgnoreFields(Library{}, "LibraryID")
	driveIDs := cmpopts.IgnoreFields(LibraryDrive{}, "DriveID")
	if diff := cmp.Diff(want, got, ids, driveIDs); diff != "" {
		t.Errorf("(-added +read):\n%s", diff)
	}
	alone := must[Library](t)(c.AddLibrary(ctx, Library{Name: "Alone", StandAlone: true,
		Drives: []LibraryDrive{{ElementAddress: -1, Address: "/dev/sg9", Enabled: true}}}))
	if !alone.StandAlone || alone.Drives[0].ElementAddress != -1 || time.Since(alone.AddedDate) > time.Minute || !alone.LastInventoryDate.IsZero() {
		t.Errorf("got %+v", alone)
	}
	for _, name := range []string{"lib1", "LIB1", got.LibraryID} {
		l := must[Library](t)(c.Library(ctx, name))
		if diff := cmp.Diff(got, l); diff != "" {
			t.Errorf("by %s:\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]Library{alone, got}, must[[]Library](t)(c.Libraries(ctx))); diff != "" {
		t.Errorf("Libraries:\n%s", diff)
	}
	_, err := c.Library(ctx, "lib2")
	wantErr(t, err, ErrNotFound, "lib2")
	_, err = c.AddLibrary(ctx, Library{Name: "LIB1"})
	wantErr(t, err, ErrExists, "LIB1")
	_, err = c.AddLibrary(ctx, Library{Name: "lib3", Serial: "CH01", Vendor: "QUANTUM", Product: "Scalar i3"})
	wantErr(t, err, ErrExists, "CH01", "lib1")
	_, err = c.AddLibrary(ctx, Library{})
	if err == nil {
		t.Error("a library without a name was added")
	}
}

func TestUpdateLibrary(t *testing.T) {
	c, ctx := open(t), t.Context()
	old := must[Library](t)(c.AddLibrary(ctx, sampleLibrary()))
	ok(t, c.SetDriveEnabled(ctx, old.Drives[0].DriveID, false))
	update := old
	update.AddedDate, update.Revision = time.Time{}, "2.00"
	// The first drive is now at another element; the second has a new serial number behind the same address.
	update.Drives = []LibraryDrive{{ElementAddress: 257, Serial: "DR01", Enabled: true}, {ElementAddress: 256,
		Serial: "DR03", Enabled: true}}
	got := must[Library](t)(c.UpdateLibrary(ctx, update))
	if got.Revision != "2.00" || !got.AddedDate.Equal(old.AddedDate) || len(got.Drives) != 2 {
		t.Fatalf("got %+v", got)
	}
	if d := got.Drives[1]; d.DriveID != old.Drives[0].DriveID || d.Enabled || d.ElementAddress != 257 {
		t.Errorf("the drive that moved is %+v", d)
	}
	if d := got.Drives[0]; d.DriveID == old.Drives[0].DriveID || d.DriveID == old.Drives[1].DriveID || !d.Enabled {
		t.Errorf("the new drive is %+v", d)
	}
	_, err := c.UpdateLibrary(ctx, Library{LibraryID: "none", Name: "x"})
	wantErr(t, err, ErrNotFound)
	must[Library](t)(c.AddLibrary(ctx, Library{Name: "other"}))
	got.Name = "other"
	_, err = c.UpdateLibrary(ctx, got)
	wantErr(t, err, ErrExists)
	if l := must[Library](t)(c.Library(ctx, "lib1")); len(l.Drives) != 2 {
		t.Errorf("a refused update took the drives: %+v", l)
	}
}

func TestLibrarySwitches(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, sampleLibrary()))
	must[Library](t)(c.AddLibrary(ctx, Library{Name: "other"}))
	ok(t, c.SetLibraryEnabled(ctx, "lib1", false))
	ok(t, c.SetDriveEnabled(ctx, l.Drives[1].DriveID, true))
	ok(t, c.RenameLibrary(ctx, "lib1", "north"))
	got := must[Library](t)(c.Library(ctx, "north"))
	if got.Enabled || !got.Drives[1].Enabled || got.LibraryID != l.LibraryID {
		t.Errorf("got %+v", got)
	}
	wantErr(t, c.RenameLibrary(ctx, "north", "OTHER"), ErrExists, "north", "OTHER")
	wantErr(t, c.RenameLibrary(ctx, "lib1", "x"), ErrNotFound)
	wantErr(t, c.SetLibraryEnabled(ctx, "lib1", true), ErrNotFound)
	wantErr(t, c.SetDriveEnabled(ctx, "none", true), ErrNotFound)
	wantErr(t, c.RemoveLibrary(ctx, "lib1"), ErrNotFound)
	if err := c.RenameLibrary(ctx, "north", ""); err == nil {
		t.Error("the empty name was taken")
	}
}

func TestRemoveLibraryKeepsTapes(t *testing.T) {
	c, ctx := open(t), t.Context()
	fillTapes(t, c, 2)
	l := must[Library](t)(c.Library(ctx, "lib1"))
	must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(1), []Element{{ElementAddress: 1000, ElementType: Storage,
		Number: 1, SourceElement: -1}}, nil, nil))
	ok(t, c.RemoveLibrary(ctx, "lib1"))
	all := must[[]Media](t)(c.ListMedia(ctx, MediaFilter{}))
	if len(all) != 2 || all[0].LibraryID != "" || all[0].ElementAddress != -1 || all[0].HomeElement != -1 {
		t.Errorf("tapes are %+v", all)
	}
	if e := must[[]Element](t)(c.Elements(ctx, l.LibraryID)); len(e) != 0 {
		t.Errorf("elements stayed: %+v", e)
	}
	ok(t, c.Check(ctx))
}

// bigInventory is a library with n slots, all full, and 4 drives.
func bigInventory(n int, ids []string) ([]Element, []InventoryMedium) {
	var elements []Element
	var media []InventoryMedium
	for i := range n {
		barcode := fmt.Sprintf("T%05dL8", i)
		elements = append(elements, Element{ElementAddress: 1000 + i, ElementType: Storage, Number: i + 1, Full: true,
			Barcode:       barcode,
			SourceElement: -1, Accessible: true})
		m := InventoryMedium{Barcode: barcode, MediaType: "L8", ElementAddress: 1000 + i, HomeElement: 1000 + i}
		if ids != nil {
			m.MediaID = ids[i]
		}
		media = append(media, m)
	}
	return elements, media
}

func TestSaveInventory(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	known := must[Media](t)(c.AddMedia(ctx, Media{Label: "known", Barcode: "K1", State: StateActive, ElementAddress: -1,
		HomeElement: -1}))
	bare := must[Media](t)(c.AddMedia(ctx, Media{Label: "no barcode", ElementAddress: -1, HomeElement: -1}))
	gone := must[Media](t)(c.AddMedia(ctx, Media{Label: "gone", LibraryID: l.LibraryID, ElementAddress: 1005,
		HomeElement: 1005}))
	elements := []Element{
		{ElementAddress: 256, ElementType: DataTransfer, Number: 1, Full: true, Barcode: "K1", SourceElement: 1000,
			Accessible: true, DriveSerial: "DR01"},
		{ElementAddress: 1000, ElementType: Storage, Number: 1, SourceElement: -1, Accessible: true},
		{ElementAddress: 1001, ElementType: Storage, Number: 2, Full: true, Barcode: "B1", SourceElement: -1},
		{ElementAddress: 1002, ElementType: Storage, Number: 3, Full: true, SourceElement: -1, Exception: true,
			ASC: 0x83, ASCQ: 0},
		{ElementAddress: 16, ElementType: ImportExport, Number: 1, Full: true, Barcode: "NEW1", SourceElement: -1,
			Accessible: true},
	}
	media := []InventoryMedium{
		{MediaID: known.MediaID, Barcode: "OTHER", ElementAddress: 256, HomeElement: 1000},
		{MediaID: bare.MediaID, Barcode: "B1", MediaType: "L6", State: StateSuspect, ElementAddress: 1001,
			HomeElement: 1001},
		{Barcode: "NEW1", State: StateUnknown, Cleaning: true, ElementAddress: 16, HomeElement: 16},
	}
	ids := must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(1), elements, media,
		[]Event{{Kind: "barcode changed",
			Severity: "warning", MediaID: known.MediaID, LibraryID: l.LibraryID, ElementAddress: 256, Barcode: "OTHER", Message: "It was K1."}}))
	if len(ids) != 3 || ids[0] != known.MediaID || ids[1] != bare.MediaID || len(ids[2]) != 36 {
		t.Fatalf("identifiers are %v", ids)
	}
	want := append([]Element(nil), elements...)
	want[0].MediaID, want[2].MediaID, want[4].MediaID = ids[0], ids[1], ids[2]
	want = append([]Element{want[4]}, want[:4]...)
	for i := range want {
		want[i].InventoryDate = day(1)
	}
	if diff := cmp.Diff(want, must[[]Element](t)(c.Elements(ctx, l.LibraryID))); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	k := must[Media](t)(c.MediaByID(ctx, known.MediaID))
	if k.Barcode != "K1" || k.State != StateActive || k.ElementAddress != 256 || k.HomeElement != 1000 || !k.LastSeenDate.Equal(day(1)) || k.LibraryID != l.LibraryID {
		t.Errorf("the known tape is %+v", k)
	}
	b := must[Media](t)(c.MediaByID(ctx, bare.MediaID))
	if b.Barcode != "B1" || b.State != StateSuspect || b.MediaType != "L6" {
		t.Errorf("the tape that got a barcode is %+v", b)
	}
	n := must[Media](t)(c.MediaByID(ctx, ids[2]))
	if n.Barcode != "NEW1" || !n.Cleaning || n.State != StateUnknown || n.ElementAddress != 16 {
		t.Errorf("the new tape is %+v", n)
	}
	g := must[Media](t)(c.MediaByID(ctx, gone.MediaID))
	if g.LibraryID != "" || g.ElementAddress != -1 || g.HomeElement != -1 {
		t.Errorf("the tape that is gone is %+v", g)
	}
	if e := must[[]Event](t)(c.Events(ctx,
		EventFilter{MediaID: known.MediaID})); len(e) != 1 || !e[0].EventDate.Equal(day(1)) {
		t.Errorf("events are %+v", e)
	}
	if l := must[Library](t)(c.Library(ctx, "lib1")); !l.LastInventoryDate.Equal(day(1)) {
		t.Errorf("the inventory's date is %v", l.LastInventoryDate)
	}
	ok(t, c.Check(ctx))
}

func TestSaveInventoryIsAllOrNothing(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	elements, media := bigInventory(5, nil)
	ids := must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(0), elements, media, nil))
	twice := append(append([]Element(nil), elements...), elements[0])
	if _, err := c.SaveInventory(ctx, l.LibraryID, day(1), twice, nil, nil); err == nil {
		t.Error("one address twice was taken")
	}
	_, err := c.SaveInventory(ctx, l.LibraryID, day(1), elements, []InventoryMedium{{MediaID: "none",
		ElementAddress: 1000}}, nil)
	wantErr(t, err, ErrNotFound, "none")
	_, err = c.SaveInventory(ctx, "none", day(1), elements, nil, nil)
	wantErr(t, err, ErrNotFound)
	got := must[[]Element](t)(c.Elements(ctx, l.LibraryID))
	if len(got) != 5 || !got[0].InventoryDate.Equal(day(0)) || got[4].MediaID != ids[4] {
		t.Errorf("elements are %+v", got)
	}
	if all := must[[]Media](t)(c.ListMedia(ctx, MediaFilter{LibraryID: l.LibraryID})); len(all) != 5 {
		t.Errorf("%d tapes are in the library", len(all))
	}
}

func TestSaveInventoryOf10000Slots(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "big"}))
	elements, media := bigInventory(10_000, nil)
	ids := must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(0), elements, media, nil))
	elements, media = bigInventory(10_000, ids)
	begin := time.Now()
	must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(1), elements, media, nil))
	took := time.Since(begin)
	t.Logf("10,000 slots took %v", took)
	if took > slow(500*time.Millisecond) {
		t.Errorf("10,000 slots took %v, want less than 0.5 s", took)
	}
	begin = time.Now()
	got := must[[]Element](t)(c.Elements(ctx, l.LibraryID))
	if len(got) != 10_000 || got[9999].MediaID != ids[9999] || got[9999].Number != 10_000 {
		t.Fatalf("%d elements, the last is %+v", len(got), got[len(got)-1])
	}
	if all := must[[]Media](t)(c.ListMedia(ctx,
		MediaFilter{LibraryID: l.LibraryID})); len(all) != 10_000 || all[9999].Barcode != "T09999L8" {
		t.Errorf("%d tapes", len(all))
	}
	t.Logf("reading them took %v", time.Since(begin))
}

func TestMoveMedium(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	elements, media := bigInventory(2, nil)
	elements = append(elements, Element{ElementAddress: 256, ElementType: DataTransfer, Number: 1, SourceElement: -1},
		Element{ElementAddress: 1002, ElementType: Storage, Number: 3, SourceElement: -1})
	id := must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(0), elements, media, nil))[1]
	for _, tc := range []struct{ from, to, home int }{{1001, 256, 1001}, {256, 1002, 1002}, {1002, 256, 1002}, {256,
		1001, 1001}} {
		ok(t, c.MoveMedium(ctx, l.LibraryID, id, tc.from, tc.to, day(1)))
		m := must[Media](t)(c.MediaByID(ctx, id))
		if m.ElementAddress != tc.to || m.HomeElement != tc.home || !m.LastSeenDate.Equal(day(1)) {
			t.Errorf("after %d to %d the tape is in %d, home %d", tc.from, tc.to, m.ElementAddress, m.HomeElement)
		}
		for _, e := range must[[]Element](t)(c.Elements(ctx, l.LibraryID)) {
			switch e.ElementAddress {
			case tc.from:
				if e.Full || e.MediaID != "" || e.Barcode != "" {
					t.Errorf("the source is %+v", e)
				}
			case tc.to:
				if !e.Full || e.MediaID != id || e.Barcode != "T00001L8" || e.SourceElement != tc.from {
					t.Errorf("the destination is %+v", e)
				}
			}
		}
		ok(t, c.Check(ctx))
	}
	wantErr(t, c.MoveMedium(ctx, l.LibraryID, "none", 1000, 256, day(1)), ErrNotFound, "none")
}
