package mediacatalog

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// columnsOf lists the columns of a table or view.
func columnsOf(t testing.TB, c *Catalog, table string) []string {
	t.Helper()
	return must[[]string](t)(collect(t.Context(), c.read, func(s scanner) (n string, err error) {
		return n,
			s.Scan(&n)
	},
		`SELECT name FROM pragma_table_info(?)`, table))
}

// TestPublishedNames pins the names that Microsoft's published scripts and view descriptions use, in DPM's order.
func TestPublishedNames(t *testing.T) {
	c := open(t)
	for table, first := range map[string]string{
		"tbl_MM_Media":                     "MediaId Label BarcodeValue",
		"tbl_MM_MediaMap":                  "MediaId DatasetId",
		"tbl_MM_PhysicalDataset":           "DatasetId CreationDate ExpiryDate LifeStatus",
		"tbl_RM_RecoverableObjectFileSpec": "DatasetId Path FileSpec",
		"tbl_RM_RecoveryPoint":             "RecoveryPointId Name Server CreationDate ExpiryDate SourceKind TotalBytes Files CorruptFiles",
		"tbl_AM_AgentPatch":                "MajorVersionNumber MinorVersionNumber BuildNumber FileName",
		"tbl_AM_Server":                    "ServerId ServerName NetbiosName",
		"tbl_IM_DataSource":                "DataSourceId DataSourceName ServerId ProtectedGroupId",
		"tbl_IM_ProtectedGroup":            "ProtectedGroupId FriendlyName DiskIntentId",
		"tbl_DLS_GlobalSetting":            "PropertyName PropertyValue",
		"tbl_STM_Volume":                   "StorageId AccessPath Label Status Tag FileSystem DedupMode",
		"Vw_DPM_Media":                     "MediaLabel MediaBarcode IsOnline LibraryName MediaSlotNumber PGName MediaExpiryDate",
		"Vw_DPM_CurrentOnlineMedia":        "UserFriendlyName ImportPoolMediaCount FreePoolMediaCount AdminPoolMediaCount",
		"tbl_TC_Server":                    "ServerId Name",
	} {
		if got := strings.Join(columnsOf(t, c, table), " "); got != first && !strings.HasPrefix(got, first+" ") {
			t.Errorf("%s has the columns %s, want first %s", table, got, first)
		}
	}
	for table, want := range map[string][]string{
		"tbl_PRM_LogicalReplica": {"DataSourceId", "PhysicalReplicaId", "Validity"},
		"tbl_PRM_ReplicaVolume":  {"ReplicaId", "StorageId"},
		"tbl_SPM_Volume":         {"VolumeSetID", "MountPointPath", "GuidName", "Usage"},
	} {
		for _, name := range want {
			if !slices.Contains(columnsOf(t, c, table), name) {
				t.Errorf("%s has no column %s", table, name)
			}
		}
	}
}

