package sgio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// TestLive runs the conformance suite over a scratch tape of the kernel laboratory.
func TestLive(t *testing.T) {
	path := os.Getenv("TAPECTL_LAB_SG")
	if path == "" {
		t.Skip("TAPECTL_LAB_SG is not set: no node of a scratch tape drive (/dev/sgN) with a cartridge loaded")
	}
	open := func(t *testing.T) scsi.Transport {
		tr, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s takes %d bytes in one command", path, tr.MaxTransfer())
		return tr
	}
	// The laboratory's target has faults of its own (tgt before 1.0.94).
	o := scsitest.Options{ScratchTape: true, MaxBlock: 256 << 10, LosesShortBlockData: true, ResidualOfMarkUnknown: true,
		EmptyReadMoves: true}
	if os.Getenv("TAPECTL_LAB_SG_EXACT") != "" {
		o = scsitest.Options{ScratchTape: true, MaxBlock: 256 << 10}
	}
	scsitest.TestTransport(t, open, o)
	found, err := Devices()
	if err != nil || len(found) == 0 {
		t.Fatalf("Devices: %v, %v", found, err)
	}
	for _, d := range found {
		t.Logf("%+v", d)
	}
}

// TestLiveInterrupted disturbs this process while commands run, with signals and by stopping and continuing it: each
// command must run once.
func TestLiveInterrupted(t *testing.T) {
	path := os.Getenv("TAPECTL_LAB_SG")
	if path == "" {
		t.Skip("TAPECTL_LAB_SG is not set: no node of a scratch tape drive (/dev/sgN) with a cartridge loaded")
	}
	tr, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ctx := context.Background()
	if _, err := scsi.ClearAttentions(ctx, tr); err != nil {
		t.Fatal(err)
	}
	send := func(c *scsi.Command) {
		t.Helper()
		if err := scsi.Do(ctx, tr, c); err != nil {
			t.Fatal(err)
		}
	}
	send(&scsi.Command{Name: "REWIND", CDB: []byte{1, 0, 0, 0, 0, 0}})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // a storm of signals, as the runtime's own but denser
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
				unix.Kill(unix.Getpid(), unix.SIGURG)
			}
		}
	})
	script := fmt.Sprintf("for i in 1 2 3 4 5 6 7 8 9; do sleep 0.05; kill -STOP %[1]d; sleep 0.02; kill -CONT %[1]d; done", unix.Getpid())
	stopper := exec.Command("sh", "-c", script)
	if err := stopper.Start(); err != nil {
		t.Fatal(err)
	}
	defer stopper.Wait()
	const blocks = 200
	block := make([]byte, 64<<10)
	for i := range blocks {
		block[0] = byte(i)
		send(&scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 1, 0, 0, 0}, Direction: scsi.ToDevice, Data: block})
	}
	close(stop)
	wg.Wait()
	send(&scsi.Command{Name: "WRITE FILEMARKS", CDB: []byte{0x10, 0, 0, 0, 1, 0}})
	send(&scsi.Command{Name: "REWIND", CDB: []byte{1, 0, 0, 0, 0, 0}})
	for i := range blocks {
		send(&scsi.Command{Name: "READ", CDB: []byte{8, 0, 1, 0, 0, 0}, Direction: scsi.FromDevice, Data: block})
		if block[0] != byte(i) {
			t.Fatalf("block %d holds number %d: a command ran twice or not at all", i, block[0])
		}
	}
	c := &scsi.Command{Name: "READ", CDB: []byte{8, 0, 1, 0, 0, 0}, Direction: scsi.FromDevice, Data: block}
	if err := scsi.Do(ctx, tr, c); !errors.Is(err, scsi.AtFilemark) {
		t.Fatalf("behind the blocks: %v, want the filemark", err)
	}
}
