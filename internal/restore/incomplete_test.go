package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// copyAt is a copy of a recovery point as the catalog may know it.
type copyAt struct {
	complete, online bool
}

// TestChoose prefers complete copies, also when somebody has to fetch them.
func TestChoose(t *testing.T) {
	yes, no := true, false
	for i, c := range []struct {
		copies []copyAt // numbered from 1, on tapes in this order
		number int
		want   int    // 0: a tape is needed
		hint   string // part of the error
	}{
		{[]copyAt{{yes, yes}, {yes, yes}}, 0, 1, ""},
		{[]copyAt{{no, yes}, {yes, yes}}, 0, 2, ""},
		{[]copyAt{{no, yes}, {yes, yes}}, 1, 1, ""},
		{[]copyAt{{no, yes}, {yes, no}}, 0, 0, "`--copy 1`"},
		{[]copyAt{{yes, no}, {no, yes}}, 0, 0, "`--copy 2`"},
		{[]copyAt{{no, yes}, {yes, no}}, 1, 1, ""},
		{[]copyAt{{no, yes}, {yes, no}}, 2, 0, "VTL002L6"},
		{[]copyAt{{no, yes}, {no, no}}, 0, 1, ""},
		{[]copyAt{{no, no}, {no, yes}}, 0, 2, ""},
		{[]copyAt{{no, no}, {yes, no}}, 0, 0, "VTL002L6"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { testChoose(t, c.copies, c.number, c.want, c.hint) })
	}
}

func testChoose(t *testing.T, copies []copyAt, number, want int, hint string) {
	ctx := context.Background()
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 2, Capacity: 16 << 20})
	p, err := b.Catalog.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{Name: "p", CreationDate: time.Now()})
	must(t, err)
	for i, c := range copies {
		m := b.Tape(fmt.Sprintf("VTL%03dL6", i+1))
		state := mediacatalog.SetComplete
		if !c.complete {
			state = mediacatalog.SetIncomplete
		}
		_, err := b.Catalog.AddDataset(ctx, mediacatalog.Dataset{RecoveryPointID: p.RecoveryPointID, CopyNumber: i + 1, MediaID: m.MediaID, SetNumber: 1,
			SSETObject: 4, SetState: state})
		must(t, err)
		if !c.online {
			_, err = b.Catalog.UpdateMedia(ctx, m.MediaID, func(m *mediacatalog.Media) error { m.LibraryID, m.ElementAddress = "", 0; return nil })
			must(t, err)
		}
	}
	got, err := restore.Choose(ctx, b.Catalog, p, number)
	var needed *restore.TapeNeededError
	switch {
	case want != 0 && (err != nil || got.Dataset.CopyNumber != want):
		t.Errorf("chose copy %d, %v; want %d", got.Dataset.CopyNumber, err, want)
	case want == 0 && (!errors.As(err, &needed) || !strings.Contains(err.Error(), hint)):
		t.Errorf("chose copy %d, %v; want a tape to be asked for, and %q", got.Dataset.CopyNumber, err, hint)
	case want == 0 && len(needed.Tapes) == 0:
		t.Errorf("no tape is named: %v", err)
	}
}

// incomplete marks the data set of the bench as cut off.
func (b *bench) incomplete() {
	b.t.Helper()
	ctx := context.Background()
	sets, err := b.Catalog.Datasets(ctx, mediacatalog.DatasetFilter{RecoveryPointID: b.point.RecoveryPointID})
	must(b.t, err)
	d := sets[0]
	var objects []mediacatalog.Object
	must(b.t, b.Catalog.Objects(ctx, d.DatasetID, "", func(o mediacatalog.Object) error { objects = append(objects, o); return nil }))
	b.point, err = b.Catalog.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{Name: "cut", CreationDate: time.Now()})
	must(b.t, err)
	d.DatasetID, d.RecoveryPointID, d.SetState = "", b.point.RecoveryPointID, mediacatalog.SetIncomplete
	d.SetNumber++ // the catalog has the true one already
	d, err = b.Catalog.AddDataset(ctx, d)
	must(b.t, err)
	must(b.t, b.Catalog.AddObjects(ctx, d.DatasetID, objects))
}

// TestIncompleteSetIsAProblem restores a data set that the catalog says is incomplete: somebody has to be told.
func TestIncompleteSetIsAProblem(t *testing.T) {
	b := newBench(t)
	b.incomplete()
	for _, only := range [][]string{nil, {"a.txt"}} {
		to := t.TempDir()
		r, err := b.restore(context.Background(), restore.Request{To: to, Only: only})
		must(t, err)
		// There may be volumes that the catalog does not know: they do not mix.
		if _, err := os.Stat(filepath.Join(to, b.source, "a.txt")); err != nil {
			t.Error(err)
		}
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Error(), "of tape VTL001L6 is incomplete: the backup was interrupted") {
			t.Errorf("%v: %+v", only, r.Problems)
		}
	}
}

