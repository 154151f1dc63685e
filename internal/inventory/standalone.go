package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

// standAlone takes the inventory of a drive without a changer: it reads the label of the tape in it, finds the tape in
// the catalog and puts it there as the one tape of the library. The tape stays in the drive, rewound.
func standAlone(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library) (*Report, error) {
	v := &visit{catalog: catalog, library: lib, report: &Report{Library: lib.Name(), Drives: 1, Findings: []Finding{}}}
	elements, err := lib.Elements(ctx)
	if err == nil && elements[0].Full {
		v.full, v.report.Tapes = true, 1
		v.medium = mediacatalog.InventoryMedium{ElementAddress: library.StandAloneTape, HomeElement: -1}
		if elements[0].MediumType == changer.MediumCleaning {
			err = v.cleaning(ctx) // it is not mounted: drives give it out when they are clean
		} else {
			err = v.mount(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("inventory library %s: %w", lib.Name(), err)
	}
	if err := v.save(ctx); err != nil {
		return nil, err
	}
	return v.report, nil
}

// visit is the inventory of a stand-alone drive.
type visit struct {
	catalog *mediacatalog.Catalog
	library *library.Library
	report  *Report
	full    bool
	medium  mediacatalog.InventoryMedium
	// record writes what was read from the tape, once the catalog has the tape; nil when nothing was read.
	record func(ctx context.Context, mediaID string) error
	end    func(context.Context) error // ends the mount; nil when there is none
}

// mount reads the tape and identifies it. The tape stays mounted until save has recorded what was read.
func (v *visit) mount(ctx context.Context) error {
	m, err := v.library.Mount(ctx, library.MountRequest{})
	var cleaning *drive.CleaningCartridgeError
	switch {
	case errors.As(err, &cleaning):
		return v.cleaning(ctx)
	case err != nil:
		return err
	}
	v.end = m.Dismount
	label, err := m.ReadLabel(ctx)
	if err != nil {
		// The tape is there, whatever it is: what was known of the drive's tape may not hold any more.
		if ctx.Err() != nil || v.library.Lost() != nil {
			return errors.Join(err, m.Dismount(ctx))
		}
		v.note(LabelUnreadable, "error", "the label of the tape in the drive cannot be read: %v; clean the drive, or try another one", err)
		label = nil
	}
	memory := m.Memory(ctx)
	v.record = func(ctx context.Context, mediaID string) error {
		if label != nil {
			return m.RecordLabel(ctx, v.catalog, mediaID, label)
		}
		_, ferr := v.catalog.AddMediaFact(ctx, mediacatalog.MediaFact{
			MediaID: mediaID, ReadDate: time.Now().UTC(), LibraryID: v.library.Record().LibraryID, ElementAddress: library.StandAloneTape,
			Barcode: memory.Barcode, DriveSerial: m.Record.Serial, MediumSerial: memory.Serial, Error: err.Error(),
		})
		return ferr
	}
	if err := v.identify(ctx, memory, label); err != nil {
		return errors.Join(err, m.Dismount(ctx))
	}
	return nil
}

// cleaning records that a cleaning cartridge is in the drive.
func (v *visit) cleaning(ctx context.Context) error {
	v.report.Cleaning = 1
	v.medium.Cleaning, v.medium.State = true, mediacatalog.StateCleaning
	v.note(Came, "info", "a cleaning cartridge is in the drive")
	before, err := v.before(ctx)
	if err == nil && before != nil && before.Cleaning {
		v.medium.MediaID = before.MediaID
	}
	return err
}

// before returns the tape that the catalog has in the drive, nil for none.
func (v *visit) before(ctx context.Context) (*mediacatalog.Media, error) {
	media, err := v.catalog.ListMedia(ctx, mediacatalog.MediaFilter{LibraryID: v.library.Record().LibraryID})
	if err != nil || len(media) == 0 {
		return nil, err
	}
	return &media[0], nil
}

// identify finds the tape in the catalog. label is nil when it could not be read.
func (v *visit) identify(ctx context.Context, memory library.Memory, label *library.Label) error {
	all, err := v.catalog.ListMedia(ctx, mediacatalog.MediaFilter{})
	if err != nil {
		return err
	}
	before, err := v.before(ctx)
	if err != nil {
		return err
	}
	onMediaID := ""
	if label != nil {
		onMediaID = label.MediaID()
	}
	found := identify(all, before, onMediaID, memory.Serial)
	v.medium.Barcode, v.medium.MediaType = memory.Barcode, string(drive.MediaFromBarcode(memory.Barcode))
	switch {
	case found.copyOf != nil:
		v.medium.State = mediacatalog.StateSuspect
		v.note(DuplicateLabel, "error", "the tape in the drive has the label of %s, but it is another cartridge (serial number %s, not %s): one of them is a copy; it is a tape of its own, Suspect, and not written to",
			name(found.copyOf), memory.Serial, found.copyOf.MediumSerial)
	case found.media == nil && label == nil:
		v.medium.State = mediacatalog.StateUnknown
		v.note(Came, "info", "a new tape is in the drive")
	case found.media == nil:
		v.medium.State = mediacatalog.StateUnknown // RecordLabel concludes more
		v.note(Came, "info", "a new tape is in the drive; on it is %s", label)
	default:
		v.known(found.media, before, label)
	}
	return nil
}

// known says what has happened to a tape of the catalog.
func (v *visit) known(m, before *mediacatalog.Media, label *library.Label) {
	v.medium.MediaID, v.medium.Barcode = m.MediaID, m.Barcode
	if label != nil && m.OnMediaID != "" && !strings.EqualFold(label.MediaID(), m.OnMediaID) {
		v.note(LabelChanged, "error", "the tape in the drive is the cartridge of %s (%s), but on it is %s: it was overwritten since", name(m), state(m), label)
	}
	if before == nil || before.MediaID != m.MediaID {
		v.note(Came, "info", "tape %s (%s) is in the drive", name(m), state(m))
	}
}

// identity is what identify finds.
type identity struct {
	media  *mediacatalog.Media // the tape, nil when it is new
	copyOf *mediacatalog.Media // a tape with the same label that is another cartridge
}

// identify finds the tape with the media id of a label and the serial number of a cartridge memory, each empty when there
// is none: by the label, then by the serial number. A tape without both is the one that was in the drive before, when that
// had neither. It is pure.
func identify(all []mediacatalog.Media, before *mediacatalog.Media, onMediaID, serial string) identity {
	var found identity
	for i := range all {
		m := &all[i]
		switch {
		case onMediaID == "" || !strings.EqualFold(m.OnMediaID, onMediaID): // the catalog keeps lower case
		case serial != "" && m.MediumSerial != "" && m.MediumSerial != serial:
			found.copyOf = m
		case found.media == nil || m.MediumSerial != "" && m.MediumSerial == serial:
			found.media = m
		}
	}
	if found.media != nil {
		return identity{media: found.media}
	}
	for i := range all {
		if m := &all[i]; serial != "" && m.MediumSerial == serial {
			return identity{media: m}
		}
	}
	if found.copyOf == nil && onMediaID == "" && serial == "" && before != nil && before.OnMediaID == "" && before.MediumSerial == "" {
		found.media = before
	}
	return found
}

// save writes what was found into the catalog, and ends the mount.
func (v *visit) save(ctx context.Context) error {
	err := v.write(ctx)
	if v.end != nil {
		err = errors.Join(err, v.end(ctx))
	}
	if err != nil {
		return fmt.Errorf("inventory library %s: %w", v.library.Name(), err)
	}
	return nil
}

func (v *visit) write(ctx context.Context) error {
	now := time.Now().UTC()
	v.report.Date = now
	if err := v.library.Lost(); err != nil {
		return err
	}
	if err := v.left(ctx); err != nil {
		return err
	}
	record := v.library.Record()
	element := mediacatalog.Element{
		ElementAddress: library.StandAloneTape, ElementType: mediacatalog.DataTransfer, Number: 1, Full: v.full, Accessible: true,
		SourceElement: -1, Barcode: v.medium.Barcode,
	}
	for _, d := range record.Drives {
		element.DriveSerial = d.Serial
	}
	var media []mediacatalog.InventoryMedium
	if v.full {
		media = append(media, v.medium)
	}
	ids, err := v.catalog.SaveInventory(ctx, record.LibraryID, now, []mediacatalog.Element{element}, media, events(record.LibraryID, v.report.Findings, now))
	if err != nil || v.record == nil || len(ids) == 0 {
		return err
	}
	if err := v.record(ctx, ids[0]); err != nil {
		return err
	}
	m, err := v.catalog.MediaByID(ctx, ids[0])
	if err == nil && m.State == mediacatalog.StateUnknown {
		v.report.Unknown = 1
	}
	return err
}

// left reports the tape that was in the drive and is not any more.
func (v *visit) left(ctx context.Context) error {
	before, err := v.before(ctx)
	if err != nil {
		return err
	}
	switch {
	case before != nil && (!v.full || before.MediaID != v.medium.MediaID):
		v.note(Left, "info", "tape %s (%s) is no longer in the drive", name(before), state(before))
	case !v.full:
		v.note(LibraryChanged, "info", "the drive is empty")
	}
	return nil
}

func (v *visit) note(kind, severity, format string, args ...any) {
	element := -1
	if v.full && kind != Left {
		element = library.StandAloneTape
	}
	v.report.Findings = append(v.report.Findings, Finding{
		Kind: kind, Severity: severity, Barcode: v.medium.Barcode, Element: element, Message: fmt.Sprintf(format, args...),
	})
}
