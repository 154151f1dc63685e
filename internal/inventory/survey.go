package inventory

import (
	"fmt"
	"slices"
	"strings"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// survey compares what the changer shows with what the catalog knows. It is pure: the same input gives the same result.
type survey struct {
	library    mediacatalog.Library
	names      map[string]string // of all libraries, by identifier
	attentions []scsi.Sense
	seen       []changer.Element
	at         map[changer.ElementAddress]*changer.Element
	before     map[int]mediacatalog.Element
	byID       map[string]*mediacatalog.Media
	byBarcode  map[string][]*mediacatalog.Media
	taken      map[string]bool // media that were found in an element
	counts     map[string]int  // elements that show a barcode
	full       int             // elements with a tape
	tagged     bool            // the changer has, or may have, a barcode reader
	numbers    map[changer.ElementAddress]int
	mediaAt    map[changer.ElementAddress]string
	present    []mediacatalog.InventoryMedium
	report     *Report
}

func newSurvey(record mediacatalog.Library, seen []changer.Element, before []mediacatalog.Element, media []mediacatalog.Media) *survey {
	s := &survey{
		library: record, seen: seen, at: map[changer.ElementAddress]*changer.Element{}, before: map[int]mediacatalog.Element{},
		byID: map[string]*mediacatalog.Media{}, byBarcode: map[string][]*mediacatalog.Media{}, taken: map[string]bool{},
		counts: map[string]int{}, numbers: library.Numbers(seen), mediaAt: map[changer.ElementAddress]string{},
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
	s.count()
	return s
}

// count counts elements, tapes and barcodes.
func (s *survey) count() {
	perType := map[changer.ElementType]int{}
	reported, read := false, false
	for i := range s.seen {
		e := &s.seen[i]
		s.at[e.Address] = e
		perType[e.Type]++
		if !e.Full {
			continue
		}
		s.full++
		reported = reported || e.VolumeTagReported
		if code := barcode(*e); code != "" {
			s.counts[code]++
			read = true
		}
	}
	// One tape whose label cannot be read says nothing about the reader.
	s.tagged = read || s.full == 0 || reported && s.full == 1
	s.report.Slots, s.report.Drives, s.report.Mail = perType[changer.Storage], perType[changer.DataTransfer], perType[changer.ImportExport]
}

// run identifies the tape of each full element. Elements where a tape still is where the catalog says come first, so that
// of two tapes with one barcode the known one keeps its identity.
func (s *survey) run() {
	s.libraryChanges()
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

// libraryChanges reports what happened to the library itself: doors, elements, drives.
func (s *survey) libraryChanges() {
	for _, text := range changes(s.attentions) {
		s.finding(LibraryChanged, "info", "", -1, "the library reported since it was last asked: %s", text)
	}
	if len(s.before) > 0 {
		was := map[int]int{}
		for _, e := range s.before {
			was[e.ElementType]++
		}
		now := map[int]int{}
		for _, e := range s.seen {
			now[int(e.Type)]++
		}
		for t := mediacatalog.MediumTransport; t <= mediacatalog.DataTransfer; t++ {
			if was[t] != now[t] {
				s.finding(LibraryChanged, "warning", "", -1, "the library has %d elements of type %s now, it had %d at the last inventory",
					now[t], library.TypeName(changer.ElementType(t)), was[t])
			}
		}
	}
	for i, d := range s.library.Drives {
		if e := s.at[changer.ElementAddress(d.ElementAddress)]; e == nil || e.Type != changer.DataTransfer {
			s.finding(DriveGone, "warning", "", d.ElementAddress,
				"drive %d of the catalog (serial number %s) was in element %d, which is no drive of the library any more: `tapectl library scan %s` pairs the drives anew",
				i+1, d.Serial, d.ElementAddress, s.library.Name)
		}
	}
	if !s.tagged {
		s.finding(NoBarcodeReader, "warning", "", -1,
			"the library reads no barcodes: its %d tapes are told apart by where they are, and a tape that a person has put elsewhere is taken for another one", s.full)
	}
}

// sameAsBefore returns the medium that the catalog has in the element, when nothing speaks against it.
func (s *survey) sameAsBefore(e changer.Element) *mediacatalog.Media {
	b, ok := s.before[int(e.Address)]
	if !ok || b.MediaID == "" {
		return nil
	}
	m := s.byID[b.MediaID]
	if m == nil || s.taken[m.MediaID] {
		return nil
	}
	switch code := barcode(e); {
	case m.Barcode == code:
		return m
	case code == "" && s.counts[m.Barcode] == 0:
		return m // its barcode cannot be read any more, and is nowhere else
	case m.Barcode == "" && anonymous(m) && len(s.byBarcode[code]) == 0 && s.counts[code] == 1:
		return m // nothing is known about it that the barcode could contradict
	}
	return nil
}

// anonymous reports whether nothing is known of a tape but that it was in an element.
func anonymous(m *mediacatalog.Media) bool {
	return m.State == mediacatalog.StateUnknown && m.OnMediaID == "" && m.MediumSerial == "" && m.Label == ""
}

// match finds the medium of the catalog with the element's barcode that was not found elsewhere: one of this library
// first, then one that is in no library, then one of another library. Of several that are equal it takes the one that
// was seen last, and says so.
func (s *survey) match(e changer.Element) *mediacatalog.Media {
	code := barcode(e)
	if code == "" {
		return s.matchSource(e)
	}
	var best []*mediacatalog.Media
	rank := 0
	for _, m := range s.byBarcode[code] {
		r := s.rank(m)
		switch {
		case s.taken[m.MediaID] || r < rank:
		case r > rank:
			best, rank = []*mediacatalog.Media{m}, r
		default:
			best = append(best, m)
		}
	}
	if len(best) == 0 {
		return nil
	}
	slices.SortStableFunc(best, func(a, b *mediacatalog.Media) int { return b.LastSeenDate.Compare(a.LastSeenDate) })
	if len(best) > 1 && s.counts[code] == 1 {
		s.note(AmbiguousBarcode, "warning", code, e,
			"%d tapes of the catalog have barcode %s: the tape in %s is taken to be the one that was seen last (%s); its label tells, `tapectl tape identify --library %s` reads it",
			len(best), code, s.place(e), state(best[0]), s.library.Name)
	}
	return best[0]
}

func (s *survey) rank(m *mediacatalog.Media) int {
	switch m.LibraryID {
	case s.library.LibraryID:
		return 3
	case "":
		return 2
	}
	return 1
}

// matchSource finds a tape without barcode that was moved since the last inventory by where the changer says it came from.
func (s *survey) matchSource(e changer.Element) *mediacatalog.Media {
	if !e.SourceValid {
		return nil
	}
	if from := s.at[e.Source]; from == nil || from.Full {
		return nil
	}
	m := s.byID[s.before[int(e.Source)].MediaID]
	if m == nil || m.Barcode != "" || s.taken[m.MediaID] {
		return nil
	}
	return m
}

// found records the tape of an element; m is nil for one that was never seen.
func (s *survey) found(e changer.Element, m *mediacatalog.Media) {
	code := barcode(e)
	medium := mediacatalog.InventoryMedium{
		Barcode: code, ElementAddress: int(e.Address), HomeElement: home(e), Cleaning: isCleaning(e),
		MediaType: string(drive.MediaFromBarcode(code)),
	}
	s.report.Tapes++
	if medium.Cleaning || m != nil && m.Cleaning {
		s.report.Cleaning++
	}
	if medium.Cleaning {
		medium.State = mediacatalog.StateCleaning
	}
	if m == nil {
		s.newTape(e, &medium, code)
	} else {
		s.knownTape(e, &medium, m)
	}
	if e.Type == changer.MediumTransport {
		s.note(InPicker, "error", code, e, "a tape (%s) is in the picker: `tapectl tape move picker:%d slot:N --library %s` puts it into a free slot; nothing else can be moved before",
			orNone(code), s.numbers[e.Address], s.library.Name)
	}
	s.noteElement(e)
	s.present = append(s.present, medium)
}

// knownTape says what has happened to a tape of the catalog.
func (s *survey) knownTape(e changer.Element, medium *mediacatalog.InventoryMedium, m *mediacatalog.Media) {
	code, place := medium.Barcode, s.place(e)
	medium.MediaID = m.MediaID
	s.taken[m.MediaID] = true
	s.mediaAt[e.Address] = m.MediaID
	switch {
	case m.LibraryID == "":
		s.note(Came, "info", code, e, "tape %s (%s) came back and is in %s", name(m), state(m), place)
	case m.LibraryID != s.library.LibraryID:
		s.note(Came, "warning", code, e, "tape %s (%s), which was in library %s, is in %s: it was brought here, or two tapes have one barcode; its label is read before it is used",
			name(m), state(m), s.libraryName(m.LibraryID), place)
	case m.ElementAddress != int(e.Address):
		s.note(Moved, "info", code, e, "tape %s was moved and is now in %s", name(m), place)
	}
	if m.State == mediacatalog.StateUnknown && !medium.Cleaning {
		s.report.Unknown++
	}
	if code != "" || !s.tagged {
		return
	}
	if m.Barcode != "" {
		s.note(NoBarcode, "warning", m.Barcode, e, "the barcode of the tape in %s cannot be read any more: it is taken to be %s, which was there", place, m.Barcode)
		return
	}
	s.note(NoBarcode, "warning", "", e, "the tape in %s has no barcode that could be read: it is taken to be the one that was there", place)
}

func (s *survey) libraryName(id string) string {
	if n := s.names[id]; n != "" {
		return n
	}
	return id
}

// newTape says what a tape is that was never seen, and whether it sits where another was.
func (s *survey) newTape(e changer.Element, medium *mediacatalog.InventoryMedium, code string) {
	place := s.place(e)
	if !medium.Cleaning {
		medium.State = mediacatalog.StateUnknown
		s.report.Unknown++
	}
	if code == "" && s.tagged {
		s.note(NoBarcode, "warning", "", e, "the tape in %s has no barcode that could be read", place)
	}
	b, known := s.before[int(e.Address)]
	if known && b.Full && b.Barcode != "" && b.Barcode != code && s.counts[b.Barcode] == 0 {
		s.note(ChangedBarcode, "warning", code, e,
			"%s held tape %s at the last inventory and now shows %s, which was never seen: another tape was put in, or its barcode label was changed; its label tells which, `tapectl tape identify --library %s` reads it",
			place, b.Barcode, orNone(code), s.library.Name)
		return
	}
	s.note(Came, "info", code, e, "a new tape (%s) is in %s", orNone(code), place)
}

// left reports the tapes of the library that are in none of its elements any more.
func (s *survey) left() {
	var gone []Finding
	for _, m := range s.byID {
		if m.LibraryID != s.library.LibraryID || s.taken[m.MediaID] {
			continue
		}
		was := fmt.Sprintf("element %d", m.ElementAddress)
		if b, ok := s.before[m.ElementAddress]; ok {
			was = fmt.Sprintf("%s %d", library.TypeName(changer.ElementType(b.ElementType)), b.Number)
		}
		gone = append(gone, Finding{
			Kind: Left, Severity: "info", Barcode: m.Barcode, Element: -1,
			Message: fmt.Sprintf("tape %s (%s) is no longer in the library; it was in %s", name(m), state(m), was),
		})
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
		if p.MediaID == "" && !p.Cleaning {
			p.State = mediacatalog.StateSuspect
		}
		s.finding(DuplicateBarcode, "error", p.Barcode, p.ElementAddress,
			"%d tapes show barcode %s, one of them in element %d: take them out, replace the barcode labels and run the inventory again",
			s.counts[p.Barcode], p.Barcode, p.ElementAddress)
	}
}

// noteElement reports an element that the library says is not in order. Some libraries raise the exception flag for
// harmless facts (scsi.md Q09): cleaning tapes, labels not scanned yet or unreadable.
func (s *survey) noteElement(e changer.Element) {
	harmless := e.ASC == 0x30 && e.ASCQ == 0x03 || e.ASC == 0x83
	if e.Exception && !harmless {
		text := scsi.AdditionalSenseText(e.ASC, e.ASCQ)
		if text != "" {
			text = " " + text
		}
		s.note(ElementFault, "warning", barcode(e), e, "the library reports a fault of %s: %02X/%02X%s", s.place(e), e.ASC, e.ASCQ, text)
	}
}

func (s *survey) note(kind, severity, code string, e changer.Element, format string, args ...any) {
	s.finding(kind, severity, code, int(e.Address), format, args...)
}

func (s *survey) finding(kind, severity, code string, element int, format string, args ...any) {
	s.report.Findings = append(s.report.Findings, Finding{
		Kind: kind, Severity: severity, Barcode: code, Element: element, Message: fmt.Sprintf(format, args...),
	})
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
