// Package drive drives a tape drive with the commands of SSC: blocks, filemarks and positions, the cartridge memory, log
// pages and densities.
//
// A Drive knows where the medium is positioned, or knows that it does not know, and never writes when it does not
// know. It tells apart what the drive wrote, did not write, and may have written.
package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// Options configure a Drive. The zero value is usable.
type Options struct {
	// MaxTransfer is the largest block that the transport takes, in bytes; 0 means what the transport's own MaxTransfer
	// method says, or no limit where it has none.
	MaxTransfer int
}

// BlockLimits are the block lengths that drive and transport take, in bytes (SSC-5 7.4).
type BlockLimits struct {
	Minimum, Maximum int
	// Granularity is what the drive states: block lengths minus Minimum are multiples of 2 to the Granularity. It is not
	// enforced here.
	Granularity uint8
}

// Capabilities say what the drive can do, as far as it tells. What only shows with a medium in the drive
// (ReadPositionLong, CountedPosition, SpaceCountsFilemarks) is known after the first Rewind, Locate or Position.
type Capabilities struct {
	Locate10, Locate16, Space16    bool
	ReadPositionLong               bool
	LogSense, MAM, DensityReport   bool
	Encryption, Erase, SetCapacity bool
	FormatMedium, AllowOverwrite   bool
	// CountedPosition: READ POSITION tells nothing; positions are counted from the last REWIND.
	CountedPosition bool
	// SpaceCountsFilemarks: SPACE over blocks passes filemarks and counts them as objects (tgt).
	SpaceCountsFilemarks bool
}

// Drive is a tape drive. One goroutine at a time uses it; the transport stays the caller's, who closes it.
type Drive struct {
	transport scsi.Transport // where an attention must be seen
	attentive scsi.Transport // everything else: attentions are noted and the command is sent again
	identity  scsi.Identity
	limits    BlockLimits
	can       Capabilities
	timeouts  timeouts
	listed    bool // the drive told its operation codes

	attentions []scsi.Sense
	place      place
	form       positionForm
	sleep      func(context.Context, time.Duration) error
}

// New opens the drive behind t: it clears the attentions of the new nexus, identifies the device, and asks for block
// limits and supported commands. It works with and without a medium. A device of another kind is an error.
//
// The position is unknown at first: Rewind or Locate before writing.
func New(ctx context.Context, t scsi.Transport, o Options) (*Drive, error) {
	d := &Drive{transport: t, sleep: scsi.Sleep}
	d.attentive = scsi.WithAttention(t, d.noteAttention)
	got, err := scsi.ClearAttentions(ctx, t)
	for _, s := range got {
		d.noteAttention(s)
	}
	if err != nil {
		return nil, fmt.Errorf("open drive: %w", err)
	}
	if d.identity, err = scsi.Identify(ctx, d.attentive); err != nil {
		return nil, fmt.Errorf("identify drive: %w", err)
	}
	if !d.identity.Present || d.identity.DeviceType != scsi.TapeDevice {
		return nil, fmt.Errorf("open drive: %s %s is a %s and no tape drive",
			d.identity.Vendor, d.identity.Product, d.identity.DeviceType)
	}
	if err := d.readLimits(ctx, o.MaxTransfer); err != nil {
		return nil, fmt.Errorf("read block limits: %w", err)
	}
	if err := d.readCommands(ctx); err != nil {
		return nil, fmt.Errorf("read supported commands: %w", err)
	}
	return d, nil
}

// readLimits asks for the block limits. A drive that refuses (some do without a medium) gets the limits of READ (6).
func (d *Drive) readLimits(ctx context.Context, maxTransfer int) error {
	d.limits = BlockLimits{Minimum: 1, Maximum: MaxTransferLength}
	b, err := scsi.DataIn(ctx, d.attentive, ReadBlockLimits{}, 6, scsi.StandardTimeout)
	switch {
	case err == nil && len(b) >= 6:
		d.limits = DecodeBlockLimits([6]byte(b[:6]))
	case err != nil && !answered(err):
		return err
	}
	if t, ok := d.transport.(interface{ MaxTransfer() int }); ok && maxTransfer == 0 {
		maxTransfer = t.MaxTransfer()
	}
	if maxTransfer > 0 {
		d.limits.Maximum = min(d.limits.Maximum, maxTransfer)
	}
	return nil
}

// DecodeBlockLimits takes the data of READ BLOCK LIMITS (SSC-5 table 88). A maximum of 0 means that there is none, and
// becomes that of READ (6).
func DecodeBlockLimits(b [6]byte) BlockLimits {
	l := BlockLimits{
		Granularity: b[0] & 0x1F,
		Maximum:     int(get24(b[1:4])),
		Minimum:     int(b[4])<<8 | int(b[5]),
	}
	if l.Maximum == 0 {
		l.Maximum = MaxTransferLength
	}
	l.Minimum = max(l.Minimum, 1)
	if l.Minimum > l.Maximum {
		l.Minimum = 1
	}
	return l
}

