package main

import (
	"fmt"
	"io"
	"strings"

	"tapectl/internal/mediacatalog"
)

const (
	// mostColumns is how many elements stand side by side at most: more are hard to count for the eye.
	mostColumns = 6
	// mostDrawn is up to how many elements of a kind each one gets a box; beyond it tapes stand without, and runs of empty elements
	// are one line.
	mostDrawn = 200
)

// drawLibrary draws the library into lines of at most width characters: drives, picker and mail slots on top, the slots
// below, each with its tape.
func drawLibrary(w io.Writer, l mediacatalog.Library, elements []elementJSON, width int) {
	full := 0
	for _, e := range elements {
		if e.Full {
			full++
		}
	}
	fmt.Fprintf(w, "%s: %s, %s %s, serial number %s\n", printable(l.Name), countText(full, "tape"), printable(l.Vendor), printable(l.Product), printable(l.Serial))
	cells := newCells(elements, width)
	for _, group := range []struct{ kind, title string }{
		{"drive", "Drives"}, {"picker", "Picker"}, {"mail slot", "Mail slots"}, {"slot", "Slots"},
	} {
		if some := ofKind(elements, group.kind); len(some) > 0 {
			fmt.Fprintln(w, group.title)
			cells.draw(w, some)
		}
	}
	drawLegend(w, width)
}

func ofKind(elements []elementJSON, kind string) []elementJSON {
	var some []elementJSON
	for _, e := range elements {
		if e.Type == kind {
			some = append(some, e)
		}
	}
	return some
}

// drawLegend explains the marks, in lines of at most width characters.
func drawLegend(w io.Writer, width int) {
	line := ""
	for _, mark := range []string{"* active data", "o blank or free", "? unknown", "~ cleaning", "! in doubt: see --list"} {
		if line != "" && len(line)+3+len(mark) > width {
			fmt.Fprintln(w, line)
			line = ""
		}
		if line != "" {
			line += "   "
		}
		line += mark
	}
	fmt.Fprintln(w, line)
}

// cells is the geometry of the boxes: number, mark and barcode of an element each.
type cells struct {
	number, barcode int // characters
	columns         int
}

// newCells fits the boxes into lines of width characters; long barcodes are cut in narrow ones.
func newCells(elements []elementJSON, width int) cells {
	c := cells{number: 2, barcode: 8}
	for _, e := range elements {
		c.number = max(c.number, len(fmt.Sprint(e.Number)))
		c.barcode = max(c.barcode, len([]rune(printable(e.Barcode))))
	}
	c.barcode = max(4, min(c.barcode, width-c.frame()-1))
	c.columns = max(1, min(mostColumns, (width-1)/(c.frame()+c.barcode)))
	return c
}

// frame is how much of a box is not barcode: the left line, the number, the mark and the blanks between them.
func (c cells) frame() int { return len("| ") + c.number + len(" * ") + len(" ") }

func (c cells) draw(w io.Writer, elements []elementJSON) {
	if len(elements) <= mostDrawn {
		c.boxes(w, elements)
		return
	}
	for len(elements) > 0 {
		n := alike(elements)
		switch {
		case quiet(elements[0]) && n == 1:
			fmt.Fprintf(w, "  %s empty: %d\n", elements[0].Type, elements[0].Number)
		case quiet(elements[0]):
			fmt.Fprintf(w, "  %s empty: %d to %d\n", elements[0].Type, elements[0].Number, elements[n-1].Number)
		default:
			c.lines(w, elements[:n])
		}
		elements = elements[n:]
	}
}

// alike is how many elements at the beginning are all worth being shown, or all not.
func alike(elements []elementJSON) int {
	n := 1
	for n < len(elements) && quiet(elements[n]) == quiet(elements[0]) {
		n++
	}
	return n
}

// quiet reports whether there is nothing to see in an element.
func quiet(e elementJSON) bool { return !e.Full && e.Exception == "" }

// boxes draws elements with lines around them, as many side by side as fit.
func (c cells) boxes(w io.Writer, elements []elementJSON) {
	box := "+" + strings.Repeat("-", c.frame()+c.barcode-1)
	above := 0
	for len(elements) > 0 {
		n := min(c.columns, len(elements))
		fmt.Fprintln(w, strings.Repeat(box, max(n, above))+"+")
		for _, e := range elements[:n] {
			fmt.Fprintf(w, "| %*d %s %-*s ", c.number, e.Number, mark(e), c.barcode, c.text(e))
		}
		fmt.Fprintln(w, "|")
		elements, above = elements[n:], n
	}
	fmt.Fprintln(w, strings.Repeat(box, above)+"+")
}

// lines draws elements without lines around them, for libraries that would fill many screens.
func (c cells) lines(w io.Writer, elements []elementJSON) {
	for len(elements) > 0 {
		n := min(c.columns, len(elements))
		line := ""
		for _, e := range elements[:n] {
			line += fmt.Sprintf("  %*d %s %-*s ", c.number, e.Number, mark(e), c.barcode, c.text(e))
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
		elements = elements[n:]
	}
}

// text is the barcode of an element, cut to the width of the box.
func (c cells) text(e elementJSON) string {
	switch {
	case !e.Full:
		return ""
	case e.Barcode == "":
		return "no code"[:min(len("no code"), c.barcode)]
	}
	r := []rune(printable(e.Barcode))
	if len(r) > c.barcode {
		return string(r[:c.barcode-1]) + ">"
	}
	return string(r)
}

// mark is one character for the state of a tape.
func mark(e elementJSON) string {
	switch {
	case e.Exception != "" || e.State == mediacatalog.StateSuspect:
		return "!"
	case !e.Full:
		return " "
	}
	switch e.State {
	case mediacatalog.StateActive, mediacatalog.StateOffsiteReady, mediacatalog.StateImported:
		return "*"
	case mediacatalog.StateFree, mediacatalog.StateFreeContainsData, mediacatalog.StateBlank, mediacatalog.StateExpired:
		return "o"
	case mediacatalog.StateCleaning:
		return "~"
	}
	return "?"
}
