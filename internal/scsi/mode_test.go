package scsi_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// page10 is the device configuration page of a drive with compression on, from SSC-5 table 119.
var page10 = scsi.ModePage{0x90, 0x0E, 0, 0, 0, 0, 0x01, 0x2C, 0x40, 0, 0x10, 0, 0, 0, 0x01, 0x90}

// page1D is the element address assignment of a library, from SMC-3 table 63.
var page1D = scsi.ModePage{0x1D, 0x12, 0, 0, 0, 1, 0x03, 0xE9, 0, 0x28, 0, 0x65, 0, 0, 0, 1, 0, 2, 0, 0}

// page0AF0 is a page with subpage: control data protection.
var page0AF0 = append(scsi.ModePage{0x4A, 0xF0, 0, 0x1C, 2, 4, 0xC0}, make([]byte, 25)...)

var modeDatas = []struct {
	name   string
	header scsi.ModeHeader
	raw    []byte
	want   scsi.ModeParameters
}{
	{"drive (6)", scsi.Header6, append([]byte{27, 0x98, 0x90, 8, 0x60, 0, 0, 1, 0, 0x04, 0, 0}, page10...),
		scsi.ModeParameters{MediumType: 0x98, WriteProtected: true, BufferedMode: 1, HasBlockDescriptor: true, Density: 0x60,
			Blocks: 1, BlockLength: 0x40000, Pages: []scsi.ModePage{page10}}},
	{"drive (10)", scsi.Header10, append([]byte{0, 0x1E, 0x98, 0x12, 0, 0, 0, 8, 0x60, 0, 0, 0, 0, 0, 2, 0}, page10...),
		scsi.ModeParameters{MediumType: 0x98, BufferedMode: 1, Speed: 2, HasBlockDescriptor: true, Density: 0x60,
			BlockLength: 512, Pages: []scsi.ModePage{page10}}},
	{"library (10)", scsi.Header10, append([]byte{0, 26, 0, 0, 0, 0, 0, 0}, page1D...),
		scsi.ModeParameters{Pages: []scsi.ModePage{page1D}}},
	{"several pages", scsi.Header10, append(append([]byte{0, 58, 0, 0x10, 0, 0, 0, 0}, page1D...), page0AF0...),
		scsi.ModeParameters{BufferedMode: 1, Pages: []scsi.ModePage{page1D, page0AF0}}},
	{"header only", scsi.Header6, []byte{3, 0, 0x80, 0}, scsi.ModeParameters{WriteProtected: true}},
}

func TestModeParameters(t *testing.T) {
	for _, test := range modeDatas {
		var got scsi.ModeParameters
		if err := got.Unmarshal(test.header, test.raw); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
		if d := cmp.Diff(test.raw, test.want.Marshal(test.header)); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
		if len(got.Pages) > 0 { // a copy
			test.raw[len(test.raw)-1] ^= 0xFF
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("%s: the pages are no copies", test.name)
			}
			test.raw[len(test.raw)-1] ^= 0xFF
		}
	}
}

