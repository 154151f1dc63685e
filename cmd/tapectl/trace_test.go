package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/transcript"
)

// fixed answers every command with the same bytes.
type fixed struct{ data []byte }

func (f fixed) Send(_ context.Context, c *scsi.Command) error {
	if c.Direction == scsi.FromDevice {
		c.Residual = len(c.Data) - copy(c.Data, f.data)
	}
	return nil
}

func (fixed) Close() error { return nil }

type limited struct{ fixed }

func (limited) MaxTransfer() int { return 65536 }

func TestTraceKeepsDataOfTapesOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	tr, err := openTrace(path, "tapectl library add x --changer iscsi://u%geheim@h/iqn.2026-11.x:y/1\x1b[31m")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte{0xA5}, 4096)
	d := tr.wrap(fixed{data}, "iscsi://user:geheim@10.0.0.5/iqn.2026-11.x:y/1")
	for _, test := range []struct {
		cdb       []byte
		direction scsi.Direction
	}{
		{[]byte{0x08, 0, 0, 0x10, 0, 0}, scsi.FromDevice},                               // READ(6)
		{[]byte{0x0A, 0, 0, 0x10, 0, 0}, scsi.ToDevice},                                 // WRITE(6)
		{[]byte{0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}, scsi.FromDevice}, // READ(16)
		{[]byte{0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}, scsi.ToDevice},   // WRITE(16)
		{[]byte{0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, scsi.FromDevice},                // READ ELEMENT STATUS
	} {
		c := &scsi.Command{Name: "X", CDB: test.cdb, Direction: test.direction, Data: bytes.Clone(data)}
		if err := d.Send(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := transcript.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var kept []int
	for _, e := range entries {
		kept = append(kept, len(e.Data))
	}
	if len(kept) != 5 || kept[0] != tracedBytes || kept[1] != tracedBytes || kept[2] != tracedBytes || kept[3] != tracedBytes || kept[4] != 4096 {
		t.Errorf("bytes kept: %v", kept)
	}
	if s := string(text); strings.Contains(s, "geheim") || strings.Contains(s, "\x1b") || !strings.Contains(s, "# iscsi://user@10.0.0.5/") {
		t.Errorf("the trace begins %.200q", s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A trace must not change what the drive believes of its transport.
func TestTracePassesLimits(t *testing.T) {
	tr, err := openTrace(filepath.Join(t.TempDir(), "trace"), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	m, ok := tr.wrap(limited{}, "/dev/sg1").(interface{ MaxTransfer() int })
	if !ok || m.MaxTransfer() != 65536 {
		t.Errorf("MaxTransfer is not passed on")
	}
	if _, ok := tr.wrap(fixed{}, "/dev/sg1").(interface{ MaxTransfer() int }); ok {
		t.Error("there is a MaxTransfer that the device does not have")
	}
}

// A trace that cannot be written is told, once, and does not disturb the command.
func TestTraceOnFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	var out, errs bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &errs)
	a.tracePath = "/dev/full"
	h, err := a.host("test")
	if err != nil {
		t.Fatal(err)
	}
	d := h.trace.wrap(fixed{}, "vlib:x")
	if err := d.Send(t.Context(), &scsi.Command{Name: "TEST UNIT READY", CDB: make([]byte, 6)}); err != nil {
		t.Error(err)
	}
	h.close()
	if !strings.Contains(errs.String(), "warning: the trace is not complete: ") {
		t.Errorf("told: %q", errs.String())
	}
}
