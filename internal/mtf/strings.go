package mtf

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String types of a descriptor block or catalog entry (Microsoft Tape Format 1.00a).
const (
	StringNone    uint8 = 0
	StringANSI    uint8 = 1 // single bytes, read as Windows-1252
	StringUnicode uint8 = 2 // UTF-16LE
)

// cp1252 holds the code points of 0x80..0x9F; the five undefined bytes map to the C1 controls of the same number.
var cp1252 = [32]rune{
	0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D, 0x8F,
	0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
}

// encodeString returns s in the form of a string type. Bytes that are not UTF-8 (Unix names are bytes) become the
// UTF-16 code units DC80..DCFF, which decodeString turns back into the same bytes.
func encodeString(typ uint8, s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	switch typ {
	case StringUnicode:
		return appendUTF16(make([]byte, 0, 2*len(s)), s), nil
	case StringANSI:
		return encodeANSI(s)
	}
	return nil, fmt.Errorf("encode string %.40q: string type %d holds no strings", s, typ)
}

func appendUTF16(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = binary.LittleEndian.AppendUint16(b, 0xDC00|uint16(s[i]))
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			b = binary.LittleEndian.AppendUint16(b, uint16(hi))
			b = binary.LittleEndian.AppendUint16(b, uint16(lo))
		default:
			b = binary.LittleEndian.AppendUint16(b, uint16(r))
		}
		i += n
	}
	return b
}

func encodeANSI(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
next:
	for _, r := range s {
		if r < 0x80 || (r >= 0xA0 && r <= 0xFF) {
			b = append(b, byte(r))
			continue
		}
		for i, c := range cp1252 {
			if c == r {
				b = append(b, byte(0x80+i))
				continue next
			}
		}
		return nil, fmt.Errorf("encode string %.40q: %q is not in Windows-1252", s, r)
	}
	return b, nil
}

// decodeString is the inverse of encodeString. It accepts any bytes: an odd last byte of UTF-16 is dropped, code units
// DC80..DCFF without a partner become raw bytes, other unpaired surrogates become U+FFFD.
func decodeString(typ uint8, p []byte) string {
	var b strings.Builder
	switch typ {
	case StringANSI:
		for _, c := range p {
			if c >= 0x80 && c < 0xA0 {
				b.WriteRune(cp1252[c-0x80])
				continue
			}
			b.WriteRune(rune(c))
		}
	case StringUnicode:
		for i := 0; i+1 < len(p); i += 2 {
			u := rune(binary.LittleEndian.Uint16(p[i:]))
			if u >= 0xD800 && u < 0xDC00 && i+3 < len(p) {
				if r := utf16.DecodeRune(u, rune(binary.LittleEndian.Uint16(p[i+2:]))); r != utf8.RuneError {
					b.WriteRune(r)
					i += 2
					continue
				}
			}
			if u >= 0xDC80 && u <= 0xDCFF {
				b.WriteByte(byte(u))
				continue
			}
			b.WriteRune(u)
		}
	}
	return b.String()
}

// JoinPath returns path components in the form of a DIRB name: every component ends with a NUL, the root is one NUL
// (docs/format.md 3.5).
func JoinPath(components []string) string {
	if len(components) == 0 {
		return "\x00"
	}
	return strings.Join(components, "\x00") + "\x00"
}

// SplitPath returns the components of a DIRB name; empty components are dropped, so the root has none. The components
// come from the medium: callers that create files must refuse ".", ".." and separators.
func SplitPath(name string) []string {
	var out []string
	for c := range strings.SplitSeq(name, "\x00") {
		if c != "" {
			out = append(out, c)
		}
	}
	return out
}

// TrimNUL drops trailing NULs, which some writers count as part of a name (SQL Server's software name).
func TrimNUL(s string) string { return strings.TrimRight(s, "\x00") }
