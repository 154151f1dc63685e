package restore_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/restore"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// set returns the data set of the bench and its objects.
func (b *bench) set() (mediacatalog.Dataset, []mediacatalog.Object) {
	b.t.Helper()
	ctx := context.Background()
	sets, err := b.Catalog.Datasets(ctx, mediacatalog.DatasetFilter{RecoveryPointID: b.point.RecoveryPointID})
	must(b.t, err)
	var objects []mediacatalog.Object
	must(b.t, b.Catalog.Objects(ctx, sets[0].DatasetID, "", func(o mediacatalog.Object) error {
		if o.FLA != 0 {
			objects = append(objects, o)
		}
		return nil
	}))
	return sets[0], objects
}

// extents tells in which blocks of the tape each file lies: from its own header to that of the next file.
func (b *bench) extents() map[string][2]uint64 {
	b.t.Helper()
	ctx := context.Background()
	d, objects := b.set()
	l := b.Open()
	defer l.Close()
	m, err := l.Mount(ctx, library.MountRequest{Element: b.Tape("VTL001L6").ElementAddress})
	must(b.t, err)
	r := m.Reader()
	set, err := mtf.NewSetReader(ctx, r, mtf.SetReaderOptions{PhysicalBlock: 64 << 10, SSETObject: d.SSETObject})
	must(b.t, err)
	first := set.SSET().Header.FLA
	r.Close()
	must(b.t, m.Dismount(ctx))
	const perBlock = 64 // format logical blocks
	where := map[string][2]uint64{}
	for i, o := range objects {
		last := d.ESETObject - 1
		if i+1 < len(objects) {
			last = d.SSETObject + (objects[i+1].FLA-1-first)/perBlock
		}
		name, err := filepath.Rel(b.source, filepath.Join(o.Path, o.FileSpec))
		must(b.t, err)
		where[name] = [2]uint64{d.SSETObject + (o.FLA-first)/perBlock, last}
	}
	if len(where) != len(files) {
		b.t.Fatalf("%d files are on the tape", len(where))
	}
	return where
}

func (b *bench) unreadable(object uint64) (id int) {
	b.t.Helper()
	id, err := b.Virtual.InjectFault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Key: 3, ASC: 0x11, Operations: []int{0x08}, Object: &object, Times: -1})
	must(b.t, err)
	return id
}

// TestMediumErrors makes each block of the tape unreadable in turn: every file that does not lie in it is restored, every other is
// named, nothing wrong gets a name, nothing hangs, and the tape goes back.
func TestMediumErrors(t *testing.T) {
	b := newBench(t)
	where := b.extents()
	d, _ := b.set()
	for bad := d.SSETObject; bad < d.ESETObject; bad++ {
		id := b.unreadable(bad)
		to := t.TempDir()
		r, err := b.restore(context.Background(), restore.Request{To: to})
		must(t, b.Virtual.ClearFaults(id))
		if m := b.Tape("VTL001L6"); m.ElementAddress != m.HomeElement {
			t.Fatal("the tape was not put back")
		}
		if bad == d.SSETObject { // without it nothing of the set can be read
			if !errors.Is(err, scsi.IsMediumError) {
				t.Errorf("the first block: %v", err)
			}
			continue
		}
		must(t, err)
		if len(r.Problems) == 0 {
			t.Errorf("object %d cannot be read, and nothing is said", bad)
		}
		for name, data := range files {
			got, err := os.ReadFile(filepath.Join(to, name))
			named := slices.ContainsFunc(r.Problems, func(p restore.FileProblem) bool { return p.Path == filepath.Join(b.source, name) })
			switch inside := where[name][0] <= bad && bad <= where[name][1]; {
			case err == nil && !bytes.Equal(got, data):
				t.Errorf("object %d cannot be read: %s has wrong content", bad, name)
			case err != nil && !inside:
				t.Errorf("object %d cannot be read, and %s, which lies in %d, was not restored: %v", bad, name, where[name], err)
			case err != nil && !named:
				t.Errorf("object %d cannot be read, and nobody says that %s is missing: %+v", bad, name, r.Problems)
			case err == nil && named:
				t.Errorf("object %d cannot be read, and %s is called a problem but was restored", bad, name)
			}
		}
	}
}

