package scsitest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tapectl/internal/scsi"
)

// stallable makes a transport over a fake tape whose device can be told not to answer.
func stallable(inner *Transport) (*Transport, func(*testing.T) func()) {
	gate := make(chan struct{}, 1)
	gate <- struct{}{}
	send := inner.SendFunc
	inner.SendFunc = func(ctx context.Context, c *scsi.Command) error {
		select {
		case <-gate:
			gate <- struct{}{}
			return send(ctx, c)
		case <-ctx.Done():
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: ctx.Err()}
		case <-time.After(c.TimeoutOrDefault()):
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, Err: context.DeadlineExceeded}
		}
	}
	return inner, func(*testing.T) func() {
		<-gate
		return func() { gate <- struct{}{} }
	}
}

func TestConformanceOfFake(t *testing.T) {
	var stall func(*testing.T) func()
	open := func(*testing.T) scsi.Transport {
		var tr *Transport
		tr, stall = stallable(NewTape())
		return tr
	}
	TestTransport(t, open, Options{ScratchTape: true,
		Stall: func(t *testing.T) func() { return stall(t) }})
}

// faulty is a transport that does one thing wrong.
type faulty struct {
	scsi.Transport
	send  func(ctx context.Context, t scsi.Transport, c *scsi.Command) error
	close func(t scsi.Transport) error
}

func (f *faulty) Send(ctx context.Context, c *scsi.Command) error {
	if f.send != nil {
		return f.send(ctx, f.Transport, c)
	}
	return f.Transport.Send(ctx, c)
}

func (f *faulty) Close() error {
	if f.close != nil {
		return f.close(f.Transport)
	}
	return f.Transport.Close()
}

// after sends c and then changes the answer.
func after(change func(c *scsi.Command)) func(context.Context, scsi.Transport, *scsi.Command) error {
	return func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
		err := t.Send(ctx, c)
		if err == nil {
			change(c)
		}
		return err
	}
}

// faults are mistakes that transports make, and the test of the suite that must find each.
var faults = map[string]struct {
	test string
	make func() *faulty
}{
	"no residual": {"Inquiry", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) { c.Residual = 0 })}
	}},
	"clears the buffer": {"Inquiry", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) {
			if c.Direction == scsi.FromDevice {
				clear(c.Data[c.Transferred():])
			}
		})}
	}},
	"loses sense": {"RawSense", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) { c.Sense = nil })}
	}},
	"keeps only the codes": {"ShortBlock", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) {
			if len(c.Sense) > 13 {
				c.Sense = Sense(scsi.SenseKey(c.Sense[2]&0xF), c.Sense[12], c.Sense[13])
			}
		})}
	}},
	"loses data with sense": {"ShortBlock", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) {
			if c.Status == scsi.StatusCheckCondition && c.Direction == scsi.FromDevice {
				clear(c.Data)
			}
		})}
	}},
	"cuts large blocks": {"Blocks", func() *faulty {
		return &faulty{send: after(func(c *scsi.Command) {
			if c.Direction == scsi.FromDevice && len(c.Data) > 1<<16 {
				c.Residual = len(c.Data) - 1<<16
			}
		})}
	}},
	"pads odd blocks": {"Blocks", func() *faulty {
		return &faulty{send: func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
			if len(c.CDB) == 6 && c.CDB[0] == 0x0A && len(c.Data)%2 == 1 {
				d := *c
				d.Data = append(append([]byte(nil), c.Data[:len(c.Data)-1]...), 0)
				return t.Send(ctx, &d)
			}
			return t.Send(ctx, c)
		}}
	}},
	"sends twice": {"Filemark", func() *faulty {
		return &faulty{send: func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
			if len(c.CDB) == 6 && c.CDB[0] == 0x10 {
				t.Send(ctx, c)
			}
			return t.Send(ctx, c)
		}}
	}},
	"ignores the context": {"DoneContext", func() *faulty {
		return &faulty{send: func(_ context.Context, t scsi.Transport, c *scsi.Command) error {
			return t.Send(context.Background(), c)
		}}
	}},
	"sends after close": {"Close", func() *faulty {
		return &faulty{close: func(scsi.Transport) error { return nil }}
	}},
	"fails the second close": {"Close", func() *faulty {
		closed := false
		return &faulty{close: func(t scsi.Transport) error {
			if closed {
				return ErrClosed
			}
			closed = true
			return t.Close()
		}}
	}},
	"bare errors": {"BadCDB", func() *faulty {
		return &faulty{send: func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
			if err := t.Send(ctx, c); err != nil {
				return &scsi.TransportError{Op: c.Name, Err: err.(*scsi.TransportError).Err}
			}
			return nil
		}}
	}},
	"keeps the old sense": {"Reuse", func() *faulty {
		return &faulty{send: func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
			old := c.Sense
			err := t.Send(ctx, c)
			if c.Sense == nil {
				c.Sense = old
			}
			return err
		}}
	}},
	"cancelled means not sent": {"Cancel", func() *faulty {
		return &faulty{send: func(ctx context.Context, t scsi.Transport, c *scsi.Command) error {
			err := t.Send(ctx, c)
			if te, ok := err.(*scsi.TransportError); ok {
				te.NotSent = true
			}
			return err
		}}
	}},
}

const faultVariable = "SCSITEST_FAULT"

// TestSuiteFindsFaults runs the suite over each faulty transport in a process of its own and wants it to fail.
func TestSuiteFindsFaults(t *testing.T) {
	if os.Getenv(faultVariable) != "" {
		t.Skip("this is the process with the fault")
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$/^"+f.test+"$", "-test.v")
			cmd.Env = append(os.Environ(), faultVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaulty/"+f.test+" ") {
				t.Errorf("the suite did not fail in %s: %v\n%s", f.test, err, out)
			}
		})
	}
}

// TestFaulty is what TestSuiteFindsFaults runs.
func TestFaulty(t *testing.T) {
	f, ok := faults[os.Getenv(faultVariable)]
	if !ok {
		t.Skip("runs in TestSuiteFindsFaults")
	}
	var stall func(*testing.T) func()
	open := func(*testing.T) scsi.Transport {
		tr := f.make()
		tr.Transport, stall = stallable(NewTape())
		return tr
	}
	TestTransport(t, open, Options{ScratchTape: true, Timeout: 2 * time.Second,
		Stall: func(t *testing.T) func() { return stall(t) }})
}
