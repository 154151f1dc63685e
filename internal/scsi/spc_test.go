package scsi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

func TestClearAttentions(t *testing.T) {
	one := scsitest.Check(attention)
	got, err := scsi.ClearAttentions(t.Context(), scsitest.Answers(one, one, scsitest.Data(nil)))
	if err != nil || len(got) != 2 || got[0].ASC != 0x28 {
		t.Errorf("%v, %v", err, got)
	}
	notReady := scsitest.Check(scsitest.Sense(scsi.NotReady, 0x3A, 0))
	if got, err = scsi.ClearAttentions(t.Context(), scsitest.Answers(one, notReady)); err != nil || len(got) != 1 {
		t.Errorf("not ready: %v, %v", err, got)
	}
	f := always(one)
	if got, err = scsi.ClearAttentions(t.Context(), f); err != nil || len(got) != 10 || len(f.Sent()) != 10 {
		t.Errorf("no end: %v, %d, %d commands", err, len(got), len(f.Sent()))
	}
	lost := errors.New("cable")
	if got, err = scsi.ClearAttentions(t.Context(), scsitest.Answers(one, scsitest.Lost(lost))); !errors.Is(err, lost) || len(got) != 1 {
		t.Errorf("lost: %v, %v", err, got)
	}
	conflict := scsitest.Status(scsi.StatusReservationConflict)
	var se *scsi.StatusError
	if _, err = scsi.ClearAttentions(t.Context(), scsitest.Answers(conflict)); !errors.As(err, &se) {
		t.Errorf("conflict: %v", err)
	}
}

func TestReadSense(t *testing.T) {
	raw := scsitest.Fixed(scsi.Sense{Key: scsi.NotReady, ASC: 4, ASCQ: 7, SenseKeySpecific: [3]byte{0x80, 0x40, 0}})
	for name, answer := range map[string]func(*scsi.Command) error{"data": scsitest.Data(raw), "check": scsitest.Check(raw)} {
		s, err := scsi.ReadSense(t.Context(), scsitest.Answers(answer))
		if p, ok := s.Progress(); err != nil || !ok || p != 0.25 {
			t.Errorf("%s: %v, %v", name, err, s)
		}
	}
	var re *scsi.ResponseError
	if _, err := scsi.ReadSense(t.Context(), always(scsitest.Data(nil))); !errors.As(err, &re) || re.Op != "REQUEST SENSE" {
		t.Errorf("no data: %v", err)
	}
	if _, err := scsi.ReadSense(t.Context(), scsitest.Answers()); err == nil {
		t.Error("no answer is no error")
	}
}

func TestLUNs(t *testing.T) {
	raw := []byte{0, 0, 0, 40, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0,
		0, 3, 0, 0, 0, 0, 0, 0,
		0x41, 0x02, 0, 0, 0, 0, 0, 0,
		0xC1, 0x01, 0, 0, 0, 0, 0, 0, // well known: REPORT LUNS
		0x01, 0x05, 0, 0, 0, 0, 0, 0} // on another bus
	got, err := scsi.UnmarshalLUNs(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]uint16{0, 3, 0x102}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]byte{0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0x41, 2, 0, 0, 0, 0, 0, 0},
		scsi.MarshalLUNs(got)); d != "" {
		t.Error(d)
	}
	if got, err := scsi.UnmarshalLUNs(raw[:20]); err != nil || len(got) != 1 {
		t.Errorf("cut: %v, %v", err, got)
	}
	if _, err := scsi.UnmarshalLUNs(raw[:7]); err == nil {
		t.Error("7 bytes are a list")
	}
	var many []uint16
	for i := range 1000 {
		many = append(many, uint16(i))
	}
	f := always(scsitest.Data(scsi.MarshalLUNs(many)))
	if got, err := scsi.ListLUNs(t.Context(), f); err != nil || len(got) != 1000 || len(f.Sent()) != 2 {
		t.Errorf("many: %v, %d units, %d commands", err, len(got), len(f.Sent()))
	}
	var re *scsi.ResponseError
	if _, err := scsi.ListLUNs(t.Context(), always(scsitest.Data(nil))); !errors.As(err, &re) || re.Op != "REPORT LUNS" {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzLUNs(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 0, 0, 0, 0x41, 2, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		luns, err := scsi.UnmarshalLUNs(b)
		if err != nil {
			return
		}
		again, err := scsi.UnmarshalLUNs(scsi.MarshalLUNs(luns))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(luns, again); d != "" {
			t.Fatal(d)
		}
	})
}

