package drive

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// sample reads a file of the samples, or skips.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	folder := os.Getenv("TAPECTL_SAMPLES")
	if folder == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				t.Skip("no go.mod above the package: the samples cannot be found")
			}
			dir = parent
		}
		folder = filepath.Join(dir, "..", "shared", "samples")
	}
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Skipf("sample %s is not here: %v", name, err)
	}
	return b
}

// capturedPage reads a log page out of a hex dump of sg_logs.
func capturedPage(t *testing.T, drive string, page int) scsi.LogPage {
	t.Helper()
	dump := string(sample(t, fmt.Sprintf("library/capture/log-sense/%s-p%02x.hex", drive, page)))
	var b []byte
	for _, line := range strings.Split(dump, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(line, "Log") {
			continue
		}
		if at, err := strconv.ParseInt(fields[0], 16, 32); err != nil || int(at) != len(b) {
			t.Fatalf("line %q at %d bytes", line, len(b))
		}
		x, err := hex.DecodeString(strings.Join(fields[1:], ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, x...)
	}
	var p scsi.LogPage
	if err := p.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	if int(p.Code) != page {
		t.Fatalf("page %02Xh", p.Code)
	}
	return p
}

// printed reads what sg_logs printed for a page: name and value of each line.
func printed(t *testing.T, drive string, page int) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, line := range strings.Split(string(sample(t, fmt.Sprintf("library/capture/log-sense/%s-p%02x.txt", drive, page))), "\n") {
		for _, separator := range []string{" = ", ": "} {
			if name, value, ok := strings.Cut(line, separator); ok {
				m[strings.TrimSpace(name)] = strings.TrimSpace(value)
				break
			}
		}
	}
	return m
}

// compare holds decoded numbers to the printed ones.
func compare(t *testing.T, printed map[string]string, decoded map[string]uint64) {
	t.Helper()
	for name, got := range decoded {
		want, ok := printed[name]
		if !ok {
			t.Errorf("%q is not in the printed page", name)
			continue
		}
		if strconv.FormatUint(got, 10) != strings.Fields(want)[0] {
			t.Errorf("%s: %d, printed %s", name, got, want)
		}
	}
}

var drives = []string{"drive1", "drive2", "drive3", "drive4"}

func TestSampleErrorCounters(t *testing.T) {
	for _, drive := range drives {
		for _, page := range []int{0x02, 0x03} {
			c := DecodeErrorCounters(capturedPage(t, drive, page))
			compare(t, printed(t, drive, page), map[string]uint64{
				"Errors corrected without substantial delay": c.CorrectedFast, "Errors corrected with possible delays": c.CorrectedDelayed,
				"Total rewrites or rereads": c.Retries, "Total errors corrected": c.Corrected,
				"Total bytes processed": c.Bytes, "Total uncorrected errors": c.Uncorrected,
			})
		}
	}
}

func TestSampleSequentialAccess(t *testing.T) {
	for _, drive := range drives {
		s := DecodeSequentialAccess(capturedPage(t, drive, 0x0C))
		p := printed(t, drive, 0x0C)
		want := map[string]uint64{
			"Data bytes received with WRITE commands":       s.BytesFromHost / 1e9,
			"Data bytes written to media by WRITE commands": s.BytesWritten / 1e9,
			"Data bytes read from media by READ commands":   s.BytesRead / 1e9,
			"Data bytes transferred by READ commands":       s.BytesToHost / 1e9,
		}
		if s.EndOfDataKnown {
			want["Native capacity from BOP to EOD"] = s.ToEndOfDataMB
			want["Native capacity from BOP to EW of current partition"] = s.ToEarlyWarningMB
			want["Minimum native capacity from EW to EOP of current partition"] = s.BehindEarlyWarningMB
		}
		for name := range want {
			if _, ok := p[name]; !ok { // sg_logs leaves out what the drive does not tell
				t.Errorf("%s: %q is not printed", drive, name)
			}
		}
		compare(t, p, want)
		if s.PositionKnown != strings.Contains(fmt.Sprint(p), "current position") {
			t.Errorf("%s: position known: %t", drive, s.PositionKnown)
		}
		text := string(sample(t, "library/capture/log-sense/"+drive+"-p0c.txt"))
		if s.CleaningRequested == strings.Contains(text, "Cleaning action not required") {
			t.Errorf("%s: cleaning requested: %t", drive, s.CleaningRequested)
		}
	}
}

var assignment = regexp.MustCompile(`\b([A-Z]+)=(\d)`)

