package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
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

// standing is what stands on the terminal, with the cursor moved as the escape sequences say.
func (s *screen) standing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []string{""}
	text := s.b.String()
	for text != "" {
		var n int
		switch at := escapes.FindStringIndex(text); {
		case at != nil && at[0] == 0:
			if seq := text[2:at[1]]; strings.HasSuffix(seq, "A") {
				up, _ := strconv.Atoi(strings.TrimSuffix(seq, "A"))
				lines = append(lines[:len(lines)-1-up], "") // the erasing of what is below follows
			} else if seq == "K" {
				lines[len(lines)-1] = ""
			}
			text = text[at[1]:]
			continue
		case text[0] == '\n':
			lines, n = append(lines, ""), 1
		case text[0] == '\r':
			n = 1
		default:
			_, n = utf8.DecodeRuneInString(text)
			lines[len(lines)-1] += text[:n]
		}
		text = text[n:]
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
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

// Texts about one thing replace each other, others follow below; what the bar came to stands between what came before and after.
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
	for _, want := range []string{"moving tape A into drive 1\n", "loading tape A: 80 %\n", "tape A  1.0 kB / 1.0 kB  100 %\n", "unloading tape A?[31m\n"} {
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
	p.meter("standard input", -1, 0).begun.Store(time.Now().Add(-2 * time.Second).UnixNano())
	time.Sleep(redraw)
	p.set("standard input", 5_000_000, -1)
	p.set("standard input", 6_000_000, -1) // too soon to be shown, but the last
	p.done()
	text := strings.Join(s.lines(), "\n")
	if !strings.Contains(text, "6.0 MB") || !strings.Contains(text, "MB/s") || strings.Contains(text, "%") {
		t.Errorf("%s", text)
	}
}

// Two copies written at the same time have a bar each, which leaves one line when the tape of the copy is unloaded.
func TestProgressOfTwoCopies(t *testing.T) {
	_, p, s := newTestProgress(80)
	p.wait("loading tape B in drive 2: ready")
	const total = 1000
	var wait sync.WaitGroup
	for _, tape := range []string{"A", "B"} {
		wait.Go(func() {
			for n := int64(0); n <= total; n++ {
				p.set("copy of 2, tape "+tape, n, total)
				if n%100 == 0 {
					time.Sleep(redraw / 2)
				}
			}
		})
	}
	wait.Wait()
	p.mu.Lock()
	if len(p.bars) != 2 || len(s.lines()) < 3 {
		t.Errorf("%d bars are live: %q", len(p.bars), s.lines())
	}
	p.mu.Unlock()
	p.wait("unloading tape A from drive 1")
	p.wait("library L: not ready")
	p.wait("library L: ready")
	p.set("copy of 2, tape B", total, total)
	p.wait("unloading tape B from drive 2")
	p.done()
	lines := s.standing()
	want := []string{
		"loading tape B in drive 2: ready",
		"copy of 2, tape A  1.0 kB / 1.0 kB  100 %",
		"unloading tape A from drive 1",
		"library L: not ready",
		"copy of 2, tape B  1.0 kB / 1.0 kB  100 %",
		"unloading tape B from drive 2",
		"",
	}
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], " %  ") // the rate
		lines[i] = strings.TrimSuffix(lines[i], " %") + map[bool]string{true: " %"}[strings.Contains(lines[i], " kB")]
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// A line for the operator stands above the bars, which go on, and is neither replaced nor left out.
func TestNoticeAboveTheBars(t *testing.T) {
	a, p, s := newTestProgress(80)
	p.set("tape A", 100, 1000)
	a.notice("tapectl: stopping")
	a.notice("tapectl: killed")
	p.mu.Lock()
	if len(p.bars) != 1 {
		t.Errorf("%d bars", len(p.bars))
	}
	p.mu.Unlock()
	p.done()
	if diff := cmp.Diff([]string{"tapectl: stopping", "tapectl: killed", "tape A  100 B / 1.0 kB  10 %", ""}, s.standing()); diff != "" {
		t.Error(diff)
	}
}

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text, about string
		want        bool
	}{
		{"unloading tape DPM1 from drive 1", "tape DPM1", true},
		{"unloading tape DPM12 from drive 1", "tape DPM1", false},
		{"tape DPM12, then tape DPM1", "tape DPM1", true},
		{"loading tape DPM1: 10 %", "tape DPM1", true},
		{"unloading tape DPM1", "tape DPM1", true},
		{"unloading the tape without a barcode", "tape", true},
		{"library main: not ready", "tape", false},
		{"anything", "", true},
	} {
		if got := mentions(c.text, c.about); got != c.want {
			t.Errorf("%q mentions %q: %v", c.text, c.about, got)
		}
	}
}

// gone is a terminal that has gone away.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, syscall.EIO }

// A terminal that goes away ends the display and nothing else.
func TestProgressWithoutItsTerminal(t *testing.T) {
	p := &progress{out: gone{}, width: func() int { return 80 }}
	for n := range int64(10) {
		p.set("tape A", n, 100)
		p.set("tape B", n, 100)
		time.Sleep(redraw)
		p.set("tape "+string(rune('C'+n)), n, 100)
		p.wait("unloading tape A")
	}
	p.done()
}

// The bars stand in the order of the copies, whichever came first.
func TestProgressOrdersTheBars(t *testing.T) {
	_, p, s := newTestProgress(80)
	for _, stage := range []string{"copy 10 of 12, tape J", "copy 2 of 12, tape B", "copy 1 of 12, tape A"} {
		p.set(stage, 1, 10)
	}
	p.done()
	var got []string
	for _, l := range s.standing() {
		if about, _, found := strings.Cut(l, ","); found {
			got = append(got, about)
		}
	}
	if diff := cmp.Diff([]string{"copy 1 of 12", "copy 2 of 12", "copy 10 of 12"}, got); diff != "" {
		t.Error(diff)
	}
}
