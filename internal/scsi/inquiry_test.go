package scsi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// standardInquiry is the data of an LTO drive, offsets from SPC-5 table 149.
func standardInquiry() []byte {
	b := make([]byte, 96)
	b[0] = 0x01
	b[1] = 0x80
	b[2] = 0x06
	b[3] = 0x12 // HISUP and format 2
	b[4] = 91
	b[5] = 0x01
	b[6] = 0x18
	copy(b[8:], "HPE     ")
	copy(b[16:], "Ultrium 9-SCSI  ")
	copy(b[32:], "S2S1")
	copy(b[36:], "01234567890123456789")
	binary.BigEndian.PutUint16(b[58:], 0x0960)
	binary.BigEndian.PutUint16(b[62:], 0x04C0)
	return b
}

func TestInquiryData(t *testing.T) {
	want := scsi.InquiryData{DeviceType: scsi.TapeDevice, Removable: true, Version: 6, ResponseFormat: 2, Protect: true,
		MultiPort: true, MediumChanger: true, Vendor: "HPE", Product: "Ultrium 9-SCSI", Revision: "S2S1",
		VendorSpecific: []byte("01234567890123456789"), VersionDescriptors: []uint16{0x0960, 0x04C0}}
	var got scsi.InquiryData
	if err := got.Unmarshal(standardInquiry()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var again scsi.InquiryData
	if err := again.Unmarshal(want.Marshal()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again); d != "" {
		t.Error(d)
	}
}

// Short and odd answers: what is missing is zero, what lies beyond the additional length is not the device's.
func TestInquiryDataShort(t *testing.T) {
	b := standardInquiry()
	for n := range 5 {
		var d scsi.InquiryData
		var re *scsi.ResponseError
		if err := d.Unmarshal(b[:n]); !errors.As(err, &re) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	var d scsi.InquiryData
	if err := d.Unmarshal(b[:20]); err != nil || d.Vendor != "HPE" || d.Product != "Ultr" || d.Revision != "" {
		t.Errorf("20 bytes: %v, %+v", err, d)
	}
	b[4] = 31
	if err := d.Unmarshal(b); err != nil || d.Revision != "S2S1" || len(d.VendorSpecific) != 0 || d.VersionDescriptors != nil {
		t.Errorf("additional length 31: %v, %+v", err, d)
	}
	if err := d.Unmarshal([]byte{0x7F, 0, 0, 0, 0}); err != nil || d.Qualifier != 3 || d.DeviceType != scsi.NoDevice {
		t.Errorf("no device: %v, %+v", err, d)
	}
}

func FuzzInquiryData(f *testing.F) {
	f.Add(standardInquiry())
	f.Add([]byte{8, 0x80, 3, 2, 31})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, again scsi.InquiryData
		if d.Unmarshal(b) != nil {
			return
		}
		m := d.Marshal()
		if err := again.Unmarshal(m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Marshal(), m) {
			t.Fatalf("%+v becomes %+v", d, again)
		}
		if again.DeviceType != d.DeviceType || again.Vendor != d.Vendor || again.Product != d.Product {
			t.Fatalf("%+v becomes %+v", d, again)
		}
	})
}

func TestDeviceTypeString(t *testing.T) {
	for d, want := range map[scsi.DeviceType]string{scsi.TapeDevice: "tape drive", scsi.ChangerDevice: "medium changer",
		scsi.DiskDevice: "disk", scsi.ControllerDevice: "array controller", scsi.NoDevice: "no device", 0x05: "device type 05h"} {
		if d.String() != want {
			t.Errorf("%d: %s", d, d)
		}
	}
}

