package library_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/vlib"
)

// TestDriveLock opens one library with two catalogs: a drive that one of them has a tape in is not touched by the other.
func TestDriveLock(t *testing.T) {
	ctx := context.Background()
	b := librarytest.New(t, vlib.Config{Slots: 4, Drives: 1, TapeCount: 2, Capacity: 64 << 20})
	other, err := mediacatalog.Open(ctx, filepath.Join(t.TempDir(), "other.db"), mediacatalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	record := b.Open()
	added := record.Record()
	if err := record.Close(); err != nil {
		t.Fatal(err)
	}
	added.LibraryID = ""
	for i := range added.Drives {
		added.Drives[i].DriveID = ""
	}
	if _, err := other.AddLibrary(ctx, added); err != nil {
		t.Fatal(err)
	}
	mine := b.Open()
	defer mine.Close()
	theirs, err := library.Open(ctx, other, b.Host, "lab", library.Options{Command: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()

	m, err := mine.Mount(ctx, library.MountRequest{Element: 1001})
	if err != nil {
		t.Fatal(err)
	}
	before, err := m.Position(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, element := range []int{m.Element(), 1002} {
		if _, err := theirs.Mount(ctx, library.MountRequest{Element: element}); !errors.Is(err, library.ErrInUse) {
			t.Errorf("mount from element %d with the other catalog: %v", element, err)
		}
	}
	var move *library.MoveError
	err = theirs.Move(ctx, changer.ElementAddress(m.Element()), 1004)
	if !errors.Is(err, library.ErrInUse) || !errors.As(err, &move) || move.Outcome != library.NotMoved {
		t.Errorf("move out of a drive that another program uses: %v", err)
	}
	if after, err := m.Position(ctx); err != nil || after != before {
		t.Errorf("the tape was moved from %+v to %+v, %v", before, after, err)
	}
	if err := m.Dismount(ctx); err != nil {
		t.Fatal(err)
	}
	again, err := theirs.Mount(ctx, library.MountRequest{Element: 1002})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Dismount(ctx); err != nil {
		t.Fatal(err)
	}
}
