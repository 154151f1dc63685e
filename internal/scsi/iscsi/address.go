// Package iscsi carries SCSI commands to the logical units of iSCSI targets, in user space, through libiscsi.
//
// It is built with the tag libiscsi; without the tag [Open] fails with [ErrNotBuilt], and everything else works.
//
// One [Transport] is one session to one logical unit, and so one I_T nexus: it has its own unit attentions, prevents
// medium removal on its own, and loses both with its session. A session that was lost, or that was dropped because a
// command was not answered in time, is not set up again by itself: what a device was doing then, and where its tape
// stands, must be found out by whoever opens it anew.
package iscsi

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// DefaultPort is the port of an address that names none (RFC 7143).
const DefaultPort = 3260

// maxName is the longest iSCSI name (RFC 7143 4.2.7.1).
const maxName = 223

// Address names one logical unit of an iSCSI target:
//
//	iscsi://[user[%password]@]host[:port]/target/lun[?password-file=FILE][&initiator=NAME]
//
// An IPv6 address stands in brackets. The first % separates the user from the password; the password and the target
// name may have %-escapes. A password is better kept in a file, of which the first line counts: arguments and
// histories are no place for it.
type Address struct {
	User         string // CHAP user, "" for none
	Password     string // never shown
	PasswordFile string // read by Open when Password is ""
	Host         string // name or address, without brackets
	Port         uint16
	Target       string // iqn., eui. or naa. name
	LUN          uint8
	Initiator    string // the initiator name that the target sees; "" for one made of the host's name
}

// ParseAddress reads an address. It accepts nothing but what Address describes, and never shows a password in an error.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("parse iSCSI address: %w", err)
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	a := Address{Port: DefaultPort}
	rest, ok := strings.CutPrefix(s, "iscsi://")
	if !ok {
		return a, errors.New("it does not begin with iscsi://")
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return a, errors.New("it must be iscsi://host/target/lun")
	}
	authority := parts[0]
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := a.parseUser(authority[:i]); err != nil {
			return a, err
		}
		authority = authority[i+1:]
	}
	if err := a.parseHost(authority); err != nil {
		return a, err
	}
	if err := a.parseTarget(parts[1]); err != nil {
		return a, err
	}
	lun, err := strconv.ParseUint(parts[2], 10, 8)
	if err != nil || !allDigits(parts[2]) {
		return a, fmt.Errorf("LUN %q is no number from 0 to 255", parts[2])
	}
	a.LUN = uint8(lun)
	if hasQuery {
		return a, a.parseQuery(query)
	}
	return a, nil
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// parseUser reads user and user%password. The user name is taken as it is: CHAP names are often iSCSI names, with colons.
func (a *Address) parseUser(s string) error {
	user, password, hasPassword := strings.Cut(s, "%")
	if user == "" || strings.ContainsAny(user, "?#") {
		return errors.New("the user name is empty or has one of % / ? #")
	}
	if _, err := unescape(user); err != nil {
		return errors.New("the user name has a control character")
	}
	a.User = user
	if !hasPassword {
		return nil
	}
	var err error
	if a.Password, err = unescape(password); err != nil || password == "" {
		return errors.New("the password is empty or has a bad %-escape; write % as %25 and / as %2F")
	}
	return nil
}

// unescape decodes %-escapes and refuses control characters, NUL above all: the C library would end a string there.
func unescape(s string) (string, error) {
	u, err := url.PathUnescape(s)
	if err != nil {
		return "", err
	}
	for i := range len(u) {
		if u[i] < 0x20 || u[i] == 0x7F {
			return "", errors.New("control character")
		}
	}
	return u, nil
}

func (a *Address) parseHost(s string) error {
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return fmt.Errorf("host %q lacks the closing bracket", s)
		}
		host = s[1:end]
		ip, err := netip.ParseAddr(host)
		if err != nil || !ip.Is6() || ip.Zone() != "" && !validHost(ip.Zone()) {
			return fmt.Errorf("%q is no IPv6 address", host)
		}
		port, hasPort = strings.CutPrefix(s[end+1:], ":")
		if !hasPort && port != "" {
			return fmt.Errorf("unexpected %q behind the host", port)
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		if !validHost(host) {
			return fmt.Errorf("host %q is not valid; an IPv6 address stands in brackets", host)
		}
	}
	a.Host = host
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || !allDigits(port) {
			return fmt.Errorf("port %q is no number from 1 to 65535", port)
		}
		a.Port = uint16(n)
	}
	return nil
}

