package mtf

import (
	"context"
	"errors"
)

// memTape is a medium in memory: a slice of blocks, nil for a filemark.
type memTape struct {
	objects [][]byte
	pos     int
	size    int // physical block
	failAt  int // WriteBlock fails when this many objects are recorded; 0 never
	lent    []byte
	located int
	reads   int
}

var errMedium = errors.New("write error")

func (m *memTape) WriteBlock(_ context.Context, p []byte) error {
	if len(p) != m.size {
		return errors.New("block of a wrong size")
	}
	if m.failAt > 0 && len(m.objects) >= m.failAt {
		return errMedium
	}
	m.objects = append(m.objects[:m.pos], append([]byte(nil), p...))
	m.pos++
	return nil
}

func (m *memTape) WriteFilemark(context.Context) error {
	if m.failAt > 0 && len(m.objects) >= m.failAt {
		return errMedium
	}
	m.objects = append(m.objects[:m.pos], nil)
	m.pos++
	return nil
}

func (m *memTape) ReadBlock(_ context.Context, p []byte) (int, error) {
	if m.pos >= len(m.objects) {
		return 0, ErrEndOfData
	}
	m.reads++
	b := m.objects[m.pos]
	m.pos++
	if b == nil {
		return 0, ErrFilemark
	}
	return copy(p, b), nil
}

func (m *memTape) SpaceFilemarks(_ context.Context, n int) error {
	for m.pos < len(m.objects) {
		m.pos++
		if m.objects[m.pos-1] == nil {
			if n--; n == 0 {
				return nil
			}
		}
	}
	return ErrEndOfData
}

func (m *memTape) Locate(_ context.Context, object uint64) error {
	if object > uint64(len(m.objects)) {
		m.pos = len(m.objects)
		return ErrEndOfData
	}
	m.pos = int(object)
	m.located++
	return nil
}

func (m *memTape) Position(context.Context) (uint64, error) { return uint64(m.pos), nil }

// lendingTape also lends its buffers, and checks that they come back.
type lendingTape struct {
	*memTape
	foreign int
}

func (l *lendingTape) Block() []byte {
	l.lent = make([]byte, l.size)
	for i := range l.lent {
		l.lent[i] = 0xEE
	}
	return l.lent
}

func (l *lendingTape) WriteBlock(ctx context.Context, p []byte) error {
	if &p[0] != &l.lent[0] {
		l.foreign++
	}
	return l.memTape.WriteBlock(ctx, p)
}
