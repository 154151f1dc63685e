package mediacatalog

import (
	"context"
	"errors"
	"time"
)

// Element types as SMC-3 numbers them.
const (
	MediumTransport = 1
	Storage         = 2
	ImportExport    = 3
	DataTransfer    = 4
)

// Element is the last known state of one element of a library.
type Element struct {
	ElementAddress int
	ElementType    int // 1 to 4: MediumTransport, Storage, ImportExport, DataTransfer
	Number         int // 1..n within its type: the operator's number ("slot 7")
	Full           bool
	Barcode        string
	MediaID        string // the tape that the inventory takes it to hold; empty: empty, or not known
	SourceElement  int    // the element it was last moved from; -1: not known
	Accessible     bool
	Exception      bool
	ASC, ASCQ      byte      // with Exception
	DriveSerial    string    // data transfer elements, where the changer tells
	InventoryDate  time.Time // set by SaveInventory
}

// InventoryMedium is what an inventory concludes about one tape. Only the fields named here change: everything else
// that is known about a tape stays.
type InventoryMedium struct {
	MediaID        string // empty: a tape not seen before; SaveInventory makes the identifier
	Barcode        string // for a new tape; a known tape whose barcode is NULL gets it; another barcode is never overwritten
	MediaType      string // "L6"; empty: as it is
	State          string // conclusion, see the State constants; empty: as it is
	Cleaning       bool   // true: is a cleaning cartridge; false: as it is
	ElementAddress int    // where it is now; -1: offline
	HomeElement    int    // its storage element; -1: not known, as it is
}

// SaveInventory replaces the elements of a library as a whole and records where its tapes are, in one transaction:
// tapes that were in the library and are not among media are offline afterwards. Elements whose MediaID is empty get
// it from the medium with their address. It returns the identifier of every medium, in the order of media, and writes
// the events. 10,000 elements take well under half a second.
func (c *Catalog) SaveInventory(ctx context.Context, libraryID string, at time.Time, elements []Element,
	media []InventoryMedium, events []Event) ([]string, error) {
	return nil, errors.ErrUnsupported
}

// Elements lists the elements of a library as the last inventory saw them, by address.
func (c *Catalog) Elements(ctx context.Context, libraryID string) ([]Element, error) {
	return nil, errors.ErrUnsupported
}

// MoveMedium records that a tape was moved from one element of a library to another (one transaction: both elements
// and the tape's place). Elements that the catalog does not know are ignored. ErrNotFound: no such tape.
func (c *Catalog) MoveMedium(ctx context.Context, libraryID, mediaID string, from, to int, at time.Time) error {
	return errors.ErrUnsupported
}
