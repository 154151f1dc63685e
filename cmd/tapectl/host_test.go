package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

func TestSplitVirtual(t *testing.T) {
	for _, test := range []struct {
		address, folder string
		drive           int // -1: refused
	}{
		{"vlib:/srv/a", "/srv/a", 0}, {"vlib:/srv/a#drive1", "/srv/a", 1}, {"vlib:a#drive12", "a", 12}, {"vlib:/a#drives/b", "", -1},
		{"vlib:a#drive0", "", -1}, {"vlib:a#drive-1", "", -1}, {"vlib:a#drivex", "", -1}, {"vlib:a#drive", "", -1}, {"vlib:a#b", "a#b", 0},
	} {
		folder, drive, err := splitVirtual(test.address)
		if test.drive < 0 {
			var usage usageError
			if !errors.As(err, &usage) {
				t.Errorf("%q: %v", test.address, err)
			}
		} else if err != nil || folder != test.folder || drive != test.drive {
			t.Errorf("%q: %q, %d, %v", test.address, folder, drive, err)
		}
	}
}

func TestAbsoluteAddress(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"/dev/sg3": "/dev/sg3", "iscsi://h/t/1": "iscsi://h/t/1", "vlib:x": "vlib:" + here + "/x", "vlib:x#drive2": "vlib:" + here + "/x#drive2", "vlib:/x/../y": "vlib:/y",
	} {
		if got, err := absoluteAddress(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestDisplayAddress(t *testing.T) {
	for in, want := range map[string]string{
		"/dev/sg3": "/dev/sg3", "vlib:/x": "vlib:/x", "iscsi://u%p@h/iqn.2026-11.x:y/1": "iscsi://u@h/iqn.2026-11.x:y/1",
		"iscsi://u%p@h/nonsense": "iscsi://...", "iscsi://u:p@": "iscsi://...",
	} {
		if got := displayAddress(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWithLUN(t *testing.T) {
	for in, want := range map[string]string{
		"iscsi://u%p@h:3261/iqn.x/3":                "iscsi://u%p@h:3261/iqn.x/7",
		"iscsi://u@h/iqn.x/3?password-file=/etc/pw": "iscsi://u@h/iqn.x/7?password-file=/etc/pw",
	} {
		if got := withLUN(in, 7); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestHostOpensAndFindsCompanions(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "lib")
	if err := vlib.Create(folder, vlib.Config{Drives: 2, Slots: 3}); err != nil {
		t.Fatal(err)
	}
	h := &host{}
	defer h.close()
	near, err := h.Companions(t.Context(), vlibPrefix+folder)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{vlibPrefix + folder + "#drive1", vlibPrefix + folder + "#drive2"}, near); d != "" {
		t.Error(d)
	}
	for address, want := range map[string]scsi.DeviceType{vlibPrefix + folder: scsi.ChangerDevice, near[1]: scsi.TapeDevice} {
		id, err := identify(t.Context(), h, address)
		if err != nil || id.DeviceType != want {
			t.Errorf("%s: %v, %v", address, id.DeviceType, err)
		}
	}
	for _, bad := range []string{"", "sg3", "http://x", "vlib:" + folder + "#drive3", "vlib:" + folder + "/nothere", "iscsi://", "/nothere"} {
		if tr, err := h.Open(t.Context(), bad); err == nil {
			tr.Close()
			t.Errorf("%q was opened", bad)
		} else if strings.Contains(err.Error(), "%!") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
