package mtfcheck

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
)

// setState is a set while it is checked.
type setState struct {
	c       *checker
	set     Set
	sset    *record
	cbid    uint64
	fid     uint64
	dirs    uint64
	dir     string
	device  string
	volumes int
	size    uint64
	want    []object // what the file and directory detail must hold
}

// object is one entry that the detail must have.
type object struct {
	r    *record
	name string
	size uint64
	sum  []byte
	bad  bool
}

// set checks one data set: body and end.
func (c *checker) set() error {
	s := &setState{c: c, set: Set{SSETObject: c.object}}
	c.begin()
	c.at = 0
	err := s.body()
	if errors.Is(err, errRegion) && c.eof {
		s.set.Truncated = true
		err = nil
	}
	if err != nil {
		return err
	}
	if c.at%uint64(c.p) != 0 {
		return c.errf("the set body ends inside of a physical block")
	}
	s.set.ESETObject = c.object
	if err := s.end(); err != nil {
		return err
	}
	c.lastSet = s.set.Number
	c.rep.Sets = append(c.rep.Sets, s.set)
	return nil
}

func (s *setState) next() (*record, error) {
	r, err := s.c.block(s.cbid, s.c.at/uint64(s.c.flb))
	s.cbid++
	return r, err
}

func (s *setState) body() error {
	r, err := s.next()
	if err != nil {
		return err
	}
	s.sset = r
	switch {
	case r.typ != "SSET":
		return s.c.errf("a data set begins with %s", r.typ)
	case r.num["pba"] != s.set.SSETObject:
		return s.c.errf("SSET: PBA is %d, stands at object %d", r.num["pba"], s.set.SSETObject)
	case r.num["number"] != uint64(s.c.lastSet)+1:
		return s.c.errf("SSET: set number %d behind set %d", r.num["number"], s.c.lastSet)
	case r.num["method"] == 0 || r.num["method"]&(r.num["method"]-1) != 0 || r.num["method"] > 32:
		return s.c.errf("SSET: attributes %#x", r.num["method"])
	case (r.num["attributes"] == 0x10000) != (r.num["catalog version"] == 2) || len(r.data["osdata"]) != 20:
		return s.c.errf("SSET: attributes %#x, catalog version %d, %d bytes of OS data", r.num["attributes"], r.num["catalog version"], len(r.data["osdata"]))
	}
	s.set.Number, s.set.Name = uint16(r.num["number"]), r.str["name"]
	if err := s.c.pad("SPAD", s.c.flb); err != nil {
		return err
	}
	for {
		if more, err := s.c.load(); err != nil || !more {
			return err
		}
		if r, err = s.next(); err != nil {
			return err
		}
		if done, err := s.object(r); err != nil || done {
			return err
		}
	}
}

// object handles one block of the body; done behind ESPB.
func (s *setState) object(r *record) (done bool, err error) {
	c := s.c
	if r.typ != "SSET" && r.num["attributes"] != 0 {
		return false, c.errf("%s: block attributes %#x", r.typ, r.num["attributes"])
	}
	switch r.typ {
	case "VOLB":
		s.volumes++
		s.device, s.dir = r.str["device"], ""
		s.want = append(s.want, object{r: r})
		return false, c.pad("SPAD", c.flb)
	case "DIRB":
		return false, s.directory(r)
	case "FILE":
		return false, s.file(r)
	case "ESPB":
		if err := c.pad("SPAD", c.p); err != nil {
			return false, err
		}
		return true, c.filemark()
	}
	return false, c.errf("%s in a set body", r.typ)
}

func (s *setState) directory(r *record) error {
	c := s.c
	s.dirs++
	if r.num["directory"] != s.dirs || s.volumes == 0 || len(r.data["osdata"]) != 32 {
		return c.errf("DIRB: directory id %d, want %d", r.num["directory"], s.dirs)
	}
	name, _, err := s.long(r, "PNAM")
	if err != nil {
		return err
	}
	if !strings.HasSuffix(name, "\x00") {
		return c.errf("DIRB: name %q does not end with NUL", name)
	}
	s.dir = strings.ReplaceAll(strings.TrimSuffix(name, "\x00"), "\x00", "/")
	s.set.Directories++
	s.want = append(s.want, object{r: r, name: name})
	return c.pad("SPAD", c.flb)
}

// long returns the name of a block, from its own stream where the block says so, and how many streams it took.
func (s *setState) long(r *record, id string) (string, int, error) {
	if r.num["flags"]&(1<<17) == 0 {
		return r.str["name"], 0, nil
	}
	p, err := s.summed(id)
	if err == nil && r.str["name"] != "" {
		err = s.c.errf("%s: a name in the block and in %s", r.typ, id)
	}
	return text(p), 2, err
}

