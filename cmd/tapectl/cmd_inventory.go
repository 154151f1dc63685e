package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

func newInventoryCommand(a *app) *cobra.Command {
	var fast bool
	c := &cobra.Command{
		Use:   "inventory [LIBRARY]",
		Short: "Bring what is in a library into the catalog, by barcode",
		Long: `Read the barcodes of a library and bring the catalog up to date: tapes that came, left or moved, cleaning tapes, duplicate
barcodes and barcodes that changed. What contradicts the catalog is reported and does not overwrite it.`,
		Example: "  tapectl inventory main --fast",
		Args:    rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.inventory(c.Context(), first(args))
		},
	}
	c.Flags().BoolVar(&fast, "fast", true, "barcodes only (the default)")
	return c
}

func (a *app) inventory(ctx context.Context, name string) error {
	return a.withLibrary(ctx, name, "inventory", nil, func(cat *mediacatalog.Catalog, lib *library.Library) error {
		report, err := inventory.Fast(ctx, cat, lib)
		if err != nil {
			return err
		}
		if err := a.print(report, func(w io.Writer) { printInventory(w, report) }); err != nil {
			return err
		}
		problems := 0
		for _, f := range report.Findings {
			if f.Severity == "error" {
				problems++
			}
		}
		if problems > 0 {
			return partlyError{fmt.Sprintf("the inventory of library %s found %s that need an operator", lib.Name(), countText(problems, "problem"))}
		}
		return nil
	})
}

func printInventory(w io.Writer, r *inventory.Report) {
	fmt.Fprintf(w, "Library %s: %s in %s, %s and %s", r.Library, countText(r.Tapes, "tape"), countText(r.Slots, "slot"), countText(r.Mail, "mail slot"), countText(r.Drives, "drive"))
	if r.Cleaning > 0 {
		fmt.Fprintf(w, "; cleaning tapes: %d", r.Cleaning)
	}
	if r.Unknown > 0 {
		fmt.Fprintf(w, "; unknown: %d", r.Unknown)
	}
	fmt.Fprintln(w, ".")
	const most = 40
	for i, f := range r.Findings {
		if i == most {
			fmt.Fprintf(w, "... and %d more; --json lists all.\n", len(r.Findings)-most)
			break
		}
		fmt.Fprintf(w, "%-8s %s\n", f.Severity, printable(f.Message))
	}
}
