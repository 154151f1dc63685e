package vlib_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// TestDriversStandEveryProfile runs the drivers' whole round over each set of quirks.
func TestDriversStandEveryProfile(t *testing.T) {
	t.Parallel()
	for _, name := range vlib.QuirkProfiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := vlib.QuirkProfile(name)
			must(t, err)
			q.BusyCommands = 0 // the driver waits a second for each
			l := newLab(t, vlib.Config{Slots: 40, MailSlots: 3, TapeCount: 30, Drives: 3, CleaningTapes: 1, Capacity: 64 << 20, Quirks: q})
			round(t, l, q)
		})
	}
}

func round(t *testing.T, l *lab, q vlib.Quirks) {
	ctx := context.Background()
	elements, err := l.changer.Elements(ctx)
	must(t, err)
	full, tagged := 0, 0
	for _, e := range elements {
		if e.Full {
			full++
		}
		if e.PrimaryVolumeTag.Identifier != "" {
			tagged++
		}
	}
	if len(elements) != 1+40+3+3 || full != 31 || tagged != 31 && !q.NoVolumeTags {
		t.Errorf("%d elements, %d full, %d with barcode", len(elements), full, tagged)
	}
	names, err := l.changer.DriveIdentifiers(ctx)
	if q.NoDVCID != errors.Is(err, changer.ErrNoDeviceIdentifiers) {
		t.Errorf("identifiers %v, %v", names, err)
	}
	must(t, l.changer.Move(ctx, 1002, 258))
	d, _ := l.drive(t, 1)
	must(t, d.WaitReady(ctx, drive.WaitOptions{JustMoved: true}))
	must(t, d.Prepare(ctx, drive.PrepareOptions{}))
	must(t, d.Rewind(ctx))
	var blocks [][]byte
	for n := range 8 {
		b := bytes.Repeat([]byte{byte(n + 1)}, 1000*(8-n)+7)
		if _, err := d.WriteBlock(ctx, b); err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
		if n == 3 {
			if _, err := d.WriteFilemarks(ctx, 1, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, d.Flush(ctx))
	must(t, d.Rewind(ctx))
	buf := make([]byte, 16384)
	read := func(n int) {
		t.Helper()
		k, err := d.ReadBlock(ctx, buf)
		if err != nil || !bytes.Equal(buf[:k], blocks[n]) {
			t.Fatalf("block %d: %d bytes, %v", n, k, err)
		}
	}
	for n := range 4 {
		read(n)
	}
	if _, err := d.ReadBlock(ctx, buf); !errors.Is(err, drive.ErrFilemark) {
		t.Fatalf("at the filemark: %v", err)
	}
	for n := 4; n < 8; n++ {
		read(n)
	}
	if _, err := d.ReadBlock(ctx, buf); !errors.Is(err, drive.ErrEndOfData) {
		t.Fatalf("at the end: %v", err)
	}
	must(t, d.Locate(ctx, 6)) // behind the filemark, which counts
	read(5)
	must(t, d.Locate(ctx, 1))
	read(1)
	must(t, d.SpaceEndOfData(ctx))
	if p, err := d.Position(ctx); err != nil || p.Object != 9 {
		t.Errorf("end of data at %+v, %v", p, err)
	}
	must(t, d.Unload(ctx))
	must(t, l.changer.Move(ctx, 258, 1002))
	e, err := l.changer.Element(ctx, 1002)
	if err != nil || !e.Full {
		t.Errorf("after the unload: %+v, %v", e, err)
	}
}

func TestQuirksOfElementStatus(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{Slots: 30, TapeCount: 20, CleaningTapes: 1})
	set := func(q vlib.Quirks) {
		t.Helper()
		must(t, l.SetQuirks(q))
	}
	report := func(cdb []byte) []byte { return send(t, ch, cdb, nil, 65535).data }
	whole := report(statusCDB(0x12, 0, 5, 0, 65535))
	set(vlib.Quirks{TruncateAnswer: 8})
	if got := report(statusCDB(0x12, 0, 5, 0, 65535)); !bytes.Equal(got, whole[:len(whole)-8]) {
		t.Errorf("truncated answer of %d bytes, whole %d", len(got), len(whole))
	}
	set(vlib.Quirks{IgnoreElementCount: true})
	if got := elementsOf(t, ch, statusCDB(0x02, 1010, 1, 0, 65535)); len(got) != 21 {
		t.Errorf("%d elements", len(got))
	}
	set(vlib.Quirks{MaxElements: 3})
	if got := elementsOf(t, ch, statusCDB(0x02, 0, 100, 0, 65535)); len(got) != 3 {
		t.Errorf("%d elements", len(got))
	}
	set(vlib.Quirks{MaxAnswer: 500})
	if got := report(statusCDB(0x12, 0, 100, 0, 65535)); len(got) > 500 || len(got) < 300 {
		t.Errorf("%d bytes", len(got))
	}
	set(vlib.Quirks{NULVolumeTags: true})
	if got := report(statusCDB(0x12, 0, 1, 0, 65535)); !bytes.HasPrefix(got[16+12:], append([]byte("VTL001L6"), make([]byte, 24)...)) {
		t.Errorf("% X", got)
	}
	set(vlib.Quirks{ExceptForCleaning: true})
	if got := elementsOf(t, ch, statusCDB(0x12, 1030, 1, 0, 65535)); !got[0].Exception || got[0].ASC != 0x30 || got[0].ASCQ != 3 {
		t.Errorf("%+v", got)
	}
	want(t, ch, moveCDB(1001, 257), "GOOD")
	set(vlib.Quirks{SourceNeverValid: true, AccessNeverSet: true})
	if got := elementsOf(t, ch, statusCDB(0x04, 0, 1, 0, 65535)); got[0].SourceValid || got[0].Accessible {
		t.Errorf("%+v", got)
	}
	set(vlib.Quirks{AccessAlwaysSet: true})
	if got := elementsOf(t, ch, statusCDB(0x04, 0, 1, 0, 65535)); !got[0].Accessible {
		t.Errorf("%+v", got)
	}
	set(vlib.Quirks{SerialOnlyIdentifier: true})
	if got := elementsOf(t, ch, statusCDB(0x04, 0, 1, 1, 65535)); got[0].Identifier.Vendor != "" || got[0].Identifier.Serial == "" {
		t.Errorf("%+v", got)
	}
	refused := map[string]struct {
		q   vlib.Quirks
		cdb []byte
	}{
		"NoDVCID":              {vlib.Quirks{NoDVCID: true}, statusCDB(4, 0, 1, 1, 100)},
		"DVCIDExcludesVOLTAG":  {vlib.Quirks{DVCIDExcludesVOLTAG: true}, statusCDB(0x14, 0, 1, 1, 100)},
		"DVCIDOnlyForDrives":   {vlib.Quirks{DVCIDOnlyForDrives: true}, statusCDB(0, 0, 1, 1, 100)},
		"NoVolumeTags":         {vlib.Quirks{NoVolumeTags: true}, statusCDB(0x12, 0, 1, 0, 100)},
		"NoCURDATA":            {vlib.Quirks{NoCURDATA: true}, statusCDB(2, 0, 1, 2, 100)},
		"NoAllTypes":           {vlib.Quirks{NoAllTypes: true}, statusCDB(0, 0, 1, 0, 100)},
		"RefuseDBD":            {vlib.Quirks{RefuseDBD: true}, []byte{0x1A, 8, 0x1D, 0, 100, 0}},
		"NoMailMoves":          {vlib.Quirks{}, statusCDB(5, 0, 1, 0, 100)},
		"Unsupported":          {vlib.Quirks{ChangerUnsupported: []int{0x5A}}, []byte{0x5A, 8, 0x1D, 0, 0, 0, 0, 0, 100, 0}},
		"RealTransportAddress": {vlib.Quirks{RealTransportAddress: true}, moveCDB(1002, 258)},
	}
	for name, test := range refused {
		set(test.q)
		got := send(t, ch, test.cdb, nil, 0).String()
		expect := map[string]string{"Unsupported": "5/20/00", "RealTransportAddress": "5/21/01"}[name]
		if expect == "" {
			expect = "5/24/00"
		}
		if got != expect {
			t.Errorf("%s: %s, want %s", name, got, expect)
		}
	}
	if err := l.SetQuirks(vlib.Quirks{MaxElements: -1}); err == nil {
		t.Error("accepted a negative count")
	}
	if err := l.SetQuirks(vlib.Quirks{DriveUnsupported: []int{300}}); err == nil {
		t.Error("accepted operation code 300")
	}
}

func TestQuirksOfDrives(t *testing.T) {
	setup := func(q vlib.Quirks) (scsi.Transport, scsi.Transport) {
		_, ch, tr := rawLab(t, vlib.Config{TapeCount: 1, MailSlots: 1, Capacity: 8000, Quirks: q})
		want(t, ch, moveCDB(1001, 257), "GOOD")
		return ch, tr
	}
	sequence := func(tr scsi.Transport, n int) string {
		var list []string
		for range n {
			list = append(list, send(t, tr, tur, nil, 0).String())
		}
		return strings.Join(list, ", ")
	}
	_, tr := setup(vlib.Quirks{AbsentAtFirst: 1, SlowReady: 2})
	if got := sequence(tr, 5); got != "2/3A/00, 2/04/01, 2/04/01, 6/28/00, GOOD" {
		t.Error(got)
	}
	_, tr = setup(vlib.Quirks{LoadCommandNeeded: true})
	if got := sequence(tr, 2); got != "2/04/02, 2/04/02" {
		t.Error(got)
	}
	want(t, tr, loadOp, "GOOD")
	want(t, tr, tur, "GOOD")
	ch, tr := setup(vlib.Quirks{UnloadDoesNothing: true, AutoUnload: true, NoMediumAttention: true})
	want(t, tr, tur, "GOOD")
	want(t, tr, unloadOp, "GOOD")
	want(t, tr, tur, "GOOD")
	want(t, ch, moveCDB(257, 1001), "GOOD")
	want(t, tr, tur, "2/3A/00")
	_, tr = setup(vlib.Quirks{PositionUnknown: true, NoMediumAttention: true})
	if a := send(t, tr, make10(0x34), nil, 20); a.data[0] != 0x14 || !bytes.Equal(a.data[1:], make([]byte, 19)) {
		t.Errorf("short position % X", a.data)
	}
	if a := send(t, tr, []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}, nil, 32); a.data[0] != 0x0C {
		t.Errorf("long position % X", a.data)
	}
	want(t, tr, []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0}, "5/24/00")
	_, tr = setup(vlib.Quirks{EndIsOnlyAFlag: true, NoMediumAttention: true})
	wantWrite(t, tr, make([]byte, 7990), "GOOD")
	for range 3 {
		wantWrite(t, tr, make([]byte, 100), "0/00/00 EOM")
	}
	want(t, tr, spaceCDB(0, -4), "GOOD")
	wantRead(t, tr, 7990, "GOOD")
	_, tr = setup(vlib.Quirks{CleaningRequested: true, NoMediumAttention: true})
	want(t, tr, tur, "0/82/82")
	_, tr = setup(vlib.Quirks{DescriptorSense: true, NoMediumAttention: true})
	if a := send(t, tr, []byte{8, 0, 0, 0, 10, 0}, nil, 10); a.String() != "8/00/05 info=10" || !a.sense.Descriptor {
		t.Errorf("%s, descriptor %t", a, a.sense.Descriptor)
	}
	wantWrite(t, tr, make([]byte, 5), "GOOD")
	want(t, tr, spaceCDB(0, -1), "GOOD")
	wantRead(t, tr, 4, "0/00/00 ILI info=-1")
	if a := send(t, tr, []byte{8, 4, 0, 0, 10, 0}, nil, 10); a.String() != "5/24/00" || a.sense.SenseKeySpecific != [3]byte{0xCA, 0, 1} {
		t.Errorf("%s % X", a, a.sense.SenseKeySpecific)
	}
	_, tr = setup(vlib.Quirks{NoBarcodeAttribute: true, NoMediumAttention: true})
	want(t, tr, attributeCDB(0, 0x0806, 100), "5/24/00")
	_, tr = setup(vlib.Quirks{PaddedSerial: true})
	if a := send(t, tr, []byte{0x12, 1, 0x80, 0, 100, 0}, nil, 100); len(a.data) != 40 || a.data[4] != ' ' {
		t.Errorf("%q", a.data)
	}
	l, ch, _ := rawLab(t, vlib.Config{Quirks: vlib.Quirks{}})
	must(t, l.SetQuirks(vlib.Quirks{BusyCommands: 2, AttentionStorm: 3}))
	other, err := l.Changer()
	must(t, err)
	if got := sequence(other, 7); got != "BUSY, BUSY, 6/29/00, 6/28/00, 6/3F/0E, 6/2A/01, GOOD" {
		t.Error(got)
	}
	want(t, ch, tur, "GOOD")
}

