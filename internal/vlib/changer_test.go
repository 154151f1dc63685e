package vlib_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func statusCDB(kind byte, start, count, flags int, allocation int) []byte {
	return []byte{0xB8, kind, byte(start >> 8), byte(start), byte(count >> 8), byte(count), byte(flags), byte(allocation >> 16),
		byte(allocation >> 8), byte(allocation), 0, 0}
}

func elementsOf(t *testing.T, tr scsi.Transport, cdb []byte) []changer.Element {
	t.Helper()
	a := send(t, tr, cdb, nil, 65535)
	if a.String() != "GOOD" {
		t.Fatalf("% X: %s", cdb, a)
	}
	r, err := changer.DecodeElementStatus(a.data)
	must(t, err)
	return r.Elements
}

func TestMoves(t *testing.T) {
	_, ch, _ := rawLab(t, vlib.Config{Slots: 4, MailSlots: 2, TapeCount: 3, Capacity: 1 << 20})
	steps := []struct {
		from, to int
		want     string
	}{
		{1001, 1002, "5/3B/0D"}, // destination full
		{1004, 257, "5/3B/0E"},  // source empty
		{1004, 1001, "5/3B/0E"}, // both: empty comes first
		{1005, 257, "5/21/01"},
		{1001, 259, "5/21/01"},
		{0, 257, "5/21/01"},
		{1001, 1, "5/21/01"}, // the arm keeps nothing
		{1, 1001, "5/3B/0E"},
		{1001, 1001, "GOOD"},
		{1001, 257, "GOOD"},
		{1001, 258, "5/3B/0E"},
		{1002, 257, "5/3B/0D"},
		{257, 1001, "5/53/03"},
		{1002, 769, "GOOD"},
		{769, 770, "GOOD"},
		{770, 258, "GOOD"},
	}
	for _, s := range steps {
		t.Run(fmt.Sprintf("%d to %d", s.from, s.to), func(t *testing.T) { want(t, ch, moveCDB(s.from, s.to), s.want) })
	}
	bad := map[string][]byte{
		"another arm": {0xA5, 0, 0, 2, 3, 0xEB, 1, 2, 0, 0, 0, 0},
	}
	for name, cdb := range bad {
		if a := send(t, ch, cdb, nil, 0); a.String() != "5/21/01" {
			t.Errorf("%s: %s", name, a)
		}
	}
	want(t, ch, []byte{0xA5, 0, 0, 1, 3, 0xEB, 3, 0xE9, 0, 0, 1, 0}, "5/24/00") // inverted
	want(t, ch, []byte{0xA5, 0, 0, 1, 3, 0xEB, 3, 0xE9, 0, 0, 0, 0}, "GOOD")    // 1003 to 1001 with the arm's address
}