// TestBeginningIsKept: of a file with a bad block in the middle the good beginning stays, and the problem says which bytes are
// missing and where they can be had.
func TestBeginningIsKept(t *testing.T) {
	b := newBench(t)
	where := b.extents()["b.bin"]
	d, _ := b.set()
	_, err := b.Catalog.AddDataset(context.Background(), mediacatalog.Dataset{RecoveryPointID: b.point.RecoveryPointID, CopyNumber: 2,
		MediaID: b.Tape("VTL002L6").MediaID, SetNumber: 1, SSETObject: d.SSETObject})
	must(t, err)
	b.unreadable((where[0] + where[1]) / 2)
	for _, only := range [][]string{nil, {"b.bin", "d.txt"}} {
		to := t.TempDir()
		r, err := b.restore(context.Background(), restore.Request{To: to, Only: only})
		must(t, err)
		if len(r.Problems) != 1 || r.Problems[0].Kept != filepath.Join(to, "b.bin.incomplete") {
			t.Fatalf("%+v", r.Problems)
		}
		for _, part := range []string{"bytes ", " to 3145727 could not be read", "tape VTL002L6 (`--copy 2`)"} {
			if text := r.Problems[0].Error(); !strings.Contains(text, part) {
				t.Errorf("%q does not contain %q", text, part)
			}
		}
		kept, err := os.ReadFile(r.Problems[0].Kept)
		if err != nil || len(kept) < 1<<20 || !bytes.HasPrefix(files["b.bin"], kept) {
			t.Errorf("kept are %d bytes, %v", len(kept), err)
		}
		if got, err := os.ReadFile(filepath.Join(to, "sub/d.txt")); err != nil || !bytes.Equal(got, files["sub/d.txt"]) {
			t.Errorf("what is behind was not restored: %v", err)
		}
	}
}

// TestManyBadBlocks has every third block unreadable: each is passed.
func TestManyBadBlocks(t *testing.T) {
	b := newBench(t)
	d, _ := b.set()
	for object := d.SSETObject + 1; object < d.ESETObject; object += 3 {
		b.unreadable(object)
	}
	to := t.TempDir()
	r, err := b.restore(context.Background(), restore.Request{To: to})
	must(t, err)
	for _, name := range []string{"b.bin", "sub/c.bin"} { // both are longer than the distance
		if _, err := os.Stat(filepath.Join(to, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s got its name: %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(to, name+".incomplete")); err == nil && !bytes.HasPrefix(files[name], got) {
			t.Errorf("%s: what was kept is wrong", name)
		}
	}
	if len(r.Problems) < 2 {
		t.Errorf("%+v", r.Problems)
	}
}

// TestDeadDrive: a drive that reads nothing any more ends the restore, soon when it is the drive and later when it says that it is
// the tape.
func TestDeadDrive(t *testing.T) {
	for name, c := range map[string]struct {
		fault vlib.Fault
		most  int32 // commands that read
	}{
		"hardware error":    {vlib.Fault{Kind: vlib.FaultSense, Key: 4, ASC: 0x44}, 20},
		"only medium error": {vlib.Fault{Kind: vlib.FaultSense, Key: 3, ASC: 0x11}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var reads int32
			b.Host.Wrap = func(_ string, tr scsi.Transport) scsi.Transport { return onRead{tr, &reads} }
			c.fault.Device, c.fault.Operations, c.fault.After, c.fault.Times = "drive0", []int{0x08}, 12, -1
			_, err := b.Virtual.InjectFault(c.fault)
			must(t, err)
			r, err := b.restore(context.Background(), restore.Request{To: t.TempDir()})
			var check *scsi.CheckError
			if !errors.As(err, &check) || byte(check.Sense.Key) != c.fault.Key {
				t.Errorf("%+v, %v", r, err)
			}
			if reads > c.most {
				t.Errorf("%d reads", reads)
			}
			if m := b.Tape("VTL001L6"); m.ElementAddress != m.HomeElement {
				t.Error("the tape was not put back")
			}
		})
	}
}

// onRead counts READ commands. The library uses one drive at a time here.
type onRead struct {
	scsi.Transport
	count *int32
}

func (o onRead) Send(ctx context.Context, c *scsi.Command) error {
	if c.CDB[0] == 0x08 {
		atomic.AddInt32(o.count, 1)
	}
	return o.Transport.Send(ctx, c)
}

// TestMissingOnTape: a file that the catalog knows and the tape does not have is named.
func TestMissingOnTape(t *testing.T) {
	b := newBench(t)
	d, objects := b.set()
	extra := objects[len(objects)-1]
	extra.FileSpec = "later"
	extra.FLA += 500
	must(t, b.Catalog.AddObjects(context.Background(), d.DatasetID, []mediacatalog.Object{extra}))
	r, err := b.restore(context.Background(), restore.Request{To: t.TempDir()})
	must(t, err)
	if len(r.Problems) != 1 || filepath.Base(r.Problems[0].Path) != "later" || int(r.Files) != len(files) {
		t.Errorf("%+v", r)
	}
}