// What real libraries do (quirk Q16) and what none may get away with.
func TestModeParametersOdd(t *testing.T) {
	zeros := make([]byte, 8)
	long := append([]byte{0, 42, 0, 0, 0, 0, 0, 16, 0x46}, append(make([]byte, 15), page1D...)...)
	for name, raw := range map[string][]byte{
		"two block descriptors":                          long,
		"a descriptor that the header does not mention":  append(append([]byte{0, 34, 0, 0, 0, 0, 0, 0}, zeros...), page1D...),
		"a length of 0":                                  append([]byte{0, 0, 0, 0, 0, 0, 0, 0}, page1D...),
		"a descriptor of 4 bytes":                        append([]byte{0, 30, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}, page1D...),
		"rubbish behind the length":                      append(append([]byte{0, 26, 0, 0, 0, 0, 0, 0}, page1D...), 0xFF, 0xFF),
		"a length beyond the data, pages whole all same": append([]byte{0, 99, 0, 0, 0, 0, 0, 0}, page1D...),
	} {
		var p scsi.ModeParameters
		if err := p.Unmarshal(scsi.Header10, raw); err != nil || !bytes.Equal(p.Page(0x1D, 0), page1D) {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
	}
	for name, raw := range map[string][]byte{
		"nothing":              {},
		"half a header":        {0, 6, 0, 0},
		"descriptors too long": {0, 14, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0},
		"page too long":        {0, 9, 0, 0, 0, 0, 0, 0, 0x0F, 0x0E, 0},
		"subpage too long":     {0, 11, 0, 0, 0, 0, 0, 0, 0x4A, 0xF0, 0x10, 0, 1},
		"one byte of a page":   {0, 7, 0, 0, 0, 0, 0, 0, 0x0F},
	} {
		var p scsi.ModeParameters
		var re *scsi.ResponseError
		if err := p.Unmarshal(scsi.Header10, raw); !errors.As(err, &re) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// MODE SELECT: reserved length, no write protection, no PS bit; the rest as it was read.
func TestModeSelectForm(t *testing.T) {
	p := scsi.ModeParameters{MediumType: 0x98, WriteProtected: true, BufferedMode: 1, HasBlockDescriptor: true, Density: 0x7F,
		Pages: []scsi.ModePage{bytes.Clone(page10)}}
	want := append([]byte{0, 0x98, 0x10, 8, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x10}, page10[1:]...)
	if d := cmp.Diff(want, p.MarshalSelect(scsi.Header6)); d != "" {
		t.Error(d)
	}
	want10 := append([]byte{0, 0, 0x98, 0x10, 0, 0, 0, 8, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x10}, page10[1:]...)
	if d := cmp.Diff(want10, p.MarshalSelect(scsi.Header10)); d != "" {
		t.Error(d)
	}
	if p.Pages[0][0] != 0x90 {
		t.Error("the page was changed")
	}
	var got scsi.ModeParameters
	if err := got.UnmarshalSelect(scsi.Header10, want10); err != nil || got.Density != 0x7F || got.Page(0x10, 0) == nil {
		t.Errorf("%v, %+v", err, got)
	}
	if got.UnmarshalSelect(scsi.Header10, want10[:7]) == nil {
		t.Error("a list of 7 bytes is taken")
	}
}

func TestModePage(t *testing.T) {
	if page10.Code() != 0x10 || page10.Subpage() != 0 || !page10.Saveable() {
		t.Error("page 10h")
	}
	if page0AF0.Code() != 0x0A || page0AF0.Subpage() != 0xF0 || page0AF0.Saveable() {
		t.Error("page 0Ah/F0h")
	}
	var none scsi.ModePage
	if none.Code() != 0 || none.Subpage() != 0 || none.Saveable() {
		t.Error("no page")
	}
	p := scsi.ModeParameters{Pages: []scsi.ModePage{page0AF0}}
	if p.Page(0x0A, 0) != nil || p.Page(0x0A, 0xF0) == nil {
		t.Error("a subpage passes for its page")
	}
}

func FuzzModeParameters(f *testing.F) {
	for _, d := range modeDatas {
		f.Add(d.header == scsi.Header10, d.raw)
	}
	f.Fuzz(func(t *testing.T, long bool, b []byte) {
		h := scsi.Header6
		if long {
			h = scsi.Header10
		}
		var p, again scsi.ModeParameters
		if p.Unmarshal(h, b) != nil || len(b) > 250 {
			return
		}
		if err := again.Unmarshal(h, p.Marshal(h)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatal(d)
		}
		if err := again.UnmarshalSelect(h, p.MarshalSelect(h)); err != nil {
			t.Fatal(err)
		}
		if again.WriteProtected || len(again.Pages) != len(p.Pages) {
			t.Fatalf("%+v", again)
		}
	})
}

// modeDevice is a device that knows some forms of MODE SENSE.
func modeDevice(long, short, dbd bool, p scsi.ModeParameters) func(*scsi.Command) error {
	return func(c *scsi.Command) error {
		h := scsi.Header6
		if c.CDB[0] == 0x5A || c.CDB[0] == 0x55 {
			h = scsi.Header10
		}
		switch {
		case h == scsi.Header10 && !long, h == scsi.Header6 && !short:
			return scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0))(c)
		case c.Direction == scsi.ToDevice:
			return scsitest.Data(nil)(c)
		case c.CDB[1]&0x08 != 0 && !dbd:
			return scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))(c)
		}
		b := p.Marshal(h)
		return scsitest.Data(b[:min(len(b), len(c.Data))])(c)
	}
}

