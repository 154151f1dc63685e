package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/transcript"
)

// tracedBytes is how much of a block on tape stands in a trace: enough to tell blocks apart, too little to be a copy of the data.
const tracedBytes = 32

// trace is the file of --trace. All devices of a command share it.
type trace struct {
	file   *os.File
	shared io.Writer

	mu  sync.Mutex
	err error
}

// openTrace opens the file and notes what it is about to hold.
func openTrace(path, command string) (*trace, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the trace: %w", err)
	}
	t := &trace{file: f}
	t.shared = transcript.NewWriter(t)
	fmt.Fprintf(t, "# %s, tapectl %s, %s\n\n", printable(command), version, time.Now().UTC().Format(time.RFC3339))
	return t, nil
}

// Write writes a paragraph to the file and remembers the first error.
func (t *trace) Write(p []byte) (int, error) {
	n, err := quietWriter{t.file}.Write(p)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.err == nil {
			t.err = err
		}
	}
	return n, err
}

// close closes the file. The error is the first of the whole trace.
func (t *trace) close() error {
	err := t.file.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		err = t.err
	}
	return err
}

// wrap gives a transport that writes down what goes through it. Of the blocks on tape only the beginning is kept.
func (t *trace) wrap(device scsi.Transport, address string) scsi.Transport {
	title := displayAddress(address)
	traced := tracedTransport{
		Transport: device,
		whole:     transcript.NewRecorder(device, t.shared, transcript.Options{Timing: true, Title: title}),
		brief:     transcript.NewRecorder(device, t.shared, transcript.Options{Timing: true, Title: title, Limit: tracedBytes}),
	}
	if limited, ok := device.(interface{ MaxTransfer() int }); ok {
		return limitedTransport{traced, limited.MaxTransfer}
	}
	return traced
}

// tracedTransport sends through one of two recorders over the same transport. Closing it closes the transport.
type tracedTransport struct {
	scsi.Transport
	whole, brief *transcript.Recorder
}

func (t tracedTransport) Send(ctx context.Context, c *scsi.Command) error {
	if movesBlocks(c.CDB) {
		return t.brief.Send(ctx, c)
	}
	return t.whole.Send(ctx, c)
}

// movesBlocks reports whether the data of a command is that of the tape: READ and WRITE of 6 and 16 bytes (SSC-5 table 5).
func movesBlocks(cdb []byte) bool {
	return len(cdb) > 0 && (cdb[0] == 0x08 || cdb[0] == 0x0A || cdb[0] == 0x88 || cdb[0] == 0x8A)
}

// limitedTransport passes on how much the transport below takes at a time.
type limitedTransport struct {
	tracedTransport
	maxTransfer func() int
}

// MaxTransfer is the largest transfer of the transport in bytes.
func (t limitedTransport) MaxTransfer() int { return t.maxTransfer() }
