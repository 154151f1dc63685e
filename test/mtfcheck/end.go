package mtfcheck

import (
	"bytes"
	"crypto/sha256"
)

// end checks the end of a set: ESET, catalog, second ESET.
func (s *setState) end() error {
	c := s.c
	c.begin()
	c.at = 0
	first, err := s.eset()
	if err != nil {
		return err
	}
	if first.num["fdd"] != 0 || first.num["tsmp"] != 0 {
		return c.errf("first ESET: catalog addresses %d and %d", first.num["fdd"], first.num["tsmp"])
	}
	if s.sset.num["catalog version"] == 0 {
		if err := c.pad("SPAD", c.p); err != nil {
			return err
		}
	} else if err := s.catalog(first.num["attributes"]&(1<<16) != 0); err != nil {
		return err
	}
	if err := c.filemark(); err != nil {
		return err
	}
	s.set.NextObject = c.object
	return nil
}

func (s *setState) eset() (*record, error) {
	c := s.c
	if s.set.Truncated {
		// The blocks of the object that was cut are gone, the count goes on as they were.
		h, _, _ := c.blocks(c.object)
		if len(h) >= 40 {
			s.cbid = max(s.cbid, le(h[36:40]))
		}
	}
	r, err := c.block(s.cbid, 0)
	if err != nil {
		return nil, err
	}
	s.cbid++
	a := r.num["attributes"]
	s.set.Aborted = a&(1<<18) != 0
	switch {
	case r.typ != "ESET" || a&^(1<<18|1<<16) != 0:
		return nil, c.errf("%s with attributes %#x, want ESET", r.typ, a)
	case r.num["number"] != uint64(s.set.Number) || r.num["method"] != s.sset.num["method"] || r.num["date"] != s.sset.num["date"]:
		return nil, c.errf("ESET: set %d, method %#x do not fit the SSET", r.num["number"], r.num["method"])
	case r.num["corrupt"] != uint64(s.set.Corrupt):
		return nil, c.errf("ESET: %d corrupt files, found %d", r.num["corrupt"], s.set.Corrupt)
	case s.set.Truncated && !s.set.Aborted:
		return nil, c.errf("the set ends in the middle of an object and is not marked as aborted")
	}
	return r, nil
}

func (s *setState) catalog(aborted bool) error {
	c := s.c
	if err := c.pad("OTCP", c.p); err != nil {
		return err
	}
	fdd := uint64(0)
	if !aborted {
		fdd = c.object
		if err := s.detail(); err != nil {
			return err
		}
		s.set.Catalog = true
	}
	tsmp := c.object
	if err := s.setMap(fdd); err != nil {
		return err
	}
	if c.at%uint64(c.p) != 0 {
		return c.errf("the second ESET is not on a physical block")
	}
	second, err := s.eset()
	if err != nil {
		return err
	}
	if second.num["fdd"] != fdd || second.num["tsmp"] != tsmp {
		return c.errf("second ESET: catalog at %d and %d, found at %d and %d", second.num["fdd"], second.num["tsmp"], fdd, tsmp)
	}
	return c.pad("SPAD", c.p)
}

// detail checks the TFDD stream against the body.
func (s *setState) detail() error {
	c := s.c
	h, err := c.stream()
	if err == nil {
		err = c.plain(h, "TFDD")
	}
	if err != nil {
		return err
	}
	begin := c.at
	var dirAt uint64
	links := newLinks()
	for i, o := range s.want {
		at := c.at - begin
		e, err := s.entry(o.r.typ)
		if err != nil {
			return err
		}
		if err := s.compare(e, o); err != nil {
			return err
		}
		switch o.r.typ {
		case "DIRB":
			dirAt = at
		case "FILE":
			if e.num["link"] != dirAt {
				return c.errf("entry %d: its directory stands at %d, link is %d", i, dirAt, e.num["link"])
			}
		}
		links.add(o, at, e.num["link"])
	}
	if err := links.check(); err != nil {
		return c.errf("%w", err)
	}
	fend, err := c.take(36)
	if err != nil {
		return err
	}
	gap := le(fend[:2])
	if string(fend[2:6]) != "FEND" || gap < 36 || c.at-36+gap-begin != h.length {
		return c.errf("FEND of %d bytes ends at %d, TFDD at %d", gap, c.at-36+gap-begin, h.length)
	}
	clean := len(bytes.Trim(fend[6:], "\x00")) == 0
	if err := c.each(gap-36, func(p []byte) { clean = clean && len(bytes.Trim(p, "\x00")) == 0 }); err != nil {
		return err
	}
	if !clean {
		return c.errf("FEND holds bytes that are not zero")
	}
	if c.at%uint64(c.p) == 0 {
		return nil
	}
	return c.pad("OTCP", c.p)
}

// entry reads one catalog entry of a type.
func (s *setState) entry(typ string) (*record, error) {
	c := s.c
	h, err := c.take(2)
	if err != nil {
		return nil, err
	}
	n := int(le(h))
	if n < 61 {
		return nil, c.errf("%s entry of %d bytes", typ, n)
	}
	rest, err := c.take(n - 2)
	if err != nil {
		return nil, err
	}
	r, err := parseEntry(append(h, rest...), typ)
	if err != nil {
		return nil, c.errf("%w", err)
	}
	return r, nil
}

