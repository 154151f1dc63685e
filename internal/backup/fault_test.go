package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"tapectl/internal/backup"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const opWrite = 0x0A

// TestSourceThatShrinks is a file that gets shorter while it is read: the rest of the backup is good, the file is marked.
func TestSourceThatShrinks(t *testing.T) {
	b := small(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "a.bin"), 8<<20, 1)
	write(t, filepath.Join(folder, "b.bin"), 100_000, 2)
	var writes atomic.Int32
	b.Host.Wrap = func(address string, tr scsi.Transport) scsi.Transport {
		return onCommand{tr, func(c *scsi.Command) {
			if c.CDB[0] == opWrite && writes.Add(1) == 4 {
				must(t, os.Truncate(filepath.Join(folder, "a.bin"), 1<<20))
			}
		}}
	}
	r, err := run(context.Background(), b, request("shrinks", folder))
	must(t, err)
	if len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Error(), "marked corrupt") || r.Copies[0].State != mediacatalog.SetComplete || r.Copies[0].CorruptFiles != 1 {
		t.Fatalf("%+v", r)
	}
	to, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	if len(res.Problems) != 1 || res.Files != 1 {
		t.Errorf("%+v", res)
	}
	if _, err := os.Stat(filepath.Join(to, "a.bin")); !errors.Is(err, os.ErrNotExist) {
		t.Error("an incomplete file was restored under its name")
	}
	info, err := os.Stat(filepath.Join(to, "a.bin.incomplete"))
	must(t, err)
	if info.Size() < 1<<20 {
		t.Errorf("%d bytes of the beginning were kept", info.Size())
	}
}

// onCommand calls fn before each command.
type onCommand struct {
	scsi.Transport
	fn func(*scsi.Command)
}

func (o onCommand) Send(ctx context.Context, c *scsi.Command) error {
	o.fn(c)
	return o.Transport.Send(ctx, c)
}

// TestSourceThatVanishes is a folder whose files go while it is backed up.
func TestSourceThatVanishes(t *testing.T) {
	b := small(t)
	folder := t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(folder, fmt.Sprintf("%02d.bin", i)), 1<<20, byte(i))
	}
	var writes atomic.Int32
	b.Host.Wrap = func(_ string, tr scsi.Transport) scsi.Transport {
		return onCommand{tr, func(c *scsi.Command) {
			if c.CDB[0] == opWrite && writes.Add(1) == 20 {
				must(t, os.RemoveAll(folder))
			}
		}}
	}
	r, err := run(context.Background(), b, request("vanishes", folder))
	must(t, err)
	if len(r.Skipped) == 0 || r.Copies[0].Files == 0 || r.Copies[0].Files+int64(len(r.Skipped)) < 20 {
		t.Fatalf("%d files, %d skipped", r.Copies[0].Files, len(r.Skipped))
	}
	_, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	if res.Files != r.Copies[0].Files-r.Copies[0].CorruptFiles {
		t.Errorf("%d files were restored, %d are on the tape", res.Files, r.Copies[0].Files)
	}
}

// brokenReader gives some data and then an error.
type brokenReader struct{ left int }

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errors.New("the pipe broke")
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func TestStandardInputThatBreaks(t *testing.T) {
	b := small(t)
	q := request("pipe", backup.Stdin)
	q.Stdin = &brokenReader{left: 1 << 20}
	r, err := run(context.Background(), b, q)
	must(t, err)
	if len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Error(), "the pipe broke") || r.Copies[0].CorruptFiles != 1 {
		t.Errorf("%+v", r)
	}
}

