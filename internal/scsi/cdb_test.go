package scsi_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
)

// request is a command with its decoder.
type request interface {
	scsi.Request
	UnmarshalCDB([]byte) error
}

// cdbs are commands as the tables of SPC-5 print them, byte for byte.
var cdbs = []struct {
	r    request
	name string
	cdb  []byte
}{
	{&scsi.TestUnitReady{}, "TEST UNIT READY", []byte{0x00, 0, 0, 0, 0, 0}},
	{&scsi.RequestSense{AllocationLength: 252}, "REQUEST SENSE", []byte{0x03, 0, 0, 0, 0xFC, 0}},
	{&scsi.RequestSense{Descriptor: true}, "REQUEST SENSE", []byte{0x03, 0x01, 0, 0, 0, 0}},
	{&scsi.Inquiry{AllocationLength: 0x1234}, "INQUIRY", []byte{0x12, 0, 0, 0x12, 0x34, 0}},
	{&scsi.Inquiry{EVPD: true, Page: 0x80, AllocationLength: 252}, "INQUIRY", []byte{0x12, 0x01, 0x80, 0, 0xFC, 0}},
	{&scsi.ReportLUNs{SelectReport: 2, AllocationLength: 0x01020304}, "REPORT LUNS",
		[]byte{0xA0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 0, 0}},
	{&scsi.ModeSense6{DisableBlockDescriptors: true, Control: scsi.SavedValues, Page: 0x1D, Subpage: 1, AllocationLength: 36},
		"MODE SENSE(6)", []byte{0x1A, 0x08, 0xDD, 1, 36, 0}},
	{&scsi.ModeSense10{LongLBAAccepted: true, Control: scsi.ChangeableValues, Page: 0x3F, Subpage: 0xFF, AllocationLength: 0x1234},
		"MODE SENSE(10)", []byte{0x5A, 0x10, 0x7F, 0xFF, 0, 0, 0, 0x12, 0x34, 0}},
	{&scsi.ModeSense10{DisableBlockDescriptors: true, Page: 0x1D}, "MODE SENSE(10)", []byte{0x5A, 0x08, 0x1D, 0, 0, 0, 0, 0, 0, 0}},
	{&scsi.ModeSelect6{PageFormat: true, ParameterListLength: 12}, "MODE SELECT(6)", []byte{0x15, 0x10, 0, 0, 12, 0}},
	{&scsi.ModeSelect6{SavePages: true}, "MODE SELECT(6)", []byte{0x15, 0x01, 0, 0, 0, 0}},
	{&scsi.ModeSelect10{PageFormat: true, SavePages: true, ParameterListLength: 0x1234}, "MODE SELECT(10)",
		[]byte{0x55, 0x11, 0, 0, 0, 0, 0, 0x12, 0x34, 0}},
	{&scsi.LogSense{Control: scsi.CumulativeCurrent, Page: 0x17, Subpage: 1, ParameterPointer: 0x0203, AllocationLength: 0x0405},
		"LOG SENSE", []byte{0x4D, 0, 0x57, 1, 0, 2, 3, 4, 5, 0}},
	{&scsi.LogSense{SaveParameters: true}, "LOG SENSE", []byte{0x4D, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	{&scsi.LogSelect{ParameterCodeReset: true, Control: scsi.CumulativeDefault, Page: 0x32, Subpage: 9, ParameterListLength: 0x0102},
		"LOG SELECT", []byte{0x4C, 2, 0xF2, 9, 0, 0, 0, 1, 2, 0}},
	{&scsi.LogSelect{SaveParameters: true}, "LOG SELECT", []byte{0x4C, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	{&scsi.PreventAllowMediumRemoval{Prevent: 1}, "PREVENT ALLOW MEDIUM REMOVAL", []byte{0x1E, 0, 0, 0, 1, 0}},
	{&scsi.PersistentReserveIn{ServiceAction: scsi.ReadReservation, AllocationLength: 0x0102}, "PERSISTENT RESERVE IN",
		[]byte{0x5E, 1, 0, 0, 0, 0, 0, 1, 2, 0}},
	{&scsi.PersistentReserveOut{ServiceAction: scsi.ReserveRegisterAndIgnore, Type: scsi.ExclusiveAccess, ParameterListLength: 24},
		"PERSISTENT RESERVE OUT", []byte{0x5F, 6, 3, 0, 0, 0, 0, 0, 24, 0}},
	{&scsi.PersistentReserveOut{ServiceAction: scsi.ReservePreemptAndAbort, Scope: 1, Type: 8}, "PERSISTENT RESERVE OUT",
		[]byte{0x5F, 5, 0x18, 0, 0, 0, 0, 0, 0, 0}},
	{&scsi.ReportSupportedOperationCodes{Timeouts: true, AllocationLength: 0x01020304}, "REPORT SUPPORTED OPERATION CODES",
		[]byte{0xA3, 0x0C, 0x80, 0, 0, 0, 1, 2, 3, 4, 0, 0}},
	{&scsi.ReportSupportedOperationCodes{ReportingOptions: scsi.ReportOneServiceAction, RequestedOperationCode: 0xA3,
		RequestedServiceAction: 0x000F}, "REPORT SUPPORTED OPERATION CODES", []byte{0xA3, 0x0C, 2, 0xA3, 0, 0x0F, 0, 0, 0, 0, 0, 0}},
}

func fresh(r request) request { return reflect.New(reflect.TypeOf(r).Elem()).Interface().(request) }

func TestCDB(t *testing.T) {
	for _, test := range cdbs {
		if got := test.r.CDB(); !bytes.Equal(got, test.cdb) {
			t.Errorf("%+v is % X, want % X", test.r, got, test.cdb)
		}
		if test.r.Name() != test.name {
			t.Errorf("%T is called %q", test.r, test.r.Name())
		}
		got := fresh(test.r)
		if err := got.UnmarshalCDB(test.cdb); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(test.r, got); d != "" {
			t.Errorf("% X: %s", test.cdb, d)
		}
		wrong := bytes.Clone(test.cdb)
		wrong[0] ^= 0x40
		if err := got.UnmarshalCDB(wrong); err == nil || !strings.Contains(err.Error(), test.name) {
			t.Errorf("%T takes % X: %v", got, wrong, err)
		}
		for n := range len(test.cdb) {
			if got.UnmarshalCDB(test.cdb[:n]) == nil {
				t.Errorf("%T takes a CDB of %d bytes", got, n)
			}
		}
	}
	var r scsi.ReportSupportedOperationCodes
	if r.UnmarshalCDB([]byte{0xA3, 0x0F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) == nil {
		t.Error("REPORT TIMESTAMP passes for REPORT SUPPORTED OPERATION CODES")
	}
}

// FuzzCDB: what a CDB decodes to encodes to a CDB that decodes to the same.
func FuzzCDB(f *testing.F) {
	for _, test := range cdbs {
		f.Add(test.cdb)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, test := range cdbs {
			r := fresh(test.r)
			if r.UnmarshalCDB(b) != nil {
				continue
			}
			again := fresh(test.r)
			if err := again.UnmarshalCDB(r.CDB()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(r, again); d != "" {
				t.Fatal(d)
			}
		}
	})
}
