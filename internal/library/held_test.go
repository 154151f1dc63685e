package library_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the engine of the catalog, for taking a lease away

	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const shortLease = 200 * time.Millisecond

// steal takes the lease away, as another process does when it has expired while this one was suspended.
func steal(t *testing.T, l *library.Library, b *librarytest.Bench) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+b.Catalog.Path()+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(t.Context(), `UPDATE tbl_MM_Lease SET Token = 'another' WHERE Resource = ?`, l.LeaseKey())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d leases were taken: %v", n, err)
	}
}

func awaitLoss(t *testing.T, l *library.Library) {
	t.Helper()
	select {
	case <-l.Held().Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the loss of the lease is not noticed")
	}
}

func TestLostLeaseStopsEverything(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 2})
	l, err := library.OpenFor(t.Context(), b.Catalog, b.Host, "lab", shortLease)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
	if err != nil {
		t.Fatal(err)
	}
	joined, cancel := l.WhileHeld(t.Context())
	defer cancel()
	if err := l.Lost(); err != nil || joined.Err() != nil {
		t.Fatalf("lost before anything happened: %v", err)
	}
	steal(t, l, b)
	awaitLoss(t, l)
	var lost *library.LeaseLostError
	<-joined.Done()
	if cause := context.Cause(joined); !errors.As(cause, &lost) {
		t.Errorf("cause of the joined context: %v", cause)
	}
	late, stop := l.WhileHeld(t.Context())
	defer stop()
	if cause := context.Cause(late); !errors.As(cause, &lost) {
		t.Errorf("cause of a context joined afterwards: %v", cause)
	}
	for what, f := range map[string]func() error{
		"move":     func() error { return l.Move(t.Context(), slot2, slot3) },
		"mount":    func() error { _, err := l.Mount(t.Context(), library.MountRequest{Element: slot2}); return err },
		"unload":   func() error { _, err := l.UnloadDrive(t.Context(), drive1); return err },
		"dismount": func() error { return m.Dismount(t.Context()) },
	} {
		if err := f(); !errors.As(err, &lost) || !errors.Is(err, mediacatalog.ErrLeaseLost) || !strings.Contains(err.Error(), "library lab") {
			t.Errorf("%s after the lease was lost: %v", what, err)
		}
	}
	where := map[string]int{}
	tapes, err := b.Virtual.Tapes()
	if err != nil {
		t.Fatal(err)
	}
	for _, tape := range tapes {
		where[tape.Barcode] = int(tape.Element)
	}
	if where["VTL001L6"] != drive1 || where["VTL002L6"] != slot2 {
		t.Errorf("something was moved: %v", where)
	}
}

// A mount that waits for its tape ends when the lease is lost, and leaves the tape where it is.
func TestLeaseLostDuringMount(t *testing.T) {
	t.Parallel()
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1, Drives: 1, Timing: vlib.Timing{Load: time.Minute}})
	l, err := library.OpenFor(t.Context(), b.Catalog, b.Host, "lab", shortLease)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := l.Mount(context.Background(), library.MountRequest{Element: slot1})
		failed <- err
	}()
	for b.Tape("VTL001L6").ElementAddress != drive1 {
		time.Sleep(5 * time.Millisecond)
	}
	steal(t, l, b)
	var lost *library.LeaseLostError
	select {
	case err := <-failed:
		if !errors.As(err, &lost) || !strings.Contains(err.Error(), "it stays in drive 1") {
			t.Errorf("mount: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the mount goes on")
	}
	if got := b.Tape("VTL001L6").ElementAddress; got != drive1 {
		t.Errorf("the catalog has the tape in %d", got)
	}
}

func TestUseAfterClose(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1})
	if err := l.Library.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Move(t.Context(), slot1, slot2); !errors.Is(err, library.ErrClosed) {
		t.Errorf("move: %v", err)
	}
	if _, err := l.Mount(t.Context(), library.MountRequest{Element: slot1}); !errors.Is(err, library.ErrClosed) {
		t.Errorf("mount: %v", err)
	}
}

