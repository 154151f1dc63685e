package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// The results of a test, in the words of go test -json.
const (
	Passed  = "pass"
	Failed  = "fail"
	Skipped = "skip"
)

// Test is the outcome of one test, or of one check that is not a Go test (Package empty).
type Test struct {
	Package string `json:"package,omitempty"`
	Name    string `json:"name"`
	Result  string `json:"result"`
	Reason  string `json:"reason,omitempty"`
}

// String names the test.
func (t Test) String() string { return strings.TrimSpace(t.Package + " " + t.Name) }

// Outcome is what one command of a ring brought.
type Outcome struct {
	Ring    string  `json:"ring"`
	Seconds float64 `json:"seconds"`
	Tests   []Test  `json:"tests"`
}

// Save appends the outcome to the file of its ring in folder, which it makes if needed.
func (o Outcome) Save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(folder, o.Ring+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		_ = f.Close() // the write error is the one that counts
		return err
	}
	return f.Close()
}

// Load reads all outcomes of a folder. A folder that does not exist holds none.
func Load(folder string) ([]Outcome, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			var o Outcome
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, nil
}

// Summary is the outcome of several rings.
type Summary struct {
	rings   []string            // in the order required, then by name
	missing []string            // required, but did not run
	seconds map[string]float64  // by ring
	tests   map[string][]Test   // by ring
	failed  []string            // "ring: test (reason)"
	skipped map[string][]string // tests by reason
	covered int                 // skipped in one ring, passed in another
}

// Summarize puts outcomes together. A test that was skipped in one ring and passed in another counts as passed only.
func Summarize(outcomes []Outcome, require []string) Summary {
	s := Summary{seconds: map[string]float64{}, tests: map[string][]Test{}, skipped: map[string][]string{}}
	passed := map[string]bool{}
	for _, o := range outcomes {
		s.seconds[o.Ring] += o.Seconds
		s.tests[o.Ring] = append(s.tests[o.Ring], o.Tests...)
		for _, t := range o.Tests {
			passed[t.String()] = passed[t.String()] || t.Result == Passed
		}
	}
	s.order(require)
	for _, ring := range s.rings {
		for _, t := range s.tests[ring] {
			switch {
			case t.Result == Failed:
				s.failed = append(s.failed, strings.TrimSuffix(fmt.Sprintf("%s: %s (%s)", ring, t, t.Reason), " ()"))
			case t.Result == Skipped && passed[t.String()]:
				s.covered++
			case t.Result == Skipped && !slices.Contains(s.skipped[t.Reason], t.String()):
				s.skipped[t.Reason] = append(s.skipped[t.Reason], t.String())
			}
		}
	}
	return s
}

// order sets the order of the rings and finds those that did not run.
func (s *Summary) order(require []string) {
	for _, ring := range require {
		if _, ran := s.seconds[ring]; ran {
			s.rings = append(s.rings, ring)
		} else {
			s.missing = append(s.missing, ring)
		}
	}
	var others []string
	for ring := range s.seconds {
		if !slices.Contains(require, ring) {
			others = append(others, ring)
		}
	}
	sort.Strings(others)
	s.rings = append(s.rings, others...)
}

// OK reports whether nothing failed and every required ring ran.
func (s Summary) OK() bool { return len(s.failed) == 0 && len(s.missing) == 0 && len(s.rings) > 0 }

// Print writes the summary as text.
func (s Summary) Print(w io.Writer) {
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }() // a summary that cannot be shown changes no result
	fmt.Fprintln(out, "\n=== summary")
	total, seconds := []Test(nil), 0.0
	for _, ring := range s.rings {
		total = append(total, s.tests[ring]...)
		seconds += s.seconds[ring]
		fmt.Fprintf(out, "%-10s %6.0f s   %s\n", ring, s.seconds[ring], count(s.tests[ring]))
	}
	for _, ring := range s.missing {
		fmt.Fprintf(out, "%-10s did not run\n", ring)
	}
	fmt.Fprintf(out, "%-10s %6.0f s   %s\n", "together", seconds, count(total))
	if s.covered > 0 {
		fmt.Fprintf(out, "%d of the skipped ones passed in another ring\n", s.covered)
	}
	s.printSkipped(out)
	for _, t := range s.failed {
		fmt.Fprintln(out, "FAILED", t)
	}
	if s.OK() {
		fmt.Fprintln(out, "all passed")
	}
}

// printSkipped lists the skipped tests by reason, the most frequent first.
func (s Summary) printSkipped(out io.Writer) {
	reasons := make([]string, 0, len(s.skipped))
	for reason := range s.skipped {
		reasons = append(reasons, reason)
	}
	sort.Slice(reasons, func(i, j int) bool {
		a, b := len(s.skipped[reasons[i]]), len(s.skipped[reasons[j]])
		return a > b || a == b && reasons[i] < reasons[j]
	})
	for _, reason := range reasons {
		tests := s.skipped[reason]
		fmt.Fprintf(out, "skipped, %s (%d):\n", reason, len(tests))
		for _, t := range tests {
			fmt.Fprintln(out, "   ", t)
		}
	}
}

// count is the line "12 passed, 0 failed, 3 skipped".
func count(tests []Test) string {
	n := map[string]int{}
	for _, t := range tests {
		n[t.Result]++
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", n[Passed], n[Failed], n[Skipped])
}
