package library_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const (
	picker = 1
	drive1 = 257
	drive2 = 258
	mail1  = 769
	slot1  = 1001
	slot2  = 1002
	slot3  = 1003
	slot4  = 1004
)

// lab is a bench with its library open, whose waits take no time.
type lab struct {
	*librarytest.Bench
	*library.Library
	t *testing.T
}

func newLab(t *testing.T, c vlib.Config) *lab {
	t.Helper()
	b := librarytest.New(t, c)
	l := &lab{Bench: b, Library: b.Open(), t: t}
	t.Cleanup(func() { l.Library.Close() })
	l.SetSleep(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	return l
}

func (l *lab) fault(f vlib.Fault) {
	l.t.Helper()
	if _, err := l.Virtual.InjectFault(f); err != nil {
		l.t.Fatal(err)
	}
}

// where tells in which element the cartridge really is.
func (l *lab) where(barcode string) int {
	l.t.Helper()
	tapes, err := l.Virtual.Tapes()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, tape := range tapes {
		if tape.Barcode == barcode {
			return int(tape.Element)
		}
	}
	l.t.Fatalf("no cartridge %s", barcode)
	return 0
}

// at makes sure that the cartridge is in the element, and that the catalog knows.
func (l *lab) at(barcode string, element int) {
	l.t.Helper()
	if got := l.where(barcode); got != element {
		l.t.Errorf("%s is in element %d, want %d", barcode, got, element)
	}
	if got := l.Tape(barcode).ElementAddress; got != element {
		l.t.Errorf("the catalog has %s in element %d, want %d", barcode, got, element)
	}
}

// moveError takes the MoveError out of err.
func moveError(t *testing.T, err error) *library.MoveError {
	t.Helper()
	var m *library.MoveError
	if !errors.As(err, &m) {
		t.Fatalf("error is %v, want a MoveError", err)
	}
	return m
}

func (l *lab) mount(element int) *library.Mount {
	l.t.Helper()
	m, err := l.Mount(l.t.Context(), library.MountRequest{Element: element})
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

func (l *lab) dismount(m *library.Mount) {
	l.t.Helper()
	if err := m.Dismount(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// byHand moves a cartridge behind the back of the library, as another host would.
func (l *lab) byHand(from, to int) {
	l.t.Helper()
	if err := l.foreignMove(from, to); err != nil {
		l.t.Fatal(err)
	}
}

// jam leaves the cartridge of an element in the picker, as a crash of another program in the middle of a move would.
func (l *lab) jam(from, to int) {
	l.t.Helper()
	l.fault(vlib.Fault{Device: "changer", Kind: vlib.FaultArm, Operations: []int{moveMedium}})
	if err := l.foreignMove(from, to); err == nil {
		l.t.Fatal("the arm did not keep the cartridge")
	}
}

func (l *lab) foreignMove(from, to int) error {
	l.t.Helper()
	t, err := l.Virtual.Changer()
	if err != nil {
		l.t.Fatal(err)
	}
	defer t.Close()
	if _, err := scsi.ClearAttentions(l.t.Context(), t); err != nil {
		l.t.Fatal(err)
	}
	r := changer.MoveMedium{Source: changer.ElementAddress(from), Destination: changer.ElementAddress(to)}
	return scsi.Do(l.t.Context(), t, scsi.NewCommand(r, scsi.NoData, nil, time.Minute))
}

func profile(t *testing.T, name string) vlib.Quirks {
	t.Helper()
	q, err := vlib.QuirkProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// intercept puts f in front of a device; f returns true when it has answered itself.
type intercept struct {
	scsi.Transport
	f func(ctx context.Context, c *scsi.Command, next scsi.Transport) error
}

func (i intercept) Send(ctx context.Context, c *scsi.Command) error { return i.f(ctx, c, i.Transport) }

var errUnplugged = fmt.Errorf("unplugged")
