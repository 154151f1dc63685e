package drive

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// Offsets of SSC-5 tables 95, 98 and 99.
func TestDecodePosition(t *testing.T) {
	short := []byte{0x80, 2, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x01, 0x02, 0x03, 0x02, 0, 0x00, 0x00, 0x02, 0, 0, 1, 0}
	long := []byte{0x40, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0}
	extended := []byte{0x00, 2, 0, 0x1C, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 3, 0, 0, 0, 0, 0, 0, 0, 0}
	with := func(b []byte, flags byte) []byte {
		c := append([]byte(nil), b...)
		c[0] = flags
		return c
	}
	tests := []struct {
		name string
		form PositionForm
		b    []byte
		want PositionReport
	}{
		{"short", ShortForm, short, PositionReport{ObjectKnown: true, Position: Position{Partition: 2, Object: 0x01020304,
			BeginningOfPartition: true, Buffered: 2, BufferedKnown: true}}},
		{"short unknown", ShortForm, with(short, 0x04), PositionReport{Position: Position{Partition: 2, Object: 0x01020304, Buffered: 2, BufferedKnown: true}}},
		{"short overflow", ShortForm, with(short, 0x02), PositionReport{Overflow: true, Position: Position{Partition: 2, Object: 0x01020304, Buffered: 2, BufferedKnown: true}}},
		{"short buffer unknown", ShortForm, with(short, 0x20), PositionReport{ObjectKnown: true, Position: Position{Partition: 2, Object: 0x01020304}}},
		{"short of tgt", ShortForm, append([]byte{0x14}, make([]byte, 19)...), PositionReport{Position: Position{BufferedKnown: true}}},
		{"long", LongForm, long, PositionReport{ObjectKnown: true, Position: Position{Partition: 3, Object: 0x0102030405060708,
			Filemarks: 9, FilemarksKnown: true, EndOfPartition: true}}},
		{"long file number unknown", LongForm, with(long, 0x08), PositionReport{ObjectKnown: true, Position: Position{Partition: 3, Object: 0x0102030405060708, Filemarks: 9}}},
		{"long unknown", LongForm, with(long, 0x04), PositionReport{Position: Position{Partition: 3, Object: 0x0102030405060708, Filemarks: 9}}},
		{"extended", ExtendedForm, extended, PositionReport{ObjectKnown: true, Position: Position{Partition: 2, Object: 0x0102030405060708,
			Buffered: 5, BufferedKnown: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodePosition(tt.form, tt.b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := DecodePosition(tt.form, tt.b[:len(tt.b)-1]); err == nil {
				t.Error("a short answer was accepted")
			}
		})
	}
	if _, err := DecodePosition(7, make([]byte, 64)); err == nil {
		t.Error("an unknown form was accepted")
	}
	if EncodePosition(7, PositionReport{}) != nil {
		t.Error("an unknown form was encoded")
	}
	overflow, err := DecodePosition(ShortForm, EncodePosition(ShortForm, PositionReport{ObjectKnown: true, Position: Position{Object: 1 << 32}}))
	if err != nil || !overflow.Overflow || overflow.ObjectKnown {
		t.Errorf("an object number that does not fit gives %+v, %v", overflow, err)
	}
}

// What is encoded decodes to the same.
func FuzzPosition(f *testing.F) {
	f.Add(byte(0), make([]byte, 32))
	f.Add(byte(6), EncodePosition(LongForm, PositionReport{ObjectKnown: true, Position: Position{Object: 7, Filemarks: 2, FilemarksKnown: true}}))
	f.Fuzz(func(t *testing.T, form byte, b []byte) {
		first, err := DecodePosition(PositionForm(form), b)
		if err != nil {
			return
		}
		if PositionForm(form) == ShortForm && first.Overflow {
			first.Object = 0 // not valid then, and not sent
		}
		second, err := DecodePosition(PositionForm(form), EncodePosition(PositionForm(form), first))
		if err != nil {
			t.Fatal(err)
		}
		first.Overflow, second.Overflow = false, false // the extended form has no such flag
		first.ObjectKnown, second.ObjectKnown = false, false
		first.FilemarksKnown, second.FilemarksKnown = false, false // depends on the object being known
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}

// tape writes a, b, filemark, c, filemark, filemark, d: objects 0 to 6.
func tape(f *fakeDrive) { f.write("aaaa", "bbbb", nil, "cccc", nil, nil, "dddd") }

func TestLocate(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			tape(f)
			d := f.open(t) // not rewound: LOCATE alone makes the position known
			p := make([]byte, 100)
			for object, want := range map[uint64]string{0: "aaaa", 1: "bbbb", 3: "cccc", 6: "dddd"} {
				if err := d.Locate(background, object); err != nil {
					t.Fatalf("locate %d: %v", object, err)
				}
				if pos, err := d.Position(background); err != nil || pos.Object != object || pos.Counted != q.tgt {
					t.Errorf("position %+v, %v", pos, err)
				}
				if n, err := d.ReadBlock(background, p); err != nil || string(p[:n]) != want {
					t.Errorf("object %d is %q, %v", object, p[:n], err)
				}
			}
			if err := d.Locate(background, 7); err != nil { // the end itself
				t.Fatal(err)
			}
			if _, err := d.WriteBlock(background, []byte("eeee")); err != nil || len(f.tape) != 8 {
				t.Errorf("append: %v, %d objects", err, len(f.tape))
			}
			if err := d.Locate(background, 9); !errors.Is(err, ErrEndOfData) {
				t.Errorf("locate behind the end: %v", err)
			}
			if _, err := d.WriteBlock(background, []byte("ffff")); !errors.Is(err, ErrPositionUnknown) {
				t.Errorf("write after a failed locate: %v", err)
			}
		})
	}
}

func TestLocateChecksItself(t *testing.T) {
	f := newFake(quirks{})
	tape(f)
	d := f.rewound(t)
	f.intercept = once(0x92, scsitest.Data(nil)) // says GOOD and does nothing
	if err := d.Locate(background, 3); err == nil || d.place.known {
		t.Errorf("a drive that did not move: %v", err)
	}
	f.intercept = once(0x34, scsitest.Check(scsitest.Sense(scsi.HardwareError, 0x44, 0)))
	if err := d.Locate(background, 3); !errors.Is(err, scsi.IsHardwareError) || d.place.known {
		t.Errorf("position not told: %v", err)
	}
}

// A reset or another medium is returned; other attentions are noted and passed over.
func TestLocateAttentions(t *testing.T) {
	for name, q := range map[string]quirks{"standard": {}, "tgt": {tgt: true}} {
		f := newFake(q)
		tape(f)
		d := f.rewound(t)
		f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0)}
		if err := d.Locate(background, 3); !errors.Is(err, scsi.MediumMayHaveChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if len(d.Attentions()) != 1 || d.place.known {
			t.Errorf("%s: the attention was not noted", name)
		}
	}
	f := newFake(quirks{})
	tape(f)
	d := f.rewound(t)
	f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x2A, 0x10), scsitest.Sense(scsi.UnitAttention, 0x3F, 0x0E)}
	if err := d.Locate(background, 3); err != nil || len(d.Attentions()) != 2 {
		t.Errorf("harmless attentions: %v", err)
	}
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x92 {
			return false, nil
		}
		return true, scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x2A, 0x10))(c)
	}
	if err := d.Locate(background, 3); err == nil {
		t.Error("attentions without end")
	}
	f.intercept = once(0x92, scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError})))
	var deferred *DeferredWriteError
	if err := d.Locate(background, 3); !errors.As(err, &deferred) {
		t.Errorf("deferred: %v", err)
	}
}

