package mediacatalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// Query runs one reading SQL statement, as the operator typed it, and streams its rows: cols is called once with the
// names of the columns, row for each row with one value a column: nil, int64, float64, string or []byte, which row may
// keep. An error of cols or row ends the query and is returned. nil functions are not called.
//
// The tables have DPM's names, with or without dbo. in front (also [DPMDB].[dbo].). Columns named ...Date are ISO 8601
// text in UTC ("2026-11-23T05:03:07Z"), in conditions as well. N'text', [name], GETDATE() and GETUTCDATE() are
// understood, as are the misprints of the published scripts. Nothing can be changed or attached: ErrReadOnlyQuery.
func (c *Catalog) Query(ctx context.Context, query string, cols func([]string) error, row func([]any) error) error {
	plain, fast, err := rewrite(query)
	if err != nil {
		return fmt.Errorf("query the catalog: %w", err)
	}
	text := plain
	if fast != plain && c.freshenSearch(ctx) {
		text = fast
	}
	rows, err := c.guarded.QueryContext(ctx, text)
	if err != nil && text != plain && ctx.Err() == nil {
		// Where the index does not fit into the statement (an alias hides the object's number) the table decides alone.
		rows, err = c.guarded.QueryContext(ctx, plain)
	}
	if err != nil {
		return queryError(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return queryError(err)
	}
	if cols != nil {
		if err := cols(names); err != nil {
			return err
		}
	}
	for rows.Next() {
		values, err := scanRow(rows, len(names))
		if err != nil {
			return queryError(err)
		}
		if row == nil {
			continue
		}
		if err := row(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return queryError(err)
	}
	return nil
}

func scanRow(rows *sql.Rows, n int) ([]any, error) {
	values, to := make([]any, n), make([]any, n)
	for i := range to {
		to[i] = &values[i]
	}
	if err := rows.Scan(to...); err != nil {
		return nil, err
	}
	for i, v := range values {
		if t, ok := v.(time.Time); ok { // goose's own column of type TIMESTAMP
			values[i] = t.UTC().Format(time.RFC3339)
		}
	}
	return values, nil
}

// queryError names what the guard refused as such.
func queryError(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && (e.Code == sqlite3.ErrAuth || e.Code == sqlite3.ErrReadonly) {
		return fmt.Errorf("query the catalog: %w: %w", ErrReadOnlyQuery, err)
	}
	return fmt.Errorf("query the catalog: %w", err)
}

// openGuarded opens the pool for Query. Each connection is a database in memory with the file attached, read-only, as
// dbo, and a temporary view before each table that shows its dates as text. An authorizer allows reading only.
func openGuarded(path string) *sql.DB {
	d := &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error { return guard(conn, path) }}
	params := url.Values{"_busy_timeout": {fmt.Sprint((10 * busyStep).Milliseconds())}}
	return sql.OpenDB(connector{driver: d, dsn: "file::memory:?" + params.Encode()})
}

func guard(conn *sqlite3.SQLiteConn, path string) error {
	now := func() string { return time.Now().UTC().Format("2006-01-02T15:04:05Z") }
	for _, name := range []string{"getdate", "getutcdate", "sysutcdatetime"} {
		if err := conn.RegisterFunc(name, now, false); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(`ATTACH DATABASE ? AS dbo`, []driver.Value{fileURI(path,
		url.Values{"mode": {"ro"}})}); err != nil {
		return err
	}
	tables, err := texts(conn, `SELECT name FROM dbo.sqlite_schema WHERE type IN ('table', 'view') AND
		(name LIKE 'tbl\_%' ESCAPE '\' OR name LIKE 'Vw\_%' ESCAPE '\')`)
	if err != nil {
		return err
	}
	for _, t := range tables {
		columns, err := texts(conn, `SELECT name FROM pragma_table_info(?, 'dbo')`, t)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(viewOf(t, columns), nil); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(`PRAGMA query_only = 1`, nil); err != nil {
		return err
	}
	conn.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, 64<<20)
	conn.SetLimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1<<20)
	conn.SetLimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
	conn.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	conn.RegisterAuthorizer(authorize)
	return nil
}

// viewOf is the temporary view that stands before a table: its columns, with dates as ISO 8601 text and device addresses without
// user and password.
func viewOf(table string, columns []string) string {
	list := make([]string, len(columns))
	for i, name := range columns {
		list[i] = `"` + name + `"`
		if strings.HasSuffix(name, "Date") {
			list[i] = `strftime('%Y-%m-%dT%H:%M:%SZ', "` + name + `" / 1000000, 'unixepoch') AS "` + name + `"`
		}
		if name == "ChangerAddress" || name == "Address" {
			list[i] = `CASE WHEN "` + name + `" LIKE 'iscsi://%@%' THEN 'iscsi://' || substr("` + name + `", instr("` + name + `", '@') + 1) ELSE "` +
				name + `" END AS "` + name + `"`
		}
	}
	return `CREATE TEMP VIEW "` + table + `" AS SELECT ` + strings.Join(list, ", ") + ` FROM dbo."` + table + `"`
}

// texts runs a query for one column of text below database/sql.
func texts(conn *sqlite3.SQLiteConn, query string, args ...driver.Value) ([]string, error) {
	rows, err := conn.Query(query, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for dest := make([]driver.Value, 1); ; {
		switch err := rows.Next(dest); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		name, ok := dest[0].(string)
		if !ok {
			return nil, fmt.Errorf("read a name: the column holds %T", dest[0])
		}
		all = append(all, name)
	}
}

// sqliteRecursive is SQLITE_RECURSIVE, which go-sqlite3 leaves out.
const sqliteRecursive = 33

// authorize is the guard behind the guard: SQLite asks it for everything that a statement would do.
func authorize(op int, arg1, arg2, _ string) int {
	switch op {
	case sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqliteRecursive:
		return sqlite3.SQLITE_OK
	case sqlite3.SQLITE_FUNCTION:
		switch strings.ToLower(arg2) {
		case "load_extension", "fts3_tokenizer", "writefile", "readfile", "edit":
			return sqlite3.SQLITE_DENY
		}
		return sqlite3.SQLITE_OK
	case sqlite3.SQLITE_PRAGMA:
		if strings.EqualFold(arg1, "data_version") { // FTS5 asks for it
			return sqlite3.SQLITE_OK
		}
	}
	return sqlite3.SQLITE_DENY
}
