package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// print writes v as one line of JSON with --json, else what text writes.
func (a *app) print(v any, text func(io.Writer)) error {
	a.settle()
	w := bufio.NewWriter(a.stdout)
	if a.json {
		if err := writeJSON(w, v); err != nil {
			return err
		}
	} else {
		text(w)
	}
	return w.Flush()
}

// printList writes each of items as a line of JSON with --json, else a table with the header.
func printList[T any](a *app, items []T, header string, row func(T) []string) error {
	a.settle()
	w := bufio.NewWriter(a.stdout)
	if a.json {
		for _, i := range items {
			if err := writeJSON(w, i); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	table(w, header, len(items), func(i int) []string { return row(items[i]) })
	return w.Flush()
}

// writeJSON writes v as one line. Passwords in addresses are left out, and control characters that JSON allows as they
// are (DEL and C1, which terminals obey) are escaped.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeControls(withoutPasswords(b.String())))
	return err
}

// escapeControls writes DEL and the C1 controls of JSON text as escapes.
func escapeControls(s string) string {
	if !strings.ContainsFunc(s, isHighControl) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isHighControl(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isHighControl(r rune) bool { return r >= 0x7F && r < 0xA0 }

// table writes rows in columns; header separates its columns by "|".
func table(w io.Writer, header string, n int, row func(int) []string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, "|", "\t"))
	for i := range n {
		cells := row(i)
		for k := range cells {
			cells[k] = printable(cells[k])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// fields writes names and values, one pair a line, the names as wide as width.
func fields(w io.Writer, width int, lines [][2]string) {
	for _, l := range lines {
		fmt.Fprintf(w, "%-*s %s\n", width, l[0], printable(l[1]))
	}
}

// printable makes text that comes from tapes, devices and file names harmless for a terminal: what is not graphic, such as
// escape sequences and marks that change the direction of writing, becomes "?". Passwords in addresses are left out.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, withoutPasswords(s))
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// authority is the user part of iSCSI addresses in a text.
var authority = regexp.MustCompile(`(?i)iscsi://[^/\n]*@`)

// withoutPasswords takes the passwords out of the iSCSI addresses in a text: iscsi://user%password@host/... and
// iscsi://user:password@host/... keep the user only.
func withoutPasswords(s string) string {
	return authority.ReplaceAllStringFunc(s, func(address string) string {
		user := address[len(iscsiPrefix) : len(address)-1]
		for i := range len(user) {
			if user[i] == ':' || user[i] == '%' && !isEscape(user[i:]) {
				return iscsiPrefix + user[:i] + "@"
			}
		}
		return address
	})
}

// isEscape reports whether s begins with a %-escape, which in the user part is a character and not the separator.
func isEscape(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	return len(s) >= 3 && strings.IndexByte(hex, s[1]) >= 0 && strings.IndexByte(hex, s[2]) >= 0
}

// quietWriter takes passwords out of what is written through it, a whole line or record at a time.
type quietWriter struct{ io.Writer }

func (w quietWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, withoutPasswords(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// countText is a number of things for people: "1 file", "2 files".
func countText[T int | int64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// sizeText is a number of bytes for people, in decimal units as on the cartridges.
func sizeText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func elementText(e int) string {
	if e < 0 {
		return "-"
	}
	return fmt.Sprint(e)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func enabledText(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// dateText is a time for people: local, to the minute.
func dateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}
