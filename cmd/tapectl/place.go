package main

import (
	"fmt"
	"strconv"
	"strings"

	"tapectl/internal/changer"
	"tapectl/internal/library"
)

// placeTypes are the words for element types on the command line.
var placeTypes = map[string]changer.ElementType{
	"slot": changer.Storage, "mail": changer.ImportExport, "drive": changer.DataTransfer, "picker": changer.MediumTransport,
}

// parsePlace finds the element that a word of the command line means: "slot:7", "element:1006" or, for a source, a barcode.
func parsePlace(elements []changer.Element, s string, barcodes bool) (changer.ElementAddress, error) {
	if kind, number, ok := strings.Cut(s, ":"); ok {
		t, known := placeTypes[kind]
		n, err := strconv.ParseUint(number, 10, 16)
		if err == nil && (known || kind == "element") {
			return elementAt(elements, kind, t, int(n))
		}
	}
	if !barcodes {
		return 0, usageError{fmt.Errorf("%q is no place: slot:7, mail:1, drive:2, picker:1 or element:1006", s)}
	}
	return elementOfTape(elements, s)
}

// elementAt finds an element by its address (kind "element") or by the number of its type.
func elementAt(elements []changer.Element, kind string, t changer.ElementType, n int) (changer.ElementAddress, error) {
	numbers := library.Numbers(elements)
	have := 0
	for _, e := range elements {
		if kind == "element" && int(e.Address) == n || kind != "element" && e.Type == t && numbers[e.Address] == n {
			return e.Address, nil
		}
		if e.Type == t {
			have++
		}
	}
	if kind == "element" {
		return 0, usageError{fmt.Errorf("the library has no element %d: `tapectl library status --list` shows them", n)}
	}
	if have == 0 {
		return 0, usageError{fmt.Errorf("the library has no %s %d: it has none of that kind", kind, n)}
	}
	return 0, usageError{fmt.Errorf("the library has no %s %d: they go from 1 to %d", kind, n, have)}
}

// elementOfTape finds the one element that shows a barcode.
func elementOfTape(elements []changer.Element, barcode string) (changer.ElementAddress, error) {
	var found []changer.Element
	for _, e := range elements {
		if e.Full && e.PrimaryVolumeTag.Identifier == barcode {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no tape with barcode %q is in the library, and it is no place such as slot:7, mail:1, drive:2 or element:1006", barcode)
	case 1:
		return found[0].Address, nil
	}
	return 0, usageError{fmt.Errorf("%d tapes have the barcode %q: name the place instead, such as element:%d", len(found), barcode, found[0].Address)}
}
