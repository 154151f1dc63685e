package mediacatalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// objects makes n objects with names that all differ; every thousandth has "DPMDB" in it.
func objects(from, n int) []Object {
	sum := bytes.Repeat([]byte{7}, 32)
	all := make([]Object, n)
	for i := range all {
		name := fmt.Sprintf("replica-%07d.vhdx", from+i)
		if (from+i)%1000 == 0 {
			name = fmt.Sprintf("DPMDB_%07d.bak", from+i)
		}
		all[i] = Object{Path: fmt.Sprintf(`C:\Volumes\Replica\%03d\`, (from+i)/500%1000), FileSpec: name,
			Kind: KindFile, Size: int64(i), Modified: day(0),
			SHA256: sum, FLA: uint64(i)}
	}
	return all
}

func TestObjects(t *testing.T) {
	c, ctx := open(t), t.Context()
	d := fillTapes(t, c, 2)
	want := []Object{
		{Path: "/a", FileSpec: "f%1", Kind: KindFile, Size: 1 << 45, Modified: day(1), SHA256: bytes.Repeat([]byte{9},
			32), FLA: 77},
		{Path: "/A/x_y", FileSpec: "", Kind: KindDirectory},
		{Path: "/b", FileSpec: "bad", Kind: KindStream, Size: 10, Corrupt: true, CorruptFrom: 0},
		{Path: "/b", FileSpec: "worse", Size: 10, Corrupt: true, CorruptFrom: 9},
	}
	ok(t, c.AddObjects(ctx, d[0].DatasetID, want))
	read := func(pattern string) []Object {
		t.Helper()
		var got []Object
		ok(t, c.Objects(ctx, strings.ToUpper(d[0].DatasetID), pattern, func(o Object) error {
			got = append(got,
				o)
			return nil
		}))
		return got
	}
	if diff := cmp.Diff(want, read("")[1:], cmpopts.IgnoreFields(Object{}, "ObjectID")); diff != "" {
		t.Errorf("(-added +read):\n%s", diff)
	}
	for pattern, n := range map[string]int{"%": 1, "_": 1, "/a": 2, "BAD": 1, "none": 0, `dpm\db`: 1} {
		if got := read(pattern); len(got) != n {
			t.Errorf("%q: %d objects, want %d", pattern, len(got), n)
		}
	}
	stop, n := errors.New("stop"), 0
	err := c.Objects(ctx, d[0].DatasetID, "", func(Object) error {
		n++ // fn may change the catalog meanwhile
		ok(t, c.AddEvents(ctx, Event{Kind: "seen", ElementAddress: -1}))
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d objects, %v", n, err)
	}
	wantErr(t, c.AddObjects(ctx, "none", want), ErrNotFound, "none")
	bad := append(objects(0, 60), Object{FileSpec: "x", SHA256: []byte("short")})
	if err := c.AddObjects(ctx, d[0].DatasetID, bad); err == nil {
		t.Error("a short SHA-256 was taken")
	}
	if got := read(""); len(got) != 5 {
		t.Errorf("%d objects after a refused batch, want 5", len(got))
	}
	if d := must[Dataset](t)(c.Dataset(ctx, d[0].DatasetID)); !d.Cataloged {
		t.Error("it is not cataloged")
	}
	ok(t, c.RemoveObjects(ctx, d[0].DatasetID))
	if got := read(""); len(got) != 0 {
		t.Errorf("%d objects after their removal", len(got))
	}
	if d := must[Dataset](t)(c.Dataset(ctx, d[0].DatasetID)); d.Cataloged {
		t.Error("it is still cataloged")
	}
	wantErr(t, c.RemoveObjects(ctx, "none"), ErrNotFound)
}

func TestFind(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[Library](t)(c.AddLibrary(ctx, Library{Name: "lib1"}))
	ids := must[[]string](t)(c.SaveInventory(ctx, l.LibraryID, day(0), []Element{{ElementAddress: 1007,
		ElementType: Storage, Number: 8, Full: true, SourceElement: -1}},
		[]InventoryMedium{{Barcode: "ABC001L6", MediaType: "L6", State: StateActive, ElementAddress: 1007,
			HomeElement: 1007}}, nil))
	off := must[Media](t)(c.AddMedia(ctx, Media{Label: "vault 1", Barcode: "ABC002L6", State: StateOffsiteReady,
		ElementAddress: -1, HomeElement: -1}))
	p := must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: "nightly 100%", Server: "dpm1",
		CreationDate: day(1), External: true}))
	first := must[Dataset](t)(c.AddDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, CreationDate: day(1),
		ExpiryDate: day(9), CopyNumber: 1, Encrypted: true,
		Certificates: []Certificate{{Thumbprint: "aa", Subject: "CN=x"}}, Spans: []Span{{MediaID: ids[0], Sequence: 1,
			SetNumber: 3}, {MediaID: off.MediaID, Sequence: 2, SetNumber: 1}}}))
	ok(t, c.AddObjects(ctx, first.DatasetID, []Object{{Path: "/srv/sql", FileSpec: "dpmdb_1.bak"}, {Path: "/srv/sql",
		FileSpec: "dpmdb_2.bak"}, {Path: "/srv/Ünïcode", FileSpec: `it's "quoted"`}}))
	later := must[Dataset](t)(c.AddDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, CreationDate: day(2),
		CopyNumber: 2, MediaID: off.MediaID, SetNumber: 2, LifeStatus: Expired, SetState: SetIncomplete}))

	base := Found{RecoveryPointID: p.RecoveryPointID, Name: "nightly 100%", Server: "dpm1", External: true}
	one := base
	one.DatasetID, one.CopyNumber, one.CreationDate, one.ExpiryDate, one.LifeStatus, one.SetState = first.DatasetID, 1, day(1), day(9), Valid, SetComplete
	one.Encrypted, one.Certificates, one.SetNumber, one.Sequence, one.Tapes = true, first.Certificates, 3, 1, 2
	one.MediaID, one.Barcode, one.MediaType, one.State = ids[0], "ABC001L6", "L6", StateActive
	one.Library, one.ElementAddress, one.ElementType, one.ElementNumber = "lib1", 1007, Storage, 8
	one.Path, one.FileSpec, one.Objects = "/srv/sql", "dpmdb_1.bak", 2
	two := one
	two.SetNumber, two.Sequence, two.MediaID, two.Label, two.Barcode, two.MediaType, two.State = 1, 2, off.MediaID, "vault 1", "ABC002L6", "", StateOffsiteReady
	two.Library, two.ElementAddress, two.ElementType, two.ElementNumber = "", -1, 0, 0
	if diff := cmp.Diff([]Found{one, two}, must[[]Found](t)(c.Find(ctx, "DPMDB"))); diff != "" {
		t.Errorf("by the name of a file (-want +got):\n%s", diff)
	}
	byName := must[[]Found](t)(c.Find(ctx, "NIGHTLY"))
	if len(byName) != 3 || byName[0].DatasetID != later.DatasetID || byName[0].LifeStatus != Expired || byName[0].FileSpec != "" || byName[1].Sequence != 1 {
		t.Errorf("by the recovery point's name: %+v", byName)
	}
	for text, n := range map[string]int{"srv/": 2, "pmdb_2": 2, "0%": 3, "%": 3, "_": 2, "dpmdb%": 0, "none": 0,
		`it's "q`: 2, "Ünï": 2, "b_": 2, "": 3} {
		if got := must[[]Found](t)(c.Find(ctx, text)); len(got) != n {
			t.Errorf("%q: %d found, want %d", text, len(got), n)
		}
	}
	if got, err := c.Find(ctx, "a\x00b"); err == nil {
		t.Errorf("a zero character: %+v", got)
	}
}

// TestSearchWithAndWithoutIndex has two programs at one catalog, one of which may know FTS5 and one does not.
func TestSearchWithAndWithoutIndex(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "c.db")
	with, without := openAt(t, path, Options{}), openAt(t, path, Options{WithoutSearchIndex: true})
	if without.HasSearchIndex() {
		t.Fatal("the index is in use")
	}
	t.Logf("FTS5: %v", with.HasSearchIndex())
	d := fillTapes(t, with, 3)
	add := func(c *Catalog, i, from int) { ok(t, c.AddObjects(ctx, d[i].DatasetID, objects(from, 3000))) }
	check := func(when string) {
		t.Helper()
		for _, text := range []string{"DPMDB", "dpmdb_0003000", `Replica\00`, "replica-0004567", "7.vhdx",
			"none at all", "ab"} {
			if diff := cmp.Diff(must[[]Found](t)(without.Find(ctx, text)), must[[]Found](t)(with.Find(ctx,
				text))); diff != "" {
				t.Errorf("%s, %q (-without +with the index):\n%s", when, text, diff)
			}
			q := `select ro.FileSpec from dbo.tbl_RM_RecoverableObjectFileSpec ro where ro.FileSpec like '%` + text + `%' or Path like '%` + text + `%' order by 1`
			if diff := cmp.Diff(query(t, without, q), query(t, with, q)); diff != "" {
				t.Errorf("%s, query %q (-without +with the index):\n%s", when, text, diff)
			}
		}
	}
	add(with, 0, 0)
	check("at first")
	add(without, 1, 3000)
	add(without, 2, 6000)
	check("after the other added")
	must[int](t)(without.RemoveDatasets(ctx, d[1].MediaID, true))
	check("after the other removed")
	ok(t, with.RemoveObjects(ctx, d[0].DatasetID))
	check("after this one removed")
	add(without, 2, 3000)
	if has := must[bool](t)(with.UpdateSearchIndex(ctx)); has != with.HasSearchIndex() {
		t.Errorf("UpdateSearchIndex says %v", has)
	}
	if has := must[bool](t)(without.UpdateSearchIndex(ctx)); has {
		t.Error("a program without index updated it")
	}
	check("after an update")
	ok(t, with.Check(ctx))
	ok(t, without.Check(ctx))
	if with.HasSearchIndex() {
		// The index is damaged: a search finds all the same, and an update makes it anew.
		_, err := with.write.Exec(`DELETE FROM ` + searchTable + `_data WHERE id > 10`)
		ok(t, err)
		check("with a damaged index")
		must[bool](t)(with.UpdateSearchIndex(ctx))
		if !with.HasSearchIndex() {
			t.Error("the index is still out of use")
		}
		check("after its repair")
	}
}

