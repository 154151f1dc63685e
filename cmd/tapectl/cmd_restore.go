package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
)

func newRestoreCommand(a *app) *cobra.Command {
	var r restore.Request
	var overwrite string
	c := &cobra.Command{
		Use:   "restore RECOVERY-POINT --to FOLDER",
		Short: "Restore a recovery point from tape into a folder",
		Long: `Restore a recovery point, named by its identifier, the beginning of it, or its name (then the newest of that name). Every file is
verified against its checksums before it gets its name. What cannot be read completely is kept as NAME.incomplete.`,
		Example: `  tapectl restore 3f2a9c41 --to /restore
  tapectl restore DPMDB --to /restore --only DPMDB.bak --overwrite keep-both`,
		Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r.RecoveryPoint, r.Overwrite = args[0], restore.Overwrite(overwrite)
			if r.To == "" {
				return usageError{errors.New("restore: name the target folder with --to")}
			}
			switch r.Overwrite {
			case restore.Never, restore.Always, restore.KeepBoth:
			default:
				return usageError{fmt.Errorf("restore: --overwrite is never, always or keep-both, not %q", overwrite)}
			}
			if err := restore.ValidPatterns(r.Only); err != nil {
				return usageError{err}
			}
			return a.restore(c.Context(), r)
		},
	}
	f := c.Flags()
	f.StringVar(&r.To, "to", "", "target folder, made when it does not exist")
	f.StringArrayVar(&r.Only, "only", nil, "only objects that this name, path or pattern fits (may be repeated)")
	f.StringVar(&overwrite, "overwrite", string(restore.Never), "what to do with files that exist: never, always, keep-both")
	f.IntVar(&r.Copy, "copy", 0, "number of the copy to read, also an incomplete one (default: the first complete one, in a library)")
	return c
}

// restoreJSON is what a restore prints.
type restoreJSON struct {
	RecoveryPoint string   `json:"recoveryPoint"`
	Barcode       string   `json:"barcode"`
	Label         string   `json:"label"`
	Copy          int      `json:"copy"`
	Files         int64    `json:"files"`
	Folders       int64    `json:"folders"`
	Bytes         int64    `json:"bytes"`
	Existing      []string `json:"existing"`
	Problems      []string `json:"problems"`
}

func (a *app) restore(ctx context.Context, r restore.Request) error {
	if info, err := os.Stat(r.To); err == nil && !info.IsDir() {
		return usageError{fmt.Errorf("restore: the target %s is no folder", r.To)}
	}
	p := a.newProgress()
	defer p.done()
	r.Log = a.log()
	r.Progress = func(b restore.Progress) { p.set("tape "+b.Barcode, b.Bytes, b.Total) }
	const tries = 3
	var err error
	for range tries {
		if err = a.restoreOnce(ctx, r, p); !errors.Is(err, errOtherLibrary) {
			break
		}
	}
	return err
}

// errOtherLibrary says that the tape to read turned out to be in another library than the catalog said.
var errOtherLibrary = errors.New("the best copy is in another library now")

func (a *app) restoreOnce(ctx context.Context, r restore.Request, p *progress) error {
	point, libraryName, err := a.chooseCopy(ctx, r)
	if err != nil {
		return err
	}
	return a.withLibrary(ctx, libraryName, "restore "+point.Name, p.wait, func(cat *mediacatalog.Catalog, lib *library.Library) error {
		if err := a.refresh(ctx, cat, lib); err != nil {
			return err
		}
		c, err := restore.Choose(ctx, cat, point, r.Copy) // tapes may have been moved since
		if err != nil {
			return err
		}
		if c.Media.LibraryID != lib.Record().LibraryID {
			return fmt.Errorf("restore %s: %w", point.Name, errOtherLibrary)
		}
		result, err := restore.Run(ctx, cat, lib, c, r)
		p.done()
		if err == nil || result.Files+result.Folders > 0 || len(result.Problems) > 0 {
			if perr := a.printRestore(r, result); perr != nil {
				return errors.Join(err, perr)
			}
		}
		return restoreError(r, result, err)
	})
}