// TestTapeThatIsFull writes more than the tape takes: a clear end, the data set marked incomplete, the tape readable.
func TestTapeThatIsFull(t *testing.T) {
	b := small(t)
	first := filepath.Join(t.TempDir(), "first")
	write(t, first, 1<<20, 1)
	q := request("first", first)
	q.Label = "FULL"
	r1, err := run(context.Background(), b, q)
	must(t, err)
	folder := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(folder, fmt.Sprintf("%02d.bin", i)), 10<<20, byte(i))
	}
	// The pretended size makes the backup choose the tape although it does not fit.
	q = request("second", backup.Stdin)
	q.Label, q.Stdin = "FULL", io.LimitReader(zeros{}, 200<<20)
	r2, err := run(context.Background(), b, q)
	if !errors.Is(err, backup.ErrTapeFull) || r2.Copies[0].State != mediacatalog.SetIncomplete || r2.Copies[0].Barcode != r1.Copies[0].Barcode {
		t.Fatalf("%+v, %v", r2, err)
	}
	m := b.Tape(r1.Copies[0].Barcode)
	if !m.Full || m.AppendUncertain {
		t.Errorf("%+v", m)
	}
	to, _, err := restoreAll(t, b, r1.RecoveryPointID)
	must(t, err)
	sameTree(t, filepath.Dir(first), to)
	// The next backup takes another tape and says nothing of the full one.
	q = request("third", first)
	q.Label = "FULL"
	r3, err := run(context.Background(), b, q)
	must(t, err)
	if r3.Copies[0].Barcode == r1.Copies[0].Barcode {
		t.Error("the full tape was appended to")
	}
	b.inSlots()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFullTapeKeepsTheFilesBefore is a folder that does not fit: the files that do can be restored.
func TestFullTapeKeepsTheFilesBefore(t *testing.T) {
	b := small(t)
	for _, code := range []string{"DPM001L6", "DPM002L6", "DPM003L6"} {
		_, err := b.Catalog.UpdateMedia(context.Background(), b.Tape(code).MediaID, func(m *mediacatalog.Media) error { m.CapacityBytes = 0; return nil })
		must(t, err)
	}
	folder := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(folder, fmt.Sprintf("%02d.bin", i)), 10<<20, byte(i))
	}
	r, err := run(context.Background(), b, request("folder", folder))
	if !errors.Is(err, backup.ErrTapeFull) || r.Copies[0].State != mediacatalog.SetIncomplete || r.Copies[0].Files < 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	_, res, err := restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
	if res.Files != r.Copies[0].Files {
		t.Errorf("%d files were restored of %d", res.Files, r.Copies[0].Files)
	}
}

// TestWriteErrors makes the drive fail in every way a write can fail. Data sets before it stay, the tape is not appended
// to where its end is uncertain, and the next backup takes another.
func TestWriteErrors(t *testing.T) {
	faults := map[string]vlib.Fault{
		"medium error":           {Kind: vlib.FaultSense, Key: 3, ASC: 0x0C},
		"hardware error":         {Kind: vlib.FaultSense, Key: 4, ASC: 0x44},
		"deferred error":         {Kind: vlib.FaultDeferred, Key: 3, ASC: 0x0C, Blocks: 2},
		"timeout, executed":      {Kind: vlib.FaultTimeout, Executed: true},
		"timeout, not executed":  {Kind: vlib.FaultTimeout},
		"aborted command":        {Kind: vlib.FaultSense, Key: 0xB, ASC: 0x08},
		"power on reset":         {Kind: vlib.FaultSense, Key: 6, ASC: 0x29},
		"reservation conflict":   {Kind: vlib.FaultStatus, Status: 0x18},
		"volume overflow":        {Kind: vlib.FaultSense, Key: 0xD, ASC: 0, ASCQ: 2, EndOfMedium: true},
		"aborted, but it was on": {Kind: vlib.FaultSense, Key: 0xB, ASC: 0x08, Executed: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) { testWriteError(t, fault) })
	}
}

func testWriteError(t *testing.T, fault vlib.Fault) {
	b := small(t)
	first := filepath.Join(t.TempDir(), "first")
	write(t, first, 300_000, 1)
	q := request("first", first)
	q.Label = "L"
	r1, err := run(context.Background(), b, q)
	must(t, err)
	fault.Operations, fault.After, fault.Device = []int{opWrite}, 8, "drive0"
	_, err = b.Virtual.InjectFault(fault)
	must(t, err)
	second := filepath.Join(t.TempDir(), "second")
	write(t, second, 4<<20, 2)
	q = request("second", second)
	q.Label = "L"
	r2, err := run(context.Background(), b, q)
	must(t, b.Virtual.ClearFaults())
	b.inSlots()
	if err == nil {
		// The drive could find out what became of the block: then everything must be there.
		to, _, err := restoreAll(t, b, r2.RecoveryPointID)
		must(t, err)
		sameTree(t, filepath.Dir(second), to)
	} else if r2.Complete() != 0 {
		t.Errorf("a copy is complete although: %v", err)
	}
	to, _, err := restoreAll(t, b, r1.RecoveryPointID)
	must(t, err)
	sameTree(t, filepath.Dir(first), to)
	q.Name = "third"
	r3, err := run(context.Background(), b, q)
	must(t, err)
	to, _, err = restoreAll(t, b, r3.RecoveryPointID)
	must(t, err)
	sameTree(t, filepath.Dir(second), to)
}

