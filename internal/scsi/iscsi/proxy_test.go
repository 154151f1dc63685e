//go:build libiscsi

package iscsi

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// proxy stands between the transport and the target, and stalls or cuts the connections.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	ready   *sync.Cond
	stalled bool
	conns   []net.Conn
}

// newProxy starts a proxy in front of a and returns a's address behind it.
func newProxy(t testing.TB, a Address) (*proxy, Address) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: a.portal(a.Host)}
	p.ready = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.resume()
		p.cut()
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	a.Host, a.Port = "127.0.0.1", uint16(n)
	return p, a
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		go p.pump(near, far)
		go p.pump(far, near)
	}
}

func (p *proxy) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		for p.stalled {
			p.ready.Wait()
		}
		p.mu.Unlock()
		if _, werr := to.Write(b[:n]); werr != nil || err == io.EOF || err != nil {
			return
		}
	}
}

func (p *proxy) stall() {
	p.mu.Lock()
	p.stalled = true
	p.mu.Unlock()
}

func (p *proxy) resume() {
	p.mu.Lock()
	p.stalled = false
	p.mu.Unlock()
	p.ready.Broadcast()
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
