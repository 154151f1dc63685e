package drive

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// WriteBlock writes p as one block at the position. earlyWarning says that the end of the medium is near; the block is
// written all the same. The errors tell what happened to it:
//   - *NotWrittenError: it was not written, the position is unchanged;
//   - *EndOfMediumError: the medium is full, it was not written;
//   - *DeferredWriteError: blocks that the drive had accepted before are lost;
//   - *UncertainWriteError: it may have been written or not;
//   - ErrPositionUnknown: nothing was tried, because it is not known where it would go.
//
// A block that the drive accepted is safe on the medium only after Flush.
func (d *Drive) WriteBlock(ctx context.Context, p []byte) (earlyWarning bool, err error) {
	if !d.place.known {
		return false, fmt.Errorf("write block: %w", ErrPositionUnknown)
	}
	if err := d.limits.check(len(p)); err != nil {
		return false, fmt.Errorf("write block: %w", err)
	}
	w := write{drive: d, request: Write6{Length: uint32(len(p))}, data: p, blocks: 1}
	if earlyWarning, err = w.run(ctx); err != nil {
		return earlyWarning, fmt.Errorf("write block: %w", err)
	}
	return earlyWarning, nil
}

// check reports whether the drive takes blocks of n bytes. Granularity is left to the drive: tgt states one that its own
// minimum does not meet, and takes any length.
func (l BlockLimits) check(n int) error {
	switch {
	case n == 0:
		return errors.New("the block is empty")
	case n < l.Minimum || n > l.Maximum || n > MaxTransferLength:
		return fmt.Errorf("block of %d bytes, the drive takes %d to %d", n, l.Minimum, min(l.Maximum, MaxTransferLength))
	}
	return nil
}

// WriteFilemarks writes count filemarks. Without immediate it returns when they and everything before are on the
// medium; count 0 is Flush then. The results are those of WriteBlock.
func (d *Drive) WriteFilemarks(ctx context.Context, count int, immediate bool) (earlyWarning bool, err error) {
	if count < 0 || count > 0xFFFFFF {
		return false, fmt.Errorf("write %d filemarks: out of range", count)
	}
	if !d.place.known {
		return false, fmt.Errorf("write filemarks: %w", ErrPositionUnknown)
	}
	w := write{drive: d, request: WriteFilemarks6{Immediate: immediate, Count: uint32(count)}, filemarks: uint64(count)}
	earlyWarning, err = w.run(ctx)
	if err != nil {
		return earlyWarning, fmt.Errorf("write filemarks: %w", err)
	}
	switch {
	case immediate:
	case w.presumed: // the filemarks are there, but nobody said that they are on the medium
		return earlyWarning, d.Flush(ctx)
	default:
		d.place.safe, d.place.safeKnown = d.place.object, true
	}
	return earlyWarning, nil
}

// Flush returns when everything written is on the medium. An error means that what was written since the last Flush is
// not certain; *DeferredWriteError and *UncertainWriteError tell up to where it is.
func (d *Drive) Flush(ctx context.Context) error {
	if _, err := d.WriteFilemarks(ctx, 0, false); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// write is one WRITE or WRITE FILEMARKS.
type write struct {
	drive             *Drive
	request           scsi.Request
	data              []byte
	blocks, filemarks uint64
	// presumed says that the drive's position shows that the command was executed, though it did not say so.
	presumed bool
}

// run sends the command and finds out what became of it. It is sent a second time only when an earlier command left a
// note that kept it from being executed, and the drive says that it was not.
func (w *write) run(ctx context.Context) (earlyWarning bool, err error) {
	d := w.drive
	for attempt := 0; ; attempt++ {
		err := scsi.Do(ctx, d.transport, d.command(w.request, scsi.ToDevice, w.data))
		if err == nil {
			d.advance(w.blocks, w.filemarks)
			return earlyWarning, nil
		}
		var check *scsi.CheckError
		if !errors.As(err, &check) {
			return earlyWarning, w.unanswered(ctx, err)
		}
		s := check.Sense
		if s.Deferred && noteOnly(s) && attempt == 0 {
			earlyWarning = earlyWarning || isEarlyWarning(s)
			err = w.resolve(ctx, err)
			var not *NotWrittenError
			if errors.As(err, &not) {
				continue
			}
			return earlyWarning, err
		}
		if !s.Deferred && isEarlyWarning(s) {
			d.advance(w.blocks, w.filemarks)
			return true, nil
		}
		return earlyWarning, w.refused(ctx, err, s)
	}
}

// isEarlyWarning reports early warning and programmable early warning: the command did its work. tgt sets the flag
// without the code.
func isEarlyWarning(s scsi.Sense) bool {
	return noteOnly(s) && (s.EndOfMedium || s.ASC == 0x00 && (s.ASCQ == 0x02 || s.ASCQ == 0x07))
}

// refused sorts the sense data of a command that was not plainly successful.
func (w *write) refused(ctx context.Context, err error, s scsi.Sense) error {
	d := w.drive
	switch {
	case s.Key == scsi.VolumeOverflow:
		return w.full(ctx, err, s)
	case s.Deferred:
		d.place.known = false
		return &DeferredWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: err}
	case s.Key == scsi.UnitAttention:
		d.noteAttention(s)
		if d.place.known || d.place.safeKnown && d.place.safe == d.place.object {
			return &NotWrittenError{Err: err}
		}
		return w.uncertain(err) // a reset loses what the drive had buffered
	case s.Key == scsi.DataProtect, s.Key == scsi.IllegalRequest:
		return &NotWrittenError{Err: err}
	case s.Key == scsi.NotReady:
		if d.place.safeKnown && d.place.safe == d.place.object {
			d.place.known = false
			return &NotWrittenError{Err: err}
		}
		return w.uncertain(err)
	case s.Key == scsi.MediumError, s.Key == scsi.HardwareError:
		return w.uncertain(err)
	}
	return w.resolve(ctx, err)
}

