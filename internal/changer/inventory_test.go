package changer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// Every quirk gives the same inventory as a changer of the standard.
func TestElementsQuirks(t *testing.T) {
	tests := []struct {
		name   string
		quirks quirks
		slots  int
		most   int // READ ELEMENT STATUS commands allowed
	}{
		{"standard", quirks{}, 20, 4},
		{"10,000 slots", quirks{}, 10000, 16},
		{"10,000 slots, count is a range of addresses", quirks{rangeOfAddresses: true}, 10000, 16},
		{"tgt", quirks{tgt: true}, 20, 8},
		{"tgt with one slot", quirks{tgt: true}, 1, 8},
		{"no CURDATA", quirks{noCurrentData: true}, 20, 5},
		{"at most 100 elements (Q06)", quirks{maxCount: 100}, 500, 16},
		{"at most one element", quirks{maxCount: 1}, 40, 62},
		{"16 bits of allocation length", quirks{low16: true}, 3000, 8},
		{"no page 1D", quirks{noMode1D: true}, 20, 8},
		{"no page 1D, tgt", quirks{noMode1D: true, tgt: true}, 20, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(tt.slots, 2, 4, tt.quirks)
			c := f.open(t)
			mark := len(f.transport.Sent())
			got, err := c.Elements(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(f.elements)
			slices.SortFunc(want, func(a, b Element) int { return int(a.Address) - int(b.Address) })
			for i := range want {
				want[i].Identifier = DeviceIdentifier{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			sent := f.sent(0xB8, mark)
			if len(sent) > tt.most {
				t.Errorf("%d READ ELEMENT STATUS commands, want at most %d", len(sent), tt.most)
			}
			for _, s := range sent {
				var q ReadElementStatus
				if err := q.UnmarshalCDB(s.CDB); err != nil {
					t.Fatal(err)
				}
				if q.Allocation > 0xFFFF || q.Count > 1000 || q.Type == AllElements || q.DeviceIdentifier {
					t.Errorf("sent %+v", q)
				}
			}
		})
	}
}

func TestElementsWithoutReader(t *testing.T) {
	f := newFake(5, 2, 0, quirks{noVolumeTag: true})
	c := f.open(t)
	for range 2 {
		mark := len(f.transport.Sent())
		got, err := c.Elements(context.Background())
		if err != nil || len(got) != 8 {
			t.Fatalf("%d elements, %v", len(got), err)
		}
		for _, e := range got {
			if e.VolumeTagReported || e.PrimaryVolumeTag.Identifier != "" {
				t.Errorf("element %d has a barcode", e.Address)
			}
		}
		if n := len(f.sent(0xB8, mark)); n > 5 {
			t.Errorf("%d commands: the form that works was not remembered", n)
		}
	}
}

func TestElementsGaps(t *testing.T) {
	for _, rangeOfAddresses := range []bool{false, true} {
		f := newFake(5000, 1, 0, quirks{rangeOfAddresses: rangeOfAddresses})
		f.elements = slices.DeleteFunc(f.elements, func(e Element) bool {
			return e.Address >= 1010 && e.Address < 4000 || e.Address == 5000
		})
		c := f.open(t)
		got, err := c.ElementsOf(context.Background(), Storage)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 5000-2990-1 {
			t.Errorf("range of addresses %t: %d elements", rangeOfAddresses, len(got))
		}
	}
}

func TestElementsAfterAttention(t *testing.T) {
	f := newFake(20, 2, 4, quirks{})
	c := f.open(t)
	// The operator opens the door while the drives are read, and takes a magazine away.
	n := 0
	f.before = func(cmd *scsi.Command) {
		if cmd.CDB[0] != 0xB8 {
			return
		}
		if n++; n == 4 {
			f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x3B, 0x12)}
			f.assignment.Storage.Count = 10
			f.elements = slices.DeleteFunc(f.elements, func(e Element) bool { return e.Address >= 1010 })
		}
	}
	got, err := c.Elements(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 17 {
		t.Errorf("%d elements, want those after the change", len(got))
	}
	if c.Assignment().Storage.Count != 10 {
		t.Error("the address assignment was not read again (Q13)")
	}
	if a := c.Attentions(); len(a) != 1 || a[0].ASC != 0x3B {
		t.Errorf("attentions %v", a)
	}
}

func TestElementsAttentionWithoutEnd(t *testing.T) {
	f := newFake(3, 1, 0, quirks{})
	c := f.open(t)
	last := byte(0)
	f.before = func(cmd *scsi.Command) {
		if cmd.CDB[0] == 0xB8 && last != 0xB8 { // one before each command
			f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0x01)}
		}
		last = cmd.CDB[0]
	}
	got, err := c.Elements(context.Background())
	if err != nil || len(got) != 5 {
		t.Errorf("%d elements, %v", len(got), err)
	}
	for range 1000 {
		c.noteAttention(scsi.Sense{})
	}
	if n := len(c.Attentions()); n > 100 {
		t.Errorf("%d attentions kept", n)
	}
}

