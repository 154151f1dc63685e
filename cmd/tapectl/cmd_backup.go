package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapectl/internal/backup"
	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

// software is how tapectl names itself on tapes.
const software = "tapectl"

func newBackupCommand(a *app) *cobra.Command {
	var o struct {
		library, label, retain, stdinName string
		copies, blockSize                 int
	}
	c := &cobra.Command{
		Use:   "backup NAME SOURCE...",
		Short: "Back up files, folders or standard input to tape",
		Long: `Back up files, folders or standard input (the source -) as the recovery point NAME. A tape of one's own with the label is
appended to, otherwise a free or blank tape is labelled. Nothing is ever written to a tape that holds something else.

--retain takes days, weeks, months or years: 30d, 2w, 6m, 99y; without it the recovery point never expires.`,
		Example: `  tapectl backup DPMDB /backup/DPMDB.bak --copies 2 --retain 99y
  tapectl backup home /home --label HOME
  pg_dump shop | tapectl backup shop -`,
		Args: minimumArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			expires, err := parseRetention(o.retain, time.Now())
			if err != nil {
				return usageError{err}
			}
			if err := checkBackup(o.copies, o.blockSize); err != nil {
				return usageError{err}
			}
			r := backup.Request{
				Name: args[0], Sources: args[1:], Stdin: a.stdin, StdinName: o.stdinName, Label: o.label, Expires: expires,
				Copies: o.copies, BlockSize: o.blockSize, Software: software, Version: version,
			}
			return a.backup(c.Context(), o.library, r)
		},
	}
	f := c.Flags()
	f.StringVar(&o.library, "library", "", "library (needed when there are several)")
	f.StringVar(&o.label, "label", "", "label of the tape to write to (default: made from NAME)")
	f.StringVar(&o.retain, "retain", "", "how long to keep it, such as 30d, 2w, 6m, 99y")
	f.StringVar(&o.stdinName, "stdin-name", "", "file name for standard input (default: NAME)")
	f.IntVar(&o.copies, "copies", 1, "number of tapes that get a copy")
	f.IntVar(&o.blockSize, "block-size", 0, "tape block size in bytes for new tapes (default 262144)")
	return c
}

// checkBackup finds mistakes in a backup's flags before a tape is touched.
func checkBackup(copies, blockSize int) error {
	const mostCopies, smallest, largest, unit = 16, 64 << 10, 1 << 20, 1 << 10
	switch {
	case copies < 1 || copies > mostCopies:
		return fmt.Errorf("--copies must be between 1 and %d", mostCopies)
	case blockSize != 0 && (blockSize < smallest || blockSize > largest || blockSize%unit != 0):
		return fmt.Errorf("--block-size must be a multiple of %d between %d and %d", unit, smallest, largest)
	}
	return nil
}

// backupJSON is what a backup prints.
type backupJSON struct {
	RecoveryPoint string              `json:"recoveryPoint"`
	Name          string              `json:"name"`
	Copies        []backup.CopyResult `json:"copies"`
	Skipped       []string            `json:"skipped"`
	Notes         []string            `json:"notes"` // tapes that were passed over
}

func (a *app) backup(ctx context.Context, libraryName string, r backup.Request) error {
	for _, s := range r.Sources {
		if s == backup.Stdin {
			continue
		}
		if _, err := os.Stat(s); err != nil {
			return fmt.Errorf("back up %s: %w", r.Name, err)
		}
	}
	p := a.newProgress()
	defer p.done()
	r.Log, r.Stdin = a.log(), newStream(ctx, r.Stdin)
	r.Progress = func(b backup.Progress) {
		stage := "tape " + b.Barcode
		if b.Copies > 1 {
			stage = fmt.Sprintf("copy %d of %d, %s", b.Copy, b.Copies, stage)
		}
		p.set(stage, b.Bytes, b.Total)
	}
	return a.withLibrary(ctx, libraryName, "backup "+r.Name, p.wait, func(cat *mediacatalog.Catalog, lib *library.Library) error {
		if err := a.refresh(ctx, cat, lib); err != nil {
			return err
		}
		result, err := backup.Run(ctx, cat, lib, r)
		p.done()
		if perr := a.printBackup(r, result); perr != nil {
			return errors.Join(err, perr)
		}
		return backupError(r, result, err)
	})
}

