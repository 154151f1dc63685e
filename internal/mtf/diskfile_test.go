package mtf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// samples returns the folder of sample files or skips the test.
func samples(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TAPECTL_SAMPLES")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root == filepath.Dir(root) {
				t.Skip("no go.mod above the package, so no folder of samples")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "samples")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the sample files are not here: %v", err)
	}
	return dir
}

func TestWalkSQLServer(t *testing.T) {
	dir := samples(t)
	for _, tc := range []struct {
		name        string
		long        bool // soft filemarks of SQL Server 2008 and later
		sfmb, msda  int
		description string
	}{
		{"sql2005-9.0.1399-northwind.bak", false, 3, 1, ""},
		{"sql2008r2-10.50.2500-northwind.bak", true, 3, 1, ""},
		{"sql2014-12.0.4213-products.bak", true, 3, 1, ""},
		{"sql2016-13.0.5026-testdb.bak", true, 3, 1, ""},
		{"sql2019-15.0.2070-testdb.bak", true, 3, 2, ""},
		{"sql2022-16.0.1000-stripe-of-2.bak", true, 3, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "sqlserver", tc.name))
			if err != nil {
				t.Skip(err)
			}
			c := sqlCheck{t: t, count: map[ID]int{}, image: b}
			if err := Walk(bytes.NewReader(b), int64(len(b)), c.event); err != nil {
				t.Fatal(err)
			}
			if c.count[IDSSET] != 1 || c.count[IDESET] != 2 || c.count[IDVOLB] != 1 || c.count[IDSFMB] != tc.sfmb {
				t.Errorf("blocks: %v", c.count)
			}
			msda := ID(binary.LittleEndian.Uint32([]byte("MSDA")))
			if c.count[msda] != tc.msda {
				t.Errorf("%d MSDA blocks, want %d", c.count[msda], tc.msda)
			}
			if c.sets != 1 {
				t.Errorf("set map has %d sets", c.sets)
			}
		})
	}
}

// sqlCheck verifies what a block says about the file around it.
type sqlCheck struct {
	t     *testing.T
	count map[ID]int
	image []byte
	sset  int64
	marks []uint64
	date  DateTime
	sets  int
}

func (c *sqlCheck) event(e Event) error {
	t := c.t
	if e.Stream != nil {
		if e.Stream.ID == StreamTSMP {
			_, sets, err := UnmarshalSetMap(c.image[e.Offset+StreamHeaderSize:][:e.Stream.Length])
			if err != nil {
				t.Error(err)
				return nil
			}
			c.sets = len(sets)
			if sets[0].SSETObject != uint64(c.sset) || sets[0].Date != c.date || len(sets[0].Volumes) != 1 {
				t.Errorf("set map entry %+v does not fit the SSET at %d", sets[0], c.sset)
			}
		}
		return nil
	}
	c.count[e.Block.Type]++
	switch e.Block.Type {
	case IDTAPE:
		var b TAPE
		if err := b.Unmarshal(e.Raw); err != nil || TrimNUL(b.Software) != "Microsoft SQL Server" || b.VendorID != 0x1200 ||
			b.CatalogType != 3 || b.FormatLogical != 1024 {
			t.Errorf("TAPE %+v, %v", b, err)
		}
	case IDSSET:
		var b SSET
		if err := b.Unmarshal(e.Raw); err != nil || b.PBA != uint64(e.Offset) || b.Number != 1 || b.CatalogVersion != 2 {
			t.Errorf("SSET at %d: %+v, %v", e.Offset, b, err)
		}
		c.sset, c.date = e.Offset, b.Date
	case IDVOLB:
		var b VOLB
		if err := b.Unmarshal(e.Raw); err != nil || b.Attributes != 2 || b.Machine == "" || b.FLA != 1 {
			t.Errorf("VOLB %+v, %v", b, err)
		}
	case IDESET:
		var b ESET
		if err := b.Unmarshal(e.Raw); err != nil || b.Date != c.date || b.Number != 1 {
			t.Errorf("ESET %+v, %v", b, err)
		}
	case IDSFMB:
		var b SFMB
		if err := b.Unmarshal(e.Raw, true); err != nil || int(b.Used) != len(c.marks)+1 && int(b.Used) != len(c.marks) {
			t.Errorf("SFMB %d: used %d, %v, %v", len(c.marks), b.Used, b.PBA, err)
		}
		for i, v := range b.PBA {
			if k := len(c.marks) - 1 - i; k >= 0 && len(b.PBA) == len(c.marks) && v != c.marks[k] {
				t.Errorf("SFMB at %d: filemark %d is at %d, the table says %d", e.Offset, k, c.marks[k], v)
			}
		}
		c.marks = append(c.marks, uint64(e.Offset))
	}
	return nil
}

func TestWalkDamage(t *testing.T) {
	dir := samples(t)
	b, err := os.ReadFile(filepath.Join(dir, "sqlserver", "sql2014-12.0.4213-products.bak"))
	if err != nil {
		t.Skip(err)
	}
	var offsets []int64 // of every header
	if err := Walk(bytes.NewReader(b), int64(len(b)), func(e Event) error { offsets = append(offsets, e.Offset); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, at := range offsets {
		img := append([]byte(nil), b...)
		img[at+9] ^= 0x10
		err := Walk(bytes.NewReader(img), int64(len(img)), func(Event) error { return nil })
		var fe *FormatError
		if !errors.As(err, &fe) || fe.Offset != at {
			t.Errorf("header at %d damaged: %v", at, err)
		}
	}
	for size := int64(0); size < int64(len(b)); size += 64 << 9 {
		err := Walk(bytes.NewReader(b[:size]), size, func(Event) error { return nil })
		var fe *FormatError
		if size > 0 && !errors.As(err, &fe) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
}

func TestWalkForeign(t *testing.T) {
	for _, p := range [][]byte{bytes.Repeat([]byte("x"), 4096), make([]byte, 4096), []byte("MSSQLBAK")} {
		if err := Walk(bytes.NewReader(p), int64(len(p)), func(Event) error { return nil }); !errors.Is(err, ErrNotMTF) {
			t.Errorf("%.8q: %v", p, err)
		}
	}
}
