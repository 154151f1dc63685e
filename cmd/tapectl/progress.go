package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows what a long command does: on a terminal a bar with rate, done and estimate, and lines of text above it.
// Elsewhere it shows nothing.
type progress struct {
	out io.Writer // nil: show nothing

	mu     sync.Mutex
	pool   *mpb.Progress
	bar    *mpb.Bar
	stage  string
	closed bool

	begun atomic.Int64 // of the stage, Unix nanoseconds
	last  atomic.Int64 // of the last update of the bar
}

// redraw is how often the bar is brought up to date at most.
const redraw = 50 * time.Millisecond

// newProgress makes the progress of a command; done must be called.
func (a *app) newProgress() *progress {
	if a.noProgress || a.json || !isTerminal(a.stderr) {
		return &progress{}
	}
	return &progress{out: a.stderr}
}

// statusLine returns a function that shows one line of text about what is waited for, or nil without a terminal.
func (a *app) statusLine() func(string) {
	return a.newProgress().text
}

// text shows a line about what is waited for.
func (p *progress) text(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.out == nil || p.closed:
	case p.pool != nil:
		fmt.Fprintln(p.pool, printable(text))
	default:
		fmt.Fprintln(p.out, printable(text))
	}
}

// set shows how far the stage is; total is -1 when it is not known. It may be called very often, by one goroutine.
func (p *progress) set(stage string, bytes, total int64) {
	now := time.Now().UnixNano()
	if p.out == nil || stage == p.stage && now-p.last.Load() < int64(redraw) && bytes != total {
		return
	}
	p.last.Store(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(100), mpb.WithRefreshRate(200*time.Millisecond))
	}
	if stage != p.stage || p.bar == nil {
		p.endBar()
		p.stage = stage
		p.begun.Store(now)
		p.bar = p.newBar(stage, total)
	}
	p.bar.SetCurrent(bytes)
}

// newBar makes the bar of a stage.
func (p *progress) newBar(stage string, total int64) *mpb.Bar {
	rate := decor.Any(p.rate)
	if total < 0 {
		return p.pool.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Name(stage+"  "), decor.Current(decor.SizeB1000(0), "% .1f")),
			mpb.AppendDecorators(rate))
	}
	return p.pool.New(total, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Name(stage+"  "), decor.Counters(decor.SizeB1000(0), "% .1f / % .1f")),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), rate, decor.Any(p.estimate)))
}

// rate is the average rate of the stage.
func (p *progress) rate(s decor.Statistics) string {
	elapsed := p.elapsed()
	if elapsed < time.Second/2 {
		return ""
	}
	return fmt.Sprintf("  %s/s", sizeText(int64(float64(s.Current)/elapsed.Seconds())))
}

// estimate is the time that is left at that rate.
func (p *progress) estimate(s decor.Statistics) string {
	elapsed := p.elapsed()
	if s.Current == 0 || s.Completed || elapsed < time.Second {
		return ""
	}
	left := time.Duration(float64(elapsed) * float64(s.Total-s.Current) / float64(s.Current))
	return fmt.Sprintf("  %s left", left.Round(time.Second))
}

func (p *progress) elapsed() time.Duration {
	return time.Duration(time.Now().UnixNano() - p.begun.Load())
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bar = nil
	}
}

// done ends the display. It may be called more than once.
func (p *progress) done() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.endBar()
	pool := p.pool
	p.mu.Unlock()
	if pool != nil && !closed {
		pool.Wait()
	}
}
