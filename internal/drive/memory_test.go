package drive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// Offsets of SPC-5 6.18.2 and table 427.
func TestDecodeAttributes(t *testing.T) {
	b := append([]byte{0, 0, 0, 22, 0x04, 0x00, 0x80 | 1, 0, 8}, "FUJIFILM"...)
	b = append(b, 0x08, 0x05, 0x00, 0, 1, 0x81, 0x08, 0x03, 0x02)
	list, more, err := DecodeAttributes(b)
	want := []Attribute{{ID: 0x0400, ReadOnly: true, Format: ASCIIAttribute, Value: []byte("FUJIFILM")},
		{ID: 0x0805, Format: BinaryAttribute, Value: []byte{0x81}}}
	if err != nil || !more {
		t.Errorf("more %t, %v: the last attribute is cut off", more, err)
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	b[3] = 19
	if list, more, err = DecodeAttributes(b); err != nil || more || len(list) != 2 {
		t.Errorf("%d attributes, more %t, %v", len(list), more, err)
	}
	b[0] = 0xFF
	if _, more, err = DecodeAttributes(b); err != nil || !more {
		t.Errorf("more %t, %v: the drive has more than it sent", more, err)
	}
	if _, _, err := DecodeAttributes([]byte{0, 0, 0}); err == nil {
		t.Error("3 bytes were accepted")
	}
	if _, err := EncodeAttributes([]Attribute{{Value: make([]byte, 65536)}}); err == nil {
		t.Error("65,536 bytes were encoded")
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 6, 0x08, 0x05, 0, 0, 1, 0x81})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 8, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _, err := DecodeAttributes(b)
		if err != nil {
			return
		}
		NewMediumMemory(list)
		encoded, err := EncodeAttributes(list)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > len(b) {
			t.Fatalf("%d bytes out of %d", len(encoded), len(b))
		}
		again, more, err := DecodeAttributes(encoded)
		if err != nil || more {
			t.Fatal(more, err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func cartridge() []Attribute {
	return []Attribute{
		{ID: 0x0000, ReadOnly: true, Value: []byte{0, 0, 0, 0, 0, 0x9E, 0x4F, 0x2F}},
		{ID: 0x0001, ReadOnly: true, Value: []byte{0, 0, 0, 0, 0, 0x24, 0x60, 0x00}},
		{ID: 0x0003, ReadOnly: true, Value: []byte{0, 0, 0, 0, 0, 0, 0, 79}},
		{ID: 0x0006, ReadOnly: true, Value: []byte{0x5A}},
		{ID: 0x0009, ReadOnly: true, Value: []byte{0, 0, 1, 0xAB}},
		{ID: 0x020A, ReadOnly: true, Format: 1, Value: []byte("HPE     HUM1A00001                      ")},
		{ID: 0x0220, ReadOnly: true, Value: []byte{0, 0, 0, 0, 0, 0, 0, 3}},
		{ID: 0x0221, ReadOnly: true, Value: []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
		{ID: 0x0400, ReadOnly: true, Format: 1, Value: []byte("FUJIFILM")},
		{ID: 0x0401, ReadOnly: true, Format: 1, Value: []byte("2023B16307                      ")},
		{ID: 0x0405, ReadOnly: true, Value: []byte{0x5A}},
		{ID: 0x0406, ReadOnly: true, Format: 1, Value: []byte("20230417")},
		{ID: 0x0408, ReadOnly: true, Value: []byte{0x80}},
		{ID: 0x0409, ReadOnly: true, Value: []byte{0, 50}},
		{ID: 0x0800, Format: 1, Value: []byte("TAPECTL ")},
		{ID: 0x0803, Format: 2, Value: []byte("DPM-TAPE-1" + strings.Repeat(" ", 150))},
		{ID: 0x0804, Format: 1, Value: []byte("202611231205")},
		{ID: 0x0806, Format: 1, Value: []byte("DPM001L6" + strings.Repeat(" ", 24))},
	}
}

func TestMediumMemory(t *testing.T) {
	f := newFake(quirks{})
	f.attributes = cartridge()
	d := f.open(t)
	got, err := d.MediumMemory(background)
	if err != nil {
		t.Fatal(err)
	}
	want := MediumMemory{
		Serial: "2023B16307", Manufacturer: "FUJIFILM", Barcode: "DPM001L6", LoadCount: 79,
		RemainingCapacity: 0x9E4F2F << 20, RemainingKnown: true, MaximumCapacity: 0x246000 << 20,
		FormattedDensity: 0x5A, MediumDensity: 0x5A, MediumType: 0x80, CleaningsLeft: 50, ManufactureDate: "20230417",
		ApplicationVendor: "TAPECTL", UserMediumTextLabel: "DPM-TAPE-1",
		DateLastWritten: time.Date(2026, 11, 23, 12, 5, 0, 0, time.UTC),
		LastDriveVendor: "HPE", LastDriveSerial: "HUM1A00001", WrittenInLife: 3 << 20, VolumeChange: "000001ab",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAttribute(t *testing.T) {
	f := newFake(quirks{})
	f.attributes = cartridge()
	d := f.open(t)
	if a, err := d.Attribute(background, AttributeBarcode); err != nil || a.Text() != "DPM001L6" {
		t.Errorf("%+v, %v", a, err)
	}
	// The drive refuses an attribute that is missing, as IBM drives do (Q63).
	if _, err := d.Attribute(background, AttributeApplicationName); !errors.Is(err, ErrNoAttribute) {
		t.Errorf("%v", err)
	}
	// Other drives answer with those behind it.
	f.intercept = once(0x8C, scsitest.Data([]byte{0, 0, 0, 6, 0x08, 0x06, 1, 0, 1, 'X'}))
	if _, err := d.Attribute(background, AttributeApplicationName); !errors.Is(err, ErrNoAttribute) {
		t.Errorf("%v", err)
	}
	a, ok := NewTextAttribute(AttributeApplicationName, "tapectl")
	if !ok || len(a.Value) != 32 {
		t.Fatalf("%+v", a)
	}
	if err := d.WriteAttribute(background, a); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Attribute(background, AttributeApplicationName); err != nil || got.Text() != "tapectl" || got.Format != ASCIIAttribute {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.WriteAttribute(background, Attribute{ID: AttributeApplicationName}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Attribute(background, AttributeApplicationName); !errors.Is(err, ErrNoAttribute) {
		t.Errorf("after deleting: %v", err)
	}
	if err := d.WriteAttribute(background, Attribute{Value: make([]byte, 65536)}); err == nil {
		t.Error("65,536 bytes were sent")
	}
}

func TestNewTextAttribute(t *testing.T) {
	for id, n := range map[AttributeID]int{0x0800: 8, 0x0801: 32, 0x0802: 8, 0x0803: 160, 0x0804: 12, 0x0806: 32, 0x0807: 80, 0x0808: 160} {
		a, ok := NewTextAttribute(id, strings.Repeat("A", 200))
		if !ok || !bytes.Equal(a.Value, bytes.Repeat([]byte{'A'}, n)) || a.ReadOnly {
			t.Errorf("%04Xh: %+v", uint16(id), a)
		}
	}
	if a, _ := NewTextAttribute(AttributeUserMediumTextLabel, "x"); a.Format != TextAttribute {
		t.Errorf("%+v", a)
	}
	if _, ok := NewTextAttribute(AttributeLoadCount, "x"); ok {
		t.Error("the load count is no text")
	}
}

// An answer that does not end, or that repeats itself, ends all the same.
func TestAttributesPaging(t *testing.T) {
	f := newFake(quirks{})
	f.attributes = cartridge()
	d := f.open(t)
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x8C {
			return false, nil
		}
		first := AttributeID(c.CDB[8])<<8 | AttributeID(c.CDB[9])
		for _, a := range f.attributes { // one at a time
			if a.ID >= first {
				b, _ := EncodeAttributes([]Attribute{a})
				b[2]++
				return true, scsitest.Data(b)(c)
			}
		}
		return true, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))(c)
	}
	list, err := d.Attributes(background)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cartridge(), list); diff != "" {
		t.Error(diff)
	}
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x8C {
			return false, nil
		}
		return true, scsitest.Data([]byte{0, 0, 1, 0, 0, 3, 0, 0, 1, 7})(c)
	}
	if list, err := d.Attributes(background); err != nil || len(list) != 1 {
		t.Errorf("%d attributes, %v", len(list), err)
	}
}

func TestAttributesNotSupported(t *testing.T) {
	d := newFake(quirks{tgt: true}).open(t)
	if _, err := d.MediumMemory(background); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
	if err := d.WriteAttribute(background, Attribute{}); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
	f := newFake(quirks{noList: true})
	d = f.open(t)
	for _, op := range []byte{0x8D, 0x8C} {
		f.intercept = once(op, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
		if _, err := d.Attribute(background, 1); op == 0x8C && (!errors.Is(err, ErrNotSupported) || d.Capabilities().MAM) {
			t.Errorf("%v", err)
		} else if op == 0x8D {
			if err := d.WriteAttribute(background, Attribute{ID: 0x800}); !errors.Is(err, ErrNotSupported) {
				t.Errorf("%v", err)
			}
		}
	}
	d.can.MAM = true
	var response *scsi.ResponseError
	f.intercept = once(0x8C, scsitest.Data([]byte{0}))
	if _, err := d.Attributes(background); !errors.As(err, &response) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x8C, scsitest.Check(notReady(0x04, 0x10)))
	if _, err := d.Attributes(background); !errors.Is(err, scsi.IsNotReady) {
		t.Errorf("%v", err)
	}
}

// A descriptor of an LTO-5 drive by hand, offsets from SSC-5 table 109.
func TestDecodeDensities(t *testing.T) {
	d := []byte{0x58, 0x58, 0xA0, 0, 0, 0, 0x3C, 0x14, 0, 127, 0x05, 0x00, 0x00, 0x16, 0xE3, 0x60}
	d = append(d, "LTO-CVE U-516   Ultrium 5/16T       "...)
	b := append([]byte{0, 54, 0, 0}, d...)
	want := Density{Primary: 0x58, Secondary: 0x58, Writable: true, Default: true, BitsPerMM: 15380, Width: 127, Tracks: 1280,
		CapacityMB: 1500000, Organization: "LTO-CVE", Name: "U-516", Description: "Ultrium 5/16T"}
	got, err := DecodeDensities(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Density{want}, got); diff != "" {
		t.Error(diff)
	}
	if encoded := EncodeDensities([]Density{want}); !bytes.Equal(encoded, b) {
		t.Errorf("encoded % X", encoded)
	}
	if got, err := DecodeDensities(b[:55]); err != nil || len(got) != 0 {
		t.Errorf("a descriptor that is cut off gives %v, %v", got, err)
	}
	if _, err := DecodeDensities(b[:3]); err == nil {
		t.Error("3 bytes were accepted")
	}
	if got, err := DecodeDensities([]byte{0, 0, 0, 0, 1, 2, 3}); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	long := append([]byte{0, 114, 0, 0}, d...) // DLV: 60 bytes behind byte 4
	long[4+2], long[4+4] = 0x41, 55
	long = append(append(long, make([]byte, 8)...), d...)
	if got, err := DecodeDensities(long); err != nil || len(got) != 2 || got[1] != want || !got[0].Duplicate {
		t.Errorf("descriptors of their own length: %+v, %v", got, err)
	}
	if b := EncodeDensities(make([]Density, 2000)); len(b) > 65537 {
		t.Errorf("%d bytes do not fit", len(b))
	}
}

func TestDensities(t *testing.T) {
	f := newFake(quirks{})
	f.densities = []Density{{Primary: 0x5A, Writable: true, Name: "U-616"}}
	d := f.open(t)
	if got, err := d.Densities(background, true); err != nil || len(got) != 1 || f.sent(0x44)[0].CDB[1] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := d.Densities(background, false); err != nil || f.sent(0x44)[1].CDB[1] != 0 {
		t.Errorf("%v", err)
	}
	var response *scsi.ResponseError
	f.intercept = once(0x44, scsitest.Data([]byte{0}))
	if _, err := d.Densities(background, false); !errors.As(err, &response) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x44, scsitest.Check(notReady(0x3A, 0)))
	if _, err := d.Densities(background, true); !errors.Is(err, scsi.MediumNotPresent) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x44, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
	for range 2 {
		if _, err := d.Densities(background, false); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzDensities(f *testing.F) {
	f.Add(EncodeDensities([]Density{{Primary: 0x5A, Name: "U-616"}, {Primary: 0x58}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodeDensities(b)
		if err != nil {
			return
		}
		if len(list) > len(b)/densityLength {
			t.Fatalf("%d densities out of %d bytes", len(list), len(b))
		}
		again, err := DecodeDensities(EncodeDensities(list))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
