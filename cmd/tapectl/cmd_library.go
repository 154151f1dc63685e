package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/scsi/sgio"
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
	h, err := a.host()
	if err != nil {
		return err
	}
	defer h.close()
	found, err := library.Discover(ctx, h, address, drives)
	if err != nil {
		return &library.UnreachableError{What: "library " + name, Address: displayAddress(address), Err: err}
	}
	if changerAddress != "" && found.Library.StandAlone {
		return usageError{fmt.Errorf("%s is a tape drive (%s %s), not a changer; add it with --drive alone", displayAddress(address), found.Library.Vendor, found.Library.Product)}
	}
	found.Library.Name = name
	return a.withCatalog(ctx, func(c *mediacatalog.Catalog) error {
		added, err := c.AddLibrary(ctx, found.Library)
		if err != nil {
			return fmt.Errorf("add library %s: %w", name, err)
		}
		if err := a.print(libraryView(added), func(w io.Writer) {
			fmt.Fprintf(w, "Added library %s: %s %s, serial number %s.\n", name, added.Vendor, added.Product, added.Serial)
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

func elementText(e int) string {
	if e < 0 {
		return "-"
	}
	return fmt.Sprint(e)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
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

func enabledText(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// dateText is a time for people: local, to the minute.
func dateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
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
					fmt.Fprintf(w, "Library         %s (%s)\nModel           %s %s, firmware %s\nSerial number   %s\nChanger         %s\nLast inventory  %s\n\n",
						l.Name, enabledText(l.Enabled), l.Vendor, l.Product, l.Revision, l.Serial, orDash(displayAddress(l.ChangerAddress)), dateText(l.LastInventoryDate))
					printDrives(w, l.Drives)
				})
			})
		},
	}
}

// scanJSON is a device that a scan found.
type scanJSON struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Vendor  string `json:"vendor"`
	Product string `json:"product"`
	Serial  string `json:"serial"`
	Library string `json:"library,omitempty"` // of the catalog, when it is known there
	Drives  int    `json:"drives"`            // of a changer: how many were matched
	Note    string `json:"note,omitempty"`
}

func newLibraryScan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "scan [ADDRESS]",
		Short: "Find changers and tape drives: of this host, or of an iSCSI target or virtual library",
		Example: `  tapectl library scan
  tapectl library scan iscsi://10.0.0.5/iqn.2026-11.example:lib/0`,
		Args: rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error { return a.libraryScan(c.Context(), args) },
	}
}

func (a *app) libraryScan(ctx context.Context, args []string) error {
	h, err := a.host()
	if err != nil {
		return err
	}
	defer h.close()
	addresses, err := scanAddresses(ctx, h, args)
	if err != nil {
		return err
	}
	return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
		known, err := knownSerials(ctx, cat)
		if err != nil {
			return err
		}
		found := []scanJSON{}
		for _, address := range addresses {
			found = append(found, scanOne(ctx, h, address, known))
		}
		if len(found) == 0 && !a.json {
			fmt.Fprintln(a.stderr, "No changer and no tape drive was found. Are you in the group tape? Is the sg driver loaded (modprobe sg)?")
		}
		return printList(a, found, "ADDRESS|TYPE|MODEL|SERIAL|LIBRARY|DRIVES|NOTE", func(s scanJSON) []string {
			drives := "-"
			if s.Type == scsi.ChangerDevice.String() {
				drives = fmt.Sprint(s.Drives)
			}
			return []string{s.Address, s.Type, s.Vendor + " " + s.Product, s.Serial, orDash(s.Library), drives, s.Note}
		})
	})
}

// scanAddresses lists what a scan looks at.
func scanAddresses(ctx context.Context, h *host, args []string) ([]string, error) {
	if len(args) == 1 && !strings.HasPrefix(args[0], "/") {
		address, err := absoluteAddress(args[0])
		if err != nil {
			return nil, err
		}
		near, err := h.Companions(ctx, address)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(address, vlibPrefix) {
			near = append([]string{address}, near...)
		}
		return near, nil
	}
	if len(args) == 1 {
		return args, nil
	}
	devices, err := sgio.Devices()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range devices {
		all = append(all, d.Path)
	}
	return all, nil
}

func knownSerials(ctx context.Context, cat *mediacatalog.Catalog) (map[string]string, error) {
	libraries, err := cat.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, l := range libraries {
		known[l.Serial] = l.Name
		for _, d := range l.Drives {
			known[d.Serial] = l.Name
		}
	}
	return known, nil
}

