package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const events = `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"a","Test":"TestGood","Elapsed":0}
{"Action":"run","Package":"a","Test":"TestTable"}
{"Action":"run","Package":"a","Test":"TestTable/one"}
{"Action":"run","Package":"a","Test":"TestTable/two"}
{"Action":"output","Package":"a","Test":"TestTable/two","Output":"    a_test.go:9: got 1, want 2\n"}
{"Action":"pass","Package":"a","Test":"TestTable/one","Elapsed":0}
{"Action":"fail","Package":"a","Test":"TestTable/two","Elapsed":0}
{"Action":"fail","Package":"a","Test":"TestTable","Elapsed":0}
{"Action":"run","Package":"a","Test":"TestLab"}
{"Action":"output","Package":"a","Test":"TestLab","Output":"=== RUN   TestLab\n"}
{"Action":"output","Package":"a","Test":"TestLab","Output":"    a_test.go:20: no laboratory\n"}
{"Action":"output","Package":"a","Test":"TestLab","Output":"--- SKIP: TestLab (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestLab","Elapsed":0}
{"Action":"output","Package":"a","Output":"FAIL\n"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a","Elapsed":0.1}
{"ImportPath":"b [b.test]","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"b [b.test]","Action":"build-fail"}
{"Action":"fail","Package":"b","Elapsed":0,"FailedBuild":"b [b.test]"}
{"Action":"run","Package":"c","Test":"TestHangs"}
{"Action":"output","Package":"c","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"c","Elapsed":9}
a line that is no event
`

func TestReaderCountsLeavesAndKeepsReasons(t *testing.T) {
	var shown strings.Builder
	r := NewReader(&shown)
	if err := r.ReadAll(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	want := []Test{
		{Package: "a", Name: "TestGood", Result: Passed},
		{Package: "a", Name: "TestLab", Result: Skipped, Reason: "no laboratory"},
		{Package: "a", Name: "TestTable/one", Result: Passed},
		{Package: "a", Name: "TestTable/two", Result: Failed},
		{Package: "b", Result: Failed, Reason: "does not compile"},
		{Package: "c", Name: "TestHangs", Result: Failed, Reason: "did not finish"},
	}
	if diff := cmp.Diff(want, r.Tests()); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	for _, text := range []string{"got 1, want 2", "syntax error", "panic: test timed out", "FAIL\ta\t0.1s",
		"SKIP: a TestLab: no laboratory", "a line that is no event"} {
		if !strings.Contains(shown.String(), text) {
			t.Errorf("what was shown lacks %q:\n%s", text, shown.String())
		}
	}
	if strings.Contains(shown.String(), "chatter") {
		t.Error("the output of a passed test was shown")
	}
}

func TestReaderTakesTestsThatNeverEndedAsFailed(t *testing.T) {
	r := NewReader(&strings.Builder{})
	if err := r.ReadAll(strings.NewReader(`{"Action":"run","Package":"a","Test":"TestCut"}`)); err != nil {
		t.Fatal(err)
	}
	want := []Test{{Package: "a", Name: "TestCut", Result: Failed, Reason: "did not finish"}}
	if diff := cmp.Diff(want, r.Tests()); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
}

func TestReaderReportsParentThatFailedByItself(t *testing.T) {
	r := NewReader(&strings.Builder{})
	for _, e := range []event{
		{Action: "run", Package: "a", Test: "T"}, {Action: "run", Package: "a", Test: "T/x"},
		{Action: "pass", Package: "a", Test: "T/x"}, {Action: "fail", Package: "a", Test: "T"},
	} {
		r.event(e)
	}
	want := []Test{{Package: "a", Name: "T", Result: Failed}, {Package: "a", Name: "T/x", Result: Passed}}
	if diff := cmp.Diff(want, r.Tests()); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
}

func TestRunTestsFailsWhenCommandFailsSilently(t *testing.T) {
	for _, script := range []string{"exit 3", "true"} { // no test ran: neither status is a success
		tests, err := runTests(exec.Command("sh", "-c", script))
		if err == nil || len(tests) != 1 || tests[0].Result != Failed {
			t.Errorf("%s: tests %v, error %v; want one failure", script, tests, err)
		}
	}
}

func TestSummary(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "rings")
	for _, o := range []Outcome{
		{Ring: "unit", Seconds: 2, Tests: []Test{
			{Package: "a", Name: "T", Result: Passed},
			{Package: "a", Name: "Lab", Result: Skipped, Reason: "no laboratory"},
			{Package: "a", Name: "Sample", Result: Skipped, Reason: "no samples"}}},
		{Ring: "iscsi", Seconds: 1, Tests: []Test{{Package: "a", Name: "Lab", Result: Passed}}},
		{Ring: "iscsi", Seconds: 1, Tests: []Test{{Package: "a", Name: "Sample", Result: Skipped, Reason: "no samples"}}},
	} {
		if err := o.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	outcomes, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := Summarize(outcomes, []string{"unit", "iscsi"})
	var text strings.Builder
	s.Print(&text)
	want := `
=== summary
unit            2 s   1 passed, 0 failed, 2 skipped
iscsi           2 s   1 passed, 0 failed, 1 skipped
together        4 s   2 passed, 0 failed, 3 skipped
1 of the skipped ones passed in another ring
skipped, no samples (1):
    a Sample
all passed
`
	if diff := cmp.Diff(want, text.String()); diff != "" || !s.OK() {
		t.Errorf("OK %v, summary (-want +got):\n%s", s.OK(), diff)
	}
}

func TestSummaryFails(t *testing.T) {
	failed := []Outcome{{Ring: "unit", Tests: []Test{{Package: "a", Name: "T", Result: Failed, Reason: "did not finish"}}}}
	passed := []Outcome{{Ring: "unit", Tests: []Test{{Package: "a", Name: "T", Result: Passed}}}}
	for _, c := range []struct {
		name     string
		outcomes []Outcome
		require  []string
		shows    string
	}{
		{"a test failed", failed, nil, "FAILED unit: a T (did not finish)"},
		{"a ring did not run", passed, []string{"unit", "kernel"}, "kernel     did not run"},
		{"nothing ran", nil, nil, "together"},
	} {
		s := Summarize(c.outcomes, c.require)
		var text strings.Builder
		s.Print(&text)
		if s.OK() || !strings.Contains(text.String(), c.shows) || strings.Contains(text.String(), "all passed") {
			t.Errorf("%s: OK %v, summary:\n%s", c.name, s.OK(), text.String())
		}
	}
}
