package library_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// Whatever breaks, no tape is lost: what Move, Mount and Dismount say about a tape is where it really is, and the catalog
// has every tape where it is unless the error says that nobody knows.
func TestNoTapeIsEverLost(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &world{lab: newLab(t, vlib.Config{Slots: 5, MailSlots: 1, TapeCount: 3, Drives: 2}), rnd: rand.New(rand.NewPCG(seed, 11))}
			for step := range 40 {
				w.breakSomething()
				w.step()
				if err := w.Virtual.ClearFaults(); err != nil {
					t.Fatal(err)
				}
				w.clearPicker()
				if w.compare(); t.Failed() {
					t.Fatalf("step %d: %s", step, w.last)
				}
			}
		})
	}
}

// world is a library in which things break.
type world struct {
	*lab
	rnd  *rand.Rand
	last string // what was done last, and what came of it
}

// breakSomething injects at most one fault.
func (w *world) breakSomething() {
	f := vlib.Fault{Device: "changer", Operations: []int{moveMedium}}
	switch w.rnd.IntN(8) {
	case 0:
		f.Kind = vlib.FaultArm
	case 1:
		f.Kind, f.Key, f.ASC, f.ASCQ, f.Executed = vlib.FaultSense, 4, 0x15, 1, w.rnd.IntN(2) == 0
	case 2:
		f.Kind, f.Executed = vlib.FaultTimeout, w.rnd.IntN(2) == 0
	case 3:
		f.Kind, f.Key, f.ASC, f.Times = vlib.FaultSense, 6, 0x28, 1+w.rnd.IntN(5)
	case 4:
		f.Kind, f.Key, f.ASC, f.ASCQ, f.Times = vlib.FaultSense, 5, 0x53, 2, 1+w.rnd.IntN(2)
	case 5:
		f.Device, f.Operations = fmt.Sprintf("drive%d", w.rnd.IntN(2)), []int{0x1B} // LOAD UNLOAD
		f.Kind, f.Key, f.ASC = vlib.FaultSense, 4, 0x53
	default:
		return
	}
	f.After = w.rnd.IntN(2)
	w.fault(f)
}

// places are the elements that a step may name.
var places = []int{slot1, slot2, slot3, slot4, slot4 + 1, mail1, drive1, drive2}

// step does something and checks what is said about it.
func (w *world) step() {
	from, to := places[w.rnd.IntN(len(places))], places[w.rnd.IntN(len(places))]
	barcode := w.tapeAt(from)
	switch w.rnd.IntN(3) {
	case 0:
		err := w.Move(w.t.Context(), changer.ElementAddress(from), changer.ElementAddress(to))
		w.last = fmt.Sprintf("move %s from %d to %d: %v", barcode, from, to, err)
		w.judge(barcode, from, to, err)
	case 1:
		u, err := w.UnloadDrive(w.t.Context(), changer.ElementAddress(from))
		w.last = fmt.Sprintf("unload %s from %d: %v, %v", barcode, from, u, err)
		if err == nil && w.where(barcode) == from {
			w.t.Errorf("the tape is still in the drive")
		}
	case 2:
		m, err := w.Mount(w.t.Context(), library.MountRequest{Element: from})
		w.last = fmt.Sprintf("mount %s from %d: %v", barcode, from, err)
		if err != nil {
			return
		}
		if got := w.where(barcode); got != m.Element() || m.Barcode != barcode {
			w.t.Errorf("mounted %s in %d, but the tape is %s in %d", m.Barcode, m.Element(), barcode, got)
		}
		home, _ := m.Home()
		err = m.Dismount(w.t.Context())
		w.last += fmt.Sprintf("; dismount: %v", err)
		if got := w.where(barcode); err == nil && got != int(home) {
			w.t.Errorf("dismounted to %d, but the tape is in %d", home, got)
		}
	}
}

// judge compares what Move said with the truth.
func (w *world) judge(barcode string, from, to int, err error) {
	var m *library.MoveError
	switch {
	case err == nil:
		if got := w.where(barcode); got != to {
			w.t.Errorf("the tape is in %d, want %d", got, to)
		}
	case !errors.As(err, &m):
		w.t.Errorf("the error is no MoveError")
	case barcode == "": // an empty source
	case m.Outcome == library.NotMoved && w.where(barcode) != from:
		w.t.Errorf("said not to be moved, but the tape is in %d", w.where(barcode))
	case m.Outcome == library.InTransport && (w.where(barcode) != picker || w.Tape(barcode).ElementAddress != picker):
		w.t.Errorf("said to be in the picker, but the tape is in %d", w.where(barcode))
	case m.Outcome == library.Elsewhere && (w.where(barcode) == from || w.where(barcode) == to || w.where(barcode) == picker):
		w.t.Errorf("said to be elsewhere, but the tape is in %d", w.where(barcode))
	case m.Outcome == library.OutcomeUnknown && !lostAnswer(err):
		w.t.Errorf("the library answers, but the outcome is said to be unknown")
	case m.Outcome == library.OutcomeUnknown && w.where(barcode) != from:
		w.t.Errorf("a lost move is said to be unknown, but the library shows the tape in %d", w.where(barcode))
	}
}

// lostAnswer reports whether a move may still be carried out, as far as its error tells.
func lostAnswer(err error) bool {
	var transport *scsi.TransportError
	return errors.As(err, &transport) && !transport.NotSent
}

// clearPicker does what the operator is told to do about a tape in the picker.
func (w *world) clearPicker() {
	if w.tapeAt(picker) == "" {
		return
	}
	for _, place := range places[:5] {
		if w.tapeAt(place) != "" {
			continue
		}
		if err := w.Move(w.t.Context(), picker, changer.ElementAddress(place)); err != nil {
			w.t.Errorf("move out of the picker: %v", err)
		}
		return
	}
	w.t.Error("no slot is free for the tape in the picker")
}

// tapeAt returns the barcode of the cartridge that really is in the element.
func (w *world) tapeAt(element int) string {
	w.t.Helper()
	tapes, err := w.Virtual.Tapes()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tape := range tapes {
		if int(tape.Element) == element {
			return tape.Barcode
		}
	}
	return ""
}

// compare makes sure that the catalog has every tape where it is.
func (w *world) compare() {
	w.t.Helper()
	tapes, err := w.Virtual.Tapes()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tape := range tapes {
		if got := w.Tape(tape.Barcode).ElementAddress; got != int(tape.Element) {
			w.t.Errorf("%s is in %d, the catalog has it in %d", tape.Barcode, tape.Element, got)
		}
	}
}
