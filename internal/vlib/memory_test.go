package vlib_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/drive"
	"tapectl/internal/vlib"
)

func TestMediumMemoryThroughDriver(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "MAM001L6", Capacity: 1 << 30}}, Serial: "LIB42"})
	must(t, l.changer.Move(ctx, 1001, 257))
	d, _ := l.drive(t, 0)
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	must(t, d.Prepare(ctx, drive.PrepareOptions{}))
	must(t, d.Rewind(ctx))
	before, err := d.MediumMemory(ctx)
	must(t, err)
	for range 4 {
		if _, err := d.WriteBlock(ctx, make([]byte, 16<<20-1)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, d.Flush(ctx))
	for id, text := range map[drive.AttributeID]string{0x0800: "TAPECTL", 0x0801: "tapectl", 0x0802: "1.0", 0x0803: "DPM label Ü"} {
		a, ok := drive.NewTextAttribute(id, text)
		if !ok {
			t.Fatalf("attribute %04X does not take %q", id, text)
		}
		must(t, d.WriteAttribute(ctx, a))
	}
	m, err := d.MediumMemory(ctx)
	must(t, err)
	if m.Serial != "LIB4200001" || m.Barcode != "MAM001L6" || m.LoadCount != 1 || m.MediumDensity != 0x5A || m.MediumType != 0 ||
		m.ApplicationVendor != "TAPECTL" || m.ApplicationName != "tapectl" || !strings.HasPrefix(m.UserMediumTextLabel, "DPM label") {
		t.Errorf("cartridge memory %+v", m)
	}
	if m.MaximumCapacity != 1<<30 || before.RemainingCapacity != 1<<30 || m.RemainingCapacity != 1<<30-64<<20 {
		t.Errorf("capacity %d, remaining %d, then %d", m.MaximumCapacity, before.RemainingCapacity, m.RemainingCapacity)
	}
	if m.VolumeChange == before.VolumeChange {
		t.Errorf("the volume change reference stayed %s", m.VolumeChange)
	}
	if m.LastDriveSerial != "LIB420001D" || m.LastDriveVendor != "TAPECTL" {
		t.Errorf("last drive %q %q", m.LastDriveVendor, m.LastDriveSerial)
	}
	// It stays with the cartridge.
	must(t, d.Unload(ctx))
	must(t, l.changer.Move(ctx, 257, 1005))
	must(t, l.changer.Move(ctx, 1005, 258))
	d2, _ := l.drive(t, 1)
	must(t, d2.WaitReady(ctx, drive.WaitOptions{}))
	again, err := d2.MediumMemory(ctx)
	must(t, err)
	if again.LoadCount != 2 || again.ApplicationName != "tapectl" || again.WrittenInLife != 63<<20 || again.VolumeChange != m.VolumeChange ||
		again.LastDriveSerial != "LIB420002D" {
		t.Errorf("in the other drive %+v", again)
	}
	if _, err := d2.Attribute(ctx, 0x0808); !errors.Is(err, drive.ErrNoAttribute) {
		t.Errorf("a missing attribute: %v", err)
	}
}

func attributeCDB(action byte, first uint16, allocation uint32) []byte {
	b := append([]byte{0x8C, action, 0, 0, 0, 0, 0, 0}, byte(first>>8), byte(first))
	return append(binary.BigEndian.AppendUint32(b, allocation), 0, 0)
}

