package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"tapectl/internal/drive"
)

// fakeTape is a BlockDrive over a model tape: nil is a filemark. It counts calls that come at the same time, which a drive
// must never see, and what a flush has made safe.
type fakeTape struct {
	mu      sync.Mutex
	busy    atomic.Int32
	overlap atomic.Bool

	objects  [][]byte
	at       int
	lost     bool         // the position is unknown after a failed read
	bad      map[int]bool // objects that cannot be read
	safe     int          // objects that a flush has made safe
	furthest int          // the highest object that was read

	failAt     int // writing this object fails; -1: never
	failure    error
	earlyFrom  int // early warning from this object on; -1: never
	flushFails error
	log        []string
	gate       chan struct{} // when set, every command waits for it
}

var errBadBlock = errors.New("unrecovered read error")

func newFakeTape() *fakeTape { return &fakeTape{failAt: -1, earlyFrom: -1} }

// enter begins a command.
func (f *fakeTape) enter() func() {
	if f.busy.Add(1) > 1 {
		f.overlap.Store(true)
	}
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	return func() {
		f.mu.Unlock()
		f.busy.Add(-1)
	}
}

func (f *fakeTape) write(what string, p []byte) (bool, error) {
	defer f.enter()()
	if f.at == f.failAt {
		return false, f.failure
	}
	f.objects = append(f.objects[:f.at], p)
	f.at++
	f.log = append(f.log, what)
	return f.earlyFrom >= 0 && f.at > f.earlyFrom, nil
}

func (f *fakeTape) WriteBlock(_ context.Context, p []byte) (bool, error) {
	return f.write(fmt.Sprintf("block %d", p[0]), bytes.Clone(p))
}

func (f *fakeTape) WriteFilemarks(_ context.Context, count int, immediate bool) (bool, error) {
	if count != 1 || !immediate {
		return false, fmt.Errorf("%d filemarks, immediate %v", count, immediate)
	}
	return f.write("filemark", nil)
}

func (f *fakeTape) Flush(context.Context) error {
	defer f.enter()()
	f.log = append(f.log, "flush")
	if f.flushFails != nil {
		return f.flushFails
	}
	f.safe = f.at
	return nil
}

func (f *fakeTape) ReadBlock(ctx context.Context, p []byte) (int, error) {
	defer f.enter()()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case f.lost:
		return 0, drive.ErrPositionUnknown
	case f.at >= len(f.objects):
		return 0, drive.ErrEndOfData
	case f.bad[f.at]:
		f.lost = true
		return 0, errBadBlock
	}
	o := f.objects[f.at]
	if len(o) > len(p) {
		return 0, &drive.BlockTooLongError{Length: len(o), Buffer: len(p)}
	}
	f.furthest = max(f.furthest, f.at)
	f.at++
	if o == nil {
		return 0, drive.ErrFilemark
	}
	return copy(p, o), nil
}

func (f *fakeTape) SpaceFilemarks(_ context.Context, n int) error {
	defer f.enter()()
	if f.lost {
		return drive.ErrPositionUnknown
	}
	for ; n > 0; n-- {
		for f.at < len(f.objects) && f.objects[f.at] != nil {
			f.at++
		}
		if f.at >= len(f.objects) {
			return &drive.SpaceError{Err: drive.ErrEndOfData}
		}
		f.at++
	}
	return nil
}

func (f *fakeTape) Locate(_ context.Context, object uint64) error {
	defer f.enter()()
	f.lost = false
	if object > uint64(len(f.objects)) {
		f.at = len(f.objects)
		return drive.ErrEndOfData
	}
	f.at = int(object)
	return nil
}

func (f *fakeTape) Position(context.Context) (drive.Position, error) {
	defer f.enter()()
	if f.lost {
		return drive.Position{}, drive.ErrPositionUnknown
	}
	return drive.Position{Object: uint64(f.at)}, nil
}
