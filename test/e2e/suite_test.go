package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// place is a library to run the suite on.
type place struct {
	changer string   // its address
	tapes   []string // barcodes, in slots 1, 2, ...
	drives  int
	slots   int
	bigFile int64 // size of the big file in bytes; the tapes must have room for it
	mtx     bool  // mtx can look at it too
}

type libraryRecord struct {
	Name   string
	Drives []struct {
		Number  int
		Element int
		Serial  string
		Address string
	}
}

type elementRecord struct {
	Type    string
	Number  int
	Element int
	Full    bool
	Barcode string
}

type backupRecord struct {
	RecoveryPoint string
	Copies        []struct {
		Barcode   string
		Label     string
		SetNumber int
		State     string
	}
	Skipped []string
}

type copyRecord struct {
	What      string
	Label     string
	Barcode   string
	Place     string
	Online    bool
	State     string
	TapeState string
	DataSet   int
	MediaType string
	Drives    []string
	Created   time.Time
	Expires   time.Time
}

// runSuite does with a library what its operator would.
func runSuite(t *testing.T, p place) {
	o := newOperator(t)
	addLibrary(t, o, p)
	if t.Failed() {
		return
	}
	t.Run("inventory", func(t *testing.T) { testInventory(t, o, p) })
	if p.mtx {
		t.Run("mtx", func(t *testing.T) { compareWithMtx(t, o, p) })
	}
	t.Run("refused moves", func(t *testing.T) { testRefusedMoves(t, o, p) })
	t.Run("sample backups", func(t *testing.T) { testSamples(t, o, p) })
	t.Run("two data sets on one tape", func(t *testing.T) { testAppend(t, o, p) })
	t.Run("big file", func(t *testing.T) { testBigFile(t, o, p) })
	t.Run("independent reader", func(t *testing.T) { testIndependentReader(t, o, p) })
	t.Run("everything is back in its slot", func(t *testing.T) { testInventory(t, o, p) })
}

// with makes an operator report to the subtest.
func (o *operator) with(t *testing.T) *operator {
	return &operator{t: t, program: o.program, folder: o.folder}
}

// addLibrary adds the library by the changer's address alone: all drives are matched by serial number.
func addLibrary(t *testing.T, o *operator, p place) {
	l := record[libraryRecord](o.with(t), "library", "add", "lab", "--changer", p.changer)
	if len(l.Drives) != p.drives {
		t.Fatalf("%d drives were matched, want %d: %+v", len(l.Drives), p.drives, l)
	}
	seen := map[string]bool{}
	for _, d := range l.Drives {
		if d.Serial == "" || seen[d.Serial] || d.Element <= 0 {
			t.Errorf("drive %+v: no serial number of its own, or no element", d)
		}
		seen[d.Serial] = true
	}
}

// testInventory compares what tapectl sees with what the library was set up with.
func testInventory(t *testing.T, o *operator, p place) {
	o = o.with(t)
	o.must("inventory", "lab", "--fast")
	slots := 0
	var barcodes []string
	for _, e := range records[elementRecord](o, "library", "status", "lab") {
		switch {
		case e.Type == "slot":
			slots++
			want := ""
			if e.Number <= len(p.tapes) {
				want = p.tapes[e.Number-1]
			}
			if e.Barcode != want || e.Full != (want != "") {
				t.Errorf("slot %d holds %q (full %v), want %q", e.Number, e.Barcode, e.Full, want)
			}
		case e.Full:
			t.Errorf("%s %d holds %s", e.Type, e.Number, e.Barcode)
		}
	}
	if slots != p.slots {
		t.Errorf("%d slots, want %d", slots, p.slots)
	}
	for _, tape := range records[struct{ Barcode string }](o, "tape", "list", "--online") {
		barcodes = append(barcodes, tape.Barcode)
	}
	slices.Sort(barcodes)
	if !slices.Equal(barcodes, p.tapes) {
		t.Errorf("the catalog has tapes %v, want %v", barcodes, p.tapes)
	}
}

// testRefusedMoves tries what must not be done, and looks that nothing has changed.
func testRefusedMoves(t *testing.T, o *operator, p place) {
	o = o.with(t)
	before := o.must("--json", "library", "status", "lab")
	full, empty := "slot:2", fmt.Sprintf("slot:%d", p.slots)
	o.refused(1, []string{p.tapes[0], p.tapes[1], "full", "nothing was moved"}, "tape", "move", "slot:1", full)
	o.refused(1, []string{"empty", "nothing was moved"}, "tape", "move", empty, "slot:1")
	if after := o.must("--json", "library", "status", "lab"); after != before {
		t.Errorf("a refused move changed the library:\n%s\n%s", before, after)
	}
	o.must("tape", "load", p.tapes[0], "--drive", "1")
	loaded := o.must("--json", "library", "status", "lab")
	o.refused(1, []string{p.tapes[0], "still", "tape unload"}, "tape", "move", "drive:1", empty)
	o.refused(1, []string{p.tapes[0], p.tapes[1], "full"}, "tape", "load", p.tapes[1], "--drive", "1")
	if after := o.must("--json", "library", "status", "lab"); after != loaded {
		t.Errorf("a refused move changed the library:\n%s\n%s", loaded, after)
	}
	o.must("tape", "unload", "1")
}