// attributeList is a parameter list of WRITE ATTRIBUTE.
func attributeList(items ...[]byte) (cdb, list []byte) {
	body := bytes.Join(items, nil)
	list = append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	cdb = append([]byte{0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 0, byte(len(list)>>8), byte(len(list)), 0, 0)
	return cdb, list
}

func item(id uint16, format byte, value string) []byte {
	return append([]byte{byte(id >> 8), byte(id), format, byte(len(value) >> 8), byte(len(value))}, value...)
}

func TestAttributes(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 30})
	writeAttributes := func(items ...[]byte) answer {
		cdb, list := attributeList(items...)
		return send(t, tr, cdb, list, 0)
	}
	bad := map[string]struct {
		items [][]byte
		want  string
	}{
		"read only":     {[][]byte{item(0x0003, 0, "12345678")}, "5/26/00"},
		"unknown":       {[][]byte{item(0x0999, 0, "1")}, "5/26/00"},
		"too long":      {[][]byte{item(0x0800, 1, "123456789")}, "5/26/00"},
		"wrong format":  {[][]byte{item(0x0800, 0, "12345678")}, "5/26/00"},
		"wrong order":   {[][]byte{item(0x0801, 1, "a"), item(0x0800, 1, "b")}, "5/26/00"},
		"cut off":       {[][]byte{item(0x0800, 1, "abc")[:6]}, "5/1A/00"},
		"no room":       {[][]byte{item(0x1400, 0, strings.Repeat("x", 1024)), item(0x1401, 0, strings.Repeat("x", 1024)), item(0x1402, 0, strings.Repeat("x", 1024)), item(0x1403, 0, strings.Repeat("x", 1024))}, "5/55/06"},
		"one of two":    {[][]byte{item(0x0800, 1, "GOOD"), item(0x0999, 0, "1")}, "5/26/00"},
		"reserved bits": {[][]byte{item(0x0800, 0x81, "x")}, "5/26/00"},
	}
	for name, test := range bad {
		if a := writeAttributes(test.items...); a.String() != test.want {
			t.Errorf("%s: %s, want %s", name, a, test.want)
		}
	}
	if a := send(t, tr, attributeCDB(0, 0x0800, 1000), nil, 1000); a.String() != "5/24/00" {
		t.Errorf("a refused list left an attribute: %s % X", a, a.data)
	}
	if a := writeAttributes(item(0x0800, 1, "VENDOR"), item(0x0803, 2, "text")); a.String() != "GOOD" {
		t.Fatal(a)
	}
	a := send(t, tr, attributeCDB(0, 0x0800, 11+4), nil, 100)
	if got, want := fmt.Sprintf("% X", a.data[4:]), fmt.Sprintf("% X", item(0x0800, 1, "VENDOR")); got != want {
		t.Errorf("attribute 0800: %s, want %s", got, want)
	}
	if a := writeAttributes(item(0x0800, 1, "")); a.String() != "GOOD" { // length 0 deletes
		t.Error(a)
	}
	want(t, tr, attributeCDB(0, 0x0800, 0), "5/24/00")
	list := send(t, tr, attributeCDB(1, 0, 1000), nil, 1000).data
	if n := binary.BigEndian.Uint32(list); int(n) != len(list)-4 || !bytes.Contains(list[4:], []byte{0x08, 0x03}) {
		t.Errorf("attribute list % X", list)
	}
	supported := send(t, tr, attributeCDB(5, 0, 1000), nil, 1000).data
	if len(supported) <= len(list) {
		t.Errorf("%d supported attributes, %d there", len(supported), len(list))
	}
	if a := send(t, tr, attributeCDB(3, 0, 100), nil, 100); !bytes.Equal(a.data, []byte{0, 2, 0, 1}) {
		t.Errorf("partition list % X", a.data)
	}
	want(t, tr, attributeCDB(4, 0, 100), "5/24/00")
	for _, at := range []int{5, 7} {
		cdb := attributeCDB(0, 0, 100)
		cdb[at] = 1
		want(t, tr, cdb, "5/24/00")
	}
	// A held cartridge has its memory accessible, an ejected one not.
	want(t, tr, []byte{0x1B, 0, 0, 0, 8, 0}, "GOOD")
	if a := send(t, tr, attributeCDB(0, 0x0803, 100), nil, 100); a.String() != "GOOD" {
		t.Errorf("held: %s", a)
	}
	want(t, tr, unloadOp, "GOOD")
	want(t, tr, attributeCDB(0, 0x0803, 100), "2/3A/00")
}

