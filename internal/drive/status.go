package drive

import (
	"context"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// MediumStatus says what is in the drive.
type MediumStatus struct {
	// Loaded: there is a medium, maybe not ready yet. Ready: it can be read.
	Loaded, Ready bool
	// State is what a drive that is not ready says, in words.
	State          string
	WriteProtected bool
	// Cleaning: it is a cleaning cartridge.
	Cleaning bool
	// WORM: the medium can be written once. Valid when the drive tells.
	WORM bool
	// Density and MediumType are the drive's codes, 0 when it does not tell.
	Density, MediumType byte
	// Generation is what the codes say, GenerationUnknown when nothing.
	Generation Generation
	// BlockLength is the fixed block length that the drive is set to, in bytes; 0 is variable.
	BlockLength int
}

// Status asks what is in the drive. A drive without medium, or not ready, is no error. Attentions are consumed.
func (d *Drive) Status(ctx context.Context) (MediumStatus, error) {
	err := d.testReady(ctx)
	var check *scsi.CheckError
	if err != nil && !errors.As(err, &check) {
		return MediumStatus{}, fmt.Errorf("read drive status: %w", err)
	}
	if err != nil {
		return notReadyStatus(check.Sense), nil
	}
	s := MediumStatus{Loaded: true, Ready: true}
	p, err := d.modeSense(ctx, 0x0F)
	if err != nil {
		if !answered(err) {
			return MediumStatus{}, fmt.Errorf("read drive status: %w", err)
		}
		return s, nil
	}
	s.WriteProtected, s.MediumType = p.WriteProtected, p.MediumType
	s.Density, s.BlockLength = p.Density, int(p.BlockLength)
	s.Generation, s.WORM = MediaFromMediumType(p.MediumType)
	// The density tells M8 from LTO-7, whose cartridge it is, and HP drives tell it alone (quirk Q64).
	if g := MediaFromDensity(d.Generation(), p.Density); g != GenerationUnknown {
		s.Generation = g
	}
	return s, nil
}

// notReadyStatus reads the status out of what TEST UNIT READY failed with.
func notReadyStatus(s scsi.Sense) MediumStatus {
	return MediumStatus{
		Loaded:   s.ASC != 0x3A || s.ASCQ == 0x03 || s.ASCQ == 0x04,
		Cleaning: cleaningError(s, nil) != nil,
		State:    scsi.AdditionalSenseText(s.ASC, s.ASCQ),
	}
}

// modeSense reads a mode page with header and block descriptor, or these alone where the drive lacks the page.
func (d *Drive) modeSense(ctx context.Context, page byte) (scsi.ModeParameters, error) {
	p, err := scsi.ModeSense(ctx, d.attentive, scsi.ModeQuery{Page: page})
	if errors.Is(err, scsi.InvalidFieldInCDB) {
		p, err = scsi.ModeSense(ctx, d.attentive, scsi.ModeQuery{Page: 0x3F})
	}
	return p, err
}

// PrepareOptions say how a drive is set up for a job.
type PrepareOptions struct {
	// Compression switches the drive's own compression; nil leaves it. Switching on what the drive does not have is
	// ErrNotSupported.
	Compression *bool
}

// Prepare sets the drive up for a job: blocks of variable length, buffered writes, and compression as wanted. Call it
// after WaitReady and after every reset. Only what differs is changed.
func (d *Drive) Prepare(ctx context.Context, o PrepareOptions) error {
	p, err := d.modeSense(ctx, 0x0F)
	if err != nil {
		return fmt.Errorf("prepare drive: %w", err)
	}
	if p.BlockLength != 0 || p.BufferedMode == 0 {
		// Header and block descriptor alone: tgt refuses any page, and has applied the descriptor by then.
		q := p
		q.Pages, q.BlockLength, q.Blocks, q.BufferedMode, q.MediumType = nil, 0, 0, 1, 0
		q.HasBlockDescriptor = true
		if err := scsi.ModeSelect(ctx, d.attentive, q, false); err != nil && (p.BlockLength != 0 || !answered(err)) {
			return fmt.Errorf("set variable block length: %w", err)
		}
		// A refusal with blocks of variable length already set costs speed only: writes are synchronous.
	}
	if o.Compression == nil {
		return nil
	}
	if err := d.setCompression(ctx, p, *o.Compression); err != nil {
		return fmt.Errorf("set compression: %w", err)
	}
	return nil
}

// setCompression changes the data compression page, and the device configuration page to agree with it (quirk Q56).
func (d *Drive) setCompression(ctx context.Context, p scsi.ModeParameters, on bool) error {
	page := p.Page(0x0F, 0)
	if len(page) < 16 || page[2]&0x40 == 0 { // DCC
		if on {
			return ErrNotSupported
		}
		return nil
	}
	if page[2]&0x80 != 0 == on { // DCE
		return nil
	}
	page = append(scsi.ModePage(nil), page...)
	page[2] = page[2]&^0x80 | flag(on, 0x80)
	if err := d.selectPage(ctx, page); err != nil {
		return err
	}
	q, err := scsi.ModeSense(ctx, d.attentive, scsi.ModeQuery{Page: 0x10})
	if err != nil {
		return ignoreAnswer(err)
	}
	configuration := q.Page(0x10, 0)
	if len(configuration) < 16 || configuration[14] != 0 == on {
		return nil
	}
	configuration[14] = flag(on, 1)
	return ignoreAnswer(d.selectPage(ctx, configuration))
}

// ignoreAnswer drops errors of a device that is alive and merely refused.
func ignoreAnswer(err error) error {
	if err != nil && answered(err) {
		return nil
	}
	return err
}

// selectPage sends one mode page; density, block length and buffered mode stay.
func (d *Drive) selectPage(ctx context.Context, page scsi.ModePage) error {
	return scsi.ModeSelect(ctx, d.attentive, scsi.ModeParameters{BufferedMode: 1, Pages: []scsi.ModePage{page}}, false)
}
