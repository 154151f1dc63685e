package drive

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// maxSpace6 is the most that SPACE (6) can count in one command.
const maxSpace6 = 1<<23 - 1

// Rewind positions at the beginning of the partition. It consumes attentions (see Attentions) and makes the position
// known.
func (d *Drive) Rewind(ctx context.Context) error {
	d.place.known = false
	if err := d.do(ctx, Rewind{}); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	d.arrive(Position{FilemarksKnown: true})
	if d.form == formUnproved {
		if _, err := d.askPosition(ctx, d.attentive); err != nil && !errors.Is(err, errNotTold) && !answered(err) {
			return fmt.Errorf("rewind: read position: %w", err)
		}
		d.arrive(Position{FilemarksKnown: true})
	}
	return nil
}

// Locate positions in front of the object with the number: with LOCATE where the drive has it, else with REWIND and
// SPACE. ErrEndOfData says that there is no such object. Afterwards the drive is asked where it is.
//
// An attention that tells of a reset or another medium is returned and not consumed: rewind and verify the label then.
func (d *Drive) Locate(ctx context.Context, object uint64) error {
	if d.form == formUnproved {
		// Whether the drive tells positions decides how to locate.
		if _, err := d.askPosition(ctx, d.transport); err != nil && !errors.Is(err, errNotTold) {
			d.note(err)
			if !errors.Is(err, scsi.IsIllegalRequest) {
				return fmt.Errorf("locate object %d: %w", object, err)
			}
		}
	}
	err := d.locate(ctx, object)
	d.note(err)
	if err != nil {
		d.place.known = false
		return fmt.Errorf("locate object %d: %w", object, err)
	}
	p := Position{Object: object}
	if d.form != formCounted {
		if p, err = d.askPosition(ctx, d.transport); err != nil {
			d.note(err)
			d.place.known = false
			return fmt.Errorf("locate object %d: read position: %w", object, err)
		}
		if p.Object != object {
			d.place.known = false
			return fmt.Errorf("locate object %d: the drive is at object %d", object, p.Object)
		}
	} else if d.place.known && d.place.object == object {
		return nil // locateBySpacing counted its way
	}
	d.arrive(p)
	return nil
}

// locate moves to the object in the best way that the drive has.
func (d *Drive) locate(ctx context.Context, object uint64) error {
	if d.can.Locate16 {
		err := d.locateBy(ctx, Locate16{Object: object})
		if !errors.Is(err, scsi.InvalidOperationCode) {
			return err
		}
		d.can.Locate16 = false
	}
	if d.can.Locate10 && object <= 0xFFFFFFFF {
		err := d.locateBy(ctx, Locate10{Object: uint32(object)})
		if !errors.Is(err, scsi.InvalidOperationCode) {
			return err
		}
		d.can.Locate10 = false
	}
	return d.locateBySpacing(ctx, object)
}

// locateBy sends LOCATE and turns end of data into its sentinel.
func (d *Drive) locateBy(ctx context.Context, r scsi.Request) error {
	d.place.known = false
	c := d.command(r, scsi.NoData, nil)
	for range maxHarmless {
		err := scsi.Do(ctx, d.transport, c)
		var check *scsi.CheckError
		if !errors.As(err, &check) {
			return err
		}
		s := check.Sense
		switch {
		case s.Deferred:
			return &DeferredWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: err}
		case s.Key == scsi.UnitAttention && !losesPosition(s):
			d.noteAttention(s)
			continue
		case endOfData(s):
			return fmt.Errorf("%w: %w", ErrEndOfData, err)
		}
		return err
	}
	return fmt.Errorf("%s: attentions without end", c.Name)
}

// maxHarmless bounds how many attentions that do not touch the position LOCATE passes over.
const maxHarmless = 10

