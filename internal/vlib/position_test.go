package vlib_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// markedTape writes b b M b b b M M b: objects 0 to 8, marks at 2, 6, 7.
func markedTape(t *testing.T, tr scsi.Transport) {
	t.Helper()
	for _, c := range "bbMbbbMMb" {
		if c == 'b' {
			wantWrite(t, tr, make([]byte, 10), "GOOD")
		} else {
			want(t, tr, marks(1, 0), "GOOD")
		}
	}
}

func locateCDB(object uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0x2B, 0, 0}, object), 0, 0, 0)
}

func locate16CDB(kind byte, id uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x92, kind << 3, 0, 0}, id), 0, 0, 0, 0)
}

func objectNumber(t testing.TB, tr scsi.Transport) int {
	t.Helper()
	a := send(t, tr, make10(0x34), nil, 20)
	if len(a.data) != 20 {
		t.Fatalf("READ POSITION: %s, %d bytes", a, len(a.data))
	}
	if last := binary.BigEndian.Uint32(a.data[8:]); last != binary.BigEndian.Uint32(a.data[4:]) {
		t.Errorf("last object %d differs", last)
	}
	return int(binary.BigEndian.Uint32(a.data[4:]))
}

func make10(op byte) []byte { return []byte{op, 0, 0, 0, 0, 0, 0, 0, 0, 0} }

func TestSpace(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	markedTape(t, tr)
	tests := []struct {
		from  int
		code  byte
		count int
		want  string
		to    int
	}{
		{0, 0, 2, "GOOD", 2},
		{0, 0, 3, "0/00/01 FM info=1", 3}, // stops behind the mark
		{0, 0, 9, "0/00/01 FM info=7", 3},
		{8, 0, 1, "GOOD", 9},
		{8, 0, 5, "8/00/05 info=4", 9},
		{6, 0, -3, "GOOD", 3},
		{6, 0, -4, "0/00/01 FM info=1", 2}, // stops before the mark
		{2, 0, -5, "0/00/04 EOM info=3", 0},
		{0, 0, -1, "0/00/04 EOM info=1", 0},
		{0, 1, 1, "GOOD", 3},
		{0, 1, 3, "GOOD", 8},
		{0, 1, 4, "8/00/05 info=1", 9},
		{9, 1, -1, "GOOD", 7}, // the side of the mark that is nearer to the beginning
		{9, 1, -3, "GOOD", 2},
		{9, 1, -4, "0/00/04 EOM info=1", 0},
		{7, 1, -1, "GOOD", 6},
		{4, 1, 0, "GOOD", 4},
		{4, 0, 0, "GOOD", 4},
		{1, 3, 0, "GOOD", 9},
		{1, 3, -5, "GOOD", 9},
		{1, 2, 1, "5/24/00", 1},
		{1, 4, 1, "5/24/00", 1},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("from %d code %d count %d", test.from, test.code, test.count), func(t *testing.T) {
			wide := append(binary.BigEndian.AppendUint64([]byte{0x91, test.code, 0, 0}, uint64(int64(test.count))), 0, 0, 0, 0)
			for _, cdb := range [][]byte{spaceCDB(test.code, test.count), wide} {
				want(t, tr, locateCDB(uint32(test.from)), "GOOD")
				want(t, tr, cdb, test.want)
				if at := objectNumber(t, tr); at != test.to {
					t.Errorf("% X: at object %d, want %d", cdb, at, test.to)
				}
			}
		})
	}
	t.Run("64 bit counts", func(t *testing.T) {
		for _, n := range []int64{1<<63 - 1, -1 << 63} {
			for code := byte(0); code < 2; code++ {
				cdb := append(binary.BigEndian.AppendUint64([]byte{0x91, code, 0, 0}, uint64(n)), 0, 0, 0, 0)
				if a := send(t, tr, cdb, nil, 0); a.status != scsi.StatusCheckCondition {
					t.Errorf("% X: %s", cdb, a)
				}
			}
		}
	})
}

