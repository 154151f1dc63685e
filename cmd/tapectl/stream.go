package main

import (
	"context"
	"errors"
	"io"
)

// streamBuffer is how much of standard input is read ahead.
const streamBuffer = 1 << 20

// stream reads standard input until a context ends: a read from a pipe whose writer says nothing would wait for ever, with a tape in
// the drive. It is for one goroutine.
type stream struct {
	ctx    context.Context
	source io.Reader
	begun  bool
	filled chan chunk
	empty  chan []byte
	rest   chunk // read, and not yet given to the caller
	data   []byte
}

// chunk is what one read gave.
type chunk struct {
	buffer []byte
	n      int
	err    error
}

// newStream makes a reader of source. Nothing is read before the first Read. After the context has ended a goroutine may
// go on waiting for source.
func newStream(ctx context.Context, source io.Reader) *stream {
	return &stream{ctx: ctx, source: source, filled: make(chan chunk), empty: make(chan []byte, 2)}
}

// Read gives what has arrived, the error of the source, or that of the context.
func (s *stream) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.empty <- make([]byte, streamBuffer)
		s.empty <- make([]byte, streamBuffer)
		go s.fill()
	}
	for len(s.data) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// next takes the next chunk, and gives the buffer of the one before back. An error is given when its data is used up, and
// stays.
func (s *stream) next() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.rest.err != nil {
		return s.rest.err
	}
	if s.rest.buffer != nil {
		s.empty <- s.rest.buffer
	}
	select {
	case <-s.ctx.Done():
		s.rest = chunk{err: s.ctx.Err()}
	case s.rest = <-s.filled:
	}
	s.data = s.rest.buffer[:s.rest.n]
	return nil
}

// fill reads the source to its end.
func (s *stream) fill() {
	for {
		var c chunk
		select {
		case <-s.ctx.Done():
			return
		case c.buffer = <-s.empty:
		}
		c.n, c.err = s.source.Read(c.buffer)
		if c.n < 0 || c.n > len(c.buffer) {
			c.n, c.err = 0, errors.New("standard input: impossible count of a read")
		}
		select {
		case <-s.ctx.Done():
			return
		case s.filled <- c:
		}
		if c.err != nil {
			return
		}
	}
}
