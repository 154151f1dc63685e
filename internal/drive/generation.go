package drive

import (
	"regexp"
	"strings"
)

// Generation names a generation of drives or of media, such as "LTO-6". It is the empty string when it is not known.
// Media have three more than drives: LTO7M8, LTO10P and the 3592 media.
type Generation string

// The generations of LTO, for drives and media.
const (
	GenerationUnknown Generation = ""
	LTO1              Generation = "LTO-1"
	LTO2              Generation = "LTO-2"
	LTO3              Generation = "LTO-3"
	LTO4              Generation = "LTO-4"
	LTO5              Generation = "LTO-5"
	LTO6              Generation = "LTO-6"
	LTO7              Generation = "LTO-7"
	LTO8              Generation = "LTO-8"
	LTO9              Generation = "LTO-9"
	LTO10             Generation = "LTO-10"
)

// Media only.
const (
	LTO7M8 Generation = "LTO-7 M8" // LTO-7 cartridge, formatted for 9 TB by an LTO-8 drive (quirk Q23)
	LTO10P Generation = "LTO-10P"  // LTO-10 Premium, 40 TB
	JA     Generation = "3592-JA"
	JB     Generation = "3592-JB"
	JC     Generation = "3592-JC"
	JD     Generation = "3592-JD"
	JE     Generation = "3592-JE"
	JF     Generation = "3592-JF"
)

// The drives that take 3592 media.
const (
	J1A    Generation = "3592-J1A"
	TS1120 Generation = "TS1120" // 3592-E05
	TS1130 Generation = "TS1130" // 3592-E06
	TS1140 Generation = "TS1140" // 3592-E07
	TS1150 Generation = "TS1150" // 3592-E08
	TS1155 Generation = "TS1155" // 3592-55F
	TS1160 Generation = "TS1160" // 3592-60F
	TS1170 Generation = "TS1170" // 3592-70F
)

// MediumInfo describes a generation of media.
type MediumInfo struct {
	Generation Generation
	// Density is the density code that drives report, 0 when there is no single one.
	Density byte
	// MediumType and MediumTypeWORM are the medium type bytes of MODE SENSE, 0 when there is none. HP drives report
	// others (quirk Q64).
	MediumType, MediumTypeWORM byte
	// Suffix and SuffixWORM are the last two characters of barcodes, "" when there is none.
	Suffix, SuffixWORM string
	// NativeBytes is the capacity without compression, in bytes.
	NativeBytes int64
}

const (
	gigabyte = 1_000_000_000
	terabyte = 1000 * gigabyte
)

// media are the tables of scsi.md 5.1 and 5.3. The capacities of 3592 media are those of the newest drive's format.
var media = []MediumInfo{
	{LTO1, 0x40, 0x18, 0, "L1", "", 100 * gigabyte},
	{LTO2, 0x42, 0x28, 0, "L2", "", 200 * gigabyte},
	{LTO3, 0x44, 0x38, 0x3C, "L3", "LT", 400 * gigabyte},
	{LTO4, 0x46, 0x48, 0x4C, "L4", "LU", 800 * gigabyte},
	{LTO5, 0x58, 0x58, 0x5C, "L5", "LV", 1500 * gigabyte},
	{LTO6, 0x5A, 0x68, 0x6C, "L6", "LW", 2500 * gigabyte},
	{LTO7, 0x5C, 0x78, 0x7C, "L7", "LX", 6 * terabyte},
	{LTO7M8, 0x5D, 0, 0, "M8", "", 9 * terabyte},
	{LTO8, 0x5E, 0x88, 0x8C, "L8", "LY", 12 * terabyte},
	{LTO9, 0x60, 0x98, 0x9C, "L9", "LZ", 18 * terabyte},
	{LTO10, 0x62, 0xA8, 0xAC, "LA", "LH", 30 * terabyte},
	{LTO10P, 0x63, 0xA9, 0, "PA", "", 40 * terabyte},
	{JA, 0, 0x91, 0xA1, "JA", "JW", 640 * gigabyte},
	{JB, 0, 0x92, 0xA2, "JB", "JX", 1600 * gigabyte},
	{JC, 0, 0x93, 0xA3, "JC", "JY", 7 * terabyte},
	{JD, 0, 0x94, 0xA4, "JD", "JZ", 15 * terabyte},
	{JE, 0, 0x95, 0xA5, "JE", "JV", 20 * terabyte},
	{JF, 0, 0x96, 0, "JF", "", 50 * terabyte},
}

// economy are the short 3592 media, by barcode suffix and medium type byte (scsi.md 5.3).
var economy = []MediumInfo{
	{JA, 0, 0xB1, 0xC1, "JJ", "JR", 128 * gigabyte},
	{JC, 0, 0xB2, 0, "JK", "", 900 * gigabyte},
	{JD, 0, 0xB3, 0, "JL", "", 3 * terabyte},
	{JE, 0, 0xB4, 0, "JM", "", 5 * terabyte},
}

// Medium describes a generation of media; ok is false for unknown ones and for drives.
func Medium(g Generation) (info MediumInfo, ok bool) {
	for _, m := range media {
		if m.Generation == g {
			return m, true
		}
	}
	return MediumInfo{}, false
}

// MediaFromBarcode tells the generation of a cartridge from the last two characters of its barcode (DPM001L6), or the
// first two where a library puts the media identifier in front (L6DPM001, quirk Q20). GenerationUnknown is for barcodes
// without and for cleaning cartridges.
func MediaFromBarcode(barcode string) Generation {
	b := strings.ToUpper(strings.TrimSpace(barcode))
	if IsCleaningBarcode(b) || len(b) != 8 {
		// Media identifiers belong to labels of eight characters only; virtual tapes have any (quirk Q26).
		return GenerationUnknown
	}
	if g := mediaFromIdentifier(b[6:]); g != GenerationUnknown {
		return g
	}
	return mediaFromIdentifier(b[:2])
}

