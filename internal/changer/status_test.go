package changer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// join puts the parts of an answer together.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// tag builds a volume tag of 36 bytes by hand: 32 bytes of identifier, 2 reserved, 2 of sequence number.
func tag(identifier string, sequence byte) []byte {
	b := bytes.Repeat([]byte{' '}, 36)
	copy(b, identifier)
	b[32], b[33], b[34], b[35] = 0, 0, 0, sequence
	return b
}

// One element of each type, offsets from SMC-3 tables 28 to 34.
func TestDecodeElementStatusOffsets(t *testing.T) {
	identifier := "HP      Ultrium 6-SCSI  HUM1A00001"
	answer := join(
		[]byte{0x00, 0x01, 0x00, 0x04, 0, 0x00, 0x01, 0x0A}, // header: first 1, 4 elements, 266 bytes
		[]byte{0x01, 0x00, 0x00, 0x10, 0, 0, 0, 0x10},       // page: medium transport, 16 bytes each
		[]byte{0x00, 0x01, 0x05, 0, 0x83, 0x00, 0, 0, 0, 0x00, 0, 0, 0, 0, 0, 0},
		[]byte{0x02, 0x80, 0x00, 0x30, 0, 0, 0, 0x30}, // page: storage, 48 bytes each, PVOLTAG
		[]byte{0x03, 0xE9, 0x09, 0, 0, 0, 0, 0, 0, 0xC2, 0x03, 0xEA}, tag("CLNU01L9", 7),
		[]byte{0x03, 0x80, 0x00, 0x30, 0, 0, 0, 0x30}, // page: import/export
		[]byte{0x02, 0x00, 0xFB, 0, 0, 0, 0, 0, 0, 0x04, 0, 0}, tag("\x00\x00ABC123 ", 0),
		[]byte{0x04, 0xC0, 0x00, 0x7A, 0, 0, 0, 0x7A}, // page: data transfer, both tags and an identifier
		[]byte{0x01, 0x00, 0x0D, 0, 0x30, 0x03, 0xB5, 0x06, 0, 0x89, 0x03, 0xEE}, tag("DPM001L6", 0), tag("SERIAL1", 1),
		[]byte{0x02, 0x01, 0x00, 0x22}, []byte(identifier),
	)
	got, err := DecodeElementStatus(answer)
	if err != nil {
		t.Fatal(err)
	}
	want := StatusReport{First: 1, Available: 4, ByteCount: 0x10A, Elements: []Element{
		{Address: 1, Type: MediumTransport, Full: true, Exception: true, ASC: 0x83},
		{Address: 1001, Type: Storage, Full: true, Accessible: true, VolumeTagReported: true,
			PrimaryVolumeTag: VolumeTag{"CLNU01L9", 7}, SourceValid: true, Inverted: true, Source: 1002, MediumType: MediumCleaning},
		{Address: 512, Type: ImportExport, Full: true, Accessible: true, ImportedByOperator: true, ExportEnabled: true,
			ImportEnabled: true, ConnectedMediaChanger: true, OperatorInterventionRequired: true, VolumeTagReported: true,
			PrimaryVolumeTag: VolumeTag{Identifier: "ABC123"}, MediumType: MediumWORM},
		{Address: 256, Type: DataTransfer, Full: true, Exception: true, Accessible: true, ASC: 0x30, ASCQ: 0x03,
			NotThisBus: true, BusAddressValid: true, LogicalUnitValid: true, LogicalUnit: 5, BusAddress: 6, Disabled: true,
			SourceValid: true, Source: 1006, MediumType: MediumData, VolumeTagReported: true,
			PrimaryVolumeTag: VolumeTag{Identifier: "DPM001L6"}, AlternateVolumeTag: VolumeTag{"SERIAL1", 1},
			Identifier: DeviceIdentifier{CodeSet: 2, Type: 1, Raw: []byte(identifier), Vendor: "HP", Product: "Ultrium 6-SCSI", Serial: "HUM1A00001"}},
	}}
	// OIR, CMC, INENAB, EXENAB, ACCESS, IMPEXP and FULL are FBh, without EXCEPT.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeElementStatusDamaged(t *testing.T) {
	page := func(typ, flags, length byte, count int, body []byte) []byte {
		return join([]byte{typ, flags, 0, length, 0, 0, byte(count >> 8), byte(count)}, body)
	}
	header := func(n int) []byte { return []byte{0, 1, 0, 9, 0, 0, byte(n >> 8), byte(n)} }
	descriptor := func(address byte) []byte { return []byte{0, address, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} }
	tests := []struct {
		name      string
		b         []byte
		addresses []ElementAddress
		truncated *TruncatedElement
		fails     bool
	}{
		{name: "nothing", fails: true},
		{name: "half a header", b: []byte{0, 0, 0, 0}, fails: true},
		{name: "no elements", b: header(0)},
		{name: "no elements as tgt says it", b: []byte{0, 0, 0, 0, 0, 0, 0, 8}},
		{name: "half a page header", b: join(header(8), []byte{2, 0, 0, 16})},
		{name: "empty page", b: join(header(8), page(2, 0, 0, 0, nil))},
		{name: "page of no type", b: join(header(24), page(5, 0, 16, 16, descriptor(1))), fails: true},
		{name: "page of type 0", b: join(header(24), page(0, 0, 16, 16, descriptor(1))), fails: true},
		{name: "descriptors of 11 bytes", b: join(header(24), page(2, 0, 11, 16, descriptor(1))), fails: true},
		{name: "count of elements lies", b: join(header(24), page(2, 0, 16, 16, descriptor(1))), addresses: []ElementAddress{1}},
		{name: "byte count smaller than the data",
			b:         join(header(24), page(2, 0, 16, 16, descriptor(1)), page(4, 0, 16, 16, descriptor(2))),
			addresses: []ElementAddress{1}},
		{name: "cut inside the last descriptor",
			b:         join(header(40), page(2, 0, 16, 32, join(descriptor(1), descriptor(2)[:13]))),
			addresses: []ElementAddress{1},
			truncated: &TruncatedElement{Element: Element{Address: 2, Type: Storage, Full: true}, AddressKnown: true, StatusKnown: true, VolumeTagKnown: true}},
		{name: "cut behind the address",
			b:         join(header(40), page(2, 0, 16, 32, join(descriptor(1), descriptor(2)[:11]))),
			addresses: []ElementAddress{1},
			truncated: &TruncatedElement{Element: Element{Address: 2, Type: Storage}, AddressKnown: true}},
		{name: "cut inside the address",
			b:         join(header(40), page(2, 0, 16, 32, join(descriptor(1), descriptor(2)[:1]))),
			addresses: []ElementAddress{1},
			truncated: &TruncatedElement{Element: Element{Type: Storage}}},
		{name: "cut between descriptors",
			b:         join(header(40), page(2, 0, 16, 32, descriptor(1))),
			addresses: []ElementAddress{1},
			truncated: &TruncatedElement{Element: Element{Type: Storage}}},
		{name: "cut inside the barcode",
			b:         join(header(56), page(2, 0x80, 48, 48, join(descriptor(3)[:12], tag("ABC", 0)[:31]))),
			truncated: &TruncatedElement{Element: Element{Address: 3, Type: Storage, Full: true}, AddressKnown: true, StatusKnown: true}},
		{name: "cut behind the barcode",
			b: join(header(56), page(2, 0x80, 48, 48, join(descriptor(3)[:12], tag("ABC", 0)[:32]))),
			truncated: &TruncatedElement{Element: Element{Address: 3, Type: Storage, Full: true, VolumeTagReported: true,
				PrimaryVolumeTag: VolumeTag{Identifier: "ABC"}}, AddressKnown: true, StatusKnown: true, VolumeTagKnown: true}},
		{name: "alternate tag without data (Q05)",
			b:         join(header(56), page(2, 0xC0, 48, 48, join(descriptor(4)[:12], tag("ABC", 0)))),
			addresses: []ElementAddress{4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeElementStatus(tt.b)
			if tt.fails != (err != nil) {
				t.Fatalf("error %v, want one: %t", err, tt.fails)
			}
			var addresses []ElementAddress
			for _, e := range got.Elements {
				addresses = append(addresses, e.Address)
			}
			if diff := cmp.Diff(tt.addresses, addresses); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.truncated, got.Truncated); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeIdentifier(t *testing.T) {
	t10 := "STK     T10000B         XYZZY_B1  " // the sample of a mhvtl STK L80
	padded := func(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }
	tests := []struct {
		name string
		b    []byte
		want DeviceIdentifier
	}{
		{"none", nil, DeviceIdentifier{}},
		{"header without identifier", []byte{2, 1, 0, 0, 'x', 'y'}, DeviceIdentifier{}},
		{"vendor, product, serial", join([]byte{2, 1, 0, 34}, []byte(t10)),
			DeviceIdentifier{CodeSet: 2, Type: 1, Raw: []byte(t10), Vendor: "STK", Product: "T10000B", Serial: "XYZZY_B1"}},
		{"bare serial (Q03)", join([]byte{2, 0, 0, 10}, []byte("HU1234567A")),
			DeviceIdentifier{CodeSet: 2, Raw: []byte("HU1234567A"), Serial: "HU1234567A"}},
		{"bare serial padded to 64", join([]byte{2, 0, 0, 64}, []byte(padded("HU1234567A", 64))),
			DeviceIdentifier{CodeSet: 2, Raw: []byte(padded("HU1234567A", 64)), Serial: "HU1234567A"}},
		{"bare serial padded with NULs and vendor data behind", join([]byte{2, 0, 0, 12}, []byte("HU1234567A\x00\x00LTO6")),
			DeviceIdentifier{CodeSet: 2, Raw: []byte("HU1234567A\x00\x00"), Serial: "HU1234567A"}},
		{"short identifier of type 1", join([]byte{2, 1, 0, 10}, []byte("HU1234567A")),
			DeviceIdentifier{CodeSet: 2, Type: 1, Raw: []byte("HU1234567A"), Serial: "HU1234567A"}},
		{"vendor, product and serial under type 0", join([]byte{2, 0, 0, 34}, []byte(t10)),
			DeviceIdentifier{CodeSet: 2, Raw: []byte(t10), Vendor: "STK", Product: "T10000B", Serial: "XYZZY_B1"}},
		{"binary NAA", []byte{1, 3, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7},
			DeviceIdentifier{CodeSet: 1, Type: 3, Raw: []byte{0x50, 1, 2, 3, 4, 5, 6, 7}}},
		{"cut off as by tgt", join([]byte{2, 1, 0, 34}, []byte("HP      Ultrium 6-SCSI  HU")),
			DeviceIdentifier{CodeSet: 2, Type: 1, Raw: []byte("HP      Ultrium 6-SCSI  HU"), Vendor: "HP", Product: "Ultrium 6-SCSI", Serial: "HU", Truncated: true}},
		{"cut off before the serial", join([]byte{2, 1, 0, 34}, []byte("HP      Ultr")),
			DeviceIdentifier{CodeSet: 2, Type: 1, Raw: []byte("HP      Ultr"), Truncated: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, decodeIdentifier(tt.b)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// sample reads a file of the samples, or skips.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	folder := os.Getenv("TAPECTL_SAMPLES")
	if folder == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				t.Skip("no go.mod above the package: the samples cannot be found")
			}
			dir = parent
		}
		folder = filepath.Join(dir, "..", "shared", "samples")
	}
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Skipf("sample %s is not here: %v", name, err)
	}
	return b
}

var (
	mtxDrive = regexp.MustCompile(`^Data Transfer Element (\d+):(Full|Empty)(?: \(Storage Element (\d+) Loaded\))?(?::VolumeTag = (\S+))?\s*$`)
	mtxSlot  = regexp.MustCompile(`^\s+Storage Element (\d+):(Full|Empty)\s*(?::VolumeTag=(\S+))?\s*$`)
)

// TestSamplesAgainstMTX holds the decoder to what mtx printed in the same state of a real HPE MSL3040.
func TestSamplesAgainstMTX(t *testing.T) {
	for _, name := range []string{"changer1", "changer2"} {
		t.Run(name, func(t *testing.T) {
			folder := "library/capture/read-element-status/"
			report, err := DecodeElementStatus(sample(t, folder+name+"-novcid.bin"))
			if err != nil {
				t.Fatal(err)
			}
			if report.Truncated != nil {
				t.Errorf("truncated: %+v", report.Truncated)
			}
			slots, drives := map[int]Element{}, map[int]Element{}
			for _, e := range report.Elements {
				switch e.Type {
				case Storage:
					slots[int(e.Address)-1000] = e
				case DataTransfer:
					drives[int(e.Address)-1] = e
				}
			}
			seen := 0
			for _, line := range strings.Split(string(sample(t, folder+name+"-mtx-status.txt")), "\n") {
				var want, got string
				if m := mtxDrive.FindStringSubmatch(line); m != nil {
					e := drives[number(t, m[1])]
					want = fmt.Sprintf("drive %s %s from %s tag %s", m[1], m[2], m[3], m[4])
					from := ""
					if e.SourceValid {
						from = strconv.Itoa(int(e.Source) - 1000)
					}
					got = fmt.Sprintf("drive %s %s from %s tag %s", m[1], fullness(e), from, e.PrimaryVolumeTag.Identifier)
				} else if m := mtxSlot.FindStringSubmatch(line); m != nil {
					e := slots[number(t, m[1])]
					want = fmt.Sprintf("slot %s %s tag %s", m[1], m[2], m[3])
					got = fmt.Sprintf("slot %s %s tag %s", m[1], fullness(e), e.PrimaryVolumeTag.Identifier)
				} else {
					continue
				}
				seen++
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
			if seen != 42 {
				t.Errorf("%d lines of mtx compared, want 2 drives and 40 slots", seen)
			}
		})
	}
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fullness(e Element) string {
	if e.Full {
		return "Full"
	}
	return "Empty"
}

func TestSampleIdentifiers(t *testing.T) {
	tests := []struct {
		file    string
		serials map[ElementAddress]string
	}{
		{"library/element-status/real-msl3040-dvcid.bin", map[ElementAddress]string{1: "8031BDC7D1", 2: "8031BDC7DB"}},
		{"library/element-status/real-msl3040-full-dvcid.bin", map[ElementAddress]string{1: "8031BDC7D1", 2: "8031BDC7DB"}},
		{"library/capture/read-element-status-probes/changer1-dt_curdata.bin", map[ElementAddress]string{1: "8031BDC7D1", 2: "8031BDC7DB"}},
		// Named dvcid, but taken with CURDATA alone.
		{"library/capture/read-element-status/changer1-dvcid-big.bin", map[ElementAddress]string{1: "", 2: ""}},
		{"library/element-status/quadstor-msl-g3-dvcid.bin", map[ElementAddress]string{
			256: "11A1D57AD0", 257: "6D71FB6FE6", 258: "2FEB23D41A", 259: "79B07D9D00"}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			report, err := DecodeElementStatus(sample(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got := map[ElementAddress]string{}
			for _, e := range report.Elements {
				if e.Type == DataTransfer {
					got[e.Address] = e.Identifier.Serial
					if e.Identifier.Serial != "" && e.Identifier.Product != "Ultrium 9-SCSI" {
						t.Errorf("element %d: product %q", e.Address, e.Identifier.Product)
					}
				}
			}
			if diff := cmp.Diff(tt.serials, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The virtual library of QUADStor: 1 arm, 4 drives, 4 mail slots, 40 slots, in this order of pages.
func TestSampleQuadstor(t *testing.T) {
	report, err := DecodeElementStatus(sample(t, "library/element-status/quadstor-msl-g3.bin"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[ElementType]int{}
	full := 0
	for _, e := range report.Elements {
		count[e.Type]++
		if e.Full {
			full++
			if e.PrimaryVolumeTag.Identifier == "" {
				t.Errorf("element %d is full and has no barcode", e.Address)
			}
		}
	}
	if len(report.Elements) != report.Available {
		t.Errorf("%d elements, the header says %d", len(report.Elements), report.Available)
	}
	if count[MediumTransport] != 1 || count[DataTransfer] != 4 {
		t.Errorf("elements by type: %v", count)
	}
	t.Logf("%v, %d full", count, full)
}

func TestEncodeElementStatusRoundTrip(t *testing.T) {
	elements := []Element{
		{Address: 500, Type: MediumTransport},
		{Address: 1000, Type: Storage, Full: true, Accessible: true, PrimaryVolumeTag: VolumeTag{"DPM001L6", 0}, MediumType: MediumData},
		{Address: 1001, Type: Storage, Exception: true, ASC: 0x83, ASCQ: 0x02, Disabled: true},
		{Address: 600, Type: ImportExport, Full: true, ImportedByOperator: true, ImportEnabled: true, ExportEnabled: true,
			PrimaryVolumeTag: VolumeTag{"X", 3}},
		{Address: 1, Type: DataTransfer, Full: true, SourceValid: true, Source: 1002,
			Identifier: DeviceIdentifier{Vendor: "HP", Product: "Ultrium 6-SCSI", Serial: "HUM1A00001"}},
		{Address: 2, Type: DataTransfer, Identifier: DeviceIdentifier{Serial: "S2"}},
	}
	for _, o := range []EncodeOptions{{}, {VolumeTag: true}, {DeviceIdentifier: true}, {IdentifierHeader: true},
		{VolumeTag: true, AlternateVolumeTag: true, DeviceIdentifier: true}} {
		b, err := EncodeElementStatus(elements, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeElementStatus(b)
		if err != nil {
			t.Fatal(err)
		}
		if got.First != 1 || got.Available != 6 || got.ByteCount != len(b)-8 || got.Truncated != nil {
			t.Errorf("%+v: header %+v", o, got)
		}
		for i, e := range got.Elements {
			want := elements[i]
			want.VolumeTagReported = o.VolumeTag
			if !o.VolumeTag {
				want.PrimaryVolumeTag = VolumeTag{}
			}
			if !o.DeviceIdentifier {
				want.Identifier = DeviceIdentifier{}
			} else {
				// Raw and its type come back beside the names.
				want.Identifier.Raw, want.Identifier.CodeSet, want.Identifier.Type = e.Identifier.Raw, e.Identifier.CodeSet, e.Identifier.Type
			}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("%+v: %s", o, diff)
			}
		}
	}
}

func TestEncodeElementStatusRefuses(t *testing.T) {
	tests := []struct {
		name string
		e    Element
	}{
		{"no type", Element{Address: 1}},
		{"unknown type", Element{Address: 1, Type: 5}},
		{"volume tag of 33 bytes", Element{Address: 1, Type: Storage, PrimaryVolumeTag: VolumeTag{Identifier: strings.Repeat("A", 33)}}},
		{"alternate volume tag of 33 bytes", Element{Address: 1, Type: Storage, AlternateVolumeTag: VolumeTag{Identifier: strings.Repeat("A", 33)}}},
		{"identifier of 256 bytes", Element{Address: 1, Type: DataTransfer, Identifier: DeviceIdentifier{Raw: make([]byte, 256)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := EncodeElementStatus([]Element{tt.e}, EncodeOptions{VolumeTag: true, AlternateVolumeTag: true, DeviceIdentifier: true})
			if err == nil {
				t.Error("no error")
			}
		})
	}
	if _, err := EncodeElementStatus(make([]Element, 65536), EncodeOptions{}); err == nil {
		t.Error("65,536 elements were encoded")
	}
}

// Decoding is bounded by the input, and what was decoded survives encoding and decoding.
func FuzzDecodeElementStatus(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 0, 0, 0, 24, 2, 0x80, 0, 16, 0, 0, 0, 16, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	b, err := EncodeElementStatus([]Element{{Address: 9, Type: DataTransfer, Full: true, PrimaryVolumeTag: VolumeTag{Identifier: "A"},
		Identifier: DeviceIdentifier{Vendor: "V", Product: "P", Serial: "S"}}}, EncodeOptions{VolumeTag: true, DeviceIdentifier: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-8])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeElementStatus(b)
		if err != nil {
			return
		}
		if len(r.Elements) > len(b)/descriptorFixedLength {
			t.Fatalf("%d elements out of %d bytes", len(r.Elements), len(b))
		}
		o := EncodeOptions{VolumeTag: true, AlternateVolumeTag: true, DeviceIdentifier: true}
		encoded, err := EncodeElementStatus(r.Elements, o)
		if err != nil {
			if len(r.Elements) < 10000 {
				t.Fatal(err)
			}
			return
		}
		again, err := DecodeElementStatus(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range r.Elements {
			e.VolumeTagReported = true
			e.Identifier.Truncated = false
			if e.Type != DataTransfer || e.Identifier.Raw == nil {
				e.Identifier = DeviceIdentifier{}
			}
			got := again.Elements[i]
			// A truncated identifier loses its mark, and with it the reason not to believe its text.
			e.Identifier.Serial, got.Identifier.Serial = "", ""
			if diff := cmp.Diff(e, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
