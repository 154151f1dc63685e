package drive

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func notReady(asc, ascq byte) []byte { return scsitest.Sense(scsi.NotReady, asc, ascq) }

func TestWaitReady(t *testing.T) {
	becoming, absent := notReady(0x04, 0x01), notReady(0x3A, 0x00)
	progress := scsitest.Fixed(scsi.Sense{Key: scsi.NotReady, ASC: 0x04, ASCQ: 0x01, SenseKeySpecific: [3]byte{0x80, 0x80, 0x00}})
	tests := []struct {
		name     string
		notReady [][]byte
		moved    bool
		product  string
		timeout  time.Duration
		is       error
		cleaning *CleaningCartridgeError
		loads    int
		states   int
		waited   time.Duration // at most
	}{
		{name: "ready"},
		{name: "attentions first", notReady: slices.Repeat([][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0)}, 10)},
		{name: "loading", notReady: [][]byte{becoming, becoming, becoming}, states: 1, waited: 4 * time.Second},
		{name: "loading with progress", notReady: [][]byte{becoming, progress}, states: 2, waited: 3 * time.Second},
		{name: "not noticed yet (Q32)", notReady: [][]byte{absent, absent, becoming}, moved: true, states: 2, waited: 4 * time.Second},
		{name: "no medium", notReady: [][]byte{absent}, is: scsi.MediumNotPresent, states: 1},
		{name: "no medium after a move", notReady: slices.Repeat([][]byte{absent}, 1000), moved: true, is: scsi.MediumNotPresent, states: 1, waited: time.Minute},
		{name: "wants LOAD", notReady: [][]byte{notReady(0x04, 0x02), becoming}, loads: 1, states: 2, waited: 2 * time.Second},
		{name: "LOAD does not help", notReady: slices.Repeat([][]byte{notReady(0x04, 0x02)}, 1000), loads: 1, states: 1, is: ErrNotReady, waited: 5 * time.Minute},
		{name: "held", notReady: [][]byte{notReady(0x3A, 0x04)}, loads: 1, states: 1, waited: time.Second},
		{name: "loadable", notReady: [][]byte{notReady(0x3A, 0x03)}, loads: 1, states: 1, waited: time.Second},
		{name: "never ready", notReady: slices.Repeat([][]byte{becoming}, 10000), is: ErrNotReady, states: 1, waited: 5 * time.Minute},
		{name: "own timeout", notReady: slices.Repeat([][]byte{becoming}, 10000), timeout: 10 * time.Second, is: ErrNotReady, states: 1, waited: 10 * time.Second},
		{name: "new LTO-9 medium (Q33)", product: "Ultrium 9-SCSI", notReady: slices.Repeat([][]byte{becoming}, 7000), states: 1, waited: 7200 * time.Second},
		{name: "not configured yet", notReady: [][]byte{notReady(0x3E, 0x00)}, states: 1, waited: 2 * time.Second},
		{name: "door", notReady: [][]byte{notReady(0x04, 0x18)}, is: scsi.DoorOpen, states: 1},
		{name: "manual intervention", notReady: [][]byte{notReady(0x04, 0x03)}, is: scsi.ManualInterventionRequired, states: 1},
		{name: "incompatible", notReady: [][]byte{scsitest.Sense(scsi.MediumError, 0x30, 0x02)}, is: scsi.IncompatibleMedium},
		{name: "load failed", notReady: [][]byte{scsitest.Sense(scsi.HardwareError, 0x53, 0x00)}, is: scsi.LoadOrEjectFailed},
		{name: "other not ready", notReady: [][]byte{notReady(0x44, 0x00)}, is: scsi.IsNotReady, states: 1},
		{name: "cleaning", notReady: [][]byte{notReady(0x30, 0x03)}, is: scsi.CleaningCartridgeInstalled, cleaning: &CleaningCartridgeError{}},
		{name: "cleaning without key", notReady: [][]byte{scsitest.Sense(scsi.NoSense, 0x30, 0x03)}, is: scsi.CleaningCartridgeInstalled, cleaning: &CleaningCartridgeError{}},
		{name: "cleaning failed", notReady: [][]byte{scsitest.Sense(scsi.MediumError, 0x30, 0x07)}, is: scsi.IncompatibleMedium, cleaning: &CleaningCartridgeError{Failed: true}},
		{name: "cleaning cartridge used up", notReady: [][]byte{notReady(0x30, 0x0B)}, is: scsi.IncompatibleMedium, cleaning: &CleaningCartridgeError{Expired: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(quirks{})
			if tt.product != "" {
				f.product = tt.product
			}
			d := f.open(t)
			var waited time.Duration
			d.sleep = func(ctx context.Context, w time.Duration) error { waited += w; return ctx.Err() }
			f.notReady = tt.notReady
			var states []string
			err := d.WaitReady(background, WaitOptions{JustMoved: tt.moved, Timeout: tt.timeout, Progress: func(s string) { states = append(states, s) }})
			if !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %v", err, tt.is)
			}
			var cleaning *CleaningCartridgeError
			if errors.As(err, &cleaning) != (tt.cleaning != nil) || cleaning != nil &&
				(cleaning.Expired != tt.cleaning.Expired || cleaning.Failed != tt.cleaning.Failed) {
				t.Errorf("error %v, want %+v", err, tt.cleaning)
			}
			if n := len(f.sent(0x1B)); n != tt.loads {
				t.Errorf("LOAD %d times, want %d", n, tt.loads)
			}
			if len(states) != tt.states || slices.Contains(states, "") {
				t.Errorf("states %q, want %d", states, tt.states)
			}
			if waited > tt.waited {
				t.Errorf("waited %v, want at most %v", waited, tt.waited)
			}
			if tt.is == nil && len(f.notReady) != 0 {
				t.Errorf("ready while %d answers say that it is not", len(f.notReady))
			}
		})
	}
}

