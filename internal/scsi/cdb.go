package scsi

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// StandardTimeout is the time given to the commands of this package: none of them moves a medium. Devices answer most
// in milliseconds, but a drive that is loading, or a library that restarts its controller, may hold them back.
const StandardTimeout = time.Minute

// LogTimeout is the time given to LOG SENSE: drives that are loading or cleaning answer it late.
const LogTimeout = 3 * time.Minute

// CheckCDB verifies that b is a command descriptor block of the given length and operation code. It is what every
// UnmarshalCDB begins with. Bytes beyond length are allowed (some initiators pad to 16 bytes).
func CheckCDB(name string, b []byte, length int, opcode byte) error {
	if len(b) < length {
		return fmt.Errorf("decode %s: the CDB has %d bytes, want %d", name, len(b), length)
	}
	if b[0] != opcode {
		return fmt.Errorf("decode %s: operation code %02Xh, want %02Xh", name, b[0], opcode)
	}
	return nil
}

// CheckServiceAction verifies the service action in byte 1 of a CDB (SPC-5 4.2.5.2), after CheckCDB.
func CheckServiceAction(name string, b []byte, action byte) error {
	if got := b[1] & 0x1F; got != action {
		return fmt.Errorf("decode %s: service action %02Xh, want %02Xh", name, got, action)
	}
	return nil
}

// BadResponse makes the *ResponseError of an answer to c that makes no sense.
func (c *Command) BadResponse(format string, args ...any) *ResponseError {
	return &ResponseError{Op: c.Name, CDB: c.CDB, Reason: fmt.Sprintf(format, args...)}
}

// DataIn sends r with a buffer of size bytes and returns what the device sent, at most size bytes; the slice belongs to
// the caller. r must state the same size as its allocation length: some targets refuse a larger one.
// Errors are those of Do.
func DataIn(ctx context.Context, t Transport, r Request, size int, timeout time.Duration) ([]byte, error) {
	c := NewCommand(r, FromDevice, make([]byte, size), timeout)
	if err := Do(ctx, t, c); err != nil {
		return nil, err
	}
	return c.Data[:c.Transferred()], nil
}

// DataOut sends r with data. Errors are those of Do.
func DataOut(ctx context.Context, t Transport, r Request, data []byte, timeout time.Duration) error {
	return Do(ctx, t, NewCommand(r, ToDevice, data, timeout))
}

// WithAttention returns a Transport over t that sets Command.Attention to f where the sender left it empty, so that the
// functions of this package (ModeSense, ReadLog, ...) consume unit attentions and tell f. Use it for commands whose
// meaning does not depend on what the attention reports, never for reading, writing, positioning or moving.
// Close closes t.
func WithAttention(t Transport, f func(Sense)) Transport { return &attentive{t, f} }

type attentive struct {
	Transport
	f func(Sense)
}

// Send sends c after giving it the callback.
func (a *attentive) Send(ctx context.Context, c *Command) error {
	if c.Attention == nil {
		c.Attention = a.f
	}
	return a.Transport.Send(ctx, c)
}

// named fills in the command of a *ResponseError that a decoder made.
func named(r Request, err error) error {
	if e, ok := err.(*ResponseError); ok && e.Op == "" {
		return &ResponseError{Op: r.Name(), CDB: r.CDB(), Reason: e.Reason}
	}
	return err
}

// malformed makes the error of a decoder, which does not know the command that its data answers.
func malformed(format string, args ...any) error {
	return &ResponseError{Reason: fmt.Sprintf(format, args...)}
}

// Text trims the padding that devices put around text: spaces and NULs on both sides. Targets exist that justify
// serial numbers to the right.
func Text(b []byte) string { return strings.Trim(string(b), " \x00") }

// padded writes s into b, cut or padded with spaces on the right.
func padded(b []byte, s string) {
	n := copy(b, s)
	for i := n; i < len(b); i++ {
		b[i] = ' '
	}
}

// flag gives the bit when set.
func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
