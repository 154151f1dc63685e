package vlib_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// drivenTape is a driver on a loaded tape, at its beginning.
func drivenTape(t *testing.T, c vlib.Config) (*lab, *drive.Drive) {
	t.Helper()
	ctx := context.Background()
	l := newLab(t, c)
	must(t, l.changer.Move(ctx, 1001, 257))
	d, _ := l.drive(t, 0)
	must(t, d.WaitReady(ctx, drive.WaitOptions{}))
	must(t, d.Prepare(ctx, drive.PrepareOptions{}))
	must(t, d.Rewind(ctx))
	return l, d
}

// TestDriverFillsATape writes until the end, as a backup does that spans tapes, and reads all of it.
func TestDriverFillsATape(t *testing.T) {
	ctx := context.Background()
	_, d := drivenTape(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "F00001L6", Capacity: 1 << 20, EarlyWarning: 1 << 18}}})
	p := make([]byte, 1<<16)
	written, warned := 0, 0
	for {
		p[0] = byte(written)
		warning, err := d.WriteBlock(ctx, p)
		var full *drive.EndOfMediumError
		if errors.As(err, &full) {
			break
		}
		must(t, err)
		written++
		if warning {
			warned++
		}
	}
	if written != 16 || warned != 4 {
		t.Errorf("%d blocks, %d of them with early warning; want 16, 4", written, warned)
	}
	if warning, err := d.WriteFilemarks(ctx, 2, false); err != nil || !warning {
		t.Errorf("filemarks at the end: %t, %v", warning, err)
	}
	must(t, d.Rewind(ctx))
	for n := range written {
		if k, err := d.ReadBlock(ctx, p); err != nil || k != len(p) || p[0] != byte(n) {
			t.Fatalf("block %d: %d bytes, %v", n, k, err)
		}
	}
	for range 2 {
		if _, err := d.ReadBlock(ctx, p); !errors.Is(err, drive.ErrFilemark) {
			t.Errorf("%v", err)
		}
	}
	if _, err := d.ReadBlock(ctx, p); !errors.Is(err, drive.ErrEndOfData) {
		t.Errorf("%v", err)
	}
}

