package mediacatalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// dpmTables are the tables of DPMDB that ImportDPM fills: what the published scripts ask about.
var dpmTables = []struct {
	name    string
	columns []string
}{
	{"tbl_AM_AgentPatch", []string{"MajorVersionNumber", "MinorVersionNumber", "BuildNumber", "FileName", "Name",
		"OSType"}},
	{"tbl_AM_Server", []string{"ServerId", "ServerName", "NetbiosName"}},
	{"tbl_DLS_GlobalSetting", []string{"PropertyName", "PropertyValue"}},
	{"tbl_IM_DataSource", []string{"DataSourceId", "DataSourceName", "ServerId", "ProtectedGroupId"}},
	{"tbl_IM_ProtectedGroup", []string{"ProtectedGroupId", "FriendlyName", "DiskIntentId"}},
	{"tbl_PRM_LogicalReplica", []string{"PhysicalReplicaId", "DataSourceId", "Validity", "Status"}},
	{"tbl_PRM_ReplicaVolume", []string{"ReplicaId", "StorageId"}},
	{"tbl_SPM_Volume", []string{"GuidName", "VolumeSetID", "MountPointPath", "Usage"}},
	{"tbl_STM_Volume", []string{"StorageId", "AccessPath", "Label", "Status", "Tag", "FileSystem", "DedupMode"}},
}

// DPMTables lists the tables of DPMDB, by name, that ImportDPM fills, with their columns in order.
func DPMTables() map[string][]string {
	all := make(map[string][]string, len(dpmTables))
	for _, t := range dpmTables {
		all[t.name] = append([]string(nil), t.columns...)
	}
	return all
}

// ImportDPM writes rows of a table of DPMDB into the catalog's table of the same name, all or none: a row whose key is
// known is replaced. columns may be any of DPMTables' for that table, in any order and case; a value is nil, int64,
// string or time.Time. It returns the number of rows. It is for what the seed scripts ask about; DPM's tapes and data
// sets go through AddMedia and AddDataset.
func (c *Catalog) ImportDPM(ctx context.Context, table string, columns []string, rows [][]any) (int, error) {
	name, names, err := dpmColumns(table, columns)
	if err != nil {
		return 0, fmt.Errorf("import %s: %w", table, err)
	}
	err = c.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO `+name+` (`+names+`) VALUES `+marks(len(columns)))
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, row := range rows {
			if len(row) != len(columns) {
				return fmt.Errorf("row %d has %d values for %d columns", i+1, len(row), len(columns))
			}
			values := make([]any, len(row))
			for j, v := range row {
				if t, ok := v.(time.Time); ok {
					v = dateOrNull(t)
				}
				values[j] = v
			}
			if _, err := insert.ExecContext(ctx, values...); err != nil {
				return fmt.Errorf("row %d: %w", i+1, err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("import %s: %w", table, err)
	}
	return len(rows), nil
}

// dpmColumns is the table's name and its columns as SQL; names that are not in dpmTables never reach SQL.
func dpmColumns(table string, columns []string) (name, names string, err error) {
	for _, t := range dpmTables {
		if !strings.EqualFold(t.name, table) {
			continue
		}
		var list []string
	columns:
		for _, c := range columns {
			for _, known := range t.columns {
				if strings.EqualFold(c, known) {
					list = append(list, `"`+known+`"`)
					continue columns
				}
			}
			return "", "", fmt.Errorf("column %q: %w", c, ErrNotFound)
		}
		if len(list) == 0 {
			return "", "", fmt.Errorf("no columns are named")
		}
		return t.name, strings.Join(list, ", "), nil
	}
	return "", "", fmt.Errorf("it is no table that can be imported: %w", ErrNotFound)
}
