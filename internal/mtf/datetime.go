package mtf

import "time"

// DateTime is MTF_DATE_TIME, the 40 bit big endian value (docs/format.md 2): year 14 bits, month 4, day 5, hour 5,
// minute 6, second 6. Zero means unknown. It is the wall clock of the writer; tapectl writes UTC.
type DateTime uint64

// DateTimeOf returns t in UTC with a resolution of one second; the zero time and years outside 1..16383 give zero.
func DateTimeOf(t time.Time) DateTime {
	if t.IsZero() {
		return 0
	}
	t = t.UTC()
	y := t.Year()
	if y < 1 || y > 0x3FFF {
		return 0
	}
	return DateTime(uint64(y)<<26 | uint64(t.Month())<<22 | uint64(t.Day())<<17 |
		uint64(t.Hour())<<12 | uint64(t.Minute())<<6 | uint64(t.Second()))
}

// Time returns the value as wall clock time at loc. Zero and impossible dates (month 0, hour 31, ...) give the zero time.
func (d DateTime) Time(loc *time.Location) time.Time {
	y, mo, day := int(d>>26&0x3FFF), int(d>>22&15), int(d>>17&31)
	h, mi, s := int(d>>12&31), int(d>>6&63), int(d&63)
	if y == 0 || mo < 1 || mo > 12 || day < 1 || h > 23 || mi > 59 || s > 59 {
		return time.Time{}
	}
	t := time.Date(y, time.Month(mo), day, h, mi, s, 0, loc)
	if t.Day() != day && time.Date(y, time.Month(mo), day, 12, 0, 0, 0, time.UTC).Day() != day {
		return time.Time{} // 31 April and its like
	}
	return t
}

func (d DateTime) put(p []byte) {
	p[0], p[1], p[2], p[3], p[4] = byte(d>>32), byte(d>>24), byte(d>>16), byte(d>>8), byte(d)
}

func getDateTime(p []byte) DateTime {
	return DateTime(uint64(p[0])<<32 | uint64(p[1])<<24 | uint64(p[2])<<16 | uint64(p[3])<<8 | uint64(p[4]))
}

// Time zones of SSET and set map entries, quarter hours east of UTC (docs/format.md 3.3).
const (
	TimeZoneUTC   int8 = 0
	TimeZoneLocal int8 = 127 // wall clock of an unknown zone
)

// ZoneOf returns the location of a time zone field; unknown or impossible values give UTC.
func ZoneOf(quarterHours int8) *time.Location {
	if quarterHours == 0 || quarterHours < -48 || quarterHours > 56 {
		return time.UTC
	}
	return time.FixedZone("", int(quarterHours)*15*60)
}
