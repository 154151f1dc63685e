package vlib_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tapectl/internal/vlib"
)

func TestReadRules(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	wantRead(t, tr, 100, "8/00/05 info=100") // blank
	hundred := bytes.Repeat([]byte{7}, 100)
	wantWrite(t, tr, hundred, "GOOD")
	want(t, tr, marks(1, 0), "GOOD")
	wantWrite(t, tr, hundred, "GOOD")
	read := func(flags byte, n int) answer {
		return send(t, tr, []byte{0x08, flags, 0, byte(n >> 8), byte(n), 0}, nil, n)
	}
	tests := map[string]struct {
		flags byte
		n     int
		want  string
		data  int
		resid int
	}{
		"exact":               {0, 100, "GOOD", 100, 0},
		"short block":         {0, 150, "0/00/00 ILI info=50", 100, 50},
		"long block":          {0, 60, "0/00/00 ILI info=-40", 60, 0},
		"short block, SILI":   {2, 150, "GOOD", 100, 50},
		"long block, SILI":    {2, 60, "GOOD", 60, 0}, // block length 0: silent
		"zero length":         {0, 0, "GOOD", 0, 0},
		"fixed, no length":    {1, 1, "5/24/00", 0, 1},
		"fixed and SILI":      {3, 1, "5/24/00", 0, 1},
		"reserved bit":        {4, 1, "5/24/00", 0, 1},
		"far too long, short": {0, 65535, "0/00/00 ILI info=65435", 100, 65435},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want(t, tr, rewindOp, "GOOD")
			a := read(test.flags, test.n)
			if a.String() != test.want || len(a.data) != test.data || a.resid != test.resid {
				t.Errorf("%s, %d bytes, residual %d; want %s, %d, %d", a, len(a.data), a.resid, test.want, test.data, test.resid)
			}
		})
	}
	t.Run("filemark and end", func(t *testing.T) {
		want(t, tr, rewindOp, "GOOD")
		wantRead(t, tr, 100, "GOOD")
		wantRead(t, tr, 64, "0/00/01 FM info=64")
		wantRead(t, tr, 100, "GOOD")
		for range 2 {
			if a := read(0, 64); a.String() != "8/00/05 info=64" || a.resid != 64 {
				t.Errorf("at the end: %s, residual %d", a, a.resid)
			}
		}
	})
	t.Run("buffer smaller than the length", func(t *testing.T) {
		want(t, tr, rewindOp, "GOOD")
		a := send(t, tr, []byte{0x08, 0, 0, 0, 100, 0}, nil, 40)
		if a.String() != "GOOD" || a.resid != -60 || !bytes.Equal(a.data, hundred[:40]) {
			t.Errorf("%s, residual %d, %d bytes", a, a.resid, len(a.data))
		}
	})
}

// setBlockLength is a parameter list of MODE SELECT (6) with the block length.
func setBlockLength(n int) []byte {
	return []byte{0, 0, 0x10, 8, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}
}

var modeSelect12 = []byte{0x15, 0x10, 0, 0, 12, 0}

func TestFixedBlocks(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	if a := send(t, tr, modeSelect12, setBlockLength(512), 0); a.String() != "GOOD" {
		t.Fatal(a)
	}
	data := make([]byte, 5*512)
	for i := range data {
		data[i] = byte(i / 512)
	}
	if a := send(t, tr, []byte{0x0A, 1, 0, 0, 5, 0}, data, 0); a.String() != "GOOD" || a.resid != 0 {
		t.Fatal(a)
	}
	want(t, tr, marks(1, 0), "GOOD")
	wantWrite(t, tr, make([]byte, 100), "GOOD")
	fixed := func(n int) answer { return send(t, tr, []byte{0x08, 1, 0, 0, byte(n), 0}, nil, n*512) }
	want(t, tr, rewindOp, "GOOD")
	if a := fixed(3); a.String() != "GOOD" || !bytes.Equal(a.data, data[:3*512]) {
		t.Errorf("3 blocks: %s", a)
	}
	if a := fixed(4); a.String() != "0/00/01 FM info=2" || !bytes.Equal(a.data, data[3*512:]) || a.resid != 1024 {
		t.Errorf("into the filemark: %s, residual %d", a, a.resid)
	}
	if a := fixed(2); a.String() != "0/00/00 ILI info=2" {
		t.Errorf("a block of another length: %s", a)
	}
	if a := fixed(2); a.String() != "8/00/05 info=2" {
		t.Errorf("end of data: %s", a)
	}
	// With a block length, a block that is too long is reported in spite of SILI.
	want(t, tr, rewindOp, "GOOD")
	if a := send(t, tr, []byte{0x08, 2, 0, 0, 100, 0}, nil, 100); a.String() != "0/00/00 ILI info=-412" {
		t.Errorf("SILI, block too long, block length set: %s", a)
	}
}

