package restore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// TestCommitReplacesStableFilesOnly: what replaces a file is on stable storage first, and a failure leaves the old file.
func TestCommitReplacesStableFilesOnly(t *testing.T) {
	to := t.TempDir()
	g, err := openTarget(to, Always)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if err := os.WriteFile(filepath.Join(to, "old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var synced int
	var fail error
	g.fsync = func(f *os.File) error {
		synced++
		if got, err := os.ReadFile(filepath.Join(to, "old")); err != nil || string(got) != "old" {
			t.Errorf("the old file is gone before the new one is safe: %q, %v", got, err)
		}
		return fail
	}
	commit := func(name string) error {
		f, temp, err := g.temporary(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new"); err != nil {
			t.Fatal(err)
		}
		return g.commit(f, temp, name, mtf.Metadata{}, false, time.Time{})
	}
	if err := commit("fresh"); err != nil || synced != 0 {
		t.Errorf("a new name: %d times synced, %v", synced, err)
	}
	fail = errors.New("no")
	if err := commit("old"); !errors.Is(err, fail) || synced != 1 {
		t.Errorf("got %v, %d times synced", err, synced)
	}
	fail = nil
	if err := commit("old"); err != nil || synced != 2 {
		t.Errorf("got %v, %d times synced", err, synced)
	}
	if got, err := os.ReadFile(filepath.Join(to, "old")); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if err := g.sync(); err != nil {
		t.Error(err)
	}
}

// TestLink: a link replaces what is there in one step with Always, and nothing otherwise.
func TestLink(t *testing.T) {
	for _, overwrite := range []Overwrite{Always, Never} {
		to := t.TempDir()
		g, err := openTarget(to, overwrite)
		if err != nil {
			t.Fatal(err)
		}
		defer g.close()
		if err := os.WriteFile(filepath.Join(to, "file"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, "folder", "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := g.link("file", "elsewhere"); (err == nil) != (overwrite == Always) {
			t.Errorf("%s: over a file: %v", overwrite, err)
		}
		if got, err := os.Readlink(filepath.Join(to, "file")); overwrite == Always && (err != nil || got != "elsewhere") {
			t.Errorf("%s: %q, %v", overwrite, got, err)
		}
		if err := g.link("folder", "elsewhere"); err == nil {
			t.Errorf("%s: a folder was replaced", overwrite)
		}
		if err := g.link("a/b", "elsewhere"); err != nil {
			t.Errorf("%s: %v", overwrite, err)
		}
		left, err := filepath.Glob(filepath.Join(to, ".tapectl-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", overwrite, left, err)
		}
	}
}

// TestCatalogThatCannotBeRead: files that nobody compared with the catalog are a problem, unless the restore was cancelled.
func TestCatalogThatCannotBeRead(t *testing.T) {
	broken := errors.New("disk I/O error")
	ctx, cancel := context.WithCancel(context.Background())
	for _, c := range []struct {
		err  error
		want int
	}{{nil, 0}, {broken, 1}} {
		j := &job{result: &Result{}, log: slog.New(slog.DiscardHandler), copy: Copy{Dataset: mediacatalog.Dataset{SetNumber: 4}}}
		j.forget(ctx, &expected{stop: func() {}, err: c.err})
		if len(j.result.Problems) != c.want {
			t.Fatalf("%v: %+v", c.err, j.result.Problems)
		}
		if c.want == 1 && (!errors.Is(j.result.Problems[0], broken) || !strings.Contains(j.result.Problems[0].Error(), "data set 4")) {
			t.Errorf("%v", j.result.Problems[0])
		}
	}
	cancel()
	j := &job{result: &Result{}, log: slog.New(slog.DiscardHandler)}
	j.forget(ctx, &expected{stop: func() {}, err: broken})
	if len(j.result.Problems) != 0 {
		t.Errorf("%+v", j.result.Problems)
	}
}
