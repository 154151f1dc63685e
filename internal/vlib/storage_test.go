package vlib

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func testCartridge(t *testing.T) (*cartridge, string) {
	t.Helper()
	folder := t.TempDir()
	c, err := openCartridge(folder, 7)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c, folder
}

// contents is one word for each object.
func contents(c *cartridge) (list []string) {
	for n := range c.count() {
		o := c.objects[n]
		switch o.kind {
		case objectFilemark:
			list = append(list, "M")
		case objectLost:
			list = append(list, "lost")
		default:
			p := make([]byte, o.length)
			if err := c.read(n, p); err != nil {
				list = append(list, "rotten")
				continue
			}
			list = append(list, string(p))
		}
	}
	return list
}

func fill(t *testing.T, c *cartridge, words ...string) {
	t.Helper()
	for _, w := range words {
		var err error
		if w == "M" {
			err = c.writeMarks(1)
		} else {
			err = c.write([]byte(w))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTornTail(t *testing.T) {
	words := []string{"one", "two", "M", "three", "four"}
	tests := map[string]struct {
		damage func(dir string) error
		want   []string
	}{
		"untouched":             {func(string) error { return nil }, words},
		"data without a record": {func(d string) error { return appendTo(filepath.Join(d, "data"), 1000) }, words},
		"half a record":         {func(d string) error { return appendTo(filepath.Join(d, "index"), 11) }, words},
		"a record of zeros":     {func(d string) error { return appendTo(filepath.Join(d, "index"), indexRecord) }, words},
		"last record cut":       {func(d string) error { return shorten(filepath.Join(d, "index"), 1) }, words[:4]},
		"last data cut":         {func(d string) error { return shorten(filepath.Join(d, "data"), 1) }, words[:4]},
		"all data gone":         {func(d string) error { return os.Truncate(filepath.Join(d, "data"), 0) }, nil},
		"index gone":            {func(d string) error { return os.Remove(filepath.Join(d, "index")) }, nil},
		"record in the middle": {func(d string) error { return flipByte(filepath.Join(d, "index"), indexHeader+indexRecord+9) },
			[]string{"one", "lost", "M", "three", "four"}},
		"two records in the middle": {func(d string) error {
			return errors.Join(flipByte(filepath.Join(d, "index"), indexHeader+indexRecord+9), flipByte(filepath.Join(d, "index"), indexHeader+2*indexRecord))
		}, []string{"one", "lost", "lost", "three", "four"}},
		"data in the middle": {func(d string) error { return flipByte(filepath.Join(d, "data"), 4) }, []string{"one", "rotten", "M", "three", "four"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, folder := testCartridge(t)
			fill(t, c, words...)
			if err := test.damage(c.dir); err != nil {
				t.Fatal(err)
			}
			again, err := openCartridge(folder, 7)
			if err != nil {
				t.Fatal(err)
			}
			defer again.close()
			if diff := cmp.Diff(test.want, contents(again)); diff != "" {
				t.Fatal(diff)
			}
			// The tape goes on where it ends, and stays good.
			end := again.count()
			if err := again.truncate(end); err != nil {
				t.Fatal(err)
			}
			fill(t, again, "new", "M")
			third, err := openCartridge(folder, 7)
			if err != nil {
				t.Fatal(err)
			}
			defer third.close()
			if diff := cmp.Diff(append(append([]string(nil), test.want...), "new", "M"), contents(third)); diff != "" {
				t.Error(diff)
			}
			if third.torn {
				t.Error("still torn")
			}
		})
	}
}

func appendTo(path string, n int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, n))
	return errors.Join(err, f.Close())
}

func shorten(path string, n int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-n)
}

func flipByte(path string, at int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[at] ^= 0x55
	return os.WriteFile(path, b, 0o666)
}

func TestDamagedIndexHeader(t *testing.T) {
	c, folder := testCartridge(t)
	fill(t, c, "one")
	if err := flipByte(filepath.Join(c.dir, "index"), 20); err != nil {
		t.Fatal(err)
	}
	if _, err := openCartridge(folder, 7); !errors.Is(err, errDamaged) {
		t.Errorf("a damaged head: %v", err)
	}
}

