package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapectl/internal/changer"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

func newTapeCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "tape", Short: "Tapes: list, show, contents, identify, move, load, unload"})
	c.AddCommand(newTapeList(a), newTapeShow(a), newTapeContents(a), newTapeIdentify(a), newTapeMove(a), newTapeLoad(a), newTapeUnload(a))
	return c
}

// tapeJSON is how a tape is shown.
type tapeJSON struct {
	Barcode     string    `json:"barcode,omitempty"`
	Label       string    `json:"label,omitempty"`
	State       string    `json:"state"`
	Format      string    `json:"format,omitempty"`
	Software    string    `json:"software,omitempty"`
	MediaType   string    `json:"mediaType,omitempty"`
	Library     string    `json:"library,omitempty"`
	Place       string    `json:"place"`
	DataSets    int       `json:"dataSets"`
	UsedBytes   int64     `json:"usedBytes"`
	Capacity    int64     `json:"capacityBytes,omitempty"`
	Full        bool      `json:"full"`
	LastWritten time.Time `json:"lastWritten,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
	MediaID     string    `json:"mediaId"`
	OnMediaID   string    `json:"onMediaId,omitempty"`
	DomainID    string    `json:"domainId,omitempty"`
	Serial      string    `json:"mediumSerial,omitempty"`
	BlockSize   int       `json:"blockSize,omitempty"`
	Uncertain   bool      `json:"appendUncertain,omitempty"`
	Note        string    `json:"note,omitempty"`
}

// tapeViewer turns tapes of the catalog into what is shown, with places in words.
type tapeViewer struct {
	catalog   *mediacatalog.Catalog
	libraries map[string]mediacatalog.Library
	elements  map[string]map[int]mediacatalog.Element
}

func newTapeViewer(ctx context.Context, c *mediacatalog.Catalog) (*tapeViewer, error) {
	v := &tapeViewer{catalog: c, libraries: map[string]mediacatalog.Library{}, elements: map[string]map[int]mediacatalog.Element{}}
	all, err := c.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		v.libraries[l.LibraryID] = l
		elements, err := c.Elements(ctx, l.LibraryID)
		if err != nil {
			return nil, err
		}
		v.elements[l.LibraryID] = map[int]mediacatalog.Element{}
		for _, e := range elements {
			v.elements[l.LibraryID][e.ElementAddress] = e
		}
	}
	return v, nil
}

// place says where a tape is, as far as the last inventory and the moves since know.
func (v *tapeViewer) place(m mediacatalog.Media) string {
	l, ok := v.libraries[m.LibraryID]
	if !ok {
		return "offline"
	}
	if e, ok := v.elements[m.LibraryID][m.ElementAddress]; ok {
		return fmt.Sprintf("%s, %s %d", l.Name, library.TypeName(changer.ElementType(e.ElementType)), e.Number)
	}
	if l.StandAlone {
		return l.Name
	}
	return fmt.Sprintf("%s, element %d", l.Name, m.ElementAddress)
}

func (v *tapeViewer) view(ctx context.Context, m mediacatalog.Media) (tapeJSON, error) {
	t := tapeJSON{
		Barcode: m.Barcode, Label: m.Label, State: m.State, Format: m.Format, Software: m.Software, MediaType: m.MediaType,
		Library: v.libraries[m.LibraryID].Name, Place: v.place(m), UsedBytes: m.UsedBytes, Capacity: m.CapacityBytes, Full: m.Full,
		LastWritten: m.LastWrittenDate, MediaID: m.MediaID, OnMediaID: m.OnMediaID, DomainID: m.DomainID, Serial: m.MediumSerial,
		BlockSize: m.BlockSize, Uncertain: m.AppendUncertain, Note: m.Note,
	}
	sets, err := v.catalog.Datasets(ctx, mediacatalog.DatasetFilter{MediaID: m.MediaID})
	if err != nil {
		return t, err
	}
	t.DataSets = len(sets)
	for _, s := range sets {
		if s.ExpiryDate.After(t.Expires) {
			t.Expires = s.ExpiryDate
		}
	}
	for _, s := range sets {
		if s.ExpiryDate.IsZero() {
			t.Expires = time.Time{} // one that never expires keeps the tape
		}
	}
	return t, nil
}

func newTapeList(a *app) *cobra.Command {
	var libraryName, state string
	var online, offline bool
	c := &cobra.Command{
		Use: "list", Short: "List the tapes of the catalog", Example: "  tapectl tape list --library main\n  tapectl tape list --state Unknown --json",
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				f := mediacatalog.MediaFilter{Online: online, Offline: offline}
				if state != "" {
					f.States = []string{state}
				}
				if libraryName != "" {
					l, err := cat.Library(ctx, libraryName)
					if err != nil {
						return err
					}
					f.LibraryID = l.LibraryID
				}
				media, err := cat.ListMedia(ctx, f)
				if err != nil {
					return err
				}
				v, err := newTapeViewer(ctx, cat)
				if err != nil {
					return err
				}
				views := make([]tapeJSON, 0, len(media))
				for _, m := range media {
					t, err := v.view(ctx, m)
					if err != nil {
						return err
					}
					views = append(views, t)
				}
				return printList(a, views, "BARCODE|LABEL|STATE|TYPE|WHERE|SETS|USED|LAST WRITTEN", func(t tapeJSON) []string {
					return []string{orDash(t.Barcode), orDash(t.Label), t.State, orDash(t.MediaType), t.Place, fmt.Sprint(t.DataSets), sizeText(t.UsedBytes), dateText(t.LastWritten)}
				})
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "only tapes in this library")
	c.Flags().StringVar(&state, "state", "", "only tapes in this state, such as Unknown")
	c.Flags().BoolVar(&online, "online", false, "only tapes in a library")
	c.Flags().BoolVar(&offline, "offline", false, "only tapes in no library")
	return c
}

// findTape finds the one tape of the catalog with the barcode, label or identifier.
func findTape(ctx context.Context, cat *mediacatalog.Catalog, name string) (mediacatalog.Media, error) {
	media, err := cat.MediaByBarcode(ctx, name)
	if err == nil && len(media) == 0 {
		media, err = cat.MediaByLabel(ctx, name)
	}
	if err != nil {
		return mediacatalog.Media{}, err
	}
	switch len(media) {
	case 0:
		m, err := cat.MediaByID(ctx, name)
		if errors.Is(err, mediacatalog.ErrNotFound) {
			err = fmt.Errorf("find tape %q: %w; `tapectl inventory` brings new tapes into it", name, mediacatalog.ErrNotFound)
		}
		return m, err
	case 1:
		return media[0], nil
	}
	var ids []string
	for _, m := range media {
		ids = append(ids, m.MediaID)
	}
	return mediacatalog.Media{}, usageError{fmt.Errorf("find tape %q: %w; name it by its identifier: %s", name, mediacatalog.ErrAmbiguous, strings.Join(ids, ", "))}
}

func newTapeShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show TAPE", Short: "Show what the catalog knows of a tape and its data sets", Example: "  tapectl tape show DPM001L6", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				m, err := findTape(ctx, cat, args[0])
				if err != nil {
					return err
				}
				v, err := newTapeViewer(ctx, cat)
				if err != nil {
					return err
				}
				t, err := v.view(ctx, m)
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
				return a.print(struct {
					tapeJSON
					Sets []dataSetJSON `json:"sets"`
				}{t, views}, func(w io.Writer) { printTape(w, t, views) })
			})
		},
	}
}

// dataSetJSON is how a data set is shown.
type dataSetJSON struct {
	SetNumber     uint16    `json:"setNumber"`
	RecoveryPoint string    `json:"recoveryPoint"`
	Name          string    `json:"name"`
	Copy          int       `json:"copy"`
	State         string    `json:"state"`
	LifeStatus    string    `json:"lifeStatus"`
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires,omitzero"`
	Files         int64     `json:"files"`
	CorruptFiles  int64     `json:"corruptFiles"`
	Bytes         int64     `json:"bytes"`
	DatasetID     string    `json:"datasetId"`
	Object        uint64    `json:"object"` // logical object number where it begins
}

