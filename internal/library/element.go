package library

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
)

// Elements reads the status of all elements, fresh from the changer, sorted by address. A stand-alone drive is shown as
// one data transfer element at address StandAloneTape, full when there is a tape in the drive.
func (l *Library) Elements(ctx context.Context) ([]changer.Element, error) {
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	defer l.freeArm()
	return l.elements(ctx)
}

// elements is Elements for those who have the arm.
func (l *Library) elements(ctx context.Context) ([]changer.Element, error) {
	if l.changer == nil {
		return l.standAloneElements(ctx)
	}
	elements, err := l.changer.Elements(ctx)
	if errors.Is(err, scsi.IsNotReady) {
		if err = l.changer.WaitReady(ctx, func(state string) { l.progress("library " + l.record.Name + ": " + state) }); err == nil {
			elements, err = l.changer.Elements(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the elements of library %s: %w", l.record.Name, err)
	}
	sort.Slice(elements, func(i, j int) bool { return elements[i].Address < elements[j].Address })
	return elements, nil
}

// Attentions returns and forgets the unit attentions of the changer since the last call: doors that were opened, mail
// slots that were used, resets. There are none of a stand-alone drive.
func (l *Library) Attentions(ctx context.Context) ([]scsi.Sense, error) {
	if l.changer == nil {
		return nil, nil
	}
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	defer l.freeArm()
	return l.changer.Attentions(), nil
}

// Numbers returns the operator's number of every element: 1 for the first of its type in the order given, which is that
// of addresses for what Elements returns. Use it instead of Number for more than a few elements.
func Numbers(elements []changer.Element) map[changer.ElementAddress]int {
	numbers := make(map[changer.ElementAddress]int, len(elements))
	count := map[changer.ElementType]int{}
	for i := range elements {
		count[elements[i].Type]++
		numbers[elements[i].Address] = count[elements[i].Type]
	}
	return numbers
}

// Number returns the operator's number of one element, as Numbers does, and 0 for an address that no element has. It
// looks through all elements.
func Number(elements []changer.Element, address changer.ElementAddress) int {
	at := find(elements, address)
	if at == nil {
		return 0
	}
	n := 0
	for i := range elements {
		if elements[i].Type == at.Type {
			n++
		}
		if elements[i].Address == address {
			break
		}
	}
	return n
}

// TypeName is the operator's word for an element type.
func TypeName(t changer.ElementType) string {
	switch t {
	case changer.MediumTransport:
		return "picker"
	case changer.Storage:
		return "slot"
	case changer.ImportExport:
		return "mail slot"
	case changer.DataTransfer:
		return "drive"
	}
	return "element"
}

// Place names an element as an operator would, such as "slot 7 (element 1006)".
func Place(elements []changer.Element, address changer.ElementAddress) string {
	if e := find(elements, address); e != nil {
		return fmt.Sprintf("%s %d (element %d)", TypeName(e.Type), Number(elements, address), address)
	}
	return fmt.Sprintf("element %d", address)
}

// find returns the element with the address, nil if there is none.
func find(elements []changer.Element, address changer.ElementAddress) *changer.Element {
	for i := range elements {
		if elements[i].Address == address {
			return &elements[i]
		}
	}
	return nil
}

// fullPicker returns the picker that holds a cartridge, nil when all are empty.
func fullPicker(elements []changer.Element) *changer.Element {
	for i := range elements {
		if e := &elements[i]; e.Type == changer.MediumTransport && e.Full {
			return e
		}
	}
	return nil
}

// freeSlot returns an empty storage element that can be used and is not in avoid; never a mail slot, which would put
// the tape out of the library.
func freeSlot(elements []changer.Element, avoid map[changer.ElementAddress]bool) *changer.Element {
	for i := range elements {
		if e := &elements[i]; usableSlot(e) && !avoid[e.Address] {
			return e
		}
	}
	return nil
}

// usableSlot reports whether a tape can be put into the element for good.
func usableSlot(e *changer.Element) bool {
	return e != nil && e.Type == changer.Storage && !e.Full && !e.Disabled
}

// sameTape reports whether the element may hold the tape with the barcode: a barcode that was not read says nothing.
func sameTape(e *changer.Element, barcode string) bool {
	have := e.PrimaryVolumeTag.Identifier
	return have == "" || barcode == "" || have == barcode
}

// ErrPickerOccupied says that a tape is in the picker, as a crash or a jam leaves it, and that nothing can be moved
// before it is put away.
var ErrPickerOccupied = errors.New("a tape is in the picker")

// pickerFree refuses to use the arm while it holds a tape.
func (l *Library) pickerFree(elements []changer.Element) error {
	p := fullPicker(elements)
	if p == nil {
		return nil
	}
	free := "N"
	if s := freeSlot(elements, nil); s != nil {
		free = fmt.Sprint(Number(elements, s.Address))
	}
	return fmt.Errorf("%w: %s holds %s; `tapectl tape move picker:%d slot:%s --library %s` puts it into a free slot", ErrPickerOccupied,
		Place(elements, p.Address), tapeName(p.PrimaryVolumeTag.Identifier), Number(elements, p.Address), free, l.record.Name)
}
