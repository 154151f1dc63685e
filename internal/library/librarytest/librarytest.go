// Package librarytest sets up a virtual library with a catalog for tests of workflows.
package librarytest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// Bench is a virtual library in a temporary folder, added to a catalog as "lab", with an inventory taken.
type Bench struct {
	t       testing.TB
	Folder  string // of the virtual library
	Virtual *vlib.Library
	Catalog *mediacatalog.Catalog
	Host    *Host
}

// New makes a Bench. Everything is closed and removed when the test ends.
func New(t testing.TB, c vlib.Config) *Bench {
	t.Helper()
	folder := filepath.Join(memoryFolder(t), "library")
	must(t, vlib.Create(folder, c))
	v, err := vlib.Open(folder)
	must(t, err)
	t.Cleanup(func() { v.Close() })
	b := &Bench{t: t, Folder: folder, Virtual: v, Host: &Host{Virtual: v}}
	b.Catalog, err = mediacatalog.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.db"), mediacatalog.Options{})
	must(t, err)
	t.Cleanup(func() { b.Catalog.Close() })
	found, err := library.Discover(context.Background(), b.Host, "changer", nil)
	must(t, err)
	found.Library.Name = "lab"
	_, err = b.Catalog.AddLibrary(context.Background(), found.Library)
	must(t, err)
	l := b.Open()
	_, err = inventory.Fast(context.Background(), b.Catalog, l)
	must(t, err)
	must(t, l.Close())
	return b
}

// Open takes the library into use; the test closes it.
func (b *Bench) Open() *library.Library {
	b.t.Helper()
	l, err := library.Open(context.Background(), b.Catalog, b.Host, "lab", library.Options{Command: "test"})
	must(b.t, err)
	return l
}

// Tape returns the catalog's entry of the tape with the barcode.
func (b *Bench) Tape(barcode string) mediacatalog.Media {
	b.t.Helper()
	m, err := b.Catalog.MediaByBarcode(context.Background(), barcode)
	must(b.t, err)
	if len(m) != 1 {
		b.t.Fatalf("%d tapes have the barcode %s", len(m), barcode)
	}
	return m[0]
}

// Host opens the devices of a virtual library: "changer", "drive1", "drive2", ...
type Host struct {
	Virtual *vlib.Library
	// Wrap, when set, may put something between: a recorder, a fault.
	Wrap func(address string, t scsi.Transport) scsi.Transport
}

// Open opens a device.
func (h *Host) Open(_ context.Context, address string) (scsi.Transport, error) {
	t, err := h.open(address)
	if err == nil && h.Wrap != nil {
		t = h.Wrap(address, t)
	}
	return t, err
}

func (h *Host) open(address string) (scsi.Transport, error) {
	if address == "changer" {
		return h.Virtual.Changer()
	}
	n, err := strconv.Atoi(strings.TrimPrefix(address, "drive"))
	if err != nil {
		return nil, fmt.Errorf("no device %q", address)
	}
	return h.Virtual.Drive(n - 1)
}

// Companions lists the drives.
func (h *Host) Companions(context.Context, string) ([]string, error) {
	var all []string
	for n := range h.Virtual.Config().Drives {
		all = append(all, fmt.Sprintf("drive%d", n+1))
	}
	return all, nil
}

// memoryFolder is a temporary folder in memory where the host has one.
func memoryFolder(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "tapectl-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