// endOfData reports whether sense data tells of end of data: by key (tgt and some drives leave the code out), or by
// code under key NO SENSE (tgt). Codes 14h under BLANK CHECK are damage: void tape, end of data not found.
func endOfData(s scsi.Sense) bool {
	switch s.Key {
	case scsi.BlankCheck:
		return s.ASC != 0x14
	case scsi.NoSense, scsi.RecoveredError:
		return s.ASC == 0x00 && s.ASCQ == 0x05
	}
	return false
}

// locateBySpacing rewinds and spaces forward, for drives without LOCATE. tgt counts filemarks as blocks there, so that
// object numbers work as they are; other drives stop behind each filemark, which is one object.
func (d *Drive) locateBySpacing(ctx context.Context, object uint64) error {
	err := d.rewindAndSpace(ctx, object)
	if d.form != formCounted || object == 0 || !errors.Is(err, ErrEndOfData) {
		return err
	}
	// tgt says "end of data" also when it arrives exactly there. Whether it did shows when the last object is read.
	if err := d.rewindAndSpace(ctx, object-1); err != nil {
		return err
	}
	return d.passObject(ctx)
}

// rewindAndSpace is one attempt of locateBySpacing.
func (d *Drive) rewindAndSpace(ctx context.Context, object uint64) error {
	c := d.command(Rewind{}, scsi.NoData, nil)
	d.place.known = false
	if err := scsi.Do(ctx, d.transport, c); err != nil {
		return err
	}
	d.arrive(Position{FilemarksKnown: true})
	for d.place.object < object {
		n := object - d.place.object
		err := d.space(ctx, SpaceLogicalBlocks, int64(min(n, maxSpace6)))
		switch {
		case err != nil && !errors.Is(err, ErrFilemark):
			return err
		case !d.place.known: // the drive did not tell where it went, so how far it still is cannot be known
			return fmt.Errorf("%w, lost on the way", ErrPositionUnknown)
		}
	}
	return nil
}

// passObject reads one object, whatever it is, into a buffer of the smallest size. At the end it gives ErrEndOfData.
func (d *Drive) passObject(ctx context.Context) error {
	_, err := d.readOnce(ctx, make([]byte, d.limits.Minimum))
	var long *BlockTooLongError
	var short *shortDelivery
	if errors.As(err, &long) || errors.As(err, &short) || errors.Is(err, ErrFilemark) {
		return nil
	}
	return err
}

// SpaceBlocks moves over n blocks, backward when n is negative. At a filemark it stops behind it (backward: in front
// of it) with a *SpaceError of ErrFilemark, at the ends with one of ErrEndOfData or ErrBeginningOfMedium. Drives with
// Capabilities.SpaceCountsFilemarks pass filemarks and count them as blocks.
func (d *Drive) SpaceBlocks(ctx context.Context, n int64) error {
	before := d.place
	err := d.spaceAll(ctx, SpaceLogicalBlocks, n)
	if d.form == formCounted && d.can.SpaceCountsFilemarks && before.known && errors.Is(err, ErrEndOfData) &&
		d.locateBySpacing(ctx, before.object+uint64(n)) == nil {
		return nil // exactly at the end
	}
	return err
}

// SpaceFilemarks moves behind the n-th filemark; backward, when n is negative, in front of it. Fewer filemarks end in a
// *SpaceError of ErrEndOfData or ErrBeginningOfMedium. On drives with counted positions it goes forward only
// (ErrSpaceBackward), block by block where the position is known, so that it stays known.
func (d *Drive) SpaceFilemarks(ctx context.Context, n int) error {
	if d.form == formCounted {
		if n < 0 {
			return fmt.Errorf("space %d filemarks: %w", n, ErrSpaceBackward)
		}
		if d.place.known {
			return d.countFilemarks(ctx, n)
		}
	}
	return d.spaceAll(ctx, SpaceFilemarkCount, int64(n))
}