func TestVPDPage(t *testing.T) {
	var p scsi.VPDPage
	if err := p.Unmarshal([]byte{0x08, 0x80, 0, 5, ' ', 'A', 'B', 0, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	want := scsi.VPDPage{DeviceType: scsi.ChangerDevice, Code: 0x80, Data: []byte{' ', 'A', 'B', 0, 0}}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
	if p.Serial() != "AB" {
		t.Errorf("serial %q", p.Serial())
	}
	if err := p.Unmarshal([]byte{0x01, 0x80, 1, 0, 'A'}); err != nil || string(p.Data) != "A" {
		t.Errorf("a page that is cut: %v, %q", err, p.Data)
	}
	for n := range 4 {
		if p.Unmarshal(make([]byte, n)) == nil {
			t.Errorf("%d bytes are a page", n)
		}
	}
	p = scsi.VPDPage{Data: []byte{0, 1, 2}}
	if p.Serial() != "" {
		t.Errorf("binary is taken for the serial number %q", p.Serial())
	}
}

// Page 83h as SPC-5 table 527 lays it out: T10 vendor identification, NAA of the unit, relative port.
var page83 = append([]byte{0x01, 0x83, 0, 0x3E - 4},
	append(append([]byte{0x02, 0x01, 0, 26}, "HPE     Ultrium 9-SCSI  S1"...),
		0x01, 0x03, 0, 8, 0x50, 0x01, 0x43, 0x80, 0x31, 0xBD, 0xC7, 0xDB,
		0x61, 0x94, 0, 4, 0, 0, 0, 1,
		0x01, 0x23, 0, 4, 9, 9, 9, 9)...)

func TestDesignators(t *testing.T) {
	var p scsi.VPDPage
	if err := p.Unmarshal(page83); err != nil {
		t.Fatal(err)
	}
	got, err := p.Designators()
	if err != nil {
		t.Fatal(err)
	}
	want := []scsi.Designator{
		{CodeSet: 2, Type: scsi.DesignatorT10, Data: []byte("HPE     Ultrium 9-SCSI  S1")},
		{CodeSet: 1, Type: scsi.DesignatorNAA, Data: []byte{0x50, 0x01, 0x43, 0x80, 0x31, 0xBD, 0xC7, 0xDB}},
		{Protocol: 6, CodeSet: 1, PIV: true, Association: scsi.OfTargetPort, Type: scsi.DesignatorPort, Data: []byte{0, 0, 0, 1}},
		{CodeSet: 1, Association: scsi.OfTargetDevice, Type: scsi.DesignatorNAA, Data: []byte{9, 9, 9, 9}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got[0].String() != "HPE     Ultrium 9-SCSI  S1" || got[1].String() != "5001438031bdc7db" {
		t.Errorf("%s, %s", got[0], got[1])
	}
	if d := cmp.Diff(page83, scsi.MarshalDesignators(scsi.TapeDevice, want).Marshal()); d != "" {
		t.Error(d)
	}
	for _, cut := range []int{1, 3, 7} {
		p.Data = p.Data[:len(p.Data)-cut]
		var re *scsi.ResponseError
		if got, err := p.Designators(); !errors.As(err, &re) || len(got) != 3 {
			t.Errorf("cut: %v, %d designators", err, len(got))
		}
		p.Unmarshal(page83)
	}
}

func FuzzVPDPage(f *testing.F) {
	f.Add(page83)
	f.Add([]byte{1, 0xB0, 0, 2, 1, 0})
	f.Add([]byte{1, 0xB4, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, again scsi.VPDPage
		if p.Unmarshal(b) != nil {
			return
		}
		if err := again.Unmarshal(p.Marshal()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatal(d)
		}
		list, err := p.Designators()
		if err == nil {
			back, err := scsi.MarshalDesignators(p.DeviceType, list).Designators()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(list, back); d != "" {
				t.Fatal(d)
			}
		}
		if strings.ContainsAny(p.Serial(), "\x00\n\x7f") {
			t.Fatalf("serial number %q", p.Serial())
		}
		p.ElementAddress()
	})
}

// Page B0h means other things on disks, and tgt answers it with a disk's page on a tape drive.
func TestSequentialAccess(t *testing.T) {
	var s scsi.SequentialAccess
	if err := s.Unmarshal(scsi.VPDPage{DeviceType: scsi.TapeDevice, Code: 0xB0, Data: []byte{0x01, 0}}); err != nil || !s.WORM || s.TSMC {
		t.Errorf("%v, %+v", err, s)
	}
	both := scsi.SequentialAccess{WORM: true, TSMC: true}
	if d := cmp.Diff([]byte{1, 0xB0, 0, 2, 3, 0}, both.Marshal().Marshal()); d != "" {
		t.Error(d)
	}
	for _, p := range []scsi.VPDPage{
		{DeviceType: scsi.TapeDevice, Code: 0xB0, Data: make([]byte, 60)},
		{DeviceType: scsi.TapeDevice, Code: 0xB0, Data: make([]byte, 12)},
		{DeviceType: scsi.TapeDevice, Code: 0xB0},
		{DeviceType: scsi.DiskDevice, Code: 0xB0, Data: make([]byte, 2)},
		{DeviceType: scsi.TapeDevice, Code: 0xB1, Data: make([]byte, 2)},
	} {
		if s.Unmarshal(p) == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

func TestElementAddress(t *testing.T) {
	for _, test := range []struct {
		p    scsi.VPDPage
		want uint16
		ok   bool
	}{
		{scsi.VPDPage{Code: 0xB4, Data: []byte{1, 0}}, 256, true},
		{scsi.VPDPage{Code: 0xB4, Data: []byte{0, 0, 1, 2}}, 0x0102, true},
		{scsi.VPDPage{Code: 0xB4, Data: []byte{1, 0, 0}}, 0, false},
		{scsi.VPDPage{Code: 0xB4}, 0, false},
		{scsi.VPDPage{Code: 0xB4, Data: make([]byte, 9)}, 0, false},
		{scsi.VPDPage{Code: 0xB3, Data: []byte{1, 0}}, 0, false},
	} {
		if got, ok := test.p.ElementAddress(); ok != test.ok || ok && got != test.want {
			t.Errorf("%+v: %d, %v", test.p, got, ok)
		}
	}
}

// drive answers INQUIRY like an LTO drive with the pages given.
func drive(pages map[byte][]byte) func(*scsi.Command) error {
	return func(c *scsi.Command) error {
		var r scsi.Inquiry
		if err := r.UnmarshalCDB(c.CDB); err != nil {
			return scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0))(c)
		}
		if !r.EVPD {
			return scsitest.Data(standardInquiry())(c)
		}
		data, ok := pages[r.Page]
		if !ok {
			return scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))(c)
		}
		b := scsi.VPDPage{DeviceType: scsi.TapeDevice, Code: r.Page, Data: data}.Marshal()
		return scsitest.Data(b[:min(len(b), int(r.AllocationLength))])(c)
	}
}

// always answers every command in the same way.
func always(f func(*scsi.Command) error) *scsitest.Transport {
	var a []func(*scsi.Command) error
	for range 50 {
		a = append(a, f)
	}
	return scsitest.Answers(a...)
}

func TestIdentify(t *testing.T) {
	pages := map[byte][]byte{0x00: {0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB3, 0xB4}, 0x80: []byte("   8031BDC7DB\x00"),
		0x83: page83[4:], 0xB0: {1, 0}, 0xB1: []byte("CZ1234    "), 0xB3: []byte("BAY1"), 0xB4: {1, 2}}
	got, err := scsi.Identify(t.Context(), always(drive(pages)))
	if err != nil {
		t.Fatal(err)
	}
	want := scsi.Identity{DeviceType: scsi.TapeDevice, Present: true, Removable: true, Vendor: "HPE", Product: "Ultrium 9-SCSI",
		Revision: "S2S1", Serial: "8031BDC7DB", ManufacturerSerial: "CZ1234", AutomationSerial: "BAY1",
		NAA: "5001438031bdc7db", ElementAddress: 0x0102, ElementAddressKnown: true, WORM: true, Protect: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A device that lists pages and refuses or garbles them is still identified; what it does not list is not asked for.
func TestIdentifyTolerates(t *testing.T) {
	f := always(drive(map[byte][]byte{0x00: {0x00, 0x80, 0xB0, 0xB1}, 0xB0: make([]byte, 60), 0xB1: {0, 5, 0}}))
	got, err := scsi.Identify(t.Context(), f)
	if err != nil || got.Vendor != "HPE" || got.Serial != "" || got.WORM || got.ManufacturerSerial != "" {
		t.Errorf("%v, %+v", err, got)
	}
	for _, c := range f.Sent() {
		if c.CDB[1] == 1 && c.CDB[2] == 0x83 {
			t.Error("asked for page 83h, which the device does not list")
		}
	}
	if got, err := scsi.Identify(t.Context(), always(drive(nil))); err != nil || got.Product != "Ultrium 9-SCSI" {
		t.Errorf("no pages at all: %v, %+v", err, got)
	}
	// Some answer EVPD with the standard data.
	if got, err := scsi.Identify(t.Context(), always(scsitest.Data(standardInquiry()))); err != nil || got.Serial != "" {
		t.Errorf("standard data for every page: %v, %+v", err, got)
	}
	if got, err := scsi.Identify(t.Context(), always(scsitest.Data([]byte{0x7F, 0, 6, 2, 0}))); err != nil || got.Present {
		t.Errorf("no unit: %v, %+v", err, got)
	}
}

func TestIdentifyFails(t *testing.T) {
	lost := errors.New("cable")
	for n := range 3 {
		a := []func(*scsi.Command) error{}
		for range n {
			a = append(a, drive(map[byte][]byte{0x00: {0x00, 0x80}, 0x80: []byte("S")}))
		}
		if _, err := scsi.Identify(t.Context(), scsitest.Answers(append(a, scsitest.Lost(lost))...)); !errors.Is(err, lost) {
			t.Errorf("lost at command %d: %v", n, err)
		}
	}
	var re *scsi.ResponseError
	if _, err := scsi.Identify(t.Context(), always(scsitest.Data(nil))); !errors.As(err, &re) || re.Op != "INQUIRY" || re.CDB[0] != 0x12 {
		t.Errorf("no data: %v", err)
	}
}

func TestReadVPDLong(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 1000)
	f := always(drive(map[byte][]byte{0xC0: long}))
	p, err := scsi.ReadVPD(t.Context(), f, 0xC0)
	if err != nil || !bytes.Equal(p.Data, long) || len(f.Sent()) != 2 {
		t.Errorf("%v, %d bytes, %d commands", err, len(p.Data), len(f.Sent()))
	}
}