func TestWriteTruncates(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	for range 5 {
		wantWrite(t, tr, make([]byte, 10), "GOOD")
	}
	want(t, tr, rewindOp, "GOOD")
	wantRead(t, tr, 10, "GOOD")
	wantWrite(t, tr, make([]byte, 20), "GOOD")
	wantRead(t, tr, 10, "8/00/05 info=10")
	want(t, tr, spaceCDB(0, -2), "GOOD")
	wantRead(t, tr, 10, "GOOD")
	wantRead(t, tr, 20, "GOOD")
	t.Run("less data than the CDB says", func(t *testing.T) {
		if a := send(t, tr, []byte{0x0A, 0, 0, 0, 50, 0}, make([]byte, 49), 0); a.String() != "B/4B/00" {
			t.Error(a)
		}
		wantRead(t, tr, 10, "8/00/05 info=10")
	})
	wantWrite(t, tr, nil, "GOOD") // length 0
	t.Run("filemarks", func(t *testing.T) {
		want(t, tr, rewindOp, "GOOD")
		want(t, tr, marks(0, 0), "GOOD") // a flush changes nothing
		wantRead(t, tr, 10, "GOOD")
		want(t, tr, marks(2, 1), "GOOD")
		wantRead(t, tr, 10, "8/00/05 info=10")
		want(t, tr, spaceCDB(1, -2), "GOOD")
		want(t, tr, spaceCDB(0, 1), "0/00/01 FM info=1")
	})
	t.Run("erase", func(t *testing.T) {
		want(t, tr, rewindOp, "GOOD")
		want(t, tr, []byte{0x19, 1, 0, 0, 0, 0}, "GOOD")
		wantRead(t, tr, 10, "8/00/05 info=10")
	})
}

func TestEndOfTape(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "E00001L6", Capacity: 10000, EarlyWarning: 3000}}})
	block := make([]byte, 1000)
	for range 7 {
		wantWrite(t, tr, block, "GOOD")
	}
	// The block that ends in the early warning zone was written.
	wantWrite(t, tr, block, "0/00/02 EOM info=0")
	want(t, tr, marks(1, 0), "0/00/02 EOM info=0")
	wantWrite(t, tr, block, "0/00/02 EOM info=0")
	position := func() byte {
		return send(t, tr, []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}, nil, 32).data[0]
	}
	if f := position(); f&0x40 == 0 {
		t.Errorf("position flags %02X lack EOP behind early warning", f)
	}
	// The physical end: not written, and the position stays.
	wantWrite(t, tr, make([]byte, 1001), "D/00/02 EOM info=1001")
	wantWrite(t, tr, block, "0/00/02 EOM info=0")
	wantWrite(t, tr, block[:1], "D/00/02 EOM info=1")
	want(t, tr, marks(1, 0), "0/00/02 EOM info=0")
	want(t, tr, rewindOp, "GOOD")
	for range 8 {
		wantRead(t, tr, 1000, "GOOD")
	}
	wantRead(t, tr, 1000, "0/00/01 FM info=1000")
	wantRead(t, tr, 1000, "GOOD")
	wantRead(t, tr, 1000, "GOOD")
	wantRead(t, tr, 1000, "0/00/01 FM info=1000")
	wantRead(t, tr, 1000, "8/00/05 info=1000")
	t.Run("fixed", func(t *testing.T) {
		if a := send(t, tr, modeSelect12, setBlockLength(4000), 0); a.String() != "GOOD" {
			t.Fatal(a)
		}
		want(t, tr, rewindOp, "GOOD")
		a := send(t, tr, []byte{0x0A, 1, 0, 0, 3, 0}, make([]byte, 12000), 0)
		if a.String() != "D/00/02 EOM info=1" || a.resid != 4000 {
			t.Errorf("%s, residual %d", a, a.resid)
		}
	})
	t.Run("default zone", func(t *testing.T) {
		_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 8000})
		wantWrite(t, tr, make([]byte, 7000), "GOOD")
		wantWrite(t, tr, make([]byte, 1), "0/00/02 EOM info=0")
	})
}

