package library

import (
	"context"
	"errors"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
)

// recordMove writes into the catalog that a tape went from one element to another. A catalog that cannot be written does
// not undo the move: the next inventory sets it right.
func (l *Library) recordMove(ctx context.Context, barcode string, from, to changer.ElementAddress) {
	mediaID := l.mediaIn(ctx, barcode, from)
	if mediaID == "" {
		return
	}
	err := l.catalog.MoveMedium(ctx, l.record.LibraryID, mediaID, int(from), int(to), time.Now())
	if err != nil && !errors.Is(err, mediacatalog.ErrNotFound) {
		l.log.Warn("record a move in the catalog", "library", l.record.Name, "from", int(from), "to", int(to), "error", err)
	}
}

// mediaIn returns the catalog's identifier of the tape with the barcode that was in the element, "" if it knows of none:
// the one that it has in the element unless the barcodes differ (then someone has changed tapes since the inventory), else
// the only one of this library with the barcode.
func (l *Library) mediaIn(ctx context.Context, barcode string, address changer.ElementAddress) string {
	elements, err := l.catalog.Elements(ctx, l.record.LibraryID)
	if err != nil {
		l.log.Warn("read the elements from the catalog", "library", l.record.Name, "error", err)
		return ""
	}
	for _, e := range elements {
		if e.ElementAddress == int(address) && e.MediaID != "" && (barcode == "" || e.Barcode == "" || e.Barcode == barcode) {
			return e.MediaID
		}
	}
	if m := l.mediumWith(ctx, barcode); m != nil {
		return m.MediaID
	}
	return ""
}

// mediumWith returns the one tape of this library that the catalog knows with the barcode, nil for none and for several.
func (l *Library) mediumWith(ctx context.Context, barcode string) *mediacatalog.Media {
	if barcode == "" {
		return nil
	}
	media, err := l.catalog.MediaByBarcode(ctx, barcode)
	if err != nil {
		l.log.Warn("look for a tape in the catalog", "barcode", barcode, "error", err)
		return nil
	}
	var here *mediacatalog.Media
	for i := range media {
		if media[i].LibraryID != l.record.LibraryID {
			continue
		}
		if here != nil {
			return nil
		}
		here = &media[i]
	}
	return here
}

// noteMove keeps what is known about a failed move, for those who look for the tape later.
func (l *Library) noteMove(ctx context.Context, m *MoveError) {
	severity := "warning"
	if m.Outcome != NotMoved {
		severity = "error"
	}
	l.log.Error("move failed", "library", l.record.Name, "barcode", m.Barcode, "outcome", m.Outcome.String(), "error", m.Err)
	err := l.catalog.AddEvents(ctx, mediacatalog.Event{
		EventDate: time.Now(), Kind: "move failed", Severity: severity, LibraryID: l.record.LibraryID,
		ElementAddress: -1, Barcode: m.Barcode, Message: m.Error(),
	})
	if err != nil {
		l.log.Warn("record a failed move in the catalog", "error", err)
	}
}

// rememberedHome returns the storage element that the catalog knows as the home of the tape with the barcode.
func (l *Library) rememberedHome(ctx context.Context, barcode string) (changer.ElementAddress, bool) {
	m := l.mediumWith(ctx, barcode)
	if m == nil || m.HomeElement < 0 {
		return 0, false
	}
	return changer.ElementAddress(m.HomeElement), true
}
