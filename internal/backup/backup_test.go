package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapectl/internal/backup"
	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
	"tapectl/internal/vlib"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a virtual library with what the tests here do to it.
type bench struct {
	*librarytest.Bench
	t testing.TB
}

// small is a library of two drives and three tapes of 64 MB.
func small(t testing.TB) bench { return newBench(t, 64<<20) }

func newBench(t testing.TB, capacity int64) bench {
	return bench{librarytest.New(t, vlib.Config{Slots: 8, TapeCount: 3, Capacity: capacity, BarcodePrefix: "DPM"}), t}
}

// onTape mounts the tape with the barcode for fn.
func (b bench) onTape(barcode string, fn func(*library.Mount)) {
	b.t.Helper()
	l := b.Open()
	defer l.Close()
	m, err := l.Mount(context.Background(), library.MountRequest{Element: b.Tape(barcode).ElementAddress})
	must(b.t, err)
	fn(m)
	must(b.t, m.Dismount(context.Background()))
}

// inSlots makes sure that every tape is in a slot, as the changer reports it and as the catalog says.
func (b bench) inSlots() {
	b.t.Helper()
	l := b.Open()
	defer l.Close()
	elements, err := l.Elements(context.Background())
	must(b.t, err)
	for _, e := range elements {
		if !e.Full {
			continue
		}
		if e.Type != changer.Storage {
			b.t.Errorf("tape %s is in element %d", e.PrimaryVolumeTag.Identifier, e.Address)
		}
		if m := b.Tape(e.PrimaryVolumeTag.Identifier); m.ElementAddress != int(e.Address) {
			b.t.Errorf("the catalog has tape %s in element %d, it is in %d", m.Barcode, m.ElementAddress, e.Address)
		}
	}
}

func request(name string, sources ...string) backup.Request {
	return backup.Request{Name: name, Sources: sources, Software: "tapectl", Version: "test", BlockSize: 64 << 10}
}

// run carries out a backup with the library opened for it.
func run(ctx context.Context, b bench, r backup.Request) (*backup.Result, error) {
	l := b.Open()
	defer l.Close()
	return backup.Run(ctx, b.Catalog, l, r)
}

// restoreAll restores a recovery point and returns its folder and what came of it.
func restoreAll(t testing.TB, b bench, id string) (string, *restore.Result, error) {
	t.Helper()
	ctx := context.Background()
	to := t.TempDir()
	p, err := b.Catalog.RecoveryPoint(ctx, id)
	must(t, err)
	c, err := restore.Choose(ctx, b.Catalog, p, 0)
	must(t, err)
	l := b.Open()
	defer l.Close()
	r, err := restore.Run(ctx, b.Catalog, l, c, restore.Request{RecoveryPoint: id, To: to})
	return to, r, err
}

// write makes a file of n bytes that depend on seed.
func write(t testing.TB, path string, n int, seed byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	data := make([]byte, n)
	sum := sha256.Sum256([]byte{seed})
	for i := range data {
		if i%32 == 0 {
			sum = sha256.Sum256(sum[:])
		}
		data[i] = sum[i%32]
	}
	must(t, os.WriteFile(path, data, 0o640))
}

// sameTree compares two folders: names, contents, modes, link targets, times.
func sameTree(t testing.TB, want, got string) {
	t.Helper()
	describe := func(root string) map[string]string {
		all := map[string]string{}
		must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, p)
			info, err := d.Info()
			if err != nil {
				return err
			}
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				to, err := os.Readlink(p)
				all[rel] = "link to " + to
				return err
			case info.IsDir():
				all[rel] = "folder " + info.Mode().String()
			default:
				data, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				all[rel] = fmt.Sprintf("%s %x %s", info.Mode(), sha256.Sum256(data), info.ModTime())
			}
			return nil
		}))
		delete(all, ".")
		return all
	}
	a, b := describe(want), describe(got)
	for name, d := range a {
		if b[name] != d {
			t.Errorf("%s: restored %q, want %q", name, b[name], d)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s was restored and was never there", name)
		}
	}
}