// compare holds an entry against the block it describes.
func (s *setState) compare(e *record, o object) error {
	c := s.c
	for _, name := range []string{"fla", "os", "osversion", "attributes", "modified", "created", "backup", "accessed", "date"} {
		if e.num[name] != o.r.num[name] {
			return c.errf("%s entry: %s is %d, in the block %d", o.r.typ, name, e.num[name], o.r.num[name])
		}
	}
	flags := o.r.num["flags"] &^ (1 << 17)
	if o.bad {
		flags |= 1 << 18
	}
	if e.num["flags"] != flags || e.num["sequence"] == 0 || e.num["size"] != o.size || e.str["name"] != o.name {
		return c.errf("%s entry %q: attributes %#x, size %d; the block %q has %#x, %d", o.r.typ, e.str["name"], e.num["flags"], e.num["size"], o.name,
			flags, o.size)
	}
	for _, name := range []string{"device", "label", "machine"} {
		if e.str[name] != o.r.str[name] {
			return c.errf("VOLB entry: %s is %q, in the block %q", name, e.str[name], o.r.str[name])
		}
	}
	a, b := e.data["osdata"], append([]byte(nil), o.r.data["osdata"]...)
	if o.r.typ == "FILE" {
		b[28] |= 1
		b = append(b, o.sum...)
	}
	if len(a) != len(b) || !bytes.Equal(a[4:], b[4:]) {
		return c.errf("%s entry %q: operating system data % x, want % x", o.r.typ, o.name, a, b)
	}
	return nil
}

// setMap checks the TSMP stream.
func (s *setState) setMap(fdd uint64) error {
	c := s.c
	h, err := c.stream()
	if err == nil {
		err = c.plain(h, "TSMP")
	}
	if err == nil && h.length > 64<<20 {
		err = c.errf("TSMP of %d bytes", h.length)
	}
	if err != nil {
		return err
	}
	p, err := c.take(int(h.length))
	if err != nil {
		return err
	}
	if err := s.mapEntries(p, fdd); err != nil {
		return err
	}
	h, err = c.stream()
	if err == nil {
		err = c.plain(h, "SHA2")
	}
	if err != nil {
		return err
	}
	got, err := c.take(int(min(h.length, 33)))
	if want := sha256.Sum256(p); err == nil && !bytes.Equal(got, want[:]) {
		err = c.errf("TSMP: SHA-256 is %x, computed %x", got, want)
	}
	if err != nil {
		return err
	}
	return c.pad("SPAD", c.p)
}

func (s *setState) mapEntries(p []byte, fdd uint64) error {
	c := s.c
	if len(p) < 8 || uint32(le(p[:4])) != c.family || le(p[4:6]) != uint64(s.set.Number) || le(p[6:8]) != 0 {
		return c.errf("TSMP: header % x", p[:min(len(p), 8)])
	}
	p = p[8:]
	if !bytes.HasPrefix(p, c.maps) {
		return c.errf("TSMP: the entries of the sets before are not what they were")
	}
	all := p
	p = p[len(c.maps):]
	if len(p) < 92 || int(le(p[:2])) > len(p) || le(p[:2]) < 92 {
		return c.errf("TSMP: entry of %d bytes", len(p))
	}
	n := int(le(p[:2]))
	r, err := parse("set map entry", p[:n], setMapTable)
	if err == nil {
		err = r.rest()
	}
	if err != nil {
		return c.errf("%w", err)
	}
	for name, want := range map[string]uint64{
		"attributes": s.sset.num["attributes"], "method": s.sset.num["method"], "pba": s.set.SSETObject, "fdd": fdd, "number": uint64(s.set.Number),
		"fla": 0, "directories": uint64(s.set.Directories), "files": uint64(len(s.set.Files)), "corrupt": uint64(s.set.Corrupt), "size": s.size,
		"volumes": uint64(s.volumes), "date": s.sset.num["date"], "os": 212, "osversion": 1, "strings": 2, "catalog version": 2,
	} {
		if r.num[name] != want {
			return c.errf("TSMP: %s of set %d is %d, want %d", name, s.set.Number, r.num[name], want)
		}
	}
	for _, name := range []string{"name", "description", "user"} {
		if r.str[name] != s.sset.str[name] {
			return c.errf("TSMP: %s is %q, in the SSET %q", name, r.str[name], s.sset.str[name])
		}
	}
	if err := s.mapVolumes(p[n:]); err != nil {
		return err
	}
	c.maps = append([]byte(nil), all...)
	return nil
}

func (s *setState) mapVolumes(p []byte) error {
	c := s.c
	for _, o := range s.want {
		if o.r.typ != "VOLB" {
			continue
		}
		if len(p) < 61 || int(le(p[:2])) > len(p) {
			return c.errf("TSMP: volume entry of %d bytes", len(p))
		}
		n := int(le(p[:2]))
		e, err := parseEntry(p[:n], "VOLB")
		if err != nil {
			return c.errf("TSMP: %w", err)
		}
		if err := s.compare(e, o); err != nil {
			return err
		}
		p = p[n:]
	}
	if len(p) != 0 {
		return c.errf("TSMP: %d bytes behind the last entry", len(p))
	}
	return nil
}
