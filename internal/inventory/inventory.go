// Package inventory brings what is in a tape library into the catalog.
//
// A fast inventory takes the volume tags that the changer read. What contradicts the catalog (duplicate barcodes, another
// barcode where a tape was) is reported and never overwrites what is known about a tape: a barcode alone proves nothing.
package inventory

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

// Kinds of findings, as they stand in the catalog's events.
const (
	Came             = "tape came"
	Left             = "tape left"
	Moved            = "tape moved"
	DuplicateBarcode = "duplicate barcode"
	ChangedBarcode   = "barcode changed"
	NoBarcode        = "no barcode"
	InPicker         = "tape in the picker"
	ElementFault     = "element fault"
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

// Fast reads the elements of a library and brings the catalog up to date.
func Fast(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library) (*Report, error) {
	if lib.StandAlone() {
		return nil, fmt.Errorf("inventory library %s: a stand-alone drive has no barcodes; mount the tape to see what it is", lib.Name())
	}
	elements, err := lib.Elements(ctx)
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
	s := newSurvey(record, elements, before, media)
	s.run()
	now := time.Now().UTC()
	s.report.Date = now
	if _, err := catalog.SaveInventory(ctx, record.LibraryID, now, s.elements(), s.present, s.events(now)); err != nil {
		return nil, fmt.Errorf("save the inventory of library %s: %w", lib.Name(), err)
	}
	return s.report, nil
}

// survey compares what the changer shows with what the catalog knows. It is pure: the same input gives the same result.
type survey struct {
	library   mediacatalog.Library
	seen      []changer.Element
	before    map[int]mediacatalog.Element
	byID      map[string]*mediacatalog.Media
	byBarcode map[string][]*mediacatalog.Media
	taken     map[string]bool // media that were found in an element
	counts    map[string]int  // elements that show a barcode
	numbers   map[changer.ElementAddress]int
	mediaAt   map[changer.ElementAddress]string
	present   []mediacatalog.InventoryMedium
	report    *Report
}

func newSurvey(record mediacatalog.Library, seen []changer.Element, before []mediacatalog.Element, media []mediacatalog.Media) *survey {
	s := &survey{
		library: record, seen: seen, before: map[int]mediacatalog.Element{}, byID: map[string]*mediacatalog.Media{},
		byBarcode: map[string][]*mediacatalog.Media{}, taken: map[string]bool{}, counts: map[string]int{},
		numbers: map[changer.ElementAddress]int{}, mediaAt: map[changer.ElementAddress]string{},
		report: &Report{Library: record.Name, Findings: []Finding{}},
	}
	for _, e := range before {
		s.before[e.ElementAddress] = e
	}
	for i := range media {
		m := &media[i]
		s.byID[m.MediaID] = m
		if m.Barcode != "" {
			s.byBarcode[m.Barcode] = append(s.byBarcode[m.Barcode], m)
		}
	}
	perType := map[changer.ElementType]int{}
	for _, e := range seen {
		perType[e.Type]++
		s.numbers[e.Address] = perType[e.Type]
		if e.Full && barcode(e) != "" {
			s.counts[barcode(e)]++
		}
	}
	s.report.Slots, s.report.Drives, s.report.Mail = perType[changer.Storage], perType[changer.DataTransfer], perType[changer.ImportExport]
	return s
}

// unreadable are texts that libraries give instead of a barcode that they could not read (scsi.md Q22).
var unreadable = map[string]bool{"NO LABEL": true, "NOLABEL": true, "UNKNOWN": true, "UNREADABLE": true, "*UNREAD": true, "??????": true, "????????": true}

// barcode returns the element's barcode, "" for none or one that could not be read.
func barcode(e changer.Element) string {
	tag := strings.TrimSpace(e.PrimaryVolumeTag.Identifier)
	if unreadable[strings.ToUpper(tag)] {
		return ""
	}
	return tag
}

// run identifies the tape of each full element. Elements where a tape still is where the catalog says come first, so that
// of two tapes with one barcode the known one keeps its identity.
func (s *survey) run() {
	var rest []changer.Element
	for _, e := range s.seen {
		if !e.Full {
			s.noteElement(e)
			continue
		}
		if m := s.sameAsBefore(e); m != nil {
			s.found(e, m)
		} else {
			rest = append(rest, e)
		}
	}
	for _, e := range rest {
		s.found(e, s.match(e))
	}
	s.left()
	s.duplicates()
}

// sameAsBefore returns the medium that the catalog has in the element, when nothing speaks against it.
func (s *survey) sameAsBefore(e changer.Element) *mediacatalog.Media {
	b, ok := s.before[int(e.Address)]
	if !ok || b.MediaID == "" {
		return nil
	}
	m := s.byID[b.MediaID]
	if m == nil || s.taken[m.MediaID] || m.Barcode != barcode(e) {
		return nil
	}
	return m
}

// match finds the medium of the catalog with the element's barcode that was not found elsewhere: one of this library
// first, then one that is in no library.
func (s *survey) match(e changer.Element) *mediacatalog.Media {
	code := barcode(e)
	if code == "" {
		return nil
	}
	var offline *mediacatalog.Media
	for _, m := range s.byBarcode[code] {
		switch {
		case s.taken[m.MediaID]:
		case m.LibraryID == s.library.LibraryID:
			return m
		case offline == nil || offline.LibraryID != "" && m.LibraryID == "":
			offline = m
		}
	}
	return offline
}

// found records the tape of an element; m is nil for one that was never seen.
func (s *survey) found(e changer.Element, m *mediacatalog.Media) {
	code := barcode(e)
	medium := mediacatalog.InventoryMedium{
		Barcode: code, ElementAddress: int(e.Address), HomeElement: home(e), Cleaning: isCleaning(e),
		MediaType: string(drive.MediaFromBarcode(code)),
	}
	place := s.place(e)
	s.report.Tapes++
	if medium.Cleaning {
		s.report.Cleaning++
		medium.State = mediacatalog.StateCleaning
	}
	switch {
	case m == nil:
		s.newTape(e, &medium, code, place)
	default:
		medium.MediaID = m.MediaID
		s.taken[m.MediaID] = true
		s.mediaAt[e.Address] = m.MediaID
		if m.LibraryID != s.library.LibraryID {
			s.note(Came, "info", code, e, fmt.Sprintf("tape %s (%s) came back and is in %s", name(m), state(m), place))
		} else if m.ElementAddress != int(e.Address) {
			s.note(Moved, "info", code, e, fmt.Sprintf("tape %s was moved and is now in %s", name(m), place))
		}
		if m.State == mediacatalog.StateUnknown && !medium.Cleaning {
			s.report.Unknown++
		}
	}
	if code == "" {
		s.note(NoBarcode, "warning", "", e, fmt.Sprintf("the tape in %s has no barcode that could be read", place))
	}
	if e.Type == changer.MediumTransport {
		s.note(InPicker, "error", code, e, fmt.Sprintf("a tape (%s) is in the picker: move it to a free slot before anything else", orNone(code)))
	}
	s.noteElement(e)
	s.present = append(s.present, medium)
}

// newTape says what a tape is that was never seen, and whether it sits where another was.
func (s *survey) newTape(e changer.Element, medium *mediacatalog.InventoryMedium, code, place string) {
	if !medium.Cleaning {
		medium.State = mediacatalog.StateUnknown
		s.report.Unknown++
	}
	b, known := s.before[int(e.Address)]
	if known && b.Full && b.Barcode != "" && b.Barcode != code && s.counts[b.Barcode] == 0 {
		s.note(ChangedBarcode, "warning", code, e, fmt.Sprintf(
			"%s held tape %s at the last inventory and now shows %s, which was never seen: another tape was put in, or its barcode label was changed; a detailed inventory tells which",
			place, b.Barcode, orNone(code)))
		return
	}
	s.note(Came, "info", code, e, fmt.Sprintf("a new tape (%s) is in %s", orNone(code), place))
}

// left reports the tapes of the library that are in none of its elements any more.
func (s *survey) left() {
	var gone []Finding
	for _, m := range s.byID {
		if m.LibraryID == s.library.LibraryID && !s.taken[m.MediaID] {
			gone = append(gone, Finding{
				Kind: Left, Severity: "info", Barcode: m.Barcode, Element: -1,
				Message: fmt.Sprintf("tape %s (%s) is no longer in the library; it was in element %d", name(m), state(m), m.ElementAddress),
			})
		}
	}
	slices.SortFunc(gone, func(a, b Finding) int { return strings.Compare(a.Message, b.Message) })
	s.report.Findings = append(s.report.Findings, gone...)
}

// duplicates reports barcodes that several elements show, and makes tapes suspect that have no identity of their own yet.
func (s *survey) duplicates() {
	for i := range s.present {
		p := &s.present[i]
		if p.Barcode == "" || s.counts[p.Barcode] < 2 {
			continue
		}
		if p.MediaID == "" {
			p.State = mediacatalog.StateSuspect
		}
		s.report.Findings = append(s.report.Findings, Finding{
			Kind: DuplicateBarcode, Severity: "error", Barcode: p.Barcode, Element: p.ElementAddress,
			Message: fmt.Sprintf("%d tapes show barcode %s, one of them in element %d: remove them, replace the barcode labels and run the inventory again",
				s.counts[p.Barcode], p.Barcode, p.ElementAddress),
		})
	}
}

// noteElement reports an element that the library says is not in order. Some libraries raise the exception flag for
// harmless facts (scsi.md Q09).
func (s *survey) noteElement(e changer.Element) {
	harmless := e.ASC == 0x30 && e.ASCQ == 0x03 || e.ASC == 0x83
	if e.Exception && !harmless {
		s.note(ElementFault, "warning", barcode(e), e, fmt.Sprintf("the library reports a fault of %s: %02X/%02X", s.place(e), e.ASC, e.ASCQ))
	}
}

func (s *survey) note(kind, severity, code string, e changer.Element, message string) {
	s.report.Findings = append(s.report.Findings, Finding{Kind: kind, Severity: severity, Barcode: code, Element: int(e.Address), Message: message})
}

func (s *survey) place(e changer.Element) string {
	return fmt.Sprintf("%s %d", library.TypeName(e.Type), s.numbers[e.Address])
}

// elements is what the catalog keeps of the elements.
func (s *survey) elements() []mediacatalog.Element {
	out := make([]mediacatalog.Element, 0, len(s.seen))
	serials := map[int]string{}
	for _, d := range s.library.Drives {
		serials[d.ElementAddress] = d.Serial
	}
	for _, e := range s.seen {
		source := -1
		if e.SourceValid {
			source = int(e.Source)
		}
		out = append(out, mediacatalog.Element{
			ElementAddress: int(e.Address), ElementType: int(e.Type), Number: s.numbers[e.Address], Full: e.Full, Barcode: barcode(e),
			MediaID: s.mediaAt[e.Address], SourceElement: source, Accessible: e.Accessible, Exception: e.Exception,
			ASC: e.ASC, ASCQ: e.ASCQ, DriveSerial: serials[int(e.Address)],
		})
	}
	return out
}

// events turns the findings into entries of the catalog.
func (s *survey) events(now time.Time) []mediacatalog.Event {
	var events []mediacatalog.Event
	for _, f := range s.report.Findings {
		events = append(events, mediacatalog.Event{
			EventDate: now, Kind: f.Kind, Severity: f.Severity, LibraryID: s.library.LibraryID, ElementAddress: f.Element,
			Barcode: f.Barcode, Message: f.Message,
		})
	}
	return events
}

// home returns the storage element that a tape belongs to: where it is, or where the changer says it came from.
func home(e changer.Element) int {
	switch {
	case e.Type == changer.Storage:
		return int(e.Address)
	case e.SourceValid:
		return int(e.Source)
	}
	return -1
}

// isCleaning recognizes cleaning cartridges by barcode prefix, suffix and medium type (scsi.md Q24, dpm.md 1.2).
func isCleaning(e changer.Element) bool {
	code := barcode(e)
	return e.MediumType == changer.MediumCleaning || strings.HasPrefix(code, "CLN") ||
		len(code) == 8 && strings.HasSuffix(code, "CU") || e.Exception && e.ASC == 0x30 && e.ASCQ == 0x03
}

// name is what an operator calls the tape.
func name(m *mediacatalog.Media) string {
	switch {
	case m.Barcode != "":
		return m.Barcode
	case m.Label != "":
		return fmt.Sprintf("%q", m.Label)
	}
	return m.MediaID
}

func state(m *mediacatalog.Media) string {
	if m.Label != "" {
		return fmt.Sprintf("%s, label %q", m.State, m.Label)
	}
	return m.State
}

func orNone(code string) string {
	if code == "" {
		return "no barcode"
	}
	return code
}
