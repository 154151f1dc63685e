package mediacatalog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain plays another process where a test started it as one.
func TestMain(m *testing.M) {
	if role := os.Getenv("MEDIACATALOG_CHILD"); role != "" {
		if err := child(role, os.Getenv("MEDIACATALOG_PATH")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is what another process does; it tells of each step that the catalog acknowledged on standard output.
func child(role, path string) error {
	ctx := context.Background()
	c, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	switch role {
	case "write":
		all, err := c.ListMedia(ctx, MediaFilter{})
		if err != nil {
			return err
		}
		p, err := c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: "DPMDB"})
		if err != nil {
			return err
		}
		d, err := c.BeginDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: all[0].MediaID, SetNumber: 1,
			SSETObject: 5})
		if err != nil {
			return err
		}
		fmt.Println("begun", d.DatasetID)
		for i := int64(1); ; i++ {
			if err := c.AddObjects(ctx, d.DatasetID, objects(int(i)*100, 100)); err != nil {
				return err
			}
			if err := c.CommitPoint(ctx, d.DatasetID, uint64(5+i), i*100); err != nil {
				return err
			}
			fmt.Println("safe", i*100)
		}
	case "lease":
		if _, err := c.AcquireLease(ctx, "library", CurrentOwner("child"), time.Hour); err != nil {
			return err
		}
		fmt.Println("leased")
		time.Sleep(time.Minute)
	case "count":
		all, err := c.ListMedia(ctx, MediaFilter{})
		if err != nil {
			return err
		}
		for range 100 {
			if _, err := c.UpdateMedia(ctx, all[0].MediaID,
				func(m *Media) error { m.UsedBytes++; return nil }); err != nil {
				return err
			}
		}
	}
	return nil
}

func startChild(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MEDIACATALOG_CHILD="+role, "MEDIACATALOG_PATH="+path)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

func TestCrash(t *testing.T) {
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "c.db")
		c := openAt(t, path, Options{})
		m := tapes(t, c, 1)[0]
		if round > 0 { // alone, or with another process that has it open
			ok(t, c.Close())
		}
		cmd, out := startChild(t, "write", path)
		var id string
		var safe int64
		for out.Scan() && safe < int64(1000+700*round) {
			what, value, _ := strings.Cut(out.Text(), " ")
			switch what {
			case "begun":
				id = value
			case "safe":
				safe, _ = strconv.ParseInt(value, 10, 64)
			default:
				t.Fatal(out.Text())
			}
		}
		ok(t, cmd.Process.Kill())
		for out.Scan() { // what was acknowledged before the end
			if value, found := strings.CutPrefix(out.Text(), "safe "); found {
				if n, err := strconv.ParseInt(value, 10, 64); err == nil {
					safe = max(safe, n)
				}
			}
		}
		cmd.Wait()
		again := openAt(t, path, Options{})
		open := must[[]Dataset](t)(again.UnfinishedDatasets(t.Context()))
		if len(open) != 1 || open[0].DatasetID != id || open[0].MediaID != m.MediaID || open[0].SSETObject != 5 || open[0].LifeStatus != Valid {
			t.Fatalf("unfinished: %+v, want %s", open, id)
		}
		// The process may have been killed between the commit and its telling of it: never less, at most one more.
		if got := open[0].SafeBytes; got < safe || got > safe+100 || open[0].SafeObject != uint64(5+got/100) {
			t.Errorf("the commit point is %d (object %d), acknowledged was %d", got, open[0].SafeObject, safe)
		}
		n := int64(0)
		ok(t, again.Objects(t.Context(), id, "", func(Object) error { n++; return nil }))
		if n < open[0].SafeBytes || n%100 != 0 {
			t.Errorf("%d objects, at least %d were acknowledged", n, open[0].SafeBytes)
		}
		if tape := must[Media](t)(again.MediaByID(t.Context(), m.MediaID)); tape.State != StateActive {
			t.Errorf("the tape looks %s", tape.State)
		}
		ok(t, again.Check(t.Context()))
		ok(t, again.FinishDataset(t.Context(), id, SetEnd{State: SetIncomplete, AppendUncertain: true}))
	}
}

func TestLeaseOfKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path, Options{})
	cmd, out := startChild(t, "lease", path)
	if !out.Scan() || out.Text() != "leased" {
		t.Fatal(out.Text())
	}
	_, err := c.AcquireLease(t.Context(), "library", CurrentOwner("parent"), time.Hour)
	var held *LeaseHeldError
	if !errors.As(err, &held) || held.Owner.PID != cmd.Process.Pid || held.Owner.Command != "child" {
		t.Fatalf("got %v", err)
	}
	ok(t, cmd.Process.Kill())
	cmd.Wait()
	must[*Lease](t)(c.AcquireLease(t.Context(), "library", CurrentOwner("parent"), time.Hour))
}

func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path, Options{})
	m := tapes(t, c, 1)[0]
	a, _ := startChild(t, "count", path)
	b, _ := startChild(t, "count", path)
	for range 100 {
		must[Media](t)(c.UpdateMedia(t.Context(), m.MediaID, func(m *Media) error { m.UsedBytes++; return nil }))
	}
	ok(t, errors.Join(a.Wait(), b.Wait()))
	if got := must[Media](t)(c.MediaByID(t.Context(), m.MediaID)); got.UsedBytes != 300 {
		t.Errorf("%d changes are there, want 300", got.UsedBytes)
	}
}

func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path, Options{})
	other := openAt(t, path, Options{BusyTimeout: 400 * time.Millisecond})
	tx, err := c.write.Begin()
	ok(t, err)
	defer tx.Rollback()
	begin := time.Now()
	err = other.AddEvents(t.Context(), Event{Kind: "x"})
	if !isBusy(err) || !strings.Contains(err.Error(),
		"another process") || time.Since(begin) < 300*time.Millisecond || time.Since(begin) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	other.busy = time.Hour
	begin = time.Now()
	wantErr(t, other.AddEvents(ctx, Event{Kind: "x"}), context.DeadlineExceeded)
	if time.Since(begin) > 10*time.Second {
		t.Errorf("a cancelled wait took %v", time.Since(begin))
	}
	// Who only reads does not wait.
	must[[]Event](t)(other.Events(t.Context(), EventFilter{}))
}