// TestCancelledAnywhere cancels a backup at the n-th command, for every n: the tape is back in its slot, the catalog is
// true, what was written before can be read, and the next backup works.
func TestCancelledAnywhere(t *testing.T) {
	source := filepath.Join(t.TempDir(), "f")
	write(t, source, 2_000_000, 1)
	count := func(b bench, n int32) (*backup.Result, int32, error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var sent atomic.Int32
		b.Host.Wrap = func(_ string, tr scsi.Transport) scsi.Transport {
			return onCommand{tr, func(*scsi.Command) {
				if sent.Add(1) == n {
					cancel()
				}
			}}
		}
		q := request("cancelled", source)
		q.Label = "L"
		l := b.Open()
		sent.Store(0)
		r, err := backup.Run(ctx, b.Catalog, l, q)
		must(t, l.Close())
		b.Host.Wrap = nil
		return r, sent.Load(), err
	}
	_, total, err := count(newBench(t, 1<<30), -1)
	must(t, err)
	step := int32(1)
	if testing.Short() {
		step = 7
	}
	t.Logf("%d commands", total)
	b := newBench(t, 1<<30)
	for n := int32(1); n <= total; n += step {
		r, _, err := count(b, n)
		if err == nil && r.Complete() != 1 {
			t.Errorf("cancelled at command %d: no error, and no copy", n)
		}
		b.inSlots()
		must(t, b.Catalog.Check(context.Background()))
		if left, err := b.Catalog.UnfinishedDatasets(context.Background()); err != nil || len(left) > 0 {
			t.Fatalf("cancelled at command %d: unfinished data sets %v, %v", n, left, err)
		}
		if n%10 == 0 || n+step > total {
			r, _, err := count(b, -1)
			if err != nil {
				t.Fatalf("backup after one that was cancelled at command %d: %v", n, err)
			}
			to, _, err := restoreAll(t, b, r.RecoveryPointID)
			must(t, err)
			sameTree(t, filepath.Dir(source), to)
		}
	}
	if m := b.Tape("DPM001L6"); m.AppendUncertain {
		t.Errorf("a cancelled backup left the tape uncertain: %+v", m)
	}
}

// TestRefusesWhatTheCatalogDoesNotKnow appends behind the catalog's back, and changes what the catalog says: the tape is not
// written then.
func TestRefusesWhatTheCatalogDoesNotKnow(t *testing.T) {
	changes := map[string]func(*mediacatalog.Media){
		"next object":   func(m *mediacatalog.Media) { m.NextObject++ },
		"set number":    func(m *mediacatalog.Media) { m.LastSetNumber++ },
		"media id":      func(m *mediacatalog.Media) { m.OnMediaID = "{00000000-0000-0000-0000-000000000000}" },
		"block size":    func(m *mediacatalog.Media) { m.BlockSize *= 2 },
		"unknown again": func(m *mediacatalog.Media) { m.State = mediacatalog.StateUnknown },
		"freed by hand": func(m *mediacatalog.Media) { m.State = mediacatalog.StateFree },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b := small(t)
			f := filepath.Join(t.TempDir(), "f")
			write(t, f, 1000, 1)
			q := request("one", f)
			q.Label = "L"
			r1, err := run(context.Background(), b, q)
			must(t, err)
			_, err = b.Catalog.UpdateMedia(context.Background(), b.Tape(r1.Copies[0].Barcode).MediaID, func(m *mediacatalog.Media) error { change(m); return nil })
			must(t, err)
			r2, err := run(context.Background(), b, q)
			must(t, err)
			if r2.Copies[0].Barcode == r1.Copies[0].Barcode {
				t.Errorf("tape %s was appended to", r1.Copies[0].Barcode)
			}
		})
	}
}

