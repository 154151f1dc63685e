package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

func newLibraryCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "library", Short: "Tape libraries: add, list, show, scan, status"})
	c.AddCommand(newLibraryAdd(a), newLibraryList(a), newLibraryShow(a), newLibraryScan(a), newLibraryStatus(a),
		newLibraryRename(a), newLibraryRemove(a), newLibraryEnable(a, true), newLibraryEnable(a, false))
	return c
}

func newLibraryAdd(a *app) *cobra.Command {
	var changerAddress string
	var drives []string
	c := &cobra.Command{
		Use:   "add NAME --changer ADDRESS [--drive ADDRESS]...",
		Short: "Add a tape library by the address of its changer; its drives are found by serial number",
		Long: `Add a tape library. The drives are found by themselves: the serial numbers that the changer tells are compared
with those of the tape devices of the host, or of the logical units of the iSCSI target. A stand-alone drive is added
with --drive alone.`,
		Example: `  tapectl library add main --changer /dev/sg3
  tapectl library add vault --changer iscsi://backup%secret@10.0.0.5/iqn.2026-11.example:lib/3
  tapectl library add training --changer vlib:/srv/training
  tapectl library add desk --drive /dev/sg4`,
		Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.libraryAdd(c.Context(), args[0], changerAddress, drives)
		},
	}
	c.Flags().StringVar(&changerAddress, "changer", "", "address of the changer")
	c.Flags().StringArrayVar(&drives, "drive", nil, "address of a drive that is not found by itself (may be repeated)")
	return c
}

func (a *app) libraryAdd(ctx context.Context, name, changerAddress string, drives []string) error {
	address := changerAddress
	if address == "" {
		if len(drives) != 1 {
			return usageError{errors.New("library add: name the changer with --changer, or one stand-alone drive with --drive")}
		}
		address, drives = drives[0], nil
	}
	for _, p := range append([]*string{&address}, pointers(drives)...) {
		abs, err := absoluteAddress(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	h, err := a.host("library add " + name)
	if err != nil {
		return err
	}
	defer h.close()
	found, err := library.Discover(ctx, h, address, drives)
	if err != nil {
		return &library.UnreachableError{What: "library " + name, Address: displayAddress(address), Err: err}
	}
	model := found.Library.Vendor + " " + found.Library.Product
	switch {
	case changerAddress != "" && found.Library.StandAlone:
		return usageError{fmt.Errorf("%s is a tape drive (%s), not a changer; add it with --drive alone", displayAddress(address), model)}
	case changerAddress == "" && !found.Library.StandAlone:
		return usageError{fmt.Errorf("%s is a changer (%s), not a drive; add it with --changer", displayAddress(address), model)}
	}
	found.Library.Name = name
	return a.withCatalog(ctx, func(c *mediacatalog.Catalog) error {
		if err := driveKnown(ctx, c, found.Library); err != nil {
			return err
		}
		added, err := c.AddLibrary(ctx, found.Library)
		if err != nil {
			return err
		}
		if err := a.print(libraryView(added), func(w io.Writer) {
			fmt.Fprintf(w, "Added library %s: %s %s, serial number %s.\n", printable(name), printable(added.Vendor), printable(added.Product), printable(added.Serial))
			printDrives(w, added.Drives)
			for _, n := range found.Notes {
				fmt.Fprintf(w, "Note: %s.\n", printable(n))
			}
		}); err != nil {
			return err
		}
		if len(found.Unmatched) > 0 {
			return partlyError{fmt.Sprintf("library %s was added, but not all its drives were found: %s; name them with --drive after `tapectl library remove %s`",
				name, strings.Join(found.Unmatched, "; "), name)}
		}
		return nil
	})
}

func pointers(s []string) []*string {
	var p []*string
	for i := range s {
		p = append(p, &s[i])
	}
	return p
}

// libraryJSON is how a library is shown.
type libraryJSON struct {
	Name          string      `json:"name"`
	Vendor        string      `json:"vendor"`
	Product       string      `json:"product"`
	Revision      string      `json:"revision"`
	Serial        string      `json:"serial"`
	Changer       string      `json:"changer,omitempty"`
	StandAlone    bool        `json:"standAlone"`
	Enabled       bool        `json:"enabled"`
	LastInventory time.Time   `json:"lastInventory,omitzero"`
	Drives        []driveJSON `json:"drives"`
}

// driveJSON is how a drive is shown.
type driveJSON struct {
	Library    string `json:"library,omitempty"`
	Number     int    `json:"number"`
	Element    int    `json:"element"`
	Address    string `json:"address"`
	Vendor     string `json:"vendor"`
	Product    string `json:"product"`
	Revision   string `json:"revision"`
	Serial     string `json:"serial"`
	Generation string `json:"generation,omitempty"`
	Enabled    bool   `json:"enabled"`
}

func libraryView(l mediacatalog.Library) libraryJSON {
	return libraryJSON{
		Name: l.Name, Vendor: l.Vendor, Product: l.Product, Revision: l.Revision, Serial: l.Serial, Changer: displayAddress(l.ChangerAddress),
		StandAlone: l.StandAlone, Enabled: l.Enabled, LastInventory: l.LastInventoryDate, Drives: driveViews("", l.Drives),
	}
}

func driveViews(libraryName string, drives []mediacatalog.LibraryDrive) []driveJSON {
	views := []driveJSON{}
	for i, d := range drives {
		views = append(views, driveJSON{
			Library: libraryName, Number: i + 1, Element: d.ElementAddress, Address: displayAddress(d.Address), Vendor: d.Vendor,
			Product: d.Product, Revision: d.Revision, Serial: d.Serial, Generation: d.Generation, Enabled: d.Enabled,
		})
	}
	return views
}

func printDrives(w io.Writer, drives []mediacatalog.LibraryDrive) {
	views := driveViews("", drives)
	table(w, "DRIVE|ELEMENT|MODEL|GENERATION|SERIAL|ADDRESS", len(views), func(i int) []string {
		d := views[i]
		return []string{fmt.Sprint(d.Number), elementText(d.Element), d.Vendor + " " + d.Product, orDash(d.Generation), d.Serial, d.Address}
	})
}

func newLibraryList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the libraries of the catalog", Example: "  tapectl library list", Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				all, err := cat.Libraries(c.Context())
				if err != nil {
					return err
				}
				views := make([]libraryJSON, 0, len(all))
				for _, l := range all {
					views = append(views, libraryView(l))
				}
				return printList(a, views, "LIBRARY|MODEL|SERIAL|DRIVES|LAST INVENTORY|STATE|CHANGER", func(l libraryJSON) []string {
					return []string{l.Name, l.Vendor + " " + l.Product, l.Serial, fmt.Sprint(len(l.Drives)), dateText(l.LastInventory), enabledText(l.Enabled), orDash(l.Changer)}
				})
			})
		},
	}
}

func newLibraryShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a library and its drives", Example: "  tapectl library show main", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				l, err := cat.Library(c.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(libraryView(l), func(w io.Writer) {
					fields(w, 15, [][2]string{
						{"Library", fmt.Sprintf("%s (%s)", l.Name, enabledText(l.Enabled))}, {"Model", fmt.Sprintf("%s %s, firmware %s", l.Vendor, l.Product, l.Revision)},
						{"Serial number", l.Serial}, {"Changer", orDash(displayAddress(l.ChangerAddress))}, {"Last inventory", dateText(l.LastInventoryDate)},
					})
					fmt.Fprintln(w)
					printDrives(w, l.Drives)
				})
			})
		},
	}
}

func newLibraryRename(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME NEWNAME", Short: "Give a library another name", Example: "  tapectl library rename lib1 main", Args: exactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				return cat.RenameLibrary(c.Context(), args[0], args[1])
			})
		},
	}
}

func newLibraryRemove(a *app) *cobra.Command {
	var yes, dryRun bool
	c := &cobra.Command{
		Use: "remove NAME", Short: "Take a library out of the catalog; its tapes stay in the catalog, offline",
		Example: "  tapectl library remove old --dry-run\n  tapectl library remove old --yes", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				return a.libraryRemove(ctx, cat, args[0], yes, dryRun)
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return c
}

// removedJSON is what library remove prints.
type removedJSON struct {
	Library string `json:"library"`
	Tapes   int    `json:"tapes"` // that stay in the catalog, offline
	DryRun  bool   `json:"dryRun"`
}

func (a *app) libraryRemove(ctx context.Context, cat *mediacatalog.Catalog, name string, yes, dryRun bool) error {
	l, err := cat.Library(ctx, name)
	if err != nil {
		return err
	}
	media, err := cat.ListMedia(ctx, mediacatalog.MediaFilter{LibraryID: l.LibraryID})
	if err != nil {
		return err
	}
	v := removedJSON{Library: l.Name, Tapes: len(media), DryRun: dryRun}
	tapes := countText(len(media), "tape")
	if dryRun {
		return a.print(v, func(w io.Writer) {
			fmt.Fprintf(w, "Library %s would be removed from the catalog; its %s would stay in the catalog, offline.\n", printable(l.Name), tapes)
		})
	}
	if err := a.confirm(yes, fmt.Sprintf("Remove library %s from the catalog (its %s stay in the catalog, offline)?", l.Name, tapes)); err != nil {
		return err
	}
	if err := cat.RemoveLibrary(ctx, l.LibraryID); err != nil {
		return err
	}
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Removed library %s; its %s stay in the catalog, offline.\n", printable(l.Name), tapes)
	})
}

func newLibraryEnable(a *app, enable bool) *cobra.Command {
	use, short := "enable", "Take a library into use again"
	if !enable {
		use, short = "disable", "Take a library out of use, for maintenance"
	}
	return &cobra.Command{
		Use: use + " NAME", Short: short, Example: "  tapectl library " + use + " main", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				return cat.SetLibraryEnabled(c.Context(), args[0], enable)
			})
		},
	}
}

// driveKnown refuses a library with a drive that is part of another: each library has a lease of its own, and two programs
// could use the drive at the same time.
func driveKnown(ctx context.Context, c *mediacatalog.Catalog, l mediacatalog.Library) error {
	all, err := c.Libraries(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Serial == l.Serial || strings.EqualFold(other.Name, l.Name) {
			continue // the catalog itself says that it is there already
		}
		for _, theirs := range other.Drives {
			for _, ours := range l.Drives {
				if ours.Serial != "" && ours.Serial == theirs.Serial && ours.Product == theirs.Product {
					return refusedError{fmt.Errorf("add library %s: the drive with serial number %s is part of library %s; `tapectl library remove %s` takes that out of the catalog",
						l.Name, ours.Serial, other.Name, other.Name)}
				}
			}
		}
	}
	return nil
}