// TestTgt compares the profile with what was measured on tgt 1.0.85.
func TestTgt(t *testing.T) {
	q, err := vlib.QuirkProfile("tgt")
	must(t, err)
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20, Quirks: q})
	markedTape(t, tr) // b b M b b b M M b
	at := func(n int) {
		t.Helper()
		want(t, tr, rewindOp, "GOOD")
		if n > 0 {
			want(t, tr, spaceCDB(0, n), "GOOD") // marks count as blocks
		}
	}
	for _, test := range []struct {
		from  int
		code  byte
		n     int
		want  string
		marks string // what the next reads give: b block, M mark, . end
	}{
		{0, 0, 3, "GOOD", "b"},
		{0, 0, 2, "GOOD", "M"},
		{0, 0, 99, "0/00/05", "."},
		{9, 0, -2, "GOOD", "Mb"},
		{2, 0, -9, "GOOD", "b"},
		{0, 1, 9, "0/00/05", "."},
		{9, 1, -1, "GOOD", "MM"}, // one object too far
		{0, 1, 1, "GOOD", "b"},
		{0, 1, -1, "0/00/04", "b"},
	} {
		at(test.from)
		want(t, tr, spaceCDB(test.code, test.n), test.want)
		for _, c := range test.marks {
			wantRead(t, tr, 10, map[rune]string{'b': "GOOD", 'M': "0/00/01 FM info=10", '.': "8/00/00 EOM"}[c])
		}
	}
	t.Run("short reads lose data", func(t *testing.T) {
		at(0)
		wantWrite(t, tr, bytes.Repeat([]byte{1}, 200), "GOOD")
		at(0)
		a := send(t, tr, []byte{8, 2, 0, 1, 0, 0}, nil, 256) // SILI is ignored
		if a.String() != "0/00/00 ILI info=56" || a.resid != 200 || len(a.data) != 56 {
			t.Errorf("%s, residual %d", a, a.resid)
		}
		at(0)
		a = send(t, tr, []byte{8, 0, 0, 4, 0, 0}, nil, 1024)
		if a.String() != "0/00/00 ILI info=824" || len(a.data) != 824 || !bytes.Equal(a.data[:200], bytes.Repeat([]byte{1}, 200)) {
			t.Errorf("%s, %d bytes", a, len(a.data))
		}
	})
	for _, op := range []byte{0x19, 0x2B, 0x44, 0x4D, 0x8C, 0x92} {
		cdb := make([]byte, 16)
		cdb[0] = op
		want(t, tr, cdb, "5/20/00")
	}
}

func TestQuirkProfiles(t *testing.T) {
	if _, err := vlib.QuirkProfile("no such"); err == nil || !strings.Contains(err.Error(), "tgt") {
		t.Errorf("an unknown profile: %v", err)
	}
	a, err := vlib.QuirkProfile("tgt")
	must(t, err)
	a.DriveUnsupported[0] = 0xFF
	b, err := vlib.QuirkProfile("tgt")
	must(t, err)
	if b.DriveUnsupported[0] == 0xFF {
		t.Error("a profile is shared with its users")
	}
	if got := fmt.Sprint(vlib.QuirkProfiles()[:2]); got != "[none tgt]" {
		t.Error(got)
	}
}
