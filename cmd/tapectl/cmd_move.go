package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

func newTapeMove(a *app) *cobra.Command {
	var libraryName string
	c := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Move a tape from one place to another",
		Long: `Move a tape. FROM is a barcode or a place, TO a place: slot:7, mail:1, drive:2, picker:1 or element:1006.
A drive that still holds its tape loaded is refused: tape unload brings it back.`,
		Example: "  tapectl tape move DPM001L6 slot:12\n  tapectl tape move slot:3 mail:1",
		Args:    exactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withLibrary(c.Context(), libraryName, "tape move", a.statusLine(), func(_ *mediacatalog.Catalog, lib *library.Library) error {
				elements, err := lib.Elements(c.Context())
				if err != nil {
					return err
				}
				from, err := parsePlace(elements, args[0], true)
				if err != nil {
					return err
				}
				to, err := parsePlace(elements, args[1], false)
				if err != nil {
					return err
				}
				if err := lib.Move(c.Context(), from, to); err != nil {
					return err
				}
				return a.print(map[string]any{"from": int(from), "to": int(to)}, func(w io.Writer) {
					fmt.Fprintf(w, "Moved %s from %s to %s.\n", printable(args[0]), library.Place(elements, from), library.Place(elements, to))
				})
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}

func newTapeLoad(a *app) *cobra.Command {
	var libraryName string
	var driveNumber int
	c := &cobra.Command{
		Use: "load TAPE", Short: "Load a tape into a drive and leave it there", Example: "  tapectl tape load DPM001L6 --drive 2",
		Long: "Load a tape into a drive. TAPE is a barcode or a place, such as slot:7.", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withLibrary(ctx, libraryName, "tape load", a.statusLine(), func(_ *mediacatalog.Catalog, lib *library.Library) error {
				elements, err := lib.Elements(ctx)
				if err != nil {
					return err
				}
				from, err := parsePlace(elements, args[0], true)
				if err != nil {
					return err
				}
				if err := lib.LoadInto(ctx, from, driveNumber, func(m *library.Mount) error {
					return a.print(map[string]any{"barcode": m.Barcode, "drive": m.Number, "element": m.Element()}, func(w io.Writer) {
						fmt.Fprintf(w, "Loaded %s into drive %d.\n", orDash(printable(m.Barcode)), m.Number)
					})
				}); err != nil {
					return err
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	c.Flags().IntVar(&driveNumber, "drive", 0, "number of the drive (default: the first that is free and fits)")
	return c
}

func newTapeUnload(a *app) *cobra.Command {
	var libraryName string
	c := &cobra.Command{
		Use: "unload [DRIVE]", Short: "Unload the tape of a drive and put it back", Example: "  tapectl tape unload 1",
		Long: "Unload the tape of a drive and put it back into its slot. DRIVE is the number of the drive, the barcode of the tape, or nothing when one drive holds a tape.",
		Args: rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withLibrary(ctx, libraryName, "tape unload", a.statusLine(), func(_ *mediacatalog.Catalog, lib *library.Library) error {
				address, err := loadedDrive(ctx, lib, first(args))
				if err != nil {
					return err
				}
				u, err := lib.UnloadDrive(ctx, address)
				if err != nil {
					return err
				}
				return a.print(u, func(w io.Writer) {
					fmt.Fprintf(w, "Unloaded %s from drive %d into %s.\n", orDash(printable(u.Barcode)), u.Drive, u.To)
				})
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}

// loadedDrive finds the drive that an operator means by a number, a barcode or nothing.
func loadedDrive(ctx context.Context, lib *library.Library, name string) (changer.ElementAddress, error) {
	elements, err := lib.Elements(ctx)
	if err != nil {
		return 0, err
	}
	var loaded []changer.Element
	numbers := library.Numbers(elements)
	for _, e := range elements {
		if e.Type != changer.DataTransfer {
			continue
		}
		number := fmt.Sprint(numbers[e.Address])
		if name == number || name == "drive:"+number || name != "" && e.Full && e.PrimaryVolumeTag.Identifier == name {
			if !e.Full {
				return 0, fmt.Errorf("drive %s is empty", number)
			}
			return e.Address, nil
		}
		if e.Full {
			loaded = append(loaded, e)
		}
	}
	switch {
	case name != "":
		return 0, usageError{fmt.Errorf("%q is neither the number of a drive nor the barcode of a tape in a drive", name)}
	case len(loaded) == 1:
		return loaded[0].Address, nil
	case len(loaded) == 0:
		return 0, errors.New("no drive holds a tape")
	}
	return 0, usageError{errors.New("several drives hold a tape: name the drive")}
}
