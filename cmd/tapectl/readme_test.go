package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example is a command of the README with the output that is shown for it.
type example struct {
	command string
	output  []string
}

// readmeExamples are the consoles of the README.
func readmeExamples(t *testing.T) []example {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []example
	inside := false
	for s := bufio.NewScanner(f); s.Scan(); {
		switch line := s.Text(); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && strings.HasPrefix(line, "$ "):
			all = append(all, example{command: line[2:]})
		case inside:
			last := &all[len(all)-1]
			last.output = append(last.output, line)
		}
	}
	return all
}

// changing is what differs from run to run: times, identifiers, serial numbers, versions.
var changing = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d|\{[0-9a-f-]{36}\}|\bV[0-9A-F]{7}\b|\bV[0-9A-F]{4}000\dD\b|\b[0-9a-f]{8}\b`)

// plain takes out what differs, and the widths of columns.
func plain(line string) string {
	return strings.Join(strings.Fields(changing.ReplaceAllString(line, "X")), " ")
}

// Every command of the README works, in the order in which it stands there, and prints what is shown.
func TestReadme(t *testing.T) {
	examples := readmeExamples(t)
	if len(examples) < 10 {
		t.Fatalf("only %d commands in the README", len(examples))
	}
	s := &station{t: t, folder: t.TempDir()}
	s.random("DPMDB.bak", 33_554_432)
	t.Setenv("COLUMNS", "80")
	for _, e := range examples {
		words := strings.Fields(strings.ReplaceAll(e.command, "/srv", s.folder))
		if words[0] != "tapectl" {
			t.Fatalf("%q is no command of tapectl", e.command)
		}
		got := strings.ReplaceAll(s.run(words[1:]...), s.folder, "/srv")
		if !shows(strings.Split(strings.TrimRight(got, "\n"), "\n"), e.output) {
			t.Errorf("%s prints\n%s\nand the README shows\n%s", e.command, got, strings.Join(e.output, "\n"))
		}
	}
}

// shows reports whether the lines shown are those of the output; "..." stands for any number of lines, or the rest of one.
func shows(output, shown []string) bool {
	switch {
	case len(shown) == 0:
		return len(output) == 0
	case shown[0] == "...":
		return shows(output, shown[1:]) || len(output) > 0 && shows(output[1:], shown)
	case len(output) == 0:
		return false
	}
	want, got := plain(shown[0]), plain(output[0])
	if begin, cut := strings.CutSuffix(want, "..."); cut {
		return strings.HasPrefix(got, begin) && shows(output[1:], shown[1:])
	}
	return got == want && shows(output[1:], shown[1:])
}

// The README knows every exit code and every command group that it should.
func TestReadmeExitCodes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"0", "1", "2", "3", "10", "11", "12", "13", "14", "130"} {
		if !strings.Contains(string(text), "| "+code+" | ") {
			t.Errorf("exit code %s is missing", code)
		}
	}
}
