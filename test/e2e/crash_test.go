package e2e

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tapectl/internal/vlib"
)

// TestKilled kills backups at random moments, as a power cut would: what was complete before is there, the catalog opens and
// knows of the loss, the tape is not overwritten, and the next backup works.
func TestKilled(t *testing.T) {
	o := newOperator(t)
	folder := filepath.Join(memoryFolder(t), "library")
	o.must("vlib", "create", folder, "--slots", "40", "--tapes", "30", "--mailslots", "0", "--cleaning", "0", "--capacity", "2G")
	o.must("library", "add", "lab", "--changer", "vlib:"+folder)
	first := randomFile(t, "first.bin", 5_000_000)
	b := record[backupRecord](o, "backup", "first", first, "--label", "KILL")
	setRate(t, folder, 100_000_000)
	big := randomFile(t, "big.bin", 100_000_000)
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+rand.IntN(1000))*time.Millisecond)
		cmd := exec.CommandContext(ctx, o.program, "--catalog", filepath.Join(o.folder, "catalog.db"), "backup", "big", big, "--label", "KILL")
		_ = cmd.Run() // killed by SIGKILL, or done
		cancel()
		o.must("catalog", "check")
		emptyDrives(t, o)
	}
	setRate(t, folder, 0)
	target := t.TempDir()
	o.must("restore", b.RecoveryPoint, "--to", target)
	if hashFile(t, filepath.Join(target, "first.bin")) != hashFile(t, first) {
		t.Error("what was backed up before is damaged")
	}
	last := record[backupRecord](o, "backup", "last", big, "--label", "KILL")
	target = t.TempDir()
	o.must("restore", last.RecoveryPoint, "--to", target)
	if hashFile(t, filepath.Join(target, "big.bin")) != hashFile(t, big) {
		t.Error("the backup after the crashes is damaged")
	}
	for _, p := range records[struct {
		Name   string
		Copies int
	}](o, "recovery-point", "list") {
		if p.Name == "big" && p.Copies > 0 {
			t.Log("a backup was finished before it was killed")
		}
	}
}

// emptyDrives puts back the tapes that a killed program has left in drives.
func emptyDrives(t *testing.T, o *operator) {
	t.Helper()
	for _, e := range records[elementRecord](o, "library", "status", "lab") {
		if e.Type == "drive" && e.Full {
			o.must("tape", "unload", e.Barcode)
		}
	}
}

// setRate makes the drives of a virtual library as slow as real ones.
func setRate(t *testing.T, folder string, rate int64) {
	t.Helper()
	v, err := vlib.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.SetTiming(vlib.Timing{Rate: rate}); err != nil {
		t.Fatal(err)
	}
}
