package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tapectl/test/lab"
)

const bigFile = 600_000_000

// barcodes are what the libraries are set up with.
func barcodes(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("DPM%03dL6", i+1))
	}
	return all
}

// memoryFolder is a temporary folder in memory where there is one: the tapes of the tests are large.
func memoryFolder(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "tapectl-e2e-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// TestVirtualLibrary runs the suite on the built-in virtual library.
func TestVirtualLibrary(t *testing.T) {
	o := newOperator(t)
	folder := filepath.Join(memoryFolder(t), "library")
	o.must("vlib", "create", folder, "--slots", "20", "--tapes", "8", "--mailslots", "4", "--cleaning", "0", "--capacity", "2G")
	runSuite(t, place{changer: "vlib:" + folder, tapes: barcodes(8), drives: 2, slots: 20, bigFile: bigFile})
}

// TestISCSI runs the suite on tgt, a virtual library that others wrote, over iSCSI.
func TestISCSI(t *testing.T) {
	v := lab.StartVTL(t, lab.VTLConfig{Drives: 2, Tapes: 8, Slots: 20, TapeMB: 1024, Prefix: "DPM"})
	runSuite(t, place{changer: v.Changer, tapes: barcodes(8), drives: 2, slots: 20, bigFile: bigFile})
}

// TestKernel runs the suite on the SCSI generic devices of this kernel; the kernel laboratory sets TAPECTL_LAB_CHANGER to the
// changer's node.
func TestKernel(t *testing.T) {
	changer := os.Getenv("TAPECTL_LAB_CHANGER")
	if changer == "" {
		t.Skip("TAPECTL_LAB_CHANGER names no changer: this test runs in the kernel laboratory (make test-kernel)")
	}
	runSuite(t, place{changer: changer, tapes: barcodes(8), drives: 2, slots: 20, bigFile: bigFile, mtx: true})
}
