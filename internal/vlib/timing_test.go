package vlib_test

import (
	"context"
	"errors"
	"math"
	"syscall"
	"testing"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// timed tells how long f took and fails unless that is between low and high.
func timed(t *testing.T, what string, low, high time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d < low || d > high {
		t.Errorf("%s took %v, want %v to %v", what, d, low, high)
	}
}

// slack is how late a loaded test machine may be.
const slack = 400 * time.Millisecond

func TestTimes(t *testing.T) {
	l, ch, tr := rawLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 30})
	must(t, l.SetTiming(vlib.Timing{Move: 100 * time.Millisecond, Load: 200 * time.Millisecond, Unload: 80 * time.Millisecond,
		Inventory: 50 * time.Millisecond, Rewind: 300 * time.Millisecond, LocatePerGB: 1000 * time.Millisecond,
		Filemark: 300 * time.Millisecond}))
	ms := time.Millisecond
	timed(t, "inventory", 50*ms, 50*ms+slack, func() { want(t, ch, []byte{7, 0, 0, 0, 0, 0}, "GOOD") })
	start := time.Now()
	timed(t, "move", 100*ms, 100*ms+slack, func() { want(t, ch, moveCDB(1001, 257), "GOOD") })
	if time.Since(start) < 250*ms {
		a := send(t, tr, tur, nil, 0)
		if a.String() != "2/04/01" || a.sense.SenseKeySpecific[0] != 0x80 {
			t.Errorf("after the move: %s", a)
		}
	}
	for send(t, tr, tur, nil, 0).String() == "2/04/01" {
		time.Sleep(5 * ms)
	}
	if d := time.Since(start); d < 300*ms || d > 300*ms+slack {
		t.Errorf("ready after %v, want 300 ms after the move began", d)
	}
	quiet(t, tr)
	for range 10 {
		wantWrite(t, tr, make([]byte, 10e6), "GOOD")
	}
	timed(t, "filemark", 300*ms, 300*ms+slack, func() { want(t, tr, marks(1, 0), "GOOD") })
	timed(t, "filemark, IMMED", 0, 280*ms, func() { want(t, tr, marks(1, 1), "GOOD") })
	timed(t, "rewind over 100 MB", 400*ms, 400*ms+slack, func() { want(t, tr, rewindOp, "GOOD") })
	timed(t, "rewind at the beginning", 0, 280*ms, func() { want(t, tr, rewindOp, "GOOD") })
	timed(t, "locate over 50 MB", 50*ms, 50*ms+slack, func() { want(t, tr, locateCDB(5), "GOOD") })
	want(t, tr, []byte{1, 1, 0, 0, 0, 0}, "GOOD") // rewind, IMMED
	if a := send(t, tr, tur, nil, 0); a.String() != "2/04/07" {
		t.Errorf("while rewinding: %s", a)
	}
	if a := send(t, tr, []byte{0x03, 0, 0, 0, 18, 0}, nil, 18); a.data[13] != 0x16 {
		t.Errorf("REQUEST SENSE while rewinding % X", a.data)
	}
	status := send(t, tr, []byte{0x4D, 0, 0x51, 0, 0, 0, 0, 0, 12, 0}, nil, 12)
	if status.data[10] != 0x08 && status.data[10] != 0 { // rewinding, unless it is over
		t.Errorf("device status while rewinding % X", status.data)
	}
	timed(t, "read behind the rewind", 100*ms, 350*ms+slack, func() { wantRead(t, tr, 10, "0/00/00 ILI info=-9999990") })
	timed(t, "unload", 380*ms, 390*ms+slack, func() { want(t, tr, unloadOp, "GOOD") })
}