// readCommands fills in capabilities and timeouts. Without a list everything is taken as possible, and found out when
// it is used.
func (d *Drive) readCommands(ctx context.Context) error {
	d.timeouts = defaultTimeouts(DriveGeneration(d.identity.Vendor, d.identity.Product))
	list, err := scsi.ReadSupportedCommands(ctx, d.attentive)
	if err != nil && !answered(err) {
		return err
	}
	d.listed = len(list) > 0
	has := func(opcode byte) bool {
		_, ok := list.Find(opcode, 0)
		return ok || !d.listed
	}
	d.can = Capabilities{
		Locate10: has(opLocate10), Locate16: has(opLocate16), Space16: has(opSpace16),
		LogSense: has(0x4D), MAM: has(opReadAttribute), DensityReport: has(opReportDensitySupport),
		Encryption: has(opSecurityProtocolIn), Erase: has(opErase6), SetCapacity: has(opSetCapacity),
		FormatMedium: has(opFormatMedium), AllowOverwrite: has(opAllowOverwrite),
	}
	for _, c := range list {
		d.timeouts.raise(c)
	}
	return nil
}

// answered reports whether the device is alive and merely refused.
func answered(err error) bool {
	var check *scsi.CheckError
	var response *scsi.ResponseError
	return errors.As(err, &check) || errors.As(err, &response)
}

// Identity says which drive it is.
func (d *Drive) Identity() scsi.Identity { return d.identity }

// Generation says what vendor and product of the drive tell, GenerationUnknown when they do not. Virtual libraries lie.
func (d *Drive) Generation() Generation {
	return DriveGeneration(d.identity.Vendor, d.identity.Product)
}

// BlockLimits gives the block lengths that drive and transport take.
func (d *Drive) BlockLimits() BlockLimits { return d.limits }

// Capabilities says what the drive can do.
func (d *Drive) Capabilities() Capabilities { return d.can }

// Attentions returns and forgets the unit attentions that were met since the last call. After one that tells of a reset
// or of a medium that may have changed, set the drive up again with Prepare and verify the label before writing.
func (d *Drive) Attentions() []scsi.Sense {
	a := d.attentions
	d.attentions = nil
	return a
}

// noteAttention remembers an attention, and forgets the position where it may be wrong now.
func (d *Drive) noteAttention(s scsi.Sense) {
	const most = 100 // nobody who does not ask for a hundred wants the hundred and first
	if len(d.attentions) < most {
		d.attentions = append(d.attentions, s)
	}
	if losesPosition(s) {
		d.place.known = false
	}
}

// losesPosition reports whether a unit attention can mean that the position or the medium is another one. Changed
// parameters (2Ah), changed device data (3Fh), requests of the operator (5Ah) and predictions (5Dh) cannot.
func losesPosition(s scsi.Sense) bool {
	switch s.ASC {
	case 0x2A, 0x3F, 0x5A, 0x5D:
		return false
	}
	return true
}

// note takes the attention out of an error of a command that must not consume it.
func (d *Drive) note(err error) {
	var check *scsi.CheckError
	if errors.As(err, &check) && check.Sense.Key == scsi.UnitAttention && !check.Sense.Deferred {
		d.noteAttention(check.Sense)
	}
}

// do sends a command without data that does not depend on what an attention reports.
func (d *Drive) do(ctx context.Context, r scsi.Request) error {
	return scsi.Do(ctx, d.attentive, d.command(r, scsi.NoData, nil))
}

// command makes a command with the timeout of its operation code.
func (d *Drive) command(r scsi.Request, direction scsi.Direction, data []byte) *scsi.Command {
	c := scsi.NewCommand(r, direction, data, 0)
	c.Timeout = d.timeouts.of(c.CDB)
	return c
}

// PreventRemoval keeps the medium in the drive: the eject button, UNLOAD and MOVE MEDIUM are refused until
// AllowRemoval.
func (d *Drive) PreventRemoval(ctx context.Context) error {
	if err := scsi.PreventRemoval(ctx, d.attentive, true); err != nil {
		return fmt.Errorf("lock medium in drive: %w", err)
	}
	return nil
}

// AllowRemoval takes PreventRemoval back. A lock that another host holds stays (quirk Q39).
func (d *Drive) AllowRemoval(ctx context.Context) error {
	if err := scsi.PreventRemoval(ctx, d.attentive, false); err != nil {
		return fmt.Errorf("unlock medium in drive: %w", err)
	}
	return nil
}
