package mediacatalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// LeaseOwner is the process that holds a lease.
type LeaseOwner struct {
	Host    string
	PID     int
	Command string // for the operator: "tapectl inventory lib1"
	// Space tells processes apart whose Host and PID are equal by accident: the boot of the host, the process id
	// namespace and the start of the process. CurrentOwner fills it in; empty: not known.
	Space string
}

// String names the owner for the operator.
func (o LeaseOwner) String() string {
	return fmt.Sprintf("%q (process %d on %s)", o.Command, o.PID, o.Host)
}

// CurrentOwner is the calling process, doing command.
func CurrentOwner(command string) LeaseOwner {
	host, _ := os.Hostname()
	return LeaseOwner{Host: host, PID: os.Getpid(), Command: command, Space: processSpace(os.Getpid())}
}

// Lease is the right to use a resource, such as a library, until it expires. It is safe for several goroutines.
type Lease struct {
	c        *Catalog
	resource string
	token    string
	ttl      time.Duration

	mu    sync.Mutex
	until time.Time // up to which the holder may rely on it: never later than the catalog says
}

// AcquireLease takes the lease of a resource for ttl. A lease whose owner is a process of this host that is gone is taken
// over at once, and that of a process that can be seen to be alive never; all others when they are expired.
// *LeaseHeldError when it is in use.
func (c *Catalog) AcquireLease(ctx context.Context, resource string, owner LeaseOwner, ttl time.Duration) (*Lease,
	error) {
	if resource == "" || ttl <= 0 {
		return nil, fmt.Errorf("acquire lease %q for %v: it needs a resource and a time", resource, ttl)
	}
	l := &Lease{c: c, resource: resource, token: newID(), ttl: ttl, until: time.Now().Add(ttl)}
	err := c.change(ctx, func(tx *sql.Tx) error {
		held, err := collect(ctx, tx, scanLease, `SELECT `+leaseColumns+` FROM tbl_MM_Lease WHERE Resource = ?`,
			resource)
		if err != nil {
			return err
		}
		now := c.now()
		if len(held) > 0 && !held[0].stale(now) {
			return &LeaseHeldError{Resource: resource, Owner: held[0].Owner, Since: held[0].Since, Until: held[0].Until}
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO tbl_MM_Lease (`+leaseColumns+`, Token) VALUES `+marks(8),
			resource,
			owner.Host, owner.PID, orNull(owner.Space), orNull(owner.Command), now.UnixMicro(), now.Add(ttl).UnixMicro(), l.token)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("acquire lease %s: %w", resource, err)
	}
	return l, nil
}

// Resource is what the lease is for.
func (l *Lease) Resource() string { return l.resource }

// Renew makes the lease run for its ttl from now. ErrLeaseLost when another process took it over.
func (l *Lease) Renew(ctx context.Context) error {
	until := time.Now().Add(l.ttl) // before the catalog's own: a commit may take long, and the lease runs meanwhile
	err := l.c.change(ctx, func(tx *sql.Tx) error {
		err := changedOne(tx.ExecContext(ctx, `UPDATE tbl_MM_Lease SET UntilDate = ? WHERE Resource = ? AND Token = ?`,
			l.c.now().Add(l.ttl).UnixMicro(), l.resource, l.token))
		if errors.Is(err, ErrNotFound) {
			return ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renew lease %s: %w", l.resource, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until = until
	}
	return nil
}

// safeUntil is when the holder has to stop relying on the lease unless it is renewed.
func (l *Lease) safeUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// Keep renews the lease in the background until stop is called. The context it returns ends when the lease is lost:
// use it for what the lease protects; context.Cause tells why. stop does not release the lease.
func (l *Lease) Keep(ctx context.Context) (kept context.Context, stop func()) {
	kept, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(max(l.ttl/4, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-kept.Done():
				return
			case <-tick.C:
			}
			renewal, done := context.WithDeadline(kept, l.safeUntil())
			err := l.Renew(renewal)
			done()
			// A catalog that cannot be written for a while is no loss yet: the lease still runs.
			if errors.Is(err, ErrLeaseLost) || err != nil && !time.Now().Before(l.safeUntil()) {
				cancel(err)
				return
			}
		}
	})
	var once sync.Once
	return kept, func() {
		once.Do(func() { close(stopped) })
		cancel(context.Canceled)
		wg.Wait()
	}
}

// Release gives the lease back. A lease that is lost already is no error.
func (l *Lease) Release(ctx context.Context) error {
	err := l.c.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM tbl_MM_Lease WHERE Resource = ? AND Token = ?`, l.resource, l.token)
		return err
	})
	if err != nil {
		return fmt.Errorf("release lease %s: %w", l.resource, err)
	}
	return nil
}