func TestWaitsEndWithContextAndTimeout(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	must(t, l.SetTiming(vlib.Timing{Move: time.Hour}))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	err := ch.Send(ctx, &scsi.Command{CDB: moveCDB(1001, 1005), Timeout: 2 * time.Hour})
	var te *scsi.TransportError
	if !errors.As(err, &te) || te.NotSent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled move: %v", err)
	}
	// The arm is busy now: the next move waits for it, and was not sent when its time is up.
	err = ch.Send(context.Background(), &scsi.Command{CDB: moveCDB(1005, 1006), Timeout: 30 * time.Millisecond})
	if !errors.As(err, &te) || !te.NotSent {
		t.Errorf("move behind a busy arm: %v", err)
	}
	must(t, l.PowerLoss())
	quiet(t, ch)
	err = ch.Send(context.Background(), &scsi.Command{CDB: moveCDB(1005, 1006), Timeout: 30 * time.Millisecond})
	if !errors.As(err, &te) || te.NotSent {
		t.Errorf("move that takes longer than its timeout: %v", err)
	}
}

// TestRate writes and reads against a limited speed and looks at the clock and at the processor time. The limit must
// hold always; that it is reached, and cheaply, must show in one of a few tries, since the machine may be busy with
// other things.
func TestRate(t *testing.T) {
	const rate, buffer, size, blocks = 60e6, 8 << 20, 256 << 10, 160
	l, tr := loadedDrive(t, vlib.Config{TapeCount: 1, Capacity: 1 << 40})
	must(t, l.SetTiming(vlib.Timing{Rate: rate, Buffer: buffer}))
	p := make([]byte, size)
	ideal := float64(blocks*size-buffer) / rate
	run := func(command func([]byte) *scsi.Command) (off float64, cpu time.Duration) {
		rewind(t, tr)
		start, used := time.Now(), cpuTime()
		for range blocks {
			must(t, scsi.Do(context.Background(), tr, command(p)))
		}
		off, cpu = time.Since(start).Seconds()/ideal-1, cpuTime()-used
		if off < -0.005 {
			t.Errorf("%.2f %% faster than the limit", -100*off)
		}
		must(t, scsi.Do(context.Background(), tr, scsi.NewCommand(drive.WriteFilemarks6{}, scsi.NoData, nil, time.Minute)))
		return off, cpu
	}
	for name, command := range map[string]func([]byte) *scsi.Command{"write": writeCommand, "read": readCommand} {
		if name == "read" {
			run(writeCommand)
		}
		best := 1e9
		for try := 0; try < 6 && best > 0.02; try++ {
			off, cpu := run(command)
			best = min(best, off)
			t.Logf("%s: %.2f %% slower than %.0f MB/s, processor %v", name, 100*off, rate/1e6, cpu)
		}
		if best > 0.02 && !raceDetector {
			t.Errorf("%s: at best %.2f %% slower than the limit", name, 100*best)
		}
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestRealTiming(t *testing.T) {
	folder := t.TempDir() + "/l"
	must(t, vlib.Create(folder, vlib.Config{TapeCount: 1, Generations: []string{"LTO-9"}, Media: "L9", Timing: vlib.RealTiming(0.001)}))
	l, err := vlib.Open(folder)
	must(t, err)
	defer l.Close()
	ch, err := l.Changer()
	must(t, err)
	tr, err := l.Drive(0)
	must(t, err)
	quiet(t, ch)
	quiet(t, tr)
	// A thousandth of 10 s.
	timed(t, "move", 10*time.Millisecond, 10*time.Millisecond+slack, func() { want(t, ch, moveCDB(1001, 257), "GOOD") })
	for send(t, tr, tur, nil, 0).String() != "GOOD" {
		time.Sleep(time.Millisecond)
	}
	timed(t, "unload", 56*time.Millisecond, 56*time.Millisecond+slack, func() { want(t, tr, unloadOp, "GOOD") })
	for _, bad := range []vlib.Timing{{Scale: -1}, {Scale: math.NaN()}, {Move: -1}, {Rate: -1}, {Load: 1000 * time.Hour}} {
		if l.SetTiming(bad) == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}
