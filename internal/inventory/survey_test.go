package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

const (
	ours   = "lib-1"
	theirs = "lib-2"
)

func record() mediacatalog.Library {
	return mediacatalog.Library{LibraryID: ours, Name: "main", Drives: []mediacatalog.LibraryDrive{{ElementAddress: 257, Serial: "D1"}}}
}

// element makes an element; the barcode "-" is an empty element, "" a tape without a barcode.
func element(t changer.ElementType, address int, code string) changer.Element {
	e := changer.Element{Type: t, Address: changer.ElementAddress(address), VolumeTagReported: true, Accessible: true}
	if code != "-" {
		e.Full = true
		e.PrimaryVolumeTag.Identifier = code
	}
	return e
}

func slot(address int, code string) changer.Element { return element(changer.Storage, address, code) }

// library257 is a library of a picker, a drive and the slots from 1001 on, which show the barcodes.
func library257(codes ...string) []changer.Element {
	all := []changer.Element{element(changer.MediumTransport, 1, "-"), element(changer.DataTransfer, 257, "-")}
	for i, code := range codes {
		all = append(all, slot(1001+i, code))
	}
	return all
}

// remembered is what the catalog keeps of the elements when they were in the order given; media are the tapes in the slots.
func remembered(elements []changer.Element, media map[int]string) []mediacatalog.Element {
	s := newSurvey(record(), elements, nil, nil)
	for address, id := range media {
		s.mediaAt[changer.ElementAddress(address)] = id
	}
	return s.elements()
}

func medium(id, code string, element int) mediacatalog.Media {
	m := mediacatalog.Media{MediaID: id, Barcode: code, State: mediacatalog.StateActive, OnMediaID: "{" + id + "}", LibraryID: ours,
		ElementAddress: element, HomeElement: element}
	if element < 0 {
		m.LibraryID = ""
	}
	return m
}

// outcome is what a survey concluded, in short: findings as "kind severity element", tapes as "element medium state".
type outcome struct {
	Findings []string
	Tapes    []string
}

func summary(s *survey) outcome {
	var o outcome
	for _, f := range s.report.Findings {
		o.Findings = append(o.Findings, fmt.Sprintf("%s %s %d", f.Kind, f.Severity, f.Element))
	}
	for _, p := range s.present {
		id, state := p.MediaID, p.State
		if id == "" {
			id = "new"
		}
		if state == "" {
			state = "as it is"
		}
		o.Tapes = append(o.Tapes, fmt.Sprintf("%d %s %s", p.ElementAddress, id, state))
	}
	return o
}

type surveyCase struct {
	name   string
	seen   []changer.Element
	before []mediacatalog.Element
	media  []mediacatalog.Media
	want   outcome
	says   string // part of the message of some finding
}

func (c surveyCase) run(t *testing.T) *survey {
	t.Helper()
	s := newSurvey(record(), c.seen, c.before, c.media)
	s.names = map[string]string{theirs: "vault"}
	s.run()
	if diff := cmp.Diff(c.want, summary(s)); diff != "" {
		t.Errorf("survey (-want +got):\n%s", diff)
	}
	var all []string
	for _, f := range s.report.Findings {
		all = append(all, f.Message)
	}
	if !strings.Contains(strings.Join(all, "\n"), c.says) {
		t.Errorf("no message says %q:\n%s", c.says, strings.Join(all, "\n"))
	}
	return s
}