// tree makes a folder with what file systems can hold.
func tree(t testing.TB) string {
	root := filepath.Join(t.TempDir(), "data")
	write(t, filepath.Join(root, "plain.bin"), 100_000, 1)
	write(t, filepath.Join(root, "empty"), 0, 2)
	write(t, filepath.Join(root, "sub", "deep", "er", "one.byte"), 1, 3)
	write(t, filepath.Join(root, "sub", "Ünï cödé 日本.txt"), 70_000, 4)
	write(t, filepath.Join(root, "sub", "invalid\xff\xfeutf8"), 10, 5)
	write(t, filepath.Join(root, strings.Repeat("long", 60)+".bin"), 3, 6)
	deep := root
	for i := range 20 {
		deep = filepath.Join(deep, fmt.Sprintf("%02d%s", i, strings.Repeat("d", 100)))
	}
	write(t, filepath.Join(deep, "bottom"), 5000, 7)
	must(t, os.MkdirAll(filepath.Join(root, "empty folder"), 0o700))
	must(t, os.Symlink("../elsewhere", filepath.Join(root, "link")))
	must(t, os.Chtimes(filepath.Join(root, "plain.bin"), time.Now(), time.Date(1999, 12, 31, 23, 59, 59, 123456789, time.UTC)))
	must(t, os.Chmod(filepath.Join(root, "empty"), 0o400))
	return root
}

func TestTreeComesBackAsItWas(t *testing.T) {
	b := small(t)
	root := tree(t)
	r, err := run(context.Background(), b, request("tree", root))
	must(t, err)
	if r.Complete() != 1 || len(r.Skipped) != 0 {
		t.Fatalf("%+v", r)
	}
	to, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	if len(res.Problems) != 0 || len(res.Existing) != 0 {
		t.Errorf("%+v", res)
	}
	sameTree(t, root, to)
}

func TestSeveralSourcesStayApart(t *testing.T) {
	b := small(t)
	one, two := filepath.Join(t.TempDir(), "same"), filepath.Join(t.TempDir(), "same")
	write(t, filepath.Join(one, "f"), 10, 1)
	write(t, filepath.Join(two, "f"), 20, 2)
	r, err := run(context.Background(), b, request("two", one, two))
	must(t, err)
	to, _, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	sameTree(t, one, filepath.Join(to, one))
	sameTree(t, two, filepath.Join(to, two))
}

func TestStandardInput(t *testing.T) {
	b := small(t)
	data := bytes.Repeat([]byte("tape "), 1_000_000)
	q := request("dump", backup.Stdin)
	q.Stdin, q.StdinName = bytes.NewReader(data), "dump.sql"
	r, err := run(context.Background(), b, q)
	must(t, err)
	to, _, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	got, err := os.ReadFile(filepath.Join(to, "dump.sql"))
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Error("standard input came back different")
	}
}

func TestCopiesGoToDifferentTapes(t *testing.T) {
	b := small(t)
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	q := request("copies", f)
	q.Copies = 2
	r, err := run(context.Background(), b, q)
	must(t, err)
	if r.Complete() != 2 || r.Copies[0].Barcode == r.Copies[1].Barcode || r.Copies[0].Label == r.Copies[1].Label {
		t.Errorf("%+v", r.Copies)
	}
	for _, c := range r.Copies {
		d, err := b.Catalog.Dataset(context.Background(), c.DatasetID)
		must(t, err)
		if d.SetState != mediacatalog.SetComplete || d.Files != 1 || d.Bytes != 1000 {
			t.Errorf("%+v", d)
		}
	}
}