func TestLogPagesThroughDriver(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "LOG001L6", Capacity: 1e9, EarlyWarning: 1e8}}})
	d, tr := l.drive(t, 0)
	status, err := d.DeviceStatus(ctx)
	must(t, err)
	if status.Present || status.Mounted || !status.RobotAccess {
		t.Errorf("empty drive: %+v", status)
	}
	must(t, l.changer.Move(ctx, 1001, 257))
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	must(t, d.Prepare(ctx, drive.PrepareOptions{}))
	must(t, d.Rewind(ctx))
	for range 4 {
		if _, err := d.WriteBlock(ctx, make([]byte, 10e6)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, d.Locate(ctx, 1))
	if _, err := d.ReadBlock(ctx, make([]byte, 10e6)); err != nil {
		t.Fatal(err)
	}
	status, err = d.DeviceStatus(ctx)
	must(t, err)
	if !status.Present || !status.Mounted || !status.Seated || status.RobotAccess || !status.MemoryAccessible || status.WriteProtected {
		t.Errorf("loaded drive: %+v", status)
	}
	access, err := d.SequentialAccess(ctx)
	must(t, err)
	wantAccess := drive.SequentialAccess{BytesFromHost: 40e6, BytesWritten: 40e6, BytesRead: 10e6, BytesToHost: 10e6, ToEndOfDataMB: 40,
		ToEarlyWarningMB: 900, BehindEarlyWarningMB: 100, ToPositionMB: 20, PositionKnown: true, EndOfDataKnown: true}
	if diff := cmp.Diff(wantAccess, access); diff != "" {
		t.Errorf("page 0Ch: %s", diff)
	}
	volume, err := d.VolumeStatistics(ctx)
	must(t, err)
	if !volume.Valid || volume.Mounts != 1 || volume.CapacityMB != 1000 || volume.UsedMB != 40 || volume.Barcode != "LOG001L6" ||
		volume.LifetimeMBWritten != 40 || len(volume.FreePartitions) != 1 || volume.FreePartitions[0].MB != 960 {
		t.Errorf("page 17h: %+v", volume)
	}
	capacity, err := d.TapeCapacity(ctx)
	must(t, err)
	if capacity.MaximumMiB[0] != 953 || capacity.RemainingMiB[0] != 915 {
		t.Errorf("page 31h: %+v", capacity)
	}
	writeErrors, err := d.WriteErrors(ctx)
	must(t, err)
	if writeErrors.Bytes != 40e6 {
		t.Errorf("page 02h: %+v", writeErrors)
	}
	statistics, err := d.DeviceStatistics(ctx)
	must(t, err)
	if statistics.Loads != 1 {
		t.Errorf("page 14h: %+v", statistics)
	}
	medium, err := d.Status(ctx)
	must(t, err)
	if !medium.Ready || medium.Density != 0x5A || medium.MediumType != 0x68 || medium.WORM {
		t.Errorf("status %+v", medium)
	}
	for _, bad := range [][]byte{{0x4D, 0, 0x7F, 0, 0, 0, 0, 0, 4, 0}, {0x4D, 0, 0x4C, 1, 0, 0, 0, 0, 4, 0}, {0x4D, 1, 0x4C, 0, 0, 0, 0, 0, 4, 0}} {
		want(t, tr, bad, "5/24/00")
	}
	if a := send(t, tr, []byte{0x4D, 0, 0x4C, 0, 0, 1, 0, 0, 8, 0}, nil, 8); binary.BigEndian.Uint16(a.data[4:]) != 0x100 {
		t.Errorf("from parameter 100h on: % X", a.data)
	}
	pages := send(t, tr, []byte{0x4D, 0, 0x40, 0, 0, 0, 0, 0, 64, 0}, nil, 64).data
	if fmt.Sprintf("% X", pages) != "00 00 00 0B 00 02 03 0C 0D 11 12 14 17 2E 31" {
		t.Errorf("supported pages % X", pages)
	}
	for _, page := range pages[4:] {
		for _, n := range []int{0, 3, 4, 2000} {
			if a := send(t, tr, []byte{0x4D, 0, 0x40 | page, 0, 0, 0, 0, byte(n >> 8), byte(n), 0}, nil, n); a.String() != "GOOD" || len(a.data) > n {
				t.Errorf("page %02X, %d bytes: %s, %d", page, n, a, len(a.data))
			}
		}
	}
}