func TestLocate(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	markedTape(t, tr)
	tests := map[string]struct {
		cdb  []byte
		want string
		to   int
	}{
		"object":             {locateCDB(4), "GOOD", 4},
		"end":                {locateCDB(9), "GOOD", 9},
		"beyond the end":     {locateCDB(10), "8/00/05", 9},
		"object, wide":       {locate16CDB(0, 5), "GOOD", 5},
		"all ones":           {locate16CDB(0, 1<<64-1), "8/00/05", 9},
		"file 0":             {locate16CDB(1, 0), "GOOD", 0},
		"file 1":             {locate16CDB(1, 1), "GOOD", 3},
		"file 3":             {locate16CDB(1, 3), "GOOD", 8},
		"file 4":             {locate16CDB(1, 4), "8/00/05", 9},
		"end of data":        {locate16CDB(3, 0), "GOOD", 9},
		"reserved type":      {locate16CDB(2, 0), "5/24/00", 1},
		"another partition":  {[]byte{0x2B, 2, 0, 0, 0, 0, 4, 0, 1, 0}, "5/24/00", 1},
		"partition 0":        {[]byte{0x2B, 2, 0, 0, 0, 0, 4, 0, 0, 0}, "GOOD", 4},
		"device's own":       {[]byte{0x2B, 4, 0, 0, 0, 0, 4, 0, 0, 0}, "5/24/00", 1},
		"wide, partition 1":  {[]byte{0x92, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}, "5/24/00", 1},
		"immediate":          {[]byte{0x2B, 1, 0, 0, 0, 0, 4, 0, 0, 0}, "GOOD", 4},
		"rewind":             {rewindOp, "GOOD", 0},
		"rewind immediately": {[]byte{1, 1, 0, 0, 0, 0}, "GOOD", 0},
		"load when loaded":   {loadOp, "GOOD", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want(t, tr, locateCDB(1), "GOOD")
			want(t, tr, test.cdb, test.want)
			if at := objectNumber(t, tr); at != test.to {
				t.Errorf("at object %d, want %d", at, test.to)
			}
		})
	}
}

func TestReadPositionForms(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	if a := send(t, tr, make10(0x34), nil, 20); a.data[0] != 0x80 {
		t.Errorf("at the beginning: flags %02X, want BOP", a.data[0])
	}
	markedTape(t, tr)
	long := send(t, tr, []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}, nil, 32).data
	if len(long) != 32 || long[0] != 0 || binary.BigEndian.Uint64(long[8:]) != 9 || binary.BigEndian.Uint64(long[16:]) != 3 {
		t.Errorf("long form % X", long)
	}
	extended := send(t, tr, []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0}, nil, 32).data
	if len(extended) != 32 || extended[3] != 0x1C || binary.BigEndian.Uint64(extended[8:]) != 9 ||
		binary.BigEndian.Uint64(extended[16:]) != 9 {
		t.Errorf("extended form % X", extended)
	}
	if a := send(t, tr, []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 8, 0}, nil, 32); len(a.data) != 8 {
		t.Errorf("extended form cut to 8: %d bytes", len(a.data))
	}
	for _, cdb := range [][]byte{{0x34, 0, 0, 0, 0, 0, 0, 0, 20, 0}, {0x34, 6, 0, 0, 0, 0, 0, 0, 32, 0}, {0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0}} {
		want(t, tr, cdb, "5/24/00")
	}
}

func TestReadBlockLimits(t *testing.T) {
	_, _, tr := rawLab(t, vlib.Config{})
	a := send(t, tr, []byte{5, 0, 0, 0, 0, 0}, nil, 6)
	if fmt.Sprintf("% X", a.data) != "00 FF FF FF 00 01" {
		t.Errorf("READ BLOCK LIMITS % X", a.data)
	}
	if a := send(t, tr, []byte{5, 1, 0, 0, 0, 0}, nil, 20); len(a.data) != 20 || binary.BigEndian.Uint64(a.data[12:]) == 0 {
		t.Errorf("with MLOI % X", a.data)
	}
}
