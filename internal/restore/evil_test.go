package restore_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/restore"
	"tapectl/internal/vlib"
)

// evil are names that a tape may hold and a restore must not follow.
var evil = []struct {
	folder []string
	file   string
	link   string
}{
	{nil, "..", ""},
	{nil, ".", ""},
	{nil, "../outside", ""},
	{nil, "/etc/outside", ""},
	{[]string{"..", ".."}, "outside", ""},
	{[]string{"a", "..", "..", "b"}, "outside", ""},
	{[]string{"a/../../b"}, "outside", ""},
	{nil, "way-out", "/"},
	{[]string{"way-out"}, "outside", ""}, // through the link before it
	{nil, "up", ".."},
	{[]string{"up"}, "outside", ""},
	{nil, "good", ""},
}

// TestEvilNames restores a data set that somebody made to write elsewhere.
func TestEvilNames(t *testing.T) {
	ctx := context.Background()
	b := &bench{Bench: librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1, Capacity: 256 << 20}), t: t}
	l := b.Open()
	defer l.Close()
	m, err := l.Mount(ctx, library.MountRequest{Element: b.Tape("VTL001L6").ElementAddress})
	must(t, err)
	b.writeEvil(m)
	must(t, m.Dismount(ctx))

	outer := t.TempDir()
	to := filepath.Join(outer, "target")
	c, err := restore.Choose(ctx, b.Catalog, b.point, 0)
	must(t, err)
	r, err := restore.Run(ctx, b.Catalog, l, c, restore.Request{To: to, Overwrite: restore.Always})
	must(t, err)
	if len(r.Problems) == 0 {
		t.Error("nothing was refused")
	}
	if got, err := os.ReadFile(filepath.Join(to, "good")); err != nil || string(got) != "data" {
		t.Errorf("the good file was not restored: %v", err)
	}
	must(t, filepath.WalkDir(outer, func(p string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(p, "outside") && !strings.HasPrefix(p, to+"/") {
			t.Errorf("%s was written outside the target", p)
		}
		return err
	}))
	if _, err := os.Lstat("/outside"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("/outside was written")
	}
}

// writeEvil writes the data set with mtf itself, which takes any name, and tells the catalog of it.
func (b *bench) writeEvil(m *library.Mount) {
	t, ctx := b.t, context.Background()
	const block = 64 << 10
	must(t, m.Rewind(ctx))
	w := library.NewTapeWriter(m, 0, block, 4)
	header := mtf.MediaHeader{FamilyID: 7, Software: "evil", Label: mtf.MediaLabel{Vendor: "evil", Product: "1", Stamp: time.Now(), CartridgeLabel: "EVIL",
		Side: "0", MediaID: "{0e0e0e0e-0000-0000-0000-000000000001}", DomainID: "{0e0e0e0e-0000-0000-0000-000000000002}"}, CatalogType: 1}
	must(t, mtf.WriteMediaHeader(ctx, w, block, header))
	object := w.Object()
	set, err := mtf.NewSetWriter(ctx, w, mtf.SetOptions{PhysicalBlock: block, FamilyID: 7, SetNumber: 1, SSETObject: object})
	must(t, err)
	must(t, set.Volume(ctx, mtf.VolumeEntry{Device: "/src"}))
	for _, e := range evil {
		must(t, set.Directory(ctx, mtf.DirectoryEntry{Path: e.folder, Meta: mtf.Metadata{Mode: 0o40755}}))
		size, data := int64(4), "data"
		if e.link != "" {
			size, data = 0, ""
		}
		_, err := set.File(ctx, mtf.FileEntry{Name: e.file, LinkTarget: e.link, Meta: mtf.Metadata{Mode: 0o100644}}, size, strings.NewReader(data))
		must(t, err)
	}
	result, err := set.Finish(ctx)
	must(t, err)
	must(t, w.Sync(ctx))
	must(t, w.Close())

	tape := b.Tape("VTL001L6")
	_, err = b.Catalog.UpdateMedia(ctx, tape.MediaID, func(m *mediacatalog.Media) error {
		m.OnMediaID, m.DomainID, m.FamilyID, m.Label, m.BlockSize = header.Label.MediaID, header.Label.DomainID, 7, "EVIL", block
		return nil
	})
	must(t, err)
	b.point, err = b.Catalog.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{Name: "evil", CreationDate: time.Now()})
	must(t, err)
	_, err = b.Catalog.AddDataset(ctx, mediacatalog.Dataset{RecoveryPointID: b.point.RecoveryPointID, CopyNumber: 1, MediaID: tape.MediaID, SetNumber: 1,
		SSETObject: object, ESETObject: result.ESETObject, BlockSize: block})
	must(t, err)
}
