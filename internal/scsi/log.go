package scsi

import (
	"context"
	"encoding/binary"
)

// LogControl selects which values of a log parameter are meant (SPC-5 table 197).
type LogControl byte

// The log page controls.
const (
	ThresholdCurrent  LogControl = 0
	CumulativeCurrent LogControl = 1 // what everyone reads
	ThresholdDefault  LogControl = 2
	CumulativeDefault LogControl = 3
)

// LogSense is LOG SENSE (SPC-5 6.10).
type LogSense struct {
	SaveParameters   bool // SP
	Control          LogControl
	Page, Subpage    byte
	ParameterPointer uint16
	AllocationLength uint16
}

// Name is the standard's name of the command.
func (LogSense) Name() string { return "LOG SENSE" }

// CDB encodes the command.
func (r LogSense) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x4D
	b[1] = flag(r.SaveParameters, 0x01)
	b[2] = byte(r.Control)<<6 | r.Page&0x3F
	b[3] = r.Subpage
	binary.BigEndian.PutUint16(b[5:7], r.ParameterPointer)
	binary.BigEndian.PutUint16(b[7:9], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *LogSense) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x4D); err != nil {
		return err
	}
	*r = LogSense{SaveParameters: b[1]&0x01 != 0, Control: LogControl(b[2] >> 6), Page: b[2] & 0x3F, Subpage: b[3],
		ParameterPointer: binary.BigEndian.Uint16(b[5:7]), AllocationLength: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// LogSelect is LOG SELECT (SPC-5 6.9).
type LogSelect struct {
	ParameterCodeReset  bool // PCR: set the counters to their defaults
	SaveParameters      bool // SP
	Control             LogControl
	Page, Subpage       byte
	ParameterListLength uint16
}

// Name is the standard's name of the command.
func (LogSelect) Name() string { return "LOG SELECT" }

// CDB encodes the command.
func (r LogSelect) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x4C
	b[1] = flag(r.ParameterCodeReset, 0x02) | flag(r.SaveParameters, 0x01)
	b[2] = byte(r.Control)<<6 | r.Page&0x3F
	b[3] = r.Subpage
	binary.BigEndian.PutUint16(b[7:9], r.ParameterListLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *LogSelect) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x4C); err != nil {
		return err
	}
	*r = LogSelect{ParameterCodeReset: b[1]&0x02 != 0, SaveParameters: b[1]&0x01 != 0, Control: LogControl(b[2] >> 6),
		Page: b[2] & 0x3F, Subpage: b[3], ParameterListLength: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// LogParameter is one parameter of a log page (SPC-5 7.3.2.2).
type LogParameter struct {
	Code    uint16
	Control byte // the parameter control byte: DU, TSD, ETC, TMC, format
	Value   []byte
}

// Uint gives the value as the unsigned number of any length that it is. ok is false for an empty value and one that
// does not fit in 64 bits.
func (p LogParameter) Uint() (v uint64, ok bool) {
	b := p.Value
	for len(b) > 8 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v, true
}

// Text gives the value as text without its padding.
func (p LogParameter) Text() string { return Text(p.Value) }

// LogPage is a log page (SPC-5 7.3.2.1): its code and the bytes behind the header, which are parameters on all pages
// but 00h and 3Fh.
type LogPage struct {
	Disabled      bool // DS: the device does not save the page
	HasSubpage    bool // SPF
	Code, Subpage byte
	Data          []byte
}

// Unmarshal decodes the header of a log page. The stated length is clipped to what came. The error is a
// *ResponseError.
func (p *LogPage) Unmarshal(b []byte) error {
	if len(b) < 4 {
		return malformed("log page of %d bytes", len(b))
	}
	n := int(binary.BigEndian.Uint16(b[2:4]))
	*p = LogPage{Disabled: b[0]&0x80 != 0, HasSubpage: b[0]&0x40 != 0, Code: b[0] & 0x3F,
		Data: append([]byte(nil), span(b, 4, 4+n)...)}
	if p.HasSubpage {
		p.Subpage = b[1]
	}
	return nil
}

// Marshal encodes the page. Data beyond 65,535 bytes is cut.
func (p LogPage) Marshal() []byte {
	d := p.Data[:min(len(p.Data), 0xFFFF)]
	b := make([]byte, 4, 4+len(d))
	b[0] = flag(p.Disabled, 0x80) | flag(p.HasSubpage, 0x40) | p.Code&0x3F
	if p.HasSubpage {
		b[1] = p.Subpage
	}
	binary.BigEndian.PutUint16(b[2:4], uint16(len(d)))
	return append(b, d...)
}

// Append adds a parameter to the page, for a simulated device. Values beyond 255 bytes are cut.
func (p *LogPage) Append(l LogParameter) {
	v := l.Value[:min(len(l.Value), 255)]
	p.Data = binary.BigEndian.AppendUint16(p.Data, l.Code)
	p.Data = append(p.Data, l.Control, byte(len(v)))
	p.Data = append(p.Data, v...)
}

// Parameters iterates over the page's parameters.
func (p LogPage) Parameters() *LogParameters { return &LogParameters{rest: p.Data} }

// Parameter finds a parameter by its code. A page that is damaged behind it does not matter.
func (p LogPage) Parameter(code uint16) (LogParameter, bool) {
	for it := p.Parameters(); it.Next(); {
		if it.Parameter().Code == code {
			return it.Parameter(), true
		}
	}
	return LogParameter{}, false
}

// LogParameters iterates over log parameters: Next, Parameter, and at the end Err. It is for one goroutine.
type LogParameters struct {
	rest []byte
	cur  LogParameter
	err  error
}

// Next goes to the next parameter. It returns false at the end and at the first parameter that does not fit, and
// stays there.
func (l *LogParameters) Next() bool {
	if l.err != nil || len(l.rest) == 0 {
		return false
	}
	if len(l.rest) < 4 || len(l.rest) < 4+int(l.rest[3]) {
		l.err = malformed("log parameter reaches beyond the page: %d bytes left", len(l.rest))
		return false
	}
	n := 4 + int(l.rest[3])
	l.cur = LogParameter{Code: binary.BigEndian.Uint16(l.rest[0:2]), Control: l.rest[2],
		Value: append([]byte(nil), l.rest[4:n]...)}
	l.rest = l.rest[n:]
	return true
}

// Parameter is the parameter that Next went to; its Value belongs to the caller.
func (l *LogParameters) Parameter() LogParameter { return l.cur }

// Err is nil when the page was read to its end, and a *ResponseError otherwise.
func (l *LogParameters) Err() error { return l.err }

// SupportedLogPages decodes page 00h: the codes of the pages that the device has.
func (p LogPage) SupportedLogPages() []byte { return append([]byte(nil), p.Data...) }

// ReadLog returns a log page with its cumulative current values. Some pages are cleared by reading: TapeAlert, 2Eh.
// An answer with another page code is a *ResponseError.
func ReadLog(ctx context.Context, t Transport, page, subpage byte) (LogPage, error) {
	var p LogPage
	const first = 8192 // more than the usual pages have; one request, because reading may clear
	for size := first; ; {
		r := LogSense{Control: CumulativeCurrent, Page: page, Subpage: subpage, AllocationLength: uint16(size)}
		b, err := DataIn(ctx, t, r, size, LogTimeout)
		if err != nil {
			return p, err
		}
		if err := p.Unmarshal(b); err != nil {
			return p, named(r, err)
		}
		if p.Code != page&0x3F {
			return p, named(r, malformed("log page %02Xh where %02Xh was asked for", p.Code, page))
		}
		want := 4 + int(binary.BigEndian.Uint16(b[2:4]))
		if want <= size || size > first {
			return p, nil
		}
		size = min(want, 0xFFFF)
	}
}
