package main

import (
	"fmt"
	"io"
	"strings"

	"tapectl/internal/mediacatalog"
)

// pictureColumns is how many slots stand side by side in the picture of a library.
const pictureColumns = 6

// drawLibrary draws the library: drives, picker and mail slots on top, the slots below, each with its tape.
func drawLibrary(w io.Writer, l mediacatalog.Library, elements []elementJSON) {
	full := 0
	for _, e := range elements {
		if e.Full {
			full++
		}
	}
	fmt.Fprintf(w, "%s: %s %s, serial number %s, %d tapes\n", l.Name, printable(l.Vendor), printable(l.Product), printable(l.Serial), full)
	width := cellWidth(elements)
	for _, group := range []struct{ kind, title string }{
		{"drive", "Drives"}, {"picker", "Picker"}, {"mail slot", "Mail slots"}, {"slot", "Slots"},
	} {
		drawGroup(w, group.title, ofKind(elements, group.kind), width)
	}
	fmt.Fprintln(w, "* active data   o blank or free   ? unknown   ~ cleaning   ! look at `tapectl library status --list`")
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

// cellWidth is the width that the longest barcode needs.
func cellWidth(elements []elementJSON) int {
	width := 8
	for _, e := range elements {
		width = max(width, len([]rune(e.Barcode)))
	}
	return min(width, 16)
}

func drawGroup(w io.Writer, title string, elements []elementJSON, width int) {
	if len(elements) == 0 {
		return
	}
	fmt.Fprintln(w, title)
	for len(elements) > 0 {
		n := min(pictureColumns, len(elements))
		row := elements[:n]
		elements = elements[n:]
		line := strings.Repeat("+"+strings.Repeat("-", width+8), n) + "+"
		fmt.Fprintln(w, line)
		for _, e := range row {
			fmt.Fprintf(w, "|%4d %s %-*s ", e.Number, mark(e), width, cell(e, width))
		}
		fmt.Fprintln(w, "|")
		if len(elements) == 0 {
			fmt.Fprintln(w, line)
		}
	}
}

// cell is the text of an element: its barcode, cut to the width.
func cell(e elementJSON, width int) string {
	switch {
	case !e.Full:
		return ""
	case e.Barcode == "":
		return "no code"
	}
	r := []rune(printable(e.Barcode))
	return string(r[:min(len(r), width)])
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