// HeldLease is a lease as the operator sees it.
type HeldLease struct {
	Resource     string
	Owner        LeaseOwner
	Since, Until time.Time
	Stale        bool // its process is gone, or it is expired and nobody can see whether its process is alive
}

// Leases lists all leases, by resource.
func (c *Catalog) Leases(ctx context.Context) ([]HeldLease, error) {
	all, err := collect(ctx, c.read, scanLease, `SELECT `+leaseColumns+` FROM tbl_MM_Lease ORDER BY Resource`)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	for i := range all {
		all[i].Stale = all[i].stale(c.now())
	}
	return all, nil
}

const leaseColumns = `Resource, HostName, ProcessId, ProcessSpace, Command, SinceDate, UntilDate`

func scanLease(s scanner) (h HeldLease, err error) {
	err = s.Scan(&h.Resource, &h.Owner.Host, &h.Owner.PID, into(&h.Owner.Space), into(&h.Owner.Command),
		intoDate(&h.Since),
		intoDate(&h.Until))
	return h, err
}

// stale reports whether the lease may be taken over. What is known about the process of this host counts more than
// the time, which someone may set: a process that is alive keeps its lease, one that is gone has lost it. Time decides
// where a process cannot be seen, on other hosts and in containers, or not be told from another with its number.
func (h HeldLease) stale(now time.Time) bool {
	switch h.process() {
	case processAlive:
		return false
	case processGone:
		return true
	}
	return !now.Before(h.Until)
}

// What is known about the process that holds a lease.
const (
	processHidden = iota // it cannot be seen from here
	processGone
	processAlive
)

// process looks for the process that holds the lease.
func (h HeldLease) process() int {
	self := CurrentOwner("")
	if h.Owner.Host != self.Host || h.Owner.PID <= 0 {
		return processHidden
	}
	boot, namespace, start := splitSpace(h.Owner.Space)
	selfBoot, selfNamespace, _ := splitSpace(self.Space)
	if boot != "" && selfBoot != "" && boot != selfBoot {
		return processGone // the host was started anew since
	}
	if namespace != "" && namespace != selfNamespace {
		return processHidden // a container: its process numbers mean nothing here
	}
	if err := syscall.Kill(h.Owner.PID, 0); errors.Is(err, syscall.ESRCH) {
		return processGone
	}
	state, begun := processStat(h.Owner.PID)
	switch {
	case state == "Z" || state == "X":
		return processGone // it has ended, and only its parent has not noticed
	case boot == "" || start == "" || begun == "":
		return processHidden // its number may have been given to another process
	case start != begun:
		return processGone // its number was
	}
	return processAlive
}

// processSpace describes a process of this host: boot, process id namespace and start, with blanks between.
func processSpace(pid int) string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	_, begun := processStat(pid)
	return strings.TrimSpace(string(boot)) + " " + namespace + " " + begun
}

func splitSpace(s string) (boot, namespace, start string) {
	parts := strings.Split(s, " ")
	if len(parts) != 3 {
		return "", "", ""
	}
	return parts[0], parts[1], parts[2]
}

// processStat is the state of a process and when it began, in clock ticks since boot: fields 3 and 22 of /proc/PID/stat
// (proc(5)); empty where that cannot be read. The name of the program, field 2, may hold blanks and parentheses.
func processStat(pid int) (state, begun string) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", ""
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}