// opcodes is a report with timeouts (SPC-5 tables 271 and 274).
var opcodes = []byte{0, 0, 0, 28,
	0x08, 0, 0, 0, 0, 0, 0, 6,
	0xA3, 0, 0, 0x0C, 0, 0x03, 0, 12, 0, 0x0A, 0, 0, 0, 0, 0, 60, 0, 0, 0x05, 0xDC}

func TestSupportedCommands(t *testing.T) {
	var got scsi.SupportedCommands
	if err := got.Unmarshal(opcodes); err != nil {
		t.Fatal(err)
	}
	want := scsi.SupportedCommands{{OperationCode: 0x08, CDBLength: 6},
		{OperationCode: 0xA3, ServiceAction: 0x0C, HasServiceAction: true, CDBLength: 12, NominalTimeout: time.Minute,
			RecommendedTimeout: 1500 * time.Second}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, timeouts := range []bool{false, true} {
		var again scsi.SupportedCommands
		if err := again.Unmarshal(want.Marshal(timeouts)); err != nil || len(again) != 2 || (again[1].RecommendedTimeout != 0) != timeouts {
			t.Errorf("timeouts %v: %v, %+v", timeouts, err, again)
		}
	}
	for _, test := range []struct {
		op     byte
		action uint16
		ok     bool
	}{{0x08, 0, true}, {0x08, 5, true}, {0xA3, 0x0C, true}, {0xA3, 0x0F, false}, {0x92, 0, false}} {
		if _, ok := got.Find(test.op, test.action); ok != test.ok {
			t.Errorf("%+v", test)
		}
	}
	for _, n := range []int{5, 15, 20, 31} {
		var re *scsi.ResponseError
		if err := got.Unmarshal(opcodes[:n]); !errors.As(err, &re) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if got.Unmarshal(opcodes[:3]) == nil {
		t.Error("3 bytes are a list")
	}
}

func FuzzSupportedCommands(f *testing.F) {
	f.Add(opcodes)
	f.Fuzz(func(t *testing.T, b []byte) {
		var l, again scsi.SupportedCommands
		if l.Unmarshal(b) != nil {
			return
		}
		if err := again.Unmarshal(l.Marshal(true)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, again); d != "" {
			t.Fatal(d)
		}
	})
}

func TestReadSupportedCommands(t *testing.T) {
	if l, err := scsi.ReadSupportedCommands(t.Context(), always(scsitest.Data(opcodes))); err != nil || len(l) != 2 {
		t.Errorf("%v, %v", err, l)
	}
	refuse := scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x24, 0))
	f := scsitest.Answers(refuse, scsitest.Data(opcodes))
	if l, err := scsi.ReadSupportedCommands(t.Context(), f); err != nil || len(l) != 2 || f.Sent()[1].CDB[2]&0x80 != 0 {
		t.Errorf("a device without timeouts: %v, %v", err, l)
	}
	unknown := always(scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
	if _, err := scsi.ReadSupportedCommands(t.Context(), unknown); !errors.Is(err, scsi.InvalidOperationCode) || len(unknown.Sent()) != 1 {
		t.Errorf("a device without the command: %v", err)
	}
}

func TestReservationData(t *testing.T) {
	var k scsi.ReservationKeys
	raw := []byte{0, 0, 0, 9, 0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 5}
	if err := k.Unmarshal(raw); err != nil || k.Generation != 9 || len(k.Keys) != 2 || k.Keys[0] != 0x0102030405060708 || k.Keys[1] != 5 {
		t.Errorf("%v, %+v", err, k)
	}
	if d := cmp.Diff(raw, k.Marshal()); d != "" {
		t.Error(d)
	}
	if err := k.Unmarshal(raw[:17]); err != nil || len(k.Keys) != 1 || k.Unmarshal(raw[:7]) == nil {
		t.Errorf("cut: %v, %+v", err, k)
	}
	var r scsi.Reservation
	held := []byte{0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0x13, 0, 0}
	if err := r.Unmarshal(held); err != nil || r != (scsi.Reservation{Generation: 9, Held: true, Key: 5, Scope: 1, Type: scsi.ExclusiveAccess}) {
		t.Errorf("%v, %+v", err, r)
	}
	if d := cmp.Diff(held, r.Marshal()); d != "" {
		t.Error(d)
	}
	free := []byte{0, 0, 0, 9, 0, 0, 0, 0}
	if err := r.Unmarshal(free); err != nil || r.Held {
		t.Errorf("%v, %+v", err, r)
	}
	if d := cmp.Diff(free, r.Marshal()); d != "" {
		t.Error(d)
	}
	if r.Unmarshal(held[:23]) == nil || r.Unmarshal(held[:7]) == nil {
		t.Error("half a reservation is taken")
	}
	p := scsi.ReserveParameters{Key: 0x0102030405060708, ServiceActionKey: 5, AllTargetPorts: true, ThroughPowerLoss: true}
	list := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0x05, 0, 0, 0}
	if d := cmp.Diff(list, p.Marshal()); d != "" {
		t.Error(d)
	}
	var again scsi.ReserveParameters
	if err := again.Unmarshal(list); err != nil || again != p || again.Unmarshal(list[:23]) == nil {
		t.Errorf("%v, %+v", err, again)
	}
}

