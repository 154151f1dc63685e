package drive

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func TestStatus(t *testing.T) {
	ready := MediumStatus{Loaded: true, Ready: true, Density: 0x5A, MediumType: 0x68, Generation: LTO6}
	with := func(change func(*MediumStatus)) MediumStatus { s := ready; change(&s); return s }
	tests := []struct {
		name   string
		change func(*fakeDrive)
		want   MediumStatus
	}{
		{"ready", func(*fakeDrive) {}, ready},
		{"write protected", func(f *fakeDrive) { f.protect = true }, with(func(s *MediumStatus) { s.WriteProtected = true })},
		{"fixed blocks", func(f *fakeDrive) { f.mode.BlockLength = 512 }, with(func(s *MediumStatus) { s.BlockLength = 512 })},
		{"WORM", func(f *fakeDrive) { f.mode.MediumType = 0x6C }, with(func(s *MediumStatus) { s.MediumType, s.WORM = 0x6C, true })},
		{"density alone (Q64)", func(f *fakeDrive) { f.mode.MediumType = 0 }, with(func(s *MediumStatus) { s.MediumType = 0 })},
		{"M8", func(f *fakeDrive) { f.mode.MediumType, f.mode.Density = 0x78, 0x5D },
			with(func(s *MediumStatus) { s.MediumType, s.Density, s.Generation = 0x78, 0x5D, LTO7M8 })},
		{"nothing told", func(f *fakeDrive) { f.mode.MediumType, f.mode.Density = 0, 0 },
			MediumStatus{Loaded: true, Ready: true}},
		{"no compression page", func(f *fakeDrive) { f.mode.Pages = f.mode.Pages[1:] }, ready},
		{"no medium", func(f *fakeDrive) { f.loaded = false }, MediumStatus{State: scsi.AdditionalSenseText(0x3A, 0)}},
		{"loading", func(f *fakeDrive) { f.notReady = [][]byte{notReady(0x04, 0x01)} },
			MediumStatus{Loaded: true, State: scsi.AdditionalSenseText(0x04, 0x01)}},
		{"held", func(f *fakeDrive) { f.notReady = [][]byte{notReady(0x3A, 0x04)} },
			MediumStatus{Loaded: true, State: scsi.AdditionalSenseText(0x3A, 0x04)}},
		{"cleaning", func(f *fakeDrive) { f.notReady = [][]byte{notReady(0x30, 0x03)} },
			MediumStatus{Loaded: true, Cleaning: true, State: scsi.AdditionalSenseText(0x30, 0x03)}},
		{"no mode pages", func(f *fakeDrive) {
			f.intercept = func(c *scsi.Command) (bool, error) {
				if c.CDB[0] != 0x5A && c.CDB[0] != 0x1A {
					return false, nil
				}
				return true, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))(c)
			}
		}, MediumStatus{Loaded: true, Ready: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(quirks{})
			d := f.open(t)
			tt.change(f)
			got, err := d.Status(background)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, op := range []byte{0x00, 0x5A} {
		f := newFake(quirks{})
		d := f.open(t)
		f.intercept = once(op, scsitest.Lost(errCable))
		if _, err := d.Status(background); !errors.Is(err, errCable) {
			t.Errorf("%02Xh: %v", op, err)
		}
	}
}

func TestPrepare(t *testing.T) {
	on, off := true, false
	t.Run("nothing to do", func(t *testing.T) {
		f := newFake(quirks{})
		d := f.open(t)
		if err := d.Prepare(background, PrepareOptions{Compression: &on}); err != nil || len(f.selects) != 0 {
			t.Errorf("%v, %d MODE SELECT", err, len(f.selects))
		}
	})
	t.Run("variable blocks", func(t *testing.T) {
		f := newFake(quirks{})
		f.mode.BlockLength, f.mode.BufferedMode = 512, 0
		d := f.open(t)
		if err := d.Prepare(background, PrepareOptions{}); err != nil {
			t.Fatal(err)
		}
		// Header of 8 bytes: length 0, buffered mode 1, descriptor of 8 bytes; density as it was, blocks of length 0.
		want := [][]byte{{0, 0, 0, 0x10, 0, 0, 0, 8, 0x5A, 0, 0, 0, 0, 0, 0, 0}}
		if diff := cmp.Diff(want, f.selects); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("compression off", func(t *testing.T) {
		f := newFake(quirks{})
		d := f.open(t)
		if err := d.Prepare(background, PrepareOptions{Compression: &off}); err != nil {
			t.Fatal(err)
		}
		if f.mode.Pages[0][2] != 0x40 || f.mode.Pages[1][14] != 0 || f.mode.BlockLength != 0 || f.mode.BufferedMode != 1 {
			t.Errorf("%+v", f.mode)
		}
		if err := d.Prepare(background, PrepareOptions{Compression: &on}); err != nil {
			t.Fatal(err)
		}
		if f.mode.Pages[0][2] != 0xC0 || f.mode.Pages[1][14] != 1 {
			t.Errorf("%+v", f.mode)
		}
	})
	t.Run("tgt", func(t *testing.T) {
		f := newFake(quirks{tgt: true})
		f.mode.BlockLength = 512
		d := f.open(t)
		if err := d.Prepare(background, PrepareOptions{Compression: &off}); err != nil || f.mode.BlockLength != 0 {
			t.Errorf("%v, %+v", err, f.mode)
		}
		if err := d.Prepare(background, PrepareOptions{Compression: &on}); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		f := newFake(quirks{})
		f.mode.BlockLength = 512
		d := f.open(t)
		f.intercept = once(0x55, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x26, 0)))
		if err := d.Prepare(background, PrepareOptions{}); !errors.Is(err, scsi.InvalidFieldInParameterList) {
			t.Errorf("fixed blocks stay: %v", err)
		}
		f.mode.BlockLength, f.mode.BufferedMode = 0, 0
		f.intercept = once(0x55, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x26, 0)))
		if err := d.Prepare(background, PrepareOptions{}); err != nil {
			t.Errorf("unbuffered is slow and no error: %v", err)
		}
		f.mode.BufferedMode, f.refusePage = 1, true
		if err := d.Prepare(background, PrepareOptions{Compression: &off}); !errors.Is(err, scsi.InvalidFieldInParameterList) {
			t.Errorf("compression: %v", err)
		}
		f.intercept = once(0x5A, scsitest.Lost(errCable))
		if err := d.Prepare(background, PrepareOptions{}); !errors.Is(err, errCable) {
			t.Errorf("%v", err)
		}
	})
}
