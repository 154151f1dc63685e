package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"tapectl/internal/scsi"
)

// Options say what a Recorder writes.
type Options struct {
	// Limit is the most bytes of data that are written down of one command; 0 means all. A transcript with less than
	// all cannot be replayed where data is missing.
	Limit int
	// Timing writes how long each command took.
	Timing bool
	// Title is written as a comment before each command, to tell several devices in one trace apart.
	Title string
}

// Recorder is a transport that writes down what goes through it. It changes nothing: errors of the writer do not
// disturb the commands, see Err. It is as safe for several goroutines as the transport below, and so may be
// several Recorders be over one Writer made by NewWriter.
type Recorder struct {
	transport scsi.Transport
	w         io.Writer
	options   Options

	mu  sync.Mutex
	err error
}

var _ scsi.Transport = (*Recorder)(nil)

// NewRecorder makes a Recorder over t that writes to w, with one call of Write for each command. Closing the Recorder
// closes t and not w.
func NewRecorder(t scsi.Transport, w io.Writer, o Options) *Recorder {
	return &Recorder{transport: t, w: w, options: o}
}

// NewWriter makes a writer to w that several Recorders may share: their commands do not mingle.
func NewWriter(w io.Writer) io.Writer { return &sharedWriter{w: w} }

type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes b whole before anything else is written.
func (s *sharedWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

// Send sends c through the transport below and writes it down when it has ended.
func (r *Recorder) Send(ctx context.Context, c *scsi.Command) error {
	var out []byte
	if c.Direction == scsi.ToDevice && !secret(c) {
		out = r.kept(c.Data) // before the caller gets its buffer back
	}
	begin := time.Now()
	err := r.transport.Send(ctx, c)
	e := r.entry(c, out, err)
	if r.options.Timing {
		e.Elapsed = max(1, time.Since(begin).Round(time.Microsecond))
	}
	r.write(e)
	return err
}

// kept is a copy of the data that is written down.
func (r *Recorder) kept(data []byte) []byte {
	if r.options.Limit > 0 {
		data = data[:min(len(data), r.options.Limit)]
	}
	return bytes.Clone(data)
}

// entry makes the entry of a command that has ended.
func (r *Recorder) entry(c *scsi.Command, out []byte, err error) Entry {
	e := Entry{Name: c.Name, CDB: c.CDB, Direction: c.Direction}
	if err != nil {
		e.Failed, e.Error = true, err.Error()
		var te *scsi.TransportError
		if errors.As(err, &te) {
			e.NotSent = te.NotSent
			if te.Err != nil {
				e.Error = te.Err.Error()
			}
		}
	} else {
		e.Status, e.Sense, e.Residual = c.Status, c.Sense, c.Residual
	}
	switch {
	case c.Direction == scsi.ToDevice:
		e.Data, e.Omitted, e.Redacted = out, len(c.Data)-len(out), secret(c)
	case c.Direction == scsi.FromDevice && err == nil:
		n := c.Transferred()
		e.Data = r.kept(c.Data[:n])
		e.Omitted = n - len(e.Data)
	}
	return e
}

func (r *Recorder) write(e Entry) {
	text := e.String() + "\n"
	if n := len(e.CDB); n < 6 || n > 16 { // no transport sends that
		text = fmt.Sprintf("# %s with a CDB of %d bytes: %s\n\n", e.title(), n, oneLine(e.Error))
	}
	if r.options.Title != "" {
		text = fmt.Sprintf("# %s\n%s", oneLine(r.options.Title), text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return // a trace with a hole in its middle would lie
	}
	if _, err := io.WriteString(r.w, text); err != nil {
		r.err = fmt.Errorf("write transcript: %w", err)
	}
}

// Err is the first error of the writer. Nothing is written after it.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close closes the transport below.
func (r *Recorder) Close() error { return r.transport.Close() }
