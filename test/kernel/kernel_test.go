//go:build kernel

package kernel

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What test/lab/kernel-vm sets the library up with.
const (
	drives         = 2
	slots          = 20
	importExports  = 4
	tapes          = 8
	firstDriveName = "HUM1A00001" // serial number of the drive at element 1, which mtx calls 0
)

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// generic finds the /dev/sgN of the device of a SCSI type (1 tape, 8 changer) whose unit serial number ends in serial.
func generic(t *testing.T, kind, serial string) string {
	t.Helper()
	devices, err := filepath.Glob("/sys/class/scsi_generic/sg*/device")
	if err != nil {
		t.Fatal(err)
	}
	for _, device := range devices {
		got, err := os.ReadFile(filepath.Join(device, "type"))
		if err != nil || strings.TrimSpace(string(got)) != kind {
			continue
		}
		page, err := os.ReadFile(filepath.Join(device, "vpd_pg80"))
		if err == nil && strings.HasSuffix(strings.TrimRight(string(page), " \x00"), serial) {
			return "/dev/" + filepath.Base(filepath.Dir(device))
		}
	}
	t.Fatalf("no SCSI device of type %s with the serial number %s among %v", kind, serial, devices)
	return ""
}

func TestDeviceNodes(t *testing.T) {
	nodes := []string{generic(t, "8", ""), generic(t, "1", firstDriveName), "/dev/sch0"}
	for i := range drives {
		nodes = append(nodes, fmt.Sprintf("/dev/st%d", i), fmt.Sprintf("/dev/nst%d", i))
	}
	for _, node := range nodes {
		if info, err := os.Stat(node); err != nil || info.Mode()&os.ModeCharDevice == 0 {
			t.Errorf("%s is no character device: %v, %v", node, info, err)
		}
	}
}

func TestListOfDevices(t *testing.T) {
	list := run(t, "lsscsi", "-g")
	if n := strings.Count(list, "] "); n < drives+1 {
		t.Errorf("lsscsi shows %d devices", n)
	}
	if n := len(regexp.MustCompile(`(?m)^\S+\s+tape .*/dev/sg\d+`).FindAllString(list, -1)); n != drives {
		t.Errorf("lsscsi shows %d tape drives, want %d:\n%s", n, drives, list)
	}
	if n := len(regexp.MustCompile(`(?m)^\S+\s+mediumx .*/dev/sg\d+`).FindAllString(list, -1)); n != 1 {
		t.Errorf("lsscsi shows %d changers, want 1:\n%s", n, list)
	}
}

func TestMtxStatus(t *testing.T) {
	status := run(t, "mtx", "-f", generic(t, "8", ""), "status")
	head := fmt.Sprintf("%d Drives, %d Slots ( %d Import/Export )", drives, slots+importExports, importExports)
	if !strings.Contains(status, head) {
		t.Errorf("mtx status does not say %q:\n%s", head, status)
	}
	full := regexp.MustCompile(`Storage Element (\d+):Full :VolumeTag=(\S+)`).FindAllStringSubmatch(status, -1)
	if len(full) != tapes {
		t.Fatalf("mtx shows %d tapes, want %d:\n%s", len(full), tapes, status)
	}
	for i, tape := range full {
		if tape[1] != fmt.Sprint(i+1) || tape[2] != fmt.Sprintf("DPM%03dL6", i+1) {
			t.Errorf("mtx shows %s in slot %s, want DPM%03dL6 in slot %d", tape[2], tape[1], i+1, i+1)
		}
	}
}

// TestSGIO runs the tests of internal/scsi/sgio with a drive that holds a scratch tape.
func TestSGIO(t *testing.T) {
	changer := generic(t, "8", "")
	run(t, "mtx", "-f", changer, "load", "8", "0")
	t.Cleanup(func() { run(t, "mtx", "-f", changer, "unload", "8", "0") })
	t.Setenv("TAPECTL_LAB_SG", generic(t, "1", firstDriveName))
	binary(t, "sgio.test", "../../internal/scsi/sgio")
}

// TestEndToEnd runs the end-to-end tests of the built program on the changer of this kernel.
func TestEndToEnd(t *testing.T) {
	t.Setenv("TAPECTL_LAB_CHANGER", generic(t, "8", ""))
	binary(t, "e2e.test", "../e2e", "-test.run", "^TestKernel$", "-test.timeout", "25m")
}

// binary runs a test binary of the folder TAPECTL_KERNEL_BIN in its package's folder. Each of its tests becomes a subtest
// with its result; its output is shown as it comes.
func binary(t *testing.T, name, folder string, arguments ...string) {
	t.Helper()
	path := filepath.Join(os.Getenv("TAPECTL_KERNEL_BIN"), name)
	if _, err := os.Stat(path); err != nil {
		if name == "e2e.test" && os.IsNotExist(err) {
			t.Skip("no end-to-end test binary in TAPECTL_KERNEL_BIN")
		}
		t.Fatal(err)
	}
	command := exec.Command(path, append([]string{"-test.v"}, arguments...)...)
	command.Dir = folder
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	failed := mirror(t, pipe)
	if err := command.Wait(); err != nil && !failed {
		t.Errorf("%s: %v", name, err)
	}
}

var result = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)

// mirror makes subtests of the results in the output of a test binary, and reports whether one failed.
func mirror(t *testing.T, output io.Reader) bool {
	t.Helper()
	failed, said := false, ""
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println("    |", lines.Text())
		match := result.FindStringSubmatch(lines.Text())
		if match == nil {
			if !strings.HasPrefix(strings.TrimSpace(lines.Text()), "=== ") {
				said = strings.TrimSpace(lines.Text())
			}
			continue
		}
		t.Run(match[2], func(t *testing.T) {
			switch match[1] {
			case "FAIL":
				failed = true
				t.Fail()
			case "SKIP":
				t.Skip(said)
			}
		})
	}
	if err := lines.Err(); err != nil {
		t.Errorf("read the output of the tests: %v", err)
	}
	return failed
}
