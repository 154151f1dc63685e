package vlib

import "time"

// generation is a drive generation with the times and speeds that manufacturers publish.
type generation struct {
	name    string
	number  int
	density byte
	suffix  string // of its own data cartridges
	product string // INQUIRY product identification
	// rate is the native speed of a full-height drive in bytes a second.
	rate int64
	// load and unload are the times of the half-height drives' manual; locate is the average time from the load point,
	// rewind that from the end.
	load, unload, locate, rewind time.Duration
}

var generations = []generation{
	{"LTO-5", 5, 0x58, "L5", "Ultrium 5-SCSI", 140e6, 12 * time.Second, 17 * time.Second, 60 * time.Second, 60 * time.Second},
	{"LTO-6", 6, 0x5A, "L6", "Ultrium 6-SCSI", 160e6, 12 * time.Second, 17 * time.Second, 62 * time.Second, 60 * time.Second},
	{"LTO-7", 7, 0x5C, "L7", "Ultrium 7-SCSI", 300e6, 15 * time.Second, 20 * time.Second, 56 * time.Second, 60 * time.Second},
	{"LTO-8", 8, 0x5E, "L8", "Ultrium 8-SCSI", 360e6, 15 * time.Second, 24 * time.Second, 59 * time.Second, 59 * time.Second},
	{"LTO-9", 9, 0x60, "L9", "Ultrium 9-SCSI", 400e6, 16 * time.Second, 56 * time.Second, 65 * time.Second, 62 * time.Second},
	{"LTO-10", 10, 0x62, "LA", "Ultrium 10-SCSI", 400e6, 16 * time.Second, 56 * time.Second, 65 * time.Second, 62 * time.Second},
}

func generationNamed(name string) (generation, bool) {
	for _, g := range generations {
		if g.name == name {
			return g, true
		}
	}
	return generation{}, false
}

func generationNames() []string {
	names := make([]string, len(generations))
	for i, g := range generations {
		names[i] = g.name
	}
	return names
}

// medium is a kind of cartridge.
type medium struct {
	suffix     string // media identifier on the barcode
	wormSuffix string
	name       string // as REPORT DENSITY SUPPORT describes it
	key        int    // generation number; m8Key and premiumKey for the two that have none
	density    byte
	mediumType byte // in the mode parameter header; WORM is 4 more
	capacity   int64
	bitsPerMM  uint32
	tracks     uint16
	lengthM    uint32
	cleaning   bool
}

const (
	m8Key      = 78  // LTO-7 cartridge formatted as type M
	premiumKey = 101 // LTO-10 Premium
	cleanKey   = 200
)

var media = []medium{
	{"L3", "LT", "Ultrium 3/16T", 3, 0x44, 0x38, 400e9, 9638, 704, 680, false},
	{"L4", "LU", "Ultrium 4/16T", 4, 0x46, 0x48, 800e9, 12725, 896, 820, false},
	{"L5", "LV", "Ultrium 5/16T", 5, 0x58, 0x58, 1500e9, 15142, 1280, 846, false},
	{"L6", "LW", "Ultrium 6/16T", 6, 0x5A, 0x68, 2500e9, 15143, 2176, 846, false},
	{"L7", "LX", "Ultrium 7/32T", 7, 0x5C, 0x78, 6000e9, 19107, 3584, 960, false},
	{"M8", "", "Ultrium M8/32T", m8Key, 0x5D, 0x78, 9000e9, 19107, 5376, 960, false},
	{"L8", "LY", "Ultrium 8/32T", 8, 0x5E, 0x88, 12000e9, 20669, 6656, 960, false},
	{"L9", "LZ", "Ultrium 9/32T", 9, 0x60, 0x98, 18000e9, 21458, 8960, 1035, false},
	{"LA", "LH", "Ultrium 10/32T", 10, 0x62, 0xA8, 30000e9, 25000, 15104, 1035, false},
	{"PA", "", "Ultrium 10P/32T", premiumKey, 0x63, 0xA9, 40000e9, 25000, 15104, 1337, false},
	{"CU", "", "Ultrium cleaning", cleanKey, 0x00, 0x80, 0, 0, 0, 0, true},
}

// mediumWithSuffix finds the medium of a media identifier, data or WORM.
func mediumWithSuffix(s string) (medium, bool) {
	for _, m := range media {
		if s != "" && (m.suffix == s || m.wormSuffix == s) {
			return m, true
		}
	}
	return medium{}, false
}

// isWORM tells whether the media identifier names a WORM cartridge.
func isWORM(suffix string) bool {
	m, ok := mediumWithSuffix(suffix)
	return ok && m.suffix != suffix
}

// access is what a drive can do with a medium.
type access int

const (
	noAccess access = iota
	readOnly
	readWrite
)

// accessTo is the matrix of generations: up to LTO-7 a drive writes its own and the previous generation and reads the
// one before; LTO-8 writes LTO-7, also as type M, and reads nothing older; LTO-9 writes LTO-8; LTO-10 takes only its
// own.
func (g generation) accessTo(m medium) access {
	switch {
	case m.key == m8Key:
		if g.number == 8 {
			return readWrite
		}
		return noAccess
	case m.key == premiumKey:
		if g.number == 10 {
			return readWrite
		}
		return noAccess
	case m.key == g.number:
		return readWrite
	case m.key == g.number-1 && g.number <= 9:
		return readWrite
	case m.key == g.number-2 && g.number <= 7:
		return readOnly
	}
	return noAccess
}
