//go:build libiscsi

package iscsi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// lab gives the address of the laboratory's target: drives at LUN 1 and 2, the changer at LUN 3.
func lab(t testing.TB) Address {
	t.Helper()
	base := os.Getenv("TAPECTL_LAB_ISCSI")
	if base == "" {
		t.Skip("TAPECTL_LAB_ISCSI is not set: no iSCSI laboratory (iscsi://127.0.0.1:PORT/iqn)")
	}
	a, err := ParseAddress(base + "/0")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// dial opens a logical unit of the laboratory and consumes its unit attentions.
func dial(t testing.TB, a Address) *Transport {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tr, err := Open(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	if _, err := scsi.ClearAttentions(ctx, tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestLiveLUNs(t *testing.T) {
	luns, err := LUNs(context.Background(), lab(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint8]scsi.DeviceType{0: scsi.ControllerDevice, 1: scsi.TapeDevice, 2: scsi.TapeDevice, 3: scsi.ChangerDevice}
	got := map[uint8]scsi.DeviceType{}
	for _, l := range luns {
		got[l.Number] = l.Identity.DeviceType
		if l.Err != nil {
			t.Error(l.Err)
		}
		t.Logf("LUN %d: %+v", l.Number, l.Identity)
	}
	for n, d := range want {
		if got[n] != d {
			t.Errorf("LUN %d is %v, want %v", n, got[n], d)
		}
	}
	for _, l := range luns {
		if l.Number == 1 && l.Identity.Serial != "HUM1A00001" {
			t.Errorf("serial number of drive 1 is %q", l.Identity.Serial)
		}
	}
}

func TestLiveSenseArrivesRaw(t *testing.T) {
	tr := dial(t, lab(t).WithLUN(3))
	c := &scsi.Command{Name: "unknown", CDB: []byte{0xA6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	if err := scsi.Do(context.Background(), tr, c); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Fatalf("got %v", err)
	}
	if len(c.Sense) < 18 || c.Sense[0]&0x7F != 0x70 {
		t.Errorf("sense data % X", c.Sense)
	}
}

// load puts a cartridge into drive 1: MOVE MEDIUM by hand, because package changer stands above this one.
func load(t testing.TB, a Address) {
	t.Helper()
	ctx := context.Background()
	drive, changer := dial(t, a.WithLUN(1)), dial(t, a.WithLUN(3))
	defer drive.Close()
	defer changer.Close()
	for slot := 1000; slot < 1008; slot++ {
		if scsi.Ready(ctx, drive) == nil {
			return
		}
		c := &scsi.Command{Name: "MOVE MEDIUM",
			CDB: []byte{0xA5, 0, 0x01, 0xF4, byte(slot >> 8), byte(slot), 0, 1, 0, 0, 0, 0}}
		if err := scsi.Do(ctx, changer, c); err != nil && !errors.Is(err, scsi.SourceEmpty) {
			t.Fatal(err)
		}
	}
	if err := scsi.Ready(ctx, drive); err != nil {
		t.Fatalf("no cartridge for drive 1: %v", err)
	}
}

func TestLiveConformance(t *testing.T) {
	a := lab(t)
	load(t, a)
	p, near := newProxy(t, a)
	for lun, tape := range map[uint8]bool{1: true, 3: false} {
		t.Run(fmt.Sprintf("LUN%d", lun), func(t *testing.T) {
			open := func(t *testing.T) scsi.Transport {
				tr, err := Open(context.Background(), near.WithLUN(lun))
				if err != nil {
					t.Fatal(err)
				}
				return tr
			}
			scsitest.TestTransport(t, open, scsitest.Options{
				ScratchTape: tape, MaxBlock: 1 << 20, LosesShortBlockData: true, ResidualOfMarkUnknown: true, EmptyReadMoves: true,
				Stall: func(*testing.T) func() { p.stall(); return p.resume },
			})
		})
	}
}

func TestLiveLostSession(t *testing.T) {
	p, near := newProxy(t, lab(t))
	tr := dial(t, near.WithLUN(3))
	p.cut()
	err := scsi.Ready(context.Background(), tr)
	var te *scsi.TransportError
	if !errors.As(err, &te) || te.NotSent {
		t.Fatalf("the first command on a dead connection: %v", err)
	}
	err = scsi.Ready(context.Background(), tr)
	if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, ErrSessionLost) || !errors.Is(err, ErrConnectionLost) {
		t.Fatalf("the command after: %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

// The session of a device that nobody talks to stays alive, and one that was cut is noticed without a command.
func TestLiveIdle(t *testing.T) {
	p, near := newProxy(t, lab(t))
	tr := dial(t, near.WithLUN(3))
	service := func() (alive bool) {
		<-tr.turn
		defer func() { tr.turn <- struct{}{} }()
		tr.serviceIdle()
		return tr.session != nil
	}
	if !service() {
		t.Fatal("an idle session was dropped")
	}
	if err := scsi.Ready(context.Background(), tr); err != nil {
		t.Fatal(err)
	}
	p.cut()
	deadline := time.Now().Add(5 * time.Second)
	for service() && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	var te *scsi.TransportError
	if err := scsi.Ready(context.Background(), tr); !errors.As(err, &te) || !te.NotSent || !errors.Is(err, ErrSessionLost) {
		t.Errorf("after the idle session was cut: %v", err)
	}
}

// Each session is a nexus of its own: it gets its own unit attention.
func TestLiveSessionsAreNexuses(t *testing.T) {
	a := lab(t).WithLUN(2)
	for range 2 {
		tr, err := Open(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if err := scsi.Ready(context.Background(), tr); !errors.Is(err, scsi.ResetOccurred) {
			t.Errorf("the first command of a session: %v, want 29/00", err)
		}
	}
}

func TestLiveWrongTarget(t *testing.T) {
	a := lab(t)
	a.Target = "iqn.2026-11.example:none"
	_, err := Open(context.Background(), a)
	var ce *ConnectError
	if !errors.As(err, &ce) || !strings.Contains(err.Error(), "log in at") {
		t.Errorf("got %v", err)
	}
	if _, err := LUNs(context.Background(), a); !errors.As(err, &ce) {
		t.Errorf("LUNs: %v", err)
	}
}

// benchmark moves blocks of 1 MiB to or from the drive.
func benchmark(b *testing.B, op byte, d scsi.Direction) {
	const size = 1 << 20
	load(b, lab(b))
	tr := dial(b, lab(b).WithLUN(1))
	ctx := context.Background()
	data := make([]byte, size)
	send := func(cdb []byte, d scsi.Direction, data []byte) error {
		return scsi.Do(ctx, tr, &scsi.Command{Name: "command", CDB: cdb, Direction: d, Data: data})
	}
	rewind := func() {
		if err := send([]byte{1, 0, 0, 0, 0, 0}, scsi.NoData, nil); err != nil {
			b.Fatal(err)
		}
	}
	rewind()
	const blocks = 64 // fewer than the cartridge holds
	if op == 0x08 {
		for range blocks {
			if err := send([]byte{0x0A, 0, 0x10, 0, 0, 0}, scsi.ToDevice, data); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(size)
	n := blocks
	for b.Loop() {
		if n == blocks {
			b.StopTimer()
			rewind()
			b.StartTimer()
			n = 0
		}
		n++
		if err := send([]byte{op, 0, 0x10, 0, 0, 0}, d, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLiveRead(b *testing.B)  { benchmark(b, 0x08, scsi.FromDevice) }
func BenchmarkLiveWrite(b *testing.B) { benchmark(b, 0x0A, scsi.ToDevice) }

// TestLiveCHAP wants TAPECTL_LAB_ISCSI_CHAP: the address of a logical unit that wants a password, with the password.
func TestLiveCHAP(t *testing.T) {
	text := os.Getenv("TAPECTL_LAB_ISCSI_CHAP")
	if text == "" {
		t.Skip("TAPECTL_LAB_ISCSI_CHAP is not set: no target that wants a password")
	}
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	dial(t, a)
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte(a.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := a
	b.Password, b.PasswordFile = "", file
	dial(t, b)
	for name, wrong := range map[string]Address{
		"wrong password": {User: a.User, Password: a.Password + "x", Host: a.Host, Port: a.Port, Target: a.Target, LUN: a.LUN},
		"no password":    {Host: a.Host, Port: a.Port, Target: a.Target, LUN: a.LUN},
	} {
		tr, err := Open(context.Background(), wrong)
		if err == nil {
			tr.Close()
			t.Errorf("%s: a session was set up", name)
		} else if strings.Contains(err.Error(), a.Password) {
			t.Errorf("%s: the error shows the password: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// A connection that breaks in the middle of a write (the library meets a broken pipe there) costs the session and nothing
// else.
func TestLiveCutWhileWriting(t *testing.T) {
	load(t, lab(t))
	p, near := newProxy(t, lab(t))
	tr := dial(t, near.WithLUN(1))
	ctx := context.Background()
	if err := scsi.Do(ctx, tr, &scsi.Command{Name: "REWIND", CDB: []byte{1, 0, 0, 0, 0, 0}}); err != nil {
		t.Fatal(err)
	}
	cut := time.AfterFunc(30*time.Millisecond, p.cut)
	defer cut.Stop()
	block := make([]byte, 1<<20)
	var err error
	for range 500 { // rewinding, so that the cartridge does not fill up
		err = scsi.Do(ctx, tr, &scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 0x10, 0, 0, 0}, Direction: scsi.ToDevice, Data: block})
		if err == nil {
			err = scsi.Do(ctx, tr, &scsi.Command{Name: "REWIND", CDB: []byte{1, 0, 0, 0, 0, 0}})
		}
		if err != nil {
			break
		}
	}
	var te *scsi.TransportError
	if !errors.As(err, &te) {
		t.Fatalf("got %v", err)
	}
	if err := scsi.Ready(ctx, tr); !errors.As(err, &te) || !te.NotSent || !errors.Is(err, ErrSessionLost) {
		t.Errorf("the command after: %v", err)
	}
}

// Close does not hang on a target that does not answer.
func TestLiveCloseOfStalledSession(t *testing.T) {
	p, near := newProxy(t, lab(t))
	tr := dial(t, near.WithLUN(3))
	p.stall()
	defer p.resume()
	begin := time.Now()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > logoutTimeout+3*time.Second {
		t.Errorf("Close took %v", d)
	}
}