func TestProgrammableEarlyWarning(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "E00001L6", Capacity: 10e6, EarlyWarning: 1e6}}})
	page := make([]byte, 4+32)
	copy(page[4:], []byte{0x50, 0x01, 0, 0x1C, 0, 0, 0, 3}) // PEWS 3 MB
	if a := send(t, tr, []byte{0x15, 0x10, 0, 0, 36, 0}, page, 0); a.String() != "GOOD" {
		t.Fatal(a)
	}
	wantWrite(t, tr, make([]byte, 5_000_000), "GOOD")
	wantWrite(t, tr, make([]byte, 1_500_000), "0/00/07 EOM info=0") // crosses 6 MB
	wantWrite(t, tr, make([]byte, 1_000_000), "GOOD")
	wantWrite(t, tr, make([]byte, 2_000_000), "0/00/02 EOM info=0")
}

func TestWriteProtection(t *testing.T) {
	l, ch, tr := loadedLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "P00001L6", Capacity: 1 << 20, WriteProtected: true},
		{Barcode: "P00002L4", Capacity: 1 << 20}}})
	changes := map[string][]byte{"WRITE FILEMARKS": marks(1, 0), "ERASE": {0x19, 0, 0, 0, 0, 0}, "FORMAT": {4, 0, 0, 0, 0, 0},
		"SET CAPACITY": {0x0B, 0, 0, 0x80, 0, 0}}
	for name, cdb := range changes {
		if a := send(t, tr, cdb, nil, 0); a.String() != "7/27/00" {
			t.Errorf("%s: %s", name, a)
		}
	}
	wantWrite(t, tr, make([]byte, 1), "7/27/00")
	if a := send(t, tr, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); len(a.data) != 12 || a.data[2] != 0x90 {
		t.Errorf("mode header % X lacks WP", a.data)
	}
	want(t, tr, unloadOp, "GOOD")
	want(t, ch, moveCDB(257, 1001), "GOOD")
	must(t, l.SetWriteProtect("P00001L6", false))
	want(t, ch, moveCDB(1001, 257), "GOOD")
	quiet(t, tr)
	wantWrite(t, tr, make([]byte, 1), "GOOD")
	t.Run("software", func(t *testing.T) {
		page := append(make([]byte, 4), 0x10, 0x0E, 0, 0, 0, 0, 0, 0x64, 0x40, 0, 0x1C, 0, 0, 0, 1, 0)
		if a := send(t, tr, []byte{0x15, 0x10, 0, 0, 20, 0}, page, 0); a.String() != "GOOD" {
			t.Fatal(a)
		}
		wantWrite(t, tr, make([]byte, 1), "7/27/02")
		page[4+10] = 0x18
		if a := send(t, tr, []byte{0x15, 0x10, 0, 0, 20, 0}, page, 0); a.String() != "GOOD" {
			t.Fatal(a)
		}
		wantWrite(t, tr, make([]byte, 1), "GOOD")
	})
	t.Run("two generations back", func(t *testing.T) {
		want(t, tr, unloadOp, "GOOD")
		want(t, ch, moveCDB(257, 1001), "GOOD")
		want(t, ch, moveCDB(1002, 257), "GOOD")
		quiet(t, tr)
		wantWrite(t, tr, make([]byte, 1), "7/30/05")
		wantRead(t, tr, 1, "8/00/05 info=1")
	})
}

func TestWORM(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "W00001LW", Capacity: 1 << 20}}})
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	want(t, tr, rewindOp, "GOOD")
	wantWrite(t, tr, make([]byte, 10), "7/30/0C")
	want(t, tr, marks(1, 0), "7/30/0C")
	want(t, tr, []byte{0x19, 0, 0, 0, 0, 0}, "7/30/0C")
	want(t, tr, []byte{0x04, 0, 0, 0, 0, 0}, "7/30/0C")
	want(t, tr, []byte{0x0B, 0, 0, 0x80, 0, 0}, "7/30/0C")
	want(t, tr, spaceCDB(3, 0), "GOOD")
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	if a := send(t, tr, []byte{0x1A, 8, 0x1D, 0, 36, 0}, nil, 36); len(a.data) != 36 || a.data[4+2]&1 == 0 {
		t.Errorf("medium configuration page % X lacks WORMM", a.data)
	}
	if a := send(t, tr, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); a.data[1] != 0x6C || a.data[4] != 0x5A {
		t.Errorf("medium type %02X density %02X, want 6C 5A", a.data[1], a.data[4])
	}
}

