package locate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/mediacatalog"
)

// shelf is a catalog with a library, tapes and data sets.
type shelf struct {
	*mediacatalog.Catalog
	t       *testing.T
	library mediacatalog.Library
	media   map[string]string // barcode to media id
}

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

func newShelf(t *testing.T) *shelf {
	t.Helper()
	ctx := t.Context()
	c, err := mediacatalog.Open(ctx, filepath.Join(t.TempDir(), "catalog.db"), mediacatalog.Options{})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	s := &shelf{Catalog: c, t: t, media: map[string]string{}}
	s.library, err = c.AddLibrary(ctx, mediacatalog.Library{
		Name: "main", ChangerAddress: "changer", Serial: "S", Enabled: true, Drives: []mediacatalog.LibraryDrive{
			{ElementAddress: 257, Address: "a", Serial: "1", Generation: "LTO-6", Enabled: true},
			{ElementAddress: 258, Address: "b", Serial: "2", Generation: "LTO-8", Enabled: true},
			{ElementAddress: 259, Address: "c", Serial: "3", Generation: "LTO-6", Enabled: false},
		},
	})
	check(t, err)
	elements := []mediacatalog.Element{
		{ElementAddress: 257, ElementType: mediacatalog.DataTransfer, Number: 1, SourceElement: -1},
		{ElementAddress: 1007, ElementType: mediacatalog.Storage, Number: 7, Full: true, SourceElement: -1},
	}
	online := []mediacatalog.InventoryMedium{{Barcode: "ON0001L6", MediaType: "LTO-6", ElementAddress: 1007, HomeElement: 1007}}
	ids, err := c.SaveInventory(ctx, s.library.LibraryID, day(1), elements, online, nil)
	check(t, err)
	s.media["ON0001L6"] = ids[0]
	off, err := c.AddMedia(ctx, mediacatalog.Media{Barcode: "OFF001L6", Label: "vault", State: mediacatalog.StateExpired, ElementAddress: -1, HomeElement: -1})
	check(t, err)
	s.media["OFF001L6"] = off.MediaID
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add puts a data set of a recovery point onto a tape.
func (s *shelf) add(name, barcode string, created int, life mediacatalog.LifeStatus, state string, objects ...mediacatalog.Object) {
	s.t.Helper()
	ctx := s.t.Context()
	p, err := s.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{Name: name, Server: "DPM01", CreationDate: day(created), SourceKind: "file"})
	check(s.t, err)
	d, err := s.AddDataset(ctx, mediacatalog.Dataset{
		RecoveryPointID: p.RecoveryPointID, CreationDate: day(created), LifeStatus: life, CopyNumber: 1, SetState: state,
		MediaID: s.media[barcode], SetNumber: uint16(created), BlockSize: 65536,
	})
	check(s.t, err)
	check(s.t, s.AddObjects(ctx, d.DatasetID, objects))
}