// spaceAll splits counts that one command cannot hold.
func (d *Drive) spaceAll(ctx context.Context, code SpaceCode, n int64) error {
	for n != 0 {
		step := max(-maxSpace6, min(n, maxSpace6))
		if err := d.space(ctx, code, step); err != nil {
			var early *SpaceError
			if errors.As(err, &early) && early.RemainingKnown {
				early.Remaining += magnitude(n - step)
			}
			return err
		}
		n -= step
	}
	return nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

// space sends SPACE and follows the position. Attentions are never consumed.
func (d *Drive) space(ctx context.Context, code SpaceCode, n int64) error {
	err := scsi.Do(ctx, d.transport, d.command(Space6{Code: code, Count: int32(n)}, scsi.NoData, nil))
	if err == nil {
		d.spaced(ctx, code, n)
		return nil
	}
	var check *scsi.CheckError
	if !errors.As(err, &check) {
		d.unsettle(err)
		return fmt.Errorf("space: %w", err)
	}
	s := check.Sense
	early := &SpaceError{Err: err, RemainingKnown: s.InformationValid}
	if s.InformationValid {
		early.Remaining = min(magnitude(s.Information), magnitude(n)) // HP counts up, others down (quirk Q55)
	}
	switch {
	case s.Deferred:
		d.place.known = false
		return &DeferredWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: err}
	case endOfData(s): // first: HP and tgt set EOM with it (quirk Q54)
		early.Err = fmt.Errorf("%w: %w", ErrEndOfData, err)
		d.lost(ctx)
	case noteOnly(s) && (s.Filemark || s.ASC == 0x00 && s.ASCQ == 0x01):
		early.Err = fmt.Errorf("%w: %w", ErrFilemark, err)
		d.stoppedAtFilemark(ctx, n, early)
	case noteOnly(s) && (s.EndOfMedium || s.ASC == 0x00 && s.ASCQ == 0x04) && n < 0:
		early.Err = fmt.Errorf("%w: %w", ErrBeginningOfMedium, err)
		if d.place.known {
			d.arrive(Position{FilemarksKnown: true})
		}
	case noteOnly(s) && s.EndOfMedium: // past early warning: where it went it went
		d.spaced(ctx, code, n)
		return nil
	case s.Key == scsi.UnitAttention:
		d.noteAttention(s)
		return fmt.Errorf("space: %w", err)
	case s.Key == scsi.IllegalRequest || s.Key == scsi.NotReady:
		return fmt.Errorf("space: %w", err)
	default:
		d.lost(ctx)
	}
	return early
}

// noteOnly reports whether the key says that the command did what it could.
func noteOnly(s scsi.Sense) bool { return s.Key == scsi.NoSense || s.Key == scsi.RecoveredError }

// spaced follows a SPACE that did all it was asked.
func (d *Drive) spaced(ctx context.Context, code SpaceCode, n int64) {
	if d.form != formCounted {
		d.resync(ctx)
		return
	}
	if !d.place.known {
		return
	}
	if code != SpaceLogicalBlocks || n < 0 && magnitude(n) > d.place.object {
		d.place.known = false // tgt says GOOD when it ran into the beginning
		return
	}
	d.arrive(Position{Object: d.place.object + uint64(n)})
}

// stoppedAtFilemark follows a SPACE over blocks that met a filemark.
func (d *Drive) stoppedAtFilemark(ctx context.Context, n int64, e *SpaceError) {
	if d.form != formCounted {
		d.resync(ctx)
		return
	}
	d.can.SpaceCountsFilemarks = false
	passed := magnitude(n) - e.Remaining
	switch {
	case !e.RemainingKnown, n < 0 && passed+1 > d.place.object:
		d.place.known = false
	case !d.place.known:
	case n > 0:
		d.arrive(Position{Object: d.place.object + passed + 1, Filemarks: d.place.filemarks + 1, FilemarksKnown: d.place.filemarksKnown})
	default:
		d.arrive(Position{Object: d.place.object - passed - 1, Filemarks: d.place.filemarks - 1, FilemarksKnown: d.place.filemarksKnown})
	}
}

