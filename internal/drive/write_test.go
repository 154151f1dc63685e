package drive

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func TestWriteAndReadBack(t *testing.T) {
	for name, q := range profiles {
		t.Run(name, func(t *testing.T) {
			f := newFake(q)
			d := f.rewound(t)
			for i, n := range []int{4, 1000, 65536} {
				if early, err := d.WriteBlock(background, pattern(n)); early || err != nil {
					t.Fatalf("block %d: %t, %v", i, early, err)
				}
			}
			if early, err := d.WriteFilemarks(background, 2, false); early || err != nil {
				t.Fatal(early, err)
			}
			if _, err := d.WriteBlock(background, []byte("tail")); err != nil {
				t.Fatal(err)
			}
			if err := d.Flush(background); err != nil {
				t.Fatal(err)
			}
			if pos, err := d.Position(background); err != nil || pos.Object != 6 {
				t.Errorf("position %+v, %v", pos, err)
			}
			if f.buffered != 0 {
				t.Errorf("%d objects in the buffer after flushing", f.buffered)
			}
			if err := d.Rewind(background); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 65536)
			for _, n := range []int{4, 1000, 65536} {
				if got, err := d.ReadBlock(background, p); err != nil || got != n || !bytes.Equal(p[:n], pattern(n)) {
					t.Errorf("%d bytes, %v", got, err)
				}
			}
		})
	}
}

func TestWriteRefusedLocally(t *testing.T) {
	f := newFake(quirks{})
	d := f.open(t)
	calls := map[string]func() error{
		"write":     func() error { _, err := d.WriteBlock(background, []byte("data")); return err },
		"filemarks": func() error { _, err := d.WriteFilemarks(background, 1, true); return err },
		"flush":     func() error { return d.Flush(background) },
		"erase":     func() error { return d.Erase(background, false) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, ErrPositionUnknown) {
			t.Errorf("%s at an unknown position: %v", name, err)
		}
	}
	if err := d.Rewind(background); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{nil, []byte("abc"), make([]byte, 1<<20+1)} {
		if _, err := d.WriteBlock(background, p); err == nil {
			t.Errorf("a block of %d bytes was accepted", len(p))
		}
	}
	for _, n := range []int{-1, 0x1000000} {
		if _, err := d.WriteFilemarks(background, n, false); err == nil {
			t.Errorf("%d filemarks were accepted", n)
		}
	}
	if len(f.sent(0x0A))+len(f.sent(0x10)) != 0 {
		t.Error("something was sent")
	}
}

func TestEarlyWarning(t *testing.T) {
	for name, q := range map[string]quirks{"standard": {}, "tgt": {tgt: true}} {
		f := newFake(q)
		f.early = 2
		d := f.rewound(t)
		for i, want := range []bool{false, false, true, true} {
			early, err := d.WriteBlock(background, []byte("data"))
			if err != nil || early != want {
				t.Errorf("%s: block %d: %t, %v", name, i, early, err)
			}
		}
		if early, err := d.WriteFilemarks(background, 1, false); err != nil || !early {
			t.Errorf("%s: filemark: %t, %v", name, early, err)
		}
		if err := d.Flush(background); err != nil {
			t.Errorf("%s: flush: %v", name, err)
		}
		if len(f.tape) != 5 {
			t.Errorf("%s: %d objects on the tape", name, len(f.tape))
		}
		if d.place.object != 5 || d.place.safe != 5 || d.place.filemarks != 1 {
			t.Errorf("%s: %+v", name, d.place)
		}
	}
}

func TestProgrammableEarlyWarning(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = once(0x0A, scsitest.Check(scsitest.Sense(scsi.NoSense, 0x00, 0x07)))
	if early, err := d.WriteBlock(background, []byte("data")); !early || err != nil || d.place.object != 1 {
		t.Errorf("%t, %v, %+v", early, err, d.place)
	}
}

