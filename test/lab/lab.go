// Package lab gives tests a laboratory: a virtual tape library that Debian's tgt serves over iSCSI on loopback. It drives
// the script vtl beside it, which people use from a shell as well.
package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed vtl
var script []byte

// The element addresses of tgt's library.
const (
	FirstDrive        = 1
	Picker            = 500
	FirstImportExport = 600
	ImportExports     = 4
	FirstSlot         = 1000
)

// VTLConfig says what a library has. Zero values stand for the defaults in brackets.
type VTLConfig struct {
	Drives int    // 1 to 32 (2)
	Tapes  int    // in the first slots; negative for none (8)
	Slots  int    // storage slots (20)
	TapeMB int    // size of a tape in MiB (1024); it takes space as it is written
	Prefix string // of the barcodes, 1 to 5 capitals and digits ("DPM": DPM001L6, DPM002L6, ...)
}

func (c VTLConfig) withDefaults() VTLConfig {
	setDefault(&c.Drives, 2)
	setDefault(&c.Tapes, 8)
	setDefault(&c.Slots, 20)
	setDefault(&c.TapeMB, 1024)
	c.Tapes = max(c.Tapes, 0)
	if c.Prefix == "" {
		c.Prefix = "DPM"
	}
	return c
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// VTL is a running library. It belongs to one test, whose end stops it.
type VTL struct {
	Target  string         // iscsi://127.0.0.1:PORT/IQN, without a LUN
	Changer string         // address of the changer
	Drives  []string       // addresses of the drives; Drives[i] is element FirstDrive+i
	Slots   map[int]string // barcodes by element address as the library starts; moves do not change it
	Folder  string         // holds the cartridges, one file named by its barcode each, and tgtd.log
	script  string
}

// StartVTL starts a library for the test t and stops it when t ends, or when the process of the test is gone. Without
// root or tgt the test is skipped, but fails where the variable TAPECTL_REQUIRE_LABS is 1.
func StartVTL(t testing.TB, c VTLConfig) *VTL {
	t.Helper()
	if why := missing(); why != "" {
		if os.Getenv("TAPECTL_REQUIRE_LABS") == "1" {
			t.Fatalf("the tgt laboratory is required, but %s", why)
		}
		t.Skipf("no tgt laboratory: %s", why)
	}
	c = c.withDefaults()
	home := t.TempDir()
	v := &VTL{script: filepath.Join(home, "vtl"), Folder: folder(t)}
	if err := os.WriteFile(v.script, script, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.call("stop", v.Folder); err != nil {
			t.Errorf("stop the library: %v", err)
		}
		if err := os.RemoveAll(v.Folder); err != nil {
			t.Error(err)
		}
	})
	err := v.call("start", v.Folder, "--drives", strconv.Itoa(c.Drives), "--tapes", strconv.Itoa(c.Tapes),
		"--slots", strconv.Itoa(c.Slots), "--tape-mb", strconv.Itoa(c.TapeMB), "--prefix", c.Prefix,
		"--owner", strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatalf("start the library: %v", err)
	}
	if err := v.describe(c); err != nil {
		t.Fatal(err)
	}
	return v
}

// missing says why there can be no laboratory here, and nothing when there can.
func missing() string {
	if os.Geteuid() != 0 {
		return "tgtd needs root"
	}
	for _, program := range []string{"bash", "tgtd", "tgtadm", "tgtimg"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed (apt-get install tgt)"
		}
	}
	return ""
}

// folder makes the folder of a library: in memory where the system offers that, because tapes are large. Its name is
// short: a control socket lies in it.
func folder(t testing.TB) string {
	t.Helper()
	base := os.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		base = "/dev/shm"
	}
	name, err := os.MkdirTemp(base, "tapectl-lab.")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// describe fills in the addresses from what the script wrote down.
func (v *VTL) describe(c VTLConfig) error {
	data, err := os.ReadFile(filepath.Join(v.Folder, "lab.env"))
	if err != nil {
		return err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	if values["PORT"] == "" || values["TARGET"] == "" {
		return fmt.Errorf("no port and target in lab.env: %q", data)
	}
	v.Target = "iscsi://127.0.0.1:" + values["PORT"] + "/" + values["TARGET"]
	v.Changer = v.Target + "/" + strconv.Itoa(c.Drives+1)
	for i := range c.Drives {
		v.Drives = append(v.Drives, v.Target+"/"+strconv.Itoa(i+1))
	}
	v.Slots = map[int]string{}
	for i := range c.Tapes {
		v.Slots[FirstSlot+i] = fmt.Sprintf("%s%03dL6", c.Prefix, i+1)
	}
	return nil
}

// call runs the script.
func (v *VTL) call(arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, v.script, arguments...)
	command.WaitDelay = 5 * time.Second
	out, err := command.CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("vtl %s: %w", strings.Join(arguments, " "), err), errors.New(string(out)))
	}
	return nil
}

func (v *VTL) must(t testing.TB, command string) {
	t.Helper()
	if err := v.call(command, v.Folder); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the library from answering; its connections stay open. Commands run into their timeouts.
func (v *VTL) Pause(t testing.TB) { t.Helper(); v.must(t, "pause") }

// Resume lets a paused library go on; it then executes what it had received.
func (v *VTL) Resume(t testing.TB) { t.Helper(); v.must(t, "resume") }

// Kill ends the library at once, as a power cut does: connections break, what tapes hold stays.
func (v *VTL) Kill(t testing.TB) { t.Helper(); v.must(t, "kill") }

// Restart kills the library if it runs and starts it again under the same addresses. Tapes keep their data and are back
// in the slots of v.Slots: tgt remembers no moves.
func (v *VTL) Restart(t testing.TB) { t.Helper(); v.must(t, "restart") }
