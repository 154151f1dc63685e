// Package inventory brings what is in a tape library into the catalog.
//
// A fast inventory takes the volume tags that the changer read; that of a stand-alone drive reads the label of the tape
// in it. What contradicts the catalog (duplicate barcodes, another barcode where a tape was) is reported and never
// overwrites what is known about a tape: a barcode alone proves nothing, and the label is verified after every mount.
package inventory

import (
	"context"
	"fmt"
	"time"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// Kinds of findings, as they stand in the catalog's events.
const (
	Came             = "tape came"
	Left             = "tape left"
	Moved            = "tape moved"
	DuplicateBarcode = "duplicate barcode"
	ChangedBarcode   = "barcode changed"
	AmbiguousBarcode = "barcode ambiguous"
	NoBarcode        = "no barcode"
	NoBarcodeReader  = "no barcode reader"
	InPicker         = "tape in the picker"
	ElementFault     = "element fault"
	LibraryChanged   = "library changed"
	DriveGone        = "drive gone"
	LabelChanged     = "label changed"
	DuplicateLabel   = "duplicate label"
	LabelUnreadable  = "label unreadable"
)

// Finding is something that an inventory noticed.
type Finding struct {
	Kind     string `json:"kind"`
	Severity string `json:"severity"` // info, warning or error
	Barcode  string `json:"barcode,omitempty"`
	Element  int    `json:"element"` // -1: none
	Message  string `json:"message"`
}

// Report is what an inventory found.
type Report struct {
	Library  string    `json:"library"`
	Date     time.Time `json:"date"`
	Slots    int       `json:"slots"`
	Drives   int       `json:"drives"`
	Mail     int       `json:"mailSlots"`
	Tapes    int       `json:"tapes"`
	Cleaning int       `json:"cleaningTapes"`
	Unknown  int       `json:"unknownTapes"`
	Findings []Finding `json:"findings"`
}

// Fast reads the elements of a library and brings the catalog up to date in one transaction. Of a stand-alone drive it
// reads the label of the tape. What it found is in the report and in the catalog's events; when it fails, the catalog is
// as it was before.
//
// Errors: those of the library and the catalog.
func Fast(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library) (*Report, error) {
	if lib.StandAlone() {
		return standAlone(ctx, catalog, lib)
	}
	s, err := look(ctx, catalog, lib)
	if err != nil {
		return nil, fmt.Errorf("inventory library %s: %w", lib.Name(), err)
	}
	s.run()
	now := time.Now().UTC()
	s.report.Date = now
	if err := lib.Lost(); err != nil {
		return nil, fmt.Errorf("inventory library %s: %w", lib.Name(), err)
	}
	id := lib.Record().LibraryID
	if _, err := catalog.SaveInventory(ctx, id, now, s.elements(), s.present, events(id, s.report.Findings, now)); err != nil {
		return nil, fmt.Errorf("save the inventory of library %s: %w", lib.Name(), err)
	}
	return s.report, nil
}

// look gathers what the changer shows and what the catalog knows.
func look(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library) (*survey, error) {
	seen, err := lib.Elements(ctx)
	if err != nil {
		return nil, err
	}
	attentions, err := lib.Attentions(ctx)
	if err != nil {
		return nil, err
	}
	record := lib.Record()
	before, err := catalog.Elements(ctx, record.LibraryID)
	if err != nil {
		return nil, err
	}
	media, err := catalog.ListMedia(ctx, mediacatalog.MediaFilter{})
	if err != nil {
		return nil, err
	}
	libraries, err := catalog.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, l := range libraries {
		names[l.LibraryID] = l.Name
	}
	s := newSurvey(record, seen, before, media)
	s.names, s.attentions = names, attentions
	return s, nil
}

// events turns findings into entries of the catalog.
func events(libraryID string, findings []Finding, now time.Time) []mediacatalog.Event {
	all := make([]mediacatalog.Event, 0, len(findings))
	for _, f := range findings {
		all = append(all, mediacatalog.Event{
			EventDate: now, Kind: f.Kind, Severity: f.Severity, LibraryID: libraryID, ElementAddress: f.Element,
			Barcode: f.Barcode, Message: f.Message,
		})
	}
	return all
}

// changes words the attentions that say that what is in the library may have changed, each once. Power on and reset are
// left out: every new connection reports one.
func changes(attentions []scsi.Sense) []string {
	var all []string
	seen := map[[2]byte]bool{}
	for _, a := range attentions {
		code := [2]byte{a.ASC, a.ASCQ}
		if a.ASC == 0x29 || seen[code] {
			continue
		}
		seen[code] = true
		text := scsi.AdditionalSenseText(a.ASC, a.ASCQ)
		switch {
		case a.ASC == 0x28 && a.ASCQ == 0x01:
			text = "a mail slot was used"
		case a.ASC == 0x28:
			text = "a door or magazine was opened, or tapes were changed"
		case text == "":
			text = "something changed"
		}
		all = append(all, fmt.Sprintf("%s (%02X/%02X)", text, a.ASC, a.ASCQ))
	}
	return all
}
