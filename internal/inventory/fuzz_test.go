package inventory

import (
	"testing"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
)

// FuzzSurvey makes sure of what must hold for any library and catalog: each tape that is seen is recorded once and under
// an identity of its own, none is invented, a tape with another readable barcode is never taken for a known one, and the
// findings stand in the order of a rerun.
func FuzzSurvey(f *testing.F) {
	f.Add([]byte{1, 2, 0, 3}, []byte{1, 0, 2, 3})
	f.Add([]byte{1, 1, 7, 7}, []byte{1, 7, 7, 7})
	f.Add([]byte{}, []byte{5, 5, 5})
	f.Fuzz(func(t *testing.T, now, before []byte) {
		if len(now) > 40 || len(before) > 40 {
			return
		}
		seen := fuzzElements(now)
		elements, media := fuzzCatalog(before)
		s := newSurvey(record(), seen, elements, media)
		s.run()
		checkSurvey(t, s, media)
		again := newSurvey(record(), seen, elements, media)
		again.run()
		if len(again.report.Findings) != len(s.report.Findings) {
			t.Fatalf("%d findings, then %d", len(s.report.Findings), len(again.report.Findings))
		}
		for i, f := range s.report.Findings {
			if again.report.Findings[i] != f {
				t.Errorf("finding %d is %+v, then %+v", i, f, again.report.Findings[i])
			}
		}
	})
}

func checkSurvey(t *testing.T, s *survey, media []mediacatalog.Media) {
	t.Helper()
	full := 0
	for _, e := range s.seen {
		if e.Full {
			full++
		}
	}
	if len(s.present) != full || s.report.Tapes != full {
		t.Errorf("%d tapes are recorded, %d are there", len(s.present), full)
	}
	known := map[string]mediacatalog.Media{}
	for _, m := range media {
		known[m.MediaID] = m
	}
	places, identities := map[int]bool{}, map[string]bool{}
	for _, p := range s.present {
		if places[p.ElementAddress] {
			t.Errorf("two tapes are in element %d", p.ElementAddress)
		}
		places[p.ElementAddress] = true
		if p.MediaID == "" {
			continue
		}
		if identities[p.MediaID] {
			t.Errorf("tape %s is in two places", p.MediaID)
		}
		identities[p.MediaID] = true
		m, ok := known[p.MediaID]
		if !ok {
			t.Errorf("tape %s is invented", p.MediaID)
		}
		if p.Barcode != "" && m.Barcode != "" && p.Barcode != m.Barcode {
			t.Errorf("tape %s with barcode %s is taken for the one with %s", p.Barcode, p.Barcode, m.Barcode)
		}
	}
	for _, m := range media {
		if m.LibraryID == ours && !identities[m.MediaID] && !has(s.report.Findings, Left, m.Barcode) {
			t.Errorf("tape %s left, and nobody says so", m.MediaID)
		}
	}
}

func has(findings []Finding, kind, barcode string) bool {
	for _, f := range findings {
		if f.Kind == kind && f.Barcode == barcode {
			return true
		}
	}
	return false
}

// fuzzElements makes one slot of each byte: 0 is empty, 1 a tape without barcode, others one of a few barcodes.
func fuzzElements(codes []byte) []changer.Element {
	var words []string
	for _, c := range codes {
		switch c {
		case 0:
			words = append(words, "-")
		case 1:
			words = append(words, "")
		default:
			words = append(words, string([]byte{'A' + c%8, '0', '0', '0', '0', '1', 'L', '6'}))
		}
	}
	return library257(words...)
}

// fuzzCatalog makes a catalog that has seen the elements of fuzzElements; a byte above 127 is a tape that is offline.
func fuzzCatalog(codes []byte) ([]mediacatalog.Element, []mediacatalog.Media) {
	elements := fuzzElements(codes)
	media := []mediacatalog.Media{}
	at := map[int]string{}
	for i, c := range codes {
		e := elements[2+i]
		if !e.Full {
			continue
		}
		id := string(rune('a'+i%26)) + string(rune('a'+i/26))
		m := medium(id, barcode(e), int(e.Address))
		if c > 127 {
			m = medium(id, barcode(e), -1)
		} else {
			at[int(e.Address)] = id
		}
		media = append(media, m)
	}
	return remembered(elements, at), media
}