func TestLocateFindsOut(t *testing.T) {
	f := newFake(quirks{noList: true, noLocate: true})
	tape(f)
	d := f.rewound(t)
	if err := d.Locate(background, 6); err != nil {
		t.Fatal(err)
	}
	if c := d.Capabilities(); c.Locate16 || c.Locate10 || c.CountedPosition {
		t.Errorf("%+v", c)
	}
	if len(f.sent(0x11)) != 3 { // one for each filemark on the way, the last of which is the end of it
		t.Errorf("%d SPACE commands", len(f.sent(0x11)))
	}
}

func TestSpaceBlocks(t *testing.T) {
	for name, q := range profiles {
		if q.tgt {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			tape(f)
			d := f.rewound(t)
			steps := []struct {
				n         int64
				object    uint64
				is        error
				remaining uint64
			}{
				{2, 2, nil, 0}, {1, 3, ErrFilemark, 1}, {-1, 2, ErrFilemark, 1}, {-1, 1, nil, 0},
				{-5, 0, ErrBeginningOfMedium, 4}, {0, 0, nil, 0}, {5, 3, ErrFilemark, 3}, {1, 4, nil, 0},
			}
			for i, s := range steps {
				err := d.SpaceBlocks(background, s.n)
				var early *SpaceError
				if !errors.Is(err, s.is) || s.is != nil && (!errors.As(err, &early) || early.Remaining != s.remaining || !early.RemainingKnown) {
					t.Fatalf("step %d: %v", i, err)
				}
				if pos, err := d.Position(background); err != nil || pos.Object != s.object || d.place.object != s.object || !d.place.known {
					t.Fatalf("step %d: position %+v, own %+v, %v", i, pos, d.place, err)
				}
			}
			if err := d.Locate(background, 6); err != nil {
				t.Fatal(err)
			}
			if err := d.SpaceBlocks(background, 3); !errors.Is(err, ErrEndOfData) || d.place.object != 7 {
				t.Errorf("at the end: %v, %+v", err, d.place)
			}
		})
	}
}

