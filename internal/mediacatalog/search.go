package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The full text index answers "contains" over millions of names in milliseconds. It is SQLite's FTS5 with three-letter
// tokens and keeps no text of its own: it yields candidates, and LIKE on the table decides. So it may lag behind (the
// objects after LastObjectId are searched one by one) and may know objects that are gone (their numbers are never used
// again), and the catalog stays usable by a program without FTS5.
const searchTable = `fts_TC_FileSpec`

const createSearch = `CREATE VIRTUAL TABLE ` + searchTable + ` USING fts5(Path, FileSpec, content = '', tokenize = 'trigram',
	detail = none, columnsize = 0)`

// allObjects is the search without an index.
const allObjects = ``

const (
	searchChunk  = 50_000          // objects that one transaction adds to the index
	searchDelay  = 2 * time.Second // the longest that a search spends on bringing the index up to date
	searchLetter = 3               // the shortest text that the index knows
)

// prepareSearch makes the index where there is none, and reports whether this program has FTS5.
func (c *Catalog) prepareSearch(ctx context.Context) (bool, error) {
	var built, there bool
	err := c.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = 'fts5'),
		EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)`, searchTable).Scan(&built, &there)
	if err != nil || !built || there {
		return built, err
	}
	err = c.change(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)`,
			searchTable).Scan(&there); err != nil || there {
			return err
		}
		return createIndex(ctx, tx)
	})
	if err != nil {
		return false, fmt.Errorf("make the search index: %w", err)
	}
	return true, nil
}

func createIndex(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, createSearch); err != nil {
		return err
	}
	// Memory for a whole chunk: with FTS5's 1 MiB it writes many small pieces and merges them again and again.
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO `+searchTable+` (`+searchTable+`, rank) VALUES ('hashsize', 33554432)`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE tbl_TC_SearchIndex SET LastObjectId = 0, IndexedRows = 0`)
	return err
}

// UpdateSearchIndex brings the full text index up to date with the objects, makes it anew when most of what it knows is
// gone or it is damaged, and reports whether this program has one (FTS5 built in). Find and Query keep it up by
// themselves as far as it takes them little time.
func (c *Catalog) UpdateSearchIndex(ctx context.Context) (bool, error) {
	if !c.search {
		return false, nil
	}
	var indexed, live int64
	err := c.read.QueryRowContext(ctx, `SELECT IndexedRows, (SELECT count(*) FROM tbl_RM_RecoverableObjectFileSpec)
		FROM tbl_TC_SearchIndex`).Scan(&indexed, &live)
	if err == nil && (c.stale.Load() || indexed > 2*live+5*searchChunk) {
		err = c.change(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `DROP TABLE `+searchTable); err != nil {
				return err
			}
			return createIndex(ctx, tx)
		})
	}
	if err == nil {
		err = c.catchUp(ctx, time.Time{})
	}
	if err != nil {
		return true, fmt.Errorf("update the search index: %w", err)
	}
	c.stale.Store(false)
	return true, nil
}

// catchUp adds the objects that the index lacks until it has all, or the time is up (zero: no limit).
func (c *Catalog) catchUp(ctx context.Context, until time.Time) error {
	for until.IsZero() || time.Now().Before(until) {
		var behind bool
		err := c.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tbl_RM_RecoverableObjectFileSpec
			WHERE ObjectId > (SELECT LastObjectId FROM tbl_TC_SearchIndex))`).Scan(&behind)
		if err != nil || !behind {
			return err
		}
		if err := c.change(ctx, func(tx *sql.Tx) error { return indexChunk(ctx, tx) }); err != nil {
			return err
		}
	}
	return nil
}

func indexChunk(ctx context.Context, tx *sql.Tx) error {
	var from int64
	var to sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT LastObjectId, (SELECT max(ObjectId) FROM (SELECT ObjectId
		FROM tbl_RM_RecoverableObjectFileSpec WHERE ObjectId > LastObjectId ORDER BY ObjectId LIMIT ?)) FROM tbl_TC_SearchIndex`,
		searchChunk).Scan(&from, &to)
	if err != nil || !to.Valid {
		return err
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO `+searchTable+` (rowid, Path, FileSpec) SELECT ObjectId, Path, FileSpec
		FROM tbl_RM_RecoverableObjectFileSpec WHERE ObjectId > ? AND ObjectId <= ?`, from, to.Int64)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE tbl_TC_SearchIndex SET LastObjectId = ?, IndexedRows = IndexedRows + ?`,
		to.Int64, n)
	return err
}

// freshenSearch brings the index up to date as far as a short time goes; what it lacks then is searched one by one.
func (c *Catalog) freshenSearch(ctx context.Context) bool {
	if !c.HasSearchIndex() {
		return false
	}
	if err := c.catchUp(ctx, time.Now().Add(searchDelay)); err != nil && !isBusy(err) && ctx.Err() == nil {
		c.stale.Store(true)
	}
	return c.HasSearchIndex()
}

// searchCandidates is a condition, with AND behind it, for the objects o that may contain text, and its arguments from
// ?2 on; allObjects where the index is of no use.
func (c *Catalog) searchCandidates(ctx context.Context, text string) (string, []any) {
	match, err := trigrams(text)
	if err != nil || !c.freshenSearch(ctx) {
		return allObjects, nil
	}
	return candidateRows("o.ObjectId", "", "?2") + " AND", []any{match}
}

// candidateRows is the condition that the object with the number column may fit the match expression.
func candidateRows(column, schema, match string) string {
	return fmt.Sprintf(`%s IN (SELECT rowid FROM %s%s WHERE %s MATCH %s UNION ALL SELECT ObjectId
		FROM %stbl_RM_RecoverableObjectFileSpec WHERE ObjectId > (SELECT LastObjectId FROM %stbl_TC_SearchIndex))`,
		column, schema, searchTable, searchTable, match, schema, schema)
}

var errTooShort = errors.New("the text is too short for the index")

// trigrams is the FTS5 expression for rows that hold every three letters in a row of text. An index without positions
// has no phrases; LIKE sorts out what holds the letters in another order.
func trigrams(text string) (string, error) {
	letters := []rune(text)
	if len(letters) < searchLetter || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", errTooShort
	}
	seen := map[string]bool{}
	var terms []string
	for i := 0; i+searchLetter <= len(letters) && len(terms) < 64; i++ {
		t := string(letters[i : i+searchLetter])
		if !seen[t] {
			seen[t] = true
			terms = append(terms, `"`+strings.ReplaceAll(t, `"`, `""`)+`"`)
		}
	}
	return strings.Join(terms, " AND "), nil
}
