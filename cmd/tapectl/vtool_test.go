package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"tapectl/internal/mediacatalog"
	"tapectl/internal/vlib"
)

func newRandom(key [32]byte) *rand.ChaCha8 { return rand.NewChaCha8(key) }

// vtool does to a virtual library what the hands of an operator do, and to a catalog what another process does.
//
//	vtool remove FOLDER ELEMENT            takes a tape out
//	vtool barcode FOLDER ELEMENT BARCODE   sticks another barcode on
//	vtool protect FOLDER BARCODE           sets the write protect tab
//	vtool tape FOLDER BARCODE ELEMENT      puts a blank tape into an element
//	vtool rate FOLDER BYTES                the drives' speed in bytes a second
//	vtool moves FOLDER MILLISECONDS        how long a move takes
//	vtool fault FOLDER JSON                makes something go wrong: a vlib.Fault
//	vtool repair FOLDER all                nothing goes wrong any more
//	vtool hold CATALOG LIBRARY             holds the lease of the library until it is interrupted
func vtool() {
	if err := operate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vtool:", err)
		os.Exit(1)
	}
}

func operate(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("too few arguments: %v", args)
	}
	if args[0] == "hold" {
		return hold(args[1], args[2])
	}
	l, err := vlib.Open(args[1])
	if err != nil {
		return err
	}
	defer l.Close()
	number, _ := strconv.Atoi(args[2])
	switch {
	case args[0] == "remove":
		return l.RemoveTape(uint16(number))
	case args[0] == "barcode" && len(args) == 4:
		return l.SwapBarcode(uint16(number), args[3])
	case args[0] == "protect":
		return l.SetWriteProtect(args[2], true)
	case args[0] == "tape" && len(args) == 4:
		element, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		_, err = l.AddTape(vlib.TapeConfig{Barcode: args[2], Element: uint16(element)})
		return err
	case args[0] == "fault":
		var f vlib.Fault
		if err := json.Unmarshal([]byte(args[2]), &f); err != nil {
			return err
		}
		_, err := l.InjectFault(f)
		return err
	case args[0] == "repair":
		return l.ClearFaults()
	case args[0] == "rate":
		return l.SetTiming(vlib.Timing{Rate: int64(number), Buffer: 1 << 20})
	case args[0] == "moves":
		return l.SetTiming(vlib.Timing{Move: time.Duration(number) * time.Millisecond})
	}
	return fmt.Errorf("unknown operation %v", args)
}

// hold keeps a library in use as another tapectl would.
func hold(catalog, name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := mediacatalog.Open(ctx, catalog, mediacatalog.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	owner := mediacatalog.CurrentOwner("tapectl backup big")
	lease, err := c.AcquireLease(ctx, "library "+name, owner, time.Minute)
	for held := new(mediacatalog.LeaseHeldError); errors.As(err, &held) && ctx.Err() == nil; {
		time.Sleep(20 * time.Millisecond)
		lease, err = c.AcquireLease(ctx, "library "+name, owner, time.Minute)
	}
	if err != nil {
		return err
	}
	fmt.Println("held")
	<-ctx.Done()
	return lease.Release(context.WithoutCancel(ctx))
}
