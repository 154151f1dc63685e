package vlib

import (
	"fmt"
	"strings"
)

// maxElementAddress is the last address that SMC-3 element fields can hold.
const maxElementAddress = 0xFFFF

// Config describes a virtual library. The zero value of every field means its default, so Config{} is a library of
// 24 slots with two LTO-6 drives and no tapes.
type Config struct {
	// Slots, Drives and MailSlots count the storage, data transfer and import/export elements. Defaults 24, 2, 0.
	Slots, Drives, MailSlots int
	// Generations names the generation of each drive, "LTO-5" to "LTO-10". The last one holds for the drives beyond it;
	// default LTO-6.
	Generations []string
	// Addresses are the first element addresses by type.
	Addresses Addresses

	// Tapes are cartridges that start in the storage elements, in order, unless TapeConfig.Element says otherwise.
	Tapes []TapeConfig
	// TapeCount more cartridges get the barcodes BarcodePrefix 001 Media, ..., in the free storage elements.
	TapeCount int
	// BarcodePrefix starts the generated barcodes; default "VTL".
	BarcodePrefix string
	// Media is the media identifier, the barcode's suffix, of generated tapes, such as "L6" or "LW"; default the one of
	// the first drive.
	Media string
	// Capacity of generated tapes in bytes of data; default the native capacity of the medium.
	Capacity int64
	// EarlyWarning is how many bytes before the end of the tape early warning is reported; default an eighth of the
	// capacity, at most 64 MiB.
	EarlyWarning int64
	// CleaningTapes is how many cleaning cartridges CLNU01CU, ... take the last storage elements.
	CleaningTapes int
	// CleaningUses is how often a cleaning cartridge works; default 50.
	CleaningUses int

	// Vendor, Product, Revision and Serial are what the changer's INQUIRY says. Defaults "TAPECTL ", "VIRTUAL LIBRARY",
	// "0100" and a serial number drawn at random. The drives' serial numbers are made from the changer's.
	Vendor, Product, Revision, Serial string

	// Exchange makes the changer know EXCHANGE MEDIUM.
	Exchange bool
	// NoBarcodeReader leaves all volume tags empty, as in a library without a reader.
	NoBarcodeReader bool
	// WriteBack makes drives keep accepted blocks in a buffer that a power loss empties: see Library.PowerLoss.
	WriteBack bool
	// Sync makes synchronizing commands wait until the host's file system has the data on stable storage.
	Sync bool

	Quirks Quirks
	Timing Timing
}

// Addresses are the first element addresses of the four element types (SMC-3 6.3.4 and mode page 1Dh). Zero means the
// default: medium transport 1, data transfer 257, import/export 769, storage 1001. There is one medium transport
// element.
type Addresses struct {
	MediumTransport, Storage, ImportExport, DataTransfer uint16
}

// TapeConfig describes one cartridge.
type TapeConfig struct {
	// Barcode is the label as the reader reads it, at most 32 characters; "" is a cartridge without a label.
	Barcode string
	// Media is the media identifier ("L6", "LW", "CU"); default the last two characters of the barcode if they are one,
	// else that of the library.
	Media string
	// Capacity in bytes of data; default the native capacity of the medium.
	Capacity int64
	// EarlyWarning in bytes before the end; default that of the library.
	EarlyWarning int64
	// WriteProtected is the tab of the cartridge.
	WriteProtected bool
	// Uses is how many cleanings are left in a cleaning cartridge.
	Uses int
	// Element is where it starts; 0 means the next free storage element.
	Element uint16
}

// withDefaults fills in what c leaves out; it does not check.
func (c Config) withDefaults() Config {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	text := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	address := func(p *uint16, v uint16) {
		if *p == 0 {
			*p = v
		}
	}
	set(&c.Slots, 24)
	set(&c.Drives, 2)
	set(&c.CleaningUses, 50)
	if len(c.Generations) == 0 {
		c.Generations = []string{"LTO-6"}
	}
	if g, ok := generationNamed(c.Generations[0]); ok {
		text(&c.Media, g.suffix)
	}
	text(&c.BarcodePrefix, "VTL")
	text(&c.Vendor, "TAPECTL")
	text(&c.Product, "VIRTUAL LIBRARY")
	text(&c.Revision, "0100")
	address(&c.Addresses.MediumTransport, 1)
	address(&c.Addresses.DataTransfer, 257)
	address(&c.Addresses.ImportExport, 769)
	address(&c.Addresses.Storage, 1001)
	return c
}

