package library

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
)

// Host reaches devices by address. It is the only thing that knows kinds of addresses; cmd/tapectl provides it.
type Host interface {
	// Open opens the device at the address. The caller closes the transport.
	Open(ctx context.Context, address string) (scsi.Transport, error)
	// Companions lists the addresses that are reached the same way as the changer at the address and may be its
	// drives: the tape devices of the host, the logical units of the iSCSI target, the drives of the virtual library.
	Companions(ctx context.Context, address string) ([]string, error)
}

// Discovery is what Discover found out about a changer or a drive.
type Discovery struct {
	// Library is ready to be added to a catalog; its name is empty.
	Library mediacatalog.Library
	// Unmatched are the drive elements of the changer for which no device was found, in words for the operator.
	Unmatched []string
	// Notes are other things that an operator should know, such as drives matched by elimination.
	Notes []string
}

// candidate is a tape device that may be a drive of the changer.
type candidate struct {
	address  string
	identity scsi.Identity
	others   []string // further addresses of the same drive: other paths to it
	used     bool
}

// ErrNoLibrary says that what answers at an address is neither a medium changer nor a tape drive.
var ErrNoLibrary = errors.New("not a tape library")

// Discover looks at the device at the address: a medium changer, whose drives are found by serial number among the
// companions and the extra addresses, or a stand-alone tape drive. It changes nothing on the device and closes what it
// opens.
//
// Errors: ErrNoLibrary, those of the host and of the device.
func Discover(ctx context.Context, host Host, address string, extra []string) (*Discovery, error) {
	t, err := host.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	id, err := scsi.Identify(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("identify %s: %w", address, err)
	}
	switch {
	case !id.Present:
		return nil, fmt.Errorf("%w: there is no device at %s", ErrNoLibrary, address)
	case id.DeviceType == scsi.ChangerDevice:
		return discoverChanger(ctx, host, address, t, extra)
	case id.DeviceType == scsi.TapeDevice:
		return discoverDrive(address, id), nil
	}
	return nil, fmt.Errorf("%w: %s is a %s (%s %s)", ErrNoLibrary, address, id.DeviceType, id.Vendor, id.Product)
}

// discoverDrive describes a library of one drive without a changer.
func discoverDrive(address string, id scsi.Identity) *Discovery {
	d := &Discovery{Library: mediacatalog.Library{
		Serial: id.Serial, Vendor: id.Vendor, Product: id.Product, Revision: id.Revision, Enabled: true, StandAlone: true,
		Drives: []mediacatalog.LibraryDrive{libraryDrive(StandAloneElement, &candidate{address: address, identity: id})},
	}}
	if id.Serial == "" {
		d.Notes = append(d.Notes, "the drive tells no serial number: it cannot be found again when its address changes")
	}
	return d
}

// discoverChanger describes a changer and pairs its drive elements with devices.
func discoverChanger(ctx context.Context, host Host, address string, t scsi.Transport, extra []string) (*Discovery, error) {
	c, err := changer.New(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("open changer %s: %w", address, err)
	}
	id := c.Identity()
	d := &Discovery{Library: mediacatalog.Library{
		ChangerAddress: address, Serial: id.Serial, Vendor: id.Vendor, Product: id.Product, Revision: id.Revision, Enabled: true,
	}}
	elements, err := c.ElementsOf(ctx, changer.DataTransfer)
	if err != nil {
		return nil, fmt.Errorf("read the drives of changer %s: %w", address, err)
	}
	identifiers, err := c.DriveIdentifiers(ctx)
	if err != nil {
		var transport *scsi.TransportError
		if ctx.Err() != nil || errors.As(err, &transport) {
			return nil, fmt.Errorf("read the serial numbers of the drives of changer %s: %w", address, err)
		}
		d.note("the changer does not tell the serial numbers of its drives: %v", err)
	}
	found, err := candidates(ctx, host, address, extra, d)
	if err != nil {
		return nil, err
	}
	d.match(elements, identifiers, d.paths(found))
	return d, nil
}

func (d *Discovery) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// candidates identifies the tape devices near the changer and those the operator named. A device that the operator
// did not name and that does not answer is noted and left out.
func candidates(ctx context.Context, host Host, address string, extra []string, d *Discovery) ([]*candidate, error) {
	near, err := host.Companions(ctx, address)
	if err != nil && len(extra) == 0 {
		return nil, fmt.Errorf("look for the drives of %s: %w", address, err)
	}
	named := map[string]bool{}
	for _, a := range extra {
		named[a] = true
	}
	var found []*candidate
	seen := map[string]bool{address: true}
	for _, a := range append(append([]string(nil), extra...), near...) {
		if seen[a] {
			continue
		}
		seen[a] = true
		id, err := identifyAt(ctx, host, a)
		switch {
		case err != nil && (named[a] || ctx.Err() != nil):
			return nil, fmt.Errorf("identify drive %s: %w", a, err)
		case err != nil:
			d.note("%s does not answer: %v", a, err)
		case id.DeviceType == scsi.TapeDevice:
			found = append(found, &candidate{address: a, identity: id})
		case named[a]:
			return nil, fmt.Errorf("%s is no tape drive but a %s (%s %s)", a, id.DeviceType, id.Vendor, id.Product)
		}
	}
	return found, nil
}

