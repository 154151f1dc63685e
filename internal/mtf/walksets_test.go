package mtf

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// threeSets writes three sets, each with the set map of those before.
func threeSets(t testing.TB, block int) (*memTape, []SetResult) {
	t.Helper()
	m := newTape(t, block)
	var all []SetResult
	var setMap []SetMapEntry
	for n := uint16(1); n <= 3; n++ {
		o := options(m, n, setMap)
		o.Name = fmt.Sprintf("set %d", n)
		res, _ := writeSet(t, m, o, sampleItems(block)[:7+int(n)])
		setMap = res.SetMap
		all = append(all, res)
	}
	return m, all
}

func TestWalkSets(t *testing.T) {
	ctx := context.Background()
	for _, block := range []int{1024, 65536, 262144} {
		m, all := threeSets(t, block)
		m.pos, m.reads = 2, 0
		var found []*SetInfo
		res, err := WalkSets(ctx, m, CatalogOptions{PhysicalBlock: block}, func(i *SetInfo) error { found = append(found, i); return nil })
		if err != nil {
			t.Fatal(err)
		}
		want := &WalkResult{Sets: 3, NextObject: uint64(len(m.objects)), NextNumber: 4, SetMap: all[2].SetMap}
		if d := cmp.Diff(want, res); d != "" {
			t.Error(d)
		}
		for i, f := range found {
			r := all[i]
			if f.Err != nil || f.End == nil || f.Number != uint16(i+1) || f.Name != fmt.Sprintf("set %d", i+1) || f.SSETObject != r.SSETObject ||
				f.End.ESETObject != r.ESETObject || f.End.FDDObject != r.FDDObject || f.End.NextObject != r.NextObject ||
				f.SetID != [16]byte{1, 2, 3, byte(i + 1)} || f.Method != MethodNormal || f.User != "root" || !f.Date.Equal(stamp.Truncate(1e9)) {
				t.Errorf("set %d: %+v", i+1, f)
			}
			if len(f.End.SetMap) != i+1 {
				t.Errorf("set %d: %d sets in its map", i+1, len(f.End.SetMap))
			}
		}
		stop := errors.New("stop")
		m.pos = 2
		if _, err := WalkSets(ctx, m, CatalogOptions{PhysicalBlock: block}, func(*SetInfo) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("stopped: %v", err)
		}
	}
}

// TestWalkSetsCut cuts the medium behind every object: what is complete is found, the rest is incomplete, and the append
// position is behind the last complete set.
func TestWalkSetsCut(t *testing.T) {
	m, all := threeSets(t, 4096)
	for cut := 2; cut <= len(m.objects); cut++ {
		c := &memTape{size: 4096, objects: m.objects[:cut], pos: 2}
		res, err := WalkSets(context.Background(), c, CatalogOptions{PhysicalBlock: 4096}, nil)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		complete, next := 0, uint64(2)
		for _, r := range all {
			if uint64(cut) >= r.NextObject {
				complete, next = complete+1, r.NextObject
			}
		}
		if res.Sets != complete || res.NextObject != next || res.Incomplete != (uint64(cut) > next) || int(res.NextNumber) != complete+1 {
			t.Errorf("cut at %d: %+v, want %d sets, next object %d", cut, res, complete, next)
		}
	}
}

func TestWalkSetsDamage(t *testing.T) {
	ctx := context.Background()
	m, all := threeSets(t, 4096)
	for _, tc := range []struct {
		name   string
		object uint64
		offset int
		end    bool // the damaged set still has an end
		mapErr bool
	}{
		{"SSET", all[1].SSETObject, 60, true, false},
		{"SSET name", all[1].SSETObject, 130, true, false},
		{"first ESET", all[1].ESETObject, 40, false, false},
		{"set map", all[1].TSMPObject, 80, true, true},
		{"set map stream", all[1].TSMPObject, 8, false, false},
		{"second ESET", all[1].NextObject - 2, 61, false, false},
	} {
		c := &memTape{size: 4096, objects: append([][]byte(nil), m.objects...), pos: 2}
		c.objects[tc.object] = append([]byte(nil), c.objects[tc.object]...)
		c.objects[tc.object][tc.offset] ^= 0x41
		var infos []*SetInfo
		res, err := WalkSets(ctx, c, CatalogOptions{PhysicalBlock: 4096}, func(i *SetInfo) error { infos = append(infos, i); return nil })
		if err != nil || len(infos) != 3 {
			t.Errorf("%s: %d sets, %v", tc.name, len(infos), err)
			continue
		}
		if res.NextObject != uint64(len(m.objects)) || res.NextNumber != 4 || len(res.SetMap) != 3 {
			t.Errorf("%s: %+v", tc.name, res)
		}
		i := infos[1]
		if (i.End != nil) != tc.end || i.Number != 2 || (i.Err == nil) != tc.mapErr || (i.End != nil && (i.End.SetMapError != nil) != tc.mapErr) {
			t.Errorf("%s: %+v, end %+v", tc.name, i, i.End)
		}
	}
}

func TestWalkSetsEndOfMedia(t *testing.T) {
	m, _ := threeSets(t, 4096)
	e := EOTM{LastESET: 9}
	b := make([]byte, 4096)
	if _, err := e.Marshal(b); err != nil {
		t.Fatal(err)
	}
	at := uint64(len(m.objects))
	m.objects = append(m.objects, b, nil)
	m.pos = 2
	res, err := WalkSets(context.Background(), m, CatalogOptions{PhysicalBlock: 4096}, nil)
	if err != nil || !res.EndOfMedia || res.NextObject != at || res.Sets != 3 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestWalkSetsEmpty(t *testing.T) {
	m := newTape(t, 4096)
	for _, extra := range []int{0, 1} {
		c := &memTape{size: 4096, objects: append(append([][]byte(nil), m.objects...), make([][]byte, extra)...), pos: 2}
		res, err := WalkSets(context.Background(), c, CatalogOptions{PhysicalBlock: 4096}, nil)
		if err != nil || res.Sets != 0 || res.NextObject != 2 || res.NextNumber != 1 {
			t.Errorf("%d filemarks more: %+v, %v", extra, res, err)
		}
	}
}

// TestCatalogDamage flips bits of the file and directory detail: no entry with other contents is returned.
func TestCatalogDamage(t *testing.T) {
	ctx := context.Background()
	m := newTape(t, 4096)
	res, _ := writeSet(t, m, options(m, 1, nil), sampleItems(4096)[:10])
	read := func(c *memTape) (names []string, err error) {
		c.pos = int(res.ESETObject)
		r, err := ReadCatalog(ctx, c, CatalogOptions{PhysicalBlock: 4096})
		if err != nil {
			return nil, err
		}
		for {
			e, err := r.Next(ctx)
			if err != nil {
				_, serr := r.SetMap(ctx)
				return names, errors.Join(err, serr)
			}
			e.Link = 0
			names = append(names, fmt.Sprintf("%+v", *e))
		}
	}
	want, _ := read(m)
	if len(want) != 11 {
		t.Fatalf("%d entries", len(want))
	}
	for at := StreamHeaderSize; at < 2500; at += 3 {
		c := &memTape{size: 4096, objects: append([][]byte(nil), m.objects...)}
		b := append([]byte(nil), c.objects[res.FDDObject]...)
		b[at] ^= 0x04
		c.objects[res.FDDObject] = b
		got, _ := read(c)
		for i := range got {
			if i >= len(want) || got[i] != want[i] {
				t.Fatalf("offset %d: entry %d is %s", at, i, got[i])
			}
		}
	}
}
