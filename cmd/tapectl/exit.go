package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tapectl/internal/backup"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
	"tapectl/internal/scsi/iscsi"
)

// Exit codes (docs/design.md section 9).
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitUnreachable = 10
	exitInUse       = 11
	exitTapeNeeded  = 13
	exitRefused     = 14
	exitCancelled   = 130
)

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// partlyError says that a part of what was asked for was done. What is missing has been printed.
type partlyError struct{ text string }

func (e partlyError) Error() string { return e.text }

// refusedError says that a command was not carried out to protect data.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// exit prints an error for the operator and returns the exit code.
func (a *app) exit(ctx context.Context, err error) int {
	a.settle()
	if err == nil {
		return exitOK
	}
	code := exitCode(ctx, err)
	fmt.Fprintf(a.stderr, "tapectl: %s\n", printableLines(err.Error()))
	if h := hint(code); h != "" {
		fmt.Fprintf(a.stderr, "tapectl: hint: %s\n", h)
	}
	return code
}

// hint says what to do next where the error alone does not.
func hint(code int) string {
	switch code {
	case exitUsage:
		return "`tapectl help` and `tapectl COMMAND --help` show how to use it"
	case exitUnreachable:
		return "`tapectl library scan` shows the changers and drives that this host can reach"
	}
	return ""
}

func exitCode(ctx context.Context, err error) int {
	var (
		usage       usageError
		partly      partlyError
		refused     refusedError
		unreachable *library.UnreachableError
		connect     *iscsi.ConnectError
		held        *mediacatalog.LeaseHeldError
		lost        *library.LeaseLostError
		needed      *restore.TapeNeededError
		noTape      *backup.NoTapeError
		wrong       *library.WrongTapeError
	)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitCancelled
	case errors.As(err, &usage), errors.Is(err, mediacatalog.ErrReadOnlyQuery):
		return exitUsage
	case errors.As(err, &partly):
		return exitPartly
	case errors.As(err, &held), errors.As(err, &lost), errors.Is(err, library.ErrInUse):
		return exitInUse
	case errors.As(err, &needed), errors.As(err, &noTape), errors.Is(err, library.ErrDriveEmpty):
		return exitTapeNeeded
	case errors.As(err, &wrong), errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &unreachable), errors.As(err, &connect):
		return exitUnreachable
	}
	return exitFailed
}

// exactArgs is cobra.ExactArgs with the exit code of a usage error.
func exactArgs(n int) cobra.PositionalArgs { return usageArgs(cobra.ExactArgs(n)) }

// rangeArgs is cobra.RangeArgs with the exit code of a usage error.
func rangeArgs(least, most int) cobra.PositionalArgs { return usageArgs(cobra.RangeArgs(least, most)) }

// minimumArgs is cobra.MinimumNArgs with the exit code of a usage error.
func minimumArgs(n int) cobra.PositionalArgs { return usageArgs(cobra.MinimumNArgs(n)) }

func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{fmt.Errorf("%s: %w", strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), err)}
		}
		return nil
	}
}

// subcommandsOnly makes a group of commands print its help, and refuse words that are no command of it.
func subcommandsOnly(c *cobra.Command) *cobra.Command {
	c.Args = noSuchCommand
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// noSuchCommand refuses words that are no command of a group, and names those that look like it.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is no command of %s", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; is it " + strings.Join(near, " or ") + "?"
	}
	return usageError{errors.New(text)}
}

// first is the first argument, "" when there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