func TestSpaceBlocksTGT(t *testing.T) {
	f := newFake(quirks{tgt: true})
	tape(f)
	d := f.rewound(t)
	for _, s := range []struct {
		n      int64
		object uint64
	}{{4, 4}, {-3, 1}, {6, 7}} {
		if err := d.SpaceBlocks(background, s.n); err != nil || d.place.object != s.object || f.pos != int(s.object) {
			t.Errorf("%d: %v, %+v", s.n, err, d.place)
		}
	}
	if err := d.SpaceBlocks(background, 1); !errors.Is(err, ErrEndOfData) || d.place.known {
		t.Errorf("behind the end: %v, %+v", err, d.place)
	}
	if err := d.Rewind(background); err != nil {
		t.Fatal(err)
	}
	// tgt answers GOOD when it runs into the beginning: the count is wrong then, and is not believed.
	if err := d.SpaceBlocks(background, -1); err != nil || d.place.known {
		t.Errorf("before the beginning: %v, %+v", err, d.place)
	}
}

// A drive without positions whose SPACE stops at filemarks is counted all the same.
func TestSpaceCountedStandard(t *testing.T) {
	f := newFake(quirks{noLocate: true})
	tape(f)
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x34 {
			return false, nil
		}
		return true, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0))(c)
	}
	d := f.rewound(t)
	if !d.Capabilities().CountedPosition {
		t.Fatal("not counted")
	}
	for _, s := range []struct {
		n      int64
		object uint64
		is     error
	}{{5, 3, ErrFilemark}, {-1, 2, ErrFilemark}, {1, 3, ErrFilemark}, {1, 4, nil}} {
		if err := d.SpaceBlocks(background, s.n); !errors.Is(err, s.is) || d.place.object != s.object || f.pos != int(s.object) {
			t.Errorf("%d: %v, %+v, really %d", s.n, err, d.place, f.pos)
		}
	}
	if err := d.Locate(background, 6); err != nil || f.pos != 6 || d.place.object != 6 || d.place.filemarks != 3 {
		t.Errorf("%v, %+v, really %d", err, d.place, f.pos)
	}
	if err := d.SpaceEndOfData(background); err != nil || d.place.object != 7 {
		t.Errorf("%v, %+v", err, d.place)
	}
}

func TestSpaceFilemarks(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			tape(f)
			d := f.rewound(t)
			if err := d.SpaceFilemarks(background, 1); err != nil || d.place.object != 3 || !d.place.known {
				t.Fatalf("first: %v, %+v", err, d.place)
			}
			if err := d.SpaceFilemarks(background, 2); err != nil || d.place.object != 6 || f.pos != 6 {
				t.Fatalf("third: %v, %+v", err, d.place)
			}
			err := d.SpaceFilemarks(background, 5)
			var early *SpaceError
			if !errors.Is(err, ErrEndOfData) || !errors.As(err, &early) || !early.RemainingKnown || early.Remaining != 5 {
				t.Errorf("behind the last: %v", err)
			}
			if pos, err := d.Position(background); err != nil || pos.Object != 7 {
				t.Errorf("position %+v, %v", pos, err)
			}
			err = d.SpaceFilemarks(background, -2)
			if q.tgt {
				if !errors.Is(err, ErrSpaceBackward) {
					t.Errorf("backward: %v", err)
				}
				return
			}
			if err != nil || d.place.object != 4 {
				t.Errorf("backward: %v, %+v", err, d.place)
			}
			if err := d.SpaceFilemarks(background, -9); !errors.Is(err, ErrBeginningOfMedium) || d.place.object != 0 {
				t.Errorf("before the first: %v, %+v", err, d.place)
			}
		})
	}
}

// Without a known position tgt spaces by itself, and its end of data comes with key NO SENSE.
func TestSpaceFilemarksTGTUnknown(t *testing.T) {
	f := newFake(quirks{tgt: true})
	tape(f)
	d := f.rewound(t)
	d.place.known = false
	if err := d.SpaceFilemarks(background, 1); err != nil || f.pos != 3 {
		t.Errorf("%v, really %d", err, f.pos)
	}
	if err := d.SpaceFilemarks(background, 5); !errors.Is(err, ErrEndOfData) {
		t.Errorf("%v", err)
	}
	if _, err := d.Position(background); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("position: %v", err)
	}
}

