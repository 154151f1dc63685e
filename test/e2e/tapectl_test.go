package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the built tapectl: the one beside the test binary (as in the kernel laboratory), the one of TAPECTL_BINARY, or one
// that is built now.
func program(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("TAPECTL_BINARY"); p != "" {
		return p
	}
	if self, err := os.Executable(); err == nil {
		if p := filepath.Join(filepath.Dir(self), "tapectl"); executable(p) {
			return p
		}
	}
	p := filepath.Join(t.TempDir(), "tapectl")
	cmd := exec.Command("go", "build", "-tags", "libiscsi,sqlite_fts5", "-o", p, "tapectl/cmd/tapectl")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build tapectl: %v\n%s", err, out)
	}
	return p
}

func executable(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0
}

// operator runs commands with a catalog of its own.
type operator struct {
	t       *testing.T
	program string
	folder  string
}

func newOperator(t *testing.T) *operator {
	return &operator{t: t, program: program(t), folder: t.TempDir()}
}

// outcome is what a command line gave.
type outcome struct {
	code   int
	stdout string
	stderr string
	memory int64 // the most that the process had in memory, in bytes
}

// try runs a command line.
func (o *operator) try(args ...string) outcome {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.program, append([]string{"--catalog", filepath.Join(o.folder, "catalog.db")}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatalf("run tapectl %s: %v", strings.Join(args, " "), err)
	}
	r := outcome{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = usage.Maxrss << 10
	}
	return r
}

// must runs a command line that has to succeed, and returns what it printed.
func (o *operator) must(args ...string) string {
	o.t.Helper()
	r := o.try(args...)
	if r.code != 0 {
		o.t.Fatalf("tapectl %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// refused runs a command line that has to fail with the code, and say all the words.
func (o *operator) refused(code int, words []string, args ...string) {
	o.t.Helper()
	r := o.try(args...)
	if r.code != code {
		o.t.Errorf("tapectl %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			o.t.Errorf("tapectl %s: the error does not say %q:\n%s", strings.Join(args, " "), w, r.stderr)
		}
	}
}

// records runs a command line with --json and decodes its lines.
func records[T any](o *operator, args ...string) []T {
	o.t.Helper()
	var all []T
	d := json.NewDecoder(strings.NewReader(o.must(append([]string{"--json"}, args...)...)))
	for {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			o.t.Fatalf("tapectl %s: decode: %v", strings.Join(args, " "), err)
		}
		all = append(all, v)
	}
}

// record is records for commands that print one object.
func record[T any](o *operator, args ...string) T {
	o.t.Helper()
	all := records[T](o, args...)
	if len(all) != 1 {
		o.t.Fatalf("tapectl %s: %d objects, want one", strings.Join(args, " "), len(all))
	}
	return all[0]
}

// hashFile is the SHA-256 of a file.
func hashFile(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// samples lists the SQL Server backups among the samples, or skips.
func samples(t *testing.T) []string {
	t.Helper()
	folder := os.Getenv("TAPECTL_SAMPLES")
	if folder == "" {
		folder = "../../../shared/samples"
	}
	files, err := filepath.Glob(filepath.Join(folder, "sqlserver", "*.bak"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the sample backups of SQL Server are not there (TAPECTL_SAMPLES)")
	}
	return files
}
