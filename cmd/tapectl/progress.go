package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows what a long command does on a terminal, in the order in which it happens: lines of text about what is waited for,
// and, while data flows, a bar with rate, done and estimate for each tape that is written or read. The bars and the last
// line of text are live: a text that says more about the same thing replaces the line; a text about the tape of a bar
// ends the bar, and leaves a line about what it came to; other texts stand above the bars. Elsewhere than on a terminal
// it shows nothing. It may be used by several goroutines at the same time.
type progress struct {
	out   io.Writer // nil: show nothing
	width func() int

	meters sync.Map // *meter by stage

	mu     sync.Mutex
	pool   *mpb.Progress // of the bars; nil when there are none
	bars   []*meter      // that are shown, from the top
	line   string        // the last line of text, whole; the terminal shows as much as fits
	live   bool          // the cursor stands behind it
	closed bool
}

// meter is how far one stage is. Its bar is guarded by progress.mu.
type meter struct {
	stage, about string
	total        int64
	bar          *mpb.Bar

	begun atomic.Int64 // Unix nanoseconds
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

// notice shows a line for the operator, in full: above the bars, or below what is shown already.
func (a *app) notice(text string) {
	if p := a.shown.Load(); p != nil && p.text(text, true) {
		return
	}
	fmt.Fprintln(a.stderr, text)
}

// settle makes room for the output of the command: what was shown stays, and the cursor stands at the beginning of a line.
func (a *app) settle() {
	if p := a.shown.Load(); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.endBars(func(*meter) bool { return true })
		p.endLine()
	}
}

// statusLine returns a function that shows one line of text about what is waited for.
func (a *app) statusLine() func(string) {
	return a.newProgress().wait
}

// wait shows a line about what is waited for.
func (p *progress) wait(text string) { p.text(text, false) }

// text shows a line, and reports whether it did. A line about the same thing as the one before, up to the first colon,
// replaces it, or is left out where bars stand below that one. A line that must stay is neither replaced nor left out.
func (p *progress) text(text string, stay bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil || p.closed {
		return false
	}
	text = printable(text)
	p.endBars(func(m *meter) bool { return mentions(text, m.about) })
	again := topic(text) == topic(p.line)
	switch {
	case p.pool != nil && again && !stay:
		return true
	case p.pool != nil:
		fmt.Fprintln(p.pool, text)
		p.line = text
		return true
	case p.live && again:
		fmt.Fprint(p.out, eraseLine)
	default:
		p.endLine()
	}
	fmt.Fprint(p.out, p.fit(text))
	p.line, p.live = text, true
	if stay {
		p.endLine()
	}
	return true
}

// mentions reports whether a text is about something: the name of it stands there, and is not the beginning of a longer
// one.
func mentions(text, about string) bool {
	if about == "" {
		return true
	}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, about)
		if !found {
			return false
		}
		if r, _ := utf8.DecodeRuneInString(after); after == "" || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return true
		}
		rest = after
	}
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

