package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/mediacatalog"
)

// slots are n slots of which those that full names hold tapes.
func slots(n int, full func(int) bool) []elementJSON {
	elements := []elementJSON{{Type: "drive", Number: 1, Full: true, Barcode: "DPM999L6", State: mediacatalog.StateActive}, {Type: "picker", Number: 1}}
	for i := 1; i <= n; i++ {
		e := elementJSON{Type: "slot", Number: i, Address: 1000 + i}
		if full(i) {
			e.Full, e.Barcode, e.State = true, fmt.Sprintf("DPM%03dL6", i), mediacatalog.StateUnknown
		}
		elements = append(elements, e)
	}
	return elements
}

func draw(elements []elementJSON, width int) string {
	var b bytes.Buffer
	drawLibrary(&b, mediacatalog.Library{Name: "main", Vendor: "HPE", Product: "MSL3040", Serial: "X1"}, elements, width)
	return b.String()
}

func TestPicture(t *testing.T) {
	elements := slots(7, func(i int) bool { return i < 4 })
	elements[2].State, elements[3].State, elements[4].State = mediacatalog.StateBlank, mediacatalog.StateCleaning, mediacatalog.StateSuspect
	want := `main: 4 tapes, HPE MSL3040, serial number X1
Drives
+---------------+
|  1 * DPM999L6 |
+---------------+
Picker
+---------------+
|  1            |
+---------------+
Slots
+---------------+---------------+---------------+
|  1 o DPM001L6 |  2 ~ DPM002L6 |  3 ! DPM003L6 |
+---------------+---------------+---------------+
|  4            |  5            |  6            |
+---------------+---------------+---------------+
|  7            |
+---------------+
* active data   o blank or free   ? unknown
~ cleaning   ! in doubt: see --list
`
	if d := cmp.Diff(want, draw(elements, 50)); d != "" {
		t.Error(d)
	}
}

// Whatever the library and the terminal, no line is wider than the terminal, and every tape is in the picture.
func TestPictureFits(t *testing.T) {
	for _, n := range []int{0, 1, 24, 60, 200, 201, 1000, 9999} {
		for _, width := range []int{30, 40, 80, 132, 300} {
			elements := slots(n, func(i int) bool { return i%3 == 0 || i < 30 })
			text := draw(elements, width)
			for line := range strings.Lines(text) {
				if len([]rune(line)) > width+1 && !strings.HasPrefix(line, "main: ") {
					t.Fatalf("%d slots, width %d: %q", n, width, line)
				}
			}
			if width < 40 {
				continue
			}
			for _, e := range elements {
				if e.Full && !strings.Contains(text, e.Barcode) {
					t.Fatalf("%d slots, width %d: no %s", n, width, e.Barcode)
				}
			}
		}
	}
}

// A library of thousands of empty slots is a few lines.
func TestPictureOfAnEmptyLibrary(t *testing.T) {
	text := draw(slots(5000, func(i int) bool { return i == 2500 }), 80)
	for _, want := range []string{"  slot empty: 1 to 2499\n", "  2500 ? DPM2500L6\n", "  slot empty: 2501 to 5000\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n > 20 {
		t.Errorf("%d lines", n)
	}
}

func TestPictureOfOddBarcodes(t *testing.T) {
	elements := slots(2, func(i int) bool { return true })
	elements[2].Barcode = ""
	elements[3].Barcode = "\x1b[31mA-VERY-LONG-BARCODE-OF-32-CHARS!"
	text := draw(elements, 30)
	if !strings.Contains(text, "no code") || strings.Contains(text, "\x1b") || !strings.Contains(text, ">") {
		t.Error(text)
	}
}

// Ten thousand elements are numbered and joined with their tapes in one pass.
func TestElementViewsOfALargeLibrary(t *testing.T) {
	var elements []changer.Element
	var media []mediacatalog.Media
	for i := range 10_000 {
		e := changer.Element{Type: changer.Storage, Address: changer.ElementAddress(1000 + i), Full: true}
		e.PrimaryVolumeTag.Identifier = fmt.Sprintf("T%05dL6", i)
		elements = append(elements, e)
		media = append(media, mediacatalog.Media{Barcode: e.PrimaryVolumeTag.Identifier, State: mediacatalog.StateActive, Label: fmt.Sprint(i)})
	}
	begin := time.Now()
	views := elementViews(elements, media, nil)
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %v", d)
	}
	if v := views[9_999]; v.Number != 10_000 || v.Label != "9999" || v.State != mediacatalog.StateActive {
		t.Errorf("%+v", v)
	}
}

func TestParsePlace(t *testing.T) {
	elements := []changer.Element{
		{Type: changer.MediumTransport, Address: 1}, {Type: changer.DataTransfer, Address: 257}, {Type: changer.DataTransfer, Address: 258},
		{Type: changer.Storage, Address: 1001, Full: true}, {Type: changer.Storage, Address: 1002, Full: true}, {Type: changer.Storage, Address: 1003, Full: true},
	}
	elements[3].PrimaryVolumeTag.Identifier = "A00001L6"
	elements[4].PrimaryVolumeTag.Identifier = "B00001L6"
	elements[5].PrimaryVolumeTag.Identifier = "B00001L6"
	for _, test := range []struct {
		text     string
		barcodes bool
		want     int // -1: refused
	}{
		{"slot:1", false, 1001}, {"slot:3", true, 1003}, {"drive:2", false, 258}, {"picker:1", true, 1}, {"element:257", false, 257},
		{"A00001L6", true, 1001}, {"A00001L6", false, -1}, {"B00001L6", true, -1}, {"C", true, -1}, {"slot:0", true, -1}, {"slot:4", true, -1},
		{"slot:-1", true, -1}, {"slot:99999", true, -1}, {"mail:1", true, -1}, {"element:9", true, -1}, {"slot", true, -1}, {"", true, -1},
	} {
		got, err := parsePlace(elements, test.text, test.barcodes)
		if test.want < 0 && err == nil || test.want >= 0 && (err != nil || int(got) != test.want) {
			t.Errorf("%q: %d, %v, want %d", test.text, got, err, test.want)
		}
	}
}