// generation is the generation of drive n.
func (c *Config) generation(n int) generation {
	name := c.Generations[min(n, len(c.Generations)-1)]
	g, _ := generationNamed(name)
	return g
}

// elementRange is the addresses of one type, first to first+count-1.
type elementRange struct {
	name         string
	first, count int
}

func (r elementRange) has(a uint16) bool { return int(a) >= r.first && int(a) < r.first+r.count }

// ranges lists the element ranges in the order of the element type codes 1 to 4 (SMC-3 table 10).
func (c *Config) ranges() [4]elementRange {
	return [4]elementRange{
		{"medium transport", int(c.Addresses.MediumTransport), 1},
		{"storage", int(c.Addresses.Storage), c.Slots},
		{"import/export", int(c.Addresses.ImportExport), c.MailSlots},
		{"data transfer", int(c.Addresses.DataTransfer), c.Drives},
	}
}

// check validates a complete Config, whether a caller or a file gave it.
func (c *Config) check() error {
	if c.Slots < 0 || c.Drives < 0 || c.MailSlots < 0 || c.TapeCount < 0 || c.CleaningTapes < 0 || c.CleaningUses < 0 {
		return fmt.Errorf("negative number of slots, drives, mail slots or tapes")
	}
	for _, n := range []int{c.Slots, c.Drives, c.MailSlots, c.TapeCount, c.CleaningTapes, len(c.Tapes), len(c.Generations)} {
		if n > maxElementAddress {
			return fmt.Errorf("%d elements or tapes: a changer has at most %d", n, maxElementAddress)
		}
	}
	if len(c.Generations) == 0 {
		return fmt.Errorf("no drive generation")
	}
	for _, g := range c.Generations {
		if _, ok := generationNamed(g); !ok {
			return fmt.Errorf("drive generation %q is not known: one of %s", g, strings.Join(generationNames(), ", "))
		}
	}
	if _, ok := mediumWithSuffix(c.Media); !ok {
		return fmt.Errorf("media identifier %q is not known", c.Media)
	}
	if c.Capacity < 0 || c.EarlyWarning < 0 {
		return fmt.Errorf("negative capacity or early warning zone")
	}
	if err := c.checkRanges(); err != nil {
		return err
	}
	if err := c.checkTexts(); err != nil {
		return err
	}
	if err := c.Quirks.check(); err != nil {
		return err
	}
	return c.Timing.check()
}

func (c *Config) checkRanges() error {
	rs := c.ranges()
	for i, r := range rs {
		if r.first+r.count-1 > maxElementAddress {
			return fmt.Errorf("%s elements %d to %d: the last address is %d", r.name, r.first, r.first+r.count-1, maxElementAddress)
		}
		for _, s := range rs[:i] {
			if r.count > 0 && s.count > 0 && r.first < s.first+s.count && s.first < r.first+r.count {
				return fmt.Errorf("%s elements %d to %d overlap %s elements %d to %d", r.name, r.first, r.first+r.count-1,
					s.name, s.first, s.first+s.count-1)
			}
		}
	}
	return nil
}

func (c *Config) checkTexts() error {
	for _, t := range []struct {
		name, text string
		max        int
	}{
		{"vendor", c.Vendor, 8}, {"product", c.Product, 16}, {"revision", c.Revision, 4}, {"serial number", c.Serial, 9},
		{"barcode prefix", c.BarcodePrefix, 24},
	} {
		if err := checkText(t.name, t.text, t.max); err != nil {
			return err
		}
	}
	return nil
}

// checkText holds a text to the printable ASCII of INQUIRY data and volume tags.
func checkText(name, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s %q is longer than %d characters", name, s, limit)
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7E {
			return fmt.Errorf("%s %q holds a character that is not printable ASCII", name, s)
		}
	}
	return nil
}
