package mediacatalog

import (
	"context"
	"errors"
)

// BackupTo writes a consistent copy of the catalog, without its search index, to a file that must not exist (0600).
// The copy is whole and on disk when it returns; a catalog can be opened from it. Others may use the catalog meanwhile.
func (c *Catalog) BackupTo(ctx context.Context, path string) error { return errors.ErrUnsupported }

// Check reads the whole catalog and returns *CheckError when pages, indexes or references are damaged, or rows
// contradict each other.
func (c *Catalog) Check(ctx context.Context) error { return errors.ErrUnsupported }

// UpdateSearchIndex brings the full text index up to date with the objects and reports whether this program has one
// (FTS5 built in). Find and Query do it by themselves.
func (c *Catalog) UpdateSearchIndex(ctx context.Context) (bool, error) {
	return false, errors.ErrUnsupported
}
