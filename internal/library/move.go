package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
)

// settleTime is how long the elements may take to show what a successful MOVE MEDIUM did (scsi.md Q38).
const settleTime = 30 * time.Second

// recoveryTime bounds what is done after a move whose outcome has to be found out, even when the caller has given up.
const recoveryTime = 10 * time.Minute

// MoveOutcome says where a cartridge is after a move that did not go as asked.
type MoveOutcome int

// The outcomes of a failed move.
const (
	// NotMoved: the cartridge is where it was; nothing has changed.
	NotMoved MoveOutcome = iota
	// InTransport: the cartridge is in the picker.
	InTransport
	// Elsewhere: the cartridge went to another element than asked, such as back from the picker to a free slot.
	Elsewhere
	// OutcomeUnknown: the library no longer answers, or shows the cartridge nowhere or twice.
	OutcomeUnknown
)

// String names the outcome.
func (o MoveOutcome) String() string {
	return [...]string{"not moved", "in the picker", "elsewhere", "unknown"}[o]
}

// Refusals of a move, found out before anything was moved.
var (
	ErrSourceEmpty     = errors.New("source is empty")
	ErrDestinationFull = errors.New("destination is full")
	ErrStillLoaded     = errors.New("the drive still holds the tape")
	ErrNoElement       = errors.New("no such element")
)

// MoveError says that a move did not put the cartridge where it was to go, and where it is now.
type MoveError struct {
	Barcode      string
	From, To     string // in the operator's words, "slot 7 (element 1006)"
	Outcome      MoveOutcome
	Now          string // where the cartridge is, "" when it is where it was or nobody knows
	Err          error
	recoveryNote string
}

// Error tells what was tried, why it failed, where the tape is, and what to do.
func (e *MoveError) Error() string {
	s := fmt.Sprintf("move %s from %s to %s: %v", tapeName(e.Barcode), e.From, e.To, e.Err)
	switch e.Outcome {
	case NotMoved:
		s += "; nothing was moved"
	case InTransport:
		s += "; the tape is in the picker: `tapectl library status` shows it, `tapectl tape move` from the picker to a free slot frees it"
	case Elsewhere:
		s += "; the tape is now in " + e.Now
	case OutcomeUnknown:
		s += "; where the tape is now is not known: look at `tapectl library status` before anything else"
	}
	if e.recoveryNote != "" {
		s += "; " + e.recoveryNote
	}
	return s
}

// Unwrap gives the cause: one of the refusals above or the device's error.
func (e *MoveError) Unwrap() error { return e.Err }

func tapeName(barcode string) string {
	if barcode == "" {
		return "the tape without a barcode"
	}
	return "tape " + barcode
}

// Move moves the cartridge in one element to another. The caller has unloaded a drive that is the source; a drive that
// still holds its tape is refused.
//
// When Move returns nil the cartridge is in the destination, as the changer itself reported afterwards. Otherwise the error is
// a *MoveError that says where it is. A move that has begun is finished, and its outcome found out, even when ctx ends.
func (l *Library) Move(ctx context.Context, from, to changer.ElementAddress) error {
	l.arm.Lock()
	defer l.arm.Unlock()
	return l.move(ctx, from, to)
}

func (l *Library) move(ctx context.Context, from, to changer.ElementAddress) error {
	elements, err := l.elements(ctx)
	if err != nil {
		return err
	}
	m := &MoveError{From: Place(elements, from), To: Place(elements, to)}
	source, destination := find(elements, from), find(elements, to)
	if source != nil {
		m.Barcode = source.PrimaryVolumeTag.Identifier
	}
	if m.Err = l.refuse(ctx, elements, source, destination, m); m.Err != nil {
		return m
	}
	l.log.Info("move medium", "library", l.record.Name, "barcode", m.Barcode, "from", int(from), "to", int(to))
	merr := l.changer.Move(ctx, from, to)

	// From here on the state of the library counts, not the caller's patience.
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoveryTime)
	defer cancel()
	if merr == nil {
		merr = l.awaitArrival(rctx, to)
	}
	after, rerr := l.elements(rctx)
	if rerr != nil {
		m.Err, m.Outcome = errors.Join(merr, rerr), OutcomeUnknown
		l.noteMove(rctx, m)
		return m
	}
	return l.conclude(rctx, m, after, source, to, merr)
}

// refuse says why a move must not even be tried.
func (l *Library) refuse(ctx context.Context, elements []changer.Element, source, destination *changer.Element, m *MoveError) error {
	switch {
	case source == nil || destination == nil:
		return ErrNoElement
	case source.Address == destination.Address:
		return errors.New("source and destination are the same element")
	case !source.Full:
		return fmt.Errorf("%w: %s holds no tape", ErrSourceEmpty, m.From)
	case destination.Full:
		return fmt.Errorf("%w: %s holds %s", ErrDestinationFull, m.To, tapeName(destination.PrimaryVolumeTag.Identifier))
	case source.Type == changer.DataTransfer:
		return l.stillLoaded(ctx, elements, source.Address)
	}
	return nil
}