func TestElementsErrors(t *testing.T) {
	notReady := scsitest.Sense(scsi.NotReady, 0x04, 0x01)
	tests := []struct {
		name   string
		answer func(c *scsi.Command) error
		is     error
		most   int
	}{
		{"not ready", scsitest.Check(notReady), scsi.BecomingReady, 1},
		{"hardware error", scsitest.Check(scsitest.Sense(scsi.HardwareError, 0x44, 0)), scsi.IsHardwareError, 12},
		{"transport", scsitest.Lost(context.DeadlineExceeded), context.DeadlineExceeded, 1},
		{"nonsense", scsitest.Data([]byte{0, 0, 0, 1, 0, 0, 0, 24, 9, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), nil, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(2000, 1, 0, quirks{})
			c := f.open(t)
			n := 0
			f.transport.SendFunc = func(_ context.Context, cmd *scsi.Command) error {
				n++
				return tt.answer(cmd)
			}
			_, err := c.ElementsOf(context.Background(), Storage)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v", err)
			}
			if n > tt.most {
				t.Errorf("%d commands, want at most %d", n, tt.most)
			}
		})
	}
	c := newFake(1, 1, 0, quirks{}).open(t)
	for _, typ := range []ElementType{AllElements, 5} {
		if _, err := c.ElementsOf(context.Background(), typ); err == nil {
			t.Errorf("%s elements were read", typ)
		}
	}
}

// A device that cuts off even a single descriptor before its barcode ends in an error and not in a loop.
func TestElementsCutForGood(t *testing.T) {
	f := newFake(3, 1, 0, quirks{})
	c := f.open(t)
	f.transport.SendFunc = func(_ context.Context, cmd *scsi.Command) error {
		b, err := EncodeElementStatus([]Element{{Address: 1000, Type: Storage, Full: true, PrimaryVolumeTag: VolumeTag{Identifier: "ABC"}}}, EncodeOptions{VolumeTag: true})
		if err != nil {
			return err
		}
		scsitest.Good(cmd, b[:8+8+20])
		return nil
	}
	_, err := c.ElementsOf(context.Background(), Storage)
	var response *scsi.ResponseError
	if !errors.As(err, &response) {
		t.Errorf("error %v", err)
	}
}

func TestElement(t *testing.T) {
	for name, q := range map[string]quirks{"standard": {}, "tgt": {tgt: true}, "no page 1D": {noMode1D: true}} {
		t.Run(name, func(t *testing.T) {
			c := newFake(20, 2, 4, q).open(t)
			for _, address := range []ElementAddress{1, 2, 500, 603, 1000, 1019} {
				e, err := c.Element(context.Background(), address)
				if err != nil || e.Address != address {
					t.Errorf("element %d: %d, %v", address, e.Address, err)
				}
				if address == 1019 && e.PrimaryVolumeTag.Identifier != barcode(19) {
					t.Errorf("element 1019: barcode %q", e.PrimaryVolumeTag.Identifier)
				}
			}
			if _, err := c.Element(context.Background(), 700); !errors.Is(err, ErrNoElement) {
				t.Errorf("element 700: %v", err)
			}
		})
	}
}

func TestDriveIdentifiers(t *testing.T) {
	t.Run("standard", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{})
		c := f.open(t)
		mark := len(f.transport.Sent())
		ids, err := c.DriveIdentifiers(context.Background())
		if err != nil || len(ids) != 2 || ids[1].Serial != "HUM1A00001" || ids[2].Serial != "HUM1A00002" || ids[2].Vendor != "HP" {
			t.Errorf("%+v, %v", ids, err)
		}
		for _, s := range f.sent(0xB8, mark) {
			if s.CDB[1] != byte(DataTransfer) || s.CDB[6]&1 == 0 {
				t.Errorf("CDB % X: want type 4 alone, DVCID and no VOLTAG (Q02)", s.CDB)
			}
		}
	})
	t.Run("tgt cuts the last one", func(t *testing.T) {
		c := newFake(5, 2, 0, quirks{tgt: true}).open(t)
		ids, err := c.DriveIdentifiers(context.Background())
		if err != nil || ids[1].Serial != "HUM1A00001" || ids[1].Truncated {
			t.Fatalf("%+v, %v", ids, err)
		}
		if !ids[2].Truncated || ids[2].Serial != "HU" {
			t.Errorf("last drive %+v", ids[2])
		}
	})
	t.Run("without reader", func(t *testing.T) {
		c := newFake(5, 2, 0, quirks{noVolumeTag: true, noCurrentData: true}).open(t)
		if _, err := c.Elements(context.Background()); err != nil {
			t.Fatal(err)
		}
		ids, err := c.DriveIdentifiers(context.Background())
		if err != nil || len(ids) != 2 {
			t.Errorf("%+v, %v", ids, err)
		}
	})
	t.Run("not supported (Q01)", func(t *testing.T) {
		c := newFake(5, 2, 0, quirks{noDVCID: true}).open(t)
		_, err := c.DriveIdentifiers(context.Background())
		if !errors.Is(err, ErrNoDeviceIdentifiers) || !errors.Is(err, scsi.InvalidFieldInCDB) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("empty", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{})
		for i := range f.elements {
			f.elements[i].Identifier = DeviceIdentifier{}
		}
		if _, err := f.open(t).DriveIdentifiers(context.Background()); !errors.Is(err, ErrNoDeviceIdentifiers) {
			t.Errorf("error %v", err)
		}
	})
}
