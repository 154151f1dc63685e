package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/iscsi"
	"tapectl/internal/scsi/sgio"
	"tapectl/internal/vlib"
)

// host opens devices by address. It is the one place that knows the kinds of addresses (docs/design.md section 3).
type host struct {
	trace *trace // nil: none
	warn  func(string)
}

// host makes the host of this invocation, with the wire trace when one was asked for.
func (a *app) host(command string) (*host, error) {
	h := &host{warn: a.notice}
	if a.tracePath == "" {
		return h, nil
	}
	var err error
	h.trace, err = openTrace(a.tracePath, "tapectl "+command)
	return h, err
}

func (h *host) close() {
	if h.trace == nil {
		return
	}
	if err := h.trace.close(); err != nil {
		h.warn(fmt.Sprintf("tapectl: warning: the trace is not complete: %v", err))
	}
}

const (
	iscsiPrefix = "iscsi://"
	vlibPrefix  = "vlib:"
	vlibDrive   = "#drive"
)

// errAddress says what addresses look like.
var errAddress = errors.New("an address is /dev/sgN, iscsi://[user@]host[:port]/target/lun or vlib:FOLDER")

// Open opens the device at the address.
func (h *host) Open(ctx context.Context, address string) (scsi.Transport, error) {
	t, err := openAddress(ctx, address)
	if err != nil {
		return nil, err
	}
	if h.trace != nil {
		t = h.trace.wrap(t, address)
	}
	return t, nil
}

// grace is how long an interrupt waits for the command in flight: a rewind takes two minutes at most.
const grace = 3 * time.Minute

func openAddress(ctx context.Context, address string) (scsi.Transport, error) {
	switch {
	case strings.HasPrefix(address, iscsiPrefix):
		a, err := iscsi.ParseAddress(address)
		if err != nil {
			return nil, usageError{err}
		}
		t, err := iscsi.Open(ctx, a)
		if err != nil {
			return nil, err
		}
		return scsi.Patient(t, grace), nil
	case strings.HasPrefix(address, vlibPrefix):
		return openVirtual(address)
	case strings.HasPrefix(address, "/"):
		t, err := sgio.Open(address, sgio.Options{})
		if err != nil {
			return nil, err
		}
		return scsi.Patient(t, grace), nil
	}
	_, shown, secret := strings.Cut(address, "@") // what stands before may be a password
	if !secret {
		shown = address
	}
	return nil, usageError{fmt.Errorf("%q is no address of a device: %w", shown, errAddress)}
}

// vlibTransport closes the library with the transport.
type vlibTransport struct {
	scsi.Transport
	library *vlib.Library
}

func (t vlibTransport) Close() error { return errors.Join(t.Transport.Close(), t.library.Close()) }

// splitVirtual takes an address of a virtual library apart: its folder, and the number of a drive from 1, 0 for the changer.
func splitVirtual(address string) (folder string, drive int, err error) {
	folder = strings.TrimPrefix(address, vlibPrefix)
	at := strings.LastIndex(folder, vlibDrive)
	if at < 0 {
		return folder, 0, nil
	}
	drive, err = strconv.Atoi(folder[at+len(vlibDrive):])
	if err != nil || drive < 1 {
		return "", 0, usageError{fmt.Errorf("%q: the drives of a virtual library are vlib:FOLDER#drive1 and so on", address)}
	}
	return folder[:at], drive, nil
}

func openVirtual(address string) (scsi.Transport, error) {
	folder, drive, err := splitVirtual(address)
	if err != nil {
		return nil, err
	}
	lib, err := vlib.Open(folder)
	if err != nil {
		return nil, err
	}
	var t scsi.Transport
	if drive == 0 {
		t, err = lib.Changer()
	} else {
		t, err = lib.Drive(drive - 1)
	}
	if err != nil {
		return nil, errors.Join(err, lib.Close())
	}
	return vlibTransport{t, lib}, nil
}

// Companions lists the devices that are reached the same way as the changer.
func (h *host) Companions(ctx context.Context, address string) ([]string, error) {
	switch {
	case strings.HasPrefix(address, iscsiPrefix):
		return iscsiUnits(ctx, address)
	case strings.HasPrefix(address, vlibPrefix):
		folder, _, err := splitVirtual(address)
		if err != nil {
			return nil, err
		}
		lib, err := vlib.Open(folder)
		if err != nil {
			return nil, err
		}
		defer lib.Close()
		var all []string
		for n := range lib.Config().Drives {
			all = append(all, fmt.Sprintf("%s%s%s%d", vlibPrefix, folder, vlibDrive, n+1))
		}
		return all, nil
	}
	return hostDevices(scsi.TapeDevice)
}

// iscsiUnits lists the logical units of the target that the address is on.
func iscsiUnits(ctx context.Context, address string) ([]string, error) {
	a, err := iscsi.ParseAddress(address)
	if err != nil {
		return nil, usageError{err}
	}
	units, err := iscsi.LUNs(ctx, a)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, u := range units {
		all = append(all, withLUN(address, u.Number))
	}
	return all, nil
}

// withLUN replaces the logical unit in an iSCSI address and keeps the rest as it is, the password included.
func withLUN(address string, lun uint8) string {
	query := ""
	if at := strings.IndexByte(address, '?'); at >= 0 {
		address, query = address[:at], address[at:]
	}
	return fmt.Sprintf("%s/%d%s", address[:strings.LastIndexByte(address, '/')], lun, query)
}

// hostDevices lists the SCSI generic devices of this host of a type.
func hostDevices(t scsi.DeviceType) ([]string, error) {
	devices, err := sgio.Devices()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range devices {
		if d.Type == t {
			all = append(all, d.Path)
		}
	}
	return all, nil
}

// absoluteAddress makes the address independent of the working folder, for the catalog.
func absoluteAddress(address string) (string, error) {
	if !strings.HasPrefix(address, vlibPrefix) {
		return address, nil
	}
	folder, drive, err := splitVirtual(address)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if drive > 0 {
		return fmt.Sprintf("%s%s%s%d", vlibPrefix, abs, vlibDrive, drive), nil
	}
	return vlibPrefix + abs, nil
}

// displayAddress is the address as it may be shown: without a password.
func displayAddress(address string) string {
	if !strings.HasPrefix(address, iscsiPrefix) {
		if _, rest, ok := strings.Cut(address, "@"); ok && !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, vlibPrefix) {
			return rest // a mistyped one: what stands before may be a password
		}
		return address
	}
	a, err := iscsi.ParseAddress(address)
	if err != nil {
		return iscsiPrefix + "..."
	}
	return a.String()
}
