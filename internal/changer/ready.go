package changer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// How long WaitReady waits and how often it looks. Large libraries need half an hour after power on; an IBM library
// that was paused by an operator says so for hours (quirk Q35).
const (
	readyTimeout  = 30 * time.Minute
	pausedTimeout = 4 * time.Hour
	readyPoll     = 2 * time.Second
	pausedPoll    = time.Minute
)

// WaitReady waits until the changer is ready: up to half an hour while it starts or takes inventory, up to four hours
// while an operator has paused it. It sends INITIALIZE ELEMENT STATUS once when the changer wants it. What needs a
// person (an open door, an offline library) is an error at once. progress, when not nil, is told each new state.
func (c *Changer) WaitReady(ctx context.Context, progress func(state string)) error {
	var waited time.Duration
	initialized := false
	state := ""
	for {
		err := scsi.Ready(ctx, c.attentive)
		if err == nil {
			return nil
		}
		var check *scsi.CheckError
		if !errors.As(err, &check) {
			return fmt.Errorf("wait for changer: %w", err)
		}
		if errors.Is(err, scsi.InitializingCommandRequired) && !initialized {
			initialized = true
			if err := c.InitializeElementStatus(ctx); err != nil {
				return fmt.Errorf("wait for changer: %w", err)
			}
			continue
		}
		poll, limit := patience(check.Sense)
		if waited >= limit {
			return fmt.Errorf("wait for changer: %w", err)
		}
		if s := stateText(check.Sense); progress != nil && s != state {
			state = s
			progress(s)
		}
		if werr := c.sleep(ctx, poll); werr != nil {
			return fmt.Errorf("wait for changer: %w: %w", werr, err)
		}
		waited += poll
	}
}

// stateText says in words why a changer is not ready.
func stateText(s scsi.Sense) string {
	if s.ASC == 0x04 && s.ASCQ == 0x85 {
		return "library paused by its operator"
	}
	if text := scsi.AdditionalSenseText(s.ASC, s.ASCQ); text != "" {
		return text
	}
	return fmt.Sprintf("not ready (%02X/%02X)", s.ASC, s.ASCQ)
}

// patience tells for a changer that is not ready how often to ask and how long in all; 0 when waiting does not help.
func patience(s scsi.Sense) (poll, limit time.Duration) {
	if s.Key != scsi.NotReady {
		return 0, 0
	}
	switch {
	case s.ASC == 0x04 && s.ASCQ == 0x85: // IBM: library paused
		return pausedPoll, pausedTimeout
	case s.ASC == 0x3E && s.ASCQ == 0x00: // not self-configured yet
		return readyPoll, readyTimeout
	case s.ASC != 0x04:
		return 0, 0
	}
	switch s.ASCQ {
	case 0x03, 0x12, 0x15, 0x18, 0x19: // manual intervention, offline, robotics disabled, door open, sequential mode
		return 0, 0
	}
	return readyPoll, readyTimeout
}