func TestOpenRefusals(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 2})
	ctx := t.Context()
	open := func(name string) error {
		l, err := library.Open(ctx, b.Catalog, b.Host, name, library.Options{Command: "second"})
		if err == nil {
			l.Close()
		}
		return err
	}
	if err := open("other"); !errors.Is(err, mediacatalog.ErrNotFound) {
		t.Errorf("unknown library: %v", err)
	}
	held := b.Open()
	var busy *mediacatalog.LeaseHeldError
	if err := open("lab"); !errors.As(err, &busy) || busy.Owner.Command != "test" {
		t.Errorf("library in use: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Catalog.SetLibraryEnabled(ctx, "lab", false); err != nil {
		t.Fatal(err)
	}
	if err := open("lab"); !errors.Is(err, library.ErrDisabled) || !strings.Contains(err.Error(), "tapectl library enable lab") {
		t.Errorf("disabled library: %v", err)
	}
	if err := b.Catalog.SetLibraryEnabled(ctx, "lab", true); err != nil {
		t.Fatal(err)
	}
	var unreachable *library.UnreachableError
	b.Host.Wrap = func(_ string, inner scsi.Transport) scsi.Transport {
		return intercept{inner, func(_ context.Context, c *scsi.Command, _ scsi.Transport) error {
			return &scsi.TransportError{Op: c.Name, CDB: c.CDB, NotSent: true, Err: errUnplugged}
		}}
	}
	if err := open("lab"); !errors.As(err, &unreachable) || !errors.Is(err, errUnplugged) || unreachable.Address != "changer" {
		t.Errorf("unreachable library: %v", err)
	}
	b.Host.Wrap = nil
	record, err := b.Catalog.Library(ctx, "lab")
	if err != nil {
		t.Fatal(err)
	}
	record.Serial = "ANOTHER"
	if _, err := b.Catalog.UpdateLibrary(ctx, record); err != nil {
		t.Fatal(err)
	}
	if err := open("lab"); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), `the catalog says "ANOTHER"`) {
		t.Errorf("another changer: %v", err)
	}
	if leases, err := b.Catalog.Leases(ctx); err != nil || len(leases) != 0 {
		t.Errorf("leases left: %+v, %v", leases, err)
	}
}

const childFolder = "TAPECTL_TEST_LIBRARY_CHILD"

// A process that dies in the middle leaves the lease and a tape in a drive; the next one takes over at once.
func TestTakeOverAfterCrash(t *testing.T) {
	if folder := os.Getenv(childFolder); folder != "" {
		crash(folder)
	}
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1})
	child := exec.Command(os.Args[0], "-test.run=^TestTakeOverAfterCrash$")
	child.Env = append(os.Environ(), childFolder+"="+b.Folder+string(filepath.ListSeparator)+b.Catalog.Path())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "mounted\n" {
		child.Process.Kill()
		child.Wait()
		t.Fatalf("the other process says %q, %v", line, err)
	}
	_, err = library.Open(t.Context(), b.Catalog, b.Host, "lab", library.Options{})
	var busy *mediacatalog.LeaseHeldError
	if !errors.As(err, &busy) || busy.Owner.PID != child.Process.Pid {
		t.Errorf("while the other process lives: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	l := b.Open()
	defer l.Close()
	m, err := l.Mount(t.Context(), library.MountRequest{Element: b.Tape("VTL001L6").ElementAddress})
	if err != nil {
		t.Fatal(err)
	}
	if m.Element() != drive1 {
		t.Errorf("mounted in element %d", m.Element())
	}
	if err := m.Dismount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.Tape("VTL001L6").ElementAddress; got != slot1 {
		t.Errorf("the tape went to %d", got)
	}
}

// crash is the other process: it mounts a tape and waits to be killed.
func crash(where string) {
	paths := filepath.SplitList(where)
	ctx := context.Background()
	v, err := vlib.Open(paths[0])
	die(err)
	c, err := mediacatalog.Open(ctx, paths[1], mediacatalog.Options{})
	die(err)
	l, err := library.Open(ctx, c, &librarytest.Host{Virtual: v}, "lab", library.Options{Command: "child"})
	die(err)
	_, err = l.Mount(ctx, library.MountRequest{Element: slot1})
	die(err)
	fmt.Println("mounted")
	time.Sleep(time.Minute)
	os.Exit(1)
}

func die(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1})
	before := runtime.NumGoroutine()
	for range 3 {
		l := b.Open()
		m, err := l.Mount(t.Context(), library.MountRequest{Element: slot1})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Dismount(t.Context()), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