func scanOne(ctx context.Context, h *host, address string, known map[string]string) scanJSON {
	s := scanJSON{Address: displayAddress(address), Type: "?"}
	t, err := h.Open(ctx, address)
	if err != nil {
		s.Note = err.Error()
		return s
	}
	id, err := scsi.Identify(ctx, t)
	t.Close()
	if err != nil {
		s.Note = err.Error()
		return s
	}
	s.Type, s.Vendor, s.Product, s.Serial, s.Library = id.DeviceType.String(), id.Vendor, id.Product, id.Serial, known[id.Serial]
	if id.DeviceType == scsi.ChangerDevice {
		found, err := library.Discover(ctx, h, address, nil)
		if err != nil {
			s.Note = err.Error()
			return s
		}
		s.Drives = len(found.Library.Drives)
		s.Note = strings.Join(append(found.Unmatched, found.Notes...), "; ")
	}
	return s
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
	var yes bool
	c := &cobra.Command{
		Use: "remove NAME", Short: "Take a library out of the catalog; its tapes stay in the catalog, offline",
		Example: "  tapectl library remove old --yes", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.confirm(yes, fmt.Sprintf("Remove library %s from the catalog (its tapes stay, offline)?", args[0])); err != nil {
				return err
			}
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				return cat.RemoveLibrary(c.Context(), args[0])
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
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

// elementJSON is how an element is shown.
type elementJSON struct {
	Type       string `json:"type"`
	Number     int    `json:"number"`
	Address    int    `json:"element"`
	Full       bool   `json:"full"`
	Barcode    string `json:"barcode,omitempty"`
	Label      string `json:"label,omitempty"`
	State      string `json:"state,omitempty"`
	Source     int    `json:"source"` // -1: not known
	Accessible bool   `json:"accessible"`
	Exception  string `json:"exception,omitempty"`
	Serial     string `json:"driveSerial,omitempty"`
}

func newLibraryStatus(a *app) *cobra.Command {
	var picture, list bool
	c := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show the elements of a library with their tapes, fresh from the changer",
		Long: `Show what is in the elements of a library, as the changer reports it now. On a terminal the library is shown as a
picture, otherwise as a list.`,
		Example: "  tapectl library status main\n  tapectl library status main --json",
		Args:    rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.libraryStatus(c.Context(), first(args), picture || !list && isTerminal(a.stdout))
		},
	}
	c.Flags().BoolVar(&picture, "picture", false, "show a picture of the library")
	c.Flags().BoolVar(&list, "list", false, "show a list, on a terminal too")
	return c
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *app) libraryStatus(ctx context.Context, name string, picture bool) error {
	return a.withLibrary(ctx, name, "library status", nil, func(cat *mediacatalog.Catalog, lib *library.Library) error {
		elements, err := lib.Elements(ctx)
		if err != nil {
			return err
		}
		media, err := cat.ListMedia(ctx, mediacatalog.MediaFilter{LibraryID: lib.Record().LibraryID})
		if err != nil {
			return err
		}
		views := elementViews(elements, media, lib.Record().Drives)
		if picture && !a.json {
			drawLibrary(a.stdout, lib.Record(), views)
			return nil
		}
		return printList(a, views, "ELEMENT|PLACE|TAPE|LABEL|STATE|CAME FROM|NOTE", func(e elementJSON) []string {
			return []string{fmt.Sprint(e.Address), fmt.Sprintf("%s %d", e.Type, e.Number), tapeText(e), orDash(e.Label), orDash(e.State), elementText(e.Source), e.Exception}
		})
	})
}

func tapeText(e elementJSON) string {
	switch {
	case !e.Full:
		return "-"
	case e.Barcode == "":
		return "(no barcode)"
	}
	return e.Barcode
}

// elementViews joins what the changer says with what the catalog knows of the tapes.
func elementViews(elements []changer.Element, media []mediacatalog.Media, drives []mediacatalog.LibraryDrive) []elementJSON {
	byBarcode := map[string]mediacatalog.Media{}
	for _, m := range media {
		byBarcode[m.Barcode] = m
	}
	serials := map[int]string{}
	for _, d := range drives {
		serials[d.ElementAddress] = d.Serial
	}
	views := make([]elementJSON, 0, len(elements))
	for _, e := range elements {
		v := elementJSON{
			Type: library.TypeName(e.Type), Number: library.Number(elements, e.Address), Address: int(e.Address), Full: e.Full,
			Barcode: e.PrimaryVolumeTag.Identifier, Source: -1, Accessible: e.Accessible, Serial: serials[int(e.Address)],
		}
		if e.SourceValid {
			v.Source = int(e.Source)
		}
		if e.Exception {
			v.Exception = fmt.Sprintf("%02X/%02X %s", e.ASC, e.ASCQ, scsi.AdditionalSenseText(e.ASC, e.ASCQ))
		}
		if m, ok := byBarcode[v.Barcode]; ok && v.Barcode != "" && e.Full {
			v.Label, v.State = m.Label, m.State
		}
		views = append(views, v)
	}
	return views
}
