//go:build libiscsi

package iscsi

/*
#cgo pkg-config: libiscsi
#include <stdlib.h>
#include <string.h>
#include "session.h"
*/
import "C"

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tapectl/internal/scsi"
)

// Available says that the package was built with libiscsi.
const Available = true

const (
	// connectTimeout bounds each of connection and login.
	connectTimeout = 30 * time.Second
	// logoutTimeout bounds the farewell in Close.
	logoutTimeout = 2 * time.Second
	// idleInterval is how often an idle session looks for pings of the target. Linux' target drops those that leave one
	// unanswered for 30 s.
	idleInterval = 5 * time.Second
)

// Transport is one session to one logical unit. It implements scsi.Transport.
//
// A command whose ctx ends, or whose time is up, ends the session: libiscsi cannot forget a command while its
// connection lives. Every later Send fails with a *scsi.TransportError whose NotSent is set and that wraps
// ErrSessionLost; open a new Transport then, and find out what the device was doing.
type Transport struct {
	address Address
	turn    chan struct{} // holds one token: whoever has it may use what follows
	session *C.struct_session
	wake    int // eventfd that ends a wait
	closed  bool
	lost    error // why there is no session
	stop    chan struct{}
}

var _ scsi.Transport = (*Transport)(nil)

// Open connects and logs in. The device is not asked anything: a logical unit that is not there shows itself in the first
// command. The error is a *ConnectError. Close ends the session.
func Open(ctx context.Context, a Address) (*Transport, error) {
	t, err := open(ctx, a)
	if err != nil {
		return nil, &ConnectError{Address: a, Err: err}
	}
	return t, nil
}