func TestTapeAlerts(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	must(t, l.RaiseTapeAlert(0, 4))
	must(t, l.RaiseTapeAlert(0, 0x33))
	response := func() uint64 {
		a := send(t, tr, []byte{0x4D, 0, 0x52, 0, 0, 0, 0, 0, 16, 0}, nil, 16)
		return binary.BigEndian.Uint64(a.data[8:])
	}
	const both = 1<<(64-4) | 1<<(64-0x33)
	for range 2 { // reading changes nothing
		if got := response(); got != both {
			t.Errorf("page 12h %016x, want %016x", got, uint64(both))
		}
	}
	flags := func() (on []int) {
		p := send(t, tr, []byte{0x4D, 0, 0x6E, 0, 0, 0, 0, 4, 0, 0}, nil, 1024).data
		for p = p[4:]; len(p) >= 5; p = p[5:] {
			if p[4] != 0 {
				on = append(on, int(binary.BigEndian.Uint16(p)))
			}
		}
		return on
	}
	if diff := cmp.Diff([]int{4, 0x33}, flags()); diff != "" {
		t.Error(diff)
	}
	if got := flags(); got != nil { // reading clears, for this nexus
		t.Errorf("read again: %v", got)
	}
	must(t, l.RaiseTapeAlert(0, 4))
	if diff := cmp.Diff([]int{4}, flags()); diff != "" {
		t.Error(diff)
	}
	if l.RaiseTapeAlert(0, 65) == nil || l.RaiseTapeAlert(9, 1) == nil {
		t.Error("a flag or drive that is not there")
	}
}

func TestDensitySupport(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{TapeCount: 1, Generations: []string{"LTO-6"}})
	d, tr := l.drive(t, 0)
	list, err := d.Densities(ctx, false)
	must(t, err)
	got := map[byte]bool{}
	for _, x := range list {
		got[x.Primary] = x.Writable
	}
	if diff := cmp.Diff(map[byte]bool{0x46: false, 0x58: true, 0x5A: true}, got); diff != "" {
		t.Errorf("densities of LTO-6, writable or not: %s", diff)
	}
	want(t, tr, []byte{0x44, 1, 0, 0, 0, 0, 0, 0, 56, 0}, "2/3A/00")
	must(t, l.changer.Move(ctx, 1001, 257))
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	list, err = d.Densities(ctx, true)
	must(t, err)
	if len(list) != 1 || list[0].Primary != 0x5A || list[0].CapacityMB != 2500000 || list[0].Organization != "LTO-CVE" {
		t.Errorf("loaded medium: %+v", list)
	}
	if a := send(t, tr, []byte{0x44, 2, 0, 0, 0, 0, 0, 4, 0, 0}, nil, 1024); (len(a.data)-4)%56 != 0 || len(a.data) < 60 {
		t.Errorf("medium types: %s, %d bytes", a, len(a.data))
	}
}

