package changer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func TestNew(t *testing.T) {
	f := newFake(20, 2, 4, quirks{})
	f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x29, 0), scsitest.Sense(scsi.UnitAttention, 0x28, 1)}
	c := f.open(t)
	id := c.Identity()
	if id.Vendor != "STK" || id.Product != "L700" || id.Serial != "VTL327" {
		t.Errorf("identity %+v", id)
	}
	if diff := cmp.Diff(f.assignment, c.Assignment()); diff != "" {
		t.Error(diff)
	}
	a := c.Attentions()
	if len(a) != 2 || !scsi.ResetOccurred.Matches(a[0]) || !scsi.ImportExportAccessed.Matches(a[1]) {
		t.Errorf("attentions %v", a)
	}
	if again := c.Attentions(); len(again) != 0 {
		t.Errorf("attentions told twice: %v", again)
	}
}

func TestNewRefusesOtherDevices(t *testing.T) {
	tape := &scsitest.Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
		b := make([]byte, 36)
		b[0], b[4] = 0x01, 31
		scsitest.Good(c, b)
		return nil
	}}
	if _, err := New(context.Background(), tape); err == nil || !strings.Contains(err.Error(), "no medium changer") {
		t.Errorf("a tape drive was opened as changer: %v", err)
	}
	lost := errors.New("cable pulled")
	_, err := New(context.Background(), scsitest.Answers(scsitest.Lost(lost)))
	if !errors.Is(err, lost) {
		t.Errorf("error %v does not tell the cause", err)
	}
}

func TestNewWhileNotReady(t *testing.T) {
	f := newFake(20, 2, 4, quirks{noMode1D: true})
	c := f.open(t)
	if c.Assignment() != (Assignment{}) {
		t.Errorf("assignment %+v", c.Assignment())
	}
	f.noMode1D = false
	got, err := c.Elements(context.Background())
	if err != nil || len(got) != 27 {
		t.Errorf("%d elements, %v", len(got), err)
	}
	if c.Assignment() != f.assignment {
		t.Errorf("assignment %+v after the changer tells it", c.Assignment())
	}
}

func TestDecodeAssignment(t *testing.T) {
	// The page of a real HPE MSL3040, with PS set.
	page := scsi.ModePage{0x9D, 0x12, 0x00, 0x00, 0x00, 0x01, 0x03, 0xE9, 0x00, 0x28, 0x00, 0x65, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x00}
	got, err := decodeAssignment(page)
	want := Assignment{MediumTransport: Range{0, 1}, Storage: Range{1001, 40}, ImportExport: Range{101, 0}, DataTransfer: Range{1, 2}}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	again, err := decodeAssignment(EncodeAssignment(want))
	if err != nil || again != want {
		t.Errorf("round trip gives %+v, %v", again, err)
	}
	if _, err := decodeAssignment(page[:17]); err == nil {
		t.Error("a page of 17 bytes was accepted")
	}
	big, err := decodeAssignment(scsi.ModePage{0x1D, 0x12, 0, 0, 0, 1, 0xFF, 0xF0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	if err != nil || big.Storage != (Range{0xFFF0, 16}) {
		t.Errorf("a range beyond the last address gives %+v, %v", big.Storage, err)
	}
	for address, typ := range map[ElementAddress]ElementType{0: MediumTransport, 1: DataTransfer, 2: DataTransfer, 3: AllElements, 1001: Storage, 1040: Storage, 1041: AllElements, 101: AllElements} {
		if got, ok := want.TypeOf(address); got != typ || ok != (typ != AllElements) {
			t.Errorf("element %d is %s, %t", address, got, ok)
		}
	}
}

func TestMove(t *testing.T) {
	t.Run("arm of page 1D", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{arm: 500})
		if err := f.open(t).Move(context.Background(), 1000, 1); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]MoveMedium{{Transport: 500, Source: 1000, Destination: 1}}, f.moved); diff != "" {
			t.Error(diff)
		}
		if got := f.sent(0xA5, 0)[0].Timeout; got < 10*time.Minute {
			t.Errorf("timeout %v", got)
		}
	})
	t.Run("default arm (Q37)", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{arm: 0})
		c := f.open(t)
		for range 2 {
			if err := c.Move(context.Background(), 1000, 1); err != nil {
				t.Fatal(err)
			}
		}
		if len(f.moved) != 3 {
			t.Errorf("%d commands, want one more for the first move only", len(f.moved))
		}
	})
	t.Run("bad address", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{arm: 77})
		err := f.open(t).Move(context.Background(), 1000, 1)
		var check *scsi.CheckError
		if !errors.Is(err, scsi.InvalidElementAddress) || !errors.As(err, &check) || !strings.Contains(err.Error(), "move medium 1000 to 1") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("attention is not consumed", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{arm: 500})
		c := f.open(t)
		f.attentions = [][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0x01)}
		err := c.Move(context.Background(), 1000, 1)
		if !errors.Is(err, scsi.ImportExportAccessed) || len(f.moved) != 0 {
			t.Errorf("error %v, moved %v", err, f.moved)
		}
		if len(c.Attentions()) != 1 {
			t.Error("the attention was not noted")
		}
	})
	for name, sense := range map[string][]byte{
		"source empty": illegal(0x3B, 0x0E), "destination full": illegal(0x3B, 0x0D), "load failed": scsitest.Sense(scsi.HardwareError, 0x53, 0),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(5, 2, 0, quirks{arm: 500})
			f.moveSense = sense
			err := f.open(t).Move(context.Background(), 1000, 1)
			var check *scsi.CheckError
			if !errors.As(err, &check) || len(f.moved) != 1 {
				t.Errorf("error %v after %d commands", err, len(f.moved))
			}
		})
	}
	t.Run("outcome unknown", func(t *testing.T) {
		f := newFake(5, 2, 0, quirks{arm: 500})
		c := f.open(t)
		f.transport.SendFunc = func(_ context.Context, cmd *scsi.Command) error {
			return scsitest.Lost(context.DeadlineExceeded)(cmd)
		}
		err := c.Move(context.Background(), 1000, 1)
		var te *scsi.TransportError
		if !errors.As(err, &te) || te.NotSent {
			t.Errorf("error %v", err)
		}
	})
}

