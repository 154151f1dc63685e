package backup_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"tapectl/internal/backup"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// TestCommitPoints looks at the catalog after every block: what it promises is flushed, and objects appear only with a
// commit point.
func TestCommitPoints(t *testing.T) {
	b := newBench(t, 1<<30)
	folder := t.TempDir()
	for i := range 200 {
		write(t, filepath.Join(folder, fmt.Sprintf("%03d.bin", i)), i*1000, byte(i))
	}
	var flushed atomic.Uint64 // blocks and filemarks before the last flush
	var written atomic.Uint64
	promises := 0
	b.Host.Wrap = func(address string, tr scsi.Transport) scsi.Transport {
		if address == "changer" {
			return tr
		}
		return onCommand{tr, func(c *scsi.Command) {
			const opWriteFilemarks = 0x10
			switch {
			case c.CDB[0] == opWrite:
				written.Add(1)
			case c.CDB[0] == opWriteFilemarks && c.CDB[4] == 0 && c.CDB[1]&1 == 0:
				flushed.Store(written.Load())
			}
			if c.CDB[0] != opWrite {
				return
			}
			sets, err := b.Catalog.UnfinishedDatasets(context.Background())
			must(t, err)
			for _, d := range sets {
				if d.SafeObject == 0 {
					must(t, b.Catalog.Objects(context.Background(), d.DatasetID, "", func(o mediacatalog.Object) error {
						t.Errorf("%s is in the catalog before a commit point", o.FileSpec)
						return nil
					}))
					continue
				}
				promises++
				var bytes int64
				must(t, b.Catalog.Objects(context.Background(), d.DatasetID, "", func(o mediacatalog.Object) error {
					// Its descriptor block is one format logical block, and its data follows.
					if end := int64(o.FLA+1)*1024 + o.Size; o.Kind == mediacatalog.KindFile && end > int64(d.SafeObject-d.SSETObject)*(64<<10) {
						t.Errorf("%s ends %d bytes behind what is safe", o.FileSpec, end-int64(d.SafeObject-d.SSETObject)*(64<<10))
					}
					bytes += o.Size
					return nil
				}))
				if d.SafeBytes < bytes || d.SafeBytes > int64(d.SafeObject-d.SSETObject)*(64<<10) {
					t.Errorf("%d bytes are promised, the objects have %d, the safe blocks hold %d", d.SafeBytes, bytes, int64(d.SafeObject-d.SSETObject)*(64<<10))
				}
				// The label is one block and one filemark; flushed counts the label's block.
				if d.SafeObject > d.SSETObject && d.SafeObject-d.SSETObject > flushed.Load()-1 {
					t.Errorf("the catalog promises object %d, flushed are %d blocks", d.SafeObject, flushed.Load())
				}
			}
		}}
	}
	l := b.Open()
	r, err := backup.RunCommitting(context.Background(), b.Catalog, l, request("commit", folder), 2<<20)
	must(t, err)
	must(t, l.Close())
	if promises == 0 {
		t.Error("there was no commit point")
	}
	if r.Complete() != 1 {
		t.Errorf("%+v", r)
	}
}

// TestDriveDiesBehindACommitPoint loses the drive in mid-backup: what was committed can be restored, the tape is not
// appended to.
func TestDriveDiesBehindACommitPoint(t *testing.T) {
	b := newBench(t, 1<<30)
	folder := t.TempDir()
	for i := range 16 {
		write(t, filepath.Join(folder, fmt.Sprintf("%02d.bin", i)), 1<<20, byte(i))
	}
	_, err := b.Virtual.InjectFault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Key: 4, ASC: 0x44, Operations: []int{opWrite}, After: 200, Times: -1})
	must(t, err)
	l := b.Open()
	r, err := backup.RunCommitting(context.Background(), b.Catalog, l, request("dies", folder), 2<<20)
	must(t, l.Close())
	if err == nil || r.Copies[0].State != mediacatalog.SetIncomplete {
		t.Fatalf("%+v, %v", r, err)
	}
	must(t, b.Virtual.ClearFaults())
	m := b.Tape(r.Copies[0].Barcode)
	if !m.AppendUncertain {
		t.Error("the tape may be appended to")
	}
	_, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	d, err := b.Catalog.Dataset(context.Background(), r.Copies[0].DatasetID)
	must(t, err)
	if res.Files < d.SafeBytes>>20 || d.SafeBytes < 2<<20 {
		t.Errorf("%d files were restored; %d bytes were promised", res.Files, d.SafeBytes)
	}
}
