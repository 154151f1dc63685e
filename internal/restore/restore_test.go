package restore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"tapectl/internal/backup"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a virtual library with one backup in it.
type bench struct {
	*librarytest.Bench
	t      testing.TB
	source string
	point  mediacatalog.RecoveryPoint
}

// files are what the backup of a bench holds.
var files = map[string][]byte{
	"a.txt":         []byte("first"),
	"b.bin":         pattern(3 << 20),
	"empty":         nil,
	"sub/c.bin":     pattern(700_001),
	"sub/d.txt":     []byte("fourth"),
	"sub/deep/e.md": []byte("# fifth"),
}

// pattern is n bytes that do not repeat in blocks.
func pattern(n int) []byte {
	p := make([]byte, 0, n+sha256.Size)
	sum := sha256.Sum256([]byte{byte(n)})
	for len(p) < n {
		sum = sha256.Sum256(sum[:])
		p = append(p, sum[:]...)
	}
	return p[:n]
}

func newBench(t testing.TB) *bench {
	b := &bench{Bench: librarytest.New(t, vlib.Config{Slots: 8, TapeCount: 3, Capacity: 256 << 20}), t: t, source: t.TempDir()}
	for name, data := range files {
		path := filepath.Join(b.source, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, data, 0o644))
	}
	b.point = b.backup("files", b.source)
	return b
}

func (b *bench) backup(name, source string) mediacatalog.RecoveryPoint {
	b.t.Helper()
	l := b.Open()
	defer l.Close()
	r, err := backup.Run(context.Background(), b.Catalog, l, backup.Request{
		Name: name, Sources: []string{source}, Label: "L", Software: "tapectl", Version: "test", BlockSize: 64 << 10})
	must(b.t, err)
	p, err := b.Catalog.RecoveryPoint(context.Background(), r.RecoveryPointID)
	must(b.t, err)
	return p
}

// restore restores the bench's backup.
func (b *bench) restore(ctx context.Context, r restore.Request) (*restore.Result, error) {
	b.t.Helper()
	c, err := restore.Choose(ctx, b.Catalog, b.point, 0)
	must(b.t, err)
	l := b.Open()
	defer l.Close()
	return restore.Run(ctx, b.Catalog, l, c, r)
}

// check compares the target with what should be there.
func check(t testing.TB, target string, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		got, err := os.ReadFile(filepath.Join(target, name))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v; want %d bytes", name, len(got), err, len(data))
		}
	}
	must(t, filepath.WalkDir(target, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(target, p)
		if _, ok := want[rel]; err == nil && !d.IsDir() && !ok {
			t.Errorf("%s is there and should not be", rel)
		}
		return err
	}))
}

func some(names ...string) map[string][]byte {
	m := map[string][]byte{}
	for _, n := range names {
		m[n] = files[n]
	}
	return m
}

func TestOnly(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		only []string
		want map[string][]byte
	}{
		{[]string{"b.bin"}, some("b.bin")},
		{[]string{"*.txt"}, some("a.txt", "sub/d.txt")},
		{[]string{filepath.Join(b.source, "sub")}, some("sub/c.bin", "sub/d.txt", "sub/deep/e.md")},
		{[]string{filepath.Join(b.source, "sub") + "/", "empty"}, some("sub/c.bin", "sub/d.txt", "sub/deep/e.md", "empty")},
	} {
		to := t.TempDir()
		r, err := b.restore(context.Background(), restore.Request{To: to, Only: c.only})
		if err != nil || int(r.Files) != len(c.want) {
			t.Errorf("%v: %+v, %v", c.only, r, err)
		}
		check(t, to, c.want)
	}
	_, err := b.restore(context.Background(), restore.Request{To: t.TempDir(), Only: []string{"nothing"}})
	if !errors.Is(err, restore.ErrNothingMatches) {
		t.Errorf("got %v", err)
	}
}

func TestOverwrite(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		overwrite restore.Overwrite
		existing  int
		want      map[string][]byte
	}{
		{restore.Never, 1, map[string][]byte{"a.txt": []byte("mine")}},
		{restore.Always, 0, map[string][]byte{"a.txt": files["a.txt"]}},
		{restore.KeepBoth, 0, map[string][]byte{"a.txt": []byte("mine"), "a (1).txt": files["a.txt"]}},
	} {
		to := t.TempDir()
		must(t, os.WriteFile(filepath.Join(to, "a.txt"), []byte("mine"), 0o600))
		r, err := b.restore(context.Background(), restore.Request{To: to, Only: []string{"a.txt"}, Overwrite: c.overwrite})
		must(t, err)
		if len(r.Existing) != c.existing {
			t.Errorf("%s: %+v", c.overwrite, r)
		}
		check(t, to, c.want)
	}
	if _, err := b.restore(context.Background(), restore.Request{To: t.TempDir(), Overwrite: "maybe"}); err == nil {
		t.Error("an unknown way to overwrite was accepted")
	}
}

// TestStaysInsideTheTarget plants links in the target that lead elsewhere.
func TestStaysInsideTheTarget(t *testing.T) {
	b := newBench(t)
	to, elsewhere := t.TempDir(), t.TempDir()
	must(t, os.Symlink(elsewhere, filepath.Join(to, "sub")))
	must(t, os.Symlink(filepath.Join(elsewhere, "victim"), filepath.Join(to, "a.txt")))
	r, err := b.restore(context.Background(), restore.Request{To: to, Overwrite: restore.Always})
	must(t, err)
	if len(r.Problems) == 0 {
		t.Error("nothing was reported")
	}
	left, err := os.ReadDir(elsewhere)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("something was written outside the target: %v", left)
	}
	for _, name := range []string{"a.txt", "b.bin", "empty"} {
		info, err := os.Lstat(filepath.Join(to, name))
		if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(files[name])) {
			t.Errorf("%s was not restored in place of what was there: %v", name, err)
		}
	}
}

