package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
)

// TestBehind: whatever the drive says of its position, reading goes on farther than before.
func TestBehind(t *testing.T) {
	var at uint64
	var fail error
	position := func(context.Context) (uint64, error) { return at, fail }
	d := newDamage(position, mediacatalog.Dataset{SSETObject: 10, ESETObject: 100}, &mtf.MediaHeader{PhysicalBlock: 4096}, 1000)
	if d.end != 99 || d.unit != 1024 {
		t.Errorf("%+v", d)
	}
	for _, c := range []struct{ fla, at, want uint64 }{
		{0, 20, 21}, {0, 20, 22}, {0, 0, 23}, // the same place again, or none
		{1000 + 4*30, 25, 41}, // an object in block 40 was read
		{1000, 60, 61},        // an address before that changes nothing
	} {
		if c.fla != 0 {
			d.reached(c.fla)
		}
		at = c.at
		if got, err := d.behind(context.Background()); err != nil || got != c.want {
			t.Errorf("address %d, position %d: %d, %v; want %d", c.fla, c.at, got, err, c.want)
		}
	}
	fail = errors.New("gone")
	if _, err := d.behind(context.Background()); !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
}

// TestMet: only what is about the place on the tape lets the restore go on.
func TestMet(t *testing.T) {
	sense := func(key scsi.SenseKey) error {
		return fmt.Errorf("read: %w", &scsi.CheckError{Sense: scsi.Sense{Key: key}})
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{sense(scsi.MediumError), true}, {sense(scsi.HardwareError), false}, {sense(scsi.NotReady), false}, {sense(scsi.AbortedCommand), false},
		{&scsi.TransportError{Err: context.DeadlineExceeded}, false}, {mtf.ErrEndOfData, false},
	} {
		var d damage
		if got := d.met(c.err); got != c.want || d.pending != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}

// TestDamagedFile: what is wrong with one file is a problem of it; anything else ends the restore.
func TestDamagedFile(t *testing.T) {
	for _, c := range []struct {
		err   error
		fatal bool
		text  string
	}{
		{&mtf.FormatError{Block: "stream", Reason: "bad"}, false, "f: bytes 5 to 9 could not be read: read stream at object 0 offset 0: bad; elsewhere"},
		{fmt.Errorf("compressed: %w", mtf.ErrUnsupported), false, "f: compressed: not supported; elsewhere"},
		{&mtf.CorruptError{Path: "f", Offset: 5}, false, "f: read f: marked corrupt from offset 5 (CFIL attributes 0x0)"},
		{&scsi.TransportError{Op: "READ(6)", Err: errors.New("gone")}, true, "restore f from tape T: READ(6): no answer, outcome unknown: gone; elsewhere"},
	} {
		j := &job{result: &Result{}, log: slog.New(slog.DiscardHandler), others: "elsewhere", copy: Copy{Media: mediacatalog.Media{Barcode: "T"}}}
		err := j.damagedFile("f", "", 5, &mtf.Object{Size: 10}, c.err)
		if (err != nil) != c.fatal || len(j.result.Problems) == 0 != c.fatal {
			t.Errorf("%v: %v, %+v", c.err, err, j.result.Problems)
			continue
		}
		if !c.fatal {
			err = j.result.Problems[0]
		}
		if err.Error() != c.text || !errors.Is(err, c.err) {
			t.Errorf("got  %v\nwant %s", err, c.text)
		}
	}
}

// TestExpected walks what the catalog has beside what the tape has.
func TestExpected(t *testing.T) {
	rows := []uint64{3, 5, 5, 9, 7, 12, 20} // 5 twice and 7 behind 9: nobody is to be told that these are missing
	e := &expected{stop: func() {}}
	e.next = func() (mediacatalog.Object, bool) {
		if len(rows) == 0 {
			return mediacatalog.Object{}, false
		}
		o := mediacatalog.Object{FLA: rows[0], SHA256: []byte{byte(rows[0])}}
		rows = rows[1:]
		return o, true
	}
	e.at, e.more = e.next()
	var missing []uint64
	note := func(o mediacatalog.Object) { missing = append(missing, o.FLA) }
	for _, c := range []struct {
		fla  uint64
		want []byte
	}{{5, []byte{5}}, {9, []byte{9}}, {10, nil}, {12, []byte{12}}} {
		e.meet(c.fla, note)
		if got := e.digest(c.fla); string(got) != string(c.want) {
			t.Errorf("address %d: %x", c.fla, got)
		}
		if e.digest(c.fla+1) != nil {
			t.Errorf("a digest for an address that was not met")
		}
	}
	e.rest(note)
	if d := cmp.Diff([]uint64{3, 20}, missing); d != "" {
		t.Error(d)
	}
}

// TestFolder: after damage the catalog knows where a file belongs; without it an orphan goes to a folder of its own.
func TestFolder(t *testing.T) {
	for _, c := range []struct {
		happened   bool
		known      mediacatalog.Object
		o          mtf.Object
		volume     string
		components []string
		problems   int
	}{
		{false, mediacatalog.Object{}, mtf.Object{FLA: 4, Path: []string{"f"}}, "/now", []string{"f"}, 0},
		{true, mediacatalog.Object{FLA: 4, Path: "/srv/a", FileSpec: "f"}, mtf.Object{FLA: 4, Path: []string{"f"}, Orphan: true}, "/srv", []string{"a", "f"}, 0},
		{true, mediacatalog.Object{FLA: 4, Path: "/srv", FileSpec: "g"}, mtf.Object{FLA: 4, Path: []string{"a", "f"}}, "/now", []string{"a", "f"}, 0},
		{true, mediacatalog.Object{}, mtf.Object{FLA: 4, Path: []string{"f"}, Orphan: true, DirectoryID: 7}, "/now", []string{"folder 7 of unknown name", "f"}, 1},
	} {
		j := &job{result: &Result{}, log: slog.New(slog.DiscardHandler), volumePaths: []string{"/srv"}, damage: damage{happened: c.happened}}
		volume, components := j.folder(&place{volume: "/now", known: &expected{current: c.known}}, &c.o)
		if volume != c.volume || !cmp.Equal(components, c.components) || len(j.result.Problems) != c.problems {
			t.Errorf("%+v: %s %q, %+v", c.o, volume, components, j.result.Problems)
		}
	}
}
