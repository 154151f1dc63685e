package mediacatalog

import (
	"errors"
	"io/fs"
	"testing"
)

// TestErrorTexts pins what the operator reads: what happened, to which file, what is safe, what to do next.
func TestErrorTexts(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&NotCatalogError{Path: "/c.db", Reason: "it is no SQLite file"},
			"open catalog /c.db: it is no SQLite file (the file was left untouched)"},
		{&NotCatalogError{Path: "/c.db", Reason: "it is damaged", Err: fs.ErrInvalid},
			"open catalog /c.db: it is damaged: invalid argument (the file was left untouched)"},
		{&NewerVersionError{Path: "/c.db", Version: 9, Highest: 4},
			"open catalog /c.db: it has schema version 9 and this program knows up to 4: use the newer tapectl that wrote it " +
				"(the file was left untouched)"},
		{&LeaseHeldError{Resource: "library lib1", Owner: LeaseOwner{Host: "h", PID: 7, Command: "tapectl inventory"},
			Since: day(0), Until: day(1)},
			`library lib1 is in use by "tapectl inventory" (process 7 on h) since 2026-03-01T22:30:15Z (its lease runs until ` +
				`2026-03-02T22:30:15Z)`},
		{&CheckError{Path: "/c.db", Findings: []string{"pages: a", "b"}},
			"check catalog /c.db: 2 finding(s), the first: pages: a"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
	if !errors.Is(&NotCatalogError{Err: fs.ErrInvalid}, fs.ErrInvalid) {
		t.Error("the cause is lost")
	}
}

// TestErrorsName has each refusal say what it was about, once.
func TestErrorsName(t *testing.T) {
	c, ctx := open(t), t.Context()
	d := fillTapes(t, c, 1)[0]
	for _, tc := range []struct {
		err  error
		want string
	}{
		{second(c.Library(ctx, "lib9")), "find library lib9: not in the catalog"},
		{second(c.AddLibrary(ctx, Library{Name: "lib1"})), "add library lib1: already in the catalog"},
		{second(c.MediaByID(ctx, "m9")), "find tape m9: not in the catalog"},
		{c.CommitPoint(ctx, d.DatasetID, 99, 1),
			"record the commit point of data set " + d.DatasetID + " at object 99: it is complete: does not fit the state in the catalog"},
		{second(c.RemoveDatasets(ctx, d.MediaID, false)),
			"remove the data sets of tape " + d.MediaID + ": 1 of its data sets are valid: does not fit the state in the catalog"},
		{second(tryQuery(ctx, c, "drop table x")),
			`query the catalog: only one reading statement is allowed: it begins with "drop", not with SELECT`},
		{second(tryQuery(ctx, c, "select 1; select 2")),
			"query the catalog: only one reading statement is allowed: there is more behind the semicolon"},
		{second(tryQuery(ctx, c, "select * from nowhere")), "query the catalog: no such table: nowhere"},
	} {
		if tc.err == nil || tc.err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", tc.err, tc.want)
		}
	}
}