func TestElementStatus(t *testing.T) {
	_, ch, _ := rawLab(t, vlib.Config{Slots: 4, MailSlots: 1, Serial: "XY", Generations: []string{"LTO-9", "LTO-6"},
		Tapes: []vlib.TapeConfig{{Barcode: "ABC001L6"}, {Barcode: "ABC002LW"}, {Barcode: "", Media: "L6"}}, CleaningTapes: 1})
	want(t, ch, moveCDB(1001, 258), "GOOD")
	want(t, ch, moveCDB(1002, 769), "GOOD")
	got := elementsOf(t, ch, statusCDB(0x10, 0, 0xFFFF, 1, 65535))
	element := func(a changer.ElementAddress, k changer.ElementType) changer.Element {
		return changer.Element{Address: a, Type: k, Accessible: k != changer.MediumTransport, VolumeTagReported: true}
	}
	arm := element(1, changer.MediumTransport)
	d0, d1 := element(257, changer.DataTransfer), element(258, changer.DataTransfer)
	d0.Identifier = changer.DeviceIdentifier{CodeSet: 2, Type: 1, Vendor: "TAPECTL", Product: "Ultrium 9-SCSI", Serial: "XY0001D",
		Raw: []byte("TAPECTL Ultrium 9-SCSI  XY0001D")}
	d1.Identifier = changer.DeviceIdentifier{CodeSet: 2, Type: 1, Vendor: "TAPECTL", Product: "Ultrium 6-SCSI", Serial: "XY0002D",
		Raw: []byte("TAPECTL Ultrium 6-SCSI  XY0002D")}
	d1.Full, d1.Accessible, d1.SourceValid, d1.Source, d1.MediumType = true, false, true, 1001, changer.MediumData
	d1.PrimaryVolumeTag.Identifier = "ABC001L6"
	mail := element(769, changer.ImportExport)
	mail.Full, mail.SourceValid, mail.Source, mail.MediumType = true, true, 1002, changer.MediumWORM
	mail.ImportEnabled, mail.ExportEnabled = true, true
	mail.PrimaryVolumeTag.Identifier = "ABC002LW"
	s1, s2, s3, s4 := element(1001, changer.Storage), element(1002, changer.Storage), element(1003, changer.Storage), element(1004, changer.Storage)
	s3.Full, s3.MediumType = true, changer.MediumData
	s4.Full, s4.MediumType = true, changer.MediumCleaning
	s4.PrimaryVolumeTag.Identifier = "CLNU01CU"
	wanted := []changer.Element{arm, d0, d1, mail, s1, s2, s3, s4}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	t.Run("by type", func(t *testing.T) {
		for kind, n := range []int{8, 1, 4, 1, 2} {
			if got := len(elementsOf(t, ch, statusCDB(0x10|byte(kind), 0, 100, 0, 65535))); got != n {
				t.Errorf("type %d: %d elements, want %d", kind, got, n)
			}
		}
	})
	t.Run("start and count", func(t *testing.T) {
		got := elementsOf(t, ch, statusCDB(0x02, 1002, 2, 0, 65535))
		if len(got) != 2 || got[0].Address != 1002 || got[1].Address != 1003 || got[0].VolumeTagReported {
			t.Errorf("%+v", got)
		}
	})
	t.Run("allocation length", func(t *testing.T) {
		whole := send(t, ch, statusCDB(0x10, 0, 100, 0, 65535), nil, 65535).data
		for _, n := range []int{0, 4, 8, 100} {
			if a := send(t, ch, statusCDB(0x10, 0, 100, 0, n), nil, 200); !bytes.Equal(a.data, whole[:n]) {
				t.Errorf("%d bytes: % X", n, a.data)
			}
		}
		// The byte count is that of the whole report.
		if n := int(whole[5])<<16 | int(whole[6])<<8 | int(whole[7]); n != len(whole)-8 {
			t.Errorf("byte count %d of %d bytes", n, len(whole))
		}
	})
	t.Run("refused", func(t *testing.T) {
		want(t, ch, statusCDB(0x05, 0, 1, 0, 100), "5/24/00")
		want(t, ch, statusCDB(0x20, 0, 1, 0, 100), "5/24/00")
		want(t, ch, statusCDB(0, 0, 1, 4, 100), "5/24/00")
		want(t, ch, statusCDB(0, 1005, 1, 0, 100), "5/21/01")
	})
	t.Run("no mail slots", func(t *testing.T) {
		_, ch, _ := rawLab(t, vlib.Config{Slots: 1, Drives: 1})
		if a := send(t, ch, statusCDB(3, 0, 10, 0, 100), nil, 100); len(a.data) != 8 || binary.BigEndian.Uint16(a.data[2:]) != 0 {
			t.Errorf("% X", a.data)
		}
	})
}

