//go:build libiscsi

package iscsi

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"tapectl/internal/scsi"
)

// lab gives the address of the laboratory's target: drives at LUN 1 and 2, the changer at LUN 3.
func lab(t testing.TB) Address {
	t.Helper()
	base := os.Getenv("TAPECTL_LAB_ISCSI")
	if base == "" {
		t.Skip("TAPECTL_LAB_ISCSI is not set: no iSCSI laboratory (iscsi://127.0.0.1:PORT/iqn)")
	}
	a, err := ParseAddress(base + "/0")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// dial opens a logical unit of the laboratory and consumes its unit attentions.
func dial(t testing.TB, a Address) *Transport {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tr, err := Open(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	if _, err := scsi.ClearAttentions(ctx, tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestLiveLUNs(t *testing.T) {
	luns, err := LUNs(context.Background(), lab(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint8]scsi.DeviceType{0: scsi.ControllerDevice, 1: scsi.TapeDevice, 2: scsi.TapeDevice, 3: scsi.ChangerDevice}
	got := map[uint8]scsi.DeviceType{}
	for _, l := range luns {
		got[l.Number] = l.Identity.DeviceType
		t.Logf("LUN %d: %+v", l.Number, l.Identity)
	}
	for n, d := range want {
		if got[n] != d {
			t.Errorf("LUN %d is %v, want %v", n, got[n], d)
		}
	}
	for _, l := range luns {
		if l.Number == 1 && l.Identity.Serial != "HUM1A00001" {
			t.Errorf("serial number of drive 1 is %q", l.Identity.Serial)
		}
	}
}

func TestLiveSenseArrivesRaw(t *testing.T) {
	tr := dial(t, lab(t).WithLUN(3))
	c := &scsi.Command{Name: "unknown", CDB: []byte{0xA6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	if err := scsi.Do(context.Background(), tr, c); !errors.Is(err, scsi.InvalidOperationCode) {
		t.Fatalf("got %v", err)
	}
	if len(c.Sense) < 18 || c.Sense[0]&0x7F != 0x70 {
		t.Errorf("sense data % X", c.Sense)
	}
}
