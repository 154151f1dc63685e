package mediacatalog

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
)

// applicationID marks a file of SQLite as a catalog of tapectl (offset 68 of the file): "TCat".
const applicationID = 0x54436174

// versionTable is goose's record of the migrations.
const versionTable = "tbl_TC_SchemaVersion"

//go:embed migrations/*.sql
var migrationFiles embed.FS

func newProvider(db *sql.DB) (*goose.Provider, error) {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, sub, goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// highestVersion is the number of the last migration that this program knows.
func highestVersion() (int64, error) {
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(entries[len(entries)-1].Name())
}

// create makes a catalog under a temporary name and gives it its name when it is whole, so that no one ever sees half
// of one. When another process was quicker its catalog is left as it is.
func create(ctx context.Context, path, serverName string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create its folder: %w", err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		return fmt.Errorf("create it: %s-wal is there without its catalog: put the catalog back beside it, or move it away", path)
	}
	tmp, err := temporary(path)
	if err != nil {
		return fmt.Errorf("create it: %w", err)
	}
	defer removeDatabase(tmp)
	highest, err := highestVersion()
	if err != nil {
		return err
	}
	if err := build(ctx, tmp, serverName, highest); err != nil {
		return fmt.Errorf("create it: %w", err)
	}
	if err := publish(tmp, path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("create it: %w", err)
	}
	return nil
}

// build fills the empty file at path with a catalog of the given schema version.
func build(ctx context.Context, path, serverName string, version int64) error {
	if serverName == "" {
		var err error
		if serverName, err = os.Hostname(); err != nil {
			serverName = "tapectl"
		}
	}
	db := openPool(path, 1, url.Values{"mode": {"rw"}, "_journal_mode": {"MEMORY"}, "_synchronous": {"OFF"}})
	defer db.Close()
	p, err := newProvider(db)
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO tbl_TC_Server (ServerId, Name, CreatedDate) VALUES (?, ?, ?)`,
		newID(), serverName, time.Now().UnixMicro()); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = WAL`); err != nil {
		return err
	}
	return db.Close()
}

// upgrade lays a copy of the catalog beside it and runs the migrations that it has not seen.
func (c *Catalog) upgrade(ctx context.Context, highest int64) error {
	saved := fmt.Sprintf("%s.before-version-%d", c.path, highest)
	if err := c.BackupTo(ctx, saved); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("save it before the upgrade to schema version %d: %w", highest, err)
	}
	p, err := newProvider(c.write)
	if err != nil {
		return err
	}
	// Another process may be upgrading at the same time: then a migration fails here because it is done there already.
	// What counts is that the version goes up, and the version in the end.
	for tries := 0; tries < 20; tries++ {
		_, err = p.Up(ctx)
		at, verr := p.GetDBVersion(ctx)
		switch {
		case verr == nil && at >= highest:
			c.version = at
			return nil
		case verr == nil && at > c.version:
			c.version, tries = at, 0
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("upgrade it to schema version %d (a copy of the old one is %s): %w", highest, saved, err)
}

// inspect looks whether the file is a catalog that this program can use, without changing it, and returns its schema
// version. The full check is Check; here every table is touched once, and small files are read whole.
func inspect(ctx context.Context, path string) (int64, error) {
	refuse := func(reason string, err error) (int64, error) {
		return 0, &NotCatalogError{Path: path, Reason: reason, Err: err}
	}
	reason, small, err := inspectHeader(path)
	if reason != "" || err != nil {
		return refuse(reason, err)
	}
	// Without a log nobody has the file open for writing: immutable then keeps SQLite from making a log to read it.
	params := url.Values{"mode": {"ro"}}
	if fi, err := os.Stat(path + "-wal"); err != nil || fi.Size() == 0 {
		params.Set("immutable", "1")
	}
	version, err := inspectTables(ctx, path, params, small)
	if err != nil && params.Has("immutable") {
		// Another process may have begun to write in between.
		params.Del("immutable")
		if fi, serr := os.Stat(path + "-wal"); serr == nil && fi.Size() > 0 {
			version, err = inspectTables(ctx, path, params, small)
		}
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("open catalog %s: %w", path, context.Cause(ctx))
	}
	if err != nil {
		return refuse("it is damaged", err)
	}
	highest, err := highestVersion()
	if err == nil && version > highest {
		return 0, &NewerVersionError{Path: path, Version: version, Highest: highest}
	}
	return version, err
}

// inspectHeader reads the file's first 100 bytes (SQLite's "Database File Format" 1.3). reason is empty for a catalog.
func inspectHeader(path string) (reason string, small bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not hold it up
	if err != nil {
		return "it cannot be read", false, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return "it cannot be read", false, err
	}
	if !fi.Mode().IsRegular() {
		return "it is no regular file", false, nil
	}
	if fi.Size() == 0 {
		return "it is empty: a catalog that was cut off, or none; move it away to have a new one made", false, nil
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return "it is no SQLite file", false, nil
	}
	if binary.BigEndian.Uint32(header[68:]) != applicationID {
		return "it is an SQLite file, but not a catalog of tapectl", false, nil
	}
	return "", fi.Size() <= 8<<20, nil
}

func inspectTables(ctx context.Context, path string, params url.Values, small bool) (int64, error) {
	db := openPool(path, 1, params)
	defer db.Close()
	tables, err := collect(ctx, db, func(s scanner) (name string, err error) { return name, s.Scan(&name) },
		`SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'tbl\_%' ESCAPE '\'`)
	if err != nil {
		return 0, err
	}
	for _, t := range tables {
		var n int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM "`+t+`" LIMIT 1)`).Scan(&n)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", t, err)
		}
	}
	if small {
		var found string
		if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
			return 0, err
		}
		if found != "ok" {
			return 0, errors.New(found)
		}
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT max(version_id) FROM `+versionTable).Scan(&version)
	return version, err
}

// temporary makes an empty file (0600) beside path.
func temporary(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// publish syncs the file tmp and gives it the name path, which must be free (os.ErrExist); durable when it returns.
func publish(tmp, path string) error {
	if err := syncFile(tmp); err != nil {
		return err
	}
	err := os.Link(tmp, path)
	if err != nil && !errors.Is(err, os.ErrExist) {
		// A file system without hard links: the gap between look and rename is what it cannot close.
		if _, serr := os.Stat(path); serr == nil {
			return fmt.Errorf("name it %s: %w", path, os.ErrExist)
		}
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeDatabase removes a temporary database and what SQLite lays beside one.
func removeDatabase(path string) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(path + suffix)
	}
}