// TestUnqualifiedNames keeps the names that the published scripts use without their table unambiguous.
func TestUnqualifiedNames(t *testing.T) {
	c := open(t)
	disk := []string{"tbl_IM_DataSource", "tbl_PRM_LogicalReplica", "tbl_AM_Server", "tbl_SPM_Volume",
		"tbl_PRM_ReplicaVolume", "tbl_STM_Volume"}
	tape := []string{"tbl_MM_MediaMap", "tbl_MM_PhysicalDataset", "tbl_MM_Media", "tbl_RM_RecoverableObjectFileSpec"}
	for name, tables := range map[string][]string{"Path": tape, "CreationDate": tape, "DataSourceName": disk,
		"ServerName": disk} {
		n := 0
		for _, table := range tables {
			for _, column := range columnsOf(t, c, table) {
				if strings.EqualFold(column, name) {
					n++
				}
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d of the tables %v", name, n, tables)
		}
	}
}

// TestDatesAreNamedSo holds the rule by which Query knows a date.
func TestDatesAreNamedSo(t *testing.T) {
	c := open(t)
	loose := must[[]string](t)(collect(t.Context(), c.read, func(s scanner) (n string, err error) {
		return n,
			s.Scan(&n)
	},
		`SELECT t.name || '.' || i.name || ' ' || i.type FROM pragma_table_list t, pragma_table_info(t.name) i
		WHERE t.schema = 'main' AND t.name LIKE 'tbl_%' AND t.name <> ? AND
		(i.name LIKE '%Date' AND (i.type <> 'INTEGER' OR i.name NOT GLOB '*Date') OR i.name LIKE '%Time')`, versionTable))
	if len(loose) > 0 {
		t.Errorf("columns against the rule: %v", loose)
	}
}

func schemaOf(t testing.TB, c *Catalog) []string {
	t.Helper()
	return must[[]string](t)(collect(t.Context(), c.read, func(s scanner) (n string, err error) {
		return n,
			s.Scan(&n)
	},
		`SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'fts%' ORDER BY 1`))
}

func TestUpgradeFromEveryVersion(t *testing.T) {
	want := schemaOf(t, open(t))
	highest := must[int64](t)(highestVersion())
	for from := int64(1); from <= highest; from++ {
		path := filepath.Join(t.TempDir(), "c.db")
		ok(t, os.WriteFile(path, nil, 0o600))
		err := build(t.Context(), path, "old", from)
		if from == 1 { // there is no server in it yet: nothing that a program ever wrote
			if err == nil {
				t.Error("a catalog without its server was made")
			}
			continue
		}
		ok(t, err)
		c := openAt(t, path, Options{})
		if diff := cmp.Diff(want, schemaOf(t, c)); diff != "" {
			t.Errorf("from version %d (-new +upgraded):\n%s", from, diff)
		}
		_, err = os.Stat(fmt.Sprintf("%s.before-version-%d", path, highest))
		if saved := err == nil; saved != (from < highest) {
			t.Errorf("from version %d: a copy was laid beside it is %v", from, saved)
		}
	}
}

// TestConstraints has the file itself refuse what makes no sense.
func TestConstraints(t *testing.T) {
	c := open(t)
	fillTapes(t, c, 1)
	for _, stmt := range []string{
		`UPDATE tbl_MM_PhysicalDataset SET LifeStatus = 3`,
		`UPDATE tbl_MM_PhysicalDataset SET SetState = 'done'`,
		`UPDATE tbl_MM_PhysicalDataset SET CreationDate = '2026-01-01'`,
		`UPDATE tbl_MM_PhysicalDataset SET RecoveryPointId = 'x'`,
		`UPDATE tbl_MM_Media SET IsFull = 2`,
		`UPDATE tbl_MM_Media SET State = NULL`,
		`UPDATE tbl_MM_Media SET LibraryId = 'x'`,
		`DELETE FROM tbl_MM_Media`,
		`DELETE FROM tbl_RM_RecoveryPoint`,
		`UPDATE tbl_RM_RecoverableObjectFileSpec SET SHA256 = x'00'`,
		`INSERT INTO tbl_MM_MediaMap SELECT * FROM tbl_MM_MediaMap`,
		`INSERT INTO tbl_TC_SearchIndex VALUES (2, 0, 0)`,
	} {
		if _, err := c.write.Exec(stmt); err == nil {
			t.Errorf("%s was taken", stmt)
		}
	}
	ok(t, c.Check(t.Context()))
}

func TestDates(t *testing.T) {
	c, ctx := open(t), t.Context()
	zone := time.FixedZone("there", 5*3600+1800)
	for _, at := range []time.Time{
		time.Date(2026, 11, 23, 5, 3, 7, 123456000, time.UTC), time.Date(2026, 11, 23, 5, 3, 7, 0, zone),
		time.Date(1960, 1, 2, 3, 4, 5, 6000, time.UTC), time.Date(2125, 6, 7, 8, 9, 10, 0, zone), time.Date(9999, 12,
			31, 23, 59, 59, 0, time.UTC),
	} {
		m := must[Media](t)(c.AddMedia(ctx, Media{CreatedDate: at}))
		if !m.CreatedDate.Equal(at) || m.CreatedDate.Location() != time.UTC {
			t.Errorf("%v came back as %v", at, m.CreatedDate)
		}
		if at.Year() > 1970 {
			got := query(t, c, `select CreatedDate from tbl_MM_Media where MediaId = '`+m.MediaID+`'`)
			if want := at.UTC().Format("2006-01-02T15:04:05Z"); got[1] != want {
				t.Errorf("%v is queried as %s, want %s", at, got[1], want)
			}
		}
	}
	var f time.Time
	if err := intoDate(&f).Scan("2026"); err == nil {
		t.Error("text was taken for a date")
	}
}

func TestObjectOrNull(t *testing.T) {
	for n, want := range map[uint64]any{0: nil, 1: int64(1), math.MaxInt64: int64(math.MaxInt64),
		math.MaxUint64: int64(math.MaxInt64)} {
		if got := objectOrNull(n); got != want {
			t.Errorf("%d: %v", n, got)
		}
	}
}

// hostile are texts that tapes and operators may bring.
var hostile = []string{`'; DROP TABLE tbl_MM_Media; --`, `"`, `%_\`, "tab\tline\nend", "Ünïcödé 磁带 📼", "a\xff\xfeb",
	"zero\x00char", strings.Repeat("x", 100_000)}

func TestHostileText(t *testing.T) {
	c, ctx := open(t), t.Context()
	for i, s := range hostile {
		l := must[Library](t)(c.AddLibrary(ctx, Library{Name: s, ChangerAddress: s, Drives: []LibraryDrive{{Address: s,
			ElementAddress: i}}}))
		if got := must[Library](t)(c.Library(ctx, l.LibraryID)); got.Name != s || got.Drives[0].Address != s {
			t.Errorf("library %.20q came back as %.20q", s, got.Name)
		}
		m := must[Media](t)(c.AddMedia(ctx, Media{Label: s, Barcode: s, LibraryID: l.LibraryID, ElementAddress: 1,
			HomeElement: 1}))
		if got := must[[]Media](t)(c.MediaByBarcode(ctx, s)); len(got) != 1 || got[0].Label != s {
			t.Errorf("tape %.20q: %v", s, got)
		}
		p := must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: s, CreationDate: day(i)}))
		d := must[Dataset](t)(c.AddDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m.MediaID}))
		ok(t, c.AddObjects(ctx, d.DatasetID, []Object{{Path: s, FileSpec: s}}))
		ok(t, c.Objects(ctx, d.DatasetID, "", func(o Object) error {
			if o.Path != s || o.FileSpec != s {
				t.Errorf("object %.20q came back as %.20q, %.20q", s, o.Path, o.FileSpec)
			}
			return nil
		}))
		if strings.ContainsRune(s, 0) || len(s) > 1000 {
			continue
		}
		found := must[[]Found](t)(c.Find(ctx, s))
		if !slices.ContainsFunc(found, func(f Found) bool { return f.DatasetID == d.DatasetID }) {
			t.Errorf("%q is not found", s)
		}
	}
	ok(t, c.Check(ctx))
}

// TestOpenedWithoutFTS5 opens a catalog whose index was made by a program with FTS5 in one without.
func TestOpenedWithoutFTS5(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path, Options{})
	if c.HasSearchIndex() {
		t.Skip("this program has FTS5 (tag sqlite_fts5)")
	}
	d := fillTapes(t, c, 2)
	ok(t, c.Close())
	db := openPool(path, 1, map[string][]string{"mode": {"rw"}})
	_, err := db.Exec(`PRAGMA writable_schema = 1`)
	ok(t, err)
	_, err = db.Exec(`INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', ?1, ?1, 0, ?2)`,
		searchTable, createSearch)
	ok(t, errors.Join(err, db.Close()))

	c = openAt(t, path, Options{})
	ctx := t.Context()
	if c.HasSearchIndex() || must[bool](t)(c.UpdateSearchIndex(ctx)) {
		t.Error("it believes to have FTS5")
	}
	ok(t, c.AddObjects(ctx, d[0].DatasetID, []Object{{Path: "/", FileSpec: "more DPMDB"}}))
	if got := must[[]Found](t)(c.Find(ctx, "dpmdb")); len(got) != 2 || got[1].Objects != 2 {
		t.Errorf("found %+v", got)
	}
	if got := query(t, c, seedQuery(t, "tape.sql")); len(got) != 4 {
		t.Errorf("queried %v", got)
	}
	must[int](t)(c.RemoveDatasets(ctx, d[1].MediaID, true))
	ok(t, c.Check(ctx))
	copied := filepath.Join(t.TempDir(), "copy.db")
	ok(t, c.BackupTo(ctx, copied))
	ok(t, openAt(t, copied, Options{}).Check(ctx))
}