// TestTargetThatFillsUp restores into a file system of 1 MB.
func TestTargetThatFillsUp(t *testing.T) {
	to := t.TempDir()
	if err := syscall.Mount("tmpfs", to, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	defer syscall.Unmount(to, 0)
	b := newBench(t)
	r, err := b.restore(context.Background(), restore.Request{To: to})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "b.bin") || !strings.Contains(err.Error(), "full") {
		t.Errorf("%+v, %v", r, err)
	}
	check(t, to, some("a.txt")) // and nothing half written
	if m := b.Tape("VTL001L6"); m.ElementAddress != m.HomeElement {
		t.Error("the tape was not put back")
	}
}

// TestTapeNeeded takes the tape out of the library.
func TestTapeNeeded(t *testing.T) {
	b := newBench(t)
	_, err := b.Catalog.SaveInventory(context.Background(), b.Tape("VTL001L6").LibraryID, b.point.CreationDate, nil, nil, nil)
	must(t, err)
	_, err = restore.Choose(context.Background(), b.Catalog, b.point, 0)
	var needed *restore.TapeNeededError
	if !errors.As(err, &needed) || !strings.Contains(err.Error(), "VTL001L6") || !strings.Contains(err.Error(), `"L"`) {
		t.Errorf("got %v", err)
	}
}

// TestWrongTape exchanges the tape behind the catalog's back: what is in the slot is not what the catalog says.
func TestWrongTape(t *testing.T) {
	b := newBench(t)
	_, err := b.Catalog.UpdateMedia(context.Background(), b.Tape("VTL001L6").MediaID, func(m *mediacatalog.Media) error {
		m.ElementAddress = b.Tape("VTL002L6").ElementAddress
		return nil
	})
	must(t, err)
	_, err = b.restore(context.Background(), restore.Request{To: t.TempDir()})
	var wrong *library.WrongTapeError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "blank") {
		t.Errorf("got %v", err)
	}
}

// TestCatalogKnowsBetter changes the digest in the catalog: what the tape itself says is right is then not enough.
func TestCatalogKnowsBetter(t *testing.T) {
	b := newBench(t)
	sets, err := b.Catalog.Datasets(context.Background(), mediacatalog.DatasetFilter{RecoveryPointID: b.point.RecoveryPointID})
	must(t, err)
	var objects []mediacatalog.Object
	must(t, b.Catalog.Objects(context.Background(), sets[0].DatasetID, "", func(o mediacatalog.Object) error {
		if o.FileSpec == "a.txt" {
			o.SHA256 = bytes.Repeat([]byte{1}, 32)
		}
		objects = append(objects, o)
		return nil
	}))
	must(t, b.Catalog.RemoveObjects(context.Background(), sets[0].DatasetID))
	must(t, b.Catalog.AddObjects(context.Background(), sets[0].DatasetID, objects))
	for _, only := range [][]string{nil, {"a.txt", "b.bin"}} {
		to := t.TempDir()
		r, err := b.restore(context.Background(), restore.Request{To: to, Only: only})
		must(t, err)
		if len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0].Path, "a.txt") {
			t.Errorf("%+v", r.Problems)
		}
		if _, err := os.Stat(filepath.Join(to, "a.txt")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a file that does not fit got its name")
		}
		if got, err := os.ReadFile(filepath.Join(to, "b.bin")); err != nil || !bytes.Equal(got, files["b.bin"]) {
			t.Errorf("b.bin: %v", err)
		}
	}
}

// TestCancelledAnywhere cancels a restore at the n-th command: nothing half written stays, the tape goes back.
func TestCancelledAnywhere(t *testing.T) {
	b := newBench(t)
	once := func(n int32) (string, int32, error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var sent atomic.Int32
		b.Host.Wrap = func(_ string, tr scsi.Transport) scsi.Transport {
			return onCommand{tr, func() {
				if sent.Add(1) == n {
					cancel()
				}
			}}
		}
		to := t.TempDir()
		c, err := restore.Choose(context.Background(), b.Catalog, b.point, 0)
		must(t, err)
		l := b.Open()
		sent.Store(0)
		_, err = restore.Run(ctx, b.Catalog, l, c, restore.Request{To: to})
		must(t, l.Close())
		return to, sent.Load(), err
	}
	_, total, err := once(-1)
	must(t, err)
	for n := int32(1); n < total; n += 3 {
		to, _, _ := once(n)
		must(t, filepath.WalkDir(to, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, _ := filepath.Rel(to, p)
			if got, err := os.ReadFile(p); err != nil || !bytes.Equal(got, files[rel]) {
				t.Errorf("cancelled at command %d: %s was left behind", n, rel)
			}
			return nil
		}))
		if m := b.Tape("VTL001L6"); m.ElementAddress != m.HomeElement {
			t.Fatalf("cancelled at command %d: the tape was not put back", n)
		}
	}
}

// onCommand calls fn before each command.
type onCommand struct {
	scsi.Transport
	fn func()
}

func (o onCommand) Send(ctx context.Context, c *scsi.Command) error {
	o.fn()
	return o.Transport.Send(ctx, c)
}