func TestTrigrams(t *testing.T) {
	for text, want := range map[string]string{"DPMD": `"DPM" AND "PMD"`, "aaaa": `"aaa"`, `a"b`: `"a""b"`,
		"äöü": `"äöü"`} {
		if got, err := trigrams(text); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ab", "äö", "a\xffbc", "a\x00bc"} {
		if got, err := trigrams(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// FuzzFind compares the search with the index with the search without.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"DPMDB", `a"b`, "%_%", "it's", "ÄÖÜ", "AND OR", "(x:y*", "\x00\x01\x02"} {
		f.Add(s, s)
	}
	path := filepath.Join(f.TempDir(), "c.db")
	with, without := openAt(f, path, Options{}), openAt(f, path, Options{WithoutSearchIndex: true})
	d := fillTapes(f, with, 1)[0]
	f.Fuzz(func(t *testing.T, name, text string) {
		ctx := context.Background()
		ok(t, with.AddObjects(ctx, d.DatasetID, []Object{{Path: "/", FileSpec: name}}))
		a, errA := with.Find(ctx, text)
		b, errB := without.Find(ctx, text)
		if zero := strings.ContainsRune(text, 0); (errA != nil) != zero || (errB != nil) != zero {
			t.Fatalf("%q: %v, %v", text, errA, errB)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatalf("%q (-without +with the index):\n%s", text, diff)
		}
		ok(t, with.RemoveObjects(ctx, d.DatasetID))
	})
}

func TestMillionObjects(t *testing.T) {
	n := 1_000_000
	if testing.Short() || slow(time.Second) > 10*time.Second {
		n = 50_000
	}
	c, ctx := open(t), t.Context()
	d := fillTapes(t, c, 1)[0]
	const batch = 10_000
	var took time.Duration
	for i := 0; i < n; i += batch {
		some := objects(i, batch)
		begin := time.Now()
		ok(t, c.AddObjects(ctx, d.DatasetID, some))
		took += time.Since(begin)
	}
	rate := float64(n) / took.Seconds()
	t.Logf("%d objects in %v: %.0f/s", n, took, rate)
	if rate < 50_000/slow(time.Second).Seconds() {
		t.Errorf("%.0f objects/s, want 50,000", rate)
	}
	begin := time.Now()
	has := must[bool](t)(c.UpdateSearchIndex(ctx))
	t.Logf("the index (%v) took %v", has, time.Since(begin))
	begin = time.Now()
	got := must[[]Found](t)(c.Find(ctx, "DPMDB_"))
	took = time.Since(begin)
	t.Logf("Find took %v", took)
	if len(got) != 1 || got[0].Objects != int64(n/1000) {
		t.Fatalf("found %+v", got)
	}
	begin = time.Now()
	rows := query(t, c, seedQuery(t, "tape.sql"))
	queryTook := time.Since(begin)
	t.Logf("the seed's query took %v for %d rows", queryTook, len(rows))
	if len(rows) != n/1000+2 {
		t.Errorf("%d rows", len(rows))
	}
	if limit := slow(50 * time.Millisecond); has && (took > limit || queryTook > limit) {
		t.Errorf("searches took %v and %v, want less than %v", took, queryTook, limit)
	}
}
