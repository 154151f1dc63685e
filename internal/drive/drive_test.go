package drive

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

var background = context.Background()

func TestNew(t *testing.T) {
	f := newFake(quirks{})
	f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x29, 0), scsitest.Sense(scsi.UnitAttention, 0x28, 0)}
	d := f.open(t)
	if id := d.Identity(); id.Vendor != "HP" || id.Product != "Ultrium 6-SCSI" || id.Serial != "HUM1A00001" {
		t.Errorf("identity %+v", id)
	}
	if d.Generation() != LTO6 {
		t.Errorf("generation %q", d.Generation())
	}
	if l := d.BlockLimits(); l != (BlockLimits{Minimum: 4, Maximum: 1 << 20}) {
		t.Errorf("limits %+v", l)
	}
	c := d.Capabilities()
	if !c.Locate10 || !c.Locate16 || c.Space16 || !c.LogSense || !c.MAM || !c.DensityReport || c.Encryption || !c.Erase ||
		c.SetCapacity || c.FormatMedium || c.AllowOverwrite || c.CountedPosition {
		t.Errorf("capabilities %+v", c)
	}
	if a := d.Attentions(); len(a) != 2 || len(d.Attentions()) != 0 {
		t.Errorf("attentions %v", a)
	}
}

func TestNewTGT(t *testing.T) {
	f := newFake(quirks{tgt: true})
	d := f.open(t)
	c := d.Capabilities()
	if c.Locate10 || c.Locate16 || c.LogSense || c.MAM || c.DensityReport || c.Erase {
		t.Errorf("capabilities %+v", c)
	}
	if c.CountedPosition {
		t.Error("counted position before the drive was asked for its position")
	}
	if err := d.Rewind(background); err != nil {
		t.Fatal(err)
	}
	if c := d.Capabilities(); !c.CountedPosition || !c.SpaceCountsFilemarks || c.ReadPositionLong {
		t.Errorf("capabilities after rewinding %+v", c)
	}
}

func TestNewWithoutMediumOrList(t *testing.T) {
	f := newFake(quirks{noList: true})
	f.loaded = false
	d := f.open(t)
	if c := d.Capabilities(); !c.Locate16 || !c.MAM {
		t.Errorf("capabilities without a list %+v", c)
	}
	if s, err := d.Status(background); err != nil || s.Loaded || s.Ready {
		t.Errorf("status %+v, %v", s, err)
	}
	if err := d.Rewind(background); !errors.Is(err, scsi.MediumNotPresent) {
		t.Errorf("rewind without a medium: %v", err)
	}
	if _, err := d.WriteBlock(background, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
		t.Errorf("write without a medium: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	other := &scsitest.Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
		b := make([]byte, 36)
		b[0], b[4] = 0x08, 31
		scsitest.Good(c, b)
		return nil
	}}
	if _, err := New(background, other, Options{}); err == nil || !strings.Contains(err.Error(), "no tape drive") {
		t.Errorf("a changer was opened as drive: %v", err)
	}
	for op, after := range map[byte]string{0x00: "open", 0x12: "identify", 0x05: "limits", 0xA3: "commands"} {
		f := newFake(quirks{})
		f.intercept = once(op, scsitest.Lost(errCable))
		if _, err := New(background, f.transport, Options{}); !errors.Is(err, errCable) || !strings.Contains(err.Error(), after) {
			t.Errorf("transport lost at %02Xh: %v", op, err)
		}
	}
}

func TestBlockLimits(t *testing.T) {
	for _, tt := range []struct {
		b    [6]byte
		want BlockLimits
	}{
		{[6]byte{0x09, 0x10, 0x00, 0x00, 0x00, 0x04}, BlockLimits{Minimum: 4, Maximum: 1 << 20, Granularity: 9}},
		{[6]byte{0x00, 0xFF, 0xFF, 0xFF, 0x00, 0x01}, BlockLimits{Minimum: 1, Maximum: 16777215}}, // HP
		{[6]byte{0xE0, 0x80, 0x00, 0x00, 0x00, 0x00}, BlockLimits{Minimum: 1, Maximum: 8388608}},  // IBM
		{[6]byte{}, BlockLimits{Minimum: 1, Maximum: 16777215}},
		{[6]byte{0, 0, 0, 8, 0, 9}, BlockLimits{Minimum: 1, Maximum: 8}},
	} {
		if got := DecodeBlockLimits(tt.b); got != tt.want {
			t.Errorf("% X gives %+v", tt.b, got)
		}
	}
	f := newFake(quirks{})
	d, err := New(background, f.transport, Options{MaxTransfer: 65536})
	if err != nil || d.BlockLimits().Maximum != 65536 {
		t.Errorf("%+v, %v", d.BlockLimits(), err)
	}
	f.intercept = once(0x05, scsitest.Check(scsitest.Sense(scsi.NotReady, 0x3A, 0)))
	d, err = New(background, f.transport, Options{})
	if err != nil || d.BlockLimits().Maximum != MaxTransferLength {
		t.Errorf("drive that refuses: %+v, %v", d.BlockLimits(), err)
	}
	d, err = New(background, limited{f.transport}, Options{})
	if err != nil || d.BlockLimits().Maximum != 4096 {
		t.Errorf("transport with a limit: %+v, %v", d.BlockLimits(), err)
	}
	l := BlockLimits{Minimum: 4, Maximum: 1024, Granularity: 9}
	for n, ok := range map[int]bool{0: false, 3: false, 4: true, 6: true, 1024: true, 1028: false, 16777216: false} {
		if got := l.check(n) == nil; got != ok {
			t.Errorf("block of %d bytes allowed: %t", n, got)
		}
	}
}