// testSamples backs up, locates and restores real SQL Server backups.
func testSamples(t *testing.T, o *operator, p place) {
	files := samples(t)
	o = o.with(t)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".bak")
		b := record[backupRecord](o, "backup", name, f, "--label", "SAMPLES", "--retain", "99y")
		if len(b.Copies) != 1 || b.Copies[0].State != "complete" || len(b.Skipped) != 0 {
			t.Fatalf("backup of %s: %+v", name, b)
		}
		found := records[copyRecord](o, "locate", filepath.Base(f))
		if len(found) != 1 || found[0].Barcode != b.Copies[0].Barcode || found[0].Label != "SAMPLES" || !found[0].Online ||
			found[0].DataSet != b.Copies[0].SetNumber || found[0].State != "valid" || len(found[0].Drives) != p.drives || found[0].MediaType == "" {
			t.Errorf("locate %s: %+v", name, found)
		}
		target := t.TempDir()
		o.must("restore", b.RecoveryPoint, "--to", target)
		if got, want := hashFile(t, filepath.Join(target, filepath.Base(f))), hashFile(t, f); got != want {
			t.Errorf("%s: restored SHA-256 %s, want %s", name, got, want)
		}
	}
}

// testAppend writes two data sets to one tape, and reads both back.
func testAppend(t *testing.T, o *operator, p place) {
	o = o.with(t)
	var points, paths []string
	for i, size := range []int64{1, 3_000_001} {
		paths = append(paths, randomFile(t, fmt.Sprintf("append%d.bin", i), size))
		b := record[backupRecord](o, "backup", fmt.Sprintf("append%d", i), paths[i], "--label", "APPEND")
		if b.Copies[0].SetNumber != i+1 {
			t.Errorf("data set number %d, want %d", b.Copies[0].SetNumber, i+1)
		}
		points = append(points, b.RecoveryPoint)
	}
	for i := range points {
		target := t.TempDir()
		o.must("restore", points[i], "--to", target)
		if got, want := hashFile(t, filepath.Join(target, filepath.Base(paths[i]))), hashFile(t, paths[i]); got != want {
			t.Errorf("%s: restored SHA-256 %s, want %s", paths[i], got, want)
		}
	}
}

// testBigFile takes a file that is longer than any buffer.
func testBigFile(t *testing.T, o *operator, p place) {
	if testing.Short() {
		t.Skip("short")
	}
	o = o.with(t)
	path := randomFile(t, "big.bin", p.bigFile)
	begun := time.Now()
	backup := o.try("--json", "backup", "big", path, "--label", "BIG")
	written := time.Since(begun)
	if backup.code != 0 {
		t.Fatalf("backup: %s", backup.stderr)
	}
	target := t.TempDir()
	begun = time.Now()
	restore := o.try("restore", "big", "--to", target)
	if restore.code != 0 {
		t.Fatalf("restore: %s", restore.stderr)
	}
	t.Logf("%d MB: backup %.1f s with %d MiB of memory, restore %.1f s with %d MiB, mount and dismount included", p.bigFile/1e6,
		written.Seconds(), backup.memory>>20, time.Since(begun).Seconds(), restore.memory>>20)
	for _, r := range []outcome{backup, restore} {
		if r.memory > memoryLimit {
			t.Errorf("the program needed %d MiB of memory, the limit is %d MiB", r.memory>>20, memoryLimit>>20)
		}
	}
	if got, want := hashFile(t, filepath.Join(target, "big.bin")), hashFile(t, path); got != want {
		t.Errorf("restored SHA-256 %s, want %s", got, want)
	}
}

// memoryLimit is what backup and restore may need, whatever the size.
const memoryLimit = 128 << 20

// randomFile writes a file that no compression makes smaller.
func randomFile(t *testing.T, name string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	buf := make([]byte, 1<<20)
	for size > 0 {
		n := min(size, int64(len(buf)))
		if _, err := r.Read(buf[:n]); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(buf[:n]); err != nil {
			t.Fatal(err)
		}
		size -= n
	}
	return path
}

// compareWithMtx holds the elements against what mtx prints of the same library. mtx numbers mail slots behind the slots, and
// drives from 0.
func compareWithMtx(t *testing.T, o *operator, p place) {
	o = o.with(t)
	out, err := exec.Command("mtx", "-f", p.changer, "status").CombinedOutput()
	if err != nil {
		t.Fatalf("mtx status: %v\n%s", err, out)
	}
	want := map[string]string{}
	element := regexp.MustCompile(`(?m)^\s*(Data Transfer|Storage) Element (\d+)( IMPORT/EXPORT)?:(Full|Empty)(?:[^\n]*VolumeTag[ ]*=[ ]*([^\s]+))?`)
	for _, m := range element.FindAllStringSubmatch(string(out), -1) {
		n, _ := strconv.Atoi(m[2])
		switch {
		case m[1] == "Data Transfer":
			want[fmt.Sprintf("drive %d", n+1)] = m[4] + m[5]
		case m[3] != "":
			want[fmt.Sprintf("mail slot %d", n-p.slots)] = m[4] + m[5]
		default:
			want[fmt.Sprintf("slot %d", n)] = m[4] + m[5]
		}
	}
	if len(want) < p.slots+p.drives {
		t.Fatalf("mtx printed %d elements:\n%s", len(want), out)
	}
	for _, e := range records[elementRecord](o, "library", "status", "lab") {
		if e.Type == "picker" {
			continue
		}
		got := "Empty"
		if e.Full {
			got = "Full" + e.Barcode
		}
		if name := fmt.Sprintf("%s %d", e.Type, e.Number); want[name] != got {
			t.Errorf("%s: tapectl says %q, mtx says %q", name, got, want[name])
		}
	}
}
