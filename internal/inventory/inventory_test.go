package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/inventory"
	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// fast takes an inventory of the library with the name.
func fast(t *testing.T, b *librarytest.Bench, name string) (*inventory.Report, error) {
	t.Helper()
	l, err := library.Open(t.Context(), b.Catalog, b.Host, name, library.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return inventory.Fast(t.Context(), b.Catalog, l)
}

func kinds(r *inventory.Report) []string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Kind)
	}
	return all
}

func TestFastFollowsTheLibrary(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 6, MailSlots: 1, TapeCount: 3})
	before := b.Tape("VTL001L6")
	if err := b.Virtual.SwapBarcode(1002, "SWAP01L6"); err != nil {
		t.Fatal(err)
	}
	if err := b.Virtual.RemoveTape(1003); err != nil {
		t.Fatal(err)
	}
	r, err := fast(t, b, "lab")
	if err != nil {
		t.Fatal(err)
	}
	if r.Slots != 6 || r.Drives != 2 || r.Mail != 1 || r.Tapes != 2 || r.Unknown != 2 {
		t.Errorf("report is %+v", r)
	}
	if got := strings.Join(kinds(r), ", "); !strings.Contains(got, inventory.ChangedBarcode) || strings.Count(got, inventory.Left) != 2 {
		t.Errorf("findings are %s", got)
	}
	if got := b.Tape("VTL001L6"); got.MediaID != before.MediaID || got.ElementAddress != 1001 {
		t.Errorf("the tape that stayed is now %+v", got)
	}
	if got := b.Tape("VTL003L6"); got.LibraryID != "" || got.ElementAddress != -1 {
		t.Errorf("the tape that was taken out is now %+v", got)
	}
	events, err := b.Catalog.Events(t.Context(), mediacatalog.EventFilter{Kind: inventory.ChangedBarcode})
	if err != nil || len(events) != 1 || events[0].Barcode != "SWAP01L6" || events[0].ElementAddress != 1002 {
		t.Errorf("events of the catalog: %+v, %v", events, err)
	}
}

func TestFastTellsOfTheDoor(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 1})
	l := b.Open()
	defer l.Close()
	if _, err := inventory.Fast(t.Context(), b.Catalog, l); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Virtual.AddTape(vlib.TapeConfig{Barcode: "ADD001L6"}); err != nil {
		t.Fatal(err)
	}
	r, err := inventory.Fast(t.Context(), b.Catalog, l)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{inventory.LibraryChanged, inventory.Came}, kinds(r)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestFastKeepsIdentitiesWithoutBarcodeReader(t *testing.T) {
	noReader, err := vlib.QuirkProfile("noreader")
	if err != nil {
		t.Fatal(err)
	}
	b := librarytest.New(t, vlib.Config{Slots: 6, TapeCount: 3, NoBarcodeReader: true, Quirks: noReader})
	ids := func() map[int]string {
		media, err := b.Catalog.ListMedia(context.Background(), mediacatalog.MediaFilter{Online: true})
		if err != nil {
			t.Fatal(err)
		}
		all := map[int]string{}
		for _, m := range media {
			all[m.ElementAddress] = m.MediaID
		}
		return all
	}
	first := ids()
	if len(first) != 3 {
		t.Fatalf("the first inventory made %d tapes", len(first))
	}
	l := b.Open()
	if err := l.Move(t.Context(), 1001, 1005); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := fast(t, b, "lab")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{inventory.NoBarcodeReader}, kinds(r)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	want := map[int]string{1005: first[1001], 1002: first[1002], 1003: first[1003]}
	if diff := cmp.Diff(want, ids()); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
}

func TestFastOfTenThousandSlotsAsksLittle(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 10000, TapeCount: 999, Drives: 4, MailSlots: 10})
	var asked atomic.Int64
	b.Host.Wrap = func(_ string, inner scsi.Transport) scsi.Transport { return counter{inner, 0xB8, &asked} }
	r, err := fast(t, b, "lab")
	if err != nil {
		t.Fatal(err)
	}
	if r.Slots != 10000 || r.Tapes != 999 || len(r.Findings) != 0 {
		t.Errorf("report is %d slots, %d tapes, %d findings", r.Slots, r.Tapes, len(r.Findings))
	}
	if n := asked.Load(); n > 16 {
		t.Errorf("%d READ ELEMENT STATUS commands for 10,000 slots", n)
	}
}

// counter counts the commands with an operation code.
type counter struct {
	scsi.Transport
	code  byte
	count *atomic.Int64
}

func (c counter) Send(ctx context.Context, cmd *scsi.Command) error {
	if cmd.CDB[0] == c.code {
		c.count.Add(1)
	}
	return c.Transport.Send(ctx, cmd)
}

func TestFastChangesNothingWhenItFails(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 4, TapeCount: 2})
	before, err := b.Catalog.Elements(t.Context(), b.Tape("VTL001L6").LibraryID)
	if err != nil {
		t.Fatal(err)
	}
	l := b.Open()
	defer l.Close()
	if _, err := b.Virtual.InjectFault(vlib.Fault{Device: "changer", Kind: vlib.FaultSense, Operations: []int{0xB8}, Key: 4, ASC: 0x44, Times: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := inventory.Fast(t.Context(), b.Catalog, l); !errors.Is(err, scsi.IsHardwareError) || !strings.Contains(fmt.Sprint(err), "inventory library lab") {
		t.Errorf("error is %v", err)
	}
	after, err := b.Catalog.Elements(t.Context(), b.Tape("VTL001L6").LibraryID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("elements changed:\n%s", diff)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inventory.Fast(done, b.Catalog, l); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: %v", err)
	}
}
