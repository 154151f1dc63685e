package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// WaitOptions say how long to wait for a drive to become ready.
type WaitOptions struct {
	// Timeout is the longest wait; 0 means 5 minutes, and 2 hours on LTO-9 drives, whose new media need it.
	Timeout time.Duration
	// JustMoved: a medium was moved into the drive a moment ago, so that "no medium" is believed only after a minute.
	JustMoved bool
	// Progress is told what the drive is doing, when it changes; nil is allowed.
	Progress func(state string)
}

const (
	readyTimeout     = 5 * time.Minute
	readyTimeoutLTO9 = 2 * time.Hour
	absentTimeout    = time.Minute // how long a medium that was just moved may not be noticed (quirk Q32)
	readyPoll        = time.Second
	confirmDelay     = 250 * time.Millisecond
)

// WaitReady waits until the drive is ready with a medium. It sends LOAD once when the drive wants it. No medium is
// scsi.MediumNotPresent, a cleaning cartridge *CleaningCartridgeError, time over ErrNotReady; what needs a person or
// another medium is an error at once. Attentions are consumed.
func (d *Drive) WaitReady(ctx context.Context, o WaitOptions) error {
	if o.JustMoved {
		d.place.known = false // it is another medium, though tgt gives no attention for it
	}
	w := wait{drive: d, options: o}
	if w.options.Timeout == 0 {
		w.options.Timeout = readyTimeout
		if d.Generation() == LTO9 {
			w.options.Timeout = readyTimeoutLTO9
		}
	}
	for {
		done, err := w.look(ctx)
		if err != nil {
			return fmt.Errorf("wait for drive: %w", err)
		}
		if done {
			return nil
		}
	}
}

// wait is one wait for a drive.
type wait struct {
	drive   *Drive
	options WaitOptions
	waited  time.Duration
	busy    bool // the drive was seen not ready
	loaded  bool // LOAD was sent
	state   string
}

// look asks the drive once, and waits when that may help.
func (w *wait) look(ctx context.Context) (done bool, err error) {
	err = w.drive.testReady(ctx)
	if err == nil {
		if !w.busy {
			return true, nil
		}
		// Ready has to be stable: drives say so for a moment before they begin to load.
		w.busy = false
		return false, w.pause(ctx, confirmDelay)
	}
	var check *scsi.CheckError
	if !errors.As(err, &check) {
		return false, err
	}
	w.busy = true
	s := check.Sense
	if cleaning := cleaningError(s, err); cleaning != nil {
		return false, cleaning
	}
	if s.Key != scsi.NotReady {
		return false, err
	}
	w.tell(s)
	switch {
	case wantsLoad(s) && !w.loaded:
		w.loaded = true
		return false, w.drive.Load(ctx)
	case s.ASC == 0x3A:
		if !w.options.JustMoved || w.waited >= min(absentTimeout, w.options.Timeout) {
			return false, err
		}
	case s.ASC == 0x04 && hopeless(s.ASCQ), s.ASC != 0x04 && s.ASC != 0x3E:
		return false, err
	case w.waited >= w.options.Timeout:
		return false, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return false, w.pause(ctx, readyPoll)
}

func (w *wait) pause(ctx context.Context, t time.Duration) error {
	w.waited += t
	return w.drive.sleep(ctx, t)
}

// tell reports a new state.
func (w *wait) tell(s scsi.Sense) {
	state := scsi.AdditionalSenseText(s.ASC, s.ASCQ)
	if state == "" {
		state = fmt.Sprintf("not ready (%02X/%02X)", s.ASC, s.ASCQ)
	}
	if part, ok := s.Progress(); ok {
		state = fmt.Sprintf("%s, %.0f %%", state, part*100)
	}
	if state != w.state && w.options.Progress != nil {
		w.options.Progress(state)
	}
	w.state = state
}

// testReady sends TEST UNIT READY. A cleaning cartridge is reported with key NO SENSE by some drives.
func (d *Drive) testReady(ctx context.Context) error {
	c := d.command(scsi.TestUnitReady{}, scsi.NoData, nil)
	if err := scsi.Do(ctx, d.attentive, c); err != nil {
		if errors.Is(err, scsi.IsNotReady) {
			d.place.known = false // the medium is gone or on its way
		}
		return err
	}
	if s, err := scsi.ParseSense(c.Sense); err == nil && s.ASC == 0x30 && s.ASCQ == 0x03 {
		return &scsi.CheckError{Op: c.Name, CDB: c.CDB, Sense: s}
	}
	return nil
}

// wantsLoad reports conditions that LOAD ends: initializing command required, medium loadable, medium held.
func wantsLoad(s scsi.Sense) bool {
	return s.ASC == 0x04 && s.ASCQ == 0x02 || s.ASC == 0x3A && (s.ASCQ == 0x03 || s.ASCQ == 0x04)
}

// hopeless reports the qualifiers of 04h that waiting does not change: manual intervention, offline, door open.
func hopeless(ascq byte) bool {
	switch ascq {
	case 0x03, 0x12, 0x18:
		return true
	}
	return false
}

// cleaningError tells a cleaning cartridge in its three states, nil for anything else.
func cleaningError(s scsi.Sense, err error) error {
	if s.ASC != 0x30 {
		return nil
	}
	switch s.ASCQ {
	case 0x03:
		return &CleaningCartridgeError{Err: err}
	case 0x07:
		return &CleaningCartridgeError{Failed: true, Err: err}
	case 0x0B, 0x13:
		return &CleaningCartridgeError{Expired: true, Err: err}
	}
	return nil
}

// Load makes the drive load the cartridge that it holds. It consumes attentions: a load that ends with "medium may
// have changed" has succeeded.
func (d *Drive) Load(ctx context.Context) error {
	d.place.known = false
	if err := d.do(ctx, LoadUnload{Load: true}); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	d.place.known = false
	return nil
}

// Unload flushes what was written and makes the drive rewind and give the cartridge out. When flushing fails the
// error is returned and nothing is unloaded; a second call unloads. tgt does nothing and stays ready.
func (d *Drive) Unload(ctx context.Context) error {
	if d.place.known && (!d.place.safeKnown || d.place.safe != d.place.object) {
		if err := d.Flush(ctx); err != nil {
			d.place.known = false
			return fmt.Errorf("unload: %w", err)
		}
	}
	d.place.known = false
	if err := d.do(ctx, LoadUnload{}); err != nil {
		return fmt.Errorf("unload: %w", err)
	}
	return nil
}
