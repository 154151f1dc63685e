package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
)

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
	// OutcomeUnknown: the library no longer answers, or shows the cartridge nowhere or twice; or it gave no answer to the
	// move and shows the cartridge where it was, which it may do while the arm is on its way.
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
	ErrSameElement     = errors.New("source and destination are the same element")
)

// MoveError says that a move did not put the cartridge where it was to go, and where it is now.
type MoveError struct {
	Library  string // its name, for the commands that the message advises
	Barcode  string
	From, To string // in the operator's words, "slot 7 (element 1006)"
	Outcome  MoveOutcome
	Now      string // where the cartridge is, or was seen last; "" when it is where it was or nobody knows
	Err      error
	note     string // what was tried afterwards, or what to do
}

// Error tells what was tried, why it failed, where the tape is, and what to do.
func (e *MoveError) Error() string {
	s := fmt.Sprintf("move %s from %s to %s: %v", tapeName(e.Barcode), e.From, e.To, e.Err)
	switch e.Outcome {
	case NotMoved:
		s += "; nothing was moved"
	case InTransport:
		s += fmt.Sprintf("; the tape is in the picker: `tapectl library status%s` shows it, `tapectl tape move picker:1 slot:N%s` puts it into a free slot",
			named(" ", e.Library), named(" --library ", e.Library))
	case Elsewhere:
		s += "; the tape is now in " + e.Now
	case OutcomeUnknown:
		if e.Now != "" {
			s += "; the library shows the tape in " + e.Now + " but may still be moving it"
		}
		s += fmt.Sprintf("; where the tape is now is not known: look at `tapectl library status%s` before anything else", named(" ", e.Library))
	}
	if e.note != "" {
		s += "; " + e.note
	}
	return s
}

// Unwrap gives the cause: one of the refusals above or the device's error.
func (e *MoveError) Unwrap() error { return e.Err }

// named is the part of an advised command that names the library; operators may have several.
func named(flag, library string) string {
	if library == "" {
		return ""
	}
	return flag + library
}

func tapeName(barcode string) string {
	if barcode == "" {
		return "the tape without a barcode"
	}
	return "tape " + barcode
}

// Move moves the cartridge in one element to another; a tape that was left in the picker is moved out of it like any other.
// A drive that still holds its tape loaded is refused as source, and one that a Mount of this process uses as either.
//
// When Move returns nil the cartridge is in the destination, as the changer itself reported afterwards. A move that has begun
// is finished, and its outcome found out, even when ctx ends.
//
// Errors: ErrStandAlone, *LeaseLostError, or a *MoveError that says where the cartridge is.
func (l *Library) Move(ctx context.Context, from, to changer.ElementAddress) error {
	if l.StandAlone() {
		return fmt.Errorf("move a tape of library %s: %w; `tapectl tape unload --library %s` gives it out", l.record.Name, ErrStandAlone, l.record.Name)
	}
	if err := l.Lost(); err != nil {
		return err
	}
	if err := l.takeArm(ctx); err != nil {
		return err
	}
	defer l.freeArm()
	for _, address := range []changer.ElementAddress{from, to} {
		if l.claims.uses(address) {
			place := fmt.Sprintf("drive element %d", address)
			return &MoveError{Library: l.record.Name, From: fmt.Sprintf("element %d", from), To: fmt.Sprintf("element %d", to), Err: fmt.Errorf("%s: %w", place, ErrInUse)}
		}
	}
	return l.explain(l.move(ctx, from, to))
}

// transfer is one move of a cartridge.
type transfer struct {
	*MoveError
	from, to changer.ElementAddress
	source   changer.ElementType
	refused  bool // the last MOVE MEDIUM was not executed, and it was not sent again
}

// lost reports whether the move that ended with merr may have been carried out, or may be yet.
func (t *transfer) lost(merr error) bool { return !t.refused && outcomeUnknown(merr) }

// move is Move for those who have the arm, and for drives in use.
func (l *Library) move(ctx context.Context, from, to changer.ElementAddress) error {
	t := &transfer{MoveError: &MoveError{Library: l.record.Name}, from: from, to: to}
	if err := l.check(ctx, t); err != nil {
		return err
	}
	if err := l.Lost(); err != nil {
		t.Err = err
		return t.MoveError
	}
	// From here on the state of the library counts, not the caller's patience. Each MOVE MEDIUM has the time of the
	// command, and what is done about its outcome has a time of its own afterwards.
	ctx = context.WithoutCancel(ctx)
	l.log.Info("move medium", "library", l.record.Name, "barcode", t.Barcode, "from", int(from), "to", int(to))
	merr := l.moveMedium(ctx, t)
	if merr == nil {
		merr = l.awaitArrival(ctx, to)
	}
	after, err := l.after(ctx, t, merr)
	if err != nil {
		t.Err, t.Outcome = errors.Join(merr, err), OutcomeUnknown
		l.noteMove(ctx, t.MoveError)
		return t.MoveError
	}
	return l.conclude(ctx, t, after, merr)
}

