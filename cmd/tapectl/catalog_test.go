package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// printRows sends rows through a rowPrinter.
func printRows(t *testing.T, asJSON bool, columns []string, rows ...[]any) string {
	t.Helper()
	var b bytes.Buffer
	p := &rowPrinter{json: asJSON, out: &b}
	if err := p.header(columns); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := p.row(r); err != nil {
			t.Fatal(err)
		}
	}
	p.end()
	return b.String()
}

func TestRowPrinterText(t *testing.T) {
	got := printRows(t, false, []string{"Label", "odd\x1b[0m"}, []any{"A", int64(7)}, []any{nil, []byte{0xAB, 0x01}}, []any{"iscsi://u%p@h/t/1", 1.5})
	want := "Label              odd?[0m\nA                  7\nNULL               ab01\niscsi://u@h/t/1    1.5\n"
	// The widths are those of the widest cell; compare the cells.
	if d := cmp.Diff(words(want), words(got)); d != "" {
		t.Error(d)
	}
}

// words is a text as the words of its lines.
func words(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

// Columns keep their order in JSON, and two of one name are both there.
func TestRowPrinterJSON(t *testing.T) {
	got := printRows(t, true, []string{"b", "a", "a"}, []any{"x\x7f", nil, int64(1)}, []any{"iscsi://u:p@h/t/1", true, 2.5})
	want := `{"b":"x\u007f","a":null,"a":1}` + "\n" + `{"b":"iscsi://u@h/t/1","a":true,"a":2.5}` + "\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for line := range strings.Lines(got) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q is no JSON", line)
		}
	}
	if got := printRows(t, true, []string{"a"}); got != "" {
		t.Errorf("no rows: %q", got)
	}
}

// Many rows do not wait in memory for the last one.
func TestRowPrinterFlushes(t *testing.T) {
	var b bytes.Buffer
	p := &rowPrinter{out: &b}
	if err := p.header([]string{"n"}); err != nil {
		t.Fatal(err)
	}
	for i := range tableRows {
		if err := p.row([]any{int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(b.String(), "\n"); n != tableRows+1 {
		t.Errorf("%d lines are out after %d rows", n, tableRows)
	}
}

func TestCheckBackup(t *testing.T) {
	for _, test := range []struct {
		copies, blockSize int
		ok                bool
	}{
		{1, 0, true}, {16, 0, true}, {2, 65536, true}, {1, 1 << 20, true}, {0, 0, false}, {-1, 0, false}, {17, 0, false},
		{1, 1, false}, {1, -65536, false}, {1, 65537, false}, {1, 1<<20 + 1024, false},
	} {
		if err := checkBackup(test.copies, test.blockSize); (err == nil) != test.ok {
			t.Errorf("%d copies, blocks of %d: %v", test.copies, test.blockSize, err)
		}
	}
}

// Each view of the same moment says the same: texts are local, JSON is UTC.
func TestTimesInJSON(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 6, 7, 0, time.FixedZone("X", 3600))
	var b bytes.Buffer
	if err := writeJSON(&b, pointJSON{Created: at.UTC()}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); !strings.Contains(s, `"created":"2026-11-23T04:06:07Z"`) || strings.Contains(s, "expires") {
		t.Error(s)
	}
	if got, want := dateText(at), at.Local().Format("2006-01-02 15:04"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPrintDrive(t *testing.T) {
	for _, test := range []struct {
		status driveStatusJSON
		want   string
	}{
		{driveStatusJSON{}, "none"},
		{driveStatusJSON{Loaded: true}, "loaded, not ready"},
		{driveStatusJSON{Loaded: true, Ready: true}, "ready"},
		{driveStatusJSON{Loaded: true, Ready: true, Density: "LTO-9", WriteProtected: true}, "ready, LTO-9, write protected"},
	} {
		var b bytes.Buffer
		test.status.TapeAlerts = []string{"14h Clean now (critical)\x1b"}
		printDrive(&b, test.status)
		if !strings.Contains(b.String(), fmt.Sprintf("%-14s %s\n", "Medium", test.want)) {
			t.Errorf("%+v:\n%s", test.status, b.String())
		}
		if !strings.Contains(b.String(), fmt.Sprintf("%-14s %s\n", "TapeAlert", "14h Clean now (critical)?")) {
			t.Errorf("no TapeAlert in\n%s", b.String())
		}
	}
}