func TestSampleDeviceStatus(t *testing.T) {
	for _, drive := range drives {
		s, err := DecodeDeviceStatus(capturedPage(t, drive, 0x11))
		if err != nil {
			t.Fatal(err)
		}
		text := string(sample(t, "library/capture/log-sense/"+drive+"-p11.txt"))
		flags := map[string]bool{}
		for _, m := range assignment.FindAllStringSubmatch(text, -1) {
			if _, seen := flags[m[1]]; !seen {
				flags[m[1]] = m[2] == "1"
			}
		}
		for name, got := range map[string]bool{
			"PAMR": s.RemovalPrevented, "HUI": s.HostUnloaded, "MACC": s.MemoryAccessible, "CMPR": s.Compression, "WRTP": s.WriteProtected,
			"CRQST": s.CleaningRequested, "CRQRD": s.CleaningRequired, "DINIT": s.Initialized, "INXTN": s.InTransition,
			"RAA": s.RobotAccess, "MPRSNT": s.Present, "MSTD": s.Seated, "MTHRD": s.Threaded, "MOUNTED": s.Mounted,
			"TDDEC": s.EncryptionStateChanged, "RRQST": s.RecoveryRequested, "INTFC": s.InterfaceChanged, "TAFC": s.TapeAlertChanged,
		} {
			if want, ok := flags[name]; !ok || got != want {
				t.Errorf("%s: %s is %t, printed %t (%t)", drive, name, got, want, ok)
			}
		}
		if strings.Contains(text, "No DT device activity") != (s.Activity == 0) {
			t.Errorf("%s: %s", drive, s.Activity)
		}
		if m := regexp.MustCompile(`polling delay:\s+(\d+) milli`).FindStringSubmatch(text); m == nil || m[1] != fmt.Sprint(s.Polling.Milliseconds()) {
			t.Errorf("%s: polling %v, printed %v", drive, s.Polling, m)
		}
	}
}

// Each bit by itself, from SSC-5 table 44.
func TestDecodeDeviceStatusBits(t *testing.T) {
	decode := func(b ...byte) DeviceStatus {
		var p scsi.LogPage
		p.Append(scsi.LogParameter{Code: 0, Value: b})
		p.Append(scsi.LogParameter{Code: 1, Value: []byte{0x01, 0xF4}})
		s, err := DecodeDeviceStatus(p)
		if err != nil {
			t.Fatal(err)
		}
		if s.Polling != 500*time.Millisecond {
			t.Errorf("polling %v", s.Polling)
		}
		s.Polling = 0
		return s
	}
	for want, b := range map[DeviceStatus][]byte{
		{RemovalPrevented: true}: {0x80, 0, 0, 0}, {HostUnloaded: true}: {0x40, 0, 0, 0}, {MemoryAccessible: true}: {0x20, 0, 0, 0},
		{Compression: true}: {0x10, 0, 0, 0}, {WriteProtected: true}: {0x08, 0, 0, 0}, {CleaningRequested: true}: {0x04, 0, 0, 0},
		{CleaningRequired: true}: {0x02, 0, 0, 0}, {Initialized: true}: {0x01, 0, 0, 0}, {InTransition: true}: {0, 0x80, 0, 0},
		{RobotAccess: true}: {0, 0x20, 0, 0}, {Present: true}: {0, 0x10, 0, 0}, {Seated: true}: {0, 0x04, 0, 0},
		{Threaded: true}: {0, 0x02, 0, 0}, {Mounted: true}: {0, 0x01, 0, 0}, {Activity: 6}: {0, 0, 6, 0},
		{EncryptionStateChanged: true}: {0, 0, 0, 0x80}, {RecoveryRequested: true}: {0, 0, 0, 0x04},
		{InterfaceChanged: true}: {0, 0, 0, 0x02}, {TapeAlertChanged: true}: {0, 0, 0, 0x01},
	} {
		if diff := cmp.Diff(want, decode(b...)); diff != "" {
			t.Errorf("% X: %s", b, diff)
		}
	}
	if Activity(6).String() != "writing" || Activity(13).String() != "updating microcode" || Activity(99).String() != "activity 63h" {
		t.Error("names of activities")
	}
	if _, err := DecodeDeviceStatus(scsi.LogPage{}); err == nil {
		t.Error("an empty page was accepted")
	}
}

