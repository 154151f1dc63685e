package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestWithoutPasswords(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"iscsi://user%geheim@10.0.0.5/iqn.2026-11.x:y/1", "iscsi://user@10.0.0.5/iqn.2026-11.x:y/1"},
		{"iscsi://user:geheim@10.0.0.5:3261/t/1", "iscsi://user@10.0.0.5:3261/t/1"},
		{"iscsi://us%20er%geheim@h/t/1", "iscsi://us%20er@h/t/1"},
		{"iscsi://user%ge@he@im@h/t/1", "iscsi://user@h/t/1"},
		{"iscsi://user%ge heim@h/t/1", "iscsi://user@h/t/1"},
		{"iscsi://user@h/t/1", "iscsi://user@h/t/1"},
		{"iscsi://h/t/1", "iscsi://h/t/1"},
		{"ISCSI://user%geheim@h/t/1", "iscsi://user@h/t/1"},
		{"open iscsi://a%b@h/t/1: no; open iscsi://c:d@h/t/2: no", "open iscsi://a@h/t/1: no; open iscsi://c@h/t/2: no"},
		{`{"address":"iscsi://a%b@h/t/1","mail":"x@y"}`, `{"address":"iscsi://a@h/t/1","mail":"x@y"}`},
		{"mail someone@example.com 50%", "mail someone@example.com 50%"},
		{"vlib:/srv/a@b", "vlib:/srv/a@b"},
	} {
		if got := withoutPasswords(test.in); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
}

// Whatever the text, nothing that a terminal obeys and no password is left.
func FuzzPrintable(f *testing.F) {
	f.Add("plain", "geheim")
	f.Add("\x1b[31mred\u009b0m\u202eabc\x7f", "p%41s:s")
	f.Add(string([]byte{0xC2, 0x1B, 0xFF}), "x")
	f.Fuzz(func(t *testing.T, text, password string) {
		got := printable(text)
		for _, r := range got {
			if r < 0x20 || r >= 0x7F && r < 0xA0 || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
				t.Errorf("%q has %U", got, r)
			}
		}
		if password = strings.Map(func(r rune) rune {
			if strings.ContainsRune("/\n@", r) {
				return -1
			}
			return r
		}, password); len(password) < 4 || strings.Contains("iscsi://operator@h/t/1", password) {
			return
		}
		if s := withoutPasswords("iscsi://operator:" + password + "@h/t/1"); s != "iscsi://operator@h/t/1" {
			t.Errorf("password %q: %q", password, s)
		}
	})
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, map[string]string{"a": "<\x1b\x7f\u009b&>", "c": "iscsi://u%p@h/t/1"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"<\u001b\u007f\u009b&>","c":"iscsi://u@h/t/1"}` + "\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	if err := writeJSON(&b, func() {}); err == nil {
		t.Error("a function was written")
	}
}

func TestPrintableLines(t *testing.T) {
	if got := printableLines("a\x1bb\nc\rd"); got != "a?b\nc?d" {
		t.Errorf("%q", got)
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 33_554_432: "33.6 MB", 2_500_000_000_000: "2.5 TB", 9_000_000_000_000_000_000: "9.0 EB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestCountText(t *testing.T) {
	for n, want := range map[int]string{0: "0 files", 1: "1 file", 2: "2 files"} {
		if got := countText(n, "file"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestDateText(t *testing.T) {
	if got := dateText(time.Time{}); got != "-" {
		t.Errorf("no time: %q", got)
	}
	at := time.Date(2026, 11, 23, 5, 6, 7, 0, time.Local)
	if got := dateText(at.UTC()); got != "2026-11-23 05:06" {
		t.Errorf("%q", got)
	}
	if got := expiryText(time.Time{}); got != "never" {
		t.Errorf("no expiry: %q", got)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	rows := [][]string{{"a", "b\tc"}, {"long one", "\x1b[2J"}}
	table(&b, "X|Y", len(rows), func(i int) []string { return rows[i] })
	if want := "X         Y\na         b?c\nlong one  ?[2J\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestParseRetention(t *testing.T) {
	from := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"": "", "never": "", "30d": "2026-12-23", "2w": "2026-12-07", "6m": "2027-05-23", "99y": "2125-11-23", "36158d": "2125-11-22",
	} {
		got, err := parseRetention(s, from)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		} else if text := strings.TrimSuffix(got.Format("2006-01-02"), "0001-01-01"); text != want {
			t.Errorf("%q: %s, want %s", s, text, want)
		}
	}
	for _, s := range []string{"0d", "-1d", "d", "3", "3x", "3dd", "dd3", "1.5y", "100y", "1200m", "999999999999999999999d", "9223372036854775807y", " 3d", "3 d"} {
		if got, err := parseRetention(s, from); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"600M": 600e6, "2T": 2e12, "1.5G": 1.5e9, "512": 512, "3k": 3000, "3K": 3000} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "M", "0", "-1G", "1X", "NaN", "Inf", "99999999999T", "1GG"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
}
