package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tapectl/internal/vlib"
)

// station is an operator's place: a catalog, a virtual library, and tapectl as a process.
type station struct {
	t      *testing.T
	folder string
	signal syscall.Signal // that interrupt sends; 0 is SIGINT
}

// newStation makes a library of four blank tapes of 1 GB and one drive.
func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{t: t, folder: t.TempDir()}
	s.run("vlib", "create", s.path("lib"), "--slots", "6", "--drives", "1", "--tapes", "4", "--capacity", "1G")
	s.run("library", "add", "main", "--changer", "vlib:"+s.path("lib"))
	return s
}

func (s *station) path(name string) string { return filepath.Join(s.folder, name) }

// command is tapectl with arguments: the binary that testscript has put into the path.
func (s *station) command(args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	c = exec.Command("tapectl", args...)
	c.Dir = s.folder
	c.Env = append(os.Environ(), "TAPECTL_CATALOG="+s.path("catalog.db"), "HOME="+s.folder, "XDG_DATA_HOME=", "GORACE="+raceAtOnce)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	c.Stdout, c.Stderr = stdout, stderr
	return c, stdout, stderr
}

// run carries out a command that must succeed, and returns what it prints.
func (s *station) run(args ...string) string {
	s.t.Helper()
	c, stdout, stderr := s.command(args...)
	if err := c.Run(); err != nil {
		s.t.Fatalf("tapectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout.String()
}

// slow sets the timing of the library.
func (s *station) slow(timing vlib.Timing) {
	s.t.Helper()
	l, err := vlib.Open(s.path("lib"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	if err := l.SetTiming(timing); err != nil {
		s.t.Fatal(err)
	}
}

// interrupt starts a command, waits until when says so, and sends SIGINT. The command must end with exit code 130 within half a
// minute.
func (s *station) interrupt(when func() bool, args ...string) (stdout, stderr string) {
	s.t.Helper()
	c, out, errs := s.command(args...)
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	deadline := time.After(30 * time.Second)
	for !when() {
		select {
		case err := <-done:
			s.t.Fatalf("tapectl %v ended before it was interrupted: %v\n%s%s", args, err, out, errs)
		case <-deadline:
			_ = c.Process.Kill()
			s.t.Fatalf("tapectl %v: what was waited for did not happen", args)
		case <-time.After(20 * time.Millisecond):
		}
	}
	signal := syscall.SIGINT
	if s.signal != 0 {
		signal = s.signal
	}
	if err := c.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-done:
	case <-deadline:
		_ = c.Process.Kill()
		s.t.Fatalf("tapectl %v did not end after SIGINT", args)
	}
	if code := c.ProcessState.ExitCode(); code != exitCancelled {
		s.t.Errorf("tapectl %v: exit code %d, want %d\n%s%s", args, code, exitCancelled, out, errs)
	}
	if !strings.Contains(errs.String(), "tapectl: stopping: ") {
		s.t.Errorf("tapectl %v does not say that it stops: %q", args, errs)
	}
	return out.String(), errs.String()
}

// elements maps the places of the tapes: "DPM001L6" to "slot 1".
func (s *station) elements() map[string]string {
	s.t.Helper()
	places := map[string]string{}
	for line := range strings.Lines(s.run("library", "status", "main", "--json")) {
		var e elementJSON
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		if e.Full {
			places[e.Barcode] = fmt.Sprintf("%s %d", e.Type, e.Number)
		}
	}
	return places
}

// inOrder makes sure that every tape is in its slot and the catalog whole.
func (s *station) inOrder() {
	s.t.Helper()
	places := s.elements()
	for n := 1; n <= 4; n++ {
		if tape, want := fmt.Sprintf("DPM%03dL6", n), fmt.Sprintf("slot %d", n); places[tape] != want {
			s.t.Errorf("tape %s is in %q, not in %s", tape, places[tape], want)
		}
	}
	s.run("catalog", "check")
}

// inDrive says whether a tape is in the drive, by the folder of the virtual library and not through tapectl.
func (s *station) inDrive() bool {
	l, err := vlib.Open(s.path("lib"))
	if err != nil {
		return false
	}
	defer l.Close()
	tapes, err := l.Tapes()
	if err != nil {
		return false
	}
	for _, t := range tapes {
		if t.Element == l.Config().Addresses.DataTransfer {
			return true
		}
	}
	return false
}

// written is how many bytes the files of the virtual library have.
func (s *station) written() int64 {
	var n int64
	_ = filepath.WalkDir(s.path("lib"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

func (s *station) random(name string, size int) []byte {
	s.t.Helper()
	data := randomBytes(size, name)
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *station) same(name string, want []byte) {
	s.t.Helper()
	got, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		s.t.Errorf("%s is not what was backed up", name)
	}
}

// Interrupted in the middle of writing: the tape is closed and put back, the recovery point says that it is incomplete, and the next
// backup goes behind it on the same tape.
func TestInterruptBackup(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	before := s.random("before.bin", 100_000)
	big := s.random("big.bin", 40_000_000)
	s.run("backup", "before", "before.bin", "--label", "NIGHTLY")
	begin := s.written()
	s.slow(vlib.Timing{Rate: 10_000_000, Buffer: 1 << 20})
	_, stderr := s.interrupt(func() bool { return s.written() > begin+5_000_000 }, "backup", "big", "big.bin", "--label", "NIGHTLY")
	s.slow(vlib.Timing{})
	s.inOrder()
	if !strings.Contains(stderr, "big") {
		t.Errorf("the error names no backup: %q", stderr)
	}
	if out := s.run("recovery-point", "show", "big"); !strings.Contains(out, "incomplete") {
		t.Errorf("the recovery point does not say that it is incomplete:\n%s", out)
	}
	s.run("backup", "big", "big.bin", "--label", "NIGHTLY")
	if out := s.run("recovery-point", "show", "big"); !strings.Contains(out, "DPM001L6") || !strings.Contains(out, "valid") {
		t.Errorf("the next backup is not on the same tape:\n%s", out)
	}
	s.run("restore", "big", "--to", "out")
	s.same("out/big.bin", big)
	s.run("restore", "before", "--to", "out")
	s.same("out/before.bin", before)
	s.run("tape", "contents", "DPM001L6", "--from-tape")
	s.inOrder()
}

// Interrupted while standard input is awaited: there is nothing to wait for any more.
func TestInterruptStream(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write(make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	c, stdout, stderr := s.command("backup", "stream", "-")
	c.Stdin = r
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s.inDrive)
	time.Sleep(300 * time.Millisecond)
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer killer.Stop()
	_ = c.Wait() // the exit code tells
	if code := c.ProcessState.ExitCode(); code != exitCancelled {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	s.inOrder()
}

// Interrupted while a file is restored: no file gets its name that is not whole, and the tape is put back.
func TestInterruptRestore(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	big := s.random("big.bin", 40_000_000)
	s.run("backup", "big", "big.bin")
	s.slow(vlib.Timing{Rate: 10_000_000, Buffer: 1 << 20})
	s.interrupt(func() bool {
		files, _ := os.ReadDir(s.path("out"))
		return len(files) > 0
	}, "restore", "big", "--to", "out")
	s.slow(vlib.Timing{})
	s.inOrder()
	files, err := os.ReadDir(s.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "big.bin" {
			t.Error("a file that is not whole has its name")
		}
	}
	s.run("restore", "big", "--to", "out")
	s.same("out/big.bin", big)
}

// Interrupted while the arm moves or the drive loads: the tape goes back.
func TestInterruptMount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		timing vlib.Timing
	}{
		{"move", vlib.Timing{Move: 1500 * time.Millisecond}},
		{"load", vlib.Timing{Load: 20 * time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStation(t)
			s.run("inventory", "main")
			data := s.random("small.bin", 1000)
			s.slow(test.timing)
			s.interrupt(s.inDrive, "backup", "small", "small.bin")
			s.slow(vlib.Timing{})
			s.inOrder()
			s.run("backup", "small", "small.bin")
			s.run("restore", "small", "--to", "out")
			s.same("out/small.bin", data)
		})
	}
}

// A terminal that goes away, or a system that shuts down, is an interrupt like any other: the tape goes back.
func TestHangupAndTermination(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := newStation(t)
			s.signal = signal
			s.run("inventory", "main")
			s.random("small.bin", 1000)
			s.slow(vlib.Timing{Load: 20 * time.Second})
			s.interrupt(s.inDrive, "backup", "small", "small.bin")
			s.slow(vlib.Timing{})
			s.inOrder()
		})
	}
}

// The demo survives an interrupt, too: nothing is left behind.
func TestInterruptDemo(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	temp := s.path("tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	s.random("own.bak", 200_000_000)
	c, stdout, stderr := s.command("demo", "--bak", "own.bak")
	c.Env = append(c.Env, "TMPDIR="+temp)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		found, _ := filepath.Glob(temp + "/tapectl-demo-*/catalog.db")
		return len(found) > 0
	})
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // the exit code tells
	if code := c.ProcessState.ExitCode(); code != exitCancelled {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !what(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what was waited for did not happen")
		}
	}
}
