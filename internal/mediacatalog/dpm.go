package mediacatalog

import (
	"context"
	"errors"
)

// DPMTables lists the tables of DPMDB, by name, that ImportDPM fills, with their columns in order.
func DPMTables() map[string][]string { return nil }

// ImportDPM writes rows of a table of DPMDB into the catalog's table of the same name, all or none: a row whose key is
// known is replaced. columns may be any of DPMTables' for that table, in any order and case; a value is nil, int64,
// string or time.Time. It returns the number of rows. It is for what the seed scripts ask about; DPM's tapes and data
// sets go through AddMedia and AddDataset.
func (c *Catalog) ImportDPM(ctx context.Context, table string, columns []string, rows [][]any) (int, error) {
	return 0, errors.ErrUnsupported
}
