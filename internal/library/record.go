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
func (l *Library) recordMove(ctx context.Context, from, to changer.ElementAddress) {
	mediaID := l.mediaAt(ctx, from)
	if mediaID == "" {
		return
	}
	err := l.catalog.MoveMedium(ctx, l.record.LibraryID, mediaID, int(from), int(to), time.Now())
	if err != nil && !errors.Is(err, mediacatalog.ErrNotFound) {
		l.log.Warn("record a move in the catalog", "library", l.record.Name, "from", int(from), "to", int(to), "error", err)
	}
}

// mediaAt returns the catalog's identifier of the tape that it takes to be in the element, "" if it knows of none.
func (l *Library) mediaAt(ctx context.Context, address changer.ElementAddress) string {
	elements, err := l.catalog.Elements(ctx, l.record.LibraryID)
	if err != nil {
		l.log.Warn("read the elements from the catalog", "library", l.record.Name, "error", err)
		return ""
	}
	for _, e := range elements {
		if e.ElementAddress == int(address) {
			return e.MediaID
		}
	}
	return ""
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
	if barcode == "" {
		return 0, false
	}
	media, err := l.catalog.MediaByBarcode(ctx, barcode)
	if err != nil || len(media) != 1 || media[0].LibraryID != l.record.LibraryID || media[0].HomeElement < 0 {
		return 0, false
	}
	return changer.ElementAddress(media[0].HomeElement), true
}

// claim marks the drive of a mount, and the slot that its tape goes back to, as in use.
func (l *Library) claim(m *Mount) {
	l.mounted[m.element] = true
	if m.hasHome {
		l.reserved[m.home] = true
	}
}

// release undoes claim.
func (l *Library) release(m *Mount) {
	delete(l.mounted, m.element)
	if m.hasHome {
		delete(l.reserved, m.home)
	}
}

// inUse reports whether a Mount of this process uses the drive.
func (l *Library) inUse(address changer.ElementAddress) bool { return l.mounted[address] }
