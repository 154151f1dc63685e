package backup

import (
	"context"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
)

// RunCommitting is Run with commit points after so many bytes.
func RunCommitting(ctx context.Context, catalog *mediacatalog.Catalog, lib *library.Library, r Request, bytes int64) (*Result, error) {
	j, err := prepare(ctx, catalog, lib, r)
	if err != nil {
		return &Result{}, err
	}
	j.commitBytes = bytes
	return j.run(ctx)
}
