package mediacatalog

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock lets a test set the catalog's time.
type clock struct{ at atomic.Int64 }

func (k *clock) now() time.Time      { return time.UnixMicro(k.at.Load()) }
func (k *clock) add(d time.Duration) { k.at.Add(d.Microseconds()) }
func setClock(c *Catalog) (k *clock) {
	k = &clock{}
	k.at.Store(day(0).UnixMicro())
	c.now = k.now
	return k
}

func TestLease(t *testing.T) {
	c, ctx := open(t), t.Context()
	k := setClock(c)
	me := CurrentOwner("tapectl inventory lib1")
	if host, _ := os.Hostname(); me.Host != host || me.PID != os.Getpid() || me.Space == "" {
		t.Fatalf("the owner is %+v", me)
	}
	me.Host = "elsewhere" // where only the time tells whether the process is alive
	a := must[*Lease](t)(c.AcquireLease(ctx, "library lib1", me, time.Minute))
	if a.Resource() != "library lib1" {
		t.Errorf("it is for %s", a.Resource())
	}
	k.add(10 * time.Second)
	_, err := c.AcquireLease(ctx, "library lib1", me, time.Minute)
	var held *LeaseHeldError
	if !errors.As(err,
		&held) || held.Owner != me || !held.Since.Equal(day(0)) || !held.Until.Equal(day(0).Add(time.Minute)) {
		t.Fatalf("got %v", err)
	}
	for _, text := range []string{"library lib1", "tapectl inventory lib1", me.Host, "2026-03-01T22:31:15Z"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	b := must[*Lease](t)(c.AcquireLease(ctx, "library lib2", me, time.Minute)) // another resource
	ok(t, a.Renew(ctx))
	k.add(time.Minute)
	all := must[[]HeldLease](t)(c.Leases(ctx))
	if len(all) != 2 || !all[0].Stale || !all[1].Stale || !all[0].Until.Equal(day(0).Add(70*time.Second)) {
		t.Errorf("leases are %+v", all)
	}
	// An expired lease that no one took over is renewed all the same; one that was taken over is lost.
	ok(t, a.Renew(ctx))
	b2 := must[*Lease](t)(c.AcquireLease(ctx, "library lib2", me, time.Minute))
	wantErr(t, b.Renew(ctx), ErrLeaseLost, "library lib2")
	ok(t, b.Release(ctx)) // does not release the other's
	_, err = c.AcquireLease(ctx, "library lib2", me, time.Minute)
	if !errors.As(err, &held) {
		t.Errorf("got %v", err)
	}
	ok(t, b2.Release(ctx))
	ok(t, a.Release(ctx))
	ok(t, a.Release(ctx))
	wantErr(t, a.Renew(ctx), ErrLeaseLost)
	must[*Lease](t)(c.AcquireLease(ctx, "library lib2", me, time.Minute))
	for _, err := range []error{second(c.AcquireLease(ctx, "", me, time.Minute)), second(c.AcquireLease(ctx, "x", me,
		0))} {
		if err == nil {
			t.Error("a lease of nothing or for no time was given")
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestLeaseStale(t *testing.T) {
	gone := exec.Command(os.Args[0], "-test.run=^$")
	ok(t, gone.Run())
	zombie := exec.Command(os.Args[0], "-test.run=^$")
	ok(t, zombie.Start())
	defer zombie.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if state, _ := processStat(zombie.Process.Pid); state == "Z" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the child did not end")
		}
	}
	me := CurrentOwner("")
	boot, namespace, start := splitSpace(me.Space)
	for _, tc := range []struct {
		what  string
		owner LeaseOwner
		stale bool
	}{
		{"this process", me, false},
		{"this process, nothing else known", LeaseOwner{Host: me.Host, PID: me.PID}, false},
		{"a process that is gone", LeaseOwner{Host: me.Host, PID: gone.Process.Pid, Space: me.Space}, true},
		{"a process that is gone, nothing else known", LeaseOwner{Host: me.Host, PID: gone.Process.Pid}, true},
		{"a zombie", LeaseOwner{Host: me.Host, PID: zombie.Process.Pid}, true},
		{"the number was given to this process later", LeaseOwner{Host: me.Host, PID: me.PID,
			Space: boot + " " + namespace + " 1" + start}, true},
		{"before the host was started anew", LeaseOwner{Host: me.Host, PID: me.PID,
			Space: "0-0 " + namespace + " " + start}, true},
		{"in a container, where the number is another's", LeaseOwner{Host: me.Host, PID: gone.Process.Pid,
			Space: boot + " pid:[1] 7"}, false},
		{"on another host", LeaseOwner{Host: "elsewhere", PID: gone.Process.Pid}, false},
		{"no process", LeaseOwner{Host: me.Host}, false},
	} {
		c, ctx := open(t), t.Context()
		must[*Lease](t)(c.AcquireLease(ctx, "x", tc.owner, time.Hour))
		_, err := c.AcquireLease(ctx, "x", me, time.Hour)
		var held *LeaseHeldError
		if stale := err == nil; stale != tc.stale || err != nil && !errors.As(err, &held) {
			t.Errorf("%s: taken over is %v (%v), want %v", tc.what, stale, err, tc.stale)
		}
	}
}

// A clock that is set does not take a lease from a process that is alive; where a process cannot be seen, time decides.
func TestLeaseExpired(t *testing.T) {
	me := CurrentOwner("")
	boot, namespace, _ := splitSpace(me.Space)
	for _, tc := range []struct {
		what  string
		owner LeaseOwner
		stale bool
	}{
		{"this process", me, false},
		{"this process, nothing else known", LeaseOwner{Host: me.Host, PID: me.PID}, true},
		{"this process, its start not known", LeaseOwner{Host: me.Host, PID: me.PID, Space: boot + " " + namespace + " "}, true},
		{"in a container", LeaseOwner{Host: me.Host, PID: me.PID, Space: boot + " pid:[1] 7"}, true},
		{"on another host", LeaseOwner{Host: "elsewhere", PID: me.PID, Space: me.Space}, true},
		{"no process", LeaseOwner{Host: me.Host}, true},
	} {
		c, ctx := open(t), t.Context()
		k := setClock(c)
		l := must[*Lease](t)(c.AcquireLease(ctx, "x", tc.owner, time.Minute))
		k.add(24 * time.Hour)
		if all := must[[]HeldLease](t)(c.Leases(ctx)); len(all) != 1 || all[0].Stale != tc.stale {
			t.Errorf("%s: leases are %+v, want stale %v", tc.what, all, tc.stale)
		}
		_, err := c.AcquireLease(ctx, "x", me, time.Minute)
		var held *LeaseHeldError
		if taken := err == nil; taken != tc.stale || err != nil && !errors.As(err, &held) {
			t.Errorf("%s: taken over is %v (%v), want %v", tc.what, taken, err, tc.stale)
		}
		if err := l.Renew(ctx); errors.Is(err, ErrLeaseLost) != tc.stale {
			t.Errorf("%s: renewed: %v", tc.what, err)
		}
	}
}

func TestLeaseOneWins(t *testing.T) {
	c := open(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := c.AcquireLease(t.Context(), "x", CurrentOwner("c"), time.Hour)
			var held *LeaseHeldError
			if err == nil {
				won.Add(1)
			} else if !errors.As(err, &held) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have the lease", won.Load())
	}
}

func TestLeaseKeep(t *testing.T) {
	c, ctx := open(t), t.Context()
	l := must[*Lease](t)(c.AcquireLease(ctx, "x", CurrentOwner("c"), 200*time.Millisecond))
	kept, stop := l.Keep(ctx)
	time.Sleep(500 * time.Millisecond)
	if kept.Err() != nil {
		t.Fatalf("it was lost: %v", context.Cause(kept))
	}
	_, err := c.AcquireLease(ctx, "x", CurrentOwner("d"), time.Hour)
	var held *LeaseHeldError
	if !errors.As(err, &held) {
		t.Fatalf("it was not renewed: %v", err)
	}
	stop()
	stop()
	if kept.Err() == nil {
		t.Error("the context goes on after stop")
	}
	ok(t, l.Renew(ctx)) // stop did not release it

	kept, stop = l.Keep(ctx)
	defer stop()
	_, err = c.write.Exec(`UPDATE tbl_MM_Lease SET Token = 'another'`)
	ok(t, err)
	select {
	case <-kept.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the loss was not noticed")
	}
	wantErr(t, context.Cause(kept), ErrLeaseLost, "x")
}

// A commit that takes long does not make the holder rely on the lease for longer than the catalog grants it.
func TestLeaseKeepSlowCommit(t *testing.T) {
	c, ctx := open(t), t.Context()
	const ttl = 1200 * time.Millisecond
	l := must[*Lease](t)(c.AcquireLease(ctx, "x", CurrentOwner("c"), ttl))
	var granted atomic.Int64 // the time of the one renewal
	c.now = func() time.Time {
		now := time.Now()
		granted.Store(now.UnixMicro())
		time.Sleep(700 * time.Millisecond) // the disk is slow
		return now
	}
	kept, stop := l.Keep(ctx)
	defer stop()
	for granted.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	tx, err := c.write.BeginTx(ctx, nil) // waits for the renewal; there is no second one
	ok(t, err)
	defer tx.Rollback()
	select {
	case <-kept.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the loss was not noticed")
	}
	end := time.UnixMicro(granted.Load()).Add(ttl)
	if late := time.Since(end); late > 300*time.Millisecond {
		t.Errorf("the holder relied on the lease for %v too long", late)
	}
}