// TestStaleRecords puts records of an older, longer recording behind the end: they do not come back.
func TestStaleRecords(t *testing.T) {
	c, folder := testCartridge(t)
	fill(t, c, "one", "two", "three")
	old, err := os.ReadFile(filepath.Join(c.dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := openCartridge(folder, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	fill(t, other, "one")
	index, err := os.ReadFile(filepath.Join(other.dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	forged := append(index, old[len(index):]...)
	if err := errors.Join(os.WriteFile(filepath.Join(other.dir, "index"), forged, 0o666),
		os.WriteFile(filepath.Join(other.dir, "data"), []byte("onetwothree"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := other.load(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one"}, contents(other)); diff != "" {
		t.Error(diff)
	}
}

func TestOtherProcessesChangeIsSeen(t *testing.T) {
	a, folder := testCartridge(t)
	fill(t, a, "one")
	b, err := openCartridge(folder, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	fill(t, b, "two")
	if err := a.current(0); err != nil { // a process that was killed did not count its change
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, contents(a)); diff != "" {
		t.Error(diff)
	}
	if err := b.truncate(1); err != nil {
		t.Fatal(err)
	}
	fill(t, b, "TWO")
	if err := a.current(1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "TWO"}, contents(a)); diff != "" {
		t.Error(diff)
	}
}

func TestState(t *testing.T) {
	var s state
	s.resetModes()
	s.attend(0x28, 1, 99)
	for n := range 40 {
		s.attend(0x2A, byte(n), 0)
	}
	s.raise(64)
	s.raise(1)
	s.raise(65)
	s.prevent = []uint64{1, 2, 3}
	s.registered = make([]registration, maxNexuses)
	for i := range s.registered {
		s.registered[i] = registration{uint64(i), uint64(i) << 40}
	}
	s.position, s.mediumGen, s.blockLength, s.pews, s.powerOn = 1<<60, 7, 12345, 99, -5
	b := make([]byte, stateSize)
	s.encode(b)
	var back state
	if err := back.decode(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back, cmp.AllowUnexported(state{}, attention{}, registration{})); diff != "" {
		t.Error(diff)
	}
	for at := range b {
		c := bytes.Clone(b)
		c[at] ^= 4
		if err := back.decode(c); !errors.Is(err, errDamaged) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
	if err := back.decode(b[:100]); !errors.Is(err, errDamaged) {
		t.Errorf("cut off: %v", err)
	}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	entries := []entry{{barcode: "A", media: "L6", element: 1001}, {barcode: "B", media: "LW", element: 1002, uses: 3, capacity: 1 << 50,
		earlyWarning: 9, source: 44, sourceValid: true, imported: true, writeProtected: true}}
	if err := createTable(path, entries); err != nil {
		t.Fatal(err)
	}
	open := func() *table {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return &table{file: f}
	}
	a, b := open(), open()
	id, e, err := a.at(1002)
	if err != nil || id != 2 {
		t.Fatal(id, err)
	}
	if diff := cmp.Diff(entries[1], e, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
	e.element = 1005
	if err := a.set(2, e); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*table{"writer": a, "other": b} {
		if id, _, err := x.at(1005); err != nil || id != 2 {
			t.Errorf("%s: %d, %v", name, id, err)
		}
		if id, _, err := x.at(1002); err != nil || id != 0 {
			t.Errorf("%s: %d, %v", name, id, err)
		}
	}
	if err := b.set(3, entry{barcode: "C", media: "L6", element: 1002}); err != nil {
		t.Fatal(err)
	}
	if id, _, err := a.at(1002); err != nil || id != 3 {
		t.Errorf("the new one: %d, %v", id, err)
	}
	if a.set(9, e) == nil || a.set(0, e) == nil {
		t.Error("a number that is not there")
	}
	if _, err := a.get(4); err == nil {
		t.Error("got a cartridge that is not there")
	}
	// A writer that was killed between its writes leaves an odd sequence: copies are then not trusted.
	if err := a.setSequence(7); err != nil {
		t.Fatal(err)
	}
	if id, _, err := b.at(1005); err != nil || id != 2 {
		t.Errorf("odd sequence: %d, %v", id, err)
	}
	e.element = 1006
	if _, err := a.file.WriteAt(e.encode(), tableHeader+tableRecord); err != nil {
		t.Fatal(err)
	}
	if id, _, err := b.at(1006); err != nil || id != 2 {
		t.Errorf("odd sequence, record changed: %d, %v", id, err)
	}
	if err := flipByte(path, tableHeader+40); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.at(1006); !errors.Is(err, errDamaged) {
		t.Errorf("damaged: %v", err)
	}
}

func TestThrottle(t *testing.T) {
	tm := Timing{Rate: 1e6, Buffer: 1e6}
	caughtUp, total := int64(0), time.Duration(0)
	now := int64(1e18)
	for range 10 { // 10 writes of half a second each, without a pause between them
		var wait time.Duration
		caughtUp, wait = tm.throttle(caughtUp, now, 5e5)
		now += int64(wait)
		total += wait
	}
	if total != 4*time.Second { // 5 s less what the buffer holds
		t.Errorf("waited %v, want 4 s", total)
	}
	// A host that was away does not gain more than the buffer.
	now += int64(time.Hour)
	caughtUp, w1 := tm.throttle(caughtUp, now, 1e6)
	_, w2 := tm.throttle(caughtUp, now, 1e6)
	if w1 != 0 || w2 != time.Second {
		t.Errorf("after a pause waited %v, %v", w1, w2)
	}
	if _, w := (&Timing{}).throttle(0, now, 1<<30); w != 0 {
		t.Errorf("no rate: waited %v", w)
	}
}

func TestRealTimes(t *testing.T) {
	for generation, want := range map[string]string{
		"LTO-5": "12s 17s 140", "LTO-6": "12s 17s 160", "LTO-7": "15s 20s 300", "LTO-8": "15s 24s 360", "LTO-9": "16s 56s 400",
	} {
		g, _ := generationNamed(generation)
		r := RealTiming(1).resolve(g, 40)
		if got := fmt.Sprintf("%v %v %d", r.Load, r.Unload, r.Rate/1e6); got != want {
			t.Errorf("%s: %s, want %s", generation, got, want)
		}
		// From the load point to the middle of a native tape takes the published average.
		m, _ := mediumWithSuffix(g.suffix)
		if d := r.travel(0, m.capacity/2) - g.locate; d > time.Second || d < -time.Second {
			t.Errorf("%s: half a tape takes %v, published %v", generation, r.travel(0, m.capacity/2), g.locate)
		}
	}
	g, _ := generationNamed("LTO-9")
	r := RealTiming(0.01).resolve(g, 40)
	if r.Rate != 40e9 || r.Move != 100*time.Millisecond {
		t.Errorf("a hundred times faster: %+v", r)
	}
	if r := (Timing{Real: true, Move: time.Second}).resolve(g, 1); r.Move != time.Second {
		t.Errorf("a time that was set: %v", r.Move)
	}
}

func TestMedia(t *testing.T) {
	// Density, medium type, capacity in GB as the LTO programme publishes them.
	for suffix, want := range map[string]string{"L3": "44 38 400", "L4": "46 48 800", "L5": "58 58 1500", "L6": "5A 68 2500",
		"L7": "5C 78 6000", "M8": "5D 78 9000", "L8": "5E 88 12000", "L9": "60 98 18000", "LA": "62 A8 30000", "PA": "63 A9 40000"} {
		m, ok := mediumWithSuffix(suffix)
		if got := fmt.Sprintf("%02X %02X %d", m.density, m.mediumType, m.capacity/1e9); !ok || got != want {
			t.Errorf("%s: %s, want %s", suffix, got, want)
		}
		if isWORM(suffix) {
			t.Errorf("%s is WORM", suffix)
		}
	}
	for worm, data := range map[string]string{"LT": "L3", "LU": "L4", "LV": "L5", "LW": "L6", "LX": "L7", "LY": "L8", "LZ": "L9", "LH": "LA"} {
		if m, ok := mediumWithSuffix(worm); !ok || m.suffix != data || !isWORM(worm) {
			t.Errorf("%s: %+v", worm, m)
		}
	}
	if _, ok := mediumWithSuffix(""); ok {
		t.Error("no suffix names a medium")
	}
}

// FuzzEntry decodes records of the table: what is accepted encodes to the same again.
func FuzzEntry(f *testing.F) {
	f.Add((&entry{barcode: "A00001L6", media: "L6", element: 1001}).encode())
	f.Add((&entry{barcode: "", media: "CU", uses: 50, source: 7, sourceValid: true}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != tableRecord {
			return
		}
		var e, again entry
		if e.decode(b) != nil {
			return
		}
		if err := again.decode(e.encode()); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if diff := cmp.Diff(e, again, cmp.AllowUnexported(entry{})); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzAttributeList applies parameter lists of WRITE ATTRIBUTE: what is accepted holds the rules, and the old attributes are
// not touched.
func FuzzAttributeList(f *testing.F) {
	f.Add([]byte{0, 0, 0, 7, 8, 0, 1, 0, 2, 'a', 'b'})
	f.Add([]byte{0, 0, 0, 5, 8, 3, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		old := map[uint16]attribute{0x0803: {Format: 2, Value: []byte("label")}}
		next, s := withAttributes(old, b)
		if len(old) != 1 || string(old[0x0803].Value) != "label" {
			t.Error("the old attributes changed")
		}
		if s != nil {
			if s.key != 5 || next != nil {
				t.Errorf("refused with key %d and %d attributes", s.key, len(next))
			}
			return
		}
		for id, a := range next {
			rule, known := hostAttributes[id]
			if len(a.Value) == 0 || len(a.Value) > len(b)+5 || known && (len(a.Value) > rule.length || a.Format != rule.format) ||
				!known && (id < 0x1400 || id > 0x17FF) {
				t.Errorf("attribute %04X, format %d, %d bytes", id, a.Format, len(a.Value))
			}
		}
	})
}

func TestCommandTables(t *testing.T) {
	// SPC-5 4.2.5: the length of a CDB follows from the top three bits of the operation code.
	lengths := map[byte]int{0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
	for name, set := range map[string]*commandSet{"changer": changerCommands(), "drive": driveCommands()} {
		total := 0
		for op, list := range set {
			for i, c := range list {
				total++
				if len(c.usage) != lengths[byte(op)>>5] || c.usage[0] != byte(op) || c.op != byte(op) || c.run == nil || c.timeout < time.Minute {
					t.Errorf("%s: command %02X %s: %d bytes of usage, timeout %v", name, op, c.name, len(c.usage), c.timeout)
				}
				if len(list) > 1 && (c.action < 0 || c.usage[1]&0x1F != 0x1F) {
					t.Errorf("%s: command %02X %s number %d has no service action", name, op, c.name, i)
				}
			}
		}
		if total < 20 {
			t.Errorf("%s: only %d commands", name, total)
		}
	}
}

func TestSenseEncoding(t *testing.T) {
	s := (&sense{key: 3, asc: 0x11, ascq: 1, eom: true, ili: true}).information(-2)
	if got := fmt.Sprintf("% X", s.encode(false)); got != "F0 00 63 FF FF FF FE 0A 00 00 00 00 11 01 00 00 00 00" {
		t.Errorf("fixed %s", got)
	}
	if got := fmt.Sprintf("% X", s.encode(true)); got != "72 03 11 01 00 00 00 10 00 0A 80 00 FF FF FF FF FF FF FF FE 04 02 00 60" {
		t.Errorf("descriptor %s", got)
	}
	// A count that fixed format cannot hold is left out there.
	wide := check(8, 0, 5).information(1 << 40)
	if b := wide.encode(false); b[0] != 0x70 {
		t.Errorf("fixed % X", b)
	}
	d := &sense{deferred: true, key: 4}
	if d.encode(false)[0] != 0x71 || d.encode(true)[0] != 0x73 {
		t.Error("deferred errors are not marked")
	}
	if got := fmt.Sprintf("% X", badCDB(0x102, 5).encode(false)[15:]); got != "CD 01 02" {
		t.Errorf("field pointer %s", got)
	}
	if got := fmt.Sprintf("% X", badParameter(7, -1).encode(false)[15:]); got != "80 00 07" {
		t.Errorf("parameter pointer %s", got)
	}
	if got := fmt.Sprintf("% X", notReady(4, 1).progress(0.5).encode(false)[15:]); got != "80 80 00" {
		t.Errorf("progress %s", got)
	}
}
