package drive

import (
	"strings"
	"testing"
)

// The matrix of scsi.md 5.2, as printed there.
const matrix = `
LTO-1   W - - - - - - - - - - -
LTO-2   W W - - - - - - - - - -
LTO-3   R W W - - - - - - - - -
LTO-4   - R W W - - - - - - - -
LTO-5   - - R W W - - - - - - -
LTO-6   - - - R W W - - - - - -
LTO-7   - - - - R W W - - - - -
LTO-8   - - - - - - W W W - - -
LTO-9   - - - - - - - - W W - -
LTO-10  - - - - - - - - - - W W`

func TestCompatibility(t *testing.T) {
	columns := []Generation{LTO1, LTO2, LTO3, LTO4, LTO5, LTO6, LTO7, LTO7M8, LTO8, LTO9, LTO10, LTO10P}
	for _, line := range strings.Split(strings.TrimSpace(matrix), "\n") {
		fields := strings.Fields(line)
		if len(fields) != 13 {
			t.Fatalf("line %q", line)
		}
		for i, want := range fields[1:] {
			drive, medium := Generation(fields[0]), columns[i]
			if got := CanRead(drive, medium); got != (want != "-") {
				t.Errorf("%s reads %s: %t", drive, medium, got)
			}
			if got := CanWrite(drive, medium); got != (want == "W") {
				t.Errorf("%s writes %s: %t", drive, medium, got)
			}
		}
	}
	for _, tt := range []struct {
		drive, medium Generation
		want          bool
	}{{TS1140, JC, true}, {TS1140, JB, true}, {TS1140, JD, false}, {TS1150, JD, true}, {TS1150, JB, false}, {TS1160, JE, true},
		{TS1170, JF, true}, {TS1170, JE, false}, {TS1160, LTO9, false}, {LTO9, JE, false}, {"", LTO6, false}, {LTO6, "", false}, {"", "", false}} {
		if CanRead(tt.drive, tt.medium) != tt.want || CanWrite(tt.drive, tt.medium) != tt.want {
			t.Errorf("%s with %s: want %t", tt.drive, tt.medium, tt.want)
		}
	}
}

func TestMediaFromBarcode(t *testing.T) {
	for barcode, want := range map[string]Generation{
		"DPM001L6": LTO6, "DPM001L1": LTO1, "DPM001L2": LTO2, "DPM001L3": LTO3, "DPM001L4": LTO4, "DPM001L5": LTO5,
		"DPM001L7": LTO7, "DPM001M8": LTO7M8, "DPM001L8": LTO8, "DPM001L9": LTO9, "DPM001LA": LTO10, "DPM001PA": LTO10P,
		"DPM001LT": LTO3, "DPM001LU": LTO4, "DPM001LV": LTO5, "DPM001LW": LTO6, "DPM001LX": LTO7, "DPM001LY": LTO8, "DPM001LZ": LTO9, "DPM001LH": LTO10,
		"ABC123JA": JA, "ABC123JW": JA, "ABC123JJ": JA, "ABC123JR": JA, "ABC123JB": JB, "ABC123JX": JB, "ABC123JC": JC, "ABC123JY": JC,
		"ABC123JK": JC, "ABC123JD": JD, "ABC123JZ": JD, "ABC123JL": JD, "ABC123JE": JE, "ABC123JV": JE, "ABC123JM": JE, "ABC123JF": JF,
		"L6DPM001": LTO6, "dpm001l6 ": LTO6,
		"": "", "DPM001": "", "DPM0001L6": "", "L6": "", "AB123456": "", "CLN001L6": "", "CLNU01L9": "", "CLN001CU": "", "DPM001CU": "", "DPM001DG": "",
	} {
		if got := MediaFromBarcode(barcode); got != want {
			t.Errorf("%q is %q, want %q", barcode, got, want)
		}
	}
	for barcode, want := range map[string]bool{"CLN001L6": true, "CLNU01L9": true, "DPM001CU": true, "cln001": true, "DPM001L6": false, "CL001L6": false, "": false} {
		if got := IsCleaningBarcode(barcode); got != want {
			t.Errorf("%q cleans: %t", barcode, got)
		}
	}
	for barcode, want := range map[string]bool{"DPM001LW": true, "LWDPM001": true, "DPM001L6": false, "DPM001M8": false, "DPM001": false, "ABC123JR": true,
		"CLN001LW": false, "AB123456": false, "ABC123JF": false} {
		if got := IsWORMBarcode(barcode); got != want {
			t.Errorf("%q is WORM: %t", barcode, got)
		}
	}
}

