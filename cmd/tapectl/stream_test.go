package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

func TestStreamGivesEverything(t *testing.T) {
	want := randomBytes(3*streamBuffer+17, "stream")
	for name, source := range map[string]io.Reader{
		"whole": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "data with the end": iotest.DataErrReader(bytes.NewReader(want)),
	} {
		got, err := io.ReadAll(newStream(t.Context(), source))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(want), err)
		}
	}
}

// What came before an error is given, then the error, again and again.
func TestStreamGivesErrorBehindData(t *testing.T) {
	broken := errors.New("broken")
	s := newStream(t.Context(), io.MultiReader(bytes.NewReader([]byte("abc")), iotest.ErrReader(broken)))
	got, err := io.ReadAll(s)
	if string(got) != "abc" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, broken) {
		t.Errorf("a second time: %d, %v", n, err)
	}
}

func TestStreamEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		s := newStream(ctx, r)
		got := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 10))
			got <- err
		}()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("Read ended without data: %v", err)
		default:
		}
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("Read ended with %v", err)
		}
		if _, err := s.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
			t.Errorf("the next Read ended with %v", err)
		}
		w.Close() // lets the goroutine go
	})
}