func FuzzReservationData(f *testing.F) {
	f.Add([]byte{0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0x13, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var k, k2 scsi.ReservationKeys
		if k.Unmarshal(b) == nil {
			if err := k2.Unmarshal(k.Marshal()); err != nil || !cmp.Equal(k, k2) {
				t.Fatalf("%v: %+v, %+v", err, k, k2)
			}
		}
		var r, r2 scsi.Reservation
		if r.Unmarshal(b) == nil {
			if err := r2.Unmarshal(r.Marshal()); err != nil || r != r2 {
				t.Fatalf("%v: %+v, %+v", err, r, r2)
			}
		}
		var p, p2 scsi.ReserveParameters
		if p.Unmarshal(b) == nil {
			if err := p2.Unmarshal(p.Marshal()); err != nil || p != p2 {
				t.Fatalf("%v: %+v, %+v", err, p, p2)
			}
		}
	})
}

// The functions send what their names say.
func TestFunctionsSend(t *testing.T) {
	keys := scsi.ReservationKeys{Generation: 1, Keys: []uint64{7}}
	holder := scsi.Reservation{Generation: 1, Held: true, Key: 7, Type: scsi.ExclusiveAccess}
	f := scsitest.Answers(scsitest.Data(nil), scsitest.Data(nil), scsitest.Data(keys.Marshal()), scsitest.Data(holder.Marshal()),
		scsitest.Data(nil), scsitest.Status(scsi.StatusReservationConflict))
	ctx := t.Context()
	if err := scsi.PreventRemoval(ctx, f, true); err != nil {
		t.Error(err)
	}
	if err := scsi.PreventRemoval(ctx, f, false); err != nil {
		t.Error(err)
	}
	if k, err := scsi.ReadReservationKeys(ctx, f); err != nil || !cmp.Equal(k, keys) {
		t.Errorf("%v, %+v", err, k)
	}
	if r, err := scsi.ReadReservationHolder(ctx, f); err != nil || r != holder {
		t.Errorf("%v, %+v", err, r)
	}
	p := scsi.ReserveParameters{ServiceActionKey: 7}
	if err := scsi.Reserve(ctx, f, scsi.ReserveRegisterAndIgnore, 0, p); err != nil {
		t.Error(err)
	}
	var se *scsi.StatusError
	if err := scsi.Reserve(ctx, f, scsi.ReserveReserve, scsi.ExclusiveAccess, p); !errors.As(err, &se) {
		t.Errorf("conflict: %v", err)
	}
	var got [][]byte
	for _, c := range f.Sent() {
		got = append(got, c.CDB)
		if c.Direction == scsi.ToDevice && !cmp.Equal(c.Data, p.Marshal()) {
			t.Errorf("%s sends % X", c.Name, c.Data)
		}
	}
	want := [][]byte{{0x1E, 0, 0, 0, 1, 0}, {0x1E, 0, 0, 0, 0, 0}, {0x5E, 0, 0, 0, 0, 0, 0, 0x08, 0, 0},
		{0x5E, 1, 0, 0, 0, 0, 0, 0, 252, 0}, {0x5F, 6, 0, 0, 0, 0, 0, 0, 24, 0}, {0x5F, 1, 3, 0, 0, 0, 0, 0, 24, 0}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
