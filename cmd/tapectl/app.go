package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

// app is what the commands share: streams, global flags, and how to open the catalog and a library.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	catalogPath    string
	tracePath      string
	json           bool
	verbose        bool
	noProgress     bool
	finished       atomic.Bool
	shown          *atomic.Pointer[progress] // what the running command shows, nil for none
}

// newApp makes the app of one command line.
func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdout, stderr: stderr, shown: new(atomic.Pointer[progress])}
}

// log returns the logger: to standard error with --verbose, else nowhere.
func (a *app) log() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(quietWriter{a.stderr}, nil))
}

// catalogFile is the catalog that the command line, the environment or the default names.
func (a *app) catalogFile() (string, error) {
	if a.catalogPath != "" {
		return a.catalogPath, nil
	}
	if p := os.Getenv("TAPECTL_CATALOG"); p != "" {
		return p, nil
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the catalog: %w; name it with --catalog", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "tapectl", "catalog.db"), nil
}

// withCatalog opens the catalog for fn.
func (a *app) withCatalog(ctx context.Context, fn func(*mediacatalog.Catalog) error) error {
	path, err := a.catalogFile()
	if err != nil {
		return err
	}
	c, err := mediacatalog.Open(ctx, path, mediacatalog.Options{})
	if err != nil {
		return err
	}
	// Recovery points expire by themselves. A catalog that cannot be written is still good to read.
	if _, err := c.ExpireBy(ctx, time.Now()); err != nil {
		a.log().Warn("mark what has expired", "error", err)
	}
	err = fn(c)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// withLibrary takes a library into use for fn. name may be "" when the catalog has just one.
func (a *app) withLibrary(ctx context.Context, name, command string, progress func(string), fn func(*mediacatalog.Catalog, *library.Library) error) error {
	return a.withCatalog(ctx, func(c *mediacatalog.Catalog) error {
		name, err := onlyLibrary(ctx, c, name)
		if err != nil {
			return err
		}
		h, err := a.host(command)
		if err != nil {
			return err
		}
		defer h.close()
		lib, err := library.Open(ctx, c, h, name, library.Options{Command: "tapectl " + command, Log: a.log(), Progress: progress})
		if err != nil {
			return err
		}
		err = fn(c, lib)
		if cerr := lib.Close(); err == nil {
			err = cerr
		}
		return err
	})
}

// onlyLibrary returns name, or the name of the only library of the catalog.
func onlyLibrary(ctx context.Context, c *mediacatalog.Catalog, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	all, err := c.Libraries(ctx)
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", usageError{fmt.Errorf("the catalog has no library yet: `tapectl library add NAME --changer ADDRESS` adds one")}
	case 1:
		return all[0].Name, nil
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return "", usageError{fmt.Errorf("name the library with --library: %s", strings.Join(names, ", "))}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is how many characters a line of w may have: that of the terminal, else what COLUMNS says, else 80.
func terminalWidth(w any) int {
	const usual, least = 80, 20
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return max(width, least)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return max(n, least)
	}
	return usual
}

// confirm asks the operator; without a terminal it refuses.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(a.stdin) {
		return refusedError{fmt.Errorf("%s: not done; add --yes to do it without being asked", strings.TrimSuffix(question, "?"))}
	}
	a.settle()
	fmt.Fprintf(a.stderr, "%s [y/N] ", printable(question))
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(line), "y") {
		return refusedError{fmt.Errorf("%s: not done", strings.TrimSuffix(question, "?"))}
	}
	return nil
}