func TestModePages(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	page := func(control, code, sub byte) []byte {
		return send(t, tr, []byte{0x5A, 8, control<<6 | code, sub, 0, 0, 0, 1, 0, 0}, nil, 256).data
	}
	if p := page(0, 0x0F, 0); len(p) != 8+16 || p[8] != 0x0F || p[8+2] != 0xC0 {
		t.Errorf("compression page % X", p)
	}
	if p := page(1, 0x0F, 0); p[8+2] != 0x80 {
		t.Errorf("changeable bits of the compression page % X", p)
	}
	if p := page(0, 0x10, 1); len(p) != 8+32 || p[8] != 0x50 || p[9] != 1 || p[11] != 0x1C {
		t.Errorf("configuration extension % X", p)
	}
	if p := page(0, 0x3F, 0); bytes.Contains(p, []byte{0x50, 0x01, 0x00, 0x1C}) || len(p) < 60 {
		t.Errorf("all pages without subpages: % X", p)
	}
	if p := page(0, 0x3F, 0xFF); !bytes.Contains(p, []byte{0x50, 0x01, 0x00, 0x1C}) {
		t.Errorf("all pages with subpages: % X", p)
	}
	want(t, tr, []byte{0x1A, 0, 0x3E, 0, 255, 0}, "5/24/00")
	want(t, tr, []byte{0x1A, 0, 0xCF, 0, 255, 0}, "5/39/00")
	// Compression off through either page shows in both.
	p := append(make([]byte, 8), page(0, 0x0F, 0)[8:]...)
	p[3], p[8+2] = 0x10, 0x40
	sel := func(p []byte, flags byte) answer {
		return send(t, tr, []byte{0x55, flags, 0, 0, 0, 0, 0, 0, byte(len(p)), 0}, p, 0)
	}
	if a := sel(p, 0x10); a.String() != "GOOD" {
		t.Fatal(a)
	}
	if page(0, 0x0F, 0)[8+2]&0x80 != 0 || page(0, 0x10, 0)[8+14] != 0 {
		t.Error("compression is still on")
	}
	bad := map[string]struct {
		change  func([]byte) []byte
		flags   byte
		want    string
		at, bit int
	}{
		"not PF":           {func(p []byte) []byte { return p }, 0, "5/24/00", 1, 4},
		"save":             {func(p []byte) []byte { return p }, 0x11, "5/24/00", 1, 0},
		"unknown page":     {func(p []byte) []byte { p[8] = 0x3D; return p }, 0x10, "5/26/00", 8, 5},
		"fixed bit":        {func(p []byte) []byte { p[8+3] ^= 0x20; return p }, 0x10, "5/26/00", 8 + 3, 5},
		"page too short":   {func(p []byte) []byte { p[9] = 4; return p[:14] }, 0x10, "5/26/00", 9, -1},
		"cut off":          {func(p []byte) []byte { return p[:12] }, 0x10, "5/1A/00", -1, -1},
		"header cut off":   {func(p []byte) []byte { return p[:5] }, 0x10, "5/1A/00", -1, -1},
		"buffered mode 7":  {func(p []byte) []byte { p[3] = 0x70; return p }, 0x10, "5/26/00", 3, 6},
		"descriptors over": {func(p []byte) []byte { p[7] = 200; return p }, 0x10, "5/1A/00", -1, -1},
	}
	for name, test := range bad {
		a := sel(test.change(bytes.Clone(p)), test.flags)
		at, bit := a.field()
		if a.String() != test.want || at != test.at || bit != test.bit {
			t.Errorf("%s: %s at byte %d bit %d; want %s, %d, %d", name, a, at, bit, test.want, test.at, test.bit)
		}
	}
	density := setBlockLength(0)
	for code, expect := range map[byte]string{0: "GOOD", 0x7F: "GOOD", 0x5A: "GOOD", 0x58: "5/26/00", 0x60: "5/26/00"} {
		density[4] = code
		if a := send(t, tr, modeSelect12, density, 0); a.String() != expect {
			t.Errorf("density %02X: %s, want %s", code, a, expect)
		}
	}
}

// TestModeChangeIsTold gives the other nexuses 2A/01.
func TestModeChangeIsTold(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1})
	other, err := l.Drive(0)
	must(t, err)
	quiet(t, other)
	if a := send(t, tr, modeSelect12, setBlockLength(512), 0); a.String() != "GOOD" {
		t.Fatal(a)
	}
	want(t, other, tur, "6/2A/01")
	want(t, tr, tur, "GOOD")
	if a := send(t, other, []byte{0x1A, 0, 0, 0, 12, 0}, nil, 12); a.data[10] != 2 {
		t.Errorf("block length as the other nexus sees it: % X", a.data)
	}
}