func TestSpaceEndOfData(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			tape(f)
			d := f.open(t)
			if err := d.SpaceEndOfData(background); err != nil || d.place.object != 7 || f.pos != 7 {
				t.Fatalf("%v, %+v", err, d.place)
			}
			if _, err := d.WriteBlock(background, []byte("more")); err != nil || len(f.tape) != 8 {
				t.Errorf("append: %v", err)
			}
		})
	}
	for _, n := range []int{0, 1, 1 << 15, 100_001} {
		f := newFake(quirks{tgt: true})
		f.tape = make([]object, n)
		d := f.rewound(t)
		if err := d.SpaceEndOfData(background); err != nil || d.place.object != uint64(n) || f.pos != n {
			t.Errorf("%d objects: %v, %+v", n, err, d.place)
		}
		if sent := len(f.sent(0x11)); sent > 60 {
			t.Errorf("%d objects: %d SPACE commands", n, sent)
		}
	}
	for name, answer := range map[string]func(*scsi.Command) error{
		"error":     scsitest.Check(scsitest.Sense(scsi.MediumError, 0x14, 0)),
		"attention": scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x28, 0)),
		"lost":      scsitest.Lost(errCable),
		"deferred":  scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.BlankCheck, ASCQ: 5})),
	} {
		f := newFake(quirks{})
		d := f.rewound(t)
		f.intercept = once(0x11, answer)
		if err := d.SpaceEndOfData(background); err == nil || d.place.known {
			t.Errorf("%s: %v, %+v", name, err, d.place)
		}
	}
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = once(0x11, scsitest.Check(scsitest.Sense(scsi.BlankCheck, 0, 5)))
	if err := d.SpaceEndOfData(background); err != nil {
		t.Errorf("a drive that reports where it is: %v", err)
	}
}

func TestSpaceErrors(t *testing.T) {
	var deferred *DeferredWriteError
	var transport *scsi.TransportError
	for _, tt := range []struct {
		name   string
		answer func(*scsi.Command) error
		is     error
		as     any
		known  bool
	}{
		{"attention", scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x28, 0)), scsi.MediumMayHaveChanged, nil, false},
		{"illegal", scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0)), scsi.InvalidFieldInCDB, nil, true},
		{"position lost", scsitest.Check(scsitest.Sense(scsi.MediumError, 0x14, 0)), scsi.IsMediumError, nil, true},
		{"deferred", scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError})), nil, &deferred, false},
		{"lost", scsitest.Lost(errCable), errCable, &transport, false},
		{"reservation", scsitest.Status(scsi.StatusReservationConflict), nil, nil, true},
	} {
		f := newFake(quirks{})
		tape(f)
		d := f.rewound(t)
		f.intercept = once(0x11, tt.answer)
		err := d.SpaceBlocks(background, 1)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || tt.as != nil && !errors.As(err, tt.as) || d.place.known != tt.known {
			t.Errorf("%s: %v, %+v", tt.name, err, d.place)
		}
	}
}

// More blocks than one command counts.
func TestSpaceSplit(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	var counts []int32
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x11 {
			return false, nil
		}
		counts = append(counts, signed24(c.CDB[2:5]))
		if len(counts) == 2 {
			return true, scsitest.Check(scsitest.Fixed(scsi.Sense{Key: scsi.BlankCheck, ASCQ: 5, InformationValid: true, Information: 7}))(c)
		}
		return true, scsitest.Data(nil)(c)
	}
	err := d.SpaceBlocks(background, 3*maxSpace6)
	var early *SpaceError
	if !errors.As(err, &early) || early.Remaining != maxSpace6+7 {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]int32{maxSpace6, maxSpace6}, counts); diff != "" {
		t.Error(diff)
	}
}

// A drive that can locate and does not know its position at the moment is not taken for one that never tells.
func TestPositionUnknownForNow(t *testing.T) {
	f := newFake(quirks{})
	tape(f)
	d := f.open(t)
	f.intercept = func(c *scsi.Command) (bool, error) {
		if c.CDB[0] != 0x34 {
			return false, nil
		}
		form := PositionForm(c.CDB[1] & 0x1F)
		return true, scsitest.Data(EncodePosition(form, PositionReport{}))(c)
	}
	if _, err := d.Position(background); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("%v", err)
	}
	if d.Capabilities().CountedPosition {
		t.Error("taken for a drive that never tells")
	}
	f.intercept = once(0x34, scsitest.Lost(errCable))
	if _, err := d.Position(background); !errors.Is(err, errCable) {
		t.Errorf("%v", err)
	}
	f.intercept = nil
	if pos, err := d.Position(background); err != nil || !pos.BeginningOfPartition {
		t.Errorf("%+v, %v", pos, err)
	}
}

func TestRewindFails(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = once(0x01, scsitest.Check(scsitest.Sense(scsi.MediumError, 0x15, 2)))
	if err := d.Rewind(background); !errors.Is(err, scsi.IsMediumError) || d.place.known {
		t.Errorf("%v", err)
	}
	f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x29, 0)}
	if err := d.Rewind(background); err != nil || !d.place.known || len(d.Attentions()) != 1 {
		t.Errorf("rewind consumes attentions: %v", err)
	}
}
