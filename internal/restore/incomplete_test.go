package restore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
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
		r, err := b.restore(context.Background(), restore.Request{To: t.TempDir(), Only: only})
		must(t, err)
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Error(), "of tape VTL001L6 is incomplete: the backup was interrupted") {
			t.Errorf("%v: %+v", only, r.Problems)
		}
	}
}