func TestEndOfMedium(t *testing.T) {
	f := newFake(quirks{})
	f.capacity = 2
	d := f.rewound(t)
	for range 2 {
		if _, err := d.WriteBlock(background, []byte("data")); err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.WriteBlock(background, []byte("data"))
	var full *EndOfMediumError
	if !errors.As(err, &full) || !errors.Is(err, scsi.IsVolumeOverflow) || !full.PositionKnown || full.Position != 2 || full.Lost != 0 {
		t.Errorf("%v, %+v", err, full)
	}
	// The buffered blocks did not make it: the drive is back behind the first one.
	f.intercept = once(0x0A, func(c *scsi.Command) error {
		f.tape, f.pos = f.tape[:1], 1
		scsitest.CheckCondition(c, scsitest.Fixed(scsi.Sense{Key: scsi.VolumeOverflow, EndOfMedium: true, ASCQ: 2}), nil)
		return nil
	})
	_, err = d.WriteBlock(background, []byte("data"))
	if !errors.As(err, &full) || full.Lost != 1 || full.Position != 1 {
		t.Errorf("%v, %+v", err, full)
	}
	t.Run("deferred", func(t *testing.T) {
		f := newFake(quirks{})
		d := f.rewound(t)
		if _, err := d.WriteBlock(background, []byte("data")); err != nil {
			t.Fatal(err)
		}
		f.intercept = once(0x0A, scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.VolumeOverflow, EndOfMedium: true, ASCQ: 2})))
		_, err := d.WriteBlock(background, []byte("data"))
		var deferred *DeferredWriteError
		if !errors.As(err, &deferred) || !errors.As(err, &full) || deferred.LastSafe != 0 || !deferred.LastSafeKnown {
			t.Errorf("%v", err)
		}
	})
	t.Run("counted", func(t *testing.T) {
		f := newFake(quirks{tgt: true})
		d := f.rewound(t)
		f.intercept = once(0x0A, scsitest.Check(scsitest.Sense(scsi.VolumeOverflow, 0, 2)))
		_, err := d.WriteBlock(background, []byte("data"))
		if !errors.As(err, &full) || full.PositionKnown || d.place.known {
			t.Errorf("%v, %+v", err, full)
		}
	})
}

// What a failed WRITE is taken for, after one block was flushed and another was only accepted.
func TestWriteErrors(t *testing.T) {
	type outcome string
	const (
		notWritten outcome = "not written"
		uncertain  outcome = "uncertain"
		deferred   outcome = "deferred"
		written    outcome = "written"
	)
	sense := func(k scsi.SenseKey, asc, ascq byte) func(*scsi.Command) error {
		return scsitest.Check(scsitest.Sense(k, asc, ascq))
	}
	executed := func(f *fakeDrive, then func(*scsi.Command) error) func(*scsi.Command) error {
		return func(c *scsi.Command) error {
			f.put(object{data: bytes.Clone(c.Data)})
			return then(c)
		}
	}
	tests := []struct {
		name    string
		answer  func(f *fakeDrive) func(*scsi.Command) error
		want    outcome
		counted outcome // on a drive that does not tell its position
		known   bool
	}{
		{"write protected", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.DataProtect, 0x27, 0) }, notWritten, notWritten, true},
		{"WORM", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.DataProtect, 0x30, 0x0C) }, notWritten, notWritten, true},
		{"illegal", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.IllegalRequest, 0x20, 0x0C) }, notWritten, notWritten, true},
		{"write error", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.MediumError, 0x0C, 0) }, uncertain, uncertain, false},
		{"hardware", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.HardwareError, 0x44, 0) }, uncertain, uncertain, false},
		{"medium gone", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.NotReady, 0x3A, 0) }, uncertain, uncertain, false},
		{"reset", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.UnitAttention, 0x29, 0) }, uncertain, uncertain, false},
		{"timestamp changed", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.UnitAttention, 0x2A, 0x10) }, notWritten, notWritten, true},
		{"aborted before", func(*fakeDrive) func(*scsi.Command) error { return sense(scsi.AbortedCommand, 0x47, 3) }, notWritten, uncertain, true},
		{"aborted after", func(f *fakeDrive) func(*scsi.Command) error { return executed(f, sense(scsi.AbortedCommand, 0x47, 3)) }, written, uncertain, true},
		{"lost before", func(*fakeDrive) func(*scsi.Command) error { return scsitest.Lost(errCable) }, notWritten, uncertain, true},
		{"lost after", func(f *fakeDrive) func(*scsi.Command) error { return executed(f, scsitest.Lost(errCable)) }, written, uncertain, true},
		{"task aborted", func(*fakeDrive) func(*scsi.Command) error { return scsitest.Status(scsi.StatusTaskAborted) }, notWritten, uncertain, true},
		{"reservation", func(*fakeDrive) func(*scsi.Command) error { return scsitest.Status(scsi.StatusReservationConflict) }, notWritten, notWritten, true},
		{"nonsense", func(*fakeDrive) func(*scsi.Command) error { return scsitest.Check(nil) }, notWritten, uncertain, true},
		{"elsewhere", func(f *fakeDrive) func(*scsi.Command) error {
			return func(c *scsi.Command) error { f.pos = 0; return sense(scsi.AbortedCommand, 0, 0)(c) }
		}, uncertain, uncertain, false},
		{"deferred", func(*fakeDrive) func(*scsi.Command) error {
			return scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError, ASC: 0x0C}))
		}, deferred, deferred, false},
		{"deferred note", func(*fakeDrive) func(*scsi.Command) error {
			return scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.RecoveredError, ASC: 0x0C}))
		}, written, uncertain, true},
	}
	for _, tt := range tests {
		for _, counted := range []bool{false, true} {
			want, known := tt.want, tt.known
			if counted {
				want, known = tt.counted, tt.known && tt.counted == notWritten
			}
			name := tt.name
			if counted {
				name += " counted"
			}
			t.Run(name, func(t *testing.T) {
				f := newFake(quirks{tgt: counted})
				d := f.rewound(t)
				if _, err := d.WriteBlock(background, []byte("safe")); err != nil {
					t.Fatal(err)
				}
				if err := d.Flush(background); err != nil {
					t.Fatal(err)
				}
				if _, err := d.WriteBlock(background, []byte("buffered")); err != nil {
					t.Fatal(err)
				}
				f.intercept = once(0x0A, tt.answer(f))
				_, err := d.WriteBlock(background, []byte("data"))
				var n *NotWrittenError
				var u *UncertainWriteError
				var l *DeferredWriteError
				got := written
				switch {
				case errors.As(err, &n):
					got = notWritten
				case errors.As(err, &u):
					got = uncertain
					if !u.LastSafeKnown || u.LastSafe != 1 {
						t.Errorf("last safe object %d, %t", u.LastSafe, u.LastSafeKnown)
					}
				case errors.As(err, &l):
					got = deferred
					if !l.LastSafeKnown || l.LastSafe != 1 {
						t.Errorf("last safe object %d, %t", l.LastSafe, l.LastSafeKnown)
					}
				case err != nil:
					t.Fatalf("untyped error %v", err)
				}
				if got != want {
					t.Errorf("%s (%v), want %s", got, err, want)
				}
				if d.place.known != known {
					t.Errorf("position known: %t, want %t", d.place.known, known)
				}
				// What the driver believes is what is on the tape.
				if d.place.known && d.place.object != uint64(len(f.tape)) {
					t.Errorf("believes object %d, the tape has %d", d.place.object, len(f.tape))
				}
				if !d.place.known {
					if _, err := d.WriteBlock(background, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
						t.Errorf("the next write: %v", err)
					}
				}
			})
		}
	}
}

