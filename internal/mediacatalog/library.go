package mediacatalog

import (
	"context"
	"errors"
	"time"
)

// Library is a tape library, or a stand-alone drive, which is a library with one drive and no changer.
type Library struct {
	LibraryID      string
	Name           string // the operator's; unique without regard to case
	ChangerAddress string // "/dev/sg3", "iscsi://...", "vlib:FOLDER"; empty when stand-alone
	Serial         string
	Vendor         string
	Product        string
	Revision       string
	Enabled        bool
	StandAlone     bool
	Drives         []LibraryDrive // by element address

	AddedDate         time.Time
	LastInventoryDate time.Time // zero: never
}

// LibraryDrive is a drive of a library.
type LibraryDrive struct {
	DriveID        string
	ElementAddress int // data transfer element; -1: stand-alone or not known
	Address        string
	Serial         string
	Vendor         string
	Product        string
	Revision       string
	Generation     string // "LTO-6"
	Enabled        bool
}

// AddLibrary adds a library with its drives and returns it with the identifiers and the date it was given. ErrExists
// when the name is taken, or when the serial number is that of another library.
func (c *Catalog) AddLibrary(ctx context.Context, l Library) (Library, error) {
	return Library{}, errors.ErrUnsupported
}

// UpdateLibrary replaces what is known of the library l.LibraryID and all its drives; a drive keeps its DriveID and
// whether it is enabled where its serial number (or, without one, its element address) is known already.
func (c *Catalog) UpdateLibrary(ctx context.Context, l Library) (Library, error) {
	return Library{}, errors.ErrUnsupported
}

// Library finds a library by its name (without regard to case) or its identifier. ErrNotFound.
func (c *Catalog) Library(ctx context.Context, name string) (Library, error) {
	return Library{}, errors.ErrUnsupported
}

// Libraries lists all libraries with their drives, by name.
func (c *Catalog) Libraries(ctx context.Context) ([]Library, error) {
	return nil, errors.ErrUnsupported
}

// RenameLibrary gives a library another name. ErrNotFound, ErrExists.
func (c *Catalog) RenameLibrary(ctx context.Context, name, newName string) error {
	return errors.ErrUnsupported
}

// RemoveLibrary takes a library, its drives and its elements out of the catalog. Its tapes stay and are offline.
func (c *Catalog) RemoveLibrary(ctx context.Context, name string) error { return errors.ErrUnsupported }

// SetLibraryEnabled enables or disables a library. ErrNotFound.
func (c *Catalog) SetLibraryEnabled(ctx context.Context, name string, enabled bool) error {
	return errors.ErrUnsupported
}

// SetDriveEnabled enables or disables a drive by its DriveID. ErrNotFound.
func (c *Catalog) SetDriveEnabled(ctx context.Context, driveID string, enabled bool) error {
	return errors.ErrUnsupported
}
