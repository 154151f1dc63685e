package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tapectl/internal/mediacatalog"
)

func newCatalogCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "catalog", Short: "The media catalog: query, check, backup"})
	c.AddCommand(newCatalogQuery(a), newCatalogCheck(a), newCatalogBackup(a))
	return c
}

func newCatalogQuery(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "query [SQL]",
		Short: "Run a reading SQL query against the catalog; tables have DPM's names",
		Long: `Run a SELECT against the catalog. The tables and columns that DPM has carry DPM's names (dbo.tbl_MM_Media, ...), so
that the published queries run as printed. Without an argument the query is read from standard input. Nothing can be
changed by it.`,
		Example: `  tapectl catalog query "select Label, BarcodeValue from dbo.tbl_MM_Media"
  tapectl catalog query < find-dpmdb.sql`,
		Args: rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			query := first(args)
			if query == "" {
				const most = 1 << 20
				text, err := io.ReadAll(io.LimitReader(a.stdin, most))
				if err != nil {
					return fmt.Errorf("read the query: %w", err)
				}
				query = string(text)
			}
			if strings.TrimSpace(query) == "" {
				return usageError{errors.New("catalog query: there is no query")}
			}
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				w := bufio.NewWriter(a.stdout)
				p := &rowPrinter{json: a.json, out: w}
				err := cat.Query(c.Context(), query, p.header, p.row)
				p.end()
				return errors.Join(err, w.Flush())
			})
		},
	}
}

// rowPrinter prints the rows of a query as they come: in columns, or as one JSON object a line.
type rowPrinter struct {
	json    bool
	out     io.Writer
	table   *tabwriter.Writer
	columns []string
	rows    int
}

// tableRows is how many rows are kept to make columns even.
const tableRows = 1000

func (p *rowPrinter) header(columns []string) error {
	p.columns = columns
	if !p.json {
		p.table = tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = printable(c)
		}
		fmt.Fprintln(p.table, strings.Join(cells, "\t"))
	}
	return nil
}

func (p *rowPrinter) row(values []any) error {
	p.rows++
	if p.json {
		return p.jsonRow(values)
	}
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = printable(cellText(v))
	}
	fmt.Fprintln(p.table, strings.Join(cells, "\t"))
	if p.rows%tableRows == 0 {
		return p.table.Flush()
	}
	return nil
}

// jsonRow prints an object with the columns in their order; columns with one name are all there.
func (p *rowPrinter) jsonRow(values []any) error {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(p.columns[i])
		if err != nil {
			return err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(p.out, escapeControls(withoutPasswords(b.String())))
	return err
}

func (p *rowPrinter) end() {
	if p.table != nil {
		p.table.Flush()
	}
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf("%x", v)
	}
	return fmt.Sprint(v)
}

func newCatalogCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check the catalog file", Example: "  tapectl catalog check", Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				if err := cat.Check(c.Context()); err != nil {
					var check *mediacatalog.CheckError
					if errors.As(err, &check) {
						for _, f := range check.Findings {
							fmt.Fprintln(a.stderr, printable(f))
						}
					}
					return err
				}
				return a.print(map[string]any{"catalog": cat.Path(), "ok": true}, func(w io.Writer) {
					fmt.Fprintf(w, "The catalog %s is in order.\n", cat.Path())
				})
			})
		},
	}
}

func newCatalogBackup(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write a consistent copy of the catalog to a new file", Example: "  tapectl catalog backup /srv/copies/catalog-2026-11-23.db", Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCatalog(c.Context(), func(cat *mediacatalog.Catalog) error {
				if err := cat.BackupTo(c.Context(), args[0]); err != nil {
					return err
				}
				return a.print(map[string]any{"file": args[0]}, func(w io.Writer) {
					fmt.Fprintf(w, "Copied the catalog to %s.\n", printable(args[0]))
				})
			})
		},
	}
}
