package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/restore"
)

func newRecoveryPointCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "recovery-point", Aliases: []string{"rp"}, Short: "Recovery points and their copies: list, show"})
	c.AddCommand(newRecoveryPointList(a), newRecoveryPointShow(a))
	return c
}

// pointJSON is how a recovery point is shown.
type pointJSON struct {
	ID           string    `json:"recoveryPoint"`
	Name         string    `json:"name"`
	Server       string    `json:"server,omitempty"`
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires,omitzero"`
	Kind         string    `json:"kind"`
	Files        int64     `json:"files"`
	CorruptFiles int64     `json:"corruptFiles"`
	Bytes        int64     `json:"bytes"`
	Copies       int       `json:"copies"` // complete and valid ones
	External     bool      `json:"external"`
}

func pointView(p mediacatalog.RecoveryPoint) pointJSON {
	return pointJSON{
		ID: p.RecoveryPointID, Name: p.Name, Server: p.Server, Created: p.CreationDate, Expires: p.ExpiryDate, Kind: p.SourceKind,
		Files: p.Files, CorruptFiles: p.CorruptFiles, Bytes: p.TotalBytes, Copies: p.Copies, External: p.External,
	}
}

func newRecoveryPointList(a *app) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "list", Short: "List recovery points, newest first", Example: "  tapectl recovery-point list --name DPMDB", Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				points, err := cat.RecoveryPoints(c.Context(), mediacatalog.RecoveryPointFilter{Name: name})
				if err != nil {
					return err
				}
				views := make([]pointJSON, 0, len(points))
				for _, p := range points {
					views = append(views, pointView(p))
				}
				return printList(a, views, "RECOVERY POINT|NAME|CREATED|EXPIRES|COPIES|FILES|SIZE|SERVER", func(p pointJSON) []string {
					server := p.Server
					if p.External {
						server = "External DPM tapes"
					}
					return []string{shortID(p.ID), p.Name, dateText(p.Created), expiryText(p.Expires), fmt.Sprint(p.Copies), fmt.Sprint(p.Files), sizeText(p.Bytes), orDash(server)}
				})
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "only those whose name contains this text")
	return c
}

func newRecoveryPointShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show RECOVERY-POINT", Short: "Show a recovery point and the tapes with its copies", Example: "  tapectl recovery-point show 3f2a9c41", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
				p, err := findRecoveryPoint(ctx, cat, args[0])
				if err != nil {
					return err
				}
				copies, err := restore.Copies(ctx, cat, p.RecoveryPointID)
				if err != nil {
					return err
				}
				v, err := newTapeViewer(ctx, cat)
				if err != nil {
					return err
				}
				return a.showPoint(pointView(p), copies, v)
			})
		},
	}
}

// pointCopyJSON is one copy of a recovery point.
type pointCopyJSON struct {
	Copy      int    `json:"copy"`
	State     string `json:"state"`
	Barcode   string `json:"barcode"`
	Label     string `json:"label"`
	Place     string `json:"place"`
	SetNumber uint16 `json:"setNumber"`
	MediaType string `json:"mediaType,omitempty"`
	DatasetID string `json:"datasetId"`
}

func (a *app) showPoint(p pointJSON, copies []restore.Copy, v *tapeViewer) error {
	views := []pointCopyJSON{}
	for _, c := range copies {
		state := c.Dataset.SetState
		if state == mediacatalog.SetComplete {
			state = lifeText(c.Dataset.LifeStatus)
		}
		views = append(views, pointCopyJSON{
			Copy: c.Dataset.CopyNumber, State: state, Barcode: c.Media.Barcode, Label: c.Media.Label, Place: v.place(c.Media),
			SetNumber: c.Dataset.SetNumber, MediaType: c.Media.MediaType, DatasetID: c.Dataset.DatasetID,
		})
	}
	return a.print(struct {
		pointJSON
		On []pointCopyJSON `json:"on"`
	}{p, views}, func(w io.Writer) {
		fields(w, 15, [][2]string{
			{"Recovery point", p.ID}, {"Name", p.Name}, {"Server", orDash(p.Server)}, {"Created", dateText(p.Created)}, {"Expires", expiryText(p.Expires)},
			{"Contents", fmt.Sprintf("%s, %s (%s)", countText(p.Files, "file"), sizeText(p.Bytes), p.Kind)},
		})
		if p.CorruptFiles > 0 {
			fmt.Fprintf(w, "%-15s %s could not be read completely when it was made\n", "Note", countText(p.CorruptFiles, "file"))
		}
		fmt.Fprintln(w)
		table(w, "COPY|STATE|TAPE|LABEL|WHERE|SET|TYPE", len(views), func(i int) []string {
			c := views[i]
			return []string{fmt.Sprint(c.Copy), c.State, orDash(c.Barcode), c.Label, c.Place, fmt.Sprint(c.SetNumber), orDash(c.MediaType)}
		})
	})
}
