// Package locate answers the question of the worst day: which tapes hold this database, and where are they.
package locate

import (
	"context"
	"fmt"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
)

// Copy is one data set on one tape that holds what was looked for, with all that an operator needs to fetch it.
type Copy struct {
	What            string    `json:"what"` // name of the recovery point
	Object          string    `json:"object,omitempty"`
	Server          string    `json:"server,omitempty"`
	Created         time.Time `json:"created"`
	Expires         time.Time `json:"expires,omitzero"` // zero: never
	State           string    `json:"state"`            // of the data set: valid or expired, incomplete, ...
	TapeState       string    `json:"tapeState"`
	Label           string    `json:"label"`
	Barcode         string    `json:"barcode"`
	Place           string    `json:"place"` // "library main, slot 7", "offline"
	Online          bool      `json:"online"`
	DataSet         uint16    `json:"dataSet"`
	CopyNumber      int       `json:"copy"`
	Tape            int       `json:"tape"` // which tape of how many
	Tapes           int       `json:"tapes"`
	MediaType       string    `json:"mediaType,omitempty"`
	Drives          []string  `json:"drives"` // drives of known libraries that can read it
	Encrypted       bool      `json:"encrypted"`
	RecoveryPointID string    `json:"recoveryPoint"`
	External        bool      `json:"external"`
}

// FromCatalog lists the copies whose recovery point or objects contain the text, newest first.
func FromCatalog(ctx context.Context, catalog *mediacatalog.Catalog, text string) ([]Copy, error) {
	found, err := catalog.Find(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("look for %q in the catalog: %w", text, err)
	}
	libraries, err := catalog.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	copies := make([]Copy, 0, len(found))
	for _, f := range found {
		copies = append(copies, Copy{
			What: f.Name, Object: object(f), Server: f.Server, Created: f.CreationDate, Expires: f.ExpiryDate, State: state(f),
			TapeState: f.State, Label: f.Label, Barcode: f.Barcode, Place: place(f), Online: f.Library != "", DataSet: f.SetNumber,
			CopyNumber: f.CopyNumber, Tape: f.Sequence, Tapes: f.Tapes, MediaType: f.MediaType,
			Drives: readers(libraries, f.MediaType, f.Barcode), Encrypted: f.Encrypted, RecoveryPointID: f.RecoveryPointID, External: f.External,
		})
	}
	return copies, nil
}

func object(f mediacatalog.Found) string {
	if f.FileSpec == "" {
		return ""
	}
	if f.Path == "" || f.FileSpec == f.Name {
		return f.Path
	}
	return f.Path + "/" + f.FileSpec
}

// state puts life status and completeness of a data set into one word.
func state(f mediacatalog.Found) string {
	switch {
	case f.SetState != mediacatalog.SetComplete:
		return f.SetState
	case f.LifeStatus == mediacatalog.Expired:
		return "expired"
	}
	return "valid"
}

func place(f mediacatalog.Found) string {
	if f.Library == "" {
		return "offline"
	}
	kind := map[int]string{
		mediacatalog.MediumTransport: "picker", mediacatalog.Storage: "slot",
		mediacatalog.ImportExport: "mail slot", mediacatalog.DataTransfer: "drive",
	}[f.ElementType]
	if kind == "" {
		return fmt.Sprintf("library %s, element %d", f.Library, f.ElementAddress)
	}
	return fmt.Sprintf("library %s, %s %d", f.Library, kind, f.ElementNumber)
}

// readers lists the drives of all libraries that can read a medium, as far as both are known.
func readers(libraries []mediacatalog.Library, mediaType, barcode string) []string {
	media := drive.Generation(mediaType)
	if media == "" {
		media = drive.MediaFromBarcode(barcode)
	}
	names := []string{}
	for _, l := range libraries {
		for i, d := range l.Drives {
			if d.Enabled && media != "" && drive.CanRead(drive.Generation(d.Generation), media) {
				names = append(names, fmt.Sprintf("%s drive %d (%s)", l.Name, i+1, d.Generation))
			}
		}
	}
	return names
}