func TestAppendOnly(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	want(t, tr, []byte{0x82, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "5/20/0C")
	page := make([]byte, 4+32)
	copy(page[4:], []byte{0x50, 0x01, 0, 0x1C, 0, 0x10})
	if a := send(t, tr, []byte{0x15, 0x10, 0, 0, 36, 0}, page, 0); a.String() != "GOOD" {
		t.Fatal(a)
	}
	for range 3 {
		wantWrite(t, tr, make([]byte, 10), "GOOD")
	}
	want(t, tr, spaceCDB(0, -2), "GOOD")
	wantWrite(t, tr, make([]byte, 10), "7/50/01")
	want(t, tr, []byte{0x82, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0}, "5/24/00")
	want(t, tr, []byte{0x82, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, "GOOD")
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	wantRead(t, tr, 10, "8/00/05 info=10")
	// The permission ends with a movement.
	want(t, tr, spaceCDB(0, -1), "GOOD")
	want(t, tr, []byte{0x82, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, "GOOD")
	want(t, tr, rewindOp, "GOOD")
	want(t, tr, spaceCDB(0, 1), "GOOD")
	wantWrite(t, tr, make([]byte, 10), "7/50/01")
}

// TestRottenBlock damages a block in its file: the drive reports it instead of returning it.
func TestRottenBlock(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	for n := range 3 {
		wantWrite(t, tr, block(1, n), "GOOD")
	}
	path := filepath.Join(l.Folder(), "cartridges", "00001", "data")
	b, err := os.ReadFile(path)
	must(t, err)
	b[len(block(1, 0))+500] ^= 1
	must(t, os.WriteFile(path, b, 0o666))
	want(t, tr, rewindOp, "GOOD")
	wantRead(t, tr, len(block(1, 0)), "GOOD")
	if data := wantRead(t, tr, 4096, "3/11/00 info=4096"); len(data) != 0 {
		t.Errorf("%d bytes of the rotten block arrived", len(data))
	}
	if got := wantRead(t, tr, len(block(1, 2)), "GOOD"); !bytes.Equal(got, block(1, 2)) {
		t.Error("the block behind the rotten one is not as written")
	}
}

func TestSetCapacityAndFormat(t *testing.T) {
	_, ch, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 100_000})
	wantWrite(t, tr, make([]byte, 10), "GOOD")
	want(t, tr, []byte{0x0B, 0, 0, 0x80, 0, 0}, "5/3B/0C")
	want(t, tr, rewindOp, "GOOD")
	want(t, tr, []byte{0x0B, 0, 0, 0x80, 0, 0}, "GOOD") // half
	wantRead(t, tr, 10, "8/00/05 info=10")
	wantWrite(t, tr, make([]byte, 50_002), "D/00/02 EOM info=50002")
	wantWrite(t, tr, make([]byte, 50_000), "0/00/02 EOM info=0")
	want(t, tr, unloadOp, "GOOD")
	want(t, ch, moveCDB(257, 1001), "GOOD")
	want(t, ch, moveCDB(1001, 257), "GOOD")
	quiet(t, tr)
	wantWrite(t, tr, make([]byte, 50_002), "D/00/02 EOM info=50002")
	want(t, tr, []byte{0x0B, 0, 0, 0xFF, 0xFF, 0}, "GOOD")
	wantWrite(t, tr, make([]byte, 50_002), "GOOD")
	want(t, tr, []byte{0x04, 0, 0, 0, 0, 0}, "5/3B/0C")
	want(t, tr, rewindOp, "GOOD")
	want(t, tr, []byte{0x04, 0, 1, 0, 0, 0}, "5/24/00")
	want(t, tr, []byte{0x04, 0, 0, 0, 0, 0}, "GOOD")
	wantRead(t, tr, 10, "8/00/05 info=10")
}

// TestFilemarksAreBounded holds a single command to a size that a folder can stand.
func TestFilemarksAreBounded(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	want(t, tr, marks(0xFFFFFF, 0), fmt.Sprintf("D/00/02 EOM info=%d", 0xFFFFFF))
	want(t, tr, marks(1000, 0), "GOOD")
	want(t, tr, spaceCDB(1, -1000), "GOOD")
	want(t, tr, spaceCDB(1, 1001), "8/00/05 info=1")
}