func TestSampleVolumeStatistics(t *testing.T) {
	for _, drive := range drives {
		v := DecodeVolumeStatistics(capturedPage(t, drive, 0x17))
		p := printed(t, drive, 0x17)
		valid := uint64(0)
		if v.Valid {
			valid = 1
		}
		if !v.Valid {
			t.Logf("%s: no medium", drive)
		}
		compare(t, p, map[string]uint64{
			"Page valid": valid, "Thread count": v.Mounts, "Total data sets written": v.DatasetsWritten, "Total write retries": v.RecoveredWriteErrors,
			"Total unrecovered write errors": v.UnrecoveredWriteErrors, "Total data sets read": v.DatasetsRead,
			"Total read retries": v.RecoveredReadErrors, "Total unrecovered read errors": v.UnrecoveredReadErrors,
			"Last mount megabytes written": v.LastMountMBWritten, "Last mount megabytes read": v.LastMountMBRead,
			"Lifetime megabytes written": v.LifetimeMBWritten, "Lifetime megabytes read": v.LifetimeMBRead,
			"Last load write compression ratio": v.WriteRatio, "Last load read compression ratio": v.ReadRatio,
			"Total native capacity [MB]": v.CapacityMB, "Total used native capacity [MB]": v.UsedMB,
			"Beginning of medium passes": v.BeginningPasses, "Middle of medium passes": v.MiddlePasses,
		})
		for name, got := range map[string]string{"Volume serial number": v.Serial, "Tape lot identifier": v.Lot,
			"Volume barcode": v.Barcode, "Volume manufacturer": v.Manufacturer, "Volume personality": v.Personality} {
			if p[name] != got {
				t.Errorf("%s: %s is %q, printed %q", drive, name, got, p[name])
			}
		}
		if len(v.Partitions) > 0 && v.Partitions[0].MB != uint32(v.CapacityMB) {
			t.Errorf("%s: partitions %+v", drive, v.Partitions)
		}
	}
	v := DecodeVolumeStatistics(capturedPage(t, "drive1", 0x17))
	want := []PartitionCapacity{{Partition: 0, MB: 10878867, Known: true}}
	if diff := cmp.Diff(want, v.FreePartitions); diff != "" {
		t.Error(diff)
	}
}

func TestSampleTapeAlertAndCapacity(t *testing.T) {
	for _, drive := range drives {
		flags, err := DecodeTapeAlert(capturedPage(t, drive, 0x2E))
		if err != nil {
			t.Fatal(err)
		}
		raised := 0
		for name, value := range printed(t, drive, 0x2E) {
			if value == "1" {
				raised++
				t.Logf("%s raised: %s", drive, name)
			}
		}
		if len(flags) != raised {
			t.Errorf("%s: %d flags, printed %d", drive, len(flags), raised)
		}
		c := DecodeTapeCapacity(capturedPage(t, drive, 0x31))
		compare(t, printed(t, drive, 0x31), map[string]uint64{
			"Main partition remaining capacity (in MiB)": c.RemainingMiB[0], "Alternate partition remaining capacity (in MiB)": c.RemainingMiB[1],
			"Main partition maximum capacity (in MiB)": c.MaximumMiB[0], "Alternate partition maximum capacity (in MiB)": c.MaximumMiB[1],
		})
	}
}

func TestPartitions(t *testing.T) {
	var p scsi.LogPage
	p.Append(scsi.LogParameter{Code: 0x203, Value: []byte{7, 0, 0, 0, 0, 0, 0, 9, 7, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0, 0}})
	p.Append(scsi.LogParameter{Code: 0x204, Value: []byte{0, 0, 0, 0, 0, 0, 0, 0}})
	v := DecodeVolumeStatistics(p)
	if diff := cmp.Diff([]PartitionCapacity{{0, 9, true}, {1, 0, false}}, v.UsedPartitions); diff != "" {
		t.Error(diff)
	}
	if len(v.FreePartitions) != 0 {
		t.Errorf("a record of length 0 gives %+v", v.FreePartitions)
	}
}

