package main

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is a terminal that keeps what is written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// lines is what stands on the terminal: a carriage return writes a line anew.
func (s *screen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, l := range strings.Split(s.b.String(), "\n") {
		l = escapes.ReplaceAllString(l, "")
		lines = append(lines, strings.TrimRight(l[strings.LastIndex(l, "\r")+1:], " "))
	}
	return lines
}

func newTestProgress(width int) (*app, *progress, *screen) {
	s := new(screen)
	a := newApp(strings.NewReader(""), new(bytes.Buffer), s)
	p := &progress{out: s, width: func() int { return width }}
	a.shown.Store(p)
	return a, p, s
}

// Texts about one thing replace each other, others follow below; the bar stands between what came before and after.
func TestProgressKeepsTheOrder(t *testing.T) {
	_, p, s := newTestProgress(100)
	p.wait("moving tape A into drive 1")
	p.wait("loading tape A: 10 %")
	p.wait("loading tape A: 80 %")
	for n := int64(0); n <= 1000; n += 100 {
		p.set("tape A", n, 1000)
	}
	p.wait("unloading tape A\x1b[31m")
	p.done()
	text := strings.Join(s.lines(), "\n")
	var at []int
	for _, want := range []string{"moving tape A into drive 1\n", "loading tape A: 80 %\n", "tape A  1.0 kB / 1.0 kB [===", "100 %", "unloading tape A?[31m\n"} {
		i := strings.LastIndex(text, want)
		if i < 0 || len(at) > 0 && i < at[len(at)-1] {
			t.Fatalf("%q is not where it belongs in:\n%s", want, text)
		}
		at = append(at, i)
	}
	if strings.Contains(text, "loading tape A: 10 %\n") {
		t.Errorf("a line was not replaced:\n%s", text)
	}
}

// A line that does not fit is cut while it is live, and whole in the end.
func TestProgressOnNarrowTerminal(t *testing.T) {
	_, p, s := newTestProgress(20)
	p.wait("moving tape DPM001L6 from slot 1 into drive 1")
	if l := s.lines(); len(l) != 1 || l[0] != "moving tape DPM001L" {
		t.Errorf("%q", l)
	}
	p.done()
	if l := s.lines(); l[0] != "moving tape DPM001L6 from slot 1 into drive 1" {
		t.Errorf("%q", l)
	}
}

// Output of the command begins on a line of its own; the display goes on below.
func TestProgressSettles(t *testing.T) {
	a, p, s := newTestProgress(80)
	p.wait("reading")
	a.settle()
	a.settle()
	p.wait("reading on")
	a.notice("stopping")
	p.done()
	p.wait("too late")
	p.set("too late", 1, 2)
	if got := strings.Join(s.lines(), "|"); got != "reading|reading on|stopping|" {
		t.Errorf("%q", got)
	}
	a.notice("after the end")
	if got := strings.Join(s.lines(), "|"); got != "reading|reading on|stopping|after the end|" {
		t.Errorf("%q", got)
	}
}

// Without a terminal nothing is shown.
func TestProgressElsewhere(t *testing.T) {
	var errs bytes.Buffer
	a := newApp(strings.NewReader(""), new(bytes.Buffer), &errs)
	p := a.newProgress()
	p.wait("moving")
	p.set("tape A", 1, 2)
	a.settle()
	p.done()
	if errs.Len() > 0 {
		t.Errorf("%q", errs.String())
	}
}

// A source of unknown length has a count and a rate, and no end.
func TestProgressOfUnknownLength(t *testing.T) {
	_, p, s := newTestProgress(80)
	p.set("standard input", 0, -1)
	p.begun.Store(time.Now().Add(-2 * time.Second).UnixNano())
	time.Sleep(redraw)
	p.set("standard input", 5_000_000, -1)
	p.set("standard input", 6_000_000, -1) // too soon to be shown, but the last
	p.done()
	text := strings.Join(s.lines(), "\n")
	if !strings.Contains(text, "6.0 MB") || !strings.Contains(text, "MB/s") || strings.Contains(text, "%") {
		t.Errorf("%s", text)
	}
}
