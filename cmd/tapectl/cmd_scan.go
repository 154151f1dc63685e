package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/scsi/sgio"
)

// scanJSON is a device that a scan found.
type scanJSON struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Vendor  string `json:"vendor"`
	Product string `json:"product"`
	Serial  string `json:"serial"`
	Library string `json:"library,omitempty"` // of the catalog, when it is known there
	Drives  int    `json:"drives"`            // of a changer: how many were matched
	Note    string `json:"note,omitempty"`
	err     error  // why the device did not answer
}

func newLibraryScan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "scan [ADDRESS]",
		Short: "Find changers and tape drives: of this host, or of an iSCSI target or virtual library",
		Example: `  tapectl library scan
  tapectl library scan iscsi://10.0.0.5/iqn.2026-11.example:lib/0`,
		Args: rangeArgs(0, 1),
		RunE: func(c *cobra.Command, args []string) error { return a.libraryScan(c.Context(), args) },
	}
}

func (a *app) libraryScan(ctx context.Context, args []string) error {
	h, err := a.host("library scan")
	if err != nil {
		return err
	}
	defer h.close()
	addresses, err := scanAddresses(ctx, h, args)
	if err != nil {
		return err
	}
	return a.withCatalog(ctx, func(cat *mediacatalog.Catalog) error {
		known, err := knownSerials(ctx, cat)
		if err != nil {
			return err
		}
		found := []scanJSON{}
		silent := 0
		for _, address := range addresses {
			s := scanOne(ctx, h, address, known)
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.err != nil {
				silent++
			}
			found = append(found, s)
		}
		if len(found) == 0 {
			fmt.Fprint(a.stderr, nothingFound)
			return nil
		}
		if err := a.printScan(found); err != nil {
			return err
		}
		switch {
		case silent == len(found):
			return &library.UnreachableError{What: "a library or drive", Address: displayAddress(addresses[0]), Err: found[0].err}
		case silent > 0:
			return partlyError{fmt.Sprintf("scan: %s did not answer", countText(silent, "device"))}
		}
		return nil
	})
}

// nothingFound is what a scan says on a host without tape devices.
const nothingFound = `No changer and no tape drive was found on this host. What to look at:
  - is the driver for SCSI generic devices loaded?        modprobe sg; ls -l /dev/sg*
  - does the host see the library (cable, zoning, LUNs)?  lsscsi -g
  - a library that is reached over iSCSI:                 tapectl library scan iscsi://HOST/TARGET/0
  - no library at hand: a virtual one                     tapectl demo; tapectl vlib create FOLDER
`

func (a *app) printScan(found []scanJSON) error {
	return printList(a, found, "ADDRESS|TYPE|MODEL|SERIAL|LIBRARY|DRIVES|NOTE", func(s scanJSON) []string {
		drives := "-"
		if s.Type == scsi.ChangerDevice.String() {
			drives = fmt.Sprint(s.Drives)
		}
		return []string{s.Address, s.Type, orDash(strings.TrimSpace(s.Vendor + " " + s.Product)), orDash(s.Serial), orDash(s.Library), drives, s.Note}
	})
}

// scanAddresses lists what a scan looks at.
func scanAddresses(ctx context.Context, h *host, args []string) ([]string, error) {
	if len(args) == 1 && !strings.HasPrefix(args[0], "/") {
		address, err := absoluteAddress(args[0])
		if err != nil {
			return nil, err
		}
		near, err := h.Companions(ctx, address)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(address, vlibPrefix) {
			near = append([]string{address}, near...)
		}
		return near, nil
	}
	if len(args) == 1 {
		return args, nil
	}
	devices, err := sgio.Devices()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range devices {
		all = append(all, d.Path)
	}
	return all, nil
}

func knownSerials(ctx context.Context, cat *mediacatalog.Catalog) (map[string]string, error) {
	libraries, err := cat.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, l := range libraries {
		known[l.Serial] = l.Name
		for _, d := range l.Drives {
			known[d.Serial] = l.Name
		}
	}
	return known, nil
}

func scanOne(ctx context.Context, h *host, address string, known map[string]string) scanJSON {
	s := scanJSON{Address: displayAddress(address), Type: "?"}
	id, err := identify(ctx, h, address)
	if err != nil {
		s.Note, s.err = err.Error(), err
		return s
	}
	s.Type, s.Vendor, s.Product, s.Serial, s.Library = id.DeviceType.String(), id.Vendor, id.Product, id.Serial, known[id.Serial]
	if id.DeviceType == scsi.ChangerDevice {
		found, err := library.Discover(ctx, h, address, nil)
		if err != nil {
			s.Note = err.Error()
			return s
		}
		s.Drives = len(found.Library.Drives)
		s.Note = strings.Join(append(found.Unmatched, found.Notes...), "; ")
	}
	return s
}

// identify asks the device at the address what it is.
func identify(ctx context.Context, h *host, address string) (scsi.Identity, error) {
	t, err := h.Open(ctx, address)
	if err != nil {
		return scsi.Identity{}, err
	}
	defer t.Close()
	return scsi.Identify(ctx, t)
}
