package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

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
			w := bufio.NewWriter(a.stdout)
			drawLibrary(w, lib.Record(), views, terminalWidth(a.stdout))
			return w.Flush()
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
	numbers := library.Numbers(elements)
	views := make([]elementJSON, 0, len(elements))
	for _, e := range elements {
		v := elementJSON{
			Type: library.TypeName(e.Type), Number: numbers[e.Address], Address: int(e.Address), Full: e.Full,
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
