package main

import (
	"errors"
	"testing"

	"tapectl/internal/restore"
)

// TestRestoreError is how a restore ends for a script.
func TestRestoreError(t *testing.T) {
	cut := restore.FileProblem{Path: "data set 2 of tape A", Err: errors.New("is incomplete")}
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		result restore.Result
		err    error
		want   int
	}{
		"all well":      {restore.Result{Files: 1}, nil, 0},
		"incomplete":    {restore.Result{Files: 1, Incomplete: true, Problems: []restore.FileProblem{cut}}, nil, exitPartly},
		"damaged":       {restore.Result{Problems: []restore.FileProblem{cut, cut}}, nil, exitPartly},
		"existing":      {restore.Result{Existing: []string{"a"}}, nil, exitPartly},
		"failed anyway": {restore.Result{Incomplete: true, Problems: []restore.FileProblem{cut}}, failed, exitFailed},
	} {
		err := restoreError(restore.Request{RecoveryPoint: "p"}, &c.result, c.err)
		got := exitOK
		if err != nil {
			got = exitCode(t.Context(), err)
		}
		if got != c.want {
			t.Errorf("%s: exit code %d, want %d (%v)", name, got, c.want, err)
		}
	}
}
