package vlib

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// memory is the medium auxiliary memory of a cartridge, as far as it is not computed: memory.json.
type memory struct {
	Loads       uint64
	Initialized uint16 // times
	Changes     uint32 // volume change reference
	Written     uint64 // bytes in the medium's life
	Read        uint64
	LastWritten uint64 // bytes of the last load
	LastRead    uint64
	// Drives are vendor and serial number of the drives of the last four loads, the newest first.
	Drives []string `json:",omitempty"`
	// Proportion is what SET CAPACITY left of the capacity, in 1/65,535; 0 is all.
	Proportion uint16 `json:",omitempty"`
	// UsesLeft is how often a cleaning cartridge still works, plus 1; 0 is as many as the table says.
	UsesLeft uint32 `json:",omitempty"`
	// Attributes are those that hosts wrote.
	Attributes map[uint16]attribute `json:",omitempty"`
}

// attribute is an attribute that a host wrote.
type attribute struct {
	Format byte
	Value  []byte
}

const maxMemoryFile = 1 << 20

const memoryFile = "memory.json"

// readMemory reads the memory of a cartridge; one that was never loaded has none.
func readMemory(dir string) (memory, error) {
	var m memory
	if err := readJSON(filepath.Join(dir, memoryFile), maxMemoryFile, &m); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if m.Attributes == nil {
		m.Attributes = map[uint16]attribute{}
	}
	return m, nil
}

// writeMemory stores the memory of a cartridge; its folder may not be there yet.
func writeMemory(dir string, m memory) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, memoryFile), m)
}

// readJSON reads a file of at most limit bytes.
func readJSON(path string, limit int64, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > limit {
		return fmt.Errorf("read %s: more than %d bytes: %w", path, limit, errDamaged)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file at once: a reader sees the old or the new one.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	// Whoever writes holds the lock of the device, so that one name is enough.
	next := path + ".new"
	if err = os.WriteFile(next, append(b, '\n'), 0o666); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		os.Remove(next)
	}
	return err
}
