package vlib_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func TestIdentities(t *testing.T) {
	l, ch, dr := rawLab(t, vlib.Config{Generations: []string{"LTO-8"}, Serial: "SER1"})
	id, err := scsi.Identify(context.Background(), ch)
	must(t, err)
	if id.DeviceType != scsi.ChangerDevice || id.Vendor != "TAPECTL" || id.Product != "VIRTUAL LIBRARY" || id.Serial != "SER1" {
		t.Errorf("changer %+v", id)
	}
	id, err = scsi.Identify(context.Background(), dr)
	must(t, err)
	if id.DeviceType != scsi.TapeDevice || id.Product != "Ultrium 8-SCSI" || id.Serial != "SER10001D" {
		t.Errorf("drive %+v", id)
	}
	// The changer names its drives as they name themselves.
	c, err := changer.New(context.Background(), ch)
	must(t, err)
	names, err := c.DriveIdentifiers(context.Background())
	must(t, err)
	for n := range 2 {
		tr, err := l.Drive(n)
		must(t, err)
		id, err := scsi.Identify(context.Background(), tr)
		must(t, err)
		if names[changer.ElementAddress(257+n)].Serial != id.Serial {
			t.Errorf("drive %d says %q, the changer %q", n, id.Serial, names[changer.ElementAddress(257+n)].Serial)
		}
	}
	pages := map[byte]string{0x00: "00 80 83 B0 B1 B2 B3 B4", 0xB0: "01 00", 0xB2: "FF FF FF FF FE 00 FF F0", 0xB4: "01 01"}
	for page, expect := range pages {
		a := send(t, dr, []byte{0x12, 1, page, 0, 200, 0}, nil, 200)
		if got := fmt.Sprintf("% X", a.data[4:]); got != expect || a.data[1] != page || int(a.data[3]) != len(a.data)-4 {
			t.Errorf("page %02X: % X, want %s", page, a.data, expect)
		}
	}
	for _, cdb := range [][]byte{{0x12, 1, 0xC0, 0, 200, 0}, {0x12, 0, 0x80, 0, 200, 0}, {0x12, 2, 0, 0, 200, 0}} {
		want(t, dr, cdb, "5/24/00")
	}
	want(t, ch, []byte{0x12, 1, 0xB0, 0, 200, 0}, "5/24/00")
}

func TestAttentionsByNexus(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	other, err := l.Changer()
	must(t, err)
	if a := send(t, other, []byte{0x12, 0, 0, 0, 36, 0}, nil, 36); a.String() != "GOOD" {
		t.Errorf("INQUIRY with an attention pending: %s", a)
	}
	if a := send(t, other, []byte{0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0}, nil, 16); a.String() != "GOOD" || len(a.data) != 16 {
		t.Errorf("REPORT LUNS with an attention pending: %s", a)
	}
	a := send(t, other, []byte{0x03, 0, 0, 0, 18, 0}, nil, 18)
	if s, err := scsi.ParseSense(a.data); err != nil || s.Key != scsi.UnitAttention || s.ASC != 0x29 {
		t.Errorf("REQUEST SENSE gives % X", a.data)
	}
	want(t, other, tur, "GOOD") // that took it
	must(t, l.NewTape(vlib.TapeConfig{Barcode: "X00001L6"}))
	_, err = l.InsertMail("X00001L6")
	if err == nil {
		t.Error("a library without mail slots took a tape")
	}
	_, err = l.AddTape(vlib.TapeConfig{Barcode: "X00002L6"})
	must(t, err)
	_, err = l.AddTape(vlib.TapeConfig{Barcode: "X00003L6"})
	must(t, err)
	for _, tr := range []scsi.Transport{ch, other} {
		want(t, tr, tur, "6/28/00") // twice the same is told once
		want(t, tr, tur, "GOOD")
	}
	a = send(t, ch, []byte{0x03, 1, 0, 0, 18, 0}, nil, 18)
	if a.data[0] != 0x72 || len(a.data) != 8 {
		t.Errorf("REQUEST SENSE in descriptor format % X", a.data)
	}
	// Many attentions while a nexus sleeps: it gets some, and no more than there is room for.
	for range 40 {
		must(t, l.OpenDoor())
		must(t, l.CloseDoor())
	}
	want(t, other, tur, "6/28/00")
	want(t, other, tur, "GOOD")
}

