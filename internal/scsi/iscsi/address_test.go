package iscsi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const iqn = "iqn.2026-11.example:vtl"

func TestParseAddress(t *testing.T) {
	for _, test := range []struct {
		text   string
		want   Address
		string string // "" means text
	}{
		{"iscsi://tape1/" + iqn + "/3", Address{Host: "tape1", Port: 3260, Target: iqn, LUN: 3}, ""},
		{"iscsi://10.1.2.3:3261/" + iqn + "/0", Address{Host: "10.1.2.3", Port: 3261, Target: iqn}, ""},
		{"iscsi://tape1:3260/" + iqn + "/255", Address{Host: "tape1", Port: 3260, Target: iqn, LUN: 255},
			"iscsi://tape1/" + iqn + "/255"},
		{"iscsi://[fe80::1%eth0]:1/" + iqn + "/1", Address{Host: "fe80::1%eth0", Port: 1, Target: iqn, LUN: 1}, ""},
		{"iscsi://[::1]/" + iqn + "/1", Address{Host: "::1", Port: 3260, Target: iqn, LUN: 1}, ""},
		{"iscsi://bob@h/" + iqn + "/1", Address{User: "bob", Host: "h", Port: 3260, Target: iqn, LUN: 1}, ""},
		{"iscsi://bob%secret@h/" + iqn + "/1", Address{User: "bob", Password: "secret", Host: "h", Port: 3260, Target: iqn, LUN: 1},
			"iscsi://bob@h/" + iqn + "/1"},
		{"iscsi://iqn.x:me%abc1@h/" + iqn + "/1", Address{User: "iqn.x:me", Password: "abc1", Host: "h", Port: 3260, Target: iqn, LUN: 1},
			"iscsi://iqn.x:me@h/" + iqn + "/1"},
		{"iscsi://bob%p%40ss%25%3a%2F@h/" + iqn + "/1",
			Address{User: "bob", Password: "p@ss%:/", Host: "h", Port: 3260, Target: iqn, LUN: 1}, "iscsi://bob@h/" + iqn + "/1"},
		{"iscsi://b@b%p@w@h/" + iqn + "/1", Address{User: "b@b", Password: "p@w", Host: "h", Port: 3260, Target: iqn, LUN: 1},
			"iscsi://b@b@h/" + iqn + "/1"},
		{"iscsi://bob@h/" + iqn + "/1?password-file=%2Fetc%2Fsecret", Address{User: "bob", PasswordFile: "/etc/secret", Host: "h",
			Port: 3260, Target: iqn, LUN: 1}, ""},
		{"iscsi://h/" + iqn + "/1?initiator=iqn.2026-11.example%3Ame", Address{Initiator: "iqn.2026-11.example:me", Host: "h",
			Port: 3260, Target: iqn, LUN: 1}, ""},
		{"iscsi://h/eui.02004567A425678D/1", Address{Host: "h", Port: 3260, Target: "eui.02004567A425678D", LUN: 1}, ""},
		{"iscsi://h/iqn.2026-11.example%3aa/1", Address{Host: "h", Port: 3260, Target: "iqn.2026-11.example:a", LUN: 1},
			"iscsi://h/iqn.2026-11.example:a/1"},
	} {
		got, err := ParseAddress(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %s", test.text, d)
		}
		want := test.string
		if want == "" {
			want = test.text
		}
		if got.String() != want {
			t.Errorf("%s is shown as %s", test.text, got)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, text := range []string{
		"", "iscsi:", "iscsi://", "http://h/" + iqn + "/1", "iscsi://h", "iscsi://h/" + iqn, "iscsi://h/" + iqn + "/",
		"iscsi://h/" + iqn + "/1/2", "iscsi://h/" + iqn + "/256", "iscsi://h/" + iqn + "/-1", "iscsi://h/" + iqn + "/+1",
		"iscsi://h/" + iqn + "/0x1", "iscsi://h/" + iqn + "/1 ", "iscsi:///" + iqn + "/1", "iscsi://h:/" + iqn + "/1",
		"iscsi://h:0/" + iqn + "/1", "iscsi://h:65536/" + iqn + "/1", "iscsi://h:+1/" + iqn + "/1", "iscsi://::1/" + iqn + "/1",
		"iscsi://[::1/" + iqn + "/1", "iscsi://[::1]x/" + iqn + "/1", "iscsi://[1.2.3.4]/" + iqn + "/1", "iscsi://[h]/" + iqn + "/1",
		"iscsi://h h/" + iqn + "/1", "iscsi://h\x00/" + iqn + "/1", "iscsi://h/iqn./1", "iscsi://h/disk1/1", "iscsi://h/iqn.a%00b/1",
		"iscsi://h/iqn.a%/1", "iscsi://h/iqn.a b/1", "iscsi://h/iqn." + strings.Repeat("a", 220) + "/1",
		"iscsi://@h/" + iqn + "/1", "iscsi://%pw@h/" + iqn + "/1", "iscsi://bob%@h/" + iqn + "/1", "iscsi://b?b@h/" + iqn + "/1", "iscsi://b\nb@h/" + iqn + "/1",
		"iscsi://bob%a%00@h/" + iqn + "/1", "iscsi://bob%50%zz@h/" + iqn + "/1",
		"iscsi://h/" + iqn + "/1?x=1", "iscsi://h/" + iqn + "/1?password-file=", "iscsi://h/" + iqn + "/1?password-file=/a",
		"iscsi://bob@h/" + iqn + "/1?password-file=/a&password-file=/b", "iscsi://bob%pw@h/" + iqn + "/1?password-file=/a",
		"iscsi://bob@h/" + iqn + "/1?password-file=%00", "iscsi://h/" + iqn + "/1?initiator=me", "iscsi://h/" + iqn + "/1?a;b",
		"iscsi://h/" + iqn + "/1?initiator=iqn.a%0Ab",
	} {
		if a, err := ParseAddress(text); err == nil {
			t.Errorf("%q is taken for %#v", text, a)
		} else if a != (Address{}) {
			t.Errorf("%q: the address with the error is %#v", text, a)
		}
	}
}

// No way to print an address or an error about one shows the password.
func TestPasswordIsNotShown(t *testing.T) {
	a, err := ParseAddress("iscsi://bob%hunter2@h/" + iqn + "/1")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{a.String(), fmt.Sprint(a), fmt.Sprintf("%v %+v %#v %s", a, a, a, &a),
		(&ConnectError{Address: a, Err: ErrNotBuilt}).Error()} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("shown: %s", s)
		}
	}
	for _, bad := range []string{"iscsi://bob%hunter2@h/x/1", "iscsi://bob%hunter2@/" + iqn + "/1", "iscsi://bob%hunter2@h/" + iqn + "/x",
		"iscsi://bob%hunter2%@h/" + iqn + "/1", "iscsi://bob%hunter2@h:x/" + iqn + "/1", "iscsi://bob%hunter2@h"} {
		if _, err := ParseAddress(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzParseAddress: what is shown parses to the same address, but for the password.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"iscsi://h/" + iqn + "/1", "iscsi://a%b%25@[::1]:99/" + iqn + "/255?initiator=iqn.x",
		"iscsi://a@h/" + iqn + "/1?password-file=/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil {
			t.Fatalf("%q is shown as %q: %v", s, a, err)
		}
		a.Password = ""
		if again != a {
			t.Fatalf("%q is shown as %q", s, a)
		}
	})
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) Address {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Address{User: "bob", PasswordFile: p}
	}
	for text, want := range map[string]string{"secret\n": "secret", "secret": "secret", "secret\r\nmore\n": "secret", " s p \n": " s p "} {
		if got, err := write("good", text).password(); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", "a\x00b\n", strings.Repeat("x", 256)} {
		if got, err := write("bad", text).password(); err == nil {
			t.Errorf("%.20q: %q", text, got)
		} else if len(text) > 1 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := (Address{PasswordFile: dir + "/none"}).password(); err == nil {
		t.Error("a file that is not there")
	}
	if got, err := (Address{Password: "direct"}).password(); err != nil || got != "direct" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInitiatorName(t *testing.T) {
	if got := (Address{Initiator: "iqn.x"}).initiator(); got != "iqn.x" {
		t.Error(got)
	}
	if got := (Address{}).initiator(); checkName(got) != nil {
		t.Errorf("%q is no name", got)
	}
}

func TestWithLUN(t *testing.T) {
	a := Address{Host: "h", Port: 3260, Target: iqn, LUN: 1}
	if b := a.WithLUN(7); b.LUN != 7 || a.LUN != 1 || b.Target != iqn {
		t.Errorf("%v, %v", a, b)
	}
}
