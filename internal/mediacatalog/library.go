package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	if l.Name == "" {
		return Library{}, errors.New("add library: it has no name")
	}
	if l.LibraryID = cleanID(l.LibraryID); l.LibraryID == "" {
		l.LibraryID = newID()
	}
	if l.AddedDate.IsZero() {
		l.AddedDate = c.now()
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		if l.Serial != "" {
			var other string
			err := tx.QueryRowContext(ctx, `SELECT Name FROM tbl_MM_Library WHERE SerialNumber = ? AND
				coalesce(VendorId, '') = ? AND coalesce(ProductId, '') = ?`, l.Serial, l.Vendor, l.Product).Scan(&other)
			if err == nil {
				return fmt.Errorf("its serial number %s is that of library %s: %w", l.Serial, other, ErrExists)
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO tbl_MM_Library (`+libraryColumns+`) VALUES `+marks(11),
			libraryValues(l)...)
		if isUnique(err) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		return insertDrives(ctx, tx, &l)
	})
	if err != nil {
		return Library{}, fmt.Errorf("add library %s: %w", l.Name, err)
	}
	return c.Library(ctx, l.LibraryID)
}

// UpdateLibrary replaces what is known of the library l.LibraryID and all its drives; a drive keeps its DriveID and
// whether it is enabled where its serial number (or, without one, its element address) is known already.
func (c *Catalog) UpdateLibrary(ctx context.Context, l Library) (Library, error) {
	err := c.change(ctx, func(tx *sql.Tx) error {
		old, err := libraryBy(ctx, tx, `LibraryId = ?`, l.LibraryID)
		if err != nil {
			return err
		}
		if l.AddedDate.IsZero() {
			l.AddedDate = old.AddedDate
		}
		if l.LastInventoryDate.IsZero() {
			l.LastInventoryDate = old.LastInventoryDate
		}
		for i := range l.Drives {
			keepDrive(&l.Drives[i], old.Drives)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM tbl_MM_Drive WHERE LibraryId = ?`, l.LibraryID); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx,
			`UPDATE tbl_MM_Library SET (`+libraryColumns+`) = `+marks(11)+` WHERE LibraryId = ?`,
			append(libraryValues(l), l.LibraryID)...)
		if isUnique(err) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		return insertDrives(ctx, tx, &l)
	})
	if err != nil {
		return Library{}, fmt.Errorf("update library %s: %w", l.Name, err)
	}
	return c.Library(ctx, l.LibraryID)
}

// Library finds a library by its name (without regard to case) or its identifier. ErrNotFound.
func (c *Catalog) Library(ctx context.Context, name string) (Library, error) {
	l, err := libraryBy(ctx, c.read, `LibraryId = ?1 OR Name = ?1`, name)
	if err != nil {
		return Library{}, fmt.Errorf("find library %s: %w", name, err)
	}
	return l, nil
}

// Libraries lists all libraries with their drives, by name.
func (c *Catalog) Libraries(ctx context.Context) ([]Library, error) {
	all, err := libraries(ctx, c.read, `1 = 1`)
	if err != nil {
		return nil, fmt.Errorf("list libraries: %w", err)
	}
	return all, nil
}

// RenameLibrary gives a library another name. ErrNotFound, ErrExists.
func (c *Catalog) RenameLibrary(ctx context.Context, name, newName string) error {
	if newName == "" {
		return fmt.Errorf("rename library %s: the new name is empty", name)
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		err := changedOne(tx.ExecContext(ctx, `UPDATE tbl_MM_Library SET Name = ?2 WHERE LibraryId = ?1 OR Name = ?1`,
			name, newName))
		if isUnique(err) {
			return ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("rename library %s to %s: %w", name, newName, err)
	}
	return nil
}

// RemoveLibrary takes a library, its drives and its elements out of the catalog. Its tapes stay and are offline.
func (c *Catalog) RemoveLibrary(ctx context.Context, name string) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		l, err := libraryBy(ctx, tx, `LibraryId = ?1 OR Name = ?1`, name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			`UPDATE tbl_MM_Media SET LibraryId = NULL, ElementAddress = NULL, HomeElement = NULL
			WHERE LibraryId = ?`, l.LibraryID); err != nil {
			return err
		}
		return changedOne(tx.ExecContext(ctx, `DELETE FROM tbl_MM_Library WHERE LibraryId = ?`, l.LibraryID))
	})
	if err != nil {
		return fmt.Errorf("remove library %s: %w", name, err)
	}
	return nil
}

