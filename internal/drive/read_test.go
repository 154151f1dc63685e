package drive

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// profiles are the drives that everything is tried on.
var profiles = map[string]quirks{
	"standard":       {},
	"tgt":            {tgt: true},
	"no locate":      {noLocate: true},
	"short position": {shortOnly: true, noLocate16: true},
	"no list":        {noList: true},
	"eom at eod":     {eomAtEOD: true},
	"negative":       {negative: true},
	"bad residual":   {badResid: true},
}

func TestReadBlock(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			// Each length against a buffer of 1000: shorter than half, half, longer than half, exact.
			f.write(10, 500, 501, 900, 999, 1000, nil, 4, nil, nil)
			d := f.rewound(t)
			p := make([]byte, 1000)
			for i, length := range []int{10, 500, 501, 900, 999, 1000} {
				n, err := d.ReadBlock(background, p)
				if err != nil || n != length || !bytes.Equal(p[:n], pattern(length)) {
					t.Fatalf("block %d: %d bytes, %v, right data: %t", i, n, err, bytes.Equal(p[:n], pattern(length)))
				}
			}
			if _, err := d.ReadBlock(background, p); !errors.Is(err, ErrFilemark) {
				t.Errorf("at the filemark: %v", err)
			}
			if n, err := d.ReadBlock(background, p); err != nil || n != 4 {
				t.Errorf("behind the filemark: %d, %v", n, err)
			}
			for range 2 {
				if _, err := d.ReadBlock(background, p); !errors.Is(err, ErrFilemark) {
					t.Errorf("at the last filemarks: %v", err)
				}
			}
			for range 2 {
				if _, err := d.ReadBlock(background, p); !errors.Is(err, ErrEndOfData) {
					t.Errorf("at the end: %v", err)
				}
			}
			pos, err := d.Position(background)
			if err != nil || pos.Object != 10 || !pos.FilemarksKnown && q != (quirks{shortOnly: true, noLocate16: true}) {
				t.Errorf("position %+v, %v", pos, err)
			}
		})
	}
}

func TestReadBlockTooLong(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			f.write(10, 5000, 20)
			d := f.rewound(t)
			p := make([]byte, 1000)
			if _, err := d.ReadBlock(background, p); err != nil {
				t.Fatal(err)
			}
			_, err := d.ReadBlock(background, p)
			var long *BlockTooLongError
			if !errors.As(err, &long) || long.Length != 5000 || long.Buffer != 1000 {
				t.Fatalf("error %v", err)
			}
			if pos, err := d.Position(background); err != nil || pos.Object != 1 {
				t.Errorf("position %+v, %v: want in front of the block", pos, err)
			}
			p = make([]byte, long.Length)
			if n, err := d.ReadBlock(background, p); err != nil || n != 5000 || !bytes.Equal(p, pattern(5000)) {
				t.Errorf("read again: %d, %v", n, err)
			}
			if n, err := d.ReadBlock(background, p); err != nil || n != 20 || !bytes.Equal(p[:n], pattern(20)) {
				t.Errorf("block behind: %d, %v", n, err)
			}
		})
	}
}

// A buffer beyond the drive's limit is used in part: the drive would refuse the length.
func TestReadBlockLargeBuffer(t *testing.T) {
	f := newFake(quirks{})
	f.write(100)
	d := f.rewound(t)
	if n, err := d.ReadBlock(background, make([]byte, 20<<20)); err != nil || n != 100 {
		t.Errorf("%d, %v", n, err)
	}
	if got := get24(f.sent(0x08)[0].CDB[2:5]); got != 1<<20 {
		t.Errorf("asked for %d bytes", got)
	}
	if _, err := d.ReadBlock(background, nil); err == nil {
		t.Error("an empty buffer was accepted")
	}
}

// tgt delivers part of the block: it is read again once, and no more than once.
func TestReadBlockAgainOnlyOnce(t *testing.T) {
	f := newFake(quirks{tgt: true})
	f.write(900)
	d := f.rewound(t)
	before := len(f.transport.Sent())
	if n, err := d.ReadBlock(background, make([]byte, 1000)); err != nil || n != 900 {
		t.Fatalf("%d, %v", n, err)
	}
	var ops []string
	for _, c := range f.transport.Sent()[before:] {
		ops = append(ops, fmt.Sprintf("% X", c.CDB))
	}
	want := []string{"08 00 00 03 E8 00", "11 00 FF FF FF 00", "08 00 00 03 84 00"}
	if fmt.Sprint(ops) != fmt.Sprint(want) {
		t.Errorf("sent %q, want %q", ops, want)
	}
}

