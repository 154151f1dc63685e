package changer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tapectl/internal/scsi"
)

const (
	// maxElements is the most elements asked for in one command; more make some changers fail (quirk Q06).
	maxElements = 1000
	// maxAllocation is the most bytes asked for: some changers look at the low 16 bits of the length only (Q06).
	maxAllocation = 0xFFFF
	// descriptorGuess is a length that no known descriptor exceeds: both volume tags, a padded identifier of 64 bytes
	// and the 32 bytes of an SL500.
	descriptorGuess = 16 + 2*volumeTagLength + identifierHeaderLength + 64 + 32
	// maxRestarts is how often an inventory begins anew because an attention came while it ran.
	maxRestarts = 3
)

// statusForms are the ways to ask for element status, the best first: changers without CURDATA or without a barcode
// reader refuse the first ones.
var statusForms = [...]struct{ currentData, volumeTag bool }{{true, true}, {false, true}, {false, false}}

// Elements reads the status of every element, type by type, sorted by address. When the changer reports a change
// while it is read, the inventory begins anew; after three times the last one is returned. It needs one READ ELEMENT
// STATUS for each type and each 1,000 elements.
func (c *Changer) Elements(ctx context.Context) ([]Element, error) {
	return c.inventory(ctx, MediumTransport, Storage, ImportExport, DataTransfer)
}

// ElementsOf reads the status of the elements of one type, like Elements.
func (c *Changer) ElementsOf(ctx context.Context, t ElementType) ([]Element, error) {
	if t < MediumTransport || t > DataTransfer {
		return nil, fmt.Errorf("read element status: there are no elements of %s", t)
	}
	return c.inventory(ctx, t)
}

func (c *Changer) inventory(ctx context.Context, types ...ElementType) ([]Element, error) {
	for restarts := 0; ; restarts++ {
		if err := c.current(ctx); err != nil {
			return nil, err
		}
		before := c.attended
		var all []Element
		for _, t := range types {
			got, err := c.readType(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("read status of %s elements: %w", t, err)
			}
			all = append(all, got...)
		}
		if c.attended == before || restarts == maxRestarts {
			slices.SortStableFunc(all, func(a, b Element) int { return int(a.Address) - int(b.Address) })
			return all, nil
		}
	}
}

// current makes sure that the assignment is the present one. A changer without mode page 1Dh has none.
func (c *Changer) current(ctx context.Context) error {
	if !c.stale && c.assigned {
		return nil
	}
	err := c.refresh(ctx)
	switch {
	case err == nil || c.assigned && errors.Is(err, scsi.IsIllegalRequest):
		return nil
	case errors.Is(err, scsi.IsIllegalRequest):
		return nil // asked without knowing the ranges
	}
	return fmt.Errorf("read element addresses: %w", err)
}

// readType reads all elements of one type.
func (c *Changer) readType(ctx context.Context, t ElementType) ([]Element, error) {
	r := c.assignment.Of(t)
	if c.assigned && r.Count == 0 {
		return nil, nil
	}
	if !c.assigned {
		r = Range{Count: 0x10000}
	}
	s := scan{changer: c, typ: t, next: int(r.First), end: int(r.First) + r.Count, count: maxElements, seen: map[ElementAddress]bool{}}
	for s.next < s.end {
		if err := s.step(ctx); err != nil {
			return nil, err
		}
	}
	return s.elements, nil
}

// scan is one run over the elements of a type.
type scan struct {
	changer    *Changer
	typ        ElementType
	identifier bool // DVCID instead of volume tags
	next, end  int  // the addresses not asked for yet
	count      int  // elements in one command
	elements   []Element
	seen       map[ElementAddress]bool
}

// step asks for the elements from next on and moves next forward, or halves the count when the changer fails.
func (s *scan) step(ctx context.Context) error {
	n := min(s.count, s.end-s.next)
	report, err := s.ask(ctx, n)
	if err != nil {
		if n == 1 || !answered(err) || errors.Is(err, scsi.IsNotReady) {
			return err
		}
		s.count = n / 2
		return nil
	}
	from := s.next
	last := s.take(report.Elements)
	if last >= 0 {
		s.next = last + 1
	}
	if t := report.Truncated; t != nil && t.AddressKnown && int(t.Element.Address) >= s.next {
		return s.takeTruncated(t, last < 0)
	}
	if s.next == from {
		s.skip(n)
	}
	return nil
}

// take keeps the elements that are new and returns the highest address from next on, -1 when there is none.
func (s *scan) take(elements []Element) int {
	last := -1
	for _, e := range elements {
		if e.Type != s.typ || int(e.Address) < s.next {
			continue
		}
		last = max(last, int(e.Address))
		if !s.seen[e.Address] {
			s.seen[e.Address] = true
			s.elements = append(s.elements, e)
		}
	}
	return last
}

