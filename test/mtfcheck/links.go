package mtfcheck

import (
	"fmt"
	"strings"
)

// parseEntry takes one catalog entry apart and verifies its CRC, in which the link counts as zero.
func parseEntry(raw []byte, typ string) (*record, error) {
	r, err := parse(typ+" entry", raw, []field{{"type", 2, 4, 'u'}}, entryHeaderTable, entryTables[typ])
	if err == nil {
		err = r.rest()
	}
	if err != nil {
		return nil, err
	}
	os := r.data["osdata"]
	if string(raw[2:6]) != typ || len(os) < 4 || r.num["os"] != 212 || r.num["strings"] != 2 {
		return nil, fmt.Errorf("entry %q, want a %s entry of tapectl", raw[2:6], typ)
	}
	if got, want := crcWithout(raw, [2]int{28, 4}, [2]int{r.at["osdata"], 4}), le(os[:4]); uint64(got) != want {
		return nil, fmt.Errorf("%s entry: CRC %#x, computed %#x", typ, want, got)
	}
	return r, nil
}

// links verifies the chains of volumes and of sibling directories: a directory links to the next one of the same parent,
// as far as no other branch came between.
type links struct {
	volumes []link
	dirs    []link
	volume  int
}

type link struct {
	path   []string
	volume int
	at, to uint64
}

func newLinks() *links { return &links{} }

func (l *links) add(o object, at, to uint64) {
	switch o.r.typ {
	case "VOLB":
		l.volume++
		l.volumes = append(l.volumes, link{at: at, to: to})
	case "DIRB":
		name := strings.TrimSuffix(o.name, "\x00")
		var path []string
		if name != "" {
			path = strings.Split(name, "\x00")
		}
		l.dirs = append(l.dirs, link{path: path, volume: l.volume, at: at, to: to})
	}
}

func (l *links) check() error {
	for i, v := range l.volumes {
		want := uint64(0)
		if i+1 < len(l.volumes) {
			want = l.volumes[i+1].at
		}
		if v.to != want {
			return fmt.Errorf("volume entry at %d links to %d, want %d", v.at, v.to, want)
		}
	}
	for i, d := range l.dirs {
		want := uint64(0)
		for _, e := range l.dirs[i+1:] {
			if e.volume != d.volume || !inside(d, e) {
				break
			}
			if len(e.path) == len(d.path) && len(d.path) > 0 {
				want = e.at
				break
			}
		}
		if d.to != want {
			return fmt.Errorf("directory entry %q at %d links to %d, want %d", d.path, d.at, d.to, want)
		}
	}
	return nil
}

// inside tells whether e lies below the parent of d.
func inside(d, e link) bool {
	n := max(len(d.path)-1, 0)
	if len(e.path) < n+1 {
		return false
	}
	for i := range n {
		if d.path[i] != e.path[i] {
			return false
		}
	}
	return true
}
