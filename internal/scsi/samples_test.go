package scsi_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tapectl/internal/scsi"
)

// captures gives the folder with what sg3_utils read from real drives and libraries: NAME.bin or NAME.hex is the device's
// answer, NAME.txt what sg_inq, sg_vpd, sg_logs and sg_modes say about it.
func captures(t *testing.T) string {
	t.Helper()
	root := os.Getenv("TAPECTL_SAMPLES")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			if dir == filepath.Dir(dir) {
				t.Skip("go.mod was not found, and TAPECTL_SAMPLES is not set: no samples")
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(dir, "..", "shared", "samples")
	}
	root = filepath.Join(root, "library", "capture")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("there are no samples in %s (set TAPECTL_SAMPLES)", root)
	}
	return root
}

// pairs calls f with each file that matches and the text beside it.
func pairs(t *testing.T, pattern string, f func(t *testing.T, data []byte, text string)) {
	files, err := filepath.Glob(filepath.Join(captures(t), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(strings.TrimSuffix(name, filepath.Ext(name)) + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			f(t, data, string(text))
		})
	}
}

// submatch gives the first group of the expression in the text.
func submatch(t *testing.T, text, expression string) string {
	t.Helper()
	m := regexp.MustCompile(expression).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is not in the text", expression)
	}
	return strings.TrimSpace(m[1])
}

// dump reads the lines of a hexadecimal dump: " 00     01 02 ...  03", with or without text on the right.
func dump(t *testing.T, text string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(text) {
		m := regexp.MustCompile(`^ ?([0-9a-f]{2,}) {4,}((?:[0-9a-f]{2} {1,2}){0,15}[0-9a-f]{2})(?: {2,}.*)?$`).FindStringSubmatch(strings.TrimRight(line, "\n "))
		if m == nil {
			continue
		}
		if at, _ := strconv.ParseInt(m[1], 16, 32); int(at) != len(b) {
			break // the dump of something else
		}
		x, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, x...)
	}
	return b
}

func TestSampleInquiry(t *testing.T) {
	pairs(t, "inquiry/standard/*.bin", func(t *testing.T, data []byte, text string) {
		var d scsi.InquiryData
		if err := d.Unmarshal(data); err != nil {
			t.Fatal(err)
		}
		bit := func(b bool) string {
			if b {
				return "1"
			}
			return "0"
		}
		for expression, got := range map[string]string{
			`PQual=(\d+)`: fmt.Sprint(d.Qualifier), `PDT=(\d+)`: fmt.Sprint(int(d.DeviceType)), `RMB=(\d)`: bit(d.Removable),
			`version=0x(\w+)`: fmt.Sprintf("%02x", d.Version), `Resp_data_format=(\d)`: fmt.Sprint(d.ResponseFormat),
			`Protect=(\d)`: bit(d.Protect), `MultiP=(\d)`: bit(d.MultiPort), `MChngr=(\d)`: bit(d.MediumChanger),
			`Vendor identification: (.*)`: d.Vendor, `Product identification: (.*)`: d.Product, `Product revision level: (.*)`: d.Revision,
		} {
			if want := submatch(t, text, expression); got != want {
				t.Errorf("%s: %q, want %q", expression, got, want)
			}
		}
	})
}

// page decodes a page and checks its code.
func page(t *testing.T, data []byte, code byte) scsi.VPDPage {
	t.Helper()
	var p scsi.VPDPage
	if err := p.Unmarshal(data); err != nil || p.Code != code {
		t.Fatalf("%v, page %02X", err, p.Code)
	}
	if !bytes.Equal(p.Marshal(), data[:4+len(p.Data)]) {
		t.Error("the page is encoded in another way")
	}
	return p
}