// full takes key VOLUME OVERFLOW: the physical end of the medium.
func (w *write) full(ctx context.Context, err error, s scsi.Sense) error {
	d := w.drive
	e := &EndOfMediumError{Err: err}
	count := d.place.object
	d.place.known = false
	if p, perr := d.askPosition(context.WithoutCancel(ctx), d.transport); perr == nil {
		e.Position, e.PositionKnown = p.Object, true
		if p.Object < count {
			e.Lost = count - p.Object
		}
		safe, safeKnown := d.place.safe, d.place.safeKnown
		d.arrive(p)
		d.place.safe, d.place.safeKnown = min(safe, p.Object), safeKnown
	} else {
		d.note(perr)
	}
	if s.Deferred {
		return &DeferredWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: e}
	}
	return e
}

// unanswered takes everything that is no sense data.
func (w *write) unanswered(ctx context.Context, err error) error {
	var te *scsi.TransportError
	if errors.As(err, &te) && te.NotSent {
		return &NotWrittenError{Err: err}
	}
	var status *scsi.StatusError
	if errors.As(err, &status) && status.Status != scsi.StatusTaskAborted {
		return &NotWrittenError{Err: err}
	}
	return w.resolve(ctx, err)
}

// resolve asks the drive where it is, after a command with unknown outcome: where it was, then the command was not
// executed; behind what was to be written, then it was, and resolve returns nil. Everything else is uncertain.
func (w *write) resolve(ctx context.Context, cause error) error {
	d := w.drive
	before, after := d.place.object, d.place.object+w.blocks+w.filemarks
	p, err := w.positionAfter(context.WithoutCancel(ctx))
	if err != nil || before == after {
		return w.uncertain(cause)
	}
	switch p.Object {
	case before:
		return &NotWrittenError{Err: cause}
	case after:
		d.advance(w.blocks, w.filemarks)
		w.presumed = true
		return nil
	}
	return w.uncertain(cause)
}

// positionAfter asks for the position. Attentions that only tell of a lost connection (29/07) or do not touch the
// position are passed over; any other means that the numbers cannot be compared.
func (w *write) positionAfter(ctx context.Context) (Position, error) {
	d := w.drive
	for range maxHarmless {
		p, err := d.askPosition(ctx, d.transport)
		var check *scsi.CheckError
		if err == nil || !errors.As(err, &check) || check.Sense.Key != scsi.UnitAttention {
			return p, err
		}
		known := d.place.known
		d.noteAttention(check.Sense)
		if check.Sense.ASC == 0x29 && check.Sense.ASCQ == 0x07 {
			d.place.known = known
		}
		if !d.place.known {
			return Position{}, err
		}
	}
	return Position{}, errNotTold
}

// uncertain forgets the position.
func (w *write) uncertain(err error) error {
	d := w.drive
	d.place.known = false
	return &UncertainWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: err}
}

// Erase erases from the position to the end of the medium: it writes an end of data mark, or with long overwrites
// everything, which takes hours. Drives without the command give ErrNotSupported.
func (d *Drive) Erase(ctx context.Context, long bool) error {
	if !d.place.known {
		return fmt.Errorf("erase: %w", ErrPositionUnknown)
	}
	if !d.can.Erase {
		return fmt.Errorf("erase: %w", ErrNotSupported)
	}
	err := scsi.Do(ctx, d.transport, d.command(Erase6{Long: long}, scsi.NoData, nil))
	d.note(err)
	var check *scsi.CheckError
	switch {
	case err == nil:
		if long {
			d.lost(ctx)
		}
		return nil
	case errors.Is(err, scsi.InvalidOperationCode):
		d.can.Erase = false
		return fmt.Errorf("erase: %w: %w", ErrNotSupported, err)
	case errors.As(err, &check) && !check.Sense.Deferred && isEarlyWarning(check.Sense):
		return nil
	case !errors.Is(err, scsi.IsIllegalRequest) && !errors.Is(err, scsi.IsDataProtect):
		d.place.known = false
	}
	return fmt.Errorf("erase: %w", err)
}