func TestLogPages(t *testing.T) {
	f := newFake(quirks{})
	counter := func(page byte, values ...uint64) {
		p := scsi.LogPage{Code: page}
		for i, v := range values {
			p.Append(scsi.LogParameter{Code: uint16(i), Value: []byte{byte(v >> 8), byte(v)}})
		}
		f.logs[page] = p
	}
	for _, page := range []byte{0x02, 0x03, 0x0C, 0x17, 0x31} {
		counter(page, 1, 2, 3, 4, 5, 6, 7, 8)
	}
	counter(0x14, 100, 5, 2000, 300, 4, 0, 0, 0, 77)
	statistics := f.logs[0x14]
	statistics.Append(scsi.LogParameter{Code: 0x40, Value: []byte("  PLATE1")})
	f.logs[0x14] = statistics
	f.logs[0x11] = scsi.LogPage{Code: 0x11, Data: []byte{0, 0, 0, 4, 0x01, 0x17, 5, 0}}
	d := f.open(t)
	if c, err := d.WriteErrors(background); err != nil || c != (ErrorCounters{CorrectedFast: 1, CorrectedDelayed: 2, Retries: 3, Corrected: 4, Bytes: 6, Uncorrected: 7}) {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := d.ReadErrors(background); err != nil || c.Uncorrected != 7 {
		t.Errorf("%+v, %v", c, err)
	}
	if s, err := d.SequentialAccess(background); err != nil || s.BytesToHost != 4 || s.ToPositionMB != 8 || !s.PositionKnown {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := d.DeviceStatus(background); err != nil || s.Activity.String() != "reading" || !s.Mounted {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := d.DeviceStatistics(background); err != nil || s.Loads != 100 || s.Cleanings != 5 || s.PowerOnHours != 2000 || s.MotionHours != 300 ||
		s.MetersOfTape != 4 || s.HoursSinceCleaning != 77 || s.ManufacturerSerial != "PLATE1" {
		t.Errorf("%+v, %v", s, err)
	}
	if v, err := d.VolumeStatistics(background); err != nil || !v.Valid || v.Mounts != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if c, err := d.TapeCapacity(background); err != nil || c.RemainingMiB != [2]uint64{2, 3} || c.MaximumMiB != [2]uint64{4, 5} {
		t.Errorf("%+v, %v", c, err)
	}
	calls := map[string]func(*Drive) error{
		"write errors":      func(d *Drive) error { _, err := d.WriteErrors(background); return err },
		"read errors":       func(d *Drive) error { _, err := d.ReadErrors(background); return err },
		"sequential access": func(d *Drive) error { _, err := d.SequentialAccess(background); return err },
		"device status":     func(d *Drive) error { _, err := d.DeviceStatus(background); return err },
		"device statistics": func(d *Drive) error { _, err := d.DeviceStatistics(background); return err },
		"volume statistics": func(d *Drive) error { _, err := d.VolumeStatistics(background); return err },
		"tape capacity":     func(d *Drive) error { _, err := d.TapeCapacity(background); return err },
		"TapeAlert":         func(d *Drive) error { _, err := d.TapeAlerts(background); return err },
	}
	for name, call := range calls {
		if err := call(newFake(quirks{tgt: true}).open(t)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s on tgt: %v", name, err)
		}
		f := newFake(quirks{})
		d := f.open(t)
		if err := call(d); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s without the page: %v", name, err)
		}
		f.intercept = once(0x4D, scsitest.Lost(errCable))
		if err := call(d); !errors.Is(err, errCable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.logs[0x11] = scsi.LogPage{Code: 0x11}
	var response *scsi.ResponseError
	if _, err := d.DeviceStatus(background); !errors.As(err, &response) {
		t.Errorf("%v", err)
	}
	f.intercept = once(0x4D, scsitest.Check(scsitest.Sense(scsi.IllegalRequest, 0x20, 0)))
	if _, err := d.TapeCapacity(background); !errors.Is(err, ErrNotSupported) || d.Capabilities().LogSense {
		t.Errorf("%v", err)
	}
}

// Names and reactions as scsi.md 1.2 has them.
func TestTapeAlertTable(t *testing.T) {
	reactions := map[int]Reaction{0x14: CleanDrive, 0x15: CleanDrive, 4: SuspectMedium, 5: SuspectMedium, 6: SuspectMedium,
		0x0D: SuspectMedium, 0x0E: SuspectMedium, 0x34: SuspectMedium, 0x35: SuspectMedium, 0x36: SuspectMedium,
		0x1E: DriveDown, 0x1F: DriveDown, 0x26: DriveDown, 0x39: DriveDown, 7: RetireMedium, 0x13: RetireMedium,
		8: WrongMedium, 0x0C: WrongMedium, 0x17: WrongMedium}
	critical := map[int]bool{}
	for _, n := range []int{4, 5, 6, 9, 0x0D, 0x0E, 0x10, 0x14, 0x16, 0x17, 0x1E, 0x1F, 0x21, 0x26, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39} {
		critical[n] = true
	}
	information := map[int]bool{0x0A: true, 0x0B: true, 0x0C: true, 0x13: true}
	for n := 1; n <= 64; n++ {
		f := TapeAlert(n)
		if f.Number != n || f.Reaction != reactions[n] || critical[n] != (f.Severity == Critical) || f.Name != "" && information[n] != (f.Severity == Information) {
			t.Errorf("%+v", f)
		}
		if named := n <= 0x27 || n >= 0x31 && n <= 0x3C; named != (f.Name != "") {
			t.Errorf("flag %02Xh is named %q", n, f.Name)
		}
	}
	for _, n := range []int{0, -1, 65} {
		if f := TapeAlert(n); f.Number != n || f.Name != "" {
			t.Errorf("%+v", f)
		}
	}
	names := fmt.Sprint(Information, Warning, Critical, Severity(7), NoReaction, DriveDown, Reaction(99))
	if names != "information warning critical severity 7 none take the drive out of service take the drive out of service" {
		t.Error(names)
	}
}

func TestTapeAlerts(t *testing.T) {
	f := newFake(quirks{})
	d := f.open(t)
	// 2Eh: one byte each, bit 0; a doubled parameter counts once.
	old := scsi.LogPage{Code: 0x2E}
	for _, p := range []scsi.LogParameter{{Code: 3, Value: []byte{1}}, {Code: 4, Value: []byte{0}}, {Code: 0x14, Value: []byte{0x01}},
		{Code: 0x14, Value: []byte{1}}, {Code: 65, Value: []byte{1}}, {Code: 0, Value: []byte{1}}, {Code: 5}} {
		old.Append(p)
	}
	f.logs[0x2E] = old
	numbers := func() string {
		flags, err := d.TapeAlerts(background)
		if err != nil {
			t.Fatal(err)
		}
		var n []int
		for _, f := range flags {
			n = append(n, f.Number)
		}
		return fmt.Sprint(n)
	}
	if got := numbers(); got != "[3 20]" {
		t.Errorf("page 2Eh: %s", got)
	}
	// 12h: flag 1 is the first bit, flag 64 the last (SSC-5 8.2.4); it is preferred (Q52).
	response := scsi.LogPage{Code: 0x12}
	response.Append(scsi.LogParameter{Code: 0, Value: []byte{0x80, 0x40, 0, 0, 0, 0, 0, 0x01}})
	f.logs[0x12] = response
	before := len(f.sent(0x4D))
	if got := numbers(); got != "[1 10 64]" {
		t.Errorf("page 12h: %s", got)
	}
	if n := len(f.sent(0x4D)) - before; n != 1 {
		t.Errorf("%d pages read", n)
	}
	f.logs[0x12] = scsi.LogPage{Code: 0x12}
	if got := numbers(); got != "[3 20]" {
		t.Errorf("an empty page 12h: %s", got)
	}
	f.logs[0x2E] = scsi.LogPage{Code: 0x2E, Data: []byte{0, 1, 0, 9}}
	var bad *scsi.ResponseError
	if _, err := d.TapeAlerts(background); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}

// Log pages of any content decode in bounded space.
func FuzzLogPages(f *testing.F) {
	f.Add([]byte{0x17, 0, 0, 12, 2, 3, 0, 8, 7, 0, 0, 0, 0, 0, 0, 9})
	f.Add([]byte{0x12, 0, 0, 12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x11, 0, 0, 8, 0, 0, 0, 4, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p scsi.LogPage
		if p.Unmarshal(b) != nil {
			return
		}
		v := DecodeVolumeStatistics(p)
		if n := len(v.Partitions) + len(v.UsedPartitions) + len(v.FreePartitions); n > 3*255/8 {
			t.Fatalf("%d partitions", n)
		}
		alerts, _ := DecodeTapeAlert(p)
		response, _ := DecodeTapeAlertResponse(p)
		for _, list := range [][]TapeAlertFlag{alerts, response} {
			seen := map[int]bool{}
			for _, a := range list {
				if a.Number < 1 || a.Number > 64 || seen[a.Number] {
					t.Fatalf("flag %d", a.Number)
				}
				seen[a.Number] = true
			}
		}
		if s, err := DecodeDeviceStatus(p); err == nil && (s.Polling < 0 || s.Polling > 66*time.Second) {
			t.Fatalf("polling %v", s.Polling)
		}
		DecodeErrorCounters(p)
		DecodeSequentialAccess(p)
		DecodeDeviceStatistics(p)
		DecodeTapeCapacity(p)
	})
}