// set shows how far the stage is; total is -1 when it is not known. It may be called very often. A stage that has
// to do with a tape ends with the name of the tape as texts have it: what comes after a comma is what it is about.
func (p *progress) set(stage string, bytes, total int64) {
	if p.out == nil {
		return
	}
	now := time.Now().UnixNano()
	if v, ok := p.meters.Load(stage); ok {
		m := v.(*meter)
		m.now.Store(bytes)
		if now-m.last.Load() < int64(redraw) && bytes != total {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	m := p.meter(stage, total, now)
	m.last.Store(now)
	m.now.Store(bytes)
	if m.bar == nil && !p.show(m) {
		return
	}
	m.bar.SetCurrent(bytes)
}

// meter returns the meter of a stage, a new one when there is none.
func (p *progress) meter(stage string, total, now int64) *meter {
	if v, ok := p.meters.Load(stage); ok {
		return v.(*meter)
	}
	about := printable(stage)
	about = strings.TrimSpace(about[strings.LastIndex(about, ",")+1:])
	m := &meter{stage: stage, about: about, total: total}
	m.begun.Store(now)
	m.last.Store(now)
	p.meters.Store(stage, m)
	return m
}

// show adds the bar of a stage to the others, in the order of the stages. When the terminal has gone away it ends the display and returns false.
func (p *progress) show(m *meter) bool {
	p.endLine()
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.out), mpb.WithAutoRefresh(), mpb.WithWidth(min(widest, p.width())), mpb.WithRefreshRate(200*time.Millisecond))
	}
	var err error
	name, rate := decor.Name(printable(m.stage)+"  "), decor.Any(func(s decor.Statistics) string { return m.rate(s.Current) })
	if m.total < 0 {
		m.bar, err = p.pool.Add(0, mpb.NopStyle().Build(), mpb.PrependDecorators(name, decor.Any(amount)), mpb.AppendDecorators(rate))
	} else {
		m.bar, err = p.pool.Add(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build(),
			mpb.PrependDecorators(name, decor.Any(amount)),
			mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), rate, decor.Any(m.estimate)))
	}
	if err != nil {
		p.closed = true
		return false
	}
	if m.total >= 0 {
		m.bar.SetTotal(m.total, false) // not given to Add: the bar would go away by itself at the end
	}
	p.bars = append(p.bars, m)
	slices.SortFunc(p.bars, func(a, b *meter) int { // copy 2 before copy 10
		return cmp.Or(cmp.Compare(len(a.stage), len(b.stage)), cmp.Compare(a.stage, b.stage))
	})
	for i, m := range p.bars {
		m.bar.SetPriority(i)
	}
	return true
}

// amount is how much is done, of how much.
func amount(s decor.Statistics) string {
	if s.Total <= 0 {
		return sizeText(s.Current)
	}
	return sizeText(s.Current) + " / " + sizeText(s.Total)
}

// rate is the average rate of the stage.
func (m *meter) rate(bytes int64) string {
	elapsed := m.elapsed()
	if elapsed < time.Second/2 {
		return ""
	}
	return fmt.Sprintf("  %s/s", sizeText(int64(float64(bytes)/elapsed.Seconds())))
}

// estimate is the time that is left at that rate.
func (m *meter) estimate(s decor.Statistics) string {
	elapsed := m.elapsed()
	if s.Current <= 0 || s.Current >= s.Total || s.Completed || elapsed < time.Second {
		return ""
	}
	left := time.Duration(float64(elapsed) * float64(s.Total-s.Current) / float64(s.Current))
	return fmt.Sprintf("  %s left", left.Round(time.Second))
}

// elapsed is the time from the beginning of the stage to its last sign of life: what comes after the data is not counted.
func (m *meter) elapsed() time.Duration { return time.Duration(m.last.Load() - m.begun.Load()) }

// summary is the line that a bar leaves.
func (m *meter) summary() string {
	done := m.now.Load()
	line := printable(m.stage) + "  " + amount(decor.Statistics{Current: done, Total: m.total})
	if m.total > 0 {
		line += fmt.Sprintf("  %d %%", int64(float64(min(done, m.total))/float64(m.total)*100))
	}
	return line + m.rate(done)
}

// endBars removes the bars that match; each leaves a line above those that go on.
func (p *progress) endBars(match func(*meter) bool) {
	if p.pool == nil {
		return
	}
	var ended []*meter
	p.bars = slices.DeleteFunc(p.bars, func(m *meter) bool {
		if !match(m) {
			return false
		}
		m.bar.Abort(true)
		ended = append(ended, m)
		return true
	})
	var above io.Writer = p.pool
	if len(p.bars) == 0 {
		p.pool.Wait()
		p.pool, above = nil, p.out
	}
	for _, m := range ended {
		m.bar.Wait()
		m.bar = nil
		p.meters.Delete(m.stage)
		fmt.Fprintln(above, m.summary())
	}
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
	p.endBars(func(*meter) bool { return true })
	p.endLine()
}
