package scsi

import (
	"context"
	"errors"
	"testing"
)

// scripted answers commands one after the other.
type scripted struct {
	answers []func(*Command) error
	sent    int
}

func (s *scripted) Send(_ context.Context, c *Command) error {
	a := s.answers[min(s.sent, len(s.answers)-1)]
	s.sent++
	return a(c)
}

func (s *scripted) Close() error { return nil }

func TestDoReturnsNotPresent(t *testing.T) {
	s := &scripted{answers: []func(*Command) error{func(c *Command) error {
		c.Status = StatusCheckCondition
		c.Sense = []byte{0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3A, 0x00, 0, 0, 0, 0}
		return nil
	}}}
	err := Do(context.Background(), s, &Command{Name: "TEST UNIT READY", CDB: make([]byte, 6)})
	if !errors.Is(err, MediumNotPresent) || errors.Is(err, DestinationFull) {
		t.Fatalf("got %v", err)
	}
}