func TestCanMove(t *testing.T) {
	c := newFake(5, 2, 0, quirks{}).open(t) // the page of an HPE MSL3040: slots and drives only
	for _, tt := range []struct {
		from, to ElementType
		want     bool
	}{{Storage, DataTransfer, true}, {DataTransfer, Storage, true}, {Storage, Storage, true}, {MediumTransport, Storage, true},
		{Storage, ImportExport, false}, {ImportExport, Storage, false}, {AllElements, Storage, true}} {
		if got := c.CanMove(tt.from, tt.to); got != tt.want {
			t.Errorf("%s to %s: %t", tt.from, tt.to, got)
		}
	}
	c.capabilities = nil
	if !c.CanMove(ImportExport, Storage) {
		t.Error("a changer that does not tell cannot move")
	}
}

func TestWaitReady(t *testing.T) {
	becoming, initialize := scsitest.Sense(scsi.NotReady, 0x04, 0x01), scsitest.Sense(scsi.NotReady, 0x04, 0x02)
	door, paused := scsitest.Sense(scsi.NotReady, 0x04, 0x18), scsitest.Sense(scsi.NotReady, 0x04, 0x85)
	many := slices.Repeat([][]byte{becoming}, 2000)
	tests := []struct {
		name       string
		notReady   [][]byte
		is         error
		initialize int
		states     int
	}{
		{name: "ready"},
		{name: "becoming ready", notReady: [][]byte{becoming, becoming}, states: 1},
		{name: "storm of attentions", notReady: slices.Repeat([][]byte{scsitest.Sense(scsi.UnitAttention, 0x28, 0)}, 10)},
		{name: "initialize", notReady: [][]byte{initialize, becoming}, initialize: 1, states: 1},
		{name: "initialize does not help", notReady: slices.Repeat([][]byte{initialize}, 2000), is: scsi.InitializingCommandRequired, initialize: 1, states: 1},
		{name: "never ready", notReady: many, is: scsi.BecomingReady, states: 1},
		{name: "door", notReady: [][]byte{door}, is: scsi.DoorOpen},
		{name: "paused for two hours", notReady: slices.Repeat([][]byte{paused}, 120), states: 1},
		{name: "hardware", notReady: [][]byte{scsitest.Sense(scsi.HardwareError, 0x44, 0)}, is: scsi.IsHardwareError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(5, 2, 0, quirks{})
			c := f.open(t)
			f.notReady = tt.notReady
			mark := len(f.transport.Sent())
			states := 0
			err := c.WaitReady(context.Background(), func(string) { states++ })
			if !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %v", err, tt.is)
			}
			if n := len(f.sent(0x07, mark)); n != tt.initialize {
				t.Errorf("INITIALIZE ELEMENT STATUS %d times", n)
			}
			if states != tt.states {
				t.Errorf("%d states told, want %d", states, tt.states)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := newFake(5, 2, 0, quirks{})
	c := f.open(t)
	f.notReady = many
	c.sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if err := c.WaitReady(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestInitializeElementStatusRange(t *testing.T) {
	f := newFake(5, 2, 0, quirks{})
	c := f.open(t)
	mark := len(f.transport.Sent())
	if err := c.InitializeElementStatusRange(context.Background(), Range{1000, 3}); err != nil {
		t.Fatal(err)
	}
	var opcodes []byte
	for _, s := range f.transport.Sent()[mark:] {
		opcodes = append(opcodes, s.CDB[0])
	}
	if diff := cmp.Diff([]byte{0x37, 0xE7, 0x07}, opcodes); diff != "" {
		t.Error(diff)
	}
	for _, n := range []int{0, -1, 65536} {
		if err := c.InitializeElementStatusRange(context.Background(), Range{1, n}); err == nil {
			t.Errorf("%d elements were accepted", n)
		}
	}
}

func TestPreventRemoval(t *testing.T) {
	f := newFake(5, 2, 0, quirks{})
	c := f.open(t)
	if err := c.PreventRemoval(context.Background()); err != nil {
		t.Error(err)
	}
	if err := c.AllowRemoval(context.Background()); err != nil {
		t.Error(err)
	}
	sent := f.sent(0x1E, 0)
	if len(sent) != 2 || sent[0].CDB[4] != 1 || sent[1].CDB[4] != 0 {
		t.Errorf("sent %v", sent)
	}
	f.transport.SendFunc = func(_ context.Context, cmd *scsi.Command) error { return scsitest.Check(illegal(0x20, 0))(cmd) }
	if err := c.PreventRemoval(context.Background()); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Errorf("error %v", err)
	}
	if err := c.AllowRemoval(context.Background()); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Errorf("error %v", err)
	}
}

func TestNames(t *testing.T) {
	for want, s := range map[string]interface{ String() string }{
		"all elements": AllElements, "medium transport": MediumTransport, "storage": Storage, "import/export": ImportExport,
		"data transfer": DataTransfer, "element type 9": ElementType(9), "unspecified": MediumUnspecified, "data": MediumData,
		"cleaning": MediumCleaning, "diagnostic": MediumDiagnostic, "WORM": MediumWORM, "microcode image": MediumMicrocode, "medium type 7": MediumType(7),
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