func open(ctx context.Context, a Address) (*Transport, error) {
	password, err := a.password()
	if err != nil {
		return nil, err
	}
	ips, err := lookup(ctx, a.Host)
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	t := &Transport{address: a, turn: make(chan struct{}, 1), wake: wake, stop: make(chan struct{})}
	for _, ip := range ips {
		if err = t.login(ctx, a.portal(ip), password, 2); err == nil {
			t.turn <- struct{}{}
			go t.idle()
			return t, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	unix.Close(wake)
	return nil, err
}

// portal is where to connect; ip is numeric.
func (a Address) portal(ip string) string { return net.JoinHostPort(ip, strconv.Itoa(int(a.Port))) }

// lookup resolves the host here, where ctx can end it.
func lookup(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	return net.DefaultResolver.LookupHost(ctx, host)
}

// login sets up a session, and follows the target elsewhere at most redirects times.
func (t *Transport) login(ctx context.Context, portal, password string, redirects int) error {
	if err := t.newSession(password); err != nil {
		return err
	}
	s := t.session
	err := t.interruptible(ctx, func() error {
		p := C.CString(portal)
		defer C.free(unsafe.Pointer(p))
		if err := t.outcome(ctx, C.session_connect(s, p, C.int64_t(connectTimeout.Milliseconds()))); err != nil {
			return fmt.Errorf("connect to %s: %w", portal, explain(ctx, portal, err))
		}
		if err := t.outcome(ctx, C.session_login(s, C.int64_t(connectTimeout.Milliseconds()))); err != nil {
			return fmt.Errorf("log in at %s: %w", portal, err)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	elsewhere := C.GoString(C.session_redirect(s))
	C.session_free(s)
	t.session = nil
	if elsewhere != "" && redirects > 0 {
		return t.login(ctx, elsewhere, password, redirects-1)
	}
	return err
}

func (t *Transport) newSession(password string) error {
	var r [8]byte
	if _, err := rand.Read(r[:]); err != nil {
		return err
	}
	initiator, target := C.CString(t.address.initiator()), C.CString(t.address.Target)
	defer C.free(unsafe.Pointer(initiator))
	defer C.free(unsafe.Pointer(target))
	s := C.session_new(initiator, target, C.uint32_t(binary.NativeEndian.Uint32(r[0:4])),
		C.uint32_t(binary.NativeEndian.Uint32(r[4:8])), C.int(t.wake))
	if s == nil {
		return errors.New("libiscsi refuses the names or is out of memory")
	}
	if t.address.User != "" {
		user, secret := C.CString(t.address.User), C.CString(password)
		rc := C.session_credentials(s, user, secret)
		C.memset(unsafe.Pointer(secret), 0, C.strlen(secret))
		C.free(unsafe.Pointer(user))
		C.free(unsafe.Pointer(secret))
		if rc != 0 {
			C.session_free(s)
			return errors.New("libiscsi refuses the user name or the password")
		}
	}
	t.session = s
	return nil
}

// interruptible runs f so that the end of ctx ends the waits of the C side. Both ends of the eventfd are quiet again when
// it returns.
func (t *Transport) interruptible(ctx context.Context, f func() error) error {
	woken := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(woken)
		one := binary.NativeEndian.AppendUint64(nil, 1)
		unix.Write(t.wake, one) // cannot fail: the counter is far from full
	})
	err := f()
	if !cancel() {
		<-woken
		var count [8]byte
		unix.Read(t.wake, count[:])
	}
	return err
}

// outcome turns the result of a step of the login into an error.
func (t *Transport) outcome(ctx context.Context, result C.int) error {
	switch {
	case result == C.SESSION_ANSWERED && t.session.result == 0:
		return nil
	case result == C.SESSION_WOKEN:
		return context.Cause(ctx)
	case result == C.SESSION_TIMEOUT:
		return fmt.Errorf("no answer within %v", connectTimeout)
	}
	if msg := t.message(); msg != "" {
		return errors.New(msg)
	}
	return errors.New("the target closed the connection")
}

// message is what the library says about an error; "" where that is about its own inner life only.
func (t *Transport) message() string {
	msg := strings.TrimSpace(C.GoString(C.session_error(t.session)))
	if strings.Contains(msg, "Can not reconnect right now") {
		return ""
	}
	// The library appends the sense data of an earlier command to whatever it says.
	msg, _, _ = strings.Cut(msg, " SENSE KEY:")
	return msg
}

// explain finds the reason why a connection failed, which the library keeps to itself, by one more try.
func explain(ctx context.Context, portal string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	c, reason := d.DialContext(ctx, "tcp", portal)
	if reason != nil {
		return reason
	}
	c.Close()
	return err
}

// MaxTransfer is the largest data phase in bytes that Send takes.
func (t *Transport) MaxTransfer() int { return maxTransfer }

// Address is where the transport leads.
func (t *Transport) Address() Address { return t.address }

// Send sends one command; see scsi.Transport. It waits for its turn.
func (t *Transport) Send(ctx context.Context, c *scsi.Command) error {
	fail := func(sent bool, err error) error {
		return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: !sent, Err: err}
	}
	if len(c.CDB) < 6 || len(c.CDB) > 16 {
		return fail(false, fmt.Errorf("a CDB of %d bytes cannot be sent", len(c.CDB)))
	}
	if len(c.Data) > maxTransfer {
		return fail(false, fmt.Errorf("%d bytes exceed the limit of %d", len(c.Data), maxTransfer))
	}
	if err := ctx.Err(); err != nil {
		return fail(false, err)
	}
	select {
	case <-ctx.Done():
		return fail(false, ctx.Err())
	case <-t.turn:
	}
	defer func() { t.turn <- struct{}{} }()
	switch {
	case t.closed:
		return fail(false, ErrClosed)
	case t.session == nil:
		return fail(false, fmt.Errorf("%w (%w)", ErrSessionLost, t.lost))
	}
	if sent, err := t.command(ctx, c); err != nil {
		return fail(sent, err)
	}
	return nil
}

// command runs c on the session and drops the session when there is no answer.
func (t *Transport) command(ctx context.Context, c *scsi.Command) (sent bool, err error) {
	s := t.session
	if C.session_reserve(s, C.size_t(len(c.Data))) != 0 {
		return false, unix.ENOMEM
	}
	buffer := unsafe.Slice((*byte)(unsafe.Pointer(s.data)), int(s.size))
	direction := C.int(0)
	switch {
	case len(c.Data) == 0:
	case c.Direction == scsi.FromDevice:
		direction = 1
	case c.Direction == scsi.ToDevice:
		direction = 2
		copy(buffer, c.Data)
	default:
		return false, fmt.Errorf("there are %d bytes of data and no direction", len(c.Data))
	}
	for i, x := range c.CDB {
		s.cdb[i] = C.uint8_t(x)
	}
	timeout := c.TimeoutOrDefault()
	var result C.int
	t.interruptible(ctx, func() error {
		result = C.session_command(s, C.int(t.address.LUN), C.int(len(c.CDB)), direction, C.int(len(c.Data)),
			C.int64_t(max(1, timeout.Milliseconds())))
		return nil
	})
	if result != C.SESSION_ANSWERED {
		err = t.failure(ctx, result, timeout)
		t.drop(err)
		return result != C.SESSION_NOT_SENT, err
	}
	c.Status = scsi.Status(s.status)
	c.Residual = int(s.residual)
	c.Sense = C.GoBytes(unsafe.Pointer(&s.sense[0]), s.sense_length)
	if direction == 1 {
		n := c.Transferred()
		copy(c.Data[:n], buffer)
	}
	return true, nil
}

// failure tells why a command was not answered.
func (t *Transport) failure(ctx context.Context, result C.int, timeout time.Duration) error {
	switch result {
	case C.SESSION_WOKEN:
		return ctx.Err()
	case C.SESSION_TIMEOUT:
		return fmt.Errorf("%w after %v", ErrTimeout, timeout)
	}
	if msg := t.message(); msg != "" {
		return fmt.Errorf("%w: %s", ErrConnectionLost, msg)
	}
	return ErrConnectionLost
}

// drop ends the session without a farewell; the device may be busy with a command.
func (t *Transport) drop(cause error) {
	C.session_free(t.session)
	t.session, t.lost = nil, cause
}

// idle answers the target's pings while nobody sends commands.
func (t *Transport) idle() {
	tick := time.NewTicker(idleInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		select {
		case <-t.turn:
		default:
			continue // a command is running: the library is being served
		}
		t.serviceIdle()
		t.turn <- struct{}{}
	}
}

// serviceIdle looks once for what the target sent; the caller has the turn.
func (t *Transport) serviceIdle() {
	if t.session != nil && C.session_idle(t.session) != C.SESSION_ANSWERED {
		t.drop(t.failure(context.Background(), C.SESSION_LOST, 0))
	}
}

// Close waits for a running command, logs out and frees everything. It always returns nil; calling it again is harmless.
func (t *Transport) Close() error {
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	if t.closed {
		return nil
	}
	t.closed = true
	close(t.stop)
	if t.session != nil {
		C.session_logout(t.session, C.int64_t(logoutTimeout.Milliseconds()))
		C.session_free(t.session)
		t.session = nil
	}
	unix.Close(t.wake)
	return nil
}
