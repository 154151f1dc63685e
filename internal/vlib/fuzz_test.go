package vlib_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// writes are the operation codes that may change what is on a tape.
var writes = map[byte]bool{0x04: true, 0x0A: true, 0x0B: true, 0x10: true, 0x19: true}

// seeds are CDBs of both devices.
var seeds = []string{
	"000000000000", "010000000000", "030000006000", "0400000000", "040000000000", "050000000000", "080000100000", "080200100000",
	"080100000100", "0a0000001000", "0b00008000ff", "100000000100", "110000000100", "1101fffffe00", "110300000000", "12000000ff00",
	"128000ff00", "12018300ff00", "150000000c00", "160000000000", "190000000000", "1a003f00ff00", "1b0000000000", "1b0000000100",
	"1b0000000900", "1e0000000100", "1e0000000000", "2b000000000002000000", "34000000000000000000", "34060000000000000000",
	"34080000000000002000", "440000000000000fff00", "4d00510000000002ff00", "4d006e0000000002ff00", "55100000000000001000",
	"5a083f00000000ffff00", "5e000000000000ffff00", "5f060000000000001800", "82000100000000000000000000000000",
	"8c000000000000000000000010000000", "8d000000000000000000000000400000", "91000000000000000000000100000000",
	"92000000000000000000000200000000", "92180000000000000000000000000000", "a000000000000000ffff0000", "a30c80000000000fffff0000",
	"b81004e90fff0200ffff0000", "b8100000ffff0300ffff0000", "a500000003e9010100000000", "a5000000010103e900000000",
	"a600000003e9010103ea0000", "070000000000", "3700000000000000000000", "370103e90000000a0000",
}

// FuzzCommands sends any CDB to both devices: each gets a valid answer, and only commands that write change the tape.
func FuzzCommands(f *testing.F) {
	for _, s := range seeds {
		b, err := hex.DecodeString(s)
		must(f, err)
		f.Add(b, []byte{}, true)
		f.Add(b, bytes.Repeat([]byte{0, 1, 2, 3}, 16), false)
	}
	folder := filepath.Join(f.TempDir(), "library")
	must(f, vlib.Create(folder, vlib.Config{Slots: 4, MailSlots: 1, TapeCount: 2, Capacity: 1 << 20, Exchange: true}))
	l, err := vlib.Open(folder)
	must(f, err)
	f.Cleanup(func() { l.Close() })
	devices := make([]scsi.Transport, 2)
	devices[0], err = l.Changer()
	must(f, err)
	devices[1], err = l.Drive(0)
	must(f, err)
	quiet(f, devices[0])
	want(f, devices[0], moveCDB(1001, 257), "GOOD")
	quiet(f, devices[1])
	for n := range 3 {
		wantWrite(f, devices[1], block(1, n), "GOOD")
	}
	f.Fuzz(func(t *testing.T, cdb, out []byte, toDrive bool) {
		tr := devices[0]
		if toDrive {
			tr = devices[1]
		}
		// A tape with something on it, for commands to destroy.
		trySend(devices[0], moveCDB(1001, 257), nil, 0)
		for range 4 {
			trySend(devices[1], tur, nil, 0)
		}
		before := tapeFiles(t, folder)
		a, err := fuzzSend(t, tr, cdb, out)
		after := tapeFiles(t, folder)
		if err != nil {
			if len(cdb) > 0 && len(cdb) <= 16 {
				t.Fatalf("% X: %v", cdb, err)
			}
			return
		}
		if len(cdb) > 0 && !(toDrive && writes[cdb[0]]) && !bytes.Equal(before, after) {
			t.Fatalf("% X (%s) changed a tape", cdb, a)
		}
		resetDevices(devices)
	})
}