func dataSetViews(ctx context.Context, cat *mediacatalog.Catalog, sets []mediacatalog.Dataset) ([]dataSetJSON, error) {
	views := []dataSetJSON{}
	for _, s := range sets {
		p, err := cat.RecoveryPoint(ctx, s.RecoveryPointID)
		if err != nil && !errors.Is(err, mediacatalog.ErrNotFound) {
			return nil, err
		}
		views = append(views, dataSetJSON{
			SetNumber: s.SetNumber, RecoveryPoint: s.RecoveryPointID, Name: p.Name, Copy: s.CopyNumber, State: s.SetState, LifeStatus: lifeText(s.LifeStatus),
			Created: s.CreationDate, Expires: s.ExpiryDate, Files: s.Files, CorruptFiles: s.CorruptFiles, Bytes: s.Bytes, DatasetID: s.DatasetID, Object: s.SSETObject,
		})
	}
	return views, nil
}

func lifeText(s mediacatalog.LifeStatus) string {
	if s == mediacatalog.Expired {
		return "expired"
	}
	return "valid"
}

func printTape(w io.Writer, t tapeJSON, sets []dataSetJSON) {
	for _, line := range [][2]string{
		{"Barcode", orDash(t.Barcode)}, {"Label", orDash(t.Label)}, {"State", t.State}, {"Media type", orDash(t.MediaType)}, {"Where", t.Place},
		{"Format", orDash(t.Format)}, {"Written by", orDash(t.Software)}, {"Media id", orDash(t.OnMediaID)}, {"Domain id", orDash(t.DomainID)},
		{"Used", sizeText(t.UsedBytes)}, {"Last written", dateText(t.LastWritten)}, {"Expires", dateText(t.Expires)},
	} {
		fmt.Fprintf(w, "%-13s %s\n", line[0], printable(line[1]))
	}
	if t.Uncertain {
		fmt.Fprintln(w, "Note          the end of its data is not certain: it is read, but not appended to")
	}
	if len(sets) == 0 {
		return
	}
	fmt.Fprintln(w)
	printDataSets(w, sets)
}

