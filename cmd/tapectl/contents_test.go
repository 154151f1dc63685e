package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// The entries of a media based catalog name only themselves; the path comes from those before them.
func TestCatalogPlace(t *testing.T) {
	var place catalogPlace
	var got [][3]string
	for _, e := range []mtf.CatalogEntry{
		{Type: mtf.IDVOLB, Device: "/srv"},
		{Type: mtf.IDDIRB, Name: ""},
		{Type: mtf.IDFILE, Name: "a"},
		{Type: mtf.IDDIRB, Name: mtf.JoinPath([]string{"x", "y"})},
		{Type: mtf.IDFILE, Name: "b", Size: 7},
		{Type: mtf.IDFILE, Name: "broken", Attributes: mtf.AttrCorrupt},
		{Type: mtf.IDVOLB, Device: "/home"},
		{Type: mtf.IDFILE, Name: "c"},
	} {
		o := place.object(&e)
		got = append(got, [3]string{o.Kind, o.Path, o.FileSpec})
		if o.Corrupt != (e.Name == "broken") || o.Size != int64(e.Size) || o.SHA256 != nil {
			t.Errorf("%s %s: %+v", e.Type, e.Name, o)
		}
	}
	want := [][3]string{
		{mediacatalog.KindVolume, "/srv", ""}, {mediacatalog.KindDirectory, "/srv", ""}, {mediacatalog.KindFile, "/srv", "a"},
		{mediacatalog.KindDirectory, "/srv/x/y", ""}, {mediacatalog.KindFile, "/srv/x/y", "b"}, {mediacatalog.KindFile, "/srv/x/y", "broken"},
		{mediacatalog.KindVolume, "/home", ""}, {mediacatalog.KindFile, "/home", "c"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPrintObject(t *testing.T) {
	o := mediacatalog.Object{
		Kind: mediacatalog.KindFile, Path: "/srv", FileSpec: "a\x1b[31m", Size: 1500, Corrupt: true, CorruptFrom: 512,
		Modified: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC), SHA256: []byte{0xAB, 0xCD},
	}
	var out bytes.Buffer
	a := newApp(strings.NewReader(""), &out, new(bytes.Buffer))
	if err := a.printObject(3, o); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, "\x1b") || !strings.Contains(s, "1.5 kB") || !strings.Contains(s, "/srv/a?[31m   corrupt from byte 512\n") {
		t.Errorf("%q", s)
	}
	out.Reset()
	a.json = true
	if err := a.printObject(3, o); err != nil {
		t.Fatal(err)
	}
	var got objectJSON
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := objectJSON{SetNumber: 3, Path: "/srv/a\x1b[31m", Kind: "file", Size: 1500, Modified: "2026-11-23T05:00:00Z", SHA256: "abcd", Corrupt: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	out.Reset()
	if err := a.printObject(3, mediacatalog.Object{Kind: mediacatalog.KindVolume, Path: "/srv"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"setNumber":3,"path":"/srv","kind":"volume","size":0}` + "\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// What is shown of the state of a data set: whether it is valid only when it is complete.
func TestSetStateText(t *testing.T) {
	for _, test := range []struct {
		state string
		life  mediacatalog.LifeStatus
		want  string
	}{
		{mediacatalog.SetComplete, mediacatalog.Valid, "valid"}, {mediacatalog.SetComplete, mediacatalog.Expired, "expired"},
		{mediacatalog.SetIncomplete, mediacatalog.Valid, mediacatalog.SetIncomplete}, {mediacatalog.SetFailed, mediacatalog.Expired, mediacatalog.SetFailed},
	} {
		if got := setStateText(dataSetJSON{State: test.state, LifeStatus: lifeText(test.life)}); got != test.want {
			t.Errorf("%s, %v: %q, want %q", test.state, test.life, got, test.want)
		}
	}
}

// A catalog of its own, the flag before the environment, the environment before the default.
func TestCatalogFile(t *testing.T) {
	for _, test := range []struct{ flag, env, xdg, want string }{
		{"/a/c.db", "/b/c.db", "/x", "/a/c.db"}, {"", "/b/c.db", "/x", "/b/c.db"}, {"", "", "/x", "/x/tapectl/catalog.db"},
		{"", "", "", "/home/op/.local/share/tapectl/catalog.db"},
	} {
		t.Setenv("HOME", "/home/op")
		t.Setenv("TAPECTL_CATALOG", test.env)
		t.Setenv("XDG_DATA_HOME", test.xdg)
		a := newApp(strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer))
		a.catalogPath = test.flag
		if got, err := a.catalogFile(); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}

// A command line run in this process: nothing global stays behind for the next.
func TestRun(t *testing.T) {
	t.Setenv("TAPECTL_CATALOG", t.TempDir()+"/catalog.db")
	for range 2 {
		for _, test := range []struct {
			args     string
			code     int
			out, err string
		}{
			{"version --json", exitOK, `"version":`, ""},
			{"library list", exitOK, "LIBRARY", ""},
			{"library list --json", exitOK, "", ""},
			{"library shw", exitUsage, "", "is it show?"},
			{"library show x", exitFailed, "", "not in the catalog"},
			{"inventory", exitUsage, "", "the catalog has no library yet"},
		} {
			var out, errs bytes.Buffer
			code := run(strings.Fields(test.args), strings.NewReader(""), &out, &errs)
			if code != test.code || !strings.Contains(out.String(), test.out) || !strings.Contains(errs.String(), test.err) {
				t.Errorf("%s: %d, %q, %q", test.args, code, out.String(), errs.String())
			}
			if test.code == exitOK && errs.Len() > 0 || test.code != exitOK && out.Len() > 0 {
				t.Errorf("%s: %q, %q", test.args, out.String(), errs.String())
			}
		}
	}
}

// TestWithoutMap: what is kept of a data set holds no set map, and the walk that it came from keeps its own.
func TestWithoutMap(t *testing.T) {
	s := &mtf.SetInfo{Number: 3, End: &mtf.SetEnd{SetMap: make([]mtf.SetMapEntry, 3), ESETObject: 9}}
	c := withoutMap(s)
	if c.Number != 3 || c.End == nil || c.End.SetMap != nil || c.End.ESETObject != 9 {
		t.Errorf("%+v", c)
	}
	if len(s.End.SetMap) != 3 {
		t.Error("the set map of the walk was taken away")
	}
	if c := withoutMap(&mtf.SetInfo{Number: 4}); c.End != nil || c.Number != 4 {
		t.Errorf("%+v", c)
	}
}