// fuzzSend sends the CDB with data, and without when the device wants to send, and checks the form of the answer.
func fuzzSend(t *testing.T, tr scsi.Transport, cdb, out []byte) (answer, error) {
	c := &scsi.Command{Name: "fuzz", CDB: cdb, Direction: scsi.ToDevice, Data: out, Timeout: 10 * time.Second}
	if len(out) == 0 {
		c.Direction, c.Data = scsi.FromDevice, make([]byte, 4096)
	}
	if err := tr.Send(context.Background(), c); err != nil {
		return answer{}, err
	}
	a := answer{status: c.Status}
	switch c.Status {
	case scsi.StatusGood, scsi.StatusReservationConflict, scsi.StatusBusy:
		if len(c.Sense) != 0 {
			t.Errorf("% X: %v with sense data % X", cdb, c.Status, c.Sense)
		}
	case scsi.StatusCheckCondition:
		s, err := scsi.ParseSense(c.Sense)
		if err != nil || s.Key == scsi.IllegalRequest && s.ASC == 0 {
			t.Errorf("% X: sense data % X, %v", cdb, c.Sense, err)
		}
		a.sense = s
	default:
		t.Errorf("% X: status %v", cdb, c.Status)
	}
	if c.Residual > len(c.Data) {
		t.Errorf("% X: residual %d of %d bytes", cdb, c.Residual, len(c.Data))
	}
	return a, nil
}

// tapeFiles is the content of all data and index files, cartridge memories left out.
func tapeFiles(t *testing.T, folder string) []byte {
	var all []byte
	for _, name := range []string{"data", "index"} {
		paths, err := filepath.Glob(filepath.Join(folder, "cartridges", "*", name))
		must(t, err)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			must(t, err)
			all = append(append(all, p...), b...)
		}
	}
	return all
}

// resetDevices undoes what would make all that follows fail.
func resetDevices(devices []scsi.Transport) {
	key := make([]byte, 24)
	key[15] = 1
	for _, tr := range devices {
		trySend(tr, tur, nil, 0)
		trySend(tr, []byte{0x17, 0, 0, 0, 0, 0}, nil, 0)
		trySend(tr, []byte{0x1E, 0, 0, 0, 0, 0}, nil, 0)
		trySend(tr, []byte{0x5F, 6, 0, 0, 0, 0, 0, 0, 24, 0}, key, 0)
		own := append(append([]byte(nil), key[8:16]...), make([]byte, 16)...)
		trySend(tr, []byte{0x5F, 3, 0, 0, 0, 0, 0, 0, 24, 0}, own, 0)
	}
}

// FuzzCartridgeFiles opens tapes whose index is damaged: no panic, and blocks are as they were written or refused.
func FuzzCartridgeFiles(f *testing.F) {
	f.Add(uint16(70), byte(1), uint16(0))
	f.Add(uint16(0), byte(255), uint16(100))
	f.Add(uint16(64+24), byte(0x80), uint16(24))
	f.Fuzz(func(t *testing.T, at uint16, change byte, cut uint16) {
		l, ch, tr := loadedLab(t, vlib.Config{Slots: 1, Drives: 1, TapeCount: 1, Capacity: 1 << 20})
		for n := range 6 {
			wantWrite(t, tr, block(1, n), "GOOD")
		}
		want(t, tr, marks(2, 0), "GOOD")
		wantWrite(t, tr, block(1, 6), "GOOD")
		want(t, tr, unloadOp, "GOOD")
		want(t, ch, moveCDB(257, 1001), "GOOD")
		folder := l.Folder()
		must(t, l.Close())
		index := filepath.Join(folder, "cartridges", "00001", "index")
		b, err := os.ReadFile(index)
		must(t, err)
		if int(at) < len(b) {
			b[at] ^= change
		}
		must(t, os.WriteFile(index, b[:max(0, len(b)-int(cut))], 0o666))
		readDamaged(t, folder)
	})
}

// readDamaged reads the tape to its end.
func readDamaged(t *testing.T, folder string) {
	l, err := vlib.Open(folder)
	must(t, err)
	defer l.Close()
	ch, err := l.Changer()
	must(t, err)
	tr, err := l.Drive(0)
	must(t, err)
	quiet(t, ch)
	want(t, ch, moveCDB(1001, 257), "GOOD")
	for range 3 {
		send(t, tr, tur, nil, 0)
	}
	for n := 0; n < 20; n++ {
		a := send(t, tr, []byte{0x08, 0, 0, 0x10, 0, 0}, nil, 4096)
		switch {
		case a.sense.Key == scsi.BlankCheck, a.sense.Key == scsi.MediumError && a.sense.ASC == 0x31:
			return
		case a.sense.Key == scsi.MediumError || a.sense.Filemark:
		case n < 6 && !bytes.Equal(a.data, block(1, n)):
			t.Fatalf("block %d: %s, %d bytes that are not what was written", n, a, len(a.data))
		}
	}
	t.Fatal("the tape does not end")
}
