package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tapectl/internal/locate"
	"tapectl/internal/mediacatalog"
)

func newLocateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "locate [TEXT]",
		Short: "Tell which tapes hold a database or file: by default DPMDB",
		Long: `List the copies whose recovery point, path or file name contains the text, newest first: label and barcode of the tape, where
it is, which data set, and which drives can read it.`,
		Example: "  tapectl locate DPMDB\n  tapectl locate ReportServer.bak --json",
		Args:    rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			text := "DPMDB"
			if len(args) == 1 {
				text = args[0]
			}
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				copies, err := locate.FromCatalog(c.Context(), cat, text)
				if err != nil {
					return err
				}
				if len(copies) == 0 {
					return fmt.Errorf("nothing in the catalog %s contains %q", cat.Path(), text)
				}
				if a.json {
					return printList(a, copies, "", nil)
				}
				return a.print(nil, func(w io.Writer) {
					for i, c := range copies {
						if i > 0 {
							fmt.Fprintln(w)
						}
						printCopy(w, c)
					}
				})
			})
		},
	}
}

func printCopy(w io.Writer, c locate.Copy) {
	expires := "never"
	if !c.Expires.IsZero() {
		expires = dateText(c.Expires)
	}
	what := c.What
	if c.Object != "" {
		what += " (" + c.Object + ")"
	}
	tape := fmt.Sprintf("%s, label %q", orDash(c.Barcode), c.Label)
	if c.Tapes > 1 {
		tape += fmt.Sprintf(", tape %d of %d", c.Tape, c.Tapes)
	}
	drives := strings.Join(c.Drives, ", ")
	if drives == "" {
		drives = "none that the catalog knows"
	}
	fields(w, 11, [][2]string{
		{"What", what}, {"Created", dateText(c.Created)}, {"Expires", expires}, {"State", c.State}, {"Tape", tape + " (" + c.TapeState + ")"},
		{"Where", c.Place}, {"Data set", fmt.Sprintf("%d, copy %d", c.DataSet, c.CopyNumber)}, {"Media type", orDash(c.MediaType)},
		{"Drives", drives}, {"Restore", "tapectl restore " + shortID(c.RecoveryPointID) + " --to FOLDER"},
	})
}

// shortID is as much of an identifier as people need.
func shortID(id string) string { return id[:min(8, len(id))] }
