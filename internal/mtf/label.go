package mtf

import (
	"fmt"
	"strings"
	"time"
)

// LabelTag is the first field of every media label.
const LabelTag = "MTF Media Label"

// labelStamp is the layout of a label's time stamp; tapectl writes UTC.
const labelStamp = "2006/01/02.15:04:05"

// MediaLabel is the media label in a TAPE block (docs/format.md 8).
type MediaLabel struct {
	Tag            string // "MTF Media Label"
	Version        string // "1.0"
	Vendor         string
	Product        string // product id; DPM and tapectl put their version here
	Stamp          time.Time
	CartridgeLabel string
	Side           string
	MediaID        string // "{uuid}": the OMID
	DomainID       string // "{uuid}": the server that owns the medium
	VendorSpecific string
}

// ParseMediaLabel parses a media label from both ends: five fields from the front, side, media id, domain id and vendor
// specific data from the back; what lies between is the cartridge label, in which DPM leaves '|' as it is. A label without
// the vendor field is accepted. A time stamp that is none leaves Stamp zero.
func ParseMediaLabel(s string) (MediaLabel, error) {
	f := strings.Split(TrimNUL(s), "|")
	if f[0] != LabelTag {
		return MediaLabel{}, fmt.Errorf("parse media label %.60q: does not begin with %q", s, LabelTag)
	}
	vendor := ""
	switch i := vendorField(f); {
	case i > 0:
		vendor = strings.Join(f[i:], "|")
		f = f[:i]
	case len(f) >= 10 && !(isID(f[len(f)-1]) && isID(f[len(f)-2])):
		vendor = f[len(f)-1]
		f = f[:len(f)-1]
	}
	if len(f) < 9 {
		return MediaLabel{}, fmt.Errorf("parse media label %.120q: %d fields, needs at least 9", s, len(f))
	}
	n := len(f)
	stamp, _ := time.ParseInLocation(labelStamp, f[4], time.UTC)
	return MediaLabel{
		Tag: f[0], Version: f[1], Vendor: f[2], Product: f[3], Stamp: stamp, CartridgeLabel: strings.Join(f[5:n-3], "|"),
		Side: f[n-3], MediaID: f[n-2], DomainID: f[n-1], VendorSpecific: vendor,
	}, nil
}

// vendorField returns the index of the first field that starts vendor specific data and is no earlier than the tenth.
func vendorField(f []string) int {
	for i := 9; i < len(f); i++ {
		if strings.HasPrefix(f[i], "VS:") {
			return i
		}
	}
	return 0
}

func isID(s string) bool { return len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' }

// String returns the label as it stands in the TAPE block. '|' and control characters inside a field become '_'; an
// empty Tag, Version or Side gets its standard value.
func (l MediaLabel) String() string {
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	f := []string{
		or(l.Tag, LabelTag), or(l.Version, "1.0"), l.Vendor, l.Product, l.Stamp.UTC().Format(labelStamp), l.CartridgeLabel,
		or(l.Side, "0"), l.MediaID, l.DomainID, l.VendorSpecific,
	}
	for i := range f {
		f[i] = strings.Map(func(r rune) rune {
			if r == '|' || r < 0x20 || r == 0x7F {
				return '_'
			}
			return r
		}, f[i])
	}
	return strings.Join(f, "|")
}
