package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"tapectl/internal/backup"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
	"tapectl/internal/scsi/iscsi"
)

// Every command that does something has a short text, an example that names it, and flags that are explained.
func TestHelp(t *testing.T) {
	root := newRootCommand(newApp(strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer)))
	n := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: a line of %d characters in the help", c.CommandPath(), len(line))
			}
		}
		if !c.HasSubCommands() {
			n++
			if !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("%s: example %q", c.CommandPath(), c.Example)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if n < 30 {
		t.Errorf("only %d commands", n)
	}
}

// The examples of the help are command lines that are understood.
func TestExamplesParse(t *testing.T) {
	root := newRootCommand(newApp(strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer)))
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			at := strings.Index(line, "tapectl ")
			if at < 0 || strings.Contains(line, "<") || strings.Contains(line, `"`) {
				continue
			}
			found, rest, err := root.Find(strings.Fields(line[at:])[1:])
			if err != nil || found == root {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

func TestExitCode(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{t.Context(), errors.New("x"), exitFailed},
		{t.Context(), usageError{errors.New("x")}, exitUsage},
		{t.Context(), mediacatalog.ErrReadOnlyQuery, exitUsage},
		{t.Context(), partlyError{"x"}, exitPartly},
		{t.Context(), refusedError{errors.New("x")}, exitRefused},
		{t.Context(), &library.UnreachableError{Err: errors.New("x")}, exitUnreachable},
		{t.Context(), &library.UnreachableError{Err: usageError{errors.New("x")}}, exitUsage},
		{t.Context(), &iscsi.ConnectError{}, exitUnreachable},
		{t.Context(), &mediacatalog.LeaseHeldError{}, exitInUse},
		{t.Context(), &restore.TapeNeededError{}, exitTapeNeeded},
		{t.Context(), &backup.NoTapeError{}, exitTapeNeeded},
		{t.Context(), &library.WrongTapeError{}, exitRefused},
		{t.Context(), context.Canceled, exitFailed},
		{cancelled, context.Canceled, exitCancelled},
		{cancelled, errors.New("x"), exitFailed},
	} {
		for _, err := range []error{test.err, fmt.Errorf("do it: %w", test.err), errors.Join(errors.New("y"), test.err)} {
			if got := exitCode(test.ctx, err); got != test.want {
				t.Errorf("%T %v: %d, want %d", test.err, err, got, test.want)
			}
		}
	}
}

// What goes wrong is told on standard error, as one message of the program.
func TestExitPrints(t *testing.T) {
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &errs)
	if code := a.exit(t.Context(), errors.New("open iscsi://u%p@h/t/1: \x1b[31mno")); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if out.Len() > 0 || errs.String() != "tapectl: open iscsi://u@h/t/1: ?[31mno\n" {
		t.Errorf("%q, %q", out.String(), errs.String())
	}
	errs.Reset()
	if code := a.exit(t.Context(), nil); code != exitOK || errs.Len() > 0 {
		t.Errorf("%d, %q", code, errs.String())
	}
}

func TestVerboseLogHasNoPasswords(t *testing.T) {
	var errs bytes.Buffer
	a := newApp(strings.NewReader(""), new(bytes.Buffer), &errs)
	a.log().Info("nothing")
	a.verbose = true
	a.log().Info("open", "address", "iscsi://u%geheim@h/t/1")
	if s := errs.String(); strings.Contains(s, "geheim") || strings.Contains(s, "nothing") || !strings.Contains(s, "iscsi://u@h/t/1") {
		t.Errorf("%q", s)
	}
}

func TestConfirm(t *testing.T) {
	a := newApp(strings.NewReader("y\n"), new(bytes.Buffer), new(bytes.Buffer))
	if err := a.confirm(true, "Sure?"); err != nil {
		t.Error(err)
	}
	var refused refusedError
	if err := a.confirm(false, "Sure?"); !errors.As(err, &refused) {
		t.Errorf("a question was answered without a terminal: %v", err)
	}
}

func TestTerminalWidth(t *testing.T) {
	for columns, want := range map[string]int{"": 80, "100": 100, "5": 20, "x": 80, "-3": 80} {
		t.Setenv("COLUMNS", columns)
		if got := terminalWidth(new(bytes.Buffer)); got != want {
			t.Errorf("COLUMNS=%q: %d, want %d", columns, got, want)
		}
	}
}