func TestSurveyOfTapesWithBarcodes(t *testing.T) {
	a, b := medium("a", "A00001L6", 1001), medium("b", "B00001L6", 1002)
	both := remembered(library257("A00001L6", "B00001L6", "-"), map[int]string{1001: "a", 1002: "b"})
	offline := medium("a", "A00001L6", -1)
	elsewhere := medium("a", "A00001L6", 2001)
	elsewhere.LibraryID = theirs
	older, newer := medium("old", "A00001L6", -1), medium("new1", "A00001L6", -1)
	older.LastSeenDate, newer.LastSeenDate = time.Unix(1000, 0), time.Unix(2000, 0)
	for _, c := range []surveyCase{
		{name: "first inventory", seen: library257("A00001L6", "-"),
			want: outcome{[]string{"tape came info 1001"}, []string{"1001 new Unknown"}}, says: "a new tape (A00001L6) is in slot 1"},
		{name: "nothing changed", seen: library257("A00001L6", "B00001L6", "-"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{nil, []string{"1001 a as it is", "1002 b as it is"}}},
		{name: "moved", seen: library257("-", "B00001L6", "A00001L6"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{[]string{"tape moved info 1003"}, []string{"1002 b as it is", "1003 a as it is"}}, says: "A00001L6 was moved and is now in slot 3"},
		{name: "swapped", seen: library257("B00001L6", "A00001L6", "-"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{[]string{"tape moved info 1001", "tape moved info 1002"}, []string{"1001 b as it is", "1002 a as it is"}}},
		{name: "left", seen: library257("A00001L6", "-", "-"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{[]string{"tape left info -1"}, []string{"1001 a as it is"}}, says: "B00001L6 (Active) is no longer in the library; it was in slot 2"},
		{name: "came back", seen: library257("A00001L6"), before: remembered(library257("-"), nil), media: []mediacatalog.Media{offline},
			want: outcome{[]string{"tape came info 1001"}, []string{"1001 a as it is"}}, says: "came back"},
		{name: "known in another library", seen: library257("A00001L6"), media: []mediacatalog.Media{elsewhere},
			want: outcome{[]string{"tape came warning 1001"}, []string{"1001 a as it is"}}, says: "which was in library vault"},
		{name: "offline before another library", seen: library257("A00001L6"), media: []mediacatalog.Media{elsewhere, medium("z", "A00001L6", -1)},
			want: outcome{[]string{"tape came info 1001"}, []string{"1001 z as it is"}}},
		{name: "two offline tapes with the barcode", seen: library257("A00001L6"), media: []mediacatalog.Media{older, newer},
			want: outcome{[]string{"barcode ambiguous warning 1001", "tape came info 1001"}, []string{"1001 new1 as it is"}}, says: "2 tapes of the catalog"},
		{name: "another barcode where a tape was", seen: library257("X00001L6", "B00001L6", "-"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{[]string{"barcode changed warning 1001", "tape left info -1"}, []string{"1002 b as it is", "1001 new Unknown"}},
			says: "slot 1 held tape A00001L6 at the last inventory and now shows X00001L6"},
		{name: "duplicate of a known tape", seen: library257("A00001L6", "B00001L6", "A00001L6"), before: both, media: []mediacatalog.Media{a, b},
			want: outcome{[]string{"tape came info 1003", "duplicate barcode error 1001", "duplicate barcode error 1003"},
				[]string{"1001 a as it is", "1002 b as it is", "1003 new Suspect"}}, says: "replace the barcode labels"},
		{name: "two new tapes with one barcode", seen: library257("N00001L6", "N00001L6"),
			want: outcome{[]string{"tape came info 1001", "tape came info 1002", "duplicate barcode error 1001", "duplicate barcode error 1002"},
				[]string{"1001 new Suspect", "1002 new Suspect"}}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func TestSurveyOfTapesWithoutBarcodes(t *testing.T) {
	nameless, other := medium("n", "", 1001), medium("o", "", 1002)
	unknown := mediacatalog.Media{MediaID: "u", State: mediacatalog.StateUnknown, LibraryID: ours, ElementAddress: 1001}
	a := medium("a", "A00001L6", 1002)
	noReader := library257("", "")
	for i := range noReader {
		noReader[i].VolumeTagReported = false
	}
	inDrive := library257("-", "")
	inDrive[1] = element(changer.DataTransfer, 257, "")
	inDrive[1].SourceValid, inDrive[1].Source = true, 1001
	for _, c := range []surveyCase{
		{name: "one label that cannot be read", seen: library257("", "A00001L6"), before: remembered(library257("-", "A00001L6"), map[int]string{1002: "a"}),
			media: []mediacatalog.Media{a}, want: outcome{[]string{"no barcode warning 1001", "tape came info 1001"}, []string{"1002 a as it is", "1001 new Unknown"}}},
		{name: "no reader at all is said once", seen: noReader, before: remembered(noReader, map[int]string{1001: "n", 1002: "o"}), media: []mediacatalog.Media{nameless, other},
			want: outcome{[]string{"no barcode reader warning -1"}, []string{"1001 n as it is", "1002 o as it is"}}, says: "reads no barcodes"},
		{name: "empty tags everywhere are no reader either", seen: library257("", "NO LABEL", "??????"),
			want: outcome{[]string{"no barcode reader warning -1", "tape came info 1001", "tape came info 1002", "tape came info 1003"},
				[]string{"1001 new Unknown", "1002 new Unknown", "1003 new Unknown"}}},
		{name: "a barcode that cannot be read any more", seen: library257("B00001L6", "*UNREAD"), before: remembered(library257("B00001L6", "A00001L6"), map[int]string{1001: "b", 1002: "a"}),
			media: []mediacatalog.Media{a, medium("b", "B00001L6", 1001)},
			want:  outcome{[]string{"no barcode warning 1002"}, []string{"1001 b as it is", "1002 a as it is"}}, says: "taken to be A00001L6, which was there"},
		{name: "unreadable, and the barcode is elsewhere", seen: library257("A00001L6", ""), before: remembered(library257("-", "A00001L6"), map[int]string{1002: "a"}),
			media: []mediacatalog.Media{a},
			want:  outcome{[]string{"tape moved info 1001", "no barcode warning 1002", "tape came info 1002"}, []string{"1001 a as it is", "1002 new Unknown"}}},
		{name: "a tape of which nothing is known gets its barcode", seen: library257("A00001L6"), before: remembered(library257(""), map[int]string{1001: "u"}),
			media: []mediacatalog.Media{unknown}, want: outcome{nil, []string{"1001 u as it is"}}},
		{name: "a known tape without barcode does not", seen: library257("A00001L6"), before: remembered(library257(""), map[int]string{1001: "n"}),
			media: []mediacatalog.Media{nameless}, want: outcome{[]string{"tape came info 1001", "tape left info -1"}, []string{"1001 new Unknown"}}},
		{name: "moved to a drive, by its source", seen: inDrive, before: remembered(noReader, map[int]string{1001: "n", 1002: "o"}), media: []mediacatalog.Media{nameless, other},
			want: outcome{[]string{"no barcode reader warning -1", "tape moved info 257"}, []string{"1002 o as it is", "257 n as it is"}}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func TestSurveyOfTheLibrary(t *testing.T) {
	picked := library257("-")
	picked[0] = element(changer.MediumTransport, 1, "A00001L6")
	fault := library257("-", "A00001L6")
	fault[2].Exception, fault[2].ASC, fault[2].ASCQ = true, 0x3B, 0x12
	fault[3].Exception, fault[3].ASC, fault[3].ASCQ = true, 0x83, 0x01
	undecided := library257("-")
	undecided[2].ASC = 0x44 // without the flag it is no exception
	gone := library257("-")[2:]
	for _, c := range []surveyCase{
		{name: "tape in the picker", seen: picked, media: []mediacatalog.Media{medium("a", "A00001L6", 1001)},
			want: outcome{[]string{"tape moved info 1", "tape in the picker error 1"}, []string{"1 a as it is"}}, says: "tapectl tape move picker:1 slot:N --library main`"},
		{name: "faults, harmless ones left out", seen: fault,
			want: outcome{[]string{"element fault warning 1001", "tape came info 1002"}, []string{"1002 new Unknown"}}, says: "3B/12"},
		{name: "sense code without exception", seen: undecided, want: outcome{}},
		{name: "drive and picker are gone", seen: gone, before: remembered(library257("-"), nil),
			want: outcome{[]string{"library changed warning -1", "library changed warning -1", "drive gone warning 257"}, nil}, says: "serial number D1"},
		{name: "more slots than before", seen: library257("-", "-", "-"), before: remembered(library257("-"), nil),
			want: outcome{[]string{"library changed warning -1"}, nil}, says: "the library has 3 elements of type slot now, it had 1"},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func TestSurveyTellsAttentions(t *testing.T) {
	s := newSurvey(record(), library257("-"), nil, nil)
	s.attentions = []scsi.Sense{
		{Key: scsi.UnitAttention, ASC: 0x29, ASCQ: 0x01}, {Key: scsi.UnitAttention, ASC: 0x28, ASCQ: 0x00},
		{Key: scsi.UnitAttention, ASC: 0x28, ASCQ: 0x01}, {Key: scsi.UnitAttention, ASC: 0x28, ASCQ: 0x00},
		{Key: scsi.UnitAttention, ASC: 0xFE, ASCQ: 0xEF},
	}
	s.run()
	var got []string
	for _, f := range s.report.Findings {
		got = append(got, strings.TrimPrefix(f.Message, "the library reported since it was last asked: "))
	}
	want := []string{"a door or magazine was opened, or tapes were changed (28/00)", "a mail slot was used (28/01)", "vendor specific (FE/EF)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSurveyCounts(t *testing.T) {
	seen := library257("A00001L6", "CLN001CU", "-")
	seen = append(seen, element(changer.ImportExport, 769, "-"))
	s := newSurvey(record(), seen, nil, []mediacatalog.Media{medium("a", "A00001L6", 1001)})
	s.run()
	got := *s.report
	got.Findings = nil
	want := Report{Library: "main", Slots: 3, Drives: 1, Mail: 1, Tapes: 2, Cleaning: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCleaningTapes(t *testing.T) {
	typed, flagged := slot(1001, "ANYTHING"), slot(1001, "")
	typed.MediumType = changer.MediumCleaning
	flagged.Exception, flagged.ASC, flagged.ASCQ = true, 0x30, 0x03
	for _, c := range []struct {
		name string
		e    changer.Element
		want bool
	}{
		{"prefix", slot(1, "CLN001L1"), true}, {"prefix CLNU", slot(1, "CLNU01CU"), true}, {"suffix", slot(1, "ABC001CU"), true},
		{"data tape", slot(1, "ABC001L6"), false}, {"CU in a long barcode", slot(1, "ABCDE001CU"), false}, {"no barcode", slot(1, ""), false},
		{"medium type", typed, true}, {"exception 30/03", flagged, true},
	} {
		if got := isCleaning(c.e); got != c.want {
			t.Errorf("%s: cleaning %v, want %v", c.name, got, c.want)
		}
	}
	s := newSurvey(record(), library257("CLN001CU"), nil, nil)
	s.run()
	if got := s.present[0]; !got.Cleaning || got.State != mediacatalog.StateCleaning {
		t.Errorf("cleaning tape became %+v", got)
	}
}

func TestUnreadableBarcodes(t *testing.T) {
	for tag, want := range map[string]string{
		"A00001L6": "A00001L6", " A00001L6  ": "A00001L6", "": "", "NO LABEL": "", "no label": "", "Unknown": "", "??????": "", "?????????": "",
		"*UNREAD": "", "***": "", "UNKNOWN1": "UNKNOWN1", "A?0001L6": "A?0001L6",
	} {
		if got := barcode(slot(1, tag)); got != want {
			t.Errorf("barcode %q is %q, want %q", tag, got, want)
		}
	}
}

func TestHome(t *testing.T) {
	loaded := element(changer.DataTransfer, 257, "A00001L6")
	if got := home(loaded); got != -1 {
		t.Errorf("home of a tape with unknown source is %d", got)
	}
	loaded.SourceValid, loaded.Source = true, 1007
	if got := home(loaded); got != 1007 {
		t.Errorf("home of a tape from slot 1007 is %d", got)
	}
	if got := home(slot(1003, "A00001L6")); got != 1003 {
		t.Errorf("home of a tape in slot 1003 is %d", got)
	}
}

func TestSurveyElements(t *testing.T) {
	seen := library257("A00001L6", "NO LABEL")
	seen[1].SourceValid, seen[1].Source = true, 1001
	got := newSurvey(record(), seen, nil, nil).elements()
	want := []mediacatalog.Element{
		{ElementAddress: 1, ElementType: 1, Number: 1, SourceElement: -1, Accessible: true},
		{ElementAddress: 257, ElementType: 4, Number: 1, SourceElement: 1001, Accessible: true, DriveSerial: "D1"},
		{ElementAddress: 1001, ElementType: 2, Number: 1, Full: true, Barcode: "A00001L6", SourceElement: -1, Accessible: true},
		{ElementAddress: 1002, ElementType: 2, Number: 2, Full: true, SourceElement: -1, Accessible: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIdentifyStandAlone(t *testing.T) {
	labelled := mediacatalog.Media{MediaID: "1", OnMediaID: "{X}", MediumSerial: "S1"}
	twin := mediacatalog.Media{MediaID: "2", OnMediaID: "{X}"}
	blank := mediacatalog.Media{MediaID: "3", MediumSerial: "S3"}
	bare := mediacatalog.Media{MediaID: "4"}
	all := []mediacatalog.Media{labelled, twin, blank, bare}
	for _, c := range []struct {
		name         string
		all          []mediacatalog.Media
		before       *mediacatalog.Media
		omid, serial string
		media, copy  string
	}{
		{"by label and serial", all, nil, "{X}", "S1", "1", ""},
		{"by label, the serial decides for the one without", all, nil, "{X}", "S9", "2", ""},
		{"by label in lower case", all, nil, "{x}", "S1", "1", ""},
		{"by label alone", all, nil, "{X}", "", "1", ""},
		{"by serial", all, nil, "", "S3", "3", ""},
		{"by serial though overwritten", all, nil, "{NEW}", "S1", "1", ""},
		{"same label on another cartridge", []mediacatalog.Media{labelled}, &labelled, "{X}", "S9", "", "1"},
		{"nothing known, the one before", all, &bare, "", "", "4", ""},
		{"nothing known, the one before had an identity", all, &blank, "", "", "", ""},
		{"new", all, &bare, "{NEW}", "S9", "", ""},
	} {
		got := identify(c.all, c.before, c.omid, c.serial)
		if id(got.media) != c.media || id(got.copyOf) != c.copy && c.media == "" {
			t.Errorf("%s: found %q copy of %q, want %q and %q", c.name, id(got.media), id(got.copyOf), c.media, c.copy)
		}
	}
}

func id(m *mediacatalog.Media) string {
	if m == nil {
		return ""
	}
	return m.MediaID
}