func mediaFromIdentifier(id string) Generation {
	for _, table := range [][]MediumInfo{media, economy} {
		for _, m := range table {
			if id == m.Suffix || id == m.SuffixWORM {
				return m.Generation
			}
		}
	}
	return GenerationUnknown
}

// IsWORMBarcode reports whether the media identifier of the barcode is that of write once media.
func IsWORMBarcode(barcode string) bool {
	b := strings.ToUpper(strings.TrimSpace(barcode))
	if len(b) != 8 || IsCleaningBarcode(b) {
		return false
	}
	for _, id := range []string{b[6:], b[:2]} {
		if mediaFromIdentifier(id) == GenerationUnknown {
			continue
		}
		for _, table := range [][]MediumInfo{media, economy} {
			for _, m := range table {
				if id == m.SuffixWORM {
					return true
				}
			}
		}
		return false
	}
	return false
}

// IsCleaningBarcode reports whether the barcode is that of a cleaning cartridge: CLN in front, or CU behind
// (quirk Q24).
func IsCleaningBarcode(barcode string) bool {
	b := strings.ToUpper(strings.TrimSpace(barcode))
	return strings.HasPrefix(b, "CLN") || len(b) == 8 && strings.HasSuffix(b, "CU")
}

// MediaFromDensity tells the generation of the medium from its density code, which only means something together with
// the family of the drive: 40h is LTO-1 and DLT1. A drive of unknown generation is taken for LTO.
func MediaFromDensity(drive Generation, density byte) Generation {
	if density == 0 || drive != GenerationUnknown && !strings.HasPrefix(string(drive), "LTO") {
		return GenerationUnknown
	}
	for _, m := range media {
		if m.Density == density {
			return m.Generation
		}
	}
	return GenerationUnknown
}

// MediaFromMediumType tells the generation and whether it is write once from the medium type byte of MODE SENSE.
func MediaFromMediumType(medium byte) (g Generation, worm bool) {
	if medium == 0 {
		return GenerationUnknown, false
	}
	for _, table := range [][]MediumInfo{media, economy} {
		for _, m := range table {
			switch medium {
			case m.MediumType:
				return m.Generation, false
			case m.MediumTypeWORM:
				return m.Generation, true
			}
		}
	}
	return GenerationUnknown, false
}

// access is what a drive can do with a medium.
type access byte

const (
	none access = iota
	reads
	writes
)

// compatibility is the matrix of scsi.md 5.2, and for 3592 what 5.3 gives.
var compatibility = map[Generation]map[Generation]access{
	LTO1:   {LTO1: writes},
	LTO2:   {LTO1: writes, LTO2: writes},
	LTO3:   {LTO1: reads, LTO2: writes, LTO3: writes},
	LTO4:   {LTO2: reads, LTO3: writes, LTO4: writes},
	LTO5:   {LTO3: reads, LTO4: writes, LTO5: writes},
	LTO6:   {LTO4: reads, LTO5: writes, LTO6: writes},
	LTO7:   {LTO5: reads, LTO6: writes, LTO7: writes},
	LTO8:   {LTO7: writes, LTO7M8: writes, LTO8: writes},
	LTO9:   {LTO8: writes, LTO9: writes},
	LTO10:  {LTO10: writes, LTO10P: writes},
	TS1140: {JB: writes, JC: writes},
	TS1150: {JC: writes, JD: writes},
	TS1155: {JC: writes, JD: writes},
	TS1160: {JC: writes, JD: writes, JE: writes},
	TS1170: {JF: writes},
}

// CanRead reports whether a drive of one generation reads media of another. Unknown ones cannot be read; what the drive
// itself says (Densities) counts more.
func CanRead(drive, medium Generation) bool { return compatibility[drive][medium] >= reads }

// CanWrite reports whether a drive of one generation writes media of another.
func CanWrite(drive, medium Generation) bool { return compatibility[drive][medium] == writes }

// Patterns of the product identifications of LTO drives (scsi.md 5.2).
var (
	ultrium   = regexp.MustCompile(`^(?:ULT3580|ULTRIUM|ULTRIUM-)[ -]?(?:TD|HH|H)?(10|[1-9A])(?:[^0-9]|$)`)
	ltoNumber = regexp.MustCompile(`LTO[ -]?(?:GEN )?(10|[1-9])(?:[^0-9]|$)`)
	hhLTO     = regexp.MustCompile(`^HH LTO GEN (10|[1-9])$`)
	model3592 = regexp.MustCompile(`^03592(J1A|E0[5-8]|55F|60F|70F|S55|S60)`)
)

// models3592 names the 3592 drives.
var models3592 = map[string]Generation{
	"J1A": J1A, "E05": TS1120, "E06": TS1130, "E07": TS1140, "E08": TS1150,
	"55F": TS1155, "S55": TS1155, "60F": TS1160, "S60": TS1160, "70F": TS1170,
}

// DriveGeneration tells the generation of a drive from the vendor and product identification of INQUIRY,
// GenerationUnknown when they say nothing.
func DriveGeneration(vendor, product string) Generation {
	p := strings.ToUpper(strings.TrimSpace(product))
	if m := model3592.FindStringSubmatch(p); m != nil {
		return models3592[m[1]]
	}
	for _, pattern := range []*regexp.Regexp{hhLTO, ultrium, ltoNumber} {
		if m := pattern.FindStringSubmatch(p); m != nil {
			n := m[1]
			if n == "A" {
				n = "10"
			}
			return Generation("LTO-" + n)
		}
	}
	_ = vendor // all vendors use the same names; the parameter is there for the ones that will not
	return GenerationUnknown
}
