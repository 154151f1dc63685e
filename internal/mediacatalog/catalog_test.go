package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// day is a fixed time, in whole microseconds as the catalog keeps them.
func day(n int) time.Time {
	return time.Date(2026, 3, 1, 22, 30, 15, 250_000_000, time.UTC).AddDate(0, 0, n)
}

// open makes a catalog in a folder of the test.
func open(t testing.TB) *Catalog {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "catalog.db"), Options{ServerName: "dpm1"})
}

func openAt(t testing.TB, path string, o Options) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails unless errors.Is(err, target) and its message contains each of the texts.
func wantErr(t testing.TB, err, target error, texts ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Fatalf("error %q lacks %q", err, text)
		}
	}
}

func TestOpenCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "cata log?#%.db")
	c := openAt(t, path, Options{ServerName: "dpm1"})
	s := c.Server()
	if len(s.ServerID) != 36 || s.Name != "dpm1" || time.Since(s.CreatedDate) > time.Minute {
		t.Errorf("server is %+v", s)
	}
	if c.SchemaVersion() != 4 {
		t.Errorf("schema version %d, want 4", c.SchemaVersion())
	}
	for name, want := range map[string]os.FileMode{filepath.Dir(path): 0o700 | os.ModeDir, path: 0o600,
		path + "-wal": 0o600} {
		fi, err := os.Stat(name)
		ok(t, err)
		if fi.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, fi.Mode(), want)
		}
	}
	ok(t, c.Close())
	again := openAt(t, path, Options{ServerName: "other", MustExist: true})
	if diff := cmp.Diff(s, again.Server()); diff != "" {
		t.Errorf("the server changed (-created +opened):\n%s", diff)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "cata log?#%.db") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestSettings(t *testing.T) {
	c := open(t)
	for _, tc := range []struct {
		db             *sql.DB
		pragma, expect string
	}{
		{c.write, "journal_mode", "wal"}, {c.write, "foreign_keys", "1"}, {c.write, "synchronous", "2"},
		{c.write, "application_id", "1413702004"}, {c.read, "query_only", "1"},
	} {
		var got string
		ok(t, tc.db.QueryRow(`PRAGMA `+tc.pragma).Scan(&got))
		if got != tc.expect {
			t.Errorf("%s is %s, want %s", tc.pragma, got, tc.expect)
		}
	}
	// Every table of our own is STRICT; goose makes its own.
	loose, err := collect(t.Context(), c.read, func(s scanner) (n string, err error) { return n, s.Scan(&n) },
		`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name LIKE 'tbl%'`)
	ok(t, err)
	if diff := cmp.Diff([]string{versionTable}, loose); diff != "" {
		t.Errorf("tables that are not STRICT (-want +got):\n%s", diff)
	}
}

func TestOpenMustExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "catalog.db")
	_, err := Open(t.Context(), path, Options{MustExist: true})
	wantErr(t, err, ErrNoCatalog, path)
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestOpenRefusesOrphanLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	ok(t, os.WriteFile(path+"-wal", []byte("changes that belong to a lost file"), 0o600))
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "catalog.db-wal") {
		t.Fatalf("got error %v", err)
	}
}

// damaged makes files that are no usable catalog.
func damaged(t *testing.T) map[string][]byte {
	path := filepath.Join(t.TempDir(), "good.db")
	c := openAt(t, path, Options{})
	fillTapes(t, c, 200)
	ok(t, c.Close())
	good, err := os.ReadFile(path)
	ok(t, err)
	if len(good) < 20*4096 {
		t.Fatalf("the sample has only %d bytes", len(good))
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db := openPool(foreign, 1, map[string][]string{"mode": {"rwc"}})
	_, err = db.Exec(`CREATE TABLE t (a)`)
	ok(t, errors.Join(err, db.Close()))
	other, err := os.ReadFile(foreign)
	ok(t, err)
	patch := func(at, n int, b byte) []byte {
		p := append([]byte(nil), good...)
		for i := at; i < at+n; i++ {
			p[i] = b
		}
		return p
	}
	return map[string][]byte{
		"empty":          {},
		"text":           []byte(strings.Repeat("Dear operator, ", 500)),
		"short":          good[:60],
		"foreign SQLite": other,
		"cut in half":    good[:len(good)/2],
		"cut in a page":  good[:len(good)-1000],
		"schema page":    patch(100, 3000, 0xff),
		"second page":    patch(4096, 4096, 0xa5),
		"last page":      patch(len(good)-4096, 4096, 0xa5),
	}
}

func TestOpenRefusesAndLeavesUntouched(t *testing.T) {
	for name, content := range damaged(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.db")
			ok(t, os.WriteFile(path, content, 0o640))
			c, err := Open(t.Context(), path, Options{})
			if err == nil {
				c.Close()
				t.Fatal("it was opened")
			}
			var e *NotCatalogError
			if !errors.As(err, &e) || e.Path != path || e.Reason == "" {
				t.Errorf("got %T %v", err, err)
			}
			unchanged(t, path, content)
		})
	}
}

