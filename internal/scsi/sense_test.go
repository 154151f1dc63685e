package scsi_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

var noRaw = cmpopts.IgnoreFields(scsi.Sense{}, "Raw")

// senses are sense data as SPC-5 4.4 lays it out and what it means.
var senses = []struct {
	name string
	raw  []byte
	want scsi.Sense
}{
	{"no medium", []byte{0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3A, 0x01, 0, 0, 0, 0},
		scsi.Sense{Key: scsi.NotReady, ASC: 0x3A, ASCQ: 0x01}},
	{"short block", []byte{0xF0, 0, 0x20, 0, 0, 0x80, 0x01, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		scsi.Sense{IncorrectLength: true, InformationValid: true, Information: 0x8001}},
	{"long block", []byte{0xF0, 0, 0x20, 0xFF, 0xFF, 0xFF, 0xF0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		scsi.Sense{IncorrectLength: true, InformationValid: true, Information: -16}},
	{"filemark", []byte{0xF0, 0, 0x80, 0, 0, 0, 5, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0},
		scsi.Sense{Filemark: true, InformationValid: true, Information: 5, ASCQ: 1}},
	{"early warning", []byte{0x70, 0, 0x40, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0},
		scsi.Sense{EndOfMedium: true, ASCQ: 2}},
	{"deferred", []byte{0x71, 0, 0x43, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0C, 0, 0x31, 0, 0, 0},
		scsi.Sense{Deferred: true, Key: scsi.MediumError, EndOfMedium: true, ASC: 0x0C, FieldReplaceableUnit: 0x31}},
	{"field pointer", []byte{0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xCB, 0, 2},
		scsi.Sense{Key: scsi.IllegalRequest, ASC: 0x24, SenseKeySpecific: [3]byte{0xCB, 0, 2}}},
	{"key only", []byte{0x70, 0, 0x06}, scsi.Sense{Key: scsi.UnitAttention}},
	{"fixed, cut before the code", []byte{0xF0, 0, 0x08, 0, 0, 1, 0, 10, 0, 0, 0, 0, 0x14},
		scsi.Sense{Key: scsi.BlankCheck, InformationValid: true, Information: 256}},
	{"fixed, cut in the information", []byte{0xF0, 0, 0x08, 0, 0, 1}, scsi.Sense{Key: scsi.BlankCheck}},
	{"descriptor, empty", []byte{0x72, 0x06, 0x29, 0x07, 0, 0, 0, 0},
		scsi.Sense{Descriptor: true, Key: scsi.UnitAttention, ASC: 0x29, ASCQ: 7}},
	{"descriptor, key only", []byte{0x72, 0x06}, scsi.Sense{Descriptor: true, Key: scsi.UnitAttention}},
	{"descriptor, deferred", []byte{0x73, 0x03, 0x0C, 0, 0, 0, 0, 0},
		scsi.Sense{Descriptor: true, Deferred: true, Key: scsi.MediumError, ASC: 0x0C}},
	{"descriptor, information and stream flags",
		[]byte{0x72, 0, 0, 1, 0, 0, 0, 16, 0, 10, 0x80, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 4, 2, 0, 0xE0},
		scsi.Sense{Descriptor: true, ASCQ: 1, Filemark: true, EndOfMedium: true, IncorrectLength: true,
			InformationValid: true, Information: -2}},
	{"descriptor, unknown ones are passed over",
		[]byte{0x72, 2, 4, 7, 0, 0, 0, 20, 0x80, 2, 9, 9, 2, 6, 0, 0, 0x80, 0x40, 0, 0, 3, 2, 0, 0x77, 0x0E, 2, 0, 0},
		scsi.Sense{Descriptor: true, Key: scsi.NotReady, ASC: 4, ASCQ: 7, SenseKeySpecific: [3]byte{0x80, 0x40, 0},
			FieldReplaceableUnit: 0x77}},
	{"descriptor, cut in a descriptor", []byte{0x72, 0, 0, 1, 0, 0, 0, 12, 0, 10, 0x80, 0, 0},
		scsi.Sense{Descriptor: true, ASCQ: 1}},
	{"descriptor, list beyond the additional length", []byte{0x72, 0, 0, 1, 0, 0, 0, 0, 4, 2, 0, 0xE0},
		scsi.Sense{Descriptor: true, ASCQ: 1}},
}

func TestParseSense(t *testing.T) {
	for _, test := range senses {
		got, err := scsi.ParseSense(test.raw)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if d := cmp.Diff(test.want, got, noRaw); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
		if d := cmp.Diff(test.raw, got.Raw); d != "" {
			t.Errorf("%s: Raw: %s", test.name, d)
		}
		test.raw[0] ^= 0xFF
		if got.Raw[0] == test.raw[0] {
			t.Errorf("%s: Raw is not a copy", test.name)
		}
		test.raw[0] ^= 0xFF
	}
	for _, raw := range [][]byte{nil, {}, {0x70}, {0x70, 0}, {0x72}, {0, 0, 2, 0, 0, 0, 0, 0}, {0x7F, 0, 2}, {0x74, 0, 2}} {
		if s, err := scsi.ParseSense(raw); err == nil {
			t.Errorf("% X is taken for %v", raw, s)
		}
	}
}

// Every cut of good sense data gives a prefix of the truth: never another key, code or flag.
func TestParseSenseTruncated(t *testing.T) {
	for _, test := range senses {
		whole, _ := scsi.ParseSense(test.raw)
		for n := range len(test.raw) {
			s, err := scsi.ParseSense(test.raw[:n])
			if err != nil {
				continue
			}
			if s.Key != whole.Key || s.Deferred != whole.Deferred || s.ASC != 0 && s.ASC != whole.ASC ||
				s.Filemark && !whole.Filemark || s.EndOfMedium && !whole.EndOfMedium ||
				s.InformationValid && s.Information != whole.Information {
				t.Errorf("%s cut to %d bytes: %v", test.name, n, s)
			}
		}
	}
}

// normal is s with what a builder cannot keep set to zero.
func normal(s scsi.Sense) scsi.Sense {
	if !s.InformationValid {
		s.Information = 0
	}
	s.Raw = nil
	return s
}

// FuzzParseSense: what was parsed can be built again and parses to the same, in its own format, and in the other one
// where that can hold it.
func FuzzParseSense(f *testing.F) {
	for _, test := range senses {
		f.Add(test.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := scsi.ParseSense(raw)
		if err != nil {
			return
		}
		want := normal(s)
		got, err := scsi.ParseSense(scsitest.Descriptor(want))
		if err != nil {
			t.Fatal(err)
		}
		got.Descriptor = want.Descriptor
		if d := cmp.Diff(want, normal(got)); d != "" {
			t.Fatalf("descriptor format: %s", d)
		}
		if want.Information != int64(int32(want.Information)) {
			return
		}
		got, err = scsi.ParseSense(scsitest.Fixed(want))
		if err != nil {
			t.Fatal(err)
		}
		got.Descriptor = want.Descriptor
		if d := cmp.Diff(want, normal(got)); d != "" {
			t.Fatalf("fixed format: %s", d)
		}
		if s.String() == "" || len(s.String()) > 400 {
			t.Fatalf("text %q", s)
		}
	})
}

func TestSenseString(t *testing.T) {
	for _, test := range []struct {
		s    scsi.Sense
		want string
	}{
		{scsi.Sense{Key: scsi.NotReady, ASC: 0x3A}, "NOT READY, 3A/00 medium not present"},
		{scsi.Sense{Deferred: true, Key: scsi.MediumError, ASC: 0x0C, EndOfMedium: true},
			"deferred MEDIUM ERROR, 0C/00 write error, end of medium"},
		{scsi.Sense{ASCQ: 1, Filemark: true, InformationValid: true, Information: 3},
			"NO SENSE, 00/01 filemark detected, filemark, information 3"},
		{scsi.Sense{Key: scsi.HardwareError, ASC: 0x40, ASCQ: 0x85}, "HARDWARE ERROR, 40/85 diagnostic failure on component 85h"},
		{scsi.Sense{Key: 0xC, ASC: 0x06, ASCQ: 0x7E}, "sense key Ch, 06/7E"},
		{scsi.Sense{Key: scsi.NotReady, ASC: 0x04, ASCQ: 0x85}, "NOT READY, 04/85 vendor specific qualifier"},
		{scsi.Sense{Key: scsi.IllegalRequest, ASC: 0xEE, ASCQ: 0x0F}, "ILLEGAL REQUEST, EE/0F vendor specific"},
	} {
		if got := test.s.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// Codes that decisions hang on, from SPC-5 annex F.
func TestAdditionalSenseText(t *testing.T) {
	for code, want := range map[uint16]string{
		0x0401: "becoming ready", 0x0418: "not ready, a door is open", 0x1403: "end of data not found",
		0x200C: "illegal command when not in append-only mode", 0x2101: "invalid element address",
		0x2801: "import or export element accessed", 0x2907: "I_T nexus loss occurred", 0x3003: "cleaning cartridge installed",
		0x300C: "WORM medium, overwrite attempted", 0x3A04: "medium not present, auxiliary memory accessible",
		0x3B0D: "medium destination element full", 0x3B0E: "medium source element empty", 0x3F0E: "reported LUNs data has changed",
		0x5302: "medium removal prevented", 0x5303: "medium removal prevented by data transfer element",
		0x5D00: "failure prediction threshold exceeded", 0x7403: "incorrect data encryption key",
	} {
		if got := scsi.AdditionalSenseText(byte(code>>8), byte(code)); got != want {
			t.Errorf("%04X: %q, want %q", code, got, want)
		}
	}
	if got := scsi.AdditionalSenseText(0x4D, 0x12); got != "tagged overlapped commands, tag 12h" {
		t.Error(got)
	}
	if got := scsi.AdditionalSenseText(0x70, 0x12); got != "decompression exception, algorithm 12h" {
		t.Error(got)
	}
}

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		s    scsi.Sense
		want float64
		ok   bool
	}{
		{scsi.Sense{Key: scsi.NotReady, SenseKeySpecific: [3]byte{0x80, 0x80, 0}}, 0.5, true},
		{scsi.Sense{SenseKeySpecific: [3]byte{0x80, 0x40, 0}}, 0.25, true},
		{scsi.Sense{SenseKeySpecific: [3]byte{0, 0x40, 0}}, 0, false},
		{scsi.Sense{Key: scsi.IllegalRequest, SenseKeySpecific: [3]byte{0x80, 0x40, 0}}, 0, false},
	} {
		if got, ok := test.s.Progress(); got != test.want || ok != test.ok {
			t.Errorf("%+v: %v, %v", test.s, got, ok)
		}
	}
}

func TestConditions(t *testing.T) {
	all := map[string]scsi.Condition{
		"IsNotReady": scsi.IsNotReady, "AtFilemark": scsi.AtFilemark, "AtEndOfMedium": scsi.AtEndOfMedium,
		"WrongLength": scsi.WrongLength, "IsDeferredError": scsi.IsDeferredError, "MediumNotPresent": scsi.MediumNotPresent,
		"DestinationFull": scsi.DestinationFull, "DoorOpen": scsi.DoorOpen, "MAMAccessible": scsi.MAMAccessible,
		"WriteProtected": scsi.WriteProtected,
	}
	for _, test := range []struct {
		s    scsi.Sense
		want []string
	}{
		{scsi.Sense{Key: scsi.NotReady, ASC: 0x3A, ASCQ: 4}, []string{"IsNotReady", "MediumNotPresent", "MAMAccessible"}},
		{scsi.Sense{Key: scsi.HardwareError, ASC: 0x3B, ASCQ: 0x0D}, []string{"DestinationFull"}},
		{scsi.Sense{Key: scsi.NotReady, ASC: 0x04, ASCQ: 0x18}, []string{"IsNotReady", "DoorOpen"}},
		{scsi.Sense{Filemark: true, EndOfMedium: true}, []string{"AtFilemark", "AtEndOfMedium"}},
		{scsi.Sense{Deferred: true, IncorrectLength: true, Key: scsi.DataProtect, ASC: 0x27, ASCQ: 6},
			[]string{"WrongLength", "IsDeferredError", "WriteProtected"}},
		{scsi.Sense{Key: scsi.MediumError, ASC: 0x27}, nil},
	} {
		err := fmt.Errorf("move medium: %w", &scsi.CheckError{Op: "X", Sense: test.s})
		want := map[string]bool{}
		for _, n := range test.want {
			want[n] = true
		}
		for name, c := range all {
			if errors.Is(err, c) != want[name] {
				t.Errorf("%v: errors.Is(%s) is %v", test.s, name, !want[name])
			}
		}
	}
	if errors.Is(&scsi.CheckError{Sense: scsi.Sense{Key: scsi.NotReady}}, errors.New("x")) {
		t.Error("a CheckError is any error")
	}
}