func printDataSets(w io.Writer, sets []dataSetJSON) {
	table(w, "SET|RECOVERY POINT|NAME|COPY|STATE|CREATED|EXPIRES|FILES|SIZE", len(sets), func(i int) []string {
		s := sets[i]
		return []string{fmt.Sprint(s.SetNumber), shortID(s.RecoveryPoint), s.Name, fmt.Sprint(s.Copy), setStateText(s), dateText(s.Created), expiryText(s.Expires), fmt.Sprint(s.Files), sizeText(s.Bytes)}
	})
}

func setStateText(s dataSetJSON) string {
	if s.State == mediacatalog.SetComplete {
		return s.LifeStatus
	}
	return s.State
}

func expiryText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return dateText(t)
}

// sizeText is a number of bytes for people, in decimal units as on the cartridges.
func sizeText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

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
					fmt.Fprintf(w, "Moved %s from %s to %s.\n", args[0], library.Place(elements, from), library.Place(elements, to))
				})
			})
		},
	}
	c.Flags().StringVar(&libraryName, "library", "", "library (needed when there are several)")
	return c
}

// placeTypes are the words for element types on the command line.
var placeTypes = map[string]changer.ElementType{
	"slot": changer.Storage, "mail": changer.ImportExport, "drive": changer.DataTransfer, "picker": changer.MediumTransport,
}

// parsePlace finds the element that a word of the command line means: "slot:7", "element:1006" or, for a source, a barcode.
func parsePlace(elements []changer.Element, s string, barcodes bool) (changer.ElementAddress, error) {
	kind, number, ok := strings.Cut(s, ":")
	if ok {
		n, err := strconv.ParseUint(number, 10, 16)
		t, known := placeTypes[kind]
		if err == nil && (known || kind == "element") {
			for _, e := range elements {
				if kind == "element" && uint64(e.Address) == n || known && e.Type == t && uint64(library.Number(elements, e.Address)) == n {
					return e.Address, nil
				}
			}
			return 0, usageError{fmt.Errorf("the library has no %s %d", kind, n)}
		}
	}
	if !barcodes {
		return 0, usageError{fmt.Errorf("%q is no place: slot:7, mail:1, drive:2 or element:1006", s)}
	}
	var found []changer.Element
	for _, e := range elements {
		if e.Full && e.PrimaryVolumeTag.Identifier == s {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no tape with barcode %s is in the library", s)
	case 1:
		return found[0].Address, nil
	}
	return 0, usageError{fmt.Errorf("%d tapes have the barcode %s: name the place instead, such as %s", len(found), s, "slot:"+fmt.Sprint(library.Number(elements, found[0].Address)))}
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
						fmt.Fprintf(w, "Loaded %s into drive %d.\n", orDash(m.Barcode), m.Number)
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
					fmt.Fprintf(w, "Unloaded %s from drive %d into %s.\n", orDash(u.Barcode), u.Drive, u.To)
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
	for _, e := range elements {
		if e.Type != changer.DataTransfer {
			continue
		}
		number := fmt.Sprint(library.Number(elements, e.Address))
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
		fmt.Fprintf(w, "Tape %s is %s: on it is %s.\n", orDash(m.Barcode), m.State, printable(label.String()))
	})
}
