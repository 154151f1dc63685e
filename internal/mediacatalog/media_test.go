package mediacatalog

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMediaRoundTrip(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	want := Media{MediaID: "6f9619ff-8b86-d011-b42d-00c04fc964ff", Label: "DPM - long-term tape 1", Barcode: "ABC123L6",
		MediaType: "L6",
		OnMediaID: "7f9619ff-8b86-d011-b42d-00c04fc964ff", DomainID: "8f9619ff-8b86-d011-b42d-00c04fc964ff", FamilyID: 0xfedcba98,
		MediumSerial: "MS1", State: StateActive, Format: "MTF", Software: "tapectl 1", Cleaning: true, WORM: true, BlockSize: 262144,
		NextObject: 1 << 40, LastSetNumber: 65535, CapacityBytes: 2_500_000_000_000, UsedBytes: 17, Full: true, AppendUncertain: true,
		LabelVersion: "1.0", Note: "box 7", CreatedDate: day(0), LastWrittenDate: day(1), LastSeenDate: day(2), LibraryID: l.LibraryID,
		ElementAddress: 256, HomeElement: 0}
	if diff := cmp.Diff(want, must[Media](t)(c.AddMedia(ctx, want))); diff != "" {
		t.Errorf("(-added +returned):\n%s", diff)
	}
	if diff := cmp.Diff(want, must[Media](t)(c.MediaByID(ctx, "6F9619FF-8B86-D011-B42D-00C04FC964FF"))); diff != "" {
		t.Errorf("(-added +read):\n%s", diff)
	}
	// Nothing known is NULL, and comes back as nothing known.
	bare := must[Media](t)(c.AddMedia(ctx, Media{ElementAddress: -1, HomeElement: -1}))
	if diff := cmp.Diff(Media{State: StateUnknown, ElementAddress: -1, HomeElement: -1}, bare,
		cmpopts.IgnoreFields(Media{}, "MediaID")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	nulls := query(t, c,
		`select Label is null and BarcodeValue is null and BlockSize is null and NextObject is null and CreatedDate is null
		and LibraryId is null and ElementAddress is null from tbl_MM_Media where MediaId = '`+bare.MediaID+`'`)
	if nulls[1] != "1" {
		t.Error("not known is not NULL")
	}
	_, err := c.AddMedia(ctx, Media{MediaID: want.MediaID})
	wantErr(t, err, ErrExists, want.MediaID)
	_, err = c.AddMedia(ctx, Media{LibraryID: "no such library"})
	if err == nil {
		t.Error("a tape in a library that is not there was added")
	}
}

func TestFindMedia(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	add := func(m Media) string { return must[Media](t)(c.AddMedia(ctx, m)).MediaID }
	a := add(Media{Label: "Tape A", Barcode: "DUP1", OnMediaID: "OMID-1", State: StateFree, LibraryID: l.LibraryID,
		ElementAddress: 5, HomeElement: 9})
	b := add(Media{Label: "tape a", Barcode: "DUP1", OnMediaID: "omid-1", State: StateSuspect, LibraryID: l.LibraryID,
		ElementAddress: 6, HomeElement: 8})
	x := add(Media{Label: "100%", Barcode: "X_1", State: StateImported, DomainID: "dom", ElementAddress: -1,
		HomeElement: -1})
	ids := func(all []Media, err error) []string {
		t.Helper()
		out := []string{}
		for _, m := range must[[]Media](t)(all, err) {
			out = append(out, m.MediaID)
		}
		return out
	}
	for _, tc := range []struct {
		what      string
		got, want []string
	}{
		{"barcode", ids(c.MediaByBarcode(ctx, "DUP1")), []string{b, a}},
		{"no barcode", ids(c.MediaByBarcode(ctx, "none")), []string{}},
		{"label", ids(c.MediaByLabel(ctx, "TAPE a")), []string{b, a}},
		{"OMID", ids(c.MediaByOnMediaID(ctx, "Omid-1")), []string{b, a}},
		{"all", ids(c.ListMedia(ctx, MediaFilter{})), []string{b, a, x}},
		{"online", ids(c.ListMedia(ctx, MediaFilter{Online: true})), []string{b, a}},
		{"offline", ids(c.ListMedia(ctx, MediaFilter{Offline: true})), []string{x}},
		{"library", ids(c.ListMedia(ctx, MediaFilter{LibraryID: l.LibraryID})), []string{b, a}},
		{"states", ids(c.ListMedia(ctx, MediaFilter{States: []string{StateFree, StateImported}})), []string{a, x}},
		{"like %", ids(c.ListMedia(ctx, MediaFilter{Like: "0%"})), []string{x}},
		{"like _", ids(c.ListMedia(ctx, MediaFilter{Like: "x_"})), []string{x}},
		{"domain", ids(c.ListMedia(ctx, MediaFilter{DomainID: "DOM", Like: "100"})), []string{x}},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.what, diff)
		}
	}
	_, err := c.MediaByID(ctx, "none")
	wantErr(t, err, ErrNotFound, "none")
}

