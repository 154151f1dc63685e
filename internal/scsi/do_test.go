package scsi_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func ready() *scsi.Command { return scsi.NewCommand(scsi.TestUnitReady{}, scsi.NoData, nil, 0) }

// attention is a unit attention.
var attention = scsitest.Sense(scsi.UnitAttention, 0x28, 0x00)

func TestDoWaitsWhileBusy(t *testing.T) {
	for _, s := range []scsi.Status{scsi.StatusBusy, scsi.StatusTaskSetFull} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			f := scsitest.Answers(scsitest.Status(s), scsitest.Status(s), scsitest.Status(s), scsitest.Data(nil))
			if err := scsi.Do(t.Context(), f, ready()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d != 3*time.Second || len(f.Sent()) != 4 {
				t.Errorf("%v: %v, %d commands", s, d, len(f.Sent()))
			}
		})
	}
}

func TestDoGivesUpOnBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := &scsitest.Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
			return scsitest.Status(scsi.StatusBusy)(c)
		}}
		var status *scsi.StatusError
		if err := scsi.Do(t.Context(), f, ready()); !errors.As(err, &status) || status.Status != scsi.StatusBusy {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < 30*time.Second || d > 5*time.Minute {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestDoStopsWaitingWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		f := scsitest.Answers(scsitest.Status(scsi.StatusBusy), scsitest.Status(scsi.StatusBusy), scsitest.Data(nil))
		var te *scsi.TransportError
		err := scsi.Do(ctx, f, ready())
		if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

func TestDoConsumesAttentions(t *testing.T) {
	storm := func(n int) *scsitest.Transport {
		var a []func(*scsi.Command) error
		for range n {
			a = append(a, scsitest.Check(attention))
		}
		return scsitest.Answers(append(a, scsitest.Data(nil))...)
	}
	for _, test := range []struct{ n, told int }{{0, 0}, {1, 1}, {10, 10}} {
		told := 0
		c := ready()
		c.Attention = func(s scsi.Sense) {
			if s.ASC != 0x28 {
				t.Errorf("told of %v", s)
			}
			told++
		}
		if err := scsi.Do(t.Context(), storm(test.n), c); err != nil || told != test.told {
			t.Errorf("storm of %d: %v, told %d times", test.n, err, told)
		}
	}
	told := 0
	c := ready()
	c.Attention = func(scsi.Sense) { told++ }
	f := storm(1000)
	if err := scsi.Do(t.Context(), f, c); !errors.Is(err, scsi.IsUnitAttention) || told != 10 || len(f.Sent()) != 11 {
		t.Errorf("a storm without end: %v, told %d times, %d commands", err, told, len(f.Sent()))
	}
	f = storm(1)
	if err := scsi.Do(t.Context(), f, ready()); !errors.Is(err, scsi.MediumMayHaveChanged) || len(f.Sent()) != 1 {
		t.Errorf("without a callback: %v, %d commands", err, len(f.Sent()))
	}
}

// A deferred unit attention belongs to an earlier command and is an error like any deferred one.
func TestDoDoesNotConsumeDeferred(t *testing.T) {
	c := ready()
	c.Attention = func(s scsi.Sense) { t.Errorf("told of %v", s) }
	f := scsitest.Answers(scsitest.Check(scsitest.Fixed(scsi.Sense{Deferred: true, Key: scsi.UnitAttention, ASC: 0x29})),
		scsitest.Data(nil))
	if err := scsi.Do(t.Context(), f, c); !errors.Is(err, scsi.IsDeferredError) {
		t.Fatal(err)
	}
}

// Which sense data is an error.
func TestDoJudgesSense(t *testing.T) {
	for _, test := range []struct {
		name string
		s    scsi.Sense
		good bool
	}{
		{"recovered", scsi.Sense{Key: scsi.RecoveredError, ASC: 0x17, ASCQ: 1}, true},
		{"recovered, deferred", scsi.Sense{Deferred: true, Key: scsi.RecoveredError, ASC: 0x0C}, false},
		{"cleaning requested", scsi.Sense{ASC: 0x00, ASCQ: 0x17}, true},
		{"rounded parameter", scsi.Sense{Key: scsi.RecoveredError, ASC: 0x37}, true},
		{"nothing", scsi.Sense{}, true},
		{"completed", scsi.Sense{Key: scsi.Completed}, true},
		{"filemark", scsi.Sense{Filemark: true, ASCQ: 1}, false},
		{"filemark without code", scsi.Sense{Filemark: true}, false},
		{"early warning", scsi.Sense{EndOfMedium: true, ASCQ: 2}, false},
		{"length", scsi.Sense{IncorrectLength: true}, false},
		{"recovered with a flag", scsi.Sense{Key: scsi.RecoveredError, EndOfMedium: true}, false},
		{"end of data without flag", scsi.Sense{ASCQ: 5}, false},
		{"blank", scsi.Sense{Key: scsi.BlankCheck}, false},
		{"aborted", scsi.Sense{Key: scsi.AbortedCommand}, false},
	} {
		c := ready()
		err := scsi.Do(t.Context(), scsitest.Answers(scsitest.Check(scsitest.Fixed(test.s))), c)
		var check *scsi.CheckError
		if test.good && err != nil || !test.good && !errors.As(err, &check) {
			t.Errorf("%s: %v", test.name, err)
		}
		if len(c.Sense) == 0 {
			t.Errorf("%s: the note was lost", test.name)
		}
	}
}

func TestDoErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*scsi.Command) error
		text   string
	}{
		{"conflict", scsitest.Status(scsi.StatusReservationConflict),
			"TEST UNIT READY: RESERVATION CONFLICT: another host has reserved the device"},
		{"aborted", scsitest.Status(scsi.StatusTaskAborted), "TEST UNIT READY: TASK ABORTED: outcome unknown"},
		{"aca", scsitest.Status(scsi.StatusACAActive), "TEST UNIT READY: ACA ACTIVE"},
		{"unknown status", scsitest.Status(0x7E), "TEST UNIT READY: status 7Eh"},
		{"no sense", scsitest.Check(nil),
			"TEST UNIT READY: the device's answer makes no sense: CHECK CONDITION with no usable sense data"},
		{"sense", scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)),
			"TEST UNIT READY: ILLEGAL REQUEST, 20/00 command not supported"},
		{"lost", scsitest.Lost(io.ErrUnexpectedEOF), "TEST UNIT READY: no answer, outcome unknown: unexpected EOF"},
		{"bare", func(*scsi.Command) error { return io.ErrUnexpectedEOF },
			"TEST UNIT READY: no answer, outcome unknown: unexpected EOF"},
	} {
		f := scsitest.Answers(test.answer)
		if err := scsi.Do(t.Context(), f, ready()); err == nil || err.Error() != test.text {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.text)
		}
		if n := len(f.Sent()); n != 1 {
			t.Errorf("%s: sent %d times", test.name, n)
		}
	}
	if err := scsi.Do(t.Context(), scsitest.Answers(scsitest.Status(scsi.StatusConditionMet)), ready()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := scsitest.Answers()
	if err := scsi.Do(ctx, f, ready()); err == nil || err.Error() != "TEST UNIT READY not sent: context canceled" || len(f.Sent()) != 0 {
		t.Errorf("%v, %d commands", err, len(f.Sent()))
	}
}

func TestCommandTransferred(t *testing.T) {
	for _, test := range []struct{ size, residual, want int }{{10, 0, 10}, {10, 3, 7}, {10, 10, 0}, {10, 11, 0}, {10, -5, 10}, {0, 0, 0}} {
		c := scsi.Command{Data: make([]byte, test.size), Residual: test.residual}
		if got := c.Transferred(); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
}

func TestWithAttention(t *testing.T) {
	f := scsitest.Answers(scsitest.Check(attention), scsitest.Data(nil), scsitest.Check(attention), scsitest.Data(nil))
	var got []string
	tr := scsi.WithAttention(f, func(s scsi.Sense) { got = append(got, "wrapper") })
	if err := scsi.Ready(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	c := ready()
	c.Attention = func(scsi.Sense) { got = append(got, "own") }
	if err := scsi.Do(t.Context(), tr, c); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "wrapper" || got[1] != "own" {
		t.Errorf("told %v", got)
	}
	if err := tr.Close(); err != nil || !f.Closed() {
		t.Errorf("Close: %v, closed %v", err, f.Closed())
	}
}
