package mtf

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
)

const spoolMemory = 8 << 20

// spool collects the file and directory detail of a set: in memory up to 8 MiB, beyond that in an unlinked temporary
// file, so that millions of files cost no memory. The caller closes it.
type spool struct {
	dir   string
	limit int
	file  *os.File
	saved int64  // bytes in file
	mem   []byte // what follows them
}

func newSpool(dir string) *spool { return &spool{dir: dir, limit: spoolMemory} }

func (s *spool) size() int64 { return s.saved + int64(len(s.mem)) }

// add appends p and returns where it begins.
func (s *spool) add(p []byte) (int64, error) {
	if len(s.mem)+len(p) > s.limit {
		if err := s.save(); err != nil {
			return 0, err
		}
	}
	at := s.size()
	s.mem = append(s.mem, p...)
	return at, nil
}

func (s *spool) save() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "tapectl-catalog-*")
		if err != nil {
			return fmt.Errorf("create catalog spool: %w", err)
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("unlink catalog spool: %w", err)
		}
	}
	if _, err := s.file.WriteAt(s.mem, s.saved); err != nil {
		return fmt.Errorf("write catalog spool: %w", err)
	}
	s.saved += int64(len(s.mem))
	s.mem = s.mem[:0]
	return nil
}

// patch overwrites four bytes at an offset that add returned, plus something inside that record.
func (s *spool) patch(at int64, v uint32) error {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	if at >= s.saved {
		copy(s.mem[at-s.saved:], b[:])
		return nil
	}
	if _, err := s.file.WriteAt(b[:], at); err != nil {
		return fmt.Errorf("write catalog spool: %w", err)
	}
	return nil
}

// writeTo copies the spool to the medium. A medium error is returned as err; a spool that cannot be read gives spoolErr
// and zeros instead, so that the stream keeps its length.
func (s *spool) writeTo(ctx context.Context, o *output) (spoolErr, err error) {
	for at := int64(0); at < s.saved && spoolErr == nil; {
		p, err := o.space()
		if err != nil {
			return nil, err
		}
		p = p[:min(int64(len(p)), s.saved-at)]
		if n, rerr := s.file.ReadAt(p, at); n < len(p) {
			spoolErr = fmt.Errorf("read catalog spool: %w", rerr)
			if err := o.zeros(ctx, uint64(s.size()-at)); err != nil {
				return nil, err
			}
			return spoolErr, nil
		}
		at += int64(len(p))
		if err := o.advance(ctx, len(p)); err != nil {
			return nil, err
		}
	}
	return nil, o.write(ctx, s.mem)
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	s.mem = nil
}