// scsi.md 5.1: density, medium type bytes and capacity of each generation.
func TestMediaTable(t *testing.T) {
	for _, tt := range []struct {
		g                   Generation
		density, data, worm byte
		gigabytes           int64
	}{
		{LTO1, 0x40, 0x18, 0, 100}, {LTO2, 0x42, 0x28, 0, 200}, {LTO3, 0x44, 0x38, 0x3C, 400}, {LTO4, 0x46, 0x48, 0x4C, 800},
		{LTO5, 0x58, 0x58, 0x5C, 1500}, {LTO6, 0x5A, 0x68, 0x6C, 2500}, {LTO7, 0x5C, 0x78, 0x7C, 6000}, {LTO7M8, 0x5D, 0, 0, 9000},
		{LTO8, 0x5E, 0x88, 0x8C, 12000}, {LTO9, 0x60, 0x98, 0x9C, 18000}, {LTO10, 0x62, 0xA8, 0xAC, 30000}, {LTO10P, 0x63, 0xA9, 0, 40000},
	} {
		info, ok := Medium(tt.g)
		if !ok || info.NativeBytes != tt.gigabytes*1e9 {
			t.Errorf("%s: %+v", tt.g, info)
		}
		if got := MediaFromDensity(LTO6, tt.density); got != tt.g {
			t.Errorf("density %02Xh is %q, want %q", tt.density, got, tt.g)
		}
		if got, worm := MediaFromMediumType(tt.data); tt.data != 0 && (got != tt.g || worm) {
			t.Errorf("medium type %02Xh is %q, WORM %t", tt.data, got, worm)
		}
		if got, worm := MediaFromMediumType(tt.worm); tt.worm != 0 && (got != tt.g || !worm) {
			t.Errorf("medium type %02Xh is %q, WORM %t", tt.worm, got, worm)
		}
	}
	if _, ok := Medium("LTO-99"); ok {
		t.Error("LTO-99 is known")
	}
	if g, _ := MediaFromMediumType(0); g != "" {
		t.Errorf("medium type 0 is %q", g)
	}
	if g, _ := MediaFromMediumType(0xB2); g != JC {
		t.Errorf("medium type B2h is %q", g)
	}
	// Density codes are not unique across families: 40h is LTO-1 and DLT1, 5Ah only means LTO-6 in an LTO drive.
	for drive, want := range map[Generation]Generation{LTO8: LTO6, "": LTO6, TS1150: ""} {
		if got := MediaFromDensity(drive, 0x5A); got != want {
			t.Errorf("density 5Ah in %q is %q", drive, got)
		}
	}
	if MediaFromDensity(LTO8, 0) != "" || MediaFromDensity(LTO8, 0x11) != "" {
		t.Error("density 0 or 11h is known")
	}
}

func TestDriveGeneration(t *testing.T) {
	for product, want := range map[string]Generation{
		"ULT3580-TD1": LTO1, "ULT3580-TD6": LTO6, "ULT3580-HH7": LTO7, "ULTRIUM-TD5": LTO5, "ULTRIUM-HH8": LTO8, "ULTRIUM-HH9": LTO9,
		"HH LTO Gen 5": LTO5, "ULT3580-TDA": LTO10, "ULTRIUM-HHA": LTO10, "Ultrium 6-SCSI": LTO6, "Ultrium 9-SCSI": LTO9,
		"Ultrium 10-SCSI": LTO10, "ULTRIUM 5": LTO5, "LTO-4 HH": LTO4, "LTO-10 HH": LTO10, "  Ultrium 3-SCSI  ": LTO3,
		"03592J1A": J1A, "03592E05": TS1120, "03592E06": TS1130, "03592E07": TS1140, "03592E08": TS1150, "0359255F": TS1155, "0359260F": TS1160, "0359270F": TS1170,
		"": "", "T10000B": "", "SDLT600": "", "VIRTUAL": "", "Ultrium": "", "ULT3580-TDX": "", "LTO": "", "ULTRIUM 66": "",
	} {
		if got := DriveGeneration("IBM", product); got != want {
			t.Errorf("%q is %q, want %q", product, got, want)
		}
	}
}

func FuzzMediaFromBarcode(f *testing.F) {
	f.Add("DPM001L6")
	f.Add("L6DPM001")
	f.Add("CLN001CU")
	f.Fuzz(func(t *testing.T, s string) {
		g := MediaFromBarcode(s)
		if g == GenerationUnknown {
			if IsWORMBarcode(s) {
				t.Fatalf("%q is WORM of nothing", s)
			}
			return
		}
		if _, ok := Medium(g); !ok || IsCleaningBarcode(s) {
			t.Fatalf("%q is %q", s, g)
		}
		if strings.HasPrefix(string(g), "LTO") {
			for d := range compatibility {
				if CanRead(d, g) {
					return
				}
			}
			t.Fatalf("no drive reads %q", g)
		}
	})
}
