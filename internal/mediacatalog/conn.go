package mediacatalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mattn/go-sqlite3"
)

// busyStep is how long SQLite itself waits for a lock. Longer waits loop in Go, where they honour the context.
const busyStep = 250 * time.Millisecond

// connector opens SQLite connections without a driver registered by name, which would be global state.
type connector struct {
	driver *sqlite3.SQLiteDriver
	dsn    string
}

// Connect opens one connection.
func (k connector) Connect(context.Context) (driver.Conn, error) { return k.driver.Open(k.dsn) }

// Driver is the driver behind it.
func (k connector) Driver() driver.Driver { return k.driver }

// fileURI is the URI by which SQLite finds the file at path, whatever characters are in it.
func fileURI(path string, params url.Values) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: params.Encode()}
	return u.String()
}

// openPool opens a pool of connections to the file at path; n limits their number, 0: no limit.
func openPool(path string, n int, params url.Values) *sql.DB {
	params.Set("_busy_timeout", fmt.Sprint(busyStep.Milliseconds()))
	params.Set("_foreign_keys", "1")
	params.Set("_stmt_cache_size", "32")
	db := sql.OpenDB(connector{driver: &sqlite3.SQLiteDriver{}, dsn: fileURI(path, params)})
	db.SetMaxOpenConns(n)
	return db
}

// isBusy reports whether err says that another connection holds the lock.
func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}

// isUnique reports whether err is a violation of a unique or primary key.
func isUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) &&
		(e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// change runs fn in one writing transaction, which is on disk when change returns nil. It waits for other processes up
// to the catalog's busy timeout.
func (c *Catalog) change(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (c *Catalog) begin(ctx context.Context) (*sql.Tx, error) {
	limit := time.Now().Add(c.busy)
	for {
		tx, err := c.write.BeginTx(ctx, nil)
		if err == nil || !isBusy(err) {
			return tx, err
		}
		if time.Now().After(limit) {
			return nil, fmt.Errorf("wait %v for another process that is changing the catalog: %w", c.busy, err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// scanner is what *sql.Row and *sql.Rows have in common.
type scanner interface{ Scan(dest ...any) error }

// collect scans all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T,
	error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// changedOne is ErrNotFound when the statement changed no row.
func changedOne(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrNotFound
}

func newID() string { return uuid.NewString() }

// cleanID is an identifier as the catalog keeps it.
func cleanID(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

// The functions below turn "not known" into NULL on the way in.

func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func addressOrNull(a int) any {
	if a < 0 {
		return nil
	}
	return a
}

func dateOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// objectOrNull is a logical object number; SQLite has signed numbers only, and no tape has 2^63 objects.
func objectOrNull(n uint64) any {
	switch {
	case n == 0:
		return nil
	case n > math.MaxInt64:
		return int64(math.MaxInt64)
	}
	return int64(n)
}

// field scans a column into *to and leaves null there for NULL.
type field[T any] struct {
	to   *T
	null T
}

// Scan implements sql.Scanner.
func (f field[T]) Scan(src any) error {
	var v sql.Null[T]
	if err := v.Scan(src); err != nil {
		return err
	}
	*f.to = f.null
	if v.Valid {
		*f.to = v.V
	}
	return nil
}

func into[T any](to *T) field[T]       { return field[T]{to: to} }
func intoAddress(to *int) field[int]   { return field[int]{to: to, null: -1} }
func intoDate(to *time.Time) dateField { return dateField{to} }

// dateField scans microseconds since 1970.
type dateField struct{ to *time.Time }

// Scan implements sql.Scanner.
func (f dateField) Scan(src any) error {
	*f.to = time.Time{}
	switch v := src.(type) {
	case nil:
		return nil
	case int64:
		*f.to = time.UnixMicro(v).UTC()
		return nil
	}
	return fmt.Errorf("read a date: the column holds %T", src)
}

// marks is n question marks for the values of an insert or a list.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }

// likePattern is a LIKE pattern, with ESCAPE '\', for "contains text" taken literally.
func likePattern(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

func (w *where) addIf(on bool, term string, args ...any) {
	if on {
		w.terms = append(w.terms, term)
		w.args = append(w.args, args...)
	}
}

// addList selects the rows whose column has one of the values; no values do not filter.
func (w *where) addList(column string, values []string) {
	if len(values) == 0 {
		return
	}
	w.terms = append(w.terms, column+` IN `+marks(len(values)))
	for _, v := range values {
		w.args = append(w.args, v)
	}
}

// String is the condition; without any it is always true.
func (w *where) String() string {
	if len(w.terms) == 0 {
		return "1 = 1"
	}
	return strings.Join(w.terms, " AND ")
}
