package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
)

// event is one line of go test -json (go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	FailedBuild string
}

// Reader turns the events of go test -json into results and shows what a person wants to see of them: the line of each
// package, everything that a failed test said, and the reason of each skip.
type Reader struct {
	out     io.Writer
	running map[key]*strings.Builder
	results map[key]Test
}

type key struct{ pkg, test string }

// NewReader makes a Reader that shows its extract on out.
func NewReader(out io.Writer) *Reader {
	return &Reader{out: out, running: map[key]*strings.Builder{}, results: map[key]Test{}}
}

// ReadAll reads events until the end of in. Lines that are no events are shown as they are.
func (r *Reader) ReadAll(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				r.event(e)
			} else {
				fmt.Fprint(r.out, line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of the tests: %w", err)
		}
	}
}

func (r *Reader) event(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "run":
		r.running[k] = &strings.Builder{}
	case "output":
		r.output(k, e.Output)
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(k, e.Action)
		}
	}
}

// noise is what the testing package prints around the output of a test.
var noise = regexp.MustCompile(`^\s*(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|FAIL|SKIP|BENCH):)`)

func (r *Reader) output(k key, text string) {
	if k.test == "" {
		if text != "PASS\n" && text != "FAIL\n" {
			fmt.Fprint(r.out, text)
		}
		return
	}
	if b := r.running[k]; b != nil && !noise.MatchString(text) {
		b.WriteString(text)
	}
}

func (r *Reader) endTest(k key, action string) {
	said := ""
	if b := r.running[k]; b != nil {
		said = b.String()
	}
	delete(r.running, k)
	t := Test{Package: k.pkg, Name: k.test, Result: action}
	switch action {
	case Failed:
		fmt.Fprintf(r.out, "--- FAIL: %s %s\n%s", k.pkg, k.test, said)
	case Skipped:
		t.Reason = reason(said)
		fmt.Fprintf(r.out, "--- SKIP: %s %s: %s\n", k.pkg, k.test, t.Reason)
	}
	r.results[k] = t
}

// endPackage closes a package. Tests that were still running in a package that failed did not finish: a panic, a timeout
// or a crash.
func (r *Reader) endPackage(e event) {
	failed := false
	for k, said := range r.running {
		if k.pkg == e.Package {
			fmt.Fprintf(r.out, "--- FAIL: %s %s (did not finish)\n%s", k.pkg, k.test, said)
			r.results[k] = Test{Package: k.pkg, Name: k.test, Result: Failed, Reason: "did not finish"}
			delete(r.running, k)
		}
	}
	for k, t := range r.results {
		failed = failed || k.pkg == e.Package && t.Result == Failed
	}
	if e.Action == Failed && !failed {
		why := "the package failed outside its tests"
		if e.FailedBuild != "" {
			why = "does not compile"
		}
		r.results[key{e.Package, ""}] = Test{Package: e.Package, Result: Failed, Reason: why}
	}
}

// Tests returns the results of all tests that have no subtests, sorted by package and name, and of a test with subtests
// when it failed while they passed.
func (r *Reader) Tests() []Test {
	parents := map[key]string{}
	for k, t := range r.results {
		for i, c := range k.test {
			if c == '/' {
				parent := key{k.pkg, k.test[:i]}
				if parents[parent] != Failed {
					parents[parent] = t.Result
				}
			}
		}
	}
	var tests []Test
	for k, t := range r.results {
		below, isParent := parents[k]
		if !isParent || t.Result == Failed && below != Failed {
			tests = append(tests, t)
		}
	}
	for k := range r.running { // the stream ended in the middle of a test
		tests = append(tests, Test{Package: k.pkg, Name: k.test, Result: Failed, Reason: "did not finish"})
	}
	sort.Slice(tests, func(i, j int) bool {
		a, b := tests[i], tests[j]
		return a.Package < b.Package || a.Package == b.Package && a.Name < b.Name
	})
	return tests
}

var position = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)

// reason is what a skipped test said, without the place where it said it.
func reason(said string) string {
	var words []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(position.ReplaceAllString(line, "")); line != "" {
			words = append(words, line)
		}
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}