// refresh brings the catalog up to date with what is in the library before tapes are chosen: people exchange tapes. The findings
// are in the catalog's events.
func (a *app) refresh(ctx context.Context, cat *mediacatalog.Catalog, lib *library.Library) error {
	_, err := inventory.Fast(ctx, cat, lib)
	return err
}

func (a *app) printBackup(r backup.Request, result *backup.Result) error {
	if result.RecoveryPointID == "" {
		return nil
	}
	v := backupJSON{RecoveryPoint: result.RecoveryPointID, Name: r.Name, Copies: result.Copies, Skipped: []string{}, Notes: append([]string{}, result.Notes...)}
	for _, s := range result.Skipped {
		v.Skipped = append(v.Skipped, s.Error())
	}
	written := slices.DeleteFunc(slices.Clone(result.Copies), func(c backup.CopyResult) bool { return c.State == "" })
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Recovery point %s (%s)\n", shortID(result.RecoveryPointID), printable(r.Name))
		table(w, "COPY|TAPE|LABEL|SET|STATE|FILES|SIZE", len(written), func(i int) []string {
			c := written[i]
			return []string{fmt.Sprint(c.Number), orDash(c.Barcode), c.Label, fmt.Sprint(c.SetNumber), c.State, fmt.Sprint(c.Files), sizeText(c.Bytes)}
		})
		for _, n := range v.Notes {
			fmt.Fprintf(w, "  note: %s\n", printable(n))
		}
		for _, s := range v.Skipped {
			fmt.Fprintf(w, "  not backed up as it was: %s\n", printable(s))
		}
	})
}

// backupError makes the command's error of what became of the copies.
func backupError(r backup.Request, result *backup.Result, err error) error {
	complete := result.Complete()
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil && complete > 0:
		return partlyError{fmt.Sprintf("back up %s: %d of %d copies are complete: %v", r.Name, complete, r.Copies, err)}
	case err != nil:
		return fmt.Errorf("back up %s: %w", r.Name, err)
	case len(result.Skipped) > 0:
		return partlyError{fmt.Sprintf("back up %s: %s could not be backed up as it was", r.Name, countText(len(result.Skipped), "object"))}
	}
	return nil
}

// parseRetention turns 30d, 2w, 6m or 99y into a point in time; "" and "never" are the zero time.
func parseRetention(s string, from time.Time) (time.Time, error) {
	if s == "" || s == "never" {
		return time.Time{}, nil
	}
	n, err := strconv.Atoi(strings.TrimRight(s, "dwmy"))
	if err != nil || n < 1 || len(strings.TrimRight(s, "dwmy")) != len(s)-1 {
		return time.Time{}, fmt.Errorf("--retain %q: use a number and d, w, m or y, such as 30d or 99y", s)
	}
	const mostYears = 99 // DPM's limit for tape (DPM documentation, retention ranges)
	var t time.Time
	switch s[len(s)-1] {
	case 'd':
		t = from.AddDate(0, 0, min(n, 366*mostYears))
	case 'w':
		t = from.AddDate(0, 0, 7*min(n, 53*mostYears))
	case 'm':
		t = from.AddDate(0, min(n, 13*mostYears), 0)
	case 'y':
		t = from.AddDate(min(n, 2*mostYears), 0, 0)
	}
	if t.After(from.AddDate(mostYears, 0, 0)) {
		return time.Time{}, fmt.Errorf("--retain %q: at most %d years; leave it out for a recovery point that never expires", s, mostYears)
	}
	return t.UTC(), nil
}