func TestWaitReadyCancelled(t *testing.T) {
	f := newFake(quirks{})
	d := f.open(t)
	f.notReady = slices.Repeat([][]byte{notReady(0x04, 0x01)}, 1000)
	ctx, cancel := context.WithCancel(background)
	d.sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if err := d.WaitReady(ctx, WaitOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x00, scsitest.Lost(errCable))
	if err := d.WaitReady(background, WaitOptions{}); !errors.Is(err, errCable) {
		t.Errorf("%v", err)
	}
	f.notReady = [][]byte{notReady(0x04, 0x02)}
	f.intercept = once(0x1B, scsitest.Check(scsitest.Sense(scsi.HardwareError, 0x53, 0)))
	if err := d.WaitReady(background, WaitOptions{}); !errors.Is(err, scsi.LoadOrEjectFailed) {
		t.Errorf("LOAD failed: %v", err)
	}
}

func TestLoadUnload(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	if _, err := d.WriteBlock(background, []byte("data")); err != nil {
		t.Fatal(err)
	}
	if err := d.Unload(background); err != nil {
		t.Fatal(err)
	}
	var ops []byte
	for _, c := range f.transport.Sent()[len(f.transport.Sent())-2:] {
		ops = append(ops, c.CDB[0])
	}
	if diff := cmp.Diff([]byte{0x10, 0x1B}, ops); diff != "" || f.loaded {
		t.Errorf("flush before unloading: %s", diff)
	}
	if err := d.Load(background); err != nil || !f.loaded {
		t.Fatal(err)
	}
	if _, err := d.WriteBlock(background, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("write after loading: %v", err)
	}
	// A load that ends with "medium may have changed" has succeeded.
	f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0)}
	if err := d.Load(background); err != nil {
		t.Error(err)
	}
}

// A flush that fails keeps the tape in the drive, so that the caller learns of the loss; a second call unloads.
func TestUnloadFlushFails(t *testing.T) {
	f := newFake(quirks{})
	d := f.rewound(t)
	if _, err := d.WriteBlock(background, []byte("data")); err != nil {
		t.Fatal(err)
	}
	f.intercept = once(0x10, scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError, ASC: 0x0C})))
	var deferred *DeferredWriteError
	if err := d.Unload(background); !errors.As(err, &deferred) || !f.loaded {
		t.Errorf("%v, loaded %t", err, f.loaded)
	}
	if err := d.Unload(background); err != nil || f.loaded {
		t.Errorf("%v, loaded %t", err, f.loaded)
	}
	f.intercept = once(0x1B, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x53, 0x02)))
	if err := d.Unload(background); !errors.Is(err, scsi.RemovalPrevented) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x1B, scsitest.Check(scsitest.Sense(scsi.HardwareError, 0x53, 0x00)))
	if err := d.Load(background); !errors.Is(err, scsi.LoadOrEjectFailed) {
		t.Errorf("%v", err)
	}
}

// Nothing was written: there is nothing to flush, and a write protected tape must not be asked to.
func TestUnloadClean(t *testing.T) {
	f := newFake(quirks{})
	f.protect = true
	f.write("data")
	d := f.rewound(t)
	if _, err := d.ReadBlock(background, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := d.Unload(background); err != nil {
		t.Error(err)
	}
}

// The medium is another one, or gone for a moment: what was known about the position is not true any more.
func TestPositionForgottenWithMedium(t *testing.T) {
	f := newFake(quirks{tgt: true})
	d := f.rewound(t)
	if err := d.WaitReady(background, WaitOptions{}); err != nil || !d.place.known {
		t.Errorf("a drive that was ready all the time: %v, %+v", err, d.place)
	}
	if err := d.WaitReady(background, WaitOptions{JustMoved: true}); err != nil || d.place.known {
		t.Errorf("after a move: %v, %+v", err, d.place)
	}
	d = f.rewound(t)
	f.notReady = [][]byte{notReady(0x3A, 0)}
	if _, err := d.Status(background); err != nil || d.place.known {
		t.Errorf("after a moment without a medium: %v, %+v", err, d.place)
	}
	if _, err := d.WriteBlock(background, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("write: %v", err)
	}
}
