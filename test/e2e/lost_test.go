package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapectl/test/lab"
)

// TestLibraryLost kills the library in the middle of a backup, as when a cable is pulled: the program ends with a clear error, the
// catalog is true, what was backed up before is there when the library is back, and the next backup works.
func TestLibraryLost(t *testing.T) {
	o := newOperator(t)
	v := lab.StartVTL(t, lab.VTLConfig{Drives: 1, Tapes: 4, Slots: 8, TapeMB: 1024})
	o.must("library", "add", "lab", "--changer", v.Changer)
	first := randomFile(t, "first.bin", 2_000_000)
	before := record[backupRecord](o, "backup", "first", first, "--label", "LOST")

	big := randomFile(t, "big.bin", bigFile)
	var stderr strings.Builder
	cmd := exec.Command(o.program, "--catalog", filepath.Join(o.folder, "catalog.db"), "backup", "big", big, "--label", "LOST")
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForDataset(t, o)
	v.Kill(t)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err == nil {
			t.Skip("the backup was finished before the library was gone")
		}
	case <-time.After(3 * time.Minute):
		cmd.Process.Kill()
		t.Fatal("the program did not notice that the library is gone")
	}
	t.Logf("exit code %d: %s", cmd.ProcessState.ExitCode(), stderr.String())
	for _, word := range []string{before.Copies[0].Barcode, "data set 2"} {
		if !strings.Contains(stderr.String(), word) {
			t.Errorf("the error does not name %q", word)
		}
	}
	o.must("catalog", "check")
	o.refused(10, []string{"lab"}, "inventory", "lab")

	v.Restart(t)
	o.must("inventory", "lab")
	target := t.TempDir()
	o.must("restore", before.RecoveryPoint, "--to", target)
	if hashFile(t, filepath.Join(target, "first.bin")) != hashFile(t, first) {
		t.Error("what was backed up before is damaged")
	}
	after := record[backupRecord](o, "backup", "after", first, "--label", "LOST")
	target = t.TempDir()
	o.must("restore", after.RecoveryPoint, "--to", target)
	if hashFile(t, filepath.Join(target, "first.bin")) != hashFile(t, first) {
		t.Error("the backup after the loss is damaged")
	}
}

// waitForDataset waits until the backup has begun to write its data set.
func waitForDataset(t *testing.T, o *operator) {
	t.Helper()
	for range 300 {
		out := o.must("--json", "catalog", "query", "select count(*) as n from tbl_MM_PhysicalDataset")
		if strings.Contains(out, `"n":2`) {
			time.Sleep(300 * time.Millisecond)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the backup did not begin")
}