// A command that was never sent was not executed, and nothing has to be asked.
func TestWriteCancelledBefore(t *testing.T) {
	f := newFake(quirks{tgt: true})
	d := f.rewound(t)
	ctx, cancel := context.WithCancel(background)
	cancel()
	var n *NotWrittenError
	if _, err := d.WriteBlock(ctx, []byte("data")); !errors.As(err, &n) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := d.WriteBlock(background, []byte("data")); err != nil {
		t.Errorf("after a cancelled write: %v", err)
	}
}

// After a lost answer the question for the position meets attentions: a lost nexus changes nothing, a reset does.
func TestResolveWithAttentions(t *testing.T) {
	for _, tt := range []struct {
		attention []byte
		certain   bool
	}{
		{scsitest.Sense(scsi.UnitAttention, 0x29, 0x07), true},
		{scsitest.Sense(scsi.UnitAttention, 0x2A, 0x01), true},
		{scsitest.Sense(scsi.UnitAttention, 0x29, 0x00), false},
		{scsitest.Sense(scsi.UnitAttention, 0x28, 0x00), false},
	} {
		f := newFake(quirks{})
		d := f.rewound(t)
		f.intercept = once(0x0A, func(c *scsi.Command) error {
			f.attentions = [][]byte{tt.attention}
			return scsitest.Lost(errCable)(c)
		})
		_, err := d.WriteBlock(background, []byte("data"))
		var n *NotWrittenError
		var u *UncertainWriteError
		if errors.As(err, &n) != tt.certain || errors.As(err, &u) == tt.certain || !errors.Is(err, errCable) {
			t.Errorf("attention % X: %v", tt.attention[12:14], err)
		}
	}
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = func(c *scsi.Command) (bool, error) {
		switch c.CDB[0] {
		case 0x0A:
			return true, scsitest.Lost(errCable)(c)
		case 0x34:
			return true, scsitest.Check(scsitest.Sense(scsi.UnitAttention, 0x29, 0x07))(c)
		}
		return false, nil
	}
	var u *UncertainWriteError
	if _, err := d.WriteBlock(background, []byte("data")); !errors.As(err, &u) {
		t.Errorf("attentions without end: %v", err)
	}
}

