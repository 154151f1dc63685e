package mediacatalog

import (
	"context"
	"fmt"
	"net/url"
	"os"
)

// BackupTo writes a consistent copy of the catalog to a file that must not exist (0600).
// The copy is whole and on disk when it returns; a catalog can be opened from it. Others may use the catalog meanwhile.
func (c *Catalog) BackupTo(ctx context.Context, path string) error {
	fail := func(err error) error { return fmt.Errorf("back up the catalog to %s: %w", path, err) }
	if _, err := os.Lstat(path); err == nil {
		return fail(os.ErrExist)
	}
	tmp, err := temporary(path)
	if err != nil {
		return fail(err)
	}
	defer removeDatabase(tmp)
	db := openPool(c.path, 1, url.Values{"mode": {"rw"}}) // its own connection: commit points go on meanwhile
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, tmp); err != nil {
		return fail(err)
	}
	if err := publish(tmp, path); err != nil {
		return fail(err)
	}
	return nil
}

// Check reads the whole catalog and returns *CheckError when pages, indexes or references are damaged, or rows
// contradict each other.
func (c *Catalog) Check(ctx context.Context) error {
	var findings []string
	for _, check := range checks {
		found, err := collect(ctx, c.read, scanFinding, check.query)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("check catalog %s: %w", c.path, context.Cause(ctx))
		}
		if err != nil {
			found = append(found, err.Error())
		}
		for _, f := range found {
			if f != "ok" {
				findings = append(findings, check.what+": "+f)
			}
		}
	}
	if len(findings) > 0 {
		return &CheckError{Path: c.path, Findings: findings}
	}
	return nil
}

// checks are queries whose every row is a finding, except "ok".
var checks = []struct{ what, query string }{
	{"pages and indexes",
		`SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check NOT LIKE '%no such module: fts5%'`},
	{"references",
		`SELECT "table" || ' row ' || coalesce(rowid, '?') || ' refers to a row of ' || parent || ' that is not there'
		FROM pragma_foreign_key_check`},
	{"servers", `SELECT count(*) || ' servers, there must be one' FROM tbl_TC_Server HAVING count(*) <> 1`},
	{"data set without tape", `SELECT DatasetId FROM tbl_MM_PhysicalDataset
		WHERE DatasetId NOT IN (SELECT DatasetId FROM tbl_MM_MediaMap)`},
	{"commit point behind the data set's end", `SELECT DatasetId FROM tbl_MM_PhysicalDataset
		WHERE SetState = 'complete' AND ESETObject < SafeObject`},
	{"tape in an element that the inventory gives to another", `SELECT m.MediaId || ' in element ' || m.ElementAddress
		FROM tbl_MM_Media m JOIN tbl_MM_Element e USING (LibraryId, ElementAddress) WHERE e.MediaId <> m.MediaId`},
	{"element of a tape without library",
		`SELECT MediaId FROM tbl_MM_Media WHERE LibraryId IS NULL AND ElementAddress IS NOT NULL`},
	{"unfinished data sets on one tape",
		`SELECT MediaId FROM tbl_MM_MediaMap JOIN tbl_MM_PhysicalDataset USING (DatasetId)
		WHERE SetState = 'writing' GROUP BY MediaId HAVING count(*) > 1`},
}

func scanFinding(s scanner) (f string, err error) { return f, s.Scan(into(&f)) }