// SetLibraryEnabled enables or disables a library. ErrNotFound.
func (c *Catalog) SetLibraryEnabled(ctx context.Context, name string, enabled bool) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		return changedOne(tx.ExecContext(ctx,
			`UPDATE tbl_MM_Library SET IsEnabled = ?2 WHERE LibraryId = ?1 OR Name = ?1`,
			name, enabled))
	})
	if err != nil {
		return fmt.Errorf("enable or disable library %s: %w", name, err)
	}
	return nil
}

// SetDriveEnabled enables or disables a drive by its DriveID. ErrNotFound.
func (c *Catalog) SetDriveEnabled(ctx context.Context, driveID string, enabled bool) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		return changedOne(tx.ExecContext(ctx, `UPDATE tbl_MM_Drive SET IsEnabled = ? WHERE DriveId = ?`, enabled,
			driveID))
	})
	if err != nil {
		return fmt.Errorf("enable or disable drive %s: %w", driveID, err)
	}
	return nil
}

const libraryColumns = `LibraryId, Name, ChangerAddress, SerialNumber, VendorId, ProductId, ProductRevision, IsEnabled,
	IsStandAlone, AddedDate, LastInventoryDate`

func libraryValues(l Library) []any {
	return []any{l.LibraryID, l.Name, orNull(l.ChangerAddress), orNull(l.Serial), orNull(l.Vendor), orNull(l.Product),
		orNull(l.Revision), l.Enabled, l.StandAlone, dateOrNull(l.AddedDate), dateOrNull(l.LastInventoryDate)}
}

func scanLibrary(s scanner) (l Library, err error) {
	err = s.Scan(&l.LibraryID, &l.Name, into(&l.ChangerAddress), into(&l.Serial), into(&l.Vendor), into(&l.Product),
		into(&l.Revision), &l.Enabled, &l.StandAlone, intoDate(&l.AddedDate), intoDate(&l.LastInventoryDate))
	return l, err
}

const driveColumns = `DriveId, ElementAddress, Address, SerialNumber, VendorId, ProductId, ProductRevision, Generation,
	IsEnabled`

func scanDrive(s scanner) (d LibraryDrive, err error) {
	err = s.Scan(&d.DriveID, intoAddress(&d.ElementAddress), into(&d.Address), into(&d.Serial), into(&d.Vendor),
		into(&d.Product), into(&d.Revision), into(&d.Generation), &d.Enabled)
	return d, err
}

// insertDrives adds the drives of a library and gives those without one an identifier.
func insertDrives(ctx context.Context, tx *sql.Tx, l *Library) error {
	for i := range l.Drives {
		d := &l.Drives[i]
		if d.DriveID = cleanID(d.DriveID); d.DriveID == "" {
			d.DriveID = newID()
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO tbl_MM_Drive (`+driveColumns+`, LibraryId) VALUES `+marks(10),
			d.DriveID,
			addressOrNull(d.ElementAddress), orNull(d.Address), orNull(d.Serial), orNull(d.Vendor), orNull(d.Product),
			orNull(d.Revision), orNull(d.Generation), d.Enabled, l.LibraryID)
		if isUnique(err) {
			err = ErrExists
		}
		if err != nil {
			return fmt.Errorf("drive %s %s: %w", d.Address, d.Serial, err)
		}
	}
	return nil
}

// keepDrive gives d the identifier and the switch of the drive of old that it is.
func keepDrive(d *LibraryDrive, old []LibraryDrive) {
	for _, o := range old {
		same := o.Serial == d.Serial && d.Serial != "" || (d.Serial == "" || o.Serial == "") && o.ElementAddress == d.ElementAddress
		if same {
			d.DriveID, d.Enabled = o.DriveID, o.Enabled
			return
		}
	}
}

func libraries(ctx context.Context, q querier, where string, args ...any) ([]Library, error) {
	all, err := collect(ctx, q, scanLibrary,
		`SELECT `+libraryColumns+` FROM tbl_MM_Library WHERE `+where+` ORDER BY Name`, args...)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Drives, err = collect(ctx, q, scanDrive, `SELECT `+driveColumns+` FROM tbl_MM_Drive WHERE LibraryId = ?
			ORDER BY ElementAddress, Address`, all[i].LibraryID)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func libraryBy(ctx context.Context, q querier, where string, args ...any) (Library, error) {
	all, err := libraries(ctx, q, where, args...)
	if err != nil {
		return Library{}, err
	}
	if len(all) == 0 {
		return Library{}, ErrNotFound
	}
	return all[0], nil
}