func TestUpdateMedia(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := must[Media](t)(c.AddMedia(ctx, Media{Label: "a", ElementAddress: -1, HomeElement: -1}))
	var wg sync.WaitGroup
	for range 20 { // nothing that others write is lost
		wg.Go(func() {
			if _, err := c.UpdateMedia(ctx, m.MediaID, func(m *Media) error { m.UsedBytes++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := must[Media](t)(c.UpdateMedia(ctx, m.MediaID, func(m *Media) error {
		m.MediaID, m.Note = "other",
			"n"
		return nil
	}))
	if got.UsedBytes != 20 || got.Note != "n" || got.MediaID != m.MediaID {
		t.Errorf("got %+v", got)
	}
	refused := errors.New("refused")
	_, err := c.UpdateMedia(ctx, m.MediaID, func(m *Media) error { m.Note = "lost"; return refused })
	wantErr(t, err, refused)
	if got := must[Media](t)(c.MediaByID(ctx, m.MediaID)); got.Note != "n" {
		t.Errorf("a refused change was written: %+v", got)
	}
	_, err = c.UpdateMedia(ctx, "none", func(*Media) error { return nil })
	wantErr(t, err, ErrNotFound)
}

func TestFactsAndEvents(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := must[Media](t)(c.AddMedia(ctx, Media{Barcode: "A", ElementAddress: -1, HomeElement: -1}))
	want := MediaFact{MediaID: m.MediaID, ReadDate: day(1), LibraryID: "l", ElementAddress: 0, Barcode: "A",
		DriveSerial: "DR01", MediumSerial: "MS",
		Format: "MTF", LabelBytes: []byte("TAPE\x00\x01\xff"), OnMediaID: "o", DomainID: "d", Label: "lbl", Error: "e"}
	want.FactID = must[int64](t)(c.AddMediaFact(ctx, want))
	second := MediaFact{MediaID: m.MediaID, ReadDate: day(2), ElementAddress: -1, Error: "medium error"}
	second.FactID = must[int64](t)(c.AddMediaFact(ctx, second))
	must[int64](t)(c.AddMediaFact(ctx, MediaFact{MediaID: "another", ElementAddress: -1}))
	if diff := cmp.Diff([]MediaFact{second, want}, must[[]MediaFact](t)(c.MediaFacts(ctx, m.MediaID))); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	// What was read changes no conclusion.
	if got := must[Media](t)(c.MediaByID(ctx, m.MediaID)); got.Label != "" || got.State != StateUnknown {
		t.Errorf("a fact changed the tape: %+v", got)
	}
	events := []Event{
		{EventDate: day(1), Kind: "freed", Severity: "warning", MediaID: m.MediaID, LibraryID: "l", ElementAddress: 3,
			Barcode: "A", Message: "It was freed."},
		{EventDate: day(2), Kind: "inventory", LibraryID: "l", ElementAddress: -1},
		{EventDate: day(3), Kind: "freed", MediaID: "other", ElementAddress: -1},
	}
	ok(t, c.AddEvents(ctx, events...))
	events[1].Severity, events[2].Severity = "info", "info"
	newest := []Event{events[2], events[1], events[0]}
	for _, tc := range []struct {
		f    EventFilter
		want []Event
	}{
		{EventFilter{}, newest}, {EventFilter{MediaID: m.MediaID}, newest[2:]}, {EventFilter{LibraryID: "l"},
			newest[1:]},
		{EventFilter{Kind: "freed", Limit: 1}, newest[:1]}, {EventFilter{Since: day(2)}, newest[:2]},
	} {
		got := must[[]Event](t)(c.Events(ctx, tc.f))
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(Event{}, "EventID")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.f, diff)
		}
	}
	if err := c.AddEvents(ctx, Event{Kind: "x"}, Event{Kind: "y", Severity: "loud"}); err == nil {
		t.Error("an unknown severity was taken")
	}
	if got := must[[]Event](t)(c.Events(ctx, EventFilter{Kind: "x"})); len(got) != 0 {
		t.Error("half of the events were written")
	}
}

func TestRemoveMedia(t *testing.T) {
	c, ctx := open(t), t.Context()
	sets := fillTapes(t, c, 2)
	must[int64](t)(c.AddMediaFact(ctx, MediaFact{MediaID: sets[0].MediaID, ElementAddress: -1}))
	ok(t, c.RemoveMedia(ctx, sets[0].MediaID))
	_, err := c.MediaByID(ctx, sets[0].MediaID)
	wantErr(t, err, ErrNotFound)
	_, err = c.Dataset(ctx, sets[0].DatasetID)
	wantErr(t, err, ErrNotFound)
	must[Dataset](t)(c.Dataset(ctx, sets[1].DatasetID))
	if f := must[[]MediaFact](t)(c.MediaFacts(ctx, sets[0].MediaID)); len(f) != 1 {
		t.Error("what was read is gone")
	}
	wantErr(t, c.RemoveMedia(ctx, "none"), ErrNotFound)
	ok(t, c.Check(ctx))
}