// stillLoaded refuses to take a tape out of a drive of this library that has not unloaded it.
func (l *Library) stillLoaded(ctx context.Context, elements []changer.Element, address changer.ElementAddress) error {
	for _, d := range l.record.Drives {
		if d.ElementAddress != int(address) {
			continue
		}
		if l.unloaded[address] {
			return nil
		}
		o, err := l.OpenDrive(ctx, d)
		if err != nil {
			l.log.Warn("ask drive before a move", "drive", int(address), "error", err)
			return nil // the changer itself refuses when the drive holds on
		}
		defer o.Close()
		status, err := o.Status(ctx)
		if err == nil && status.Ready {
			return fmt.Errorf("%w: %s is loaded; `tapectl tape unload` unloads it and puts it back", ErrStillLoaded, Place(elements, address))
		}
	}
	return nil
}

// awaitArrival waits until the changer shows the destination full, as some take a while after they said GOOD.
func (l *Library) awaitArrival(ctx context.Context, to changer.ElementAddress) error {
	for waited := time.Duration(0); ; waited += time.Second {
		e, err := l.changer.Element(ctx, to)
		if err != nil {
			return err
		}
		if e.Full {
			return nil
		}
		if waited >= settleTime {
			return errors.New("the changer reported success, but the destination stays empty")
		}
		if err := scsi.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// conclude finds out where the cartridge is after a move, from the elements as they are now.
func (l *Library) conclude(ctx context.Context, m *MoveError, after []changer.Element, source *changer.Element, to changer.ElementAddress, merr error) error {
	from, dest := find(after, source.Address), find(after, to)
	picker := inPicker(after, m.Barcode)
	switch {
	case dest != nil && dest.Full && (from == nil || !from.Full) && sameTape(dest, m.Barcode):
		delete(l.unloaded, source.Address)
		l.recordMove(ctx, source.Address, to)
		if merr != nil {
			l.log.Warn("the move was reported as failed, but the tape arrived", "barcode", m.Barcode, "error", merr)
		}
		return nil
	case picker != nil:
		m.Err, m.Outcome = merr, InTransport
		l.putBack(ctx, m, after, picker, source.Address)
	case from != nil && from.Full && (dest == nil || !dest.Full):
		m.Err, m.Outcome = merr, NotMoved
	default:
		m.Err, m.Outcome = merr, OutcomeUnknown
	}
	if m.Err == nil {
		m.Err = errors.New("the changer reported success")
	}
	l.noteMove(ctx, m)
	return m
}

// putBack tries once to bring a cartridge that was left in the picker to where it came from, or to a free slot.
func (l *Library) putBack(ctx context.Context, m *MoveError, elements []changer.Element, picker *changer.Element, home changer.ElementAddress) {
	target := find(elements, home)
	if target == nil || target.Full || target.Type == changer.DataTransfer {
		target = freeSlot(elements, l.reserved)
	}
	if target == nil {
		m.recoveryNote = "there is no free slot to put it into"
		return
	}
	err := l.changer.Move(ctx, picker.Address, target.Address)
	if err == nil {
		err = l.awaitArrival(ctx, target.Address)
	}
	if err != nil {
		m.recoveryNote = fmt.Sprintf("moving it on to %s failed as well: %v", Place(elements, target.Address), err)
		return
	}
	if target.Address == home {
		m.Outcome = NotMoved
		m.recoveryNote = "the tape had stayed in the picker and was put back"
		return
	}
	l.recordMove(ctx, home, target.Address)
	m.Outcome, m.Now = Elsewhere, Place(elements, target.Address)
}

// find returns the element with the address, nil if there is none.
func find(elements []changer.Element, address changer.ElementAddress) *changer.Element {
	for i := range elements {
		if elements[i].Address == address {
			return &elements[i]
		}
	}
	return nil
}

// inPicker returns the picker that holds the cartridge.
func inPicker(elements []changer.Element, barcode string) *changer.Element {
	for i := range elements {
		e := &elements[i]
		if e.Type == changer.MediumTransport && e.Full && sameTape(e, barcode) {
			return e
		}
	}
	return nil
}

// sameTape reports whether the element may hold the tape with the barcode: a barcode that was not read says nothing.
func sameTape(e *changer.Element, barcode string) bool {
	have := e.PrimaryVolumeTag.Identifier
	return have == "" || barcode == "" || have == barcode
}

// freeSlot returns an empty storage element that can be reached and is not in avoid; never a mail slot, which would
// put the tape out of the library.
func freeSlot(elements []changer.Element, avoid map[changer.ElementAddress]bool) *changer.Element {
	for i := range elements {
		e := &elements[i]
		if e.Type == changer.Storage && !e.Full && !e.Disabled && !avoid[e.Address] {
			return e
		}
	}
	return nil
}