func TestSampleSerial(t *testing.T) {
	pairs(t, "inquiry/vpd-80/*.bin", func(t *testing.T, data []byte, text string) {
		if got, want := page(t, data, 0x80).Serial(), submatch(t, text, `Unit serial number: (.*)`); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestSampleSupportedPages(t *testing.T) {
	pairs(t, "inquiry/vpd-00/*.bin", func(t *testing.T, data []byte, _ string) {
		p := page(t, data, 0x00)
		for _, code := range []byte{0x00, 0x80, 0x83} {
			if !bytes.Contains(p.Data, []byte{code}) {
				t.Errorf("% X lacks %02X", p.Data, code)
			}
		}
	})
}

func TestSampleDesignators(t *testing.T) {
	types := map[string]byte{"vendor specific": 0, "T10 vendor identification": 1, "EUI-64 based": 2, "NAA": 3,
		"Relative target port": 4, "Target port group": 5, "SCSI name string": 8}
	associations := map[string]scsi.Association{"Addressed logical unit": scsi.OfLogicalUnit, "Target port": scsi.OfTargetPort,
		"Target device that contains addressed lu": scsi.OfTargetDevice}
	pairs(t, "inquiry/vpd-83/*.bin", func(t *testing.T, data []byte, text string) {
		got, err := page(t, data, 0x83).Designators()
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(text, "Designation descriptor number ")[1:]
		if len(got) != len(parts) {
			t.Fatalf("%d designators, want %d", len(got), len(parts))
		}
		for i, part := range parts {
			d := got[i]
			if want, ok := types[submatch(t, part, `designator_type: ([^,]*),`)]; !ok || d.Type != want {
				t.Errorf("designator %d has type %d, want %d", i+1, d.Type, want)
			}
			if want, ok := associations[submatch(t, part, `associated with the (.*)`)]; !ok || d.Association != want {
				t.Errorf("designator %d has association %d, want %d", i+1, d.Association, want)
			}
			if want := submatch(t, part, `descriptor length: (\d+)`); want != fmt.Sprint(4+len(d.Data)) {
				t.Errorf("designator %d has %d bytes, want %s", i+1, 4+len(d.Data), want)
			}
			if m := regexp.MustCompile(`\[0x([0-9a-f]+)\]`).FindStringSubmatch(part); m != nil && d.String() != m[1] {
				t.Errorf("designator %d is %s, want %s", i+1, d, m[1])
			}
		}
	})
}

// counters are the parameters of log pages 02h and 03h in order, and pages where sg_logs prints a number for a code.
var logTexts = map[byte][]struct {
	code       uint16
	expression string
}{
	0x02: {{0, `without substantial delay = (\d+)`}, {1, `with possible delays = (\d+)`}, {3, `Total errors corrected = (\d+)`},
		{5, `Total bytes processed = (\d+)`}, {6, `Total uncorrected errors = (\d+)`}},
	0x03: {{0, `without substantial delay = (\d+)`}, {3, `Total errors corrected = (\d+)`}, {5, `Total bytes processed = (\d+)`},
		{6, `Total uncorrected errors = (\d+)`}},
	0x0C: {{4, `Native capacity from BOP to EOD: (\d+) MB`}, {5, `Native capacity from BOP to EW of current partition: (\d+) MB`},
		{6, `Minimum native capacity from EW to EOP of current partition: (\d+) MB`},
		{8, `Maximum native capacity in device object buffer: (\d+) MB`}},
	0x17: {{0, `Page valid: (\d+)`}, {1, `Thread count: (\d+)`}, {2, `Total data sets written: (\d+)`},
		{3, `Total write retries: (\d+)`}, {7, `Total data sets read: (\d+)`}, {0x10, `Lifetime megabytes written: (\d+)`},
		{0x16, `Total native capacity \[MB\]: (\d+)`}, {0x17, `Total used native capacity \[MB\]: (\d+)`},
		{0x81, `WORM: (\d+)`}, {0x101, `Beginning of medium passes: (\d+)`}, {0x102, `Middle of medium passes: (\d+)`}},
}

func TestSampleLogPages(t *testing.T) {
	compared := 0
	pairs(t, "log-sense/*.hex", func(t *testing.T, data []byte, text string) {
		raw := dump(t, string(data))
		if len(raw) < 4 {
			if len(data) > 0 && !strings.Contains(string(data), "sg_logs failed") {
				t.Errorf("no dump in\n%s", data)
			}
			return // the device refused the page
		}
		var p scsi.LogPage
		if err := p.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		head := regexp.MustCompile(`Log page code=0x(\w+), DS=(\d), SPF=(\d), page_len=0x(\w+)`).FindStringSubmatch(string(data))
		if head != nil {
			n, _ := strconv.ParseInt(head[4], 16, 32)
			if fmt.Sprintf("%x", p.Code) != head[1] || p.HasSubpage != (head[3] == "1") || len(p.Data) != int(n) {
				t.Errorf("%+v, want %v", p, head)
			}
		}
		if p.Code == 0x00 {
			return
		}
		for _, l := range logTexts[p.Code] {
			m := regexp.MustCompile(l.expression).FindStringSubmatch(text)
			if m == nil {
				continue
			}
			param, ok := p.Parameter(l.code)
			v, okv := param.Uint()
			if !ok || !okv || fmt.Sprint(v) != m[1] {
				t.Errorf("parameter %04X is %d (% X), want %s", l.code, v, param.Value, m[1])
			}
			compared++
		}
		if p.Code == 0x17 && !p.HasSubpage {
			barcode, _ := p.Parameter(0x42)
			if want := submatch(t, text, `Volume barcode: (.*)`); barcode.Text() != want {
				t.Errorf("barcode %q, want %q", barcode.Text(), want)
			}
		}
		if p.Code == 0x2E || p.Code == 0x02 || p.Code == 0x17 && !p.HasSubpage {
			it, n := p.Parameters(), 0
			for it.Next() {
				n++
			}
			if it.Err() != nil || n == 0 {
				t.Errorf("%d parameters, %v", n, it.Err())
			}
		}
	})
	if compared < 40 {
		t.Errorf("only %d values were compared", compared)
	}
}

// The mode captures are texts: header fields in words, and dumps of descriptor and page. The answer is put together from
// them again.
func TestSampleModePages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(captures(t), "mode-sense", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no captures of mode pages", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			if !strings.Contains(text, ">> ") {
				if !strings.Contains(text, "not supported") {
					t.Errorf("no page in\n%s", text)
				}
				return // the device refused the page
			}
			number := func(expression string) byte {
				n, err := strconv.ParseUint(submatch(t, text, expression), 0, 8)
				if err != nil {
					t.Fatal(err)
				}
				return byte(n)
			}
			before, after, _ := strings.Cut(text, ">> ")
			raw := []byte{0, number(`Mode data length=(\d+)`) - 2, number(`medium type=(\w+)`), number(`specific param=(\w+)`), 0, 0,
				0, number(`Block descriptor length=(\d+)`)}
			raw = append(raw, dump(t, before)...)
			want := dump(t, after)
			raw = append(raw, want...)
			var p scsi.ModeParameters
			if err := p.Unmarshal(scsi.Header10, raw); err != nil {
				t.Fatal(err)
			}
			code, _ := strconv.ParseUint(strings.TrimSuffix(name[strings.LastIndex(name, "-mp")+3:], ".txt"), 16, 8)
			if got := p.Page(byte(code), 0); !bytes.Equal(got, want) {
				t.Errorf("page %02X is % X, want % X", code, got, want)
			}
			if !bytes.Equal(p.Marshal(scsi.Header10), raw) {
				t.Errorf("encoded as % X, want % X", p.Marshal(scsi.Header10), raw)
			}
			if m := regexp.MustCompile(`Density code=0x(\w+)`).FindStringSubmatch(text); m != nil && fmt.Sprintf("%x", p.Density) != m[1] {
				t.Errorf("density %x, want %s", p.Density, m[1])
			}
		})
	}
}
