package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

func newDriveCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "drive", Short: "Tape drives: list, show, enable, disable"})
	c.AddCommand(newDriveList(a), newDriveShow(a), newDriveEnable(a, true), newDriveEnable(a, false))
	return c
}

func newDriveList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the drives of all libraries", Example: "  tapectl drive list", Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				libraries, err := cat.Libraries(c.Context())
				if err != nil {
					return err
				}
				var all []driveJSON
				for _, l := range libraries {
					all = append(all, driveViews(l.Name, l.Drives)...)
				}
				return printList(a, all, "LIBRARY|DRIVE|ELEMENT|MODEL|GENERATION|SERIAL|STATE|ADDRESS", func(d driveJSON) []string {
					return []string{d.Library, fmt.Sprint(d.Number), elementText(d.Element), d.Vendor + " " + d.Product, orDash(d.Generation), d.Serial, enabledText(d.Enabled), d.Address}
				})
			})
		},
	}
}

// driveStatusJSON is what a drive says of itself now.
type driveStatusJSON struct {
	driveJSON
	Loaded         bool     `json:"loaded"`
	Ready          bool     `json:"ready"`
	Barcode        string   `json:"barcode,omitempty"`
	WriteProtected bool     `json:"writeProtected"`
	Density        string   `json:"density,omitempty"`
	MinimumBlock   int      `json:"minimumBlock"`
	MaximumBlock   int      `json:"maximumBlock"`
	Locate         bool     `json:"locate"`
	CartridgeMem   bool     `json:"cartridgeMemory"`
	TapeAlerts     []string `json:"tapeAlerts"`
	CleaningNeeded bool     `json:"cleaningNeeded"`
}

func newDriveShow(a *app) *cobra.Command {
	var libraryName string
	c := &cobra.Command{
		Use: "show DRIVE", Short: "Show a drive: its medium, limits, TapeAlert flags", Example: "  tapectl drive show 1 --library main", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withLibrary(ctx, libraryName, "drive show", nil, func(_ *mediacatalog.Catalog, lib *library.Library) error {
				return a.driveShow(ctx, lib, args[0])
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}

func (a *app) driveShow(ctx context.Context, lib *library.Library, name string) error {
	d, number, err := driveByNumber(lib.Record(), name)
	if err != nil {
		return err
	}
	o, err := lib.OpenDrive(ctx, d)
	if err != nil {
		return err
	}
	defer o.Close()
	s := driveStatusJSON{driveJSON: driveViews(lib.Name(), lib.Record().Drives)[number-1], TapeAlerts: []string{}}
	limits, can := o.BlockLimits(), o.Capabilities()
	s.MinimumBlock, s.MaximumBlock, s.Locate, s.CartridgeMem = limits.Minimum, limits.Maximum, can.Locate10 || can.Locate16, can.MAM
	status, err := o.Status(ctx)
	if err != nil {
		return err
	}
	s.Loaded, s.Ready, s.WriteProtected, s.Density = status.Loaded, status.Ready, status.WriteProtected, string(status.Generation)
	flags, err := o.TapeAlerts(ctx)
	if err != nil && can.LogSense {
		return err
	}
	for _, f := range flags {
		s.TapeAlerts = append(s.TapeAlerts, fmt.Sprintf("%02Xh %s (%s)", f.Number, f.Name, f.Severity))
	}
	return a.print(s, func(w io.Writer) { printDrive(w, s) })
}

func driveByNumber(l mediacatalog.Library, name string) (mediacatalog.LibraryDrive, int, error) {
	for i, d := range l.Drives {
		if name == fmt.Sprint(i+1) || name == d.Serial || name == displayAddress(d.Address) {
			return d, i + 1, nil
		}
	}
	return mediacatalog.LibraryDrive{}, 0, usageError{fmt.Errorf("library %s has no drive %q: `tapectl drive list` lists them", l.Name, name)}
}

func printDrive(w io.Writer, s driveStatusJSON) {
	medium := "none"
	if s.Loaded {
		medium = "loaded, not ready"
	}
	if s.Ready {
		medium = "ready"
		if s.Density != "" {
			medium += ", " + s.Density
		}
		if s.WriteProtected {
			medium += ", write protected"
		}
	}
	fields(w, 14, [][2]string{
		{"Drive", fmt.Sprintf("%d of library %s, element %s (%s)", s.Number, s.Library, elementText(s.Element), enabledText(s.Enabled))},
		{"Model", fmt.Sprintf("%s %s, firmware %s", s.Vendor, s.Product, s.Revision)}, {"Generation", orDash(s.Generation)}, {"Serial number", s.Serial},
		{"Address", s.Address}, {"Medium", medium}, {"Blocks", fmt.Sprintf("%d to %d bytes", s.MinimumBlock, s.MaximumBlock)},
		{"LOCATE", yesNo(s.Locate)}, {"Cartridge mem", yesNo(s.CartridgeMem)},
	})
	for _, f := range s.TapeAlerts {
		fmt.Fprintf(w, "%-14s %s\n", "TapeAlert", printable(f))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newDriveEnable(a *app, enable bool) *cobra.Command {
	use, short := "enable", "Take a drive into use again"
	if !enable {
		use, short = "disable", "Take a drive out of use"
	}
	var libraryName string
	c := &cobra.Command{
		Use: use + " DRIVE", Short: short, Example: "  tapectl drive " + use + " 2 --library main", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				name, err := onlyLibrary(ctx, cat, libraryName)
				if err != nil {
					return err
				}
				l, err := cat.Library(ctx, name)
				if err != nil {
					return err
				}
				d, _, err := driveByNumber(l, args[0])
				if err != nil {
					return err
				}
				err = cat.SetDriveEnabled(ctx, d.DriveID, enable)
				if errors.Is(err, mediacatalog.ErrNotFound) {
					return fmt.Errorf("drive %s of library %s: %w", args[0], name, err)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}