// TestDriverAfterUnknownWrite lets a write go unanswered, executed or not: the driver finds out by the position.
func TestDriverAfterUnknownWrite(t *testing.T) {
	ctx := context.Background()
	for _, executed := range []bool{true, false} {
		t.Run(fmt.Sprintf("executed %t", executed), func(t *testing.T) {
			l, d := drivenTape(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
			for range 2 {
				if _, err := d.WriteBlock(ctx, make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
			}
			inject(t, l.Library, vlib.Fault{Device: "drive0", Kind: vlib.FaultTimeout, Operations: []int{0x0A}, Executed: executed})
			_, err := d.WriteBlock(ctx, make([]byte, 100))
			var not *drive.NotWrittenError
			if errors.As(err, &not) == executed || err == nil != executed {
				t.Errorf("the driver says %v", err)
			}
		})
	}
}

func TestDriverSeesProtection(t *testing.T) {
	ctx := context.Background()
	_, d := drivenTape(t, vlib.Config{Tapes: []vlib.TapeConfig{{Barcode: "P00001L6", Capacity: 1 << 20, WriteProtected: true}}})
	s, err := d.Status(ctx)
	must(t, err)
	if !s.WriteProtected || !s.Ready {
		t.Errorf("%+v", s)
	}
	if _, err := d.WriteBlock(ctx, make([]byte, 10)); !errors.Is(err, scsi.WriteProtected) {
		t.Errorf("the driver says %v", err)
	}
}

func TestDriverSeesCleaning(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, vlib.Config{Slots: 2, CleaningTapes: 1})
	must(t, l.changer.Move(ctx, 1002, 257))
	d, _ := l.drive(t, 0)
	err := d.WaitReady(ctx, drive.WaitOptions{JustMoved: true})
	var cleaning *drive.CleaningCartridgeError
	if !errors.As(err, &cleaning) {
		t.Errorf("the driver says %v", err)
	}
}

// TestEmptyDrive sends every command to a drive without a tape: what needs one says so, the rest works.
func TestEmptyDrive(t *testing.T) {
	_, _, tr := rawLab(t, vlib.Config{})
	const absent = "2/3A/00"
	tests := map[string]struct {
		cdb  []byte
		want string
	}{
		"TEST UNIT READY": {tur, absent}, "REWIND": {rewindOp, absent}, "FORMAT MEDIUM": {[]byte{4, 0, 0, 0, 0, 0}, absent},
		"READ": {[]byte{8, 0, 0, 0, 1, 0}, absent}, "WRITE": {[]byte{10, 0, 0, 0, 1, 0}, absent},
		"SET CAPACITY": {[]byte{11, 0, 0, 1, 1, 0}, absent}, "WRITE FILEMARKS": {marks(1, 0), absent}, "flush": {marks(0, 0), absent},
		"SPACE": {spaceCDB(0, 1), absent}, "ERASE": {[]byte{0x19, 0, 0, 0, 0, 0}, absent}, "UNLOAD": {unloadOp, absent},
		"LOCATE": {locateCDB(0), absent}, "LOCATE(16)": {locate16CDB(0, 0), absent}, "READ POSITION": {make10(0x34), absent},
		"READ ATTRIBUTE": {attributeCDB(0, 0, 100), absent}, "SPACE(16)": {append([]byte{0x91}, make([]byte, 15)...), absent},
		"REPORT DENSITY SUPPORT, media": {[]byte{0x44, 1, 0, 0, 0, 0, 0, 0, 52, 0}, absent},
		"ALLOW OVERWRITE":               {append([]byte{0x82}, make([]byte, 15)...), absent},
		"READ BLOCK LIMITS":             {[]byte{5, 0, 0, 0, 0, 0}, "GOOD"}, "INQUIRY": {[]byte{0x12, 0, 0, 0, 36, 0}, "GOOD"},
		"REQUEST SENSE": {[]byte{3, 0, 0, 0, 18, 0}, "GOOD"}, "MODE SENSE": {[]byte{0x1A, 0, 0x3F, 0, 255, 0}, "GOOD"},
		"MODE SELECT of nothing": {[]byte{0x15, 0x10, 0, 0, 0, 0}, "GOOD"}, "PREVENT": {[]byte{0x1E, 0, 0, 0, 1, 0}, "GOOD"},
		"ALLOW": {[]byte{0x1E, 0, 0, 0, 0, 0}, "GOOD"}, "REPORT DENSITY SUPPORT": {[]byte{0x44, 0, 0, 0, 0, 0, 0, 1, 0, 0}, "GOOD"},
		"LOG SELECT": {[]byte{0x4C, 2, 0xC0, 0, 0, 0, 0, 0, 0, 0}, "GOOD"}, "LOG SENSE": {[]byte{0x4D, 0, 0x57, 0, 0, 0, 0, 1, 0, 0}, "GOOD"},
		"LOG SELECT with parameters": {[]byte{0x4C, 2, 0xC0, 0, 0, 0, 0, 0, 8, 0}, "5/1A/00"},
		"LOG SELECT, saved":          {[]byte{0x4C, 3, 0xC0, 0, 0, 0, 0, 0, 0, 0}, "5/24/00"},
		"LOG SELECT of no page":      {[]byte{0x4C, 2, 0xF9, 0, 0, 0, 0, 0, 0, 0}, "5/24/00"},
		"SECURITY PROTOCOL IN":       {append([]byte{0xA2}, make([]byte, 11)...), "5/20/00"},
		"VERIFY":                     {[]byte{0x13, 0, 0, 0, 0, 0}, "5/20/00"},
		"MOVE MEDIUM":                {moveCDB(1, 2), "5/20/00"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { want(t, tr, test.cdb, test.want) })
	}
	if a := send(t, tr, []byte{3, 0, 0, 0, 18, 0}, nil, 18); a.data[2] != 2 || a.data[12] != 0x3A {
		t.Errorf("REQUEST SENSE % X", a.data)
	}
}

// TestNexusesAreBounded opens more nexuses than a device keeps PREVENT and registrations for.
func TestNexusesAreBounded(t *testing.T) {
	l, _, _ := rawLab(t, vlib.Config{})
	key := scsi.ReserveParameters{ServiceActionKey: 5}.Marshal()
	for n := range 34 {
		tr, err := l.Drive(0)
		must(t, err)
		quiet(t, tr)
		prevent := send(t, tr, []byte{0x1E, 0, 0, 0, 1, 0}, nil, 0).String()
		register := send(t, tr, []byte{0x5F, 6, 0, 0, 0, 0, 0, 0, 24, 0}, key, 0).String()
		wantPrevent, wantRegister := "GOOD", "GOOD"
		if n >= 32 {
			wantPrevent, wantRegister = "5/55/03", "5/55/04"
		}
		if prevent != wantPrevent || register != wantRegister {
			t.Errorf("nexus %d: PREVENT %s, register %s", n, prevent, register)
		}
		send(t, tr, []byte{0x1E, 0, 0, 0, 1, 0}, nil, 0) // twice counts once
	}
}

// TestRewrittenTape writes a tape again and again: the files shrink with it.
func TestRewrittenTape(t *testing.T) {
	_, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 20})
	for round := range 5 {
		want(t, tr, rewindOp, "GOOD")
		for n := range 20 - 4*round {
			wantWrite(t, tr, block(round, n), "GOOD")
		}
		want(t, tr, rewindOp, "GOOD")
		for n := range 20 - 4*round {
			if got := wantRead(t, tr, len(block(round, n)), "GOOD"); !bytes.Equal(got, block(round, n)) {
				t.Fatalf("round %d, block %d", round, n)
			}
		}
		wantRead(t, tr, 10, "8/00/05 info=10")
	}
}