func identifyAt(ctx context.Context, host Host, address string) (scsi.Identity, error) {
	t, err := host.Open(ctx, address)
	if err != nil {
		return scsi.Identity{}, err
	}
	defer t.Close()
	return scsi.Identify(ctx, t)
}

// paths folds the devices that are one drive, reached over several addresses, into one candidate: same vendor, product and
// serial number (scsi.md 3.5). The first address is used; those that the operator named come first.
func (d *Discovery) paths(found []*candidate) []*candidate {
	type key struct{ vendor, product, serial string }
	first := map[key]*candidate{}
	var all []*candidate
	for _, c := range found {
		k := key{c.identity.Vendor, c.identity.Product, c.identity.Serial}
		if known := first[k]; known != nil && k.serial != "" {
			known.others = append(known.others, c.address)
			continue
		}
		first[k] = c
		all = append(all, c)
	}
	for _, c := range all {
		if len(c.others) > 0 {
			d.note("the drive with serial number %s is reached over %d paths: %s is used, not %s", c.identity.Serial, len(c.others)+1,
				c.address, strings.Join(c.others, ", "))
		}
	}
	return all
}

// match pairs drive elements with devices: by serial number first, then by what drives say about their element, then,
// where exactly one of each is left, by elimination, because some changers cut off the last identifier (tgt before
// 1.0.94) or give none.
func (d *Discovery) match(elements []changer.Element, ids map[changer.ElementAddress]changer.DeviceIdentifier, candidates []*candidate) {
	sort.Slice(elements, func(i, j int) bool { return elements[i].Address < elements[j].Address })
	open := d.pair(elements, func(e changer.Element) *candidate { return bySerial(candidates, ids[e.Address].Serial) })
	open = d.pair(open, func(e changer.Element) *candidate {
		if ids[e.Address].Serial != "" {
			return nil // the changer names another drive
		}
		if c := bySerial(candidates, strings.TrimSpace(e.AlternateVolumeTag.Identifier)); c != nil { // quirk Q05
			return c
		}
		return byElement(candidates, e.Address)
	})
	rest := unused(candidates)
	if len(open) == 1 && len(rest) == 1 && compatibleSerial(ids[open[0].Address].Serial, rest[0].identity.Serial) {
		d.note("drive element %d was matched with %s (serial number %s) because nothing else was left",
			open[0].Address, rest[0].address, rest[0].identity.Serial)
		open = d.pair(open, func(changer.Element) *candidate { return rest[0] })
	}
	sort.Slice(d.Library.Drives, func(i, j int) bool {
		return d.Library.Drives[i].ElementAddress < d.Library.Drives[j].ElementAddress
	})
	for _, e := range open {
		d.Unmatched = append(d.Unmatched, unmatchedText(e, ids[e.Address], unused(candidates)))
	}
}

// pair gives each element the device that find names, and returns the elements without one.
func (d *Discovery) pair(elements []changer.Element, find func(changer.Element) *candidate) []changer.Element {
	var open []changer.Element
	for _, e := range elements {
		c := find(e)
		if c == nil {
			open = append(open, e)
			continue
		}
		c.used = true
		d.Library.Drives = append(d.Library.Drives, libraryDrive(int(e.Address), c))
	}
	return open
}

// byElement returns the one unused candidate that says that it is in the element (VPD page B4h).
func byElement(candidates []*candidate, address changer.ElementAddress) *candidate {
	var found *candidate
	for _, c := range candidates {
		if c.used || !c.identity.ElementAddressKnown || c.identity.ElementAddress != uint16(address) {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

// compatibleSerial reports whether an identifier that was cut off can belong to the serial number.
func compatibleSerial(identifier, serial string) bool {
	return identifier == "" || strings.HasPrefix(serial, identifier)
}

// unmatchedText tells which drive element has no device and what was seen instead.
func unmatchedText(e changer.Element, id changer.DeviceIdentifier, rest []*candidate) string {
	text := fmt.Sprintf("drive element %d", e.Address)
	if id.Serial != "" {
		text += " (serial number " + id.Serial + ")"
	} else {
		text += " (the changer gives no serial number)"
	}
	text += ": no tape device with that serial number was found"
	for i, c := range rest {
		sep := "; devices left over: "
		if i > 0 {
			sep = ", "
		}
		text += fmt.Sprintf("%s%s (serial number %s)", sep, c.address, c.identity.Serial)
	}
	return text
}

// bySerial returns the unused candidate with the serial number. Two devices that claim one serial number are no match:
// which of them sits in the element cannot be told.
func bySerial(candidates []*candidate, serial string) *candidate {
	if serial == "" {
		return nil
	}
	var found *candidate
	for _, c := range candidates {
		if id := c.identity; c.used || id.Serial != serial && id.ManufacturerSerial != serial && id.AutomationSerial != serial {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}

func unused(candidates []*candidate) []*candidate {
	var rest []*candidate
	for _, c := range candidates {
		if !c.used {
			rest = append(rest, c)
		}
	}
	return rest
}

func libraryDrive(element int, c *candidate) mediacatalog.LibraryDrive {
	return mediacatalog.LibraryDrive{
		ElementAddress: element, Address: c.address, Serial: c.identity.Serial, Vendor: c.identity.Vendor,
		Product: c.identity.Product, Revision: c.identity.Revision, Enabled: true,
		Generation: string(drive.DriveGeneration(c.identity.Vendor, c.identity.Product)),
	}
}