func TestModeSense(t *testing.T) {
	p := scsi.ModeParameters{Pages: []scsi.ModePage{page1D}}
	for _, test := range []struct {
		long, short, dbd bool
		ask              bool
		commands         int
	}{
		{true, true, true, true, 1},
		{true, true, true, false, 1},
		{true, true, false, true, 2},
		{true, true, false, false, 1},
		{false, true, true, true, 2},
		{false, true, false, true, 3},
		{true, false, false, true, 2},
	} {
		f := always(modeDevice(test.long, test.short, test.dbd, p))
		got, err := scsi.ModeSense(t.Context(), f, scsi.ModeQuery{Page: 0x1D, DisableBlockDescriptors: test.ask})
		if err != nil || !bytes.Equal(got.Page(0x1D, 0), page1D) {
			t.Errorf("%+v: %v, %+v", test, err, got)
		}
		if n := len(f.Sent()); n != test.commands {
			t.Errorf("%+v: %d commands", test, n)
		}
	}
	if _, err := scsi.ModeSense(t.Context(), always(modeDevice(false, false, true, p)), scsi.ModeQuery{}); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Errorf("neither form: %v", err)
	}
	refuse := scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))
	if _, err := scsi.ModeSense(t.Context(), always(refuse), scsi.ModeQuery{Page: 0x1F}); !errors.Is(err, scsi.InvalidFieldInCDB) {
		t.Errorf("no such page: %v", err)
	}
	f := always(scsitest.Check(scsitest.Sense(scsi.NotReady, 0x04, 0x01)))
	if _, err := scsi.ModeSense(t.Context(), f, scsi.ModeQuery{}); !errors.Is(err, scsi.BecomingReady) || len(f.Sent()) != 1 {
		t.Errorf("not ready: %v, %d commands", err, len(f.Sent()))
	}
	var re *scsi.ResponseError
	if _, err := scsi.ModeSense(t.Context(), always(scsitest.Data([]byte{0, 9, 0, 0, 0, 0, 0, 0, 0x0F, 9, 0})), scsi.ModeQuery{}); !errors.As(err, &re) || re.Op != "MODE SENSE(10)" {
		t.Errorf("rubbish: %v", err)
	}
}

// Page 3Fh, all pages, is longer than the first buffer.
func TestModeSenseLong(t *testing.T) {
	var p scsi.ModeParameters
	for i := range 30 {
		p.Pages = append(p.Pages, append(scsi.ModePage{byte(i + 1), 18}, bytes.Repeat([]byte{byte(i)}, 18)...))
	}
	got, err := scsi.ModeSense(t.Context(), always(modeDevice(true, true, true, p)), scsi.ModeQuery{Page: 0x3F})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got); d != "" {
		t.Error(d)
	}
}

func TestModeSelect(t *testing.T) {
	p := scsi.ModeParameters{BufferedMode: 1, Pages: []scsi.ModePage{page10}}
	f := always(modeDevice(true, true, true, p))
	if err := scsi.ModeSelect(t.Context(), f, p, true); err != nil {
		t.Fatal(err)
	}
	c := f.Sent()[0]
	if d := cmp.Diff([]byte{0x55, 0x11, 0, 0, 0, 0, 0, 0, 24, 0}, c.CDB); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(p.MarshalSelect(scsi.Header10), c.Data); d != "" {
		t.Error(d)
	}
	f = always(modeDevice(false, true, true, p))
	if err := scsi.ModeSelect(t.Context(), f, p, false); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]byte{0x15, 0x10, 0, 0, 20, 0}, f.Sent()[1].CDB); d != "" {
		t.Error(d)
	}
	refuse := always(scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x26, 0)))
	if err := scsi.ModeSelect(t.Context(), refuse, p, false); !errors.Is(err, scsi.InvalidFieldInParameterList) || len(refuse.Sent()) != 1 {
		t.Errorf("%v, %d commands", err, len(refuse.Sent()))
	}
	p.Pages = []scsi.ModePage{make(scsi.ModePage, 70000)}
	if scsi.ModeSelect(t.Context(), always(scsitest.Data(nil)), p, false) == nil {
		t.Error("a list of 70,000 bytes was sent")
	}
}