// takeTruncated decides about a descriptor that was cut off: it is asked for again, and when it was the only one and
// is cut off again, what is there is used. tgt cuts the last descriptor of every answer.
func (s *scan) takeTruncated(t *TruncatedElement, alone bool) error {
	address := int(t.Element.Address)
	if !alone {
		s.next = address
		return nil
	}
	if !t.StatusKnown || !s.identifier && !t.VolumeTagKnown {
		return fmt.Errorf("the changer cuts off the descriptor of element %d: %w", address,
			&scsi.ResponseError{Op: ReadElementStatus{}.Name(), Reason: "descriptor cut off"})
	}
	s.take([]Element{t.Element})
	s.next = address + 1
	return nil
}

// skip goes over a gap. A changer that reports nothing from an address on has no more elements, unless it takes the
// count for a range of addresses; only where the ranges are known is it worth while to look behind.
func (s *scan) skip(n int) {
	if !s.changer.assigned {
		s.next = s.end
		return
	}
	s.next += n
}

// ask sends READ ELEMENT STATUS in the form that the changer accepts, trying the next one when it refuses a field.
func (s *scan) ask(ctx context.Context, n int) (StatusReport, error) {
	c := s.changer
	q := ReadElementStatus{
		Type: s.typ, Start: ElementAddress(s.next), Count: uint16(min(n, 0xFFFF)), DeviceIdentifier: s.identifier,
		Allocation: uint32(min(maxAllocation, statusHeaderLength+pageHeaderLength+n*descriptorGuess)),
	}
	for form := c.form; ; form++ {
		q.CurrentData = statusForms[form].currentData
		q.VolumeTag = statusForms[form].volumeTag && !s.identifier
		report, err := c.read(ctx, q)
		if err == nil {
			if !s.identifier {
				c.form = form
			}
			return report, nil
		}
		if form == len(statusForms)-1 || !errors.Is(err, scsi.InvalidFieldInCDB) {
			return StatusReport{}, err
		}
	}
}

// read sends one READ ELEMENT STATUS. The answer describes the present, so attentions are consumed.
func (c *Changer) read(ctx context.Context, q ReadElementStatus) (StatusReport, error) {
	b, err := scsi.DataIn(ctx, c.attentive, q, int(q.Allocation), readElementStatusTimeout)
	if err != nil {
		return StatusReport{}, err
	}
	report, err := DecodeElementStatus(b)
	if err != nil {
		return StatusReport{}, &scsi.ResponseError{Op: q.Name(), CDB: q.CDB(), Reason: err.Error()}
	}
	return report, nil
}

// Element reads the status of one element, fresh. ErrNoElement says that the changer has none at the address.
func (c *Changer) Element(ctx context.Context, address ElementAddress) (Element, error) {
	if err := c.current(ctx); err != nil {
		return Element{}, err
	}
	t, known := c.assignment.TypeOf(address)
	types := []ElementType{t}
	if !known {
		types = []ElementType{Storage, DataTransfer, ImportExport, MediumTransport}
	}
	for _, t := range types {
		e, err := c.elementOf(ctx, t, address)
		if err == nil || !known && errors.Is(err, scsi.IsIllegalRequest) {
			if err == nil {
				return e, nil
			}
			continue
		}
		if !errors.Is(err, ErrNoElement) {
			return Element{}, fmt.Errorf("read status of element %d: %w", address, err)
		}
	}
	return Element{}, fmt.Errorf("read status of element %d: %w", address, ErrNoElement)
}

func (c *Changer) elementOf(ctx context.Context, t ElementType, address ElementAddress) (Element, error) {
	s := scan{changer: c, typ: t, next: int(address), end: int(address) + 1, count: 1, seen: map[ElementAddress]bool{}}
	if err := s.step(ctx); err != nil {
		return Element{}, err
	}
	for _, e := range s.elements {
		if e.Address == address {
			return e, nil
		}
	}
	return Element{}, ErrNoElement
}

// DriveIdentifiers reads which drive is in which data transfer element. It is a command of its own, for drives alone
// and without barcodes, because changers refuse the combinations (quirks Q01, Q02). Drives without identifier are not
// in the map. ErrNoDeviceIdentifiers says that the changer tells none.
func (c *Changer) DriveIdentifiers(ctx context.Context) (map[ElementAddress]DeviceIdentifier, error) {
	if err := c.current(ctx); err != nil {
		return nil, err
	}
	r := c.assignment.DataTransfer
	if !c.assigned {
		r = Range{Count: 0x10000}
	}
	s := scan{changer: c, typ: DataTransfer, identifier: true, next: int(r.First), end: int(r.First) + r.Count,
		count: maxElements, seen: map[ElementAddress]bool{}}
	for s.next < s.end {
		err := s.step(ctx)
		if errors.Is(err, scsi.IsIllegalRequest) {
			return nil, fmt.Errorf("%w: %w", ErrNoDeviceIdentifiers, err)
		}
		if err != nil {
			return nil, fmt.Errorf("read drive identifiers: %w", err)
		}
	}
	ids := map[ElementAddress]DeviceIdentifier{}
	for _, e := range s.elements {
		if len(e.Identifier.Raw) > 0 {
			ids[e.Address] = e.Identifier
		}
	}
	if len(ids) == 0 {
		return nil, ErrNoDeviceIdentifiers
	}
	return ids, nil
}
