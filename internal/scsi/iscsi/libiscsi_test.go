//go:build libiscsi

package iscsi

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listener gives the address of a port that accepts connections and says nothing.
func listener(t *testing.T) Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return addressOf(t, l)
}

func addressOf(t *testing.T, l net.Listener) Address {
	t.Helper()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return Address{Host: "127.0.0.1", Port: uint16(n), Target: iqn}
}

func TestOpenIsCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Open(ctx, listener(t))
	var ce *ConnectError
	if !errors.As(err, &ce) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestOpenIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := addressOf(t, l)
	l.Close()
	_, err = Open(context.Background(), a)
	var ce *ConnectError
	if !errors.As(err, &ce) || !strings.Contains(err.Error(), "open iscsi://127.0.0.1:") ||
		!errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

// A target that answers with rubbish or hangs up must give an error, not a hang or a crash.
func TestOpenMeetsRubbish(t *testing.T) {
	for name, answer := range map[string][]byte{
		"nothing":  nil,
		"text":     []byte(strings.Repeat("HTTP/1.1 400 Bad Request\r\n\r\n", 10)),
		"zeros":    make([]byte, 4096),
		"all ones": []byte(strings.Repeat("\xff", 4096)),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Write(answer)
					c.Close()
				}
			}()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			tr, err := Open(ctx, addressOf(t, l))
			if err == nil {
				tr.Close()
				t.Fatal("a session was set up")
			}
			if !strings.Contains(err.Error(), ": log in at 127.0.0.1:") && !strings.Contains(err.Error(), ": connect to 127.0.0.1:") {
				t.Error(err)
			}
		})
	}
}

func TestOpenWithoutPasswordFile(t *testing.T) {
	a := listener(t)
	a.User, a.PasswordFile = "bob", t.TempDir()+"/none"
	if _, err := Open(context.Background(), a); err == nil || !strings.Contains(err.Error(), "read password file") {
		t.Errorf("got %v", err)
	}
}
