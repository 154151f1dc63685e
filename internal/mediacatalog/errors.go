package mediacatalog

import (
	"errors"
	"fmt"
	"time"
)

// Sentinels, matched with errors.Is; the error that carries one says what was looked for.
var (
	// ErrNotFound says that the library, tape, data set or recovery point is not in the catalog.
	ErrNotFound = errors.New("not in the catalog")
	// ErrExists says that the name or identifier is taken.
	ErrExists = errors.New("already in the catalog")
	// ErrAmbiguous says that an identifier prefix or label fits more than one row.
	ErrAmbiguous = errors.New("fits more than one entry of the catalog")
	// ErrState says that the change does not fit the state of the row, such as a commit point for a finished data set
	// or one that goes backwards.
	ErrState = errors.New("does not fit the state in the catalog")
	// ErrReadOnlyQuery says that a text given to Query is not one single reading statement.
	ErrReadOnlyQuery = errors.New("only one reading statement is allowed")
	// ErrLeaseLost says that a lease is no longer the caller's: it expired and another process took it over.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrNoCatalog says that there is no catalog file and Options.MustExist forbids to create one.
	ErrNoCatalog = errors.New("there is no catalog")
)

// NotCatalogError says that the file at Path is no tapectl catalog, or a damaged one. It was left untouched.
type NotCatalogError struct {
	Path   string
	Reason string
	Err    error // the cause where there is one, else nil
}

// Error names the file and why it is refused.
func (e *NotCatalogError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("open catalog %s: %s: %v (the file was left untouched)", e.Path, e.Reason, e.Err)
	}
	return fmt.Sprintf("open catalog %s: %s (the file was left untouched)", e.Path, e.Reason)
}

// Unwrap gives access to the cause.
func (e *NotCatalogError) Unwrap() error { return e.Err }

// NewerVersionError says that a newer version of tapectl wrote the catalog. It was left untouched.
type NewerVersionError struct {
	Path             string
	Version, Highest int64 // of the file; that this program knows
}

// Error names the file and both versions.
func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("open catalog %s: it has schema version %d and this program knows up to %d: use the newer tapectl "+
		"that wrote it (the file was left untouched)", e.Path, e.Version, e.Highest)
}

// LeaseHeldError says that another process uses the resource.
type LeaseHeldError struct {
	Resource     string
	Owner        LeaseOwner
	Since, Until time.Time
}

// Error names the resource, its user and until when the lease runs.
func (e *LeaseHeldError) Error() string {
	return fmt.Sprintf("%s is in use by %s since %s (its lease runs until %s)", e.Resource, e.Owner,
		e.Since.UTC().Format(time.RFC3339), e.Until.UTC().Format(time.RFC3339))
}

// CheckError lists what Check found wrong; every line is one finding.
type CheckError struct {
	Path     string
	Findings []string
}

// Error names the file, the number of findings and the first of them.
func (e *CheckError) Error() string {
	return fmt.Sprintf("check catalog %s: %d finding(s), the first: %s", e.Path, len(e.Findings), e.Findings[0])
}