// Filemarks whose answer was lost are there, but only a flush says that they are on the medium.
func TestWriteFilemarksPresumed(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	f.intercept = once(0x10, func(c *scsi.Command) error {
		f.put(object{mark: true})
		return scsitest.Lost(errCable)(c)
	})
	if _, err := d.WriteFilemarks(background, 1, false); err != nil {
		t.Fatal(err)
	}
	sent := f.sent(0x10)
	if len(sent) != 2 || get24(sent[1].CDB[2:5]) != 0 || len(f.tape) != 1 || d.place.safe != 1 {
		t.Errorf("sent %v, tape %d, %+v", sent, len(f.tape), d.place)
	}
	f.intercept = once(0x10, scsitest.Lost(errCable))
	var u *UncertainWriteError
	if err := d.Flush(background); !errors.As(err, &u) {
		t.Errorf("a flush without answer: %v", err)
	}
}

func TestErase(t *testing.T) {
	f := newFake(quirks{})
	f.write("a", "b", "c")
	d := f.rewound(t)
	if err := d.Locate(background, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.Erase(background, false); err != nil || len(f.tape) != 1 {
		t.Errorf("%v, %d objects left", err, len(f.tape))
	}
	if err := d.Erase(background, true); err != nil {
		t.Error(err)
	}
	if sent := f.sent(0x19); len(sent) != 2 || sent[0].CDB[1] != 0 || sent[1].CDB[1] != 1 || sent[1].Timeout < sent[0].Timeout {
		t.Errorf("sent %v", sent)
	}
	f.intercept = once(0x19, scsitest.Check(scsitest.Sense(scsi.MediumError, 0x51, 0)))
	if err := d.Erase(background, false); !errors.Is(err, scsi.IsMediumError) || d.place.known {
		t.Errorf("failed erase: %v", err)
	}
	if err := newFake(quirks{tgt: true}).rewound(t).Erase(background, false); !errors.Is(err, ErrNotSupported) {
		t.Errorf("on tgt: %v", err)
	}
	f = newFake(quirks{noList: true})
	d = f.rewound(t)
	f.intercept = once(0x19, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
	if err := d.Erase(background, false); !errors.Is(err, ErrNotSupported) || d.Capabilities().Erase {
		t.Errorf("found out: %v", err)
	}
	f.intercept = once(0x19, scsitest.Check(scsitest.Sense(scsi.DataProtect, 0x27, 0)))
	d.can.Erase = true
	if err := d.Erase(background, false); !errors.Is(err, scsi.WriteProtected) || !d.place.known {
		t.Errorf("write protected: %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	for want, err := range map[string]error{
		"block of 10 bytes is longer than the buffer of 5":                                     &BlockTooLongError{10, 5},
		"end of medium: block not written: cause":                                              &EndOfMediumError{Err: cause},
		"end of medium: block not written, and 3 accepted before are not on the medium: cause": &EndOfMediumError{Lost: 3, Err: cause},
		"earlier data did not reach the medium, safe up to object 7: cause":                    &DeferredWriteError{7, true, cause},
		"earlier data did not reach the medium: cause":                                         &DeferredWriteError{Err: cause},
		"write outcome and position are uncertain, safe up to object 7: cause":                 &UncertainWriteError{7, true, cause},
		"write outcome and position are uncertain: cause":                                      &UncertainWriteError{Err: cause},
		"not written: cause":                      &NotWrittenError{cause},
		"space: cause, 4 not passed":              &SpaceError{4, true, cause},
		"space: cause":                            &SpaceError{Err: cause},
		"drive holds a cleaning cartridge: cause": &CleaningCartridgeError{Err: cause},
		"cleaning cartridge is used up: cause":    &CleaningCartridgeError{Expired: true, Err: cause},
		"cleaning failed: cause":                  &CleaningCartridgeError{Failed: true, Err: cause},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		var long *BlockTooLongError
		if !errors.As(err, &long) && !errors.Is(err, cause) {
			t.Errorf("%T hides its cause", err)
		}
	}
}