func TestFromCatalog(t *testing.T) {
	s := newShelf(t)
	bak := mediacatalog.Object{Path: "srv/sql", FileSpec: "DPMDB.bak", Kind: mediacatalog.KindFile}
	s.add("nightly", "OFF001L6", 3, mediacatalog.Expired, mediacatalog.SetComplete, bak)
	s.add("nightly", "ON0001L6", 9, mediacatalog.Valid, mediacatalog.SetComplete, bak)
	s.add("DPMDB of today", "ON0001L6", 11, mediacatalog.Valid, mediacatalog.SetIncomplete)
	s.add("something else", "ON0001L6", 12, mediacatalog.Valid, mediacatalog.SetComplete)
	found, err := FromCatalog(t.Context(), s.Catalog, "dpmdb")
	check(t, err)
	var got []string
	for _, c := range found {
		got = append(got, fmt.Sprintf("%s | %s | %s | %s %s | %s, online %v | set %d, tape %d of %d | %v", c.Created.Format("02"), c.What, c.Object, c.State, c.TapeState,
			c.Place, c.Online, c.DataSet, c.Tape, c.Tapes, c.Drives))
	}
	want := []string{
		"11 | DPMDB of today |  | incomplete Unknown | library main, slot 7, online true | set 11, tape 1 of 1 | [main drive 1 (LTO-6)]",
		"09 | nightly | srv/sql/DPMDB.bak | valid Unknown | library main, slot 7, online true | set 9, tape 1 of 1 | [main drive 1 (LTO-6)]",
		"03 | nightly | srv/sql/DPMDB.bak | expired Expired | offline, online false | set 3, tape 1 of 1 | [main drive 1 (LTO-6)]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if none, err := FromCatalog(t.Context(), s.Catalog, "no such database"); err != nil || none == nil || len(none) != 0 {
		t.Errorf("nothing found is %v, %v", none, err)
	}
	check(t, s.SetLibraryEnabled(t.Context(), "main", false))
	found, err = FromCatalog(t.Context(), s.Catalog, "DPMDB of today")
	check(t, err)
	if len(found) != 1 || len(found[0].Drives) != 0 {
		t.Errorf("with the library disabled: %+v", found)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FromCatalog(done, s.Catalog, "dpmdb"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestObject(t *testing.T) {
	for _, c := range []struct{ path, name, want string }{
		{"", "", ""}, {"srv/sql", "", "srv/sql"}, {"", "C:", "C:"}, {"srv/sql", "a.bak", "srv/sql/a.bak"}, {"/", "a.bak", "/a.bak"},
		{`C:\sql`, "a.bak", `C:\sql\a.bak`}, {`C:\`, "a.bak", `C:\a.bak`}, {`odd\name/of`, "unix", `odd\name/of/unix`},
	} {
		if got := object(mediacatalog.Found{Path: c.path, FileSpec: c.name, Name: c.name}); got != c.want {
			t.Errorf("%q and %q give %q, want %q", c.path, c.name, got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	for _, c := range []struct {
		life  mediacatalog.LifeStatus
		state string
		want  string
	}{
		{mediacatalog.Valid, mediacatalog.SetComplete, "valid"}, {mediacatalog.Expired, mediacatalog.SetComplete, "expired"},
		{mediacatalog.Valid, mediacatalog.SetIncomplete, "incomplete"}, {mediacatalog.Expired, mediacatalog.SetFailed, "failed"},
	} {
		if got := state(mediacatalog.Found{LifeStatus: c.life, SetState: c.state}); got != c.want {
			t.Errorf("%v, %s is %q, want %q", c.life, c.state, got, c.want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		f    mediacatalog.Found
		want string
	}{
		{mediacatalog.Found{ElementAddress: -1}, "offline"},
		{mediacatalog.Found{Library: "main", ElementAddress: 1007, ElementType: 2, ElementNumber: 7}, "library main, slot 7"},
		{mediacatalog.Found{Library: "main", ElementAddress: 769, ElementType: 3, ElementNumber: 1}, "library main, mail slot 1"},
		{mediacatalog.Found{Library: "desk", ElementAddress: 0, ElementType: 4, ElementNumber: 1}, "library desk, drive 1"},
		{mediacatalog.Found{Library: "main", ElementAddress: 1, ElementType: 1, ElementNumber: 1}, "library main, picker 1"},
		{mediacatalog.Found{Library: "main", ElementAddress: 4711}, "library main, element 4711"},
	} {
		if got := place(c.f); got != c.want {
			t.Errorf("%+v is in %q, want %q", c.f, got, c.want)
		}
	}
}

func TestReaders(t *testing.T) {
	libraries := []mediacatalog.Library{
		{Name: "main", Enabled: true, Drives: []mediacatalog.LibraryDrive{{Generation: "LTO-6", Enabled: true}, {Generation: "LTO-8", Enabled: true}, {Generation: "LTO-7"}}},
		{Name: "old", Drives: []mediacatalog.LibraryDrive{{Generation: "LTO-6", Enabled: true}}},
		{Name: "desk", Enabled: true, StandAlone: true, Drives: []mediacatalog.LibraryDrive{{Generation: "LTO-7", Enabled: true}, {Enabled: true}}},
	}
	for _, c := range []struct {
		mediaType, barcode string
		want               []string
	}{
		{"LTO-6", "", []string{"main drive 1 (LTO-6)", "desk drive 1 (LTO-7)"}},
		{"", "A00001L7", []string{"main drive 2 (LTO-8)", "desk drive 1 (LTO-7)"}},
		{"LTO-8", "A00001L6", []string{"main drive 2 (LTO-8)"}}, // what is known of the tape counts more than its barcode
		{"L6", "", []string{"main drive 1 (LTO-6)", "desk drive 1 (LTO-7)"}},
		{"", "A00001", []string{}},
		{"LTO-10", "", []string{}},
	} {
		if diff := cmp.Diff(c.want, readers(libraries, c.mediaType, c.barcode)); diff != "" {
			t.Errorf("%q %q (-want +got):\n%s", c.mediaType, c.barcode, diff)
		}
	}
}