func TestReportLUNs(t *testing.T) {
	_, ch, _ := rawLab(t, vlib.Config{})
	a := send(t, ch, []byte{0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, nil, 256)
	if fmt.Sprintf("% X", a.data) != "00 00 00 08 00 00 00 00 00 00 00 00 00 00 00 00" {
		t.Errorf("% X", a.data)
	}
	want(t, ch, []byte{0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0}, "5/24/00")
	want(t, ch, []byte{0xA0, 0, 0x22, 0, 0, 0, 0, 0, 0, 16, 0, 0}, "5/24/00")
}

func TestSupportedCommands(t *testing.T) {
	l, ch, dr := rawLab(t, vlib.Config{})
	list, err := scsi.ReadSupportedCommands(context.Background(), dr)
	must(t, err)
	for _, op := range []byte{0x00, 0x01, 0x05, 0x08, 0x0A, 0x10, 0x11, 0x1B, 0x2B, 0x34, 0x44, 0x4D, 0x8C, 0x8D, 0x91, 0x92} {
		if c, ok := list.Find(op, 0); !ok || c.RecommendedTimeout <= 0 || c.NominalTimeout <= 0 {
			t.Errorf("command %02X: %t %+v", op, ok, c)
		}
	}
	if c, ok := list.Find(0x34, 8); !ok || !c.HasServiceAction || c.CDBLength != 10 {
		t.Errorf("READ POSITION extended: %t %+v", ok, c)
	}
	if _, ok := list.Find(0xA2, 0); ok {
		t.Error("SECURITY PROTOCOL IN is listed")
	}
	one := func(option, op byte, action uint16) string {
		cdb := []byte{0xA3, 0x0C, option, op, byte(action >> 8), byte(action), 0, 0, 0, 100, 0, 0}
		a := send(t, ch, cdb, nil, 100)
		if a.status != scsi.StatusGood {
			return a.String()
		}
		return fmt.Sprintf("% X", a.data)
	}
	tests := map[string]struct {
		option, op byte
		action     uint16
		want       string
	}{
		"MOVE MEDIUM":           {1, 0xA5, 0, "00 03 00 0C A5 00 FF FF FF FF FF FF 00 00 01 00"},
		"with timeouts":         {0x81, 0x07, 0, "00 83 00 06 07 00 00 00 00 00 00 0A 00 00 00 00 01 C2 00 00 07 08"},
		"unknown":               {1, 0x08, 0, "00 01 00 00"},
		"service action":        {2, 0x5F, 6, "00 03 00 0A 5F 1F FF 00 00 FF FF FF FF 00"},
		"service action absent": {2, 0x5F, 9, "00 01 00 00"},
		"action not given":      {1, 0x5F, 0, "5/24/00"},
		"action without":        {2, 0xA5, 0, "5/24/00"},
		"either":                {3, 0xA5, 0, "00 03 00 0C A5 00 FF FF FF FF FF FF 00 00 01 00"},
		"option 4":              {4, 0xA5, 0, "5/24/00"},
		"taken away":            {1, 0xA6, 0, "00 01 00 00"},
	}
	for name, test := range tests {
		if got := one(test.option, test.op, test.action); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	must(t, l.SetQuirks(vlib.Quirks{DriveUnsupported: []int{0x92}}))
	list, err = scsi.ReadSupportedCommands(context.Background(), dr)
	must(t, err)
	if _, ok := list.Find(0x92, 0); ok {
		t.Error("a command that a quirk takes away is listed")
	}
}

// nexus is a transport with its own reservation key.
type nexus struct {
	t  *testing.T
	tr scsi.Transport
}

func (n nexus) out(action, kind byte, key, other uint64) string {
	n.t.Helper()
	p := scsi.ReserveParameters{Key: key, ServiceActionKey: other}
	return send(n.t, n.tr, []byte{0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0}, p.Marshal(), 0).String()
}

func (n nexus) want(action, kind byte, key, other uint64, expect string) {
	n.t.Helper()
	if got := n.out(action, kind, key, other); got != expect {
		n.t.Errorf("PERSISTENT RESERVE OUT action %d type %d: %s, want %s", action, kind, got, expect)
	}
}

func TestPersistentReservations(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	second, err := l.Drive(0)
	must(t, err)
	quiet(t, second)
	a, b := nexus{t, tr}, nexus{t, second}
	const conflict = "RESERVATION CONFLICT"
	a.want(1, 3, 1, 0, conflict)  // reserve without registration
	a.want(0, 0, 9, 1, conflict)  // register with a key that is not there
	a.want(0, 0, 0, 0xA, "GOOD")  // register
	a.want(6, 0, 0, 0xA1, "GOOD") // and ignore the existing key
	a.want(1, 2, 0xA1, 0, "5/24/00")
	a.want(1, 3, 0xA1, 0, "GOOD") // exclusive access
	a.want(1, 3, 0xA1, 0, "GOOD")
	a.want(1, 1, 0xA1, 0, conflict)
	keys, err := scsi.ReadReservationKeys(context.Background(), second)
	must(t, err)
	if diff := cmp.Diff(scsi.ReservationKeys{Generation: 2, Keys: []uint64{0xA1}}, keys); diff != "" {
		t.Error(diff)
	}
	holder, err := scsi.ReadReservationHolder(context.Background(), second)
	must(t, err)
	if !holder.Held || holder.Key != 0xA1 || holder.Type != scsi.ExclusiveAccess {
		t.Errorf("%+v", holder)
	}
	for _, cdb := range [][]byte{rewindOp, {0x08, 0, 0, 0, 10, 0}, {0x1A, 0, 0x3F, 0, 100, 0}, {0x16, 0, 0, 0, 0, 0}} {
		want(t, second, cdb, conflict)
	}
	want(t, second, tur, "GOOD")
	want(t, tr, rewindOp, "GOOD")
	b.want(6, 0, 0, 0xB, "GOOD")
	want(t, second, rewindOp, conflict)
	b.want(4, 3, 0xB, 0xFF, conflict) // preempts a key that is not there
	b.want(5, 3, 0xB, 0xA1, "GOOD")   // breaks the reservation
	want(t, tr, tur, "6/2A/05")       // who lost it is told
	want(t, tr, rewindOp, conflict)   // and locked out
	want(t, second, rewindOp, "GOOD") // the new holder not
	b.want(2, 1, 0xB, 0, "5/26/04")   // release of another type
	b.want(2, 3, 0xB, 0, "GOOD")      // release
	want(t, tr, rewindOp, "GOOD")     //
	b.want(1, 1, 0xB, 0, "GOOD")      // write exclusive
	wantRead(t, tr, 10, conflict)     // a READ moves the tape
	want(t, tr, make10(0x34), "GOOD") // what changes nothing passes
	b.want(3, 0, 0xB, 0, "GOOD")      // clear
	want(t, tr, tur, "6/2A/03")       //
	wantRead(t, tr, 10, "8/00/05 info=10")
	cdb := []byte{0x5F, 0, 0, 0, 0, 0, 0, 0, 23, 0}
	if got := send(t, tr, cdb, make([]byte, 23), 0).String(); got != "5/1A/00" {
		t.Errorf("a list of 23 bytes: %s", got)
	}
	want(t, tr, []byte{0x5F, 7, 0, 0, 0, 0, 0, 0, 24, 0}, "5/24/00")
	want(t, tr, []byte{0x5E, 5, 0, 0, 0, 0, 0, 0, 24, 0}, "5/24/00")
	if got := send(t, tr, []byte{0x5E, 2, 0, 0, 0, 0, 0, 0, 8, 0}, nil, 8); binary.BigEndian.Uint16(got.data) != 8 {
		t.Errorf("capabilities % X", got.data)
	}
	t.Run("registrants only", func(t *testing.T) {
		a.want(6, 0, 0, 0xA, "GOOD")
		b.want(6, 0, 0, 0xB, "GOOD")
		a.want(1, 6, 0xA, 0, "GOOD")
		want(t, second, rewindOp, "GOOD")
		b.want(6, 0, 0, 0, "GOOD") // unregister
		want(t, second, rewindOp, conflict)
		a.want(6, 0, 0, 0, "GOOD") // the holder's reservation goes with its registration
		want(t, second, tur, "6/2A/04")
		want(t, second, rewindOp, "GOOD")
	})
}

func TestReserveUnit(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 1})
	other, err := l.Changer()
	must(t, err)
	quiet(t, other)
	want(t, ch, []byte{0x16, 0, 0, 0, 0, 0}, "GOOD")
	want(t, other, tur, "RESERVATION CONFLICT")
	want(t, other, []byte{0x16, 0, 0, 0, 0, 0}, "RESERVATION CONFLICT")
	want(t, other, []byte{0x17, 0, 0, 0, 0, 0}, "GOOD") // releases nothing
	want(t, other, moveCDB(1001, 257), "RESERVATION CONFLICT")
	if a := send(t, other, []byte{0x12, 0, 0, 0, 36, 0}, nil, 36); a.String() != "GOOD" {
		t.Errorf("INQUIRY: %s", a)
	}
	must(t, ch.Close()) // the nexus is lost, and its reservation
	want(t, other, moveCDB(1001, 257), "GOOD")
}
