package lab

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answers reports whether the library greets an iSCSI login with a response in time.
func answers(t *testing.T, v *VTL) bool {
	t.Helper()
	u, err := url.Parse(v.Target)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}
	defer connection.Close()
	text := "InitiatorName=iqn.2026-11.example:probe\x00SessionType=Discovery\x00AuthMethod=None\x00"
	request := make([]byte, 48, 48+len(text)+3)
	request[0] = 0x43            // Login Request, immediate (RFC 7143 11.12)
	request[1] = 0x81            // transit, from security negotiation (0) to operational negotiation (1)
	request[7] = byte(len(text)) // data segment length, which is below 256
	request[8] = 0x80            // a random ISID
	request = append(request, text...)
	request = append(request, make([]byte, -len(text)&3)...)
	if _, err := connection.Write(request); err != nil {
		return false
	}
	if err := connection.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 48)
	n, _ := connection.Read(reply)
	return n > 0 && reply[0] == 0x23 // Login Response, whatever it says
}

func TestVTLLife(t *testing.T) {
	v := StartVTL(t, VTLConfig{Drives: 3, Tapes: 2, Slots: 5, TapeMB: 10, Prefix: "LAB"})
	if len(v.Drives) != 3 || v.Drives[2] != v.Target+"/3" || v.Changer != v.Target+"/4" {
		t.Errorf("drives %v, changer %s; want LUN 1 to 3 and 4 of %s", v.Drives, v.Changer, v.Target)
	}
	if len(v.Slots) != 2 || v.Slots[FirstSlot] != "LAB001L6" || v.Slots[FirstSlot+1] != "LAB002L6" {
		t.Errorf("slots are %v", v.Slots)
	}
	for _, barcode := range v.Slots {
		if _, err := os.Stat(filepath.Join(v.Folder, barcode)); err != nil {
			t.Errorf("no cartridge: %v", err)
		}
	}
	if !answers(t, v) {
		t.Fatal("a started library does not answer")
	}
	v.Pause(t)
	if answers(t, v) {
		t.Error("a paused library answers")
	}
	v.Resume(t)
	if !answers(t, v) {
		t.Error("a resumed library does not answer")
	}
	v.Kill(t)
	if answers(t, v) {
		t.Error("a killed library answers")
	}
	v.Restart(t)
	if !answers(t, v) {
		t.Error("a restarted library does not answer")
	}
}

func TestSeveralVTLsAtOnce(t *testing.T) {
	a, b := StartVTL(t, VTLConfig{Drives: 1, Tapes: -1}), StartVTL(t, VTLConfig{Drives: 1, Tapes: -1})
	if a.Target == b.Target {
		t.Fatalf("two libraries have one address %s", a.Target)
	}
	a.Kill(t)
	if answers(t, a) || !answers(t, b) {
		t.Error("killing one library must end that one and no other")
	}
}

func TestVTLLeavesNothingBehind(t *testing.T) {
	var v *VTL
	t.Run("inner", func(t *testing.T) { v = StartVTL(t, VTLConfig{Drives: 1, Tapes: 1}) })
	if v == nil {
		t.Skip("no tgt laboratory (see the inner test)")
	}
	if answers(t, v) {
		t.Error("the library outlived its test")
	}
	if _, err := os.Stat(v.Folder); !os.IsNotExist(err) {
		t.Errorf("the folder %s outlived its test: %v", v.Folder, err)
	}
}

func TestVTLEndsWithItsOwner(t *testing.T) {
	v := StartVTL(t, VTLConfig{Drives: 1, Tapes: 1}) // skips where there is no laboratory
	owner := exec.Command("sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	orphan := &VTL{Folder: folder(t), script: v.script}
	if err := orphan.call("start", orphan.Folder, "--tapes", "1", "--owner", strconv.Itoa(owner.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	if err := orphan.describe(VTLConfig{}.withDefaults()); err != nil {
		t.Fatal(err)
	}
	if err := owner.Process.Kill(); err != nil { // a killed test: no cleanup ran
		t.Fatal(err)
	}
	_ = owner.Wait() // "signal: killed"
	for range 100 {
		if _, err := os.Stat(orphan.Folder); os.IsNotExist(err) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("10 s after its owner was killed the library is still there")
	_ = orphan.call("stop", orphan.Folder)
}

func TestScriptRefusesNonsense(t *testing.T) {
	v := &VTL{script: filepath.Join(t.TempDir(), "vtl")}
	if err := os.WriteFile(v.script, script, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"start", "--drives", "0"}, {"start", "--drives", "33"}, {"start", "--tapes", "21"}, {"start", "--tape-mb", "x"},
		{"start", "--prefix", "../x"}, {"start", "--prefix", "TOOLONG"}, {"start", "--port"}, {"start", "--color", "red"},
		{"pause"}, {"kill-all"},
	} {
		folder := filepath.Join(t.TempDir(), "library")
		if err := v.call(append([]string{arguments[0], folder}, arguments[1:]...)...); err == nil {
			t.Errorf("vtl %v: no error", arguments)
		}
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			t.Errorf("vtl %v left its folder behind", arguments)
		}
	}
}

// refused keeps how a test was ended that could not have a laboratory.
type refused struct {
	testing.TB
	how, text string
}

func (r *refused) Helper() {}

func (r *refused) Skipf(format string, arguments ...any) {
	r.how, r.text = "skipped", fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func (r *refused) Fatalf(format string, arguments ...any) {
	r.how, r.text = "failed", fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func TestMissingLaboratory(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for require, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv("TAPECTL_REQUIRE_LABS", require)
		r := &refused{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			StartVTL(r, VTLConfig{})
		}()
		<-done
		if r.how != want || !strings.Contains(r.text, "root") && !strings.Contains(r.text, "apt-get install tgt") {
			t.Errorf("TAPECTL_REQUIRE_LABS=%q: %s with %q, want it %s with what to do", require, r.how, r.text, want)
		}
	}
}
