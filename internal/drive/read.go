package drive

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// ReadBlock reads the next block into p and returns its length. It ends with
//   - ErrFilemark: a filemark was passed;
//   - ErrEndOfData: nothing is recorded from here on, the position is unchanged;
//   - *BlockTooLongError: the block is longer than p, the position is in front of it;
//   - another error: p holds nothing usable. The position may be unknown then.
//
// When fewer bytes arrived than the block has (tgt before 1.0.94 loses them), it is read again with its exact length.
func (d *Drive) ReadBlock(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, errors.New("read block: the buffer is empty")
	}
	p = p[:min(len(p), d.limits.Maximum, MaxTransferLength)]
	n, err := d.readOnce(ctx, p)
	var short *shortDelivery
	if errors.As(err, &short) {
		return d.readAgain(ctx, p[:short.length])
	}
	var long *BlockTooLongError
	if errors.As(err, &long) {
		if serr := d.spaceBack(ctx); serr != nil {
			return 0, fmt.Errorf("read block: %w: step back: %w", err, serr)
		}
	}
	return n, err
}

// shortDelivery says that a block of length bytes was passed but did not arrive completely.
type shortDelivery struct{ length int }

func (e *shortDelivery) Error() string {
	return fmt.Sprintf("block of %d bytes did not arrive completely", e.length)
}

// readOnce sends one READ. After *BlockTooLongError and *shortDelivery the position is behind the block.
func (d *Drive) readOnce(ctx context.Context, p []byte) (int, error) {
	c := d.command(Read6{Length: uint32(len(p))}, scsi.FromDevice, p)
	err := scsi.Do(ctx, d.transport, c)
	if err == nil {
		return d.gotBlock(c, len(p))
	}
	var check *scsi.CheckError
	if !errors.As(err, &check) {
		d.unsettle(err)
		return 0, fmt.Errorf("read block: %w", err)
	}
	// The order of the tests is that of scsi.md 2.3: key and flags first, codes only where devices leave flags out.
	s := check.Sense
	switch {
	case s.Deferred:
		d.place.known = false
		return 0, &DeferredWriteError{LastSafe: d.place.safe, LastSafeKnown: d.place.safeKnown, Err: err}
	case endOfData(s):
		return 0, ErrEndOfData
	case noteOnly(s) && (s.Filemark || s.ASC == 0x00 && s.ASCQ == 0x01):
		d.pass(0, 1)
		return 0, ErrFilemark
	case noteOnly(s) && s.IncorrectLength:
		return d.otherLength(c, s, len(p))
	case noteOnly(s) && (s.EndOfMedium || s.ASC == 0x00 && (s.ASCQ == 0x02 || s.ASCQ == 0x07)):
		return d.gotBlock(c, len(p)) // early warning is reported while reading too, with the block
	}
	d.failedRead(ctx, s)
	return 0, fmt.Errorf("read block: %w", err)
}

// gotBlock takes a block of exactly the length that was asked for.
func (d *Drive) gotBlock(c *scsi.Command, length int) (int, error) {
	d.pass(1, 0)
	if c.Transferred() < length {
		return 0, &shortDelivery{length}
	}
	return length, nil
}

// otherLength takes the length of a block out of INFORMATION, which is what was asked for minus what is there.
func (d *Drive) otherLength(c *scsi.Command, s scsi.Sense, asked int) (int, error) {
	d.pass(1, 0)
	length := int64(asked) - s.Information
	if !s.InformationValid || s.Information == 0 || length < 0 || length > MaxTransferLength {
		return 0, fmt.Errorf("read block: %w", c.BadResponse("incorrect length, and information %d (valid: %t) for %d bytes",
			s.Information, s.InformationValid, asked))
	}
	if length > int64(asked) {
		return 0, &BlockTooLongError{Length: int(length), Buffer: asked}
	}
	if int64(c.Transferred()) < length {
		return 0, &shortDelivery{int(length)}
	}
	return int(length), nil
}

// failedRead follows the position after a READ that failed.
func (d *Drive) failedRead(ctx context.Context, s scsi.Sense) {
	switch s.Key {
	case scsi.UnitAttention:
		d.noteAttention(s)
	case scsi.IllegalRequest, scsi.DataProtect:
		// not executed
	default:
		d.lost(ctx)
	}
}

// readAgain steps back over a block that did not arrive completely and reads it with its exact length, once. GOOD is
// believed then, whatever the transport counted: bridges that count wrongly exist (quirk Q59).
func (d *Drive) readAgain(ctx context.Context, p []byte) (int, error) {
	if err := d.spaceBack(ctx); err != nil {
		return 0, fmt.Errorf("read block of %d bytes again: step back: %w", len(p), err)
	}
	n, err := d.readOnce(ctx, p)
	var short *shortDelivery
	switch {
	case errors.As(err, &short) && short.length == len(p):
		return len(p), nil
	case errors.As(err, &short) || err == nil && n != len(p):
		return 0, fmt.Errorf("read block of %d bytes again: the drive says another length now", len(p))
	case err != nil:
		return 0, fmt.Errorf("read block of %d bytes again: %w", len(p), err)
	}
	return n, nil
}

// spaceBack moves back over one block.
func (d *Drive) spaceBack(ctx context.Context) error {
	err := scsi.Do(ctx, d.transport, d.command(Space6{Code: SpaceLogicalBlocks, Count: -1}, scsi.NoData, nil))
	if err != nil {
		d.place.known = false
		d.note(err)
		return err
	}
	d.pass(^uint64(0), 0) // one block back
	return nil
}