// TestDrivesThatCannotWrite fails every write: a backup gives up after two tapes, and marks them.
func TestDrivesThatCannotWrite(t *testing.T) {
	b := small(t)
	for _, d := range []string{"drive0", "drive1"} {
		_, err := b.Virtual.InjectFault(vlib.Fault{Device: d, Kind: vlib.FaultSense, Key: 3, ASC: 0x0C, Operations: []int{opWrite}, Times: -1})
		must(t, err)
	}
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	r, err := run(context.Background(), b, request("one", f))
	var none *backup.NoTapeError
	if err == nil || errors.As(err, &none) || len(r.Notes) != 1 {
		t.Errorf("%v, notes %v", err, r.Notes)
	}
	suspect := 0
	for _, code := range []string{"DPM001L6", "DPM002L6", "DPM003L6"} {
		if b.Tape(code).State == mediacatalog.StateSuspect {
			suspect++
		}
	}
	if suspect != 2 {
		t.Errorf("%d tapes are suspect", suspect)
	}
	b.inSlots()
}

// TestPassedOverTapesAreTold refuses an own tape, takes another, and says so.
func TestPassedOverTapesAreTold(t *testing.T) {
	b := small(t)
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	q := request("one", f)
	q.Label = "L"
	r1, err := run(context.Background(), b, q)
	must(t, err)
	_, err = b.Catalog.UpdateMedia(context.Background(), b.Tape(r1.Copies[0].Barcode).MediaID, func(m *mediacatalog.Media) error { m.NextObject++; return nil })
	must(t, err)
	r2, err := run(context.Background(), b, q)
	must(t, err)
	if len(r2.Notes) != 1 || !strings.Contains(r2.Notes[0], r1.Copies[0].Barcode) || !strings.Contains(r2.Notes[0], "refused to protect") {
		t.Errorf("notes: %q", r2.Notes)
	}
	events, err := b.Catalog.Events(context.Background(), mediacatalog.EventFilter{Kind: "tape passed over"})
	if err != nil || len(events) != 1 {
		t.Errorf("%v, %v", events, err)
	}
}

// TestNamesThatDoNotFit refuses them before a tape is touched.
func TestNamesThatDoNotFit(t *testing.T) {
	b := small(t)
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	for _, q := range []backup.Request{
		request("", f), request(strings.Repeat("n", 101), f), request("a\x00b", f), request("\xff", f), request("ok", "/"+strings.Repeat("x/", 300)),
		{Name: "ok", Label: strings.Repeat("l", 101), Sources: []string{f}},
	} {
		if _, err := run(context.Background(), b, q); err == nil {
			t.Errorf("%.20q was accepted", q.Name)
		}
	}
	r, err := run(context.Background(), b, request(strings.Repeat("\u65e5", 100), f))
	must(t, err)
	if r.Complete() != 1 {
		t.Errorf("%+v", r)
	}
	if m := b.Tape("DPM002L6"); m.State != mediacatalog.StateUnknown {
		t.Errorf("a second tape was touched: %s", m.State)
	}
}

// TestLabelledTapeIsUsed ends a backup behind the label: the tape has nothing on it, and the next backup takes it. A tape that
// has something behind its label, whatever the catalog says, is left alone.
func TestLabelledTapeIsUsed(t *testing.T) {
	b := small(t)
	q := request("three", backup.Stdin)
	q.Stdin, q.Copies = io.LimitReader(zeros{}, 1000), 3 // there are two drives: two tapes are labelled, nothing is written
	if _, err := run(context.Background(), b, q); err == nil {
		t.Fatal("three copies of standard input on two drives")
	}
	f := filepath.Join(t.TempDir(), "f")
	write(t, f, 1000, 1)
	r, err := run(context.Background(), b, request("one", f))
	must(t, err)
	if r.Copies[0].Barcode != "DPM001L6" || r.Copies[0].Label != "one-Copy1" {
		t.Errorf("%+v", r.Copies[0])
	}
	_, err = b.Catalog.UpdateMedia(context.Background(), b.Tape("DPM001L6").MediaID, func(m *mediacatalog.Media) error { m.LastSetNumber = 0; return nil })
	must(t, err)
	r2, err := run(context.Background(), b, request("two", f))
	must(t, err)
	if r2.Copies[0].Barcode == "DPM001L6" {
		t.Error("a tape with data was labelled anew")
	}
	_, _, err = restoreAll(t, b, r.RecoveryPointID)
	must(t, err)
}
