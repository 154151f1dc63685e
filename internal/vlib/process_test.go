package vlib_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tapectl/internal/drive"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// roleVariable makes the test binary play another process: its value is the role, its second part the folder.
const (
	roleVariable  = "VLIB_TEST_ROLE"
	driveVariable = "VLIB_TEST_DRIVE"
)

func TestMain(m *testing.M) {
	role, folder, _ := strings.Cut(os.Getenv(roleVariable), "|")
	switch role {
	case "":
		os.Exit(m.Run())
	case "write":
		os.Exit(childWrite(folder))
	case "move":
		os.Exit(childMove(folder))
	case "append":
		os.Exit(childAppend(folder))
	case "prevent":
		os.Exit(childPrevent(folder))
	}
	os.Exit(3)
}

func child(t *testing.T, role, folder string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), roleVariable+"="+role+"|"+folder)
	c.Stderr = os.Stderr
	return c
}

// block is a block that tells its number and its writer.
func block(writer, n int) []byte {
	b := make([]byte, 2000+n%37)
	binary.BigEndian.PutUint32(b, uint32(writer))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	for i := 8; i < len(b); i++ {
		b[i] = byte(n + i)
	}
	return b
}

// childWrite appends blocks to the tape in drive 0 until it is killed, and tells which are flushed.
func childWrite(folder string) int {
	l, err := vlib.Open(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tr, err := l.Drive(0)
	if err != nil {
		return 1
	}
	ctx := context.Background()
	if _, err := scsi.ClearAttentions(ctx, tr); err != nil {
		return 1
	}
	for n := 0; n < 1e6; n++ {
		if err := scsi.Do(ctx, tr, writeCommand(block(1, n))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if n%10 == 9 {
			if err := scsi.Do(ctx, tr, scsi.NewCommand(drive.WriteFilemarks6{}, scsi.NoData, nil, time.Minute)); err != nil {
				return 1
			}
			fmt.Println(n + 1)
		}
	}
	return 0
}

func TestKilledWriterLeavesAGoodTape(t *testing.T) {
	for round := range 4 {
		l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 30})
		c := child(t, "write", l.Folder())
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		flushed := 0
		for {
			n := 0
			if _, err := fmt.Fscanln(out, &n); err != nil {
				break
			}
			if flushed = n; n == 100 {
				time.AfterFunc(time.Duration(round*7)*time.Millisecond, func() { c.Process.Kill() })
			}
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		if flushed == 0 {
			t.Fatal("the writer wrote nothing before it was killed")
		}
		want(t, tr, rewindOp, "GOOD")
		n := 0
		for ; ; n++ {
			a := send(t, tr, []byte{0x08, 0, 0, 0x10, 0, 0}, nil, 4096)
			if a.sense.Key == scsi.BlankCheck {
				break
			}
			if !bytes.Equal(a.data, block(1, n)) {
				t.Fatalf("block %d: %s, %d bytes", n, a, len(a.data))
			}
		}
		if n < flushed {
			t.Errorf("%d blocks were flushed, %d are there", flushed, n)
		}
		wantWrite(t, tr, block(2, 0), "GOOD")
	}
}

// childMove moves tapes about, each between two slots and a drive, a number of times.
func childMove(folder string) int {
	l, err := vlib.Open(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer l.Close()
	n := 0
	if _, err := fmt.Sscan(os.Getenv(driveVariable), &n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := shuffle(l, n, 60); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// shuffle moves the tape of slot 1001+n through drive n, writes a block in it each time and reads the one before.
func shuffle(l *vlib.Library, n, rounds int) error {
	ctx := context.Background()
	ch, err := l.Changer()
	if err != nil {
		return err
	}
	defer ch.Close()
	tr, err := l.Drive(n)
	if err != nil {
		return err
	}
	defer tr.Close()
	move := func(from, to int) error {
		return scsi.Do(ctx, ch, &scsi.Command{Name: "MOVE MEDIUM", CDB: moveCDB(from, to), Attention: func(scsi.Sense) {}})
	}
	for i := range rounds {
		if err := move(1001+n, 257+n); err != nil {
			return err
		}
		if _, err := scsi.ClearAttentions(ctx, tr); err != nil {
			return err
		}
		if i > 0 {
			p := block(n, i-1)
			if err := scsi.Do(ctx, tr, readCommand(p)); err != nil {
				return err
			}
			if !bytes.Equal(p, block(n, i-1)) {
				return fmt.Errorf("drive %d, round %d: another block", n, i)
			}
			if err := scsi.Do(ctx, tr, scsi.NewCommand(drive.Rewind{}, scsi.NoData, nil, 0)); err != nil {
				return err
			}
		}
		if err := scsi.Do(ctx, tr, writeCommand(block(n, i))); err != nil {
			return err
		}
		if err := scsi.Do(ctx, tr, scsi.NewCommand(drive.LoadUnload{}, scsi.NoData, nil, 0)); err != nil {
			return err
		}
		if err := move(257+n, 1001+n); err != nil {
			return err
		}
	}
	return nil
}

func TestProcessesShareALibrary(t *testing.T) {
	l, ch, _ := rawLab(t, vlib.Config{TapeCount: 4, Drives: 4, Capacity: 1 << 20})
	var children []*exec.Cmd
	for n := range 2 {
		c := child(t, "move", l.Folder())
		c.Env = append(c.Env, fmt.Sprintf("%s=%d", driveVariable, n))
		must(t, c.Start())
		children = append(children, c)
	}
	errs := make(chan error, 2)
	for n := 2; n < 4; n++ {
		go func() { errs <- shuffle(l, n, 60) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	quiet(t, ch)
	tapes, err := l.Tapes()
	must(t, err)
	for i, tape := range tapes {
		if int(tape.Element) != 1001+i {
			t.Errorf("tape %s ended in element %d", tape.Barcode, tape.Element)
		}
	}
}

// childPrevent locks the door and waits to be killed.
func childPrevent(folder string) int {
	l, err := vlib.Open(folder)
	if err != nil {
		return 1
	}
	tr, err := l.Changer()
	if err != nil {
		return 1
	}
	if _, err := scsi.ClearAttentions(context.Background(), tr); err != nil {
		return 1
	}
	if err := scsi.PreventRemoval(context.Background(), tr, true); err != nil {
		return 1
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
	return 0
}

func TestPreventEndsWithItsProcess(t *testing.T) {
	l, _, _ := rawLab(t, vlib.Config{})
	c := child(t, "prevent", l.Folder())
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	line := ""
	if _, err := fmt.Fscanln(out, &line); err != nil || line != "locked" {
		t.Fatalf("the other process did not lock the door: %q, %v", line, err)
	}
	if err := l.OpenDoor(); err == nil {
		t.Error("the door opened although a host prevents it")
	}
	must(t, c.Process.Kill())
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Errorf("the other process ended with %v", err)
	}
	must(t, l.OpenDoor())
}

// childAppend writes blocks to the tape in drive 0 while others do the same.
func childAppend(folder string) int {
	l, err := vlib.Open(folder)
	if err != nil {
		return 1
	}
	defer l.Close()
	if err := appendBlocks(l, 1, 300); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func appendBlocks(l *vlib.Library, writer, n int) error {
	tr, err := l.Drive(0)
	if err != nil {
		return err
	}
	defer tr.Close()
	if _, err := scsi.ClearAttentions(context.Background(), tr); err != nil {
		return err
	}
	for i := range n {
		if err := scsi.Do(context.Background(), tr, writeCommand(block(writer, i))); err != nil {
			return err
		}
	}
	return nil
}

func TestProcessesShareADrive(t *testing.T) {
	l, _, tr := loadedLab(t, vlib.Config{TapeCount: 1, Capacity: 1 << 30})
	c := child(t, "append", l.Folder())
	must(t, c.Start())
	errs := make(chan error)
	for writer := 2; writer < 4; writer++ {
		go func() { errs <- appendBlocks(l, writer, 300) }()
	}
	must(t, errors.Join(<-errs, <-errs, c.Wait()))
	want(t, tr, rewindOp, "GOOD")
	next := map[int]int{}
	for range 900 {
		p := send(t, tr, []byte{0x08, 0, 0, 0x10, 0, 0}, nil, 4096).data
		if len(p) < 8 {
			t.Fatalf("a block of %d bytes", len(p))
		}
		writer := int(binary.BigEndian.Uint32(p))
		if !bytes.Equal(p, block(writer, next[writer])) {
			t.Fatalf("block %d of writer %d is not as written", next[writer], writer)
		}
		next[writer]++
	}
	wantRead(t, tr, 4096, "8/00/05 info=4096")
	if next[1] != 300 || next[2] != 300 || next[3] != 300 {
		t.Errorf("blocks by writer: %v", next)
	}
}
