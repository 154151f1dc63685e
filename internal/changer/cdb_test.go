package changer

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
)

// unmarshaler is what every command struct is beside a scsi.Request.
type unmarshaler interface {
	scsi.Request
	UnmarshalCDB([]byte) error
}

// The bytes are laid out by hand from SMC-3, clause by clause, and not taken from the encoder.
var cdbTests = []struct {
	name string
	r    unmarshaler
	cdb  []byte
}{
	{"initialize", &InitializeElementStatus{}, []byte{0x07, 0, 0, 0, 0, 0}},
	{"initialize range", &InitializeElementStatusWithRange{Fast: true, Range: true, Start: 0x0102, Count: 0x0304},
		[]byte{0x37, 0x03, 0x01, 0x02, 0, 0, 0x03, 0x04, 0, 0}},
	{"initialize vendor range", &InitializeElementStatusWithRange{Range: true, Start: 0x1000, Count: 2, Vendor: true},
		[]byte{0xE7, 0x01, 0x10, 0x00, 0, 0, 0, 0x02, 0, 0}},
	{"read element status", &ReadElementStatus{VolumeTag: true, Type: DataTransfer, Start: 0x0100, Count: 0x03E8,
		CurrentData: true, DeviceIdentifier: true, Allocation: 0x01FFFE},
		[]byte{0xB8, 0x14, 0x01, 0x00, 0x03, 0xE8, 0x03, 0x01, 0xFF, 0xFE, 0, 0}},
	// The sample of a mhvtl trace: type 4, from 01F4h, 4 elements, DVCID, 800h bytes.
	{"read element status sample", &ReadElementStatus{Type: DataTransfer, Start: 0x01F4, Count: 4, DeviceIdentifier: true, Allocation: 0x0800},
		[]byte{0xB8, 0x04, 0x01, 0xF4, 0x00, 0x04, 0x01, 0x00, 0x08, 0x00, 0, 0}},
	{"move", &MoveMedium{Transport: 0x0001, Source: 0x03E9, Destination: 0x0100},
		[]byte{0xA5, 0, 0x00, 0x01, 0x03, 0xE9, 0x01, 0x00, 0, 0, 0, 0}},
	{"move inverted", &MoveMedium{Source: 1, Destination: 2, Invert: true},
		[]byte{0xA5, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0x01, 0}},
	{"exchange", &ExchangeMedium{Transport: 0x0A0B, Source: 0x0102, FirstDestination: 0x0304, SecondDestination: 0x0506, Invert1: true},
		[]byte{0xA6, 0, 0x0A, 0x0B, 1, 2, 3, 4, 5, 6, 0x02, 0}},
	{"exchange second inverted", &ExchangeMedium{Invert2: true}, []byte{0xA6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0}},
	{"position", &PositionToElement{Transport: 0x0102, Destination: 0x0304, Invert: true},
		[]byte{0x2B, 0, 1, 2, 3, 4, 0, 0, 0x01, 0}},
	{"open", &OpenCloseImportExport{Element: 0x0102}, []byte{0x1B, 0, 1, 2, 0, 0}},
	{"close", &OpenCloseImportExport{Element: 0x0102, Close: true}, []byte{0x1B, 0, 1, 2, 1, 0}},
}

// blank gives an empty command of the same kind.
func blank(r unmarshaler) unmarshaler {
	switch r.(type) {
	case *InitializeElementStatus:
		return &InitializeElementStatus{}
	case *InitializeElementStatusWithRange:
		return &InitializeElementStatusWithRange{}
	case *ReadElementStatus:
		return &ReadElementStatus{}
	case *MoveMedium:
		return &MoveMedium{}
	case *ExchangeMedium:
		return &ExchangeMedium{}
	case *PositionToElement:
		return &PositionToElement{}
	case *OpenCloseImportExport:
		return &OpenCloseImportExport{}
	}
	return nil
}

func TestCDB(t *testing.T) {
	for _, tt := range cdbTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.CDB(); !bytes.Equal(got, tt.cdb) {
				t.Errorf("CDB\n got % X\nwant % X", got, tt.cdb)
			}
			got := blank(tt.r)
			if err := got.UnmarshalCDB(tt.cdb); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.r, got); diff != "" {
				t.Error(diff)
			}
			if err := blank(tt.r).UnmarshalCDB(tt.cdb[:len(tt.cdb)-1]); err == nil {
				t.Error("a CDB that is one byte short was accepted")
			}
			other := bytes.Clone(tt.cdb)
			other[0] = 0x12
			if err := blank(tt.r).UnmarshalCDB(other); err == nil {
				t.Error("another operation code was accepted")
			}
		})
	}
}

func TestOpenCloseImportExportAction(t *testing.T) {
	var c OpenCloseImportExport
	if err := c.UnmarshalCDB([]byte{0x1B, 0, 0, 1, 2, 0}); err == nil {
		t.Error("action code 2 was accepted")
	}
}

// Whatever decodes encodes to a CDB that decodes to the same.
func FuzzCDB(f *testing.F) {
	for _, tt := range cdbTests {
		f.Add(tt.cdb)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, tt := range cdbTests {
			first, second := blank(tt.r), blank(tt.r)
			if first.UnmarshalCDB(b) != nil {
				continue
			}
			if err := second.UnmarshalCDB(first.CDB()); err != nil {
				t.Fatalf("%s: own CDB % X: %v", first.Name(), first.CDB(), err)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Fatal(diff)
			}
			if !bytes.Equal(first.CDB(), second.CDB()) {
				t.Fatal("CDB changes")
			}
		}
	})
}