// TestStandardInputToTwoTapes reads standard input once for two copies at the same time.
func TestStandardInputToTwoTapes(t *testing.T) {
	b := small(t)
	data := bytes.Repeat([]byte("tape "), 2_000_000)
	q := request("dump", backup.Stdin)
	q.Stdin, q.Copies = bytes.NewReader(data), 2
	r, err := run(context.Background(), b, q)
	must(t, err)
	if r.Complete() != 2 || len(r.Skipped) != 0 {
		t.Fatalf("%+v", r)
	}
	for n := 1; n <= 2; n++ {
		p, err := b.Catalog.RecoveryPoint(context.Background(), r.RecoveryPointID)
		must(t, err)
		c, err := restore.Choose(context.Background(), b.Catalog, p, n)
		must(t, err)
		to := t.TempDir()
		l := b.Open()
		_, err = restore.Run(context.Background(), b.Catalog, l, c, restore.Request{To: to})
		must(t, err)
		must(t, l.Close())
		got, err := os.ReadFile(filepath.Join(to, "dump"))
		must(t, err)
		if !bytes.Equal(got, data) {
			t.Errorf("copy %d is different", n)
		}
	}
	// Three copies at the same time need three drives.
	q.Stdin, q.Copies = bytes.NewReader(data), 3
	r, err = run(context.Background(), b, q)
	if err == nil || r.Complete() != 0 || !strings.Contains(err.Error(), "same time") {
		t.Errorf("%+v, %v", r, err)
	}
	b.inSlots()
}

// TestOneCopyFails fills the first tape: the second copy goes on and is complete.
func TestOneCopyFails(t *testing.T) {
	b := bench{librarytest.New(t, vlib.Config{Slots: 8, BarcodePrefix: "DPM", Tapes: []vlib.TapeConfig{
		{Barcode: "SMALL1L6", Capacity: 24 << 20}, {Barcode: "LARGE1L6", Capacity: 256 << 20}}}), t}
	q := request("pipe", backup.Stdin)
	q.Stdin, q.Copies = io.LimitReader(zeros{}, 100<<20), 2
	r, err := run(context.Background(), b, q)
	if !errors.Is(err, backup.ErrTapeFull) || r.Complete() != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	_, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	if res.Bytes != 100<<20 {
		t.Errorf("%d bytes were restored", res.Bytes)
	}
	b.inSlots()
}

func TestMoreCopiesThanTapes(t *testing.T) {
	b := small(t)
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	q := request("copies", f)
	q.Copies = 4
	r, err := run(context.Background(), b, q)
	var none *backup.NoTapeError
	if !errors.As(err, &none) || r.Complete() != 3 {
		t.Errorf("%d copies, %v", r.Complete(), err)
	}
}

// TestForeignTapeIsLeftAlone puts something that is not ours on the first tape: it must come out of the backup untouched.
func TestForeignTapeIsLeftAlone(t *testing.T) {
	b := small(t)
	foreign := bytes.Repeat([]byte{'x'}, 32768)
	b.onTape("DPM001L6", func(m *library.Mount) {
		must(t, m.Rewind(context.Background()))
		_, err := m.WriteBlock(context.Background(), foreign)
		must(t, err)
		_, err = m.WriteFilemarks(context.Background(), 1, false)
		must(t, err)
	})
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	r, err := run(context.Background(), b, request("own", f))
	must(t, err)
	if r.Copies[0].Barcode == "DPM001L6" {
		t.Fatal("the foreign tape was written")
	}
	if m := b.Tape("DPM001L6"); m.State != mediacatalog.StateUnrecognized {
		t.Errorf("its state is %s", m.State)
	}
	b.onTape("DPM001L6", func(m *library.Mount) {
		must(t, m.Rewind(context.Background()))
		p := make([]byte, 1<<16)
		n, err := m.ReadBlock(context.Background(), p)
		if err != nil || !bytes.Equal(p[:n], foreign) {
			t.Errorf("the foreign tape was changed: %v", err)
		}
		if _, err := m.ReadBlock(context.Background(), p); !errors.Is(err, drive.ErrFilemark) {
			t.Errorf("the foreign tape was changed: %v", err)
		}
	})
}