// validHost accepts what host names and IPv4 addresses are made of.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 253
}

func (a *Address) parseTarget(s string) error {
	t, err := unescape(s)
	if err != nil {
		return fmt.Errorf("target %q has a bad %%-escape", s)
	}
	if err := checkName(t); err != nil {
		return fmt.Errorf("target %q: %w", t, err)
	}
	a.Target = t
	return nil
}

// checkName verifies an iSCSI name (RFC 7143 4.2.7).
func checkName(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("a name has at most %d bytes", maxName)
	case !strings.HasPrefix(s, "iqn.") && !strings.HasPrefix(s, "eui.") && !strings.HasPrefix(s, "naa."):
		return errors.New("a name begins with iqn, eui or naa and a dot")
	case strings.ContainsAny(s, " /?#@") || len(s) == 4:
		return errors.New("not a valid name")
	}
	return nil
}

func (a *Address) parseQuery(s string) error {
	q, err := url.ParseQuery(s)
	if err != nil {
		return errors.New("the part behind ? is not valid")
	}
	for key, values := range q {
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("%q must be given once", key)
		}
		v := values[0]
		switch key {
		case "password-file":
			if strings.ContainsRune(v, 0) {
				return errors.New("the name of the password file is not valid")
			}
			a.PasswordFile = v
		case "initiator":
			if err := checkName(v); err != nil {
				return fmt.Errorf("initiator %q: %w", v, err)
			}
			if _, err := unescape(url.PathEscape(v)); err != nil {
				return fmt.Errorf("initiator %q: %w", v, err)
			}
			a.Initiator = v
		default:
			return fmt.Errorf("unknown option %q: there are password-file and initiator", key)
		}
	}
	switch {
	case a.PasswordFile != "" && a.Password != "":
		return errors.New("there are a password and a password file")
	case a.PasswordFile != "" && a.User == "":
		return errors.New("there is a password file and no user")
	}
	return nil
}

// String gives the address without the password: ParseAddress reads it, and the password is then missing. The name of
// a password file is no secret and stays.
func (a Address) String() string {
	var b strings.Builder
	b.WriteString("iscsi://")
	if a.User != "" {
		b.WriteString(a.User + "@")
	}
	host := a.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	b.WriteString(host)
	if a.Port != DefaultPort {
		fmt.Fprintf(&b, ":%d", a.Port)
	}
	fmt.Fprintf(&b, "/%s/%d", strings.ReplaceAll(escape(a.Target), "%3A", ":"), a.LUN)
	q := url.Values{}
	if a.PasswordFile != "" {
		q.Set("password-file", a.PasswordFile)
	}
	if a.Initiator != "" {
		q.Set("initiator", a.Initiator)
	}
	if len(q) > 0 {
		b.WriteString("?" + q.Encode())
	}
	return b.String()
}

// GoString keeps the password out of %#v.
func (a Address) GoString() string { return fmt.Sprintf("iscsi.Address(%q)", a.String()) }

// escape writes everything but letters, digits and -._~ as %-escapes, so that no character means anything else.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// WithLUN is the address of another logical unit of the same target.
func (a Address) WithLUN(lun uint8) Address {
	a.LUN = lun
	return a
}

// password gives the password, from its file if need be.
func (a Address) password() (string, error) {
	if a.Password != "" || a.PasswordFile == "" {
		return a.Password, nil
	}
	f, err := os.Open(a.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	defer f.Close()
	buf := make([]byte, 1024)
	n, err := f.Read(buf)
	if n == 0 {
		return "", fmt.Errorf("read password file %s: it is empty or cannot be read: %v", a.PasswordFile, err)
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" || len(line) > 255 || strings.ContainsRune(line, 0) {
		return "", fmt.Errorf("read password file %s: the first line is no password of 1 to 255 bytes", a.PasswordFile)
	}
	return line, nil
}

// initiator gives the initiator name.
func (a Address) initiator() string {
	if a.Initiator != "" {
		return a.Initiator
	}
	name := "iqn.2026-11.example.tapectl"
	host, err := os.Hostname()
	if host = strings.ToLower(host); err == nil && validHost(host) && !strings.Contains(host, "_") {
		name += ":" + host
	}
	return name[:min(len(name), maxName)]
}