// chooseCopy finds the recovery point, and the library that holds the tape with the copy to read as far as the catalog knows.
func (a *app) chooseCopy(ctx context.Context, r restore.Request) (point mediacatalog.RecoveryPoint, libraryName string, err error) {
	err = a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
		point, err = findRecoveryPoint(ctx, cat, r.RecoveryPoint)
		if err != nil {
			return err
		}
		if err := hasCopy(ctx, cat, point, r.Copy); err != nil {
			return err
		}
		c, err := restore.Choose(ctx, cat, point, r.Copy)
		if err != nil {
			return err
		}
		all, err := cat.Libraries(ctx)
		for _, l := range all {
			if l.LibraryID == c.Media.LibraryID {
				libraryName = l.Name
			}
		}
		return err
	})
	return point, libraryName, err
}

// hasCopy refuses the number of a copy that the recovery point does not have; 0 is any.
func hasCopy(ctx context.Context, cat *mediacatalog.Catalog, point mediacatalog.RecoveryPoint, number int) error {
	if number == 0 {
		return nil
	}
	copies, err := restore.Copies(ctx, cat, point.RecoveryPointID)
	if err != nil {
		return err
	}
	var have []string
	for _, c := range copies {
		if c.Dataset.CopyNumber == number {
			return nil
		}
		have = append(have, fmt.Sprint(c.Dataset.CopyNumber))
	}
	return usageError{fmt.Errorf("restore: recovery point %q has no copy %d (there is: %s)", point.Name, number, strings.Join(have, ", "))}
}

// findRecoveryPoint finds a recovery point by name (the newest that has a complete copy, else the newest), by identifier or by the
// beginning of one.
func findRecoveryPoint(ctx context.Context, cat *mediacatalog.Catalog, name string) (mediacatalog.RecoveryPoint, error) {
	points, err := cat.RecoveryPoints(ctx, mediacatalog.RecoveryPointFilter{Name: name})
	if err != nil {
		return mediacatalog.RecoveryPoint{}, err
	}
	points = slices.DeleteFunc(points, func(p mediacatalog.RecoveryPoint) bool { return p.Name != name })
	for _, p := range points {
		if p.Copies > 0 {
			return p, nil
		}
	}
	if len(points) > 0 {
		return points[0], nil
	}
	const shortest = 4 // characters of an identifier
	p := mediacatalog.RecoveryPoint{}
	err = mediacatalog.ErrNotFound
	if len(name) >= shortest {
		p, err = cat.RecoveryPoint(ctx, name)
	}
	if errors.Is(err, mediacatalog.ErrNotFound) {
		return p, fmt.Errorf("find recovery point %q: %w; `tapectl recovery-point list` shows them", name, mediacatalog.ErrNotFound)
	}
	return p, err
}

func (a *app) printRestore(r restore.Request, result *restore.Result) error {
	v := restoreJSON{
		RecoveryPoint: result.RecoveryPointID, Barcode: result.Barcode, Label: result.Label, Copy: result.Copy, Files: result.Files,
		Folders: result.Folders, Bytes: result.Bytes, Existing: append([]string{}, result.Existing...), Problems: []string{},
	}
	for _, p := range result.Problems {
		v.Problems = append(v.Problems, p.Error())
	}
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Restored %s, %s, from tape %s (%q) to %s.\n", countText(v.Files, "file"), sizeText(v.Bytes), orDash(printable(v.Barcode)), v.Label, printable(r.To))
		for _, e := range v.Existing {
			fmt.Fprintf(w, "  exists and was left as it is: %s\n", printable(e))
		}
		for _, p := range v.Problems {
			fmt.Fprintf(w, "  not restored as it was: %s\n", printable(p))
		}
	})
}

func restoreError(r restore.Request, result *restore.Result, err error) error {
	switch {
	case err != nil:
		return err
	case result.Incomplete && len(result.Problems) == 1:
		return partlyError{fmt.Sprintf("restore %s: %s", r.RecoveryPoint, result.Problems[0].Error())}
	case len(result.Problems) > 0:
		return partlyError{fmt.Sprintf("restore %s: %s could not be restored as it was", r.RecoveryPoint, countText(len(result.Problems), "object"))}
	case len(result.Existing) > 0:
		return partlyError{fmt.Sprintf("restore %s: what exists in the target was left as it is (%s); --overwrite always or keep-both restores it", r.RecoveryPoint, countText(len(result.Existing), "file"))}
	}
	return nil
}
