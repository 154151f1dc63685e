//go:build libiscsi

package bench

import (
	"context"
	"path/filepath"
	"testing"

	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/scsi/iscsi"
	"tapectl/test/lab"
)

// iscsiHost opens logical units of one target.
type iscsiHost struct{ drives []string }

func (h iscsiHost) Open(ctx context.Context, address string) (scsi.Transport, error) {
	a, err := iscsi.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return iscsi.Open(ctx, a)
}

func (h iscsiHost) Companions(context.Context, string) ([]string, error) { return h.drives, nil }

// BenchmarkTgt measures over iSCSI to a library that others wrote.
func BenchmarkTgt(b *testing.B) {
	ctx := context.Background()
	v := lab.StartVTL(b, lab.VTLConfig{Drives: 1, Tapes: 2, Slots: 4, TapeMB: 2048})
	h := iscsiHost{v.Drives}
	c, err := mediacatalog.Open(ctx, filepath.Join(b.TempDir(), "catalog.db"), mediacatalog.Options{})
	must(b, err)
	b.Cleanup(func() { c.Close() })
	found, err := library.Discover(ctx, h, v.Changer, nil)
	must(b, err)
	found.Library.Name = "lab"
	_, err = c.AddLibrary(ctx, found.Library)
	must(b, err)
	open := func() *library.Library {
		l, err := library.Open(ctx, c, h, "lab", library.Options{Command: "bench"})
		must(b, err)
		return l
	}
	l := open()
	_, err = inventory.Fast(ctx, c, l)
	must(b, err)
	must(b, l.Close())
	media, err := c.MediaByBarcode(ctx, "DPM001L6")
	must(b, err)
	throughput(b, subject{catalog: c, host: h, drive: v.Drives[0], scratch: media[0], open: open}, 1<<30)
}
