package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run tapectl as a process of its own: the test binary under another name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tapectl": main,
		"vtool":   vtool,
	})
}

// TestScripts runs testdata/script. Beside testscript's commands there are:
//
//	library NAME [FLAG...]   a virtual library in $WORK/NAME, added to the catalog under that name and inventoried
//	random FILE SIZE         a file of SIZE bytes that no two calls make alike
//	json N FIELD=PATTERN...  stdout of the last command is N lines of JSON objects ("+": one or more); some line has the
//	                         fields, whose text matches
//	exit CODE COMMAND...     the command ends with the exit code
//	[sg]                     true on hosts with SCSI generic devices
//	vtool OPERATION ...      what the hands of an operator do at a virtual library (see vtool)
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TAPECTL_CATALOG", filepath.Join(e.WorkDir, "catalog.db"))
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_DATA_HOME", "")
			e.Setenv("TMPDIR", e.Getenv("TMPDIR"))
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", raceAtOnce)
			return nil
		},
		Condition: func(condition string) (bool, error) {
			devices, err := filepath.Glob("/sys/class/scsi_generic/*")
			return len(devices) > 0, err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"library": scriptLibrary, "random": scriptRandom, "json": scriptJSON, "exit": scriptExit, "chmodx": scriptMode,
		},
	})
}

// raceAtOnce keeps processes with the race detector from sleeping a second when they end.
const raceAtOnce = "atexit_sleep_ms=0"

// scriptLibrary is the command library.
func scriptLibrary(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: library NAME [FLAG...]")
	}
	folder := ts.MkAbs(args[0])
	ts.Check(ts.Exec("tapectl", append([]string{"vlib", "create", folder, "--capacity", "1G"}, args[1:]...)...))
	ts.Check(ts.Exec("tapectl", "library", "add", args[0], "--changer", "vlib:"+folder))
	ts.Check(ts.Exec("tapectl", "inventory", args[0]))
}

// scriptRandom is the command random.
func scriptRandom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: random FILE SIZE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), randomBytes(n, args[0]), 0o644))
}

// scriptMode is the command chmodx: chmod with modes that testscript's chmod does not know from the host's umask.
func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: chmodx MODE FILE")
	}
	mode, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	ts.Check(os.Chmod(ts.MkAbs(args[1]), os.FileMode(mode)))
}

// scriptExit is the command exit.
func scriptExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		m := regexp.MustCompile(`exit status (\d+)`).FindStringSubmatch(err.Error())
		if m == nil {
			ts.Fatalf("%v", err)
		}
		got, err = strconv.Atoi(m[1])
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptJSON is the command json.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: json N [FIELD=PATTERN...]")
	}
	lines, err := objects(ts.ReadFile("stdout"))
	ts.Check(err)
	if want, err := strconv.Atoi(args[0]); args[0] == "+" && len(lines) == 0 || args[0] != "+" && (err != nil || len(lines) != want) {
		ts.Fatalf("%d lines of JSON, want %s", len(lines), args[0])
	}
	for _, l := range lines {
		if fits(ts, l, args[1:]) {
			if neg {
				ts.Fatalf("a line has %v", args[1:])
			}
			return
		}
	}
	if !neg && len(args) > 1 {
		ts.Fatalf("no line has %v", args[1:])
	}
}

// objects parses one JSON object a line.
func objects(text string) ([]map[string]any, error) {
	var all []map[string]any
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var o map[string]any
		dec := json.NewDecoder(bytes.NewReader(s.Bytes()))
		dec.UseNumber()
		if err := dec.Decode(&o); err != nil {
			return nil, fmt.Errorf("line %q is no JSON object: %w", s.Text(), err)
		}
		if dec.More() {
			return nil, fmt.Errorf("line %q is more than one value", s.Text())
		}
		all = append(all, o)
	}
	return all, s.Err()
}

// fits reports whether the fields of an object match. A nested field is a.b, an element of a list a.0.
func fits(ts *testscript.TestScript, o map[string]any, fields []string) bool {
	for _, f := range fields {
		name, pattern, ok := strings.Cut(f, "=")
		if !ok {
			ts.Fatalf("%q is not FIELD=PATTERN", f)
		}
		v, ok := field(o, name)
		if !ok {
			return false
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		ts.Check(err)
		if !re.MatchString(fmt.Sprint(v)) {
			return false
		}
	}
	return true
}

func field(v any, name string) (any, bool) {
	for _, part := range strings.Split(name, ".") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// randomBytes are n bytes that depend on the seed.
func randomBytes(n int, seed string) []byte {
	var key [32]byte
	copy(key[:], seed+time.Now().Format(time.RFC3339Nano))
	data := make([]byte, n)
	_, _ = newRandom(key).Read(data) // never fails
	return data
}
