package sgio

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
)

// sysfs makes a folder like /sys with the devices: attributes in devices/..., links in class/scsi_generic.
func sysfs(t *testing.T, devices map[string]map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, attributes := range devices {
		dir := filepath.Join(root, "devices", "host6", attributes["address"])
		link := filepath.Join(root, "class", "scsi_generic", name)
		for _, d := range []string{dir, link} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(dir, filepath.Join(link, "device")); err != nil {
			t.Fatal(err)
		}
		for file, text := range attributes {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func TestDevices(t *testing.T) {
	root := sysfs(t, map[string]map[string]string{
		"sg10": {"address": "6:0:0:3", "type": "8\n", "vendor": "STK     \n", "model": "L700            \n", "rev": "0001\n",
			"vpd_pg80": "\x08\x80\x00\x24                            XYZZY_A"},
		"sg2": {"address": "6:0:0:1", "type": "1\n", "vendor": "HP      \n", "model": "Ultrium 6-SCSI  \n", "rev": "0001\n",
			"vpd_pg80": "\x01\x80\x00\x0AHU1A00001 "},
		"sg3":  {"address": "6:0:0:2", "type": "1\n", "vendor": "IBM\n"},
		"sg0":  {"address": "0:0:0:0", "type": "0\n", "vendor": "ATA\n"},
		"sg4":  {"address": "6:0:0:4", "vendor": "half gone\n"},
		"loop": {"address": "6:0:0:5", "type": "1\n"},
	})
	got, err := devicesIn(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{
		{Path: "/dev/sg2", Type: scsi.TapeDevice, Vendor: "HP", Product: "Ultrium 6-SCSI", Revision: "0001",
			Serial: "HU1A00001", Address: "6:0:0:1"},
		{Path: "/dev/sg3", Type: scsi.TapeDevice, Vendor: "IBM", Address: "6:0:0:2"},
		{Path: "/dev/sg10", Type: scsi.ChangerDevice, Vendor: "STK", Product: "L700", Revision: "0001",
			Serial: "XYZZY_A", Address: "6:0:0:3"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDevicesWithoutDriver(t *testing.T) {
	got, err := devicesIn(t.TempDir())
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
