package vlib

import (
	"fmt"
	"math"
	"time"
)

// Timing is how long a virtual library takes. The zero value takes no time at all.
//
// A command's effect is there at once and its answer comes after its time; a drive into which a cartridge was moved is
// "becoming ready" (02/04/01) for the time of a load. Waits end with the context.
type Timing struct {
	// Real gives every field that is zero the time published for the drive's generation: LTO-9 writes 400 MB/s, loads
	// in 16 s, unloads in 56 s; a move takes 10 s and an inventory 1 s for four slots.
	Real bool `json:",omitempty"`
	// Scale multiplies all times; 0.01 is a hundred times faster, also for the speed. 0 means 1.
	Scale float64 `json:",omitempty"`

	Move      time.Duration `json:",omitempty"` // a transport of the arm
	Inventory time.Duration `json:",omitempty"` // INITIALIZE ELEMENT STATUS, whole library
	Load      time.Duration `json:",omitempty"` // until the drive is ready
	Unload    time.Duration `json:",omitempty"`
	Clean     time.Duration `json:",omitempty"` // a cleaning cartridge at work
	Rewind    time.Duration `json:",omitempty"` // from anywhere, plus LocatePerGB
	Locate    time.Duration `json:",omitempty"` // LOCATE and SPACE, plus LocatePerGB
	// LocatePerGB is added for each 10^9 bytes that the tape moves.
	LocatePerGB time.Duration `json:",omitempty"`
	// Filemark is the time of a synchronous filemark: the drive stops and repositions.
	Filemark time.Duration `json:",omitempty"`
	// Rate is the speed of a drive in bytes a second for both reading and writing; 0 is no limit.
	Rate int64 `json:",omitempty"`
	// Buffer is how many bytes a drive takes, or has read ahead, while the host is away; default 16 MiB. It is what
	// keeps a writer from having to be phase-locked with the tape.
	Buffer int64 `json:",omitempty"`
}

// RealTiming is the timing of real hardware, scaled.
func RealTiming(scale float64) Timing { return Timing{Real: true, Scale: scale} }

const (
	defaultBuffer = 16 << 20
	maxDelay      = 48 * time.Hour
)

func (t *Timing) check() error {
	if t.Scale < 0 || math.IsNaN(t.Scale) || t.Scale > 1e6 {
		return fmt.Errorf("time scale %v is out of range", t.Scale)
	}
	for _, d := range []time.Duration{t.Move, t.Inventory, t.Load, t.Unload, t.Clean, t.Rewind, t.Locate,
		t.LocatePerGB, t.Filemark} {
		if d < 0 || d > maxDelay {
			return fmt.Errorf("time %v is out of range", d)
		}
	}
	if t.Rate < 0 || t.Buffer < 0 {
		return fmt.Errorf("negative rate or buffer")
	}
	return nil
}

// resolve gives the timing for a generation and a library of so many slots: real times where wanted, all scaled.
func (t Timing) resolve(g generation, slots int) Timing {
	if t.Real {
		def := func(p *time.Duration, v time.Duration) {
			if *p == 0 {
				*p = v
			}
		}
		def(&t.Move, 10*time.Second)
		def(&t.Inventory, 5*time.Second+time.Duration(slots)*time.Second/4)
		def(&t.Load, g.load)
		def(&t.Unload, g.unload)
		def(&t.Clean, 150*time.Second)
		def(&t.Rewind, 2*time.Second)
		def(&t.Locate, 2*time.Second)
		if m, ok := mediumWithSuffix(g.suffix); ok {
			def(&t.LocatePerGB, time.Duration(float64(2*g.locate)*1e9/float64(m.capacity)))
		}
		def(&t.Filemark, 1500*time.Millisecond)
		if t.Rate == 0 {
			t.Rate = g.rate
		}
	}
	if t.Scale > 0 && t.Scale != 1 {
		for _, p := range []*time.Duration{&t.Move, &t.Inventory, &t.Load, &t.Unload, &t.Clean, &t.Rewind, &t.Locate,
			&t.LocatePerGB, &t.Filemark} {
			*p = time.Duration(float64(*p) * t.Scale)
		}
		if t.Rate > 0 {
			t.Rate = int64(max(1, min(float64(t.Rate)/t.Scale, 1e15)))
		}
	}
	if t.Buffer == 0 {
		t.Buffer = defaultBuffer
	}
	t.Scale, t.Real = 1, false
	return t
}

// travel is the time to move the tape over n bytes, on top of a fixed part.
func (t *Timing) travel(fixed time.Duration, n int64) time.Duration {
	if n < 0 {
		n = -n
	}
	return fixed + time.Duration(float64(t.LocatePerGB)*float64(n)/1e9)
}

// throttle accounts n bytes that pass between host and tape and returns the new time at which the tape will have caught
// up, and how long the host has to wait now. It is a token bucket as a virtual clock: the tape's clock runs ahead of
// the wall clock by at most what the buffer holds, so that waits that come out too long are made up for by the next
// ones and the rate holds on average.
func (t *Timing) throttle(caughtUp, now int64, n int) (next int64, wait time.Duration) {
	if t.Rate <= 0 {
		return now, 0
	}
	next = max(caughtUp, now) + int64(float64(n)*1e9/float64(t.Rate))
	ahead := next - now - int64(float64(t.Buffer)*1e9/float64(t.Rate))
	return next, time.Duration(max(0, ahead))
}
