package drive

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
)

// unmarshaler is what every command struct is beside a scsi.Request.
type unmarshaler interface {
	scsi.Request
	UnmarshalCDB([]byte) error
}

// The bytes are laid out by hand from SSC-5 and SPC-5, and not taken from the encoder.
var cdbTests = []struct {
	name string
	r    unmarshaler
	cdb  []byte
}{
	{"block limits", &ReadBlockLimits{}, []byte{0x05, 0, 0, 0, 0, 0}},
	{"largest object", &ReadBlockLimits{MaximumLogicalObjectIdentifier: true}, []byte{0x05, 1, 0, 0, 0, 0}},
	{"read", &Read6{Length: 0x040000}, []byte{0x08, 0, 0x04, 0, 0, 0}},
	{"read flags", &Read6{SILI: true, Fixed: true, Length: 0x010203}, []byte{0x08, 3, 1, 2, 3, 0}},
	{"read SILI", &Read6{SILI: true}, []byte{0x08, 2, 0, 0, 0, 0}},
	{"write", &Write6{Length: 0xFFFFFF}, []byte{0x0A, 0, 0xFF, 0xFF, 0xFF, 0}},
	{"write fixed", &Write6{Fixed: true, Length: 4}, []byte{0x0A, 1, 0, 0, 4, 0}},
	{"filemark", &WriteFilemarks6{Count: 1}, []byte{0x10, 0, 0, 0, 1, 0}},
	{"filemarks immediate", &WriteFilemarks6{Immediate: true, Count: 0x010203}, []byte{0x10, 1, 1, 2, 3, 0}},
	{"flush", &WriteFilemarks6{}, []byte{0x10, 0, 0, 0, 0, 0}},
	{"space blocks", &Space6{Code: SpaceLogicalBlocks, Count: 5}, []byte{0x11, 0, 0, 0, 5, 0}},
	{"space back", &Space6{Code: SpaceLogicalBlocks, Count: -1}, []byte{0x11, 0, 0xFF, 0xFF, 0xFF, 0}},
	{"space filemarks", &Space6{Code: SpaceFilemarkCount, Count: -8388608}, []byte{0x11, 1, 0x80, 0, 0, 0}},
	{"space end of data", &Space6{Code: SpaceToEndOfData}, []byte{0x11, 3, 0, 0, 0, 0}},
	{"space 16", &Space16{Code: SpaceFilemarkCount, Count: -2},
		[]byte{0x91, 1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 0}},
	{"locate", &Locate10{Object: 0x01020304}, []byte{0x2B, 0, 0, 1, 2, 3, 4, 0, 0, 0}},
	{"locate flags", &Locate10{BlockAddressType: true, ChangePartition: true, Immediate: true, Partition: 1}, []byte{0x2B, 7, 0, 0, 0, 0, 0, 0, 1, 0}},
	{"locate 16", &Locate16{Object: 0x0102030405060708}, []byte{0x92, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}},
	{"locate 16 end of data", &Locate16{Destination: LocateEndOfData, ChangePartition: true, Immediate: true, Partition: 2},
		[]byte{0x92, 0x1B, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"locate 16 file", &Locate16{Destination: LocateLogicalFile, Object: 9}, []byte{0x92, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}},
	{"position short", &ReadPosition{}, []byte{0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"position long", &ReadPosition{Form: LongForm}, []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"position extended", &ReadPosition{Form: ExtendedForm, Allocation: 32}, []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0}},
	{"rewind", &Rewind{}, []byte{0x01, 0, 0, 0, 0, 0}},
	{"rewind immediate", &Rewind{Immediate: true}, []byte{0x01, 1, 0, 0, 0, 0}},
	{"unload", &LoadUnload{}, []byte{0x1B, 0, 0, 0, 0, 0}},
	{"load", &LoadUnload{Load: true}, []byte{0x1B, 0, 0, 0, 1, 0}},
	{"load and hold", &LoadUnload{Hold: true, Load: true}, []byte{0x1B, 0, 0, 0, 9, 0}},
	{"unload flags", &LoadUnload{Immediate: true, EndOfTape: true, Retension: true}, []byte{0x1B, 1, 0, 0, 6, 0}},
	{"erase", &Erase6{}, []byte{0x19, 0, 0, 0, 0, 0}},
	{"erase long", &Erase6{Immediate: true, Long: true}, []byte{0x19, 3, 0, 0, 0, 0}},
	{"erase immediate", &Erase6{Immediate: true}, []byte{0x19, 2, 0, 0, 0, 0}},
	{"format", &FormatMedium{Verify: true, Format: 2, ParameterLength: 0x0102}, []byte{0x04, 2, 2, 1, 2, 0}},
	{"format immediate", &FormatMedium{Immediate: true}, []byte{0x04, 1, 0, 0, 0, 0}},
	{"set capacity", &SetCapacity{Immediate: true, Proportion: 0x1234}, []byte{0x0B, 1, 0, 0x12, 0x34, 0}},
	{"allow overwrite", &AllowOverwrite{Code: 1, Partition: 2, Object: 0x0102030405060708},
		[]byte{0x82, 0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}},
	{"density", &ReportDensitySupport{Media: true, Allocation: 0x0102}, []byte{0x44, 1, 0, 0, 0, 0, 0, 1, 2, 0}},
	{"density medium type", &ReportDensitySupport{MediumType: true}, []byte{0x44, 2, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"read attribute", &ReadAttribute{Action: SupportedAttributes, Element: 0x0102, LogicalVolume: 3, Partition: 4, First: 0x0806, Allocation: 0x01020304, Cache: true},
		[]byte{0x8C, 5, 1, 2, 0, 3, 0, 4, 0x08, 0x06, 1, 2, 3, 4, 1, 0}},
	{"write attribute", &WriteAttribute{WriteThrough: true, LogicalVolume: 1, Partition: 2, Length: 0x01020304},
		[]byte{0x8D, 1, 0, 0, 0, 1, 0, 2, 0, 0, 1, 2, 3, 4, 0, 0}},
	{"security in", &SecurityProtocolIn{Protocol: 0x20, Specific: 0x0010, Allocation: 0x01020304},
		[]byte{0xA2, 0x20, 0, 0x10, 0, 0, 1, 2, 3, 4, 0, 0}},
	{"security out", &SecurityProtocolOut{Protocol: 0x20, Specific: 0x0010, Increment512: true, Length: 52},
		[]byte{0xB5, 0x20, 0, 0x10, 0x80, 0, 0, 0, 0, 52, 0, 0}},
}

// blank gives an empty command of the same kind.
func blank(r unmarshaler) unmarshaler {
	return reflect.New(reflect.TypeOf(r).Elem()).Interface().(unmarshaler)
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
			if tt.r.Name() == "" {
				t.Error("no name")
			}
		})
	}
}

// Whatever decodes encodes to a CDB that decodes to the same.
func FuzzCDB(f *testing.F) {
	for _, tt := range cdbTests {
		f.Add(tt.cdb)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := map[reflect.Type]bool{}
		for _, tt := range cdbTests {
			if typ := reflect.TypeOf(tt.r); seen[typ] {
				continue
			} else {
				seen[typ] = true
			}
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
		}
	})
}
