package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
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
	path    string
	write   *sql.DB // one connection: SQLite has one writer
	read    *sql.DB // query_only
	guarded *sql.DB // for Query: the file read-only as schema dbo
	server  Server
	version int64
	busy    time.Duration
	search  bool             // the full text index is usable
	stale   atomic.Bool      // the full text index failed; searches go on without it
	now     func() time.Time // replaced by tests
}

// Open opens the catalog at path and creates it, with its folder, where there is none (folder 0700, file 0600). A
// catalog of an older version is brought up to date after a copy of it was laid beside it. Errors: *NotCatalogError,
// *NewerVersionError, ErrNoCatalog.
func Open(ctx context.Context, path string, o Options) (*Catalog, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	_, err = os.Stat(abs)
	switch {
	case errors.Is(err, os.ErrNotExist) && o.MustExist:
		return nil, fmt.Errorf("open catalog %s: %w", abs, ErrNoCatalog)
	case errors.Is(err, os.ErrNotExist):
		err = create(ctx, abs, o.ServerName)
	}
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", abs, err)
	}
	version, err := inspect(ctx, abs)
	if err != nil {
		return nil, err
	}
	c := &Catalog{path: abs, busy: o.BusyTimeout, now: time.Now, version: version}
	if c.busy <= 0 {
		c.busy = 30 * time.Second
	}
	if err := c.start(ctx, o); err != nil {
		c.Close()
		return nil, fmt.Errorf("open catalog %s: %w", abs, err)
	}
	return c, nil
}

// start opens the pools, migrates and reads what every catalog has.
func (c *Catalog) start(ctx context.Context, o Options) error {
	c.write = openPool(c.path, 1, url.Values{
		"mode": {"rw"}, "_txlock": {"immediate"}, "_synchronous": {"FULL"}, "_journal_mode": {"WAL"}})
	c.read = openPool(c.path, 0, url.Values{"mode": {"rw"}, "_query_only": {"1"}})
	c.guarded = openGuarded(c.path)
	highest, err := highestVersion()
	if err != nil {
		return err
	}
	if c.version < highest {
		if err := c.upgrade(ctx, highest); err != nil {
			return err
		}
	}
	err = c.read.QueryRowContext(ctx, `SELECT ServerId, Name, CreatedDate FROM tbl_TC_Server`).
		Scan(&c.server.ServerID, &c.server.Name, intoDate(&c.server.CreatedDate))
	if err != nil {
		return fmt.Errorf("read the catalog's server: %w", err)
	}
	if !o.WithoutSearchIndex {
		c.search, err = c.prepareSearch(ctx)
	}
	return err
}

// Close closes the catalog. Running queries end with an error.
func (c *Catalog) Close() error {
	var errs []error
	for _, db := range []*sql.DB{c.guarded, c.read, c.write} { // the writer last: it moves the log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Path is the absolute path of the catalog file.
func (c *Catalog) Path() string { return c.path }

// Server is the server that the catalog belongs to.
func (c *Catalog) Server() Server { return c.server }

// SchemaVersion is the number of the last migration that the file has seen.
func (c *Catalog) SchemaVersion() int64 { return c.version }

// HasSearchIndex reports whether the full text index is in use: FTS5 is built in and Options did not forbid it.
func (c *Catalog) HasSearchIndex() bool { return c.search && !c.stale.Load() }
