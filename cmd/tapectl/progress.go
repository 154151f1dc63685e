package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows what a long command does on a terminal, in the order in which it happens: lines of text about what is waited for,
// and a bar with rate, done and estimate while data flows. The last line is the live one; a text that says more about
// the same thing replaces it. Elsewhere than on a terminal it shows nothing.
type progress struct {
	out   io.Writer // nil: show nothing
	width func() int

	mu     sync.Mutex
	pool   *mpb.Progress // of the bar; nil between bars
	bar    *mpb.Bar
	stage  string
	line   string // the live line of text, whole; the terminal shows as much as fits
	live   bool   // the cursor stands behind it
	closed bool

	begun atomic.Int64 // of the stage, Unix nanoseconds
	last  atomic.Int64 // of the last update of the bar
	now   atomic.Int64 // bytes done, also those that the bar does not show yet
}

const (
	// redraw is how often the bar is brought up to date at most.
	redraw = 50 * time.Millisecond
	// widest is how wide a bar with its texts gets on wide terminals.
	widest = 100
	// eraseLine brings the cursor to the beginning of the line and empties it.
	eraseLine = "\r\x1b[K"
)

// newProgress makes the progress of a command; done must be called.
func (a *app) newProgress() *progress {
	if a.noProgress || a.json || !isTerminal(a.stderr) || os.Getenv("TERM") == "dumb" {
		return &progress{}
	}
	p := &progress{out: a.stderr, width: func() int { return terminalWidth(a.stderr) }}
	a.shown.Store(p)
	return p
}

// notice shows a line for the operator, above or below what is shown already.
func (a *app) notice(text string) {
	if p := a.shown.Load(); p != nil && p.text(text) {
		a.settle()
		return
	}
	fmt.Fprintln(a.stderr, text)
}

// settle makes room for the output of the command: what was shown stays, and the cursor stands at the beginning of a line.
func (a *app) settle() {
	if p := a.shown.Load(); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.endBar()
		p.endLine()
	}
}

// statusLine returns a function that shows one line of text about what is waited for.
func (a *app) statusLine() func(string) {
	return a.newProgress().wait
}

// wait shows a line about what is waited for.
func (p *progress) wait(text string) { p.text(text) }

// text shows a line, and reports whether it did. A line about the same thing as the one before, up to the first colon,
// replaces it.
func (p *progress) text(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil || p.closed {
		return false
	}
	p.endBar()
	text = printable(text)
	if p.live && topic(text) == topic(p.line) {
		fmt.Fprint(p.out, eraseLine)
	} else {
		p.endLine()
	}
	fmt.Fprint(p.out, p.fit(text))
	p.line, p.live = text, true
	return true
}

// topic is what a line is about.
func topic(line string) string {
	about, _, _ := strings.Cut(line, ":")
	return about
}

// fit cuts a line so that the terminal does not break it: a broken one could not be replaced.
func (p *progress) fit(line string) string {
	r := []rune(line)
	return string(r[:min(len(r), p.width()-1)])
}

// set shows how far the stage is; total is -1 when it is not known. It may be called very often, by one goroutine.
func (p *progress) set(stage string, bytes, total int64) {
	if p.out == nil {
		return
	}
	now := time.Now().UnixNano()
	if stage == p.stage && now-p.last.Load() < int64(redraw) && bytes != total {
		p.now.Store(bytes)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if stage != p.stage {
		p.endBar()
		p.stage = stage
		p.begun.Store(now)
	}
	p.last.Store(now)
	p.now.Store(bytes)
	if p.bar == nil {
		p.endLine()
		p.pool = mpb.New(mpb.WithOutput(p.out), mpb.WithAutoRefresh(), mpb.WithWidth(min(widest, p.width())), mpb.WithRefreshRate(200*time.Millisecond))
		p.bar = p.newBar(printable(stage), total)
	}
	p.bar.SetCurrent(bytes)
}

// newBar makes the bar of a stage.
func (p *progress) newBar(stage string, total int64) *mpb.Bar {
	name, rate := decor.Name(stage+"  "), decor.Any(p.rate)
	if total < 0 {
		return p.pool.New(0, mpb.NopStyle(), mpb.PrependDecorators(name, decor.Any(amount)), mpb.AppendDecorators(rate))
	}
	return p.pool.New(total, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(name, decor.Any(amount)),
		mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), rate, decor.Any(p.estimate)))
}

// amount is how much is done, of how much.
func amount(s decor.Statistics) string {
	if s.Total <= 0 {
		return sizeText(s.Current)
	}
	return sizeText(s.Current) + " / " + sizeText(s.Total)
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
	if s.Current <= 0 || s.Current >= s.Total || s.Completed || elapsed < time.Second {
		return ""
	}
	left := time.Duration(float64(elapsed) * float64(s.Total-s.Current) / float64(s.Current))
	return fmt.Sprintf("  %s left", left.Round(time.Second))
}

// elapsed is the time from the beginning of the stage to its last sign of life: what comes after the data is not counted.
func (p *progress) elapsed() time.Duration { return time.Duration(p.last.Load() - p.begun.Load()) }

// endBar leaves the bar as it is; what follows stands below it.
func (p *progress) endBar() {
	if p.bar == nil {
		return
	}
	p.bar.SetCurrent(p.now.Load())
	p.bar.Abort(false)
	p.pool.Wait()
	p.bar, p.pool = nil, nil
}

// endLine leaves the live line of text as it is, whole now.
func (p *progress) endLine() {
	if !p.live {
		return
	}
	if p.fit(p.line) != p.line {
		fmt.Fprint(p.out, eraseLine, p.line)
	}
	fmt.Fprintln(p.out)
	p.live = false
}

// done ends the display. It may be called more than once.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil || p.closed {
		return
	}
	p.closed = true
	p.endBar()
	p.endLine()
}