// lost resynchronises after a command that ended somewhere.
func (d *Drive) lost(ctx context.Context) {
	if d.form == formCounted {
		d.place.known = false
		return
	}
	d.resync(ctx)
}

// unsettle forgets the position after a transport error, unless the command was never sent.
func (d *Drive) unsettle(err error) {
	var te *scsi.TransportError
	if errors.As(err, &te) && te.NotSent {
		return
	}
	var status *scsi.StatusError
	if errors.As(err, &status) && status.Status != scsi.StatusTaskAborted {
		return
	}
	d.place.known = false
}

// SpaceEndOfData moves behind the last object. On drives that tell their position it makes the position known; on
// others it counts the way from the known position, or from the beginning.
func (d *Drive) SpaceEndOfData(ctx context.Context) error {
	if d.form == formUnproved {
		if _, err := d.askPosition(ctx, d.transport); err != nil && !errors.Is(err, errNotTold) {
			d.note(err)
			return fmt.Errorf("space to end of data: %w", err)
		}
	}
	if d.form == formCounted {
		return d.countToEndOfData(ctx)
	}
	d.place.known = false
	err := scsi.Do(ctx, d.transport, d.command(Space6{Code: SpaceToEndOfData}, scsi.NoData, nil))
	var check *scsi.CheckError
	if errors.As(err, &check) && (check.Sense.Deferred || !endOfData(check.Sense)) || err != nil && check == nil {
		d.note(err)
		return fmt.Errorf("space to end of data: %w", err)
	}
	p, err := d.askPosition(ctx, d.transport)
	if err != nil {
		d.note(err)
		return fmt.Errorf("space to end of data: read position: %w", err)
	}
	d.arrive(p)
	return nil
}

// countToEndOfData finds the end with SPACE steps that get smaller each time one of them runs into it: a step that ran
// into the end does not tell how far it went.
func (d *Drive) countToEndOfData(ctx context.Context) error {
	if !d.place.known {
		if err := d.Rewind(ctx); err != nil {
			return fmt.Errorf("space to end of data: %w", err)
		}
	}
	for step := int64(1 << 15); step >= 64; step /= 8 {
		at, err := d.stepToEndOfData(ctx, step)
		if err == nil {
			err = d.locateBySpacing(ctx, at)
		}
		if err != nil {
			return fmt.Errorf("space to end of data: %w", err)
		}
	}
	for {
		err := d.passObject(ctx)
		if errors.Is(err, ErrEndOfData) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("space to end of data: %w", err)
		}
	}
}

// stepToEndOfData spaces in steps until one runs into the end, and returns where that one began.
func (d *Drive) stepToEndOfData(ctx context.Context, step int64) (at uint64, err error) {
	for {
		at = d.place.object
		err := d.space(ctx, SpaceLogicalBlocks, step)
		switch {
		case errors.Is(err, ErrEndOfData):
			return at, nil
		case err != nil && !errors.Is(err, ErrFilemark):
			return at, err
		case !d.place.known:
			return at, fmt.Errorf("%w, lost on the way", ErrPositionUnknown)
		}
	}
}

// countFilemarks passes n filemarks by reading the objects one by one into a buffer of the smallest size, so that
// their number is known.
func (d *Drive) countFilemarks(ctx context.Context, n int) error {
	buffer := make([]byte, d.limits.Minimum)
	for n > 0 {
		_, err := d.readOnce(ctx, buffer)
		var long *BlockTooLongError
		var short *shortDelivery
		switch {
		case err == nil || errors.As(err, &long) || errors.As(err, &short):
		case errors.Is(err, ErrFilemark):
			n--
		case errors.Is(err, ErrEndOfData):
			return &SpaceError{Remaining: uint64(n), RemainingKnown: true, Err: err}
		default:
			return fmt.Errorf("space over filemarks: %w", err)
		}
	}
	return nil
}
