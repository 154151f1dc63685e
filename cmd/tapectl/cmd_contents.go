package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/spf13/cobra"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// objectJSON is how an object of a data set is shown.
type objectJSON struct {
	SetNumber uint16 `json:"setNumber"`
	Path      string `json:"path"`
	Kind      string `json:"kind"`
	Size      int64  `json:"size"`
	Modified  string `json:"modified,omitempty"`
	SHA256    string `json:"sha256,omitempty"`
	Corrupt   bool   `json:"corrupt,omitempty"`
}

func newTapeContents(a *app) *cobra.Command {
	var fromTape bool
	var libraryName, only string
	c := &cobra.Command{
		Use:   "contents TAPE",
		Short: "List what is on a tape: from the catalog, or from the tape itself",
		Long: `List the data sets and files of a tape. The catalog answers without touching the tape; with --from-tape the tape is mounted and
its labels and media based catalogs are read.`,
		Example: "  tapectl tape contents DPM001L6\n  tapectl tape contents DPM001L6 --from-tape",
		Args:    exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if fromTape {
				return a.withLibrary(ctx, libraryName, "tape contents", a.statusLine(), func(cat *mediacatalog.Catalog, lib *library.Library) error {
					return a.contentsFromTape(ctx, cat, lib, args[0])
				})
			}
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				return a.contents(ctx, cat, args[0], only)
			})
		},
	}
	c.Flags().BoolVar(&fromTape, "from-tape", false, "mount the tape and read it")
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	c.Flags().StringVar(&only, "match", "", "only objects whose path contains this text")
	return c
}

func (a *app) contents(ctx context.Context, cat *mediacatalog.Catalog, name, match string) error {
	m, err := findTape(ctx, cat, name)
	if err != nil {
		return err
	}
	sets, err := cat.Datasets(ctx, mediacatalog.DatasetFilter{MediaID: m.MediaID})
	if err != nil {
		return err
	}
	views, err := dataSetViews(ctx, cat, sets)
	if err != nil {
		return err
	}
	if len(views) == 0 {
		fmt.Fprintf(a.stderr, "The catalog knows no data set on tape %s (%s).\n", name, m.State)
	}
	for i, s := range views {
		if !a.json {
			fmt.Fprintf(a.stdout, "Data set %d: %s, %s, copy %d, %s, %s, %s\n", s.SetNumber, printable(s.Name), dateText(s.Created), s.Copy, setStateText(s),
				countText(s.Files, "file"), sizeText(s.Bytes))
		}
		err := cat.Objects(ctx, sets[i].DatasetID, match, func(o mediacatalog.Object) error {
			return a.printObject(s.SetNumber, o)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printObject(set uint16, o mediacatalog.Object) error {
	v := objectJSON{SetNumber: set, Path: path.Join(o.Path, o.FileSpec), Kind: o.Kind, Size: o.Size, Corrupt: o.Corrupt}
	if o.Kind == mediacatalog.KindVolume {
		v.Path = o.Path
	}
	if !o.Modified.IsZero() {
		v.Modified = o.Modified.UTC().Format("2006-01-02T15:04:05Z")
	}
	if o.SHA256 != nil {
		v.SHA256 = fmt.Sprintf("%x", o.SHA256)
	}
	if a.json {
		return writeJSON(a.stdout, v)
	}
	note := ""
	if o.Corrupt {
		note = fmt.Sprintf("   corrupt from byte %d", o.CorruptFrom)
	}
	_, err := fmt.Fprintf(a.stdout, "  %-10s %12s  %s  %s%s\n", o.Kind, sizeText(o.Size), dateText(o.Modified), printable(v.Path), note)
	return err
}

// contentsFromTape mounts the tape and reads labels and catalogs.
func (a *app) contentsFromTape(ctx context.Context, cat *mediacatalog.Catalog, lib *library.Library, name string) error {
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
	err = a.walkTape(ctx, mount)
	return errors.Join(err, mount.Dismount(ctx))
}

func (a *app) walkTape(ctx context.Context, mount *library.Mount) error {
	label, err := mount.ReadLabel(ctx)
	if err != nil {
		return err
	}
	a.settle()
	if !a.json {
		fmt.Fprintf(a.stdout, "On the tape is %s.\n", printable(label.String()))
	}
	if label.Header == nil {
		return nil
	}
	r := mount.Reader()
	defer r.Close()
	if err := r.Locate(ctx, label.Header.NextObject); err != nil {
		return err
	}
	o := mtf.CatalogOptions{PhysicalBlock: label.Header.PhysicalBlock, FormatLogical: int(label.Header.FormatLogicalBlock)}
	var sets []mtf.SetInfo
	_, err = mtf.WalkSets(ctx, r, o, func(s *mtf.SetInfo) error {
		sets = append(sets, withoutMap(s))
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range sets {
		if err := a.printTapeSet(ctx, r, o, s); err != nil {
			return err
		}
	}
	return nil
}

// withoutMap copies a data set without its set map: each set has one of all sets before it, which grows with the square.
func withoutMap(s *mtf.SetInfo) mtf.SetInfo {
	c := *s
	if s.End != nil {
		end := *s.End
		end.SetMap = nil
		c.End = &end
	}
	return c
}

// printTapeSet prints a data set with the objects of its media based catalog.
func (a *app) printTapeSet(ctx context.Context, r *library.TapeReader, o mtf.CatalogOptions, s mtf.SetInfo) error {
	state := "complete"
	switch {
	case s.End == nil:
		state = fmt.Sprintf("without an end (%v)", s.Err)
	case s.End.Aborted:
		state = "incomplete"
	}
	if !a.json {
		fmt.Fprintf(a.stdout, "Data set %d: %s, %s, %s\n", s.Number, printable(s.Name), dateText(s.Date), state)
	}
	if s.End == nil || s.End.FDDObject == 0 {
		return nil
	}
	if err := r.Locate(ctx, s.End.ESETObject); err != nil {
		return err
	}
	c, err := mtf.ReadCatalog(ctx, r, o)
	if err != nil {
		return err
	}
	var place catalogPlace
	for {
		entry, err := c.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.printObject(s.Number, place.object(entry)); err != nil {
			return err
		}
	}
}

// catalogPlace is where in a media based catalog the reader is: its entries name only themselves.
type catalogPlace struct{ volume, directory string }

// object turns the next entry of a media based catalog into an object with its whole path.
func (p *catalogPlace) object(e *mtf.CatalogEntry) mediacatalog.Object {
	o := mediacatalog.Object{Size: int64(e.Size), FLA: e.FLA, Corrupt: e.Attributes&mtf.AttrCorrupt != 0}
	meta, sum, own := e.Meta()
	if own {
		o.Modified = meta.ModTime
	}
	switch e.Type {
	case mtf.IDVOLB:
		p.volume, p.directory = e.Device, e.Device
		o.Kind, o.Path = mediacatalog.KindVolume, e.Device
	case mtf.IDDIRB:
		p.directory = path.Join(append([]string{p.volume}, mtf.SplitPath(e.Name)...)...)
		o.Kind, o.Path = mediacatalog.KindDirectory, p.directory
	default:
		o.Kind, o.Path, o.FileSpec = mediacatalog.KindFile, p.directory, e.Name
		if own && !o.Corrupt {
			o.SHA256 = sum[:]
		}
	}
	return o
}
