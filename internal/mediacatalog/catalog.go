package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Options tell Open what to do; the zero value is right for the program.
type Options struct {
	// ServerName names the server of a catalog that Open creates; empty: the host's name.
	ServerName string
	// MustExist forbids to create a catalog: Open then fails with ErrNoCatalog.
	MustExist bool
	// BusyTimeout is how long a change waits for another process that is changing the catalog; 0: 30 s.
	BusyTimeout time.Duration
	// WithoutSearchIndex leaves the full text index alone, as a program built without FTS5 does.
	WithoutSearchIndex bool
}

// Server is the tapectl server that a catalog belongs to. ServerID is the media domain id that its tapes carry.
type Server struct {
	ServerID    string
	Name        string
	CreatedDate time.Time
}

// Catalog is an open media catalog. It is safe for use by several goroutines. Close it when done.
type Catalog struct {
	path   string
	write  *sql.DB
	read   *sql.DB
	server Server
}

// Open opens the catalog at path and creates it, with its folder, where there is none (folder 0700, file 0600). A
// catalog of an older version is brought up to date after a copy of it was laid beside it. Errors: *NotCatalogError,
// *NewerVersionError, ErrNoCatalog.
func Open(ctx context.Context, path string, o Options) (*Catalog, error) {
	return nil, errors.ErrUnsupported
}

// Close closes the catalog. Running queries end with an error.
func (c *Catalog) Close() error { return errors.ErrUnsupported }

// Path is the absolute path of the catalog file.
func (c *Catalog) Path() string { return c.path }

// Server is the server that the catalog belongs to.
func (c *Catalog) Server() Server { return c.server }

// SchemaVersion is the number of the last migration that the file has seen.
func (c *Catalog) SchemaVersion() int64 { return 0 }