// check reads the elements, describes the move in t and says why it must not even be tried.
func (l *Library) check(ctx context.Context, t *transfer) error {
	elements, err := l.elements(ctx)
	if err != nil {
		return err
	}
	source, destination := find(elements, t.from), find(elements, t.to)
	t.From, t.To = Place(elements, t.from), Place(elements, t.to)
	if source != nil {
		if t.Barcode != "" && source.Full && !sameTape(source, t.Barcode) {
			t.Err = fmt.Errorf("the tapes were changed meanwhile: %s now holds %s", t.From, tapeName(source.PrimaryVolumeTag.Identifier))
			return t.MoveError
		}
		t.Barcode, t.source = source.PrimaryVolumeTag.Identifier, source.Type
	}
	if t.Err = l.refuse(ctx, elements, source, destination, t.MoveError); t.Err != nil {
		return t.MoveError
	}
	return nil
}

// refuse says why a move must not even be tried.
func (l *Library) refuse(ctx context.Context, elements []changer.Element, source, destination *changer.Element, m *MoveError) error {
	switch {
	case source == nil:
		return fmt.Errorf("%w: %s", ErrNoElement, m.From)
	case destination == nil:
		return fmt.Errorf("%w: %s", ErrNoElement, m.To)
	case source.Address == destination.Address:
		return ErrSameElement
	case !source.Full:
		return fmt.Errorf("%w: %s holds no tape", ErrSourceEmpty, m.From)
	case destination.Full:
		return fmt.Errorf("%w: %s holds %s", ErrDestinationFull, m.To, tapeName(destination.PrimaryVolumeTag.Identifier))
	}
	if source.Type != changer.MediumTransport {
		if err := l.pickerFree(elements); err != nil {
			return err
		}
	}
	if source.Type == changer.DataTransfer {
		return l.stillLoaded(ctx, elements, source.Address)
	}
	return nil
}

// stillLoaded refuses to take a tape out of a drive of this library that has not unloaded it.
func (l *Library) stillLoaded(ctx context.Context, elements []changer.Element, address changer.ElementAddress) error {
	d := l.driveAt(address)
	if d == nil || !d.Enabled || l.claims.hasUnloaded(address) {
		return nil // the changer itself refuses when the drive holds on
	}
	o, err := l.OpenDrive(ctx, *d)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, ErrInUse) {
			return err
		}
		l.log.Warn("ask drive before a move", "drive", int(address), "error", err)
		return nil
	}
	defer o.Close()
	status, err := o.Status(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		l.log.Warn("ask drive before a move", "drive", int(address), "error", err)
	case status.Ready:
		return fmt.Errorf("%w: %s is loaded; `tapectl tape unload` unloads it and puts it back", ErrStillLoaded, Place(elements, address))
	}
	return nil
}

// moveMedium sends MOVE MEDIUM, and again where it certainly was not executed and that may help (see retry.go).
func (l *Library) moveMedium(ctx context.Context, t *transfer) error {
	attentions, allowed := 0, false
	for {
		err := l.changer.Move(ctx, t.from, t.to)
		switch {
		case notExecuted(err) && attentions < attentionRetries:
			attentions++
		case errors.Is(err, scsi.RemovalPrevented) && !allowed:
			allowed = true
			l.recovery(ctx, func(ctx context.Context) { l.allowRemoval(ctx, t) })
		default:
			if errors.Is(err, scsi.RemovalPrevented) {
				t.note = foreignLock
			}
			return err
		}
		// The elements may not be what they were: whatever kept the move from being executed changed something.
		again := &transfer{MoveError: &MoveError{Barcode: t.Barcode}, from: t.from, to: t.to}
		var cerr error
		if l.recovery(ctx, func(ctx context.Context) { cerr = l.check(ctx, again) }); cerr != nil {
			if again.Err != nil {
				cerr = again.Err
			}
			t.refused = true
			return fmt.Errorf("%w; it was not sent again: %w", err, cerr)
		}
	}
}

// recovery runs one step of what follows a move, within recoveryTime.
func (l *Library) recovery(ctx context.Context, step func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoveryTime)
	defer cancel()
	step(ctx)
}

// foreignLock tells what a lock means that ALLOW from this host did not end.
const foreignLock = "the lock against removal stays although this host took its own back: another host or program may be using the " +
	"drive or the library; end it there, or power the drive off and on"

// allowRemoval takes back what this host may have left locked: PREVENT of an earlier process that crashed. A lock of
// another host stays (scsi.md Q39).
func (l *Library) allowRemoval(ctx context.Context, t *transfer) {
	if err := l.changer.AllowRemoval(ctx); err != nil && !unsupported(err) {
		l.log.Warn("allow removal", "library", l.record.Name, "error", err)
	}
	for _, address := range []changer.ElementAddress{t.from, t.to} {
		d := l.driveAt(address)
		if d == nil {
			continue
		}
		o, err := l.OpenDrive(ctx, *d)
		if err == nil {
			err = errors.Join(o.AllowRemoval(ctx), o.Close())
		}
		if err != nil && !unsupported(err) {
			l.log.Warn("allow removal", "drive", int(address), "error", err)
		}
	}
}

