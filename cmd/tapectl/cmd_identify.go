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

func newTapeIdentify(a *app) *cobra.Command {
	var libraryName string
	c := &cobra.Command{
		Use: "identify TAPE", Short: "Mount a tape and read its label", Example: "  tapectl tape identify DPM001L6", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withLibrary(ctx, libraryName, "tape identify", a.statusLine(), func(cat *mediacatalog.Catalog, lib *library.Library) error {
				return a.identify(ctx, cat, lib, args[0])
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}

func (a *app) identify(ctx context.Context, cat *mediacatalog.Catalog, lib *library.Library, name string) error {
	if err := a.refresh(ctx, cat, lib); err != nil {
		return err
	}
	m, err := findTape(ctx, cat, name)
	if err != nil {
		return err
	}
	if m.LibraryID != lib.Record().LibraryID {
		return fmt.Errorf("tape %s is not in library %s", name, lib.Name())
	}
	mount, err := lib.Mount(ctx, library.MountRequest{Element: m.ElementAddress, MediaType: m.MediaType})
	if err != nil {
		return err
	}
	label, err := mount.ReadLabel(ctx)
	if err == nil {
		err = mount.RecordLabel(ctx, cat, m.MediaID, label)
	}
	if derr := mount.Dismount(ctx); derr != nil {
		err = errors.Join(err, derr)
	}
	if err != nil {
		return err
	}
	m, err = cat.MediaByID(ctx, m.MediaID)
	if err != nil {
		return err
	}
	return a.print(map[string]any{"barcode": m.Barcode, "state": m.State, "label": m.Label, "found": label.String()}, func(w io.Writer) {
		found := "on it is " + label.String()
		if label.Blank {
			found = "nothing is on it"
		}
		fmt.Fprintf(w, "Tape %s (%s): %s.\n", orDash(printable(m.Barcode)), m.State, printable(found))
	})
}