// unchanged fails unless the file has this content and nothing lies beside it.
func unchanged(t *testing.T, path string, content []byte) {
	t.Helper()
	after, err := os.ReadFile(path)
	ok(t, err)
	if string(after) != string(content) {
		t.Error("the file was changed")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	if len(entries) != 1 {
		t.Errorf("%d files are in the folder, want 1: %v", len(entries), entries)
	}
}

func TestOpenRefusesNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path, Options{})
	_, err := c.write.Exec(`INSERT INTO ` + versionTable + ` (version_id, is_applied) VALUES (99, 1)`)
	ok(t, errors.Join(err, c.Close()))
	before, err := os.ReadFile(path)
	ok(t, err)
	_, err = Open(t.Context(), path, Options{})
	var e *NewerVersionError
	if !errors.As(err, &e) || e.Version != 99 || e.Highest != 4 {
		t.Fatalf("got %T %v", err, err)
	}
	unchanged(t, path, before)
}

func TestOpenUpgrades(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	ok(t, os.WriteFile(path, nil, 0o600))
	ok(t, build(t.Context(), path, "old", 2))
	var wg sync.WaitGroup
	errs := make([]error, 4) // four at once: one upgrades, the others find it done
	for i := range errs {
		wg.Go(func() {
			c, err := Open(t.Context(), path, Options{})
			if err == nil {
				err = errors.Join(c.Check(t.Context()), c.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
	c := openAt(t, path, Options{})
	if c.SchemaVersion() != 4 || c.Server().Name != "old" {
		t.Errorf("version %d, server %q", c.SchemaVersion(), c.Server().Name)
	}
	saved, err := inspect(t.Context(), path+".before-version-4")
	if err != nil || saved != 2 {
		t.Errorf("the saved catalog has version %d, %v", saved, err)
	}
}

func TestOpenManyCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	ids := make([]string, 6)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			c, err := Open(t.Context(), path, Options{ServerName: fmt.Sprint("server", i)})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			ids[i] = c.Server().ServerID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("there are several servers: %v", ids)
		}
	}
}

func TestOpenCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	openAt(t, path, Options{}).Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, path, Options{})
	wantErr(t, err, context.Canceled)
}

// fillTapes adds a library and n tapes with one data set of one object each.
func fillTapes(t testing.TB, c *Catalog, n int) []Dataset {
	t.Helper()
	l := must[Library](t)(c.AddLibrary(t.Context(), Library{Name: "lib1", Enabled: true}))
	var all []Dataset
	for i := range n {
		m := must[Media](t)(c.AddMedia(t.Context(), Media{Barcode: fmt.Sprintf("TAP%03dL6", i),
			Label:     fmt.Sprintf("tape %d", i),
			LibraryID: l.LibraryID, ElementAddress: 1000 + i, HomeElement: 1000 + i}))
		all = append(all, fillDataset(t, c, m, i))
	}
	return all
}

// fillDataset writes a finished data set with one object to a tape.
func fillDataset(t testing.TB, c *Catalog, m Media, n int) Dataset {
	t.Helper()
	p := must[RecoveryPoint](t)(c.BeginRecoveryPoint(t.Context(), RecoveryPoint{Name: "dpm1 database",
		CreationDate: day(n)}))
	d := must[Dataset](t)(c.BeginDataset(t.Context(), Dataset{RecoveryPointID: p.RecoveryPointID, CreationDate: day(n),
		ExpiryDate: day(n + 30), MediaID: m.MediaID, SetNumber: 1, SSETObject: 2}))
	ok(t, c.AddObjects(t.Context(), d.DatasetID, []Object{{Path: `C:\DPM\DB\`, FileSpec: fmt.Sprintf("DPMDB-%d.bak", n),
		Kind: KindFile, Size: 7}}))
	ok(t, c.FinishDataset(t.Context(), d.DatasetID, SetEnd{State: SetComplete, ESETObject: 9, NextObject: 11, Bytes: 7,
		Files: 1}))
	return must[Dataset](t)(c.Dataset(t.Context(), d.DatasetID))
}