// TestCutOff restores a data set that ends in the middle of a file, as after a power failure: the file is named once, with its whole
// path, and its beginning is kept.
func TestCutOff(t *testing.T) {
	ctx := context.Background()
	b := &bench{Bench: librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1, Capacity: 256 << 20}), t: t}
	l := b.Open()
	defer l.Close()
	m, err := l.Mount(ctx, library.MountRequest{Element: b.Tape("VTL001L6").ElementAddress})
	must(t, err)
	b.writeCutOff(m)
	must(t, m.Dismount(ctx))
	to := t.TempDir()
	c, err := restore.Choose(ctx, b.Catalog, b.point, 0)
	must(t, err)
	r, err := restore.Run(ctx, b.Catalog, l, c, restore.Request{To: to})
	must(t, err)
	if len(r.Problems) != 2 || !r.Incomplete || r.Problems[1].Path != "/src/sub/big" || r.Problems[1].Kept != filepath.Join(to, "src/sub/big.incomplete") {
		t.Errorf("%+v", r.Problems)
	}
	kept, err := os.ReadFile(filepath.Join(to, "src/sub/big.incomplete"))
	if big := pattern(1 << 20); err != nil || len(kept) == 0 || !bytes.HasPrefix(big, kept) {
		t.Errorf("kept are %d bytes, %v", len(kept), err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "src/sub/whole")); err != nil || string(got) != "whole" {
		t.Errorf("%q, %v", got, err)
	}
}

// writeCutOff writes a data set that ends in the middle of a file.
func (b *bench) writeCutOff(m *library.Mount) {
	t, ctx := b.t, context.Background()
	const block = 64 << 10
	must(t, m.Rewind(ctx))
	w := library.NewTapeWriter(m, 0, block, 4)
	header := mtf.MediaHeader{FamilyID: 7, Software: "cut", Label: mtf.MediaLabel{Vendor: "cut", Product: "1", Stamp: time.Now(), CartridgeLabel: "CUT",
		Side: "0", MediaID: "{0e0e0e0e-0000-0000-0000-000000000001}", DomainID: "{0e0e0e0e-0000-0000-0000-000000000002}"}, CatalogType: 1}
	must(t, mtf.WriteMediaHeader(ctx, w, block, header))
	object := w.Object()
	set, err := mtf.NewSetWriter(ctx, &powerFailure{TapeWriter: w, left: 8}, mtf.SetOptions{PhysicalBlock: block, FamilyID: 7, SetNumber: 1, SSETObject: object})
	must(t, err)
	must(t, set.Volume(ctx, mtf.VolumeEntry{Device: "/src"}))
	must(t, set.Directory(ctx, mtf.DirectoryEntry{Path: []string{"sub"}, Meta: mtf.Metadata{Mode: 0o40755}}))
	_, err = set.File(ctx, mtf.FileEntry{Name: "whole", Meta: mtf.Metadata{Mode: 0o100644}}, 5, strings.NewReader("whole"))
	must(t, err)
	_, err = set.File(ctx, mtf.FileEntry{Name: "big", Meta: mtf.Metadata{Mode: 0o100644}}, 1<<20, bytes.NewReader(pattern(1<<20)))
	if !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	must(t, w.Sync(ctx))
	must(t, w.Close())

	tape := b.Tape("VTL001L6")
	_, err = b.Catalog.UpdateMedia(ctx, tape.MediaID, func(m *mediacatalog.Media) error {
		m.OnMediaID, m.DomainID, m.FamilyID, m.Label, m.BlockSize = header.Label.MediaID, header.Label.DomainID, 7, "CUT", block
		return nil
	})
	must(t, err)
	b.point, err = b.Catalog.BeginRecoveryPoint(ctx, mediacatalog.RecoveryPoint{Name: "cut", CreationDate: time.Now()})
	must(t, err)
	_, err = b.Catalog.AddDataset(ctx, mediacatalog.Dataset{RecoveryPointID: b.point.RecoveryPointID, CopyNumber: 1, MediaID: tape.MediaID, SetNumber: 1,
		SSETObject: object, BlockSize: block, SetState: mediacatalog.SetIncomplete})
	must(t, err)
}

// powerFailure writes some blocks and no more.
type powerFailure struct {
	*library.TapeWriter
	left int
}

var errPower = errors.New("power failure")

func (p *powerFailure) WriteBlock(ctx context.Context, b []byte) error {
	if p.left--; p.left < 0 {
		return errPower
	}
	return p.TapeWriter.WriteBlock(ctx, b)
}
