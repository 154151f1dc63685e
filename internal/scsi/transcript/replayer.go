package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tapectl/internal/scsi"
)

var (
	// ErrMismatch is in the error of a Send that the transcript has no answer for.
	ErrMismatch = errors.New("the transcript has no answer")
	// ErrClosed is in the error of a Send after Close.
	ErrClosed = errors.New("the transcript is closed")
)

// Order says how a Replayer finds its answers.
type Order int

const (
	// Strict wants the commands in the order of the transcript, each once.
	Strict Order = iota
	// ByCDB answers each command with the entries of the same CDB in turn, and goes on with the last of them.
	ByCDB
)

// Replayer is a transport that answers from a transcript. A command that does not fit gets a *scsi.TransportError with
// NotSent set, which wraps ErrMismatch and says what was expected. It is safe for several goroutines.
type Replayer struct {
	mu      sync.Mutex
	order   Order
	entries []Entry
	next    int            // Strict
	used    map[string]int // ByCDB: entries played so far
	closed  bool
}

var _ scsi.Transport = (*Replayer)(nil)

// NewReplayer makes a Replayer of entries, which it does not change.
func NewReplayer(entries []Entry, o Order) *Replayer {
	return &Replayer{order: o, entries: entries, used: map[string]int{}}
}

// Send answers c.
func (r *Replayer) Send(ctx context.Context, c *scsi.Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := ctx.Err()
	if r.closed {
		err = ErrClosed
	}
	var e *Entry
	if err == nil {
		e, err = r.find(c)
	}
	if err == nil {
		err = check(e, c)
	}
	if err != nil {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: err}
	}
	r.next++
	r.used[string(e.CDB)]++
	return answer(e, c)
}

// find finds the entry for c.
func (r *Replayer) find(c *scsi.Command) (*Entry, error) {
	if r.order == Strict {
		if r.next == len(r.entries) {
			return nil, fmt.Errorf("%w: it ends after %d commands, and %s comes", ErrMismatch, r.next, describe(c.Name, c.CDB))
		}
		e := &r.entries[r.next]
		if !bytes.Equal(e.CDB, c.CDB) {
			return nil, fmt.Errorf("%w: command %d is %s, and %s comes", ErrMismatch, r.next+1, describe(e.Name, e.CDB),
				describe(c.Name, c.CDB))
		}
		return e, nil
	}
	var last *Entry
	n := r.used[string(c.CDB)]
	for i := range r.entries {
		if !bytes.Equal(r.entries[i].CDB, c.CDB) {
			continue
		}
		if last = &r.entries[i]; n == 0 {
			return last, nil
		}
		n--
	}
	if last == nil {
		return nil, fmt.Errorf("%w to %s", ErrMismatch, describe(c.Name, c.CDB))
	}
	return last, nil
}

func describe(name string, cdb []byte) string { return fmt.Sprintf("%s (% X)", name, cdb) }

// check verifies that the entry can answer c: the data that c sends is the recorded data, as far as that was written
// down, and the data that c wants was written down.
func check(e *Entry, c *scsi.Command) error {
	if e.Direction == scsi.ToDevice || c.Direction == scsi.ToDevice && len(c.Data) > 0 {
		if c.Direction != scsi.ToDevice || len(c.Data) != len(e.Data)+e.Omitted || !bytes.HasPrefix(c.Data, e.Data) {
			return fmt.Errorf("%w: %s sends other data than was recorded", ErrMismatch, describe(c.Name, c.CDB))
		}
		return nil
	}
	if e.Omitted > 0 && len(c.Data) > len(e.Data) {
		return fmt.Errorf("%w: the data of %s was not written down", ErrMismatch, describe(c.Name, c.CDB))
	}
	return nil
}

// answer fills in what was recorded.
func answer(e *Entry, c *scsi.Command) error {
	if e.Failed {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: e.NotSent, Err: errors.New(e.Error)}
	}
	c.Status, c.Sense, c.Residual = e.Status, slices.Clone(e.Sense), e.Residual
	if e.Direction != scsi.ToDevice && len(c.Data) > 0 {
		copy(c.Data, e.Data)
		if len(c.Data) != len(e.Data)+e.Omitted+max(0, e.Residual) { // not the buffer that it was recorded with
			c.Residual = len(c.Data) - len(e.Data) - e.Omitted
		}
	}
	return nil
}

// Remaining counts the entries that were not played: of a Strict replay those still to come, of ByCDB those of which
// the turn never came.
func (r *Replayer) Remaining() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order == Strict {
		return len(r.entries) - r.next
	}
	left, used := 0, map[string]int{}
	for _, e := range r.entries {
		key := string(e.CDB)
		if used[key]++; used[key] > r.used[key] {
			left++
		}
	}
	return left
}

// Close ends the replay. It always returns nil.
func (r *Replayer) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}
