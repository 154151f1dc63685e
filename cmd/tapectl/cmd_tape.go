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
	fields(w, 13, [][2]string{
		{"Barcode", orDash(t.Barcode)}, {"Label", orDash(t.Label)}, {"State", t.State}, {"Media type", orDash(t.MediaType)}, {"Where", t.Place},
		{"Format", orDash(t.Format)}, {"Written by", orDash(t.Software)}, {"Media id", orDash(t.OnMediaID)}, {"Domain id", orDash(t.DomainID)},
		{"Used", sizeText(t.UsedBytes)}, {"Last written", dateText(t.LastWritten)}, {"Expires", dateText(t.Expires)},
	})
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