// awaitArrival waits until the changer shows the destination full, as some take a while after they said GOOD.
func (l *Library) awaitArrival(ctx context.Context, to changer.ElementAddress) error {
	ctx, cancel := context.WithTimeout(ctx, recoveryTime)
	defer cancel()
	for waited := time.Duration(0); ; waited += pollTime {
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
		if err := l.sleep(ctx, pollTime); err != nil {
			return err
		}
	}
}

// after reads the elements as they are after a move. A command without an answer may still be carried out: then they
// are read until the cartridge is seen in the destination, or lostMoveTime has passed.
func (l *Library) after(ctx context.Context, t *transfer, merr error) ([]changer.Element, error) {
	ctx, cancel := context.WithTimeout(ctx, lostMoveTime+recoveryTime)
	defer cancel()
	elements, err := l.elements(ctx)
	if !t.lost(merr) {
		return elements, err
	}
	began := time.Now()
	poll := pollTime
	for waited := time.Duration(0); err == nil && max(waited, time.Since(began)) < lostMoveTime && !t.arrived(elements); waited += poll {
		if waited >= settleTime {
			poll = lostPollTime
			l.progress(fmt.Sprintf("watching where %s goes: the library gave no answer to its move from %s to %s", tapeName(t.Barcode), t.From, t.To))
		}
		if err = l.sleep(ctx, poll); err == nil {
			elements, err = l.elements(ctx)
		}
	}
	return elements, err
}

// arrived reports whether the destination is full and the source and the pickers are empty.
func (t *transfer) arrived(elements []changer.Element) bool {
	from, to := find(elements, t.from), find(elements, t.to)
	return to != nil && to.Full && (from == nil || !from.Full) && fullPicker(elements) == nil
}

// conclude finds out where the cartridge is after a move, from the elements as they are now.
func (l *Library) conclude(ctx context.Context, t *transfer, after []changer.Element, merr error) error {
	from, dest := find(after, t.from), find(after, t.to)
	picker := fullPicker(after)
	switch {
	case dest != nil && dest.Full && (from == nil || !from.Full) && sameTape(dest, t.Barcode):
		l.claims.setUnloaded(t.from, false)
		l.recordMove(ctx, t.Barcode, t.from, t.to)
		if merr != nil {
			l.log.Warn("the move was reported as failed, but the tape arrived", "barcode", t.Barcode, "error", merr)
		}
		return nil
	case t.source != changer.MediumTransport && picker != nil && sameTape(picker, t.Barcode) && (from == nil || !from.Full):
		t.Err, t.Outcome = merr, InTransport
		l.putBack(ctx, t, after, picker)
		if t.Outcome == InTransport {
			l.recordMove(ctx, t.Barcode, t.from, picker.Address)
		}
	case from != nil && from.Full && sameTape(from, t.Barcode) && (dest == nil || !dest.Full):
		t.Err, t.Outcome = merr, NotMoved
		if t.lost(merr) {
			t.Outcome, t.Now = OutcomeUnknown, Place(after, t.from)
		}
	default:
		t.Err, t.Outcome = merr, OutcomeUnknown
	}
	if t.Err == nil {
		t.Err = errors.New("the changer reported success, but the elements show something else")
	}
	l.noteMove(ctx, t.MoveError)
	return t.MoveError
}

// putBack tries once to bring a cartridge that was left in the picker to where it came from, or to a free slot.
func (l *Library) putBack(ctx context.Context, t *transfer, elements []changer.Element, picker *changer.Element) {
	if err := l.Lost(); err != nil {
		t.note = "it was not moved on, because the lease of the library is lost"
		return
	}
	target := find(elements, t.from)
	if target == nil || target.Full || target.Type == changer.DataTransfer {
		target = freeSlot(elements, l.avoid(ctx, elements, t.from))
	}
	if target == nil {
		t.note = "there is no free slot to put it into"
		return
	}
	on := &transfer{from: picker.Address, to: target.Address, MoveError: &MoveError{
		Barcode: t.Barcode, From: Place(elements, picker.Address), To: Place(elements, target.Address)}}
	err := l.changer.Move(ctx, on.from, on.to)
	if err == nil {
		err = l.awaitArrival(ctx, on.to)
	}
	if err != nil {
		now, lerr := l.after(ctx, on, err)
		if lerr != nil || !on.arrived(now) {
			t.note = fmt.Sprintf("moving it on to %s failed as well: %v", on.To, err)
			if e := find(now, on.from); lerr != nil || e == nil || !e.Full || outcomeUnknown(err) {
				t.Outcome = OutcomeUnknown // it is neither where it was nor certainly anywhere else
			}
			return
		}
	}
	if target.Address == t.from {
		t.Outcome, t.note = NotMoved, "the tape had stayed in the picker and was put back"
		return
	}
	l.claims.setUnloaded(t.from, false)
	l.recordMove(ctx, t.Barcode, t.from, target.Address)
	t.Outcome, t.Now = Elsewhere, Place(elements, target.Address)
}