// The block changes between the two reads: that is told and not taken.
func TestReadBlockAgainDiffers(t *testing.T) {
	for name, length := range map[string]int{"shorter": 700, "longer": 950} {
		t.Run(name, func(t *testing.T) {
			f := newFake(quirks{tgt: true})
			f.write(900)
			d := f.rewound(t)
			f.intercept = func(c *scsi.Command) (bool, error) {
				if c.CDB[0] == 0x11 {
					f.tape[0].data = pattern(length)
				}
				return false, nil
			}
			if n, err := d.ReadBlock(background, make([]byte, 1000)); err == nil {
				t.Errorf("%d bytes of a block that changed", n)
			}
		})
	}
}

func TestReadBlockErrors(t *testing.T) {
	ili := func(information int64, valid bool) []byte {
		return scsitest.Fixed(scsi.Sense{IncorrectLength: true, InformationValid: valid, Information: information})
	}
	var response *scsi.ResponseError
	var transport *scsi.TransportError
	var deferred *DeferredWriteError
	tests := []struct {
		name   string
		answer func(c *scsi.Command) error
		is     error
		as     any
		known  bool // on a drive that tells positions
	}{
		{"medium error", scsitest.Check(scsitest.Sense(scsi.MediumError, 0x11, 0)), scsi.IsMediumError, nil, true},
		{"no end of data", scsitest.Check(scsitest.Sense(scsi.BlankCheck, 0x14, 3)), scsi.IsBlankCheck, nil, true},
		{"wrong key", scsitest.Check(scsitest.Sense(scsi.DataProtect, 0x74, 2)), scsi.IsDataProtect, nil, true},
		{"reset", scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x29, 0)), scsi.ResetOccurred, nil, false},
		{"length not told", scsitest.Check(ili(0, false)), nil, &response, true},
		{"length 0 missing", scsitest.Check(ili(0, true)), nil, &response, true},
		{"longer than asked by more than can be", scsitest.Check(ili(-1<<30, true)), nil, &response, true},
		{"negative length", scsitest.Check(ili(5000, true)), nil, &response, true},
		{"lost", scsitest.Lost(errCable), errCable, &transport, false},
		{"deferred", scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError, ASC: 0x0C})), scsi.IsMediumError, &deferred, false},
		{"nonsense", scsitest.Check(nil), nil, &response, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(quirks{})
			f.write(100, 100)
			d := f.rewound(t)
			f.intercept = once(0x08, tt.answer)
			n, err := d.ReadBlock(background, make([]byte, 1000))
			if err == nil || n != 0 || tt.is != nil && !errors.Is(err, tt.is) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%d, %v", n, err)
			}
			if errors.Is(err, ErrEndOfData) || errors.Is(err, ErrFilemark) {
				t.Errorf("an error is taken for %v", err)
			}
			if d.place.known != tt.known {
				t.Errorf("position known: %t, want %t", d.place.known, tt.known)
			}
		})
	}
}

// Early warning and a note of cleaning come with a block that is there.
func TestReadBlockWithNote(t *testing.T) {
	for name, s := range map[string]scsi.Sense{
		"early warning":       {EndOfMedium: true, ASCQ: 0x02},
		"code alone":          {ASCQ: 0x02},
		"cleaning requested":  {Key: scsi.RecoveredError, ASC: 0x82, ASCQ: 0x82},
		"HP cleaning (Q61)":   {ASC: 0x82, ASCQ: 0x82},
		"recovered read data": {Key: scsi.RecoveredError, ASC: 0x17, ASCQ: 0x01},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(quirks{})
			d := f.rewound(t)
			f.intercept = once(0x08, func(c *scsi.Command) error {
				scsitest.CheckCondition(c, scsitest.Fixed(s), pattern(50))
				return nil
			})
			p := make([]byte, 50)
			if n, err := d.ReadBlock(background, p); err != nil || n != 50 || !bytes.Equal(p, pattern(50)) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

func TestReadBlockDescriptorSense(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = once(0x08, func(c *scsi.Command) error {
		scsitest.CheckCondition(c, scsitest.Descriptor(scsi.Sense{IncorrectLength: true, InformationValid: true, Information: 40}), pattern(60))
		return nil
	})
	if n, err := d.ReadBlock(background, make([]byte, 100)); err != nil || n != 60 {
		t.Errorf("%d, %v", n, err)
	}
}

// When the step back fails after a block that is too long, both errors are told and the position is unknown.
func TestReadBlockStepBackFails(t *testing.T) {
	for name, q := range map[string]quirks{"too long": {}, "lost data": {tgt: true}} {
		f := newFake(q)
		size := 5000
		if q.tgt {
			size = 900
		}
		f.write(size)
		d := f.rewound(t)
		f.intercept = once(0x11, scsitest.Check(scsitest.Sense(scsi.MediumError, 0x15, 2)))
		_, err := d.ReadBlock(background, make([]byte, 1000))
		var long *BlockTooLongError
		if !errors.Is(err, scsi.IsMediumError) || errors.As(err, &long) != (name == "too long") {
			t.Errorf("%s: %v", name, err)
		}
		if d.place.known {
			t.Errorf("%s: the position is believed", name)
		}
	}
}
