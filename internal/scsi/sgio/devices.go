package sgio

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tapectl/internal/scsi"
)

// Device is a tape drive or a medium changer of this host, as the kernel saw it when it found the device. Nothing was
// sent to it.
type Device struct {
	Path                      string // such as /dev/sg3
	Type                      scsi.DeviceType
	Vendor, Product, Revision string
	Serial                    string // unit serial number (page 80h), "" when the kernel has none
	Address                   string // host:channel:target:lun, such as 6:0:2:0
}

// Devices lists the tape drives and changers of this host, by number of the node. A drive with two paths is there twice,
// with the same serial number. The numbers change when devices come and go; reopen by serial number.
func Devices() ([]Device, error) { return devicesIn("/sys") }

// devicesIn lists the devices of the sysfs at root.
func devicesIn(root string) ([]Device, error) {
	class := filepath.Join(root, "class", "scsi_generic")
	entries, err := os.ReadDir(class)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the sg driver is not loaded: no devices
	}
	if err != nil {
		return nil, err
	}
	type numbered struct {
		n int
		d Device
	}
	var found []numbered
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "sg"))
		if err != nil || !strings.HasPrefix(e.Name(), "sg") {
			continue
		}
		if d, ok := readDevice(filepath.Join(class, e.Name(), "device")); ok {
			d.Path = "/dev/" + e.Name()
			found = append(found, numbered{n, d})
		}
	}
	slices.SortFunc(found, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	var out []Device
	for _, f := range found {
		out = append(out, f.d)
	}
	return out, nil
}

// readDevice reads the attributes in dir. ok is false for other kinds of device, and for one that is just going away.
func readDevice(dir string) (d Device, ok bool) {
	t, err := strconv.ParseUint(attribute(dir, "type"), 10, 5)
	d.Type = scsi.DeviceType(t)
	if err != nil || d.Type != scsi.TapeDevice && d.Type != scsi.ChangerDevice {
		return d, false
	}
	d.Vendor, d.Product, d.Revision = attribute(dir, "vendor"), attribute(dir, "model"), attribute(dir, "rev")
	var p scsi.VPDPage
	if b := readLimited(filepath.Join(dir, "vpd_pg80")); p.Unmarshal(b) == nil && p.Code == scsi.VPDUnitSerialNumber {
		d.Serial = p.Serial()
	}
	if link, err := filepath.EvalSymlinks(dir); err == nil {
		d.Address = filepath.Base(link)
	}
	return d, true
}

// attribute reads a text attribute, "" when there is none.
func attribute(dir, name string) string {
	return strings.TrimSpace(scsi.Text(readLimited(filepath.Join(dir, name))))
}

// readLimited reads at most the size of a sysfs attribute.
func readLimited(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil
	}
	return b
}