// TestClosed has every method of a closed catalog fail with an error that says what it was about.
func TestClosed(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := &Lease{c: c, resource: "lib1", token: "x", ttl: time.Minute}
	ok(t, c.Close())
	for text, call := range map[string]func() error{
		"add library lib1":      func() error { return second(c.AddLibrary(ctx, Library{Name: "lib1"})) },
		"update library lib1":   func() error { return second(c.UpdateLibrary(ctx, Library{Name: "lib1"})) },
		"find library lib1":     func() error { return second(c.Library(ctx, "lib1")) },
		"list libraries":        func() error { return second(c.Libraries(ctx)) },
		"rename library a to b": func() error { return c.RenameLibrary(ctx, "a", "b") },
		"remove library a":      func() error { return c.RemoveLibrary(ctx, "a") },
		"library a":             func() error { return c.SetLibraryEnabled(ctx, "a", true) },
		"drive a":               func() error { return c.SetDriveEnabled(ctx, "a", true) },
		"save the inventory of library": func() error {
			return second(c.SaveInventory(ctx, "a", day(0), nil, nil,
				nil))
		},
		"list the elements":    func() error { return second(c.Elements(ctx, "a")) },
		"tape a from 1 to 2":   func() error { return c.MoveMedium(ctx, "l", "a", 1, 2, day(0)) },
		"add tape B1":          func() error { return second(c.AddMedia(ctx, Media{Barcode: "B1"})) },
		"update tape a":        func() error { return second(c.UpdateMedia(ctx, "a", nil)) },
		"remove tape a":        func() error { return c.RemoveMedia(ctx, "a") },
		"find tape a":          func() error { return second(c.MediaByID(ctx, "a")) },
		"list tapes":           func() error { return second(c.ListMedia(ctx, MediaFilter{})) },
		"read from tape A1":    func() error { return second(c.AddMediaFact(ctx, MediaFact{Barcode: "A1"})) },
		"was read from tape a": func() error { return second(c.MediaFacts(ctx, "a")) },
		"record events":        func() error { return c.AddEvents(ctx, Event{}) },
		"list events":          func() error { return second(c.Events(ctx, EventFilter{})) },
		"begin recovery point n": func() error {
			return second(c.BeginRecoveryPoint(ctx,
				RecoveryPoint{Name: "n"}))
		},
		"update recovery point i": func() error {
			return c.UpdateRecoveryPoint(ctx,
				RecoveryPoint{RecoveryPointID: "i"})
		},
		"remove recovery point i":  func() error { return c.RemoveRecoveryPoint(ctx, "i") },
		"find recovery point abcd": func() error { return second(c.RecoveryPoint(ctx, "abcd")) },
		"list recovery points":     func() error { return second(c.RecoveryPoints(ctx, RecoveryPointFilter{})) },
		"begin data set 3 on tape m": func() error {
			return second(c.BeginDataset(ctx, Dataset{SetNumber: 3,
				MediaID: "m"}))
		},
		"add data set 3 of tape m": func() error {
			return second(c.AddDataset(ctx, Dataset{SetNumber: 3,
				MediaID: "m"}))
		},
		"continue data set d on tape m": func() error { return c.AddSpan(ctx, "d", Span{MediaID: "m"}) },
		"commit point of data set d":    func() error { return c.CommitPoint(ctx, "d", 1, 1) },
		"finish data set d":             func() error { return c.FinishDataset(ctx, "d", SetEnd{}) },
		"find data set d":               func() error { return second(c.Dataset(ctx, "d")) },
		"list data sets":                func() error { return second(c.Datasets(ctx, DatasetFilter{})) },
		"list unfinished data sets":     func() error { return second(c.UnfinishedDatasets(ctx)) },
		"expire data sets: ":            func() error { return second(c.SetExpired(ctx, "d")) },
		"expire data sets by 2026":      func() error { return second(c.ExpireBy(ctx, day(0))) },
		"expiry date":                   func() error { return c.SetExpiry(ctx, "d", day(0)) },
		"remove the data sets of":       func() error { return second(c.RemoveDatasets(ctx, "d", true)) },
		"add 1 objects to data set d":   func() error { return c.AddObjects(ctx, "d", make([]Object, 1)) },
		"list the objects of":           func() error { return c.Objects(ctx, "d", "", nil) },
		"remove the objects of":         func() error { return c.RemoveObjects(ctx, "d") },
		`find "DPMDB"`:                  func() error { return second(c.Find(ctx, "DPMDB")) },
		"acquire lease r": func() error {
			return second(c.AcquireLease(ctx, "r", LeaseOwner{},
				time.Hour))
		},
		"list leases":        func() error { return second(c.Leases(ctx)) },
		"renew lease lib1":   func() error { return l.Renew(ctx) },
		"release lease lib1": func() error { return l.Release(ctx) },
		"query the catalog":  func() error { return c.Query(ctx, "select 1", nil, nil) },
		"import tbl_AM_Server": func() error {
			return second(c.ImportDPM(ctx, "tbl_AM_Server",
				[]string{"ServerId"}, nil))
		},
	} {
		err := call()
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	ok(t, c.Close())
}

// TestAtOnce uses one catalog from many goroutines.
func TestAtOnce(t *testing.T) {
	c := open(t)
	all := tapes(t, c, 8)
	errs := make(chan error, 3*len(all))
	for i, m := range all {
		go func() { errs <- writeSome(t, c, m, i) }()
		go func() {
			_, err := tryQuery(t.Context(), c,
				`select count(*) from dbo.tbl_RM_RecoverableObjectFileSpec where filespec like '%DPMDB%'`)
			errs <- err
		}()
		go func() { errs <- second(c.Find(t.Context(), "DPMDB")) }()
	}
	for range cap(errs) {
		ok(t, <-errs)
	}
	if got := must[[]Found](t)(c.Find(t.Context(), "DPMDB_")); len(got) != len(all) {
		t.Errorf("%d found, want %d", len(got), len(all))
	}
	ok(t, c.Check(t.Context()))
}

func writeSome(t *testing.T, c *Catalog, m Media, i int) error {
	ctx := t.Context()
	p, err := c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: "at once"})
	if err != nil {
		return err
	}
	d, err := c.BeginDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m.MediaID, SetNumber: 1})
	if err != nil {
		return err
	}
	for n := range 5 {
		if err := c.AddObjects(ctx, d.DatasetID, objects(i*5000+n*1000, 100)); err != nil {
			return err
		}
		if err := c.CommitPoint(ctx, d.DatasetID, uint64(n+1), int64(n)); err != nil {
			return err
		}
	}
	return c.FinishDataset(ctx, d.DatasetID, SetEnd{State: SetComplete, ESETObject: 9, NextObject: 10})
}

// TestChangeRollsBack has a cancelled change leave nothing behind.
func TestChangeRollsBack(t *testing.T) {
	c := open(t)
	stop := errors.New("stop")
	err := c.change(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec(`INSERT INTO tbl_MM_Media (MediaId, State) VALUES ('x', 'Free')`); err != nil {
			return err
		}
		return stop
	})
	wantErr(t, err, stop)
	if all := must[[]Media](t)(c.ListMedia(t.Context(), MediaFilter{})); len(all) != 0 {
		t.Errorf("tapes: %+v", all)
	}
}