// limited is a transport that takes 4,096 bytes in one command.
type limited struct{ scsi.Transport }

func (limited) MaxTransfer() int { return 4096 }

func TestTimeouts(t *testing.T) {
	// scsi.md 9.1.
	for _, tt := range []struct {
		r    scsi.Request
		want time.Duration
	}{
		{Read6{}, 2400 * time.Second}, {Write6{}, 2400 * time.Second}, {WriteFilemarks6{}, 1700 * time.Second},
		{Rewind{}, 800 * time.Second}, {Space6{}, 3000 * time.Second}, {Locate10{}, 3000 * time.Second},
		{Locate16{}, 3000 * time.Second}, {LoadUnload{}, 1100 * time.Second}, {Erase6{}, 600 * time.Second},
		{Erase6{Long: true}, 170000 * time.Second}, {FormatMedium{}, 3300 * time.Second}, {SetCapacity{}, 800 * time.Second},
		{ReadPosition{}, time.Minute}, {ReadAttribute{}, time.Minute},
	} {
		if got := defaultTimeouts(LTO6).of(tt.r.CDB()); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.r.Name(), got, tt.want)
		}
	}
	if got := defaultTimeouts(LTO9).of(LoadUnload{}.CDB()); got != 7920*time.Second {
		t.Errorf("load of LTO-9: %v", got)
	}
	if got := defaultTimeouts(LTO6).of(nil); got != time.Minute {
		t.Errorf("nothing: %v", got)
	}
	f := newFake(quirks{})
	for i := range f.commands {
		switch f.commands[i].OperationCode {
		case 0x01:
			f.commands[i].RecommendedTimeout = 2000 * time.Second
		case 0x08:
			f.commands[i].RecommendedTimeout = 10 * time.Second
		case 0x0A:
			f.commands[i].RecommendedTimeout = 0xFFFFFFFF * time.Second
		}
	}
	d := f.rewound(t)
	if got := f.sent(0x01)[0].Timeout; got != 3000*time.Second {
		t.Errorf("rewind has %v, want 1.5 times what the drive recommends", got)
	}
	if got := d.timeouts.of(Read6{}.CDB()); got != 2400*time.Second {
		t.Errorf("read has %v, a shorter recommendation must not count", got)
	}
	if got := d.timeouts.of(Write6{}.CDB()); got != maxTimeout {
		t.Errorf("write has %v, want the bound", got)
	}
}

func TestPreventRemoval(t *testing.T) {
	f := newFake(quirks{})
	d := f.open(t)
	if err := errors.Join(d.PreventRemoval(background), d.AllowRemoval(background)); err != nil {
		t.Fatal(err)
	}
	sent := f.sent(0x1E)
	if len(sent) != 2 || sent[0].CDB[4] != 1 || sent[1].CDB[4] != 0 {
		t.Errorf("sent %v", sent)
	}
	for _, lock := range []func(context.Context) error{d.PreventRemoval, d.AllowRemoval} {
		f.intercept = once(0x1E, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
		if err := lock(background); !errors.Is(err, scsi.InvalidOperationCode) {
			t.Errorf("error %v", err)
		}
	}
}

// Which attentions make the position unknown, and which do not.
func TestAttentionsAndPosition(t *testing.T) {
	for _, tt := range []struct {
		asc, ascq byte
		keeps     bool
	}{
		{0x28, 0x00, false}, {0x29, 0x00, false}, {0x29, 0x07, false}, {0x2F, 0x00, false}, {0x3B, 0x12, false},
		{0x2A, 0x01, true}, {0x2A, 0x10, true}, {0x3F, 0x0E, true}, {0x5A, 0x01, true}, {0x5D, 0x00, true},
	} {
		f := newFake(quirks{})
		d := f.rewound(t)
		f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, tt.asc, tt.ascq)}
		if _, err := d.Status(background); err != nil {
			t.Fatal(err)
		}
		_, err := d.WriteBlock(background, []byte("data"))
		if tt.keeps != (err == nil) || err != nil && !errors.Is(err, ErrPositionUnknown) {
			t.Errorf("attention %02X/%02X, then writing: %v", tt.asc, tt.ascq, err)
		}
		if a := d.Attentions(); len(a) != 1 || a[0].ASC != tt.asc {
			t.Errorf("attentions %v", a)
		}
		if !tt.keeps {
			if _, err := d.Position(background); err != nil {
				t.Error(err)
			}
			if _, err := d.WriteBlock(background, []byte("data")); !errors.Is(err, ErrPositionUnknown) {
				t.Errorf("reading the position made it known for writing: %v", err)
			}
			if err := d.Rewind(background); err != nil {
				t.Error(err)
			}
			if _, err := d.WriteBlock(background, []byte("data")); err != nil {
				t.Errorf("after rewinding: %v", err)
			}
		}
	}
	f := newFake(quirks{})
	d := f.open(t)
	for range 1000 {
		d.noteAttention(scsi.Sense{ASC: 0x2A})
	}
	if n := len(d.Attentions()); n != 100 {
		t.Errorf("%d attentions kept", n)
	}
}
