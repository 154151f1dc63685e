package mediacatalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBackup(t *testing.T) {
	c, ctx := open(t), t.Context()
	sets := fillTapes(t, c, 3)
	must[bool](t)(c.UpdateSearchIndex(ctx))
	copyPath := filepath.Join(t.TempDir(), "copy's.db")
	ok(t, c.BackupTo(ctx, copyPath))
	fi, err := os.Stat(copyPath)
	ok(t, err)
	if fi.Mode() != 0o600 {
		t.Errorf("the copy has mode %v", fi.Mode())
	}
	wantErr(t, c.BackupTo(ctx, copyPath), os.ErrExist, copyPath)
	if err := c.BackupTo(ctx, filepath.Join(t.TempDir(), "none", "x.db")); err == nil {
		t.Error("a copy was laid into a folder that is not there")
	}
	must[Media](t)(c.AddMedia(ctx, Media{Label: "later"}))
	again := openAt(t, copyPath, Options{MustExist: true})
	if diff := cmp.Diff(c.Server(), again.Server()); diff != "" {
		t.Errorf("the copy's server:\n%s", diff)
	}
	if diff := cmp.Diff(sets[1], must[Dataset](t)(again.Dataset(ctx, sets[1].DatasetID))); diff != "" {
		t.Errorf("the copy's data set:\n%s", diff)
	}
	if all := must[[]Media](t)(again.ListMedia(ctx, MediaFilter{})); len(all) != 3 {
		t.Errorf("%d tapes", len(all))
	}
	if got := must[[]Found](t)(again.Find(ctx, "DPMDB")); len(got) != 3 {
		t.Errorf("%d found", len(got))
	}
	ok(t, again.Check(ctx))
	entries, err := os.ReadDir(filepath.Dir(copyPath))
	ok(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestBackupCancelled(t *testing.T) {
	c := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "copy.db")
	wantErr(t, c.BackupTo(ctx, path), context.Canceled)
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("%v was left behind", entries)
	}
}

func TestCheckFinds(t *testing.T) {
	for _, tc := range []struct{ damage, finding string }{
		{`INSERT INTO tbl_TC_Server (ServerId, Name, CreatedDate) VALUES ('x', 'y', 1)`, "2 servers"},
		{`DELETE FROM tbl_MM_MediaMap`, "data set without tape"},
		{`DELETE FROM tbl_MM_Media`, "references: tbl_MM_"},
		{`DELETE FROM tbl_RM_RecoveryPoint`, "tbl_RM_RecoveryPoint that is not there"},
		{`UPDATE tbl_MM_PhysicalDataset SET SafeObject = 1000`, "commit point behind"},
		{`UPDATE tbl_MM_PhysicalDataset SET SetState = 'writing'; UPDATE tbl_MM_MediaMap SET MediaId = (SELECT max(MediaId) FROM tbl_MM_Media)`, "unfinished data sets on one tape"},
		{`UPDATE tbl_MM_Media SET LibraryId = NULL`, "element of a tape without library"},
		{`INSERT INTO tbl_MM_Element (LibraryId, ElementAddress, ElementType, Number, IsFull, IsAccessible, IsException, InventoryDate, MediaId)
			SELECT LibraryId, 1000, 2, 1, 1, 1, 0, 1, (SELECT MediaId FROM tbl_MM_Media WHERE ElementAddress = 1001) FROM tbl_MM_Library`,
			"tape in an element that the inventory gives to another"},
	} {
		c := open(t)
		fillTapes(t, c, 2)
		ok(t, c.Check(t.Context()))
		db := openPool(c.Path(), 1, map[string][]string{"mode": {"rw"}})
		_, err := db.Exec(`PRAGMA foreign_keys = 0`)
		ok(t, err)
		_, err = db.Exec(tc.damage)
		ok(t, errors.Join(err, db.Close()))
		err = c.Check(t.Context())
		var e *CheckError
		if !errors.As(err, &e) || !strings.Contains(strings.Join(e.Findings, "\n"), tc.finding) || e.Path != c.Path() {
			t.Errorf("%s: got %v, want %q", tc.damage, err, tc.finding)
		}
	}
}

func TestCheckFindsDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path, Options{})
	d := fillTapes(t, c, 1)[0]
	ok(t, c.AddObjects(t.Context(), d.DatasetID, objects(0, 100_000))) // more than Open reads whole
	ok(t, c.Close())
	fi, err := os.Stat(path)
	ok(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	ok(t, err)
	page := make([]byte, 4096)
	for i := range page {
		page[i] = 0xa5
	}
	_, err = f.WriteAt(page, fi.Size()/8192*4096)
	ok(t, errors.Join(err, f.Close()))
	if fi.Size() <= 8<<20 {
		t.Fatalf("the sample has only %d bytes", fi.Size())
	}
	again := openAt(t, path, Options{})
	err = again.Check(t.Context())
	var e *CheckError
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
}

func TestCheckCancelled(t *testing.T) {
	c := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, c.Check(ctx), context.Canceled)
}
