package scsi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slow answers after a time, or when its context ends.
type slow struct {
	takes time.Duration
	sent  int
}

func (s *slow) Send(ctx context.Context, _ *Command) error {
	s.sent++
	return Sleep(ctx, s.takes)
}
func (s *slow) Close() error     { return nil }
func (s *slow) MaxTransfer() int { return 1 }

func TestPatient(t *testing.T) {
	for name, c := range map[string]struct {
		takes, cancelAfter time.Duration
		want               error
		elapsed            time.Duration
		sent               int
	}{
		"finished":             {time.Second, time.Hour, nil, time.Second, 1},
		"finished in the end":  {time.Minute, time.Second, nil, time.Minute, 1},
		"given up":             {time.Hour, time.Second, context.Canceled, 121 * time.Second, 1},
		"cancelled before all": {time.Second, 0, context.Canceled, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if c.cancelAfter == 0 {
					cancel()
				}
				defer time.AfterFunc(c.cancelAfter, cancel).Stop()
				s := &slow{takes: c.takes}
				begun := time.Now()
				err := Patient(s, 2*time.Minute).Send(ctx, &Command{Name: "REWIND", CDB: make([]byte, 6)})
				if !errors.Is(err, c.want) || time.Since(begun) != c.elapsed || s.sent != c.sent {
					t.Errorf("%v after %v, sent %d times", err, time.Since(begun), s.sent)
				}
			})
		})
	}
}