// summed reads a small stream with its CSUM.
func (s *setState) summed(id string) ([]byte, error) {
	c := s.c
	h, err := c.stream()
	if err != nil {
		return nil, err
	}
	if h.id != id || h.fs != 0 || h.media != 0x20 || h.length > 1<<17 {
		return nil, c.errf("stream %s of %d bytes with attributes %#x %#x, want %s", h.id, h.length, h.fs, h.media, id)
	}
	p, err := c.take(int(h.length))
	if err != nil {
		return nil, err
	}
	return p, s.csum(xorLong(p))
}

func xorLong(p []byte) (x [4]byte) {
	for i, b := range p {
		x[i%4] ^= b
	}
	return x
}

func (s *setState) csum(want [4]byte) error {
	h, err := s.c.stream()
	if err == nil {
		err = s.c.plain(h, "CSUM")
	}
	if err != nil {
		return err
	}
	p, err := s.c.take(int(min(h.length, 5)))
	if err == nil && !bytes.Equal(p, want[:]) {
		err = s.c.errf("CSUM is % x, computed % x", p, want)
	}
	return err
}

// fileState is a file while its streams are checked.
type fileState struct {
	f       File
	data    int // number of the STAN stream
	last    uint64
	nonzero bool
}

func (s *setState) file(r *record) error {
	c := s.c
	s.fid++
	if r.num["directory"] != s.dirs || s.dirs == 0 || r.num["file"] != s.fid || len(r.data["osdata"]) != 32 {
		return c.errf("FILE: directory id %d and file id %d, want %d and %d", r.num["directory"], r.num["file"], s.dirs, s.fid)
	}
	name, streams, err := s.long(r, "FNAM")
	if err != nil {
		return err
	}
	fs := fileState{f: File{Path: strings.ReplaceAll(s.device+"/"+s.dir+"/"+name, "//", "/"), FLA: r.num["fla"]}, data: streams + 1}
	sum := sha256.New()
	if le(r.data["osdata"][28:32])&2 != 0 {
		p, err := s.summed("SYML")
		if err != nil {
			return err
		}
		fs.f.Link = string(p)
		fs.data += 2
		sum.Write(p)
	}
	if err := s.standard(r, &fs, func(p []byte) { sum.Write(p) }); err != nil {
		return err
	}
	h, err := c.stream()
	if err != nil {
		return err
	}
	if h.id != "SHA2" || h.media != 0 || h.fs&^0x8000 != 0 || h.length != 32 {
		return c.errf("stream %s of %d bytes, want SHA2", h.id, h.length)
	}
	p, err := c.take(32)
	if err != nil {
		return err
	}
	fs.f.SHA256 = [32]byte(sum.Sum(nil))
	if !bytes.Equal(p, fs.f.SHA256[:]) {
		return c.errf("%s: SHA-256 is %x, computed %x", fs.f.Path, p, fs.f.SHA256)
	}
	if err := c.pad("SPAD", c.flb); err != nil {
		return err
	}
	if h.fs != 0 {
		if err := s.corrupt(&fs); err != nil {
			return err
		}
	}
	s.size += fs.f.Size
	s.set.Files = append(s.set.Files, fs.f)
	s.want = append(s.want, object{r: r, name: name, size: fs.f.Size, sum: p, bad: fs.f.Corrupt})
	return nil
}

// standard reads the STAN stream, in one piece or of variable length.
func (s *setState) standard(r *record, fs *fileState, fn func(p []byte)) error {
	c := s.c
	for {
		h, err := c.stream()
		if err != nil {
			return err
		}
		if h.id != "STAN" || h.fs != 0 || h.media != 0 && h.media != 0x20 && h.media != 2 && h.media != 6 || h.media&2 == 0 && h.length != r.num["size"] {
			return c.errf("%s: stream %s of %d bytes with attributes %#x %#x, displayable size %d", fs.f.Path, h.id, h.length, h.fs, h.media, r.num["size"])
		}
		var x [4]byte
		n := uint64(0)
		if err := c.each(h.length, func(p []byte) {
			fn(p)
			for _, b := range p {
				x[n%4] ^= b
				n++
				if b != 0 {
					fs.nonzero, fs.last = true, fs.f.Size+n-1
				}
			}
		}); err != nil {
			return err
		}
		fs.f.Size += h.length
		if h.media == 0x20 {
			return s.csum(x)
		}
		if h.media != 2 {
			return nil
		}
	}
}

// corrupt reads the CFIL block that a SHA2 stream announced.
func (s *setState) corrupt(fs *fileState) error {
	r, err := s.next()
	if err != nil {
		return err
	}
	from := r.num["offset"]
	if r.typ != "CFIL" || r.num["stream"] != uint64(fs.data) || from > fs.f.Size || fs.nonzero && fs.last >= from {
		return s.c.errf("%s: %s for stream %d from %d, want CFIL for stream %d", fs.f.Path, r.typ, r.num["stream"], from, fs.data)
	}
	if f := r.num["flags"]; f != 1<<16 && f != 1<<17 {
		return s.c.errf("CFIL: attributes %#x", f)
	}
	fs.f.Corrupt, fs.f.CorruptFrom = true, from
	s.set.Corrupt++
	return s.c.pad("SPAD", s.c.flb)
}
