// Package locate answers the question of the worst day: which tapes hold this database, and where are they.
package locate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/library"
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

// FromCatalog lists the copies whose recovery point or objects contain the text, newest first; the tapes of a copy in
// their order. What expired, is incomplete or is offline is listed too, and said to be so: on the worst day it may be all
// there is.
func FromCatalog(ctx context.Context, catalog *mediacatalog.Catalog, text string) ([]Copy, error) {
	found, err := catalog.Find(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("look for %q in the catalog: %w", text, err)
	}
	libraries, err := catalog.Libraries(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for %q in the catalog: %w", text, err)
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
	slices.SortStableFunc(copies, func(a, b Copy) int { return b.Created.Compare(a.Created) })
	return copies, nil
}

// object is the path of the object that fits, "" when it was the recovery point's name that fits. Paths of other
// software on Windows keep their separator.
func object(f mediacatalog.Found) string {
	switch {
	case f.FileSpec == "", f.Kind == mediacatalog.KindVolume: // a volume's name in the catalog is the recovery point's
		return f.Path
	case f.Path == "":
		return f.FileSpec
	}
	separator := "/"
	if strings.Contains(f.Path, `\`) && !strings.Contains(f.Path, "/") {
		separator = `\`
	}
	return strings.TrimSuffix(f.Path, separator) + separator + f.FileSpec
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

// place says where a tape is, as the last inventory and the moves since know it.
func place(f mediacatalog.Found) string {
	switch {
	case f.Library == "":
		return "offline"
	case f.ElementType == 0 || f.ElementNumber == 0:
		return fmt.Sprintf("library %s, element %d", f.Library, f.ElementAddress)
	}
	return fmt.Sprintf("library %s, %s %d", f.Library, library.TypeName(changer.ElementType(f.ElementType)), f.ElementNumber)
}

// readers lists the enabled drives of all enabled libraries that can read a medium, as far as both are known.
func readers(libraries []mediacatalog.Library, mediaType, barcode string) []string {
	media := library.MediumGeneration(mediaType, barcode)
	names := []string{}
	for _, l := range libraries {
		for i, d := range l.Drives {
			if l.Enabled && d.Enabled && media != "" && drive.CanRead(drive.Generation(d.Generation), media) {
				names = append(names, fmt.Sprintf("%s drive %d (%s)", l.Name, i+1, d.Generation))
			}
		}
	}
	return names
}