func TestChangerCommands(t *testing.T) {
	_, ch, _ := rawLab(t, vlib.Config{Slots: 4, MailSlots: 2, TapeCount: 1})
	good := map[string][]byte{
		"TEST UNIT READY":                      tur,
		"INITIALIZE ELEMENT STATUS":            {0x07, 0, 0, 0, 0, 0},
		"INITIALIZE ELEMENT STATUS WITH RANGE": {0x37, 1, 3, 0xE9, 0, 0, 0, 2, 0, 0},
		"POSITION TO ELEMENT":                  {0x2B, 0, 0, 1, 3, 0xE9, 0, 0, 0, 0},
		"OPEN MAIL SLOT":                       {0x1B, 0, 3, 1, 0, 0},
		"CLOSE MAIL SLOT":                      {0x1B, 0, 3, 1, 1, 0},
		"RESERVE":                              {0x16, 0, 0, 0, 0, 0},
		"RELEASE":                              {0x17, 0, 0, 0, 0, 0},
	}
	for name, cdb := range good {
		t.Run(name, func(t *testing.T) { want(t, ch, cdb, "GOOD") })
	}
	bad := map[string]struct {
		cdb  []byte
		want string
	}{
		"unknown":              {[]byte{0x08, 0, 0, 0, 1, 0}, "5/20/00"},
		"EXCHANGE not there":   {[]byte{0xA6, 0, 0, 0, 3, 0xE9, 3, 0xEA, 3, 0xEB, 0, 0}, "5/20/00"},
		"range outside":        {[]byte{0x37, 1, 0, 99, 0, 0, 0, 2, 0, 0}, "5/21/01"},
		"position outside":     {[]byte{0x2B, 0, 0, 1, 0, 99, 0, 0, 0, 0}, "5/21/01"},
		"position inverted":    {[]byte{0x2B, 0, 0, 1, 3, 0xE9, 0, 0, 1, 0}, "5/24/00"},
		"position another arm": {[]byte{0x2B, 0, 0, 9, 3, 0xE9, 0, 0, 0, 0}, "5/21/01"},
		"open a slot":          {[]byte{0x1B, 0, 3, 0xE9, 0, 0}, "5/21/01"},
		"open, action 5":       {[]byte{0x1B, 0, 3, 1, 5, 0}, "5/24/00"},
		"service action":       {[]byte{0xA3, 0x0D, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "5/24/00"},
		"too short":            {[]byte{0xA5, 0, 0, 0, 3, 0xE9}, "5/24/00"},
		"control byte":         {[]byte{0x00, 0, 0, 0, 0, 4}, "5/24/00"},
		"mode page 02":         {[]byte{0x1A, 0, 0x02, 0, 100, 0}, "5/24/00"},
	}
	for name, test := range bad {
		t.Run(name, func(t *testing.T) { want(t, ch, test.cdb, test.want) })
	}
	t.Run("field pointer", func(t *testing.T) {
		a := send(t, ch, []byte{0xB8, 0x40, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0}, nil, 100)
		if at, bit := a.field(); a.String() != "5/24/00" || at != 1 || bit != 6 || a.sense.SenseKeySpecific[0]&0x40 == 0 {
			t.Errorf("%s at byte %d bit %d", a, at, bit)
		}
	})
	t.Run("mode page 1D", func(t *testing.T) {
		a := send(t, ch, []byte{0x1A, 8, 0x1D, 0, 36, 0}, nil, 36)
		if got := fmt.Sprintf("% X", a.data); got != "17 00 00 00 1D 12 00 01 00 01 03 E9 00 04 03 01 00 02 01 01 00 02 00 00" {
			t.Errorf("%s", got)
		}
		if a := send(t, ch, []byte{0x5A, 8, 0x1F, 0, 0, 0, 0, 0, 36, 0}, nil, 36); len(a.data) != 28 || a.data[8+2] != 0x0E {
			t.Errorf("page 1Fh % X", a.data)
		}
	})
	t.Run("log pages", func(t *testing.T) {
		a := send(t, ch, []byte{0x4D, 0, 0x40, 0, 0, 0, 0, 0, 64, 0}, nil, 64)
		if got := fmt.Sprintf("% X", a.data); got != "00 00 00 04 00 0D 14 2E" {
			t.Errorf("%s", got)
		}
		want(t, ch, moveCDB(1001, 1002), "GOOD")
		a = send(t, ch, []byte{0x4D, 0, 0x54, 0, 0, 0, 0, 0, 64, 0}, nil, 64)
		if got := fmt.Sprintf("% X", a.data); got != "14 00 00 0C 00 00 03 08 00 00 00 00 00 00 00 01" {
			t.Errorf("statistics after a move %s", got)
		}
	})
}

func TestExchange(t *testing.T) {
	l, ch, dr := rawLab(t, vlib.Config{Slots: 4, TapeCount: 3, Exchange: true, Capacity: 1 << 20})
	exchange := func(from, first, second int) []byte {
		return []byte{0xA6, 0, 0, 0, byte(from >> 8), byte(from), byte(first >> 8), byte(first), byte(second >> 8), byte(second), 0, 0}
	}
	where := func() string {
		tapes, err := l.Tapes()
		must(t, err)
		return fmt.Sprint(tapes[0].Element, tapes[1].Element, tapes[2].Element)
	}
	want(t, ch, moveCDB(1001, 257), "GOOD")
	quiet(t, dr)
	want(t, ch, exchange(1002, 257, 1001), "5/53/03") // the drive holds its tape
	want(t, dr, unloadOp, "GOOD")
	want(t, ch, exchange(1002, 257, 1001), "GOOD")
	if got := where(); got != "1001 257 1003" {
		t.Errorf("tapes are in %s", got)
	}
	want(t, dr, tur, "6/28/00")
	want(t, ch, exchange(1001, 1003, 1001), "GOOD") // two tapes change places
	if got := where(); got != "1003 257 1001" {
		t.Errorf("tapes are in %s", got)
	}
	want(t, ch, exchange(1002, 1001, 1004), "5/3B/0E")
	want(t, ch, exchange(1001, 1003, 257), "5/3B/0D")
	want(t, ch, exchange(1001, 1099, 1004), "5/21/01")
	if got := where(); got != "1003 257 1001" {
		t.Errorf("after refused exchanges tapes are in %s", got)
	}
}

// TestTenThousandSlots holds the inventory of a big library to few commands and little time.
func TestTenThousandSlots(t *testing.T) {
	folder := fast(t)
	start := time.Now()
	must(t, vlib.Create(folder, vlib.Config{Slots: 10000, Drives: 20, MailSlots: 200, TapeCount: 9900}))
	t.Logf("created in %v", time.Since(start))
	l, err := vlib.Open(folder)
	must(t, err)
	defer l.Close()
	tr, err := l.Changer()
	must(t, err)
	counter := &counting{Transport: tr}
	ch, err := changer.New(context.Background(), counter)
	must(t, err)
	counter.status = 0
	start = time.Now()
	elements, err := ch.Elements(context.Background())
	must(t, err)
	took := time.Since(start)
	t.Logf("inventory in %v with %d commands", took, counter.status)
	if counter.status > 16 {
		t.Errorf("%d READ ELEMENT STATUS commands, want at most 16", counter.status)
	}
	if limit := 300 * time.Millisecond; took > limit && !raceDetector {
		t.Errorf("inventory took %v, want at most %v", took, limit)
	}
	full := 0
	for _, e := range elements {
		if e.Full {
			full++
		}
	}
	if len(elements) != 1+10000+200+20 || full != 9900 || elements[len(elements)-1].Address == 0 {
		t.Errorf("%d elements, %d full", len(elements), full)
	}
	must(t, ch.Move(context.Background(), 10900, 276))
	e, err := ch.Element(context.Background(), 276)
	must(t, err)
	if e.PrimaryVolumeTag.Identifier != "VTL9900L6" || e.Source != 10900 {
		t.Errorf("%+v", e)
	}
}

// counting counts READ ELEMENT STATUS commands.
type counting struct {
	scsi.Transport
	status int
}

func (c *counting) Send(ctx context.Context, cmd *scsi.Command) error {
	if cmd.CDB[0] == 0xB8 {
		c.status++
	}
	return c.Transport.Send(ctx, cmd)
}
