package mediacatalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
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
	var ids []string
	err := c.change(ctx, func(tx *sql.Tx) error {
		err := changedOne(tx.ExecContext(ctx, `UPDATE tbl_MM_Library SET LastInventoryDate = ? WHERE LibraryId = ?`,
			dateOrNull(at), libraryID))
		if err != nil {
			return err
		}
		if ids, err = saveInventoryMedia(ctx, tx, libraryID, at, media); err != nil {
			return err
		}
		byAddress := make(map[int]string, len(media))
		for i, m := range media {
			if m.ElementAddress >= 0 {
				byAddress[m.ElementAddress] = ids[i]
			}
		}
		if err := replaceElements(ctx, tx, libraryID, at, elements, byAddress); err != nil {
			return err
		}
		return insertEvents(ctx, tx, at, events)
	})
	if err != nil {
		return nil, fmt.Errorf("save the inventory of library %s: %w", libraryID, err)
	}
	return ids, nil
}

// Elements lists the elements of a library as the last inventory saw them, by address.
func (c *Catalog) Elements(ctx context.Context, libraryID string) ([]Element, error) {
	all, err := collect(ctx, c.read, scanElement, `SELECT `+elementColumns+` FROM tbl_MM_Element WHERE LibraryId = ?
		ORDER BY ElementAddress`, libraryID)
	if err != nil {
		return nil, fmt.Errorf("list the elements of library %s: %w", libraryID, err)
	}
	return all, nil
}

// MoveMedium records that a tape was moved from one element of a library to another (one transaction: both elements
// and the tape's place). Elements that the catalog does not know are ignored. ErrNotFound: no such tape.
func (c *Catalog) MoveMedium(ctx context.Context, libraryID, mediaID string, from, to int, at time.Time) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		m, err := mediaBy(ctx, tx, `MediaId = ?`, mediaID)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_Element SET IsFull = 0, BarcodeValue = NULL, MediaId = NULL,
			SourceElement = NULL, InventoryDate = ?1 WHERE LibraryId = ?2 AND (ElementAddress = ?3 OR MediaId = ?4)`,
			at.UnixMicro(), libraryID, from, mediaID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tbl_MM_Element SET IsFull = 1, BarcodeValue = ?, MediaId = ?,
			SourceElement = ?, InventoryDate = ? WHERE LibraryId = ? AND ElementAddress = ?`,
			orNull(m.Barcode), mediaID, addressOrNull(from), at.UnixMicro(), libraryID, to); err != nil {
			return err
		}
		// A storage element is a home; so is an import/export element, from which a tape may be used.
		_, err = tx.ExecContext(ctx, `UPDATE tbl_MM_Media SET LibraryId = ?1, ElementAddress = ?2, LastSeenDate = ?3,
			HomeElement = coalesce((SELECT ElementAddress FROM tbl_MM_Element WHERE LibraryId = ?1 AND ElementAddress = ?2 AND
			ElementType IN (2, 3)), HomeElement, (SELECT ElementAddress FROM tbl_MM_Element WHERE LibraryId = ?1 AND
			ElementAddress = ?5 AND ElementType IN (2, 3))) WHERE MediaId = ?4`, libraryID, addressOrNull(to), at.UnixMicro(), mediaID, from)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the move of tape %s from %d to %d: %w", mediaID, from, to, err)
	}
	return nil
}

const elementColumns = `ElementAddress, ElementType, Number, IsFull, BarcodeValue, MediaId, SourceElement, IsAccessible,
	IsException, SenseCode, SenseQualifier, DriveSerial, InventoryDate`

func scanElement(s scanner) (e Element, err error) {
	err = s.Scan(&e.ElementAddress, &e.ElementType, &e.Number, &e.Full, into(&e.Barcode), into(&e.MediaID),
		intoAddress(&e.SourceElement), &e.Accessible, &e.Exception, into(&e.ASC), into(&e.ASCQ), into(&e.DriveSerial),
		intoDate(&e.InventoryDate))
	return e, err
}

// saveInventoryMedia takes the tapes that the inventory does not name out of the library and puts those that it names in.
func saveInventoryMedia(ctx context.Context, tx *sql.Tx, libraryID string, at time.Time,
	media []InventoryMedium) ([]string, error) {
	staying := []string{}
	for _, m := range media {
		staying = append(staying, cleanID(m.MediaID))
	}
	list, err := json.Marshal(staying)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx,
		`UPDATE tbl_MM_Media SET LibraryId = NULL, ElementAddress = NULL, HomeElement = NULL
		WHERE LibraryId = ? AND MediaId NOT IN (SELECT value FROM json_each(?))`, libraryID, string(list)); err != nil {
		return nil, err
	}
	update, err := tx.PrepareContext(ctx, `UPDATE tbl_MM_Media SET BarcodeValue = coalesce(BarcodeValue, ?2),
		MediaType = coalesce(?3, MediaType), State = coalesce(?4, State), IsCleaning = max(IsCleaning, ?5), LibraryId = ?6,
		ElementAddress = ?7, HomeElement = CASE WHEN ?6 IS NULL THEN NULL ELSE coalesce(?8, HomeElement) END, LastSeenDate = coalesce(?9, LastSeenDate)
		WHERE MediaId = ?1`)
	if err != nil {
		return nil, err
	}
	defer update.Close()
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO tbl_MM_Media (MediaId, BarcodeValue, MediaType, State, IsCleaning,
		LibraryId, ElementAddress, HomeElement, LastSeenDate) VALUES (?1, ?2, ?3, coalesce(?4, '`+StateUnknown+`'), ?5, ?6, ?7, ?8, ?9)`)
	if err != nil {
		return nil, err
	}
	defer insert.Close()
	ids := make([]string, len(media))
	for i, m := range media {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in, seen := orNull(libraryID), dateOrNull(at)
		if m.ElementAddress < 0 {
			in, seen = nil, nil
			m.HomeElement = -1
		}
		stmt := update
		if ids[i] = cleanID(m.MediaID); ids[i] == "" {
			ids[i], stmt = newID(), insert
		}
		// Without a context: one that can be cancelled costs a goroutine a row.
		err := changedOne(stmt.Exec(ids[i], orNull(m.Barcode), orNull(m.MediaType), orNull(m.State), m.Cleaning, in,
			addressOrNull(m.ElementAddress), addressOrNull(m.HomeElement), seen))
		if err != nil {
			return nil, fmt.Errorf("tape %s %s: %w", m.Barcode, m.MediaID, err)
		}
	}
	return ids, nil
}

func replaceElements(ctx context.Context, tx *sql.Tx, libraryID string, at time.Time, elements []Element,
	byAddress map[int]string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM tbl_MM_Element WHERE LibraryId = ?`, libraryID); err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO tbl_MM_Element (LibraryId, `+elementColumns+`) VALUES `+marks(14))
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, e := range elements {
		if err := ctx.Err(); err != nil {
			return err
		}
		id := e.MediaID
		if id == "" && e.Full {
			id = byAddress[e.ElementAddress]
		}
		var asc, ascq any
		if e.Exception {
			asc, ascq = int(e.ASC), int(e.ASCQ)
		}
		_, err := insert.Exec(libraryID, e.ElementAddress, e.ElementType, e.Number, e.Full, orNull(e.Barcode),
			orNull(id),
			addressOrNull(e.SourceElement), e.Accessible, e.Exception, asc, ascq, orNull(e.DriveSerial), at.UnixMicro())
		if isUnique(err) {
			err = errors.New("two elements have this address")
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", e.ElementAddress, err)
		}
	}
	return nil
}
