package vlib

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Create makes a virtual library in folder, which is created if need be and must be empty. What it wrote is removed
// again when it fails.
func Create(folder string, c Config) error {
	c = c.withDefaults()
	if c.Serial == "" {
		c.Serial = fmt.Sprintf("V%07X", random()&0xFFFFFFF)
	}
	fail := func(err error) error { return fmt.Errorf("create virtual library %s: %w", folder, err) }
	if err := c.check(); err != nil {
		return fail(err)
	}
	entries, err := c.entries()
	if err != nil {
		return fail(err)
	}
	existed, err := claim(folder)
	if err != nil {
		return fail(err)
	}
	c.Tapes = nil
	if err := write(folder, c, entries); err != nil {
		clear := clearFolder
		if !existed {
			clear = os.RemoveAll
		}
		return fail(errors.Join(err, clear(folder)))
	}
	return nil
}

// claim makes the folder or finds it empty.
func claim(folder string) (existed bool, err error) {
	if err := os.MkdirAll(filepath.Dir(folder), 0o777); err != nil {
		return false, err
	}
	err = os.Mkdir(folder, 0o777)
	if !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	list, err := os.ReadDir(folder)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("the folder is not empty")
	}
	return true, err
}

func clearFolder(folder string) error {
	list, err := os.ReadDir(folder)
	for _, e := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}

// write writes the files of a new library; library.json, by which Open knows it, comes last.
func write(folder string, c Config, entries []entry) error {
	for _, dir := range []string{nexusDir, "cartridges"} {
		if err := os.Mkdir(filepath.Join(folder, dir), 0o777); err != nil {
			return err
		}
	}
	for n := -1; n < c.Drives; n++ {
		dir := filepath.Join(folder, deviceName(n))
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		s := state{powerOn: time.Now().UnixNano()}
		s.resetModes()
		b := make([]byte, stateSize)
		s.encode(b)
		if err := os.WriteFile(filepath.Join(dir, stateName), b, 0o666); err != nil {
			return err
		}
	}
	if err := createTable(filepath.Join(folder, tableFile), entries); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, configFile), configuration{formatVersion, c})
}

// entries are the cartridges that the library starts with: named ones first, then generated ones, cleaning cartridges
// in the last slots.
func (c *Config) entries() ([]entry, error) {
	tapes := append([]TapeConfig(nil), c.Tapes...)
	digits := max(3, len(fmt.Sprint(c.TapeCount)), 6-len(c.BarcodePrefix))
	for n := range c.TapeCount {
		tapes = append(tapes, TapeConfig{Barcode: fmt.Sprintf("%s%0*d%s", c.BarcodePrefix, digits, n+1, c.Media), Media: c.Media})
	}
	for n := range c.CleaningTapes {
		tapes = append(tapes, TapeConfig{Barcode: fmt.Sprintf("CLNU%02dCU", n+1), Media: "CU",
			Element: uint16(c.ranges()[1].first + c.Slots - c.CleaningTapes + n)})
	}
	if len(tapes) > maxElementAddress {
		return nil, fmt.Errorf("%d tapes: at most %d", len(tapes), maxElementAddress)
	}
	taken := map[uint16]bool{}
	for _, t := range tapes {
		if t.Element != 0 && taken[t.Element] {
			return nil, fmt.Errorf("two tapes in element %d", t.Element)
		}
		taken[t.Element] = true
	}
	var list []entry
	next := c.ranges()[1].first
	for _, t := range tapes {
		for t.Element == 0 {
			if next >= c.ranges()[1].first+c.Slots {
				return nil, fmt.Errorf("%d tapes do not fit in %d slots", len(tapes), c.Slots)
			}
			if !taken[uint16(next)] {
				t.Element = uint16(next)
			}
			next++
		}
		e, err := c.entry(t)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// entry makes the record of a new cartridge.
func (c *Config) entry(t TapeConfig) (entry, error) {
	if err := checkText("barcode", t.Barcode, 32); err != nil {
		return entry{}, err
	}
	media := t.Media
	if _, ok := mediumWithSuffix(t.Barcode[max(0, len(t.Barcode)-2):]); media == "" && ok {
		media = t.Barcode[len(t.Barcode)-2:]
	}
	if media == "" {
		media = c.Media
	}
	m, ok := mediumWithSuffix(media)
	if !ok {
		return entry{}, fmt.Errorf("media identifier %q of tape %q is not known", media, t.Barcode)
	}
	if t.Capacity < 0 || t.EarlyWarning < 0 || t.Uses < 0 || int64(t.Uses) > 1<<31 {
		return entry{}, fmt.Errorf("negative capacity, early warning zone or uses of tape %q", t.Barcode)
	}
	e := entry{barcode: t.Barcode, media: media, element: t.Element, writeProtected: t.WriteProtected, capacity: t.Capacity,
		earlyWarning: t.EarlyWarning, uses: uint32(t.Uses)}
	if e.capacity == 0 {
		e.capacity = c.Capacity
	}
	if e.capacity == 0 {
		e.capacity = m.capacity
	}
	if e.earlyWarning == 0 {
		e.earlyWarning = c.EarlyWarning
	}
	if m.cleaning && e.uses == 0 {
		e.uses = uint32(c.CleaningUses)
	}
	if t.Element == shelf {
		return e, nil
	}
	rs := c.ranges()
	if !rs[1].has(t.Element) && !rs[2].has(t.Element) && !rs[3].has(t.Element) {
		return entry{}, fmt.Errorf("tape %q in element %d: there is no such storage, import/export or data transfer element",
			t.Barcode, t.Element)
	}
	return e, nil
}
