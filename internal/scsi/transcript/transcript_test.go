package transcript

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// documented is the text of the package comment's format with all words in it, and entries what it means.
const documented = `# a session
READ(6)
cdb 08 00 01 00 00 00
in 18
0000  54 41 50 45 00 00 03 00 00 00 00 00 0E 00 00 00
0010  00 01
status 02 CHECK CONDITION
sense F0 00 20 00 00 FF EE 0A 00 00 00 00 00 00 00 00 00 00
# NO SENSE, 00/00 no additional sense information, incorrect length, information 65518
residual 65518
time 1.5ms

WRITE(6)
cdb 0A 00 00 00 06 00
out 6
0000  01 02 03 04
... 2 more
status 00 GOOD

SECURITY PROTOCOL OUT
cdb B5 20 00 10 00 00 00 00 00 60 00 00
out 96
... 96 redacted
status 18 RESERVATION CONFLICT

MOVE MEDIUM
cdb A5 00 00 00 03 E9 00 01 00 00 00 00
error unknown the device did not answer in time
time 5m0s

TEST UNIT READY
cdb 00 00 00 00 00 00
error not-sent context canceled
`

var entries = []Entry{
	{Name: "READ(6)", CDB: []byte{8, 0, 1, 0, 0, 0}, Direction: scsi.FromDevice,
		Data:   []byte{0x54, 0x41, 0x50, 0x45, 0, 0, 3, 0, 0, 0, 0, 0, 0x0E, 0, 0, 0, 0, 1},
		Status: scsi.StatusCheckCondition, Sense: []byte{0xF0, 0, 0x20, 0, 0, 0xFF, 0xEE, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		Residual: 65518, Elapsed: 1500 * time.Microsecond},
	{Name: "WRITE(6)", CDB: []byte{0x0A, 0, 0, 0, 6, 0}, Direction: scsi.ToDevice, Data: []byte{1, 2, 3, 4}, Omitted: 2},
	{Name: "SECURITY PROTOCOL OUT", CDB: []byte{0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 0x60, 0, 0}, Direction: scsi.ToDevice,
		Omitted: 96, Redacted: true, Status: scsi.StatusReservationConflict},
	{Name: "MOVE MEDIUM", CDB: []byte{0xA5, 0, 0, 0, 3, 0xE9, 0, 1, 0, 0, 0, 0}, Failed: true,
		Error: "the device did not answer in time", Elapsed: 5 * time.Minute},
	{Name: "TEST UNIT READY", CDB: make([]byte, 6), Failed: true, NotSent: true, Error: "context canceled"},
}

func TestFormat(t *testing.T) {
	got, err := Parse(strings.NewReader(documented))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(entries, got); d != "" {
		t.Error(d)
	}
	var b strings.Builder
	b.WriteString("# a session\n")
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.String())
	}
	if d := cmp.Diff(documented, b.String()); d != "" {
		t.Error(d)
	}
}

// The example in the package comment is a good transcript.
func TestPackageComment(t *testing.T) {
	source, err := os.ReadFile("transcript.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(source), "For example:\n//\n")
	if !ok {
		t.Fatal("there is no example")
	}
	example, _, _ = strings.Cut(example, "package ")
	got, err := Parse(strings.NewReader(strings.ReplaceAll(example, "//\t", "")))
	if err != nil || len(got) != 1 || string(got[0].Data) != "TAPE" || got[0].Residual != 65532 {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestParseTolerates(t *testing.T) {
	text := "\n\n# one\r\nINQUIRY \r\n# two\ncdb   12 00  00 00 24 00\nin 2\n# three\n0000  01 80\n\tstatus 00\n"
	if _, err := Parse(strings.NewReader(text)); err == nil {
		t.Error("a line that begins with a tab is taken")
	}
	text = strings.ReplaceAll(text, "\tstatus", "status")
	got, err := Parse(strings.NewReader(text))
	want := []Entry{{Name: "INQUIRY", CDB: []byte{0x12, 0, 0, 0, 0x24, 0}, Direction: scsi.FromDevice, Data: []byte{1, 0x80}}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if got, err := Parse(strings.NewReader("")); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", err, got)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "X\ncdb 00 00 00 00 00 00\n"
	for name, test := range map[string]struct {
		text string
		line string
	}{
		"no cdb":                   {"X\nstatus 00\n", "line 2"},
		"name only":                {"X\n\nY\n", "line 2"},
		"no status":                {head, "line 2"},
		"short cdb":                {"X\ncdb 00 00\nstatus 00\n", "line 2"},
		"long cdb":                 {"X\ncdb" + strings.Repeat(" 00", 17) + "\nstatus 00\n", "line 2"},
		"bad hex":                  {"X\ncdb 00 00 00 00 00 0G\n", "line 2"},
		"hex without spaces":       {"X\ncdb 000000000000\n", "line 2"},
		"unknown word":             {head + "statues 00\n", "line 3"},
		"status twice":             {head + "status 00\nstatus 00\n", "line 4"},
		"bad status":               {head + "status GOOD\n", "line 3"},
		"long status":              {head + "status 000\n", "line 3"},
		"less data":                {head + "in 17\n0000  00\nstatus 00\n", "line 5"},
		"more data":                {head + "in 1\n0000  00 00\nstatus 00\n", "line 4"},
		"data missing at the end":  {head + "status 00\nin 1\n", "line 4"},
		"gap":                      {head + "in 32\n0010  00\n", "line 4"},
		"short line in the middle": {head + "in 3\n0000  00\n0001  00 00\nstatus 00\n", "line 5"},
		"17 bytes in a line":       {head + "in 17\n0000 " + strings.Repeat(" 00", 17) + "\n", "line 4"},
		"no bytes in a line":       {head + "in 1\n0000\n", "line 4"},
		"no data":                  {head + "in 0\n", "line 3"},
		"negative size":            {head + "in -1\n", "line 3"},
		"huge size":                {head + "in 16777217\nstatus 00\n", "line 3"},
		"both directions":          {head + "in 1\n0000  00\nout 1\n", "line 5"},
		"dots do not fit":          {head + "in 4\n0000  00\n... 4 more\nstatus 00\n", "line 5"},
		"dots without number":      {head + "in 4\n... more\n", "line 4"},
		"dots of another kind":     {head + "in 4\n... 4 less\n", "line 4"},
		"data behind the dots":     {head + "in 17\n0000  00\n... 16 more\n0001  00\n", "line 6"},
		"sense too long":           {head + "status 02\nsense" + strings.Repeat(" 00", 253) + "\n", "line 4"},
		"no sense":                 {head + "status 02\nsense\n", "line 4"},
		"residual":                 {head + "status 00\nresidual 99999999999\n", "line 4"},
		"time":                     {head + "status 00\ntime yesterday\n", "line 4"},
		"negative time":            {head + "status 00\ntime -1s\n", "line 4"},
		"error of no kind":         {head + "error maybe x\n", "line 3"},
		"error and status":         {head + "error unknown x\nstatus 00\n", "line 4"},
		"long line":                {head + "error unknown " + strings.Repeat("x", maxLine) + "\n", "line 3"},
	} {
		got, err := Parse(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), "read transcript: "+test.line+": ") {
			t.Errorf("%s: %v (%+v), want an error of %s", name, err, got, test.line)
		}
	}
}

// FuzzParse: what was parsed is written so that it parses to the same.
func FuzzParse(f *testing.F) {
	f.Add(documented)
	f.Add("X\ncdb 00 00 00 00 00 00\nstatus 00\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for i := range got {
			got[i].Name = got[i].title() // what oneLine changes is not kept
			got[i].Error = oneLine(got[i].Error)
			b.WriteString(got[i].String() + "\n")
		}
		again, err := Parse(strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		if d := cmp.Diff(got, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{"", "#x", "# # x", "a\nstatus 00", "a\u2028b", "\x00\x1b[2J", "  x  "} {
		e := Entry{Name: name, CDB: make([]byte, 6), Failed: true, Error: "broken\n\ncable " + name}
		got, err := Parse(strings.NewReader(e.String()))
		if err != nil || len(got) != 1 || !got[0].Failed || strings.ContainsAny(got[0].Name, "\n\x1b") {
			t.Errorf("%q: %v, %+v", name, err, got)
		}
	}
}

func TestConformanceOfRecorder(t *testing.T) {
	var trace bytes.Buffer
	w := NewWriter(&trace)
	open := func(*testing.T) scsi.Transport {
		return NewRecorder(scsitest.NewTape(), w, Options{Timing: true, Limit: 64})
	}
	scsitest.TestTransport(t, open, scsitest.Options{ScratchTape: true})
	got, err := Parse(&trace)
	if err != nil || len(got) < 100 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

// session sends commands of every kind.
func session(t *testing.T, tr scsi.Transport) []scsi.Command {
	t.Helper()
	var done []scsi.Command
	send := func(c scsi.Command) {
		if err := tr.Send(context.Background(), &c); err != nil {
			t.Fatal(err)
		}
		done = append(done, c)
	}
	send(scsi.Command{Name: "INQUIRY", CDB: []byte{0x12, 0, 0, 0, 0xFC, 0}, Direction: scsi.FromDevice, Data: make([]byte, 252)})
	send(scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 0, 0, 40, 0}, Direction: scsi.ToDevice, Data: bytes.Repeat([]byte{7}, 40)})
	send(scsi.Command{Name: "WRITE FILEMARKS", CDB: []byte{0x10, 0, 0, 0, 1, 0}})
	send(scsi.Command{Name: "REWIND", CDB: []byte{0x01, 0, 0, 0, 0, 0}})
	for range 3 { // a short block, a filemark, the end
		send(scsi.Command{Name: "READ", CDB: []byte{8, 0, 0, 0, 64, 0}, Direction: scsi.FromDevice, Data: make([]byte, 64)})
	}
	send(scsi.Command{Name: "LOCATE", CDB: []byte{0x2B, 0, 0, 0, 0, 0, 0, 0, 0, 0}})
	return done
}

func TestRecordAndReplay(t *testing.T) {
	var trace bytes.Buffer
	tape := scsitest.NewTape()
	rec := NewRecorder(tape, &trace, Options{Title: "drive\n1"})
	want := session(t, rec)
	if err := rec.Close(); err != nil || !tape.Closed() || rec.Err() != nil {
		t.Errorf("Close: %v, %v", err, rec.Err())
	}
	if !strings.HasPrefix(trace.String(), "# drive 1\nINQUIRY\n") {
		t.Errorf("the trace begins with %.40q", trace.String())
	}
	recorded, err := Parse(&trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Order{Strict, ByCDB} {
		r := NewReplayer(recorded, o)
		if n := r.Remaining(); n != len(want) {
			t.Errorf("%d remain at the start", n)
		}
		got := session(t, r)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(scsi.Command{}, "Attention")); d != "" {
			t.Error(d)
		}
		if n := r.Remaining(); n != 0 {
			t.Errorf("%d remain at the end", n)
		}
	}
}

func TestReplayMismatch(t *testing.T) {
	ctx := context.Background()
	all, err := Parse(strings.NewReader(documented))
	if err != nil {
		t.Fatal(err)
	}
	read := func() *scsi.Command {
		return &scsi.Command{Name: "READ", CDB: []byte{8, 0, 1, 0, 0, 0}, Direction: scsi.FromDevice, Data: make([]byte, 65536)}
	}
	write := func(data ...byte) *scsi.Command {
		return &scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 0, 0, 6, 0}, Direction: scsi.ToDevice, Data: data}
	}
	mismatch := func(what string, err error, text string) {
		t.Helper()
		var te *scsi.TransportError
		if !errors.As(err, &te) || !te.NotSent || !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q", what, err, text)
		}
	}
	r := NewReplayer(all, Strict)
	mismatch("out of order", r.Send(ctx, write(1, 2, 3, 4, 5, 6)), "command 1 is READ(6) (08 00 01 00 00 00), and WRITE")
	if err := r.Send(ctx, read()); err != nil {
		t.Error(err)
	}
	mismatch("other data", r.Send(ctx, write(1, 2, 3, 9, 5, 6)), "other data")
	mismatch("less data", r.Send(ctx, write(1, 2, 3, 4, 5)), "other data")
	mismatch("no data", r.Send(ctx, &scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 0, 0, 6, 0}}), "other data")
	if err := r.Send(ctx, write(1, 2, 3, 4, 5, 6)); err != nil {
		t.Error(err)
	}
	key := &scsi.Command{Name: "SPOUT", CDB: all[2].CDB, Direction: scsi.ToDevice, Data: make([]byte, 96)}
	if err := r.Send(ctx, key); err != nil || key.Status != scsi.StatusReservationConflict {
		t.Errorf("redacted: %v, %v", err, key.Status)
	}
	var te *scsi.TransportError
	if err := r.Send(ctx, &scsi.Command{CDB: all[3].CDB}); !errors.As(err, &te) || te.NotSent || te.Err.Error() != "the device did not answer in time" {
		t.Errorf("unknown outcome: %v", err)
	}
	if err := r.Send(ctx, &scsi.Command{CDB: make([]byte, 6)}); !errors.As(err, &te) || !te.NotSent {
		t.Errorf("not sent: %v", err)
	}
	mismatch("at the end", r.Send(ctx, read()), "ends after 5 commands")

	r = NewReplayer(all, ByCDB)
	for range 3 {
		if err := r.Send(ctx, read()); err != nil {
			t.Error(err)
		}
	}
	mismatch("no such CDB", r.Send(ctx, &scsi.Command{Name: "ERASE", CDB: []byte{0x19, 0, 0, 0, 0, 0}}), "to ERASE (19 00")
	if n := r.Remaining(); n != 4 {
		t.Errorf("%d remain", n)
	}
	cut := []Entry{{CDB: []byte{8, 0, 0, 0, 8, 0}, Direction: scsi.FromDevice, Data: []byte{1}, Omitted: 7}}
	mismatch("data that is missing", NewReplayer(cut, Strict).Send(ctx, &scsi.Command{CDB: cut[0].CDB, Direction: scsi.FromDevice,
		Data: make([]byte, 8)}), "not written down")
}

// Another buffer than the recorded one gets another residual.
func TestReplayResidual(t *testing.T) {
	e := []Entry{{CDB: make([]byte, 6), Direction: scsi.FromDevice, Data: []byte{1, 2, 3, 4}, Residual: 4}}
	for _, test := range []struct{ size, residual, transferred int }{{8, 4, 4}, {16, 12, 4}, {4, 0, 4}, {2, -2, 2}} {
		c := &scsi.Command{CDB: make([]byte, 6), Direction: scsi.FromDevice, Data: make([]byte, test.size)}
		if err := NewReplayer(e, Strict).Send(context.Background(), c); err != nil || c.Residual != test.residual || c.Transferred() != test.transferred {
			t.Errorf("%+v: %v, residual %d", test, err, c.Residual)
		}
	}
}

func TestReplayerClosedAndCancelled(t *testing.T) {
	r := NewReplayer([]Entry{{CDB: make([]byte, 6)}}, Strict)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Send(ctx, &scsi.Command{CDB: make([]byte, 6)}); !errors.Is(err, context.Canceled) || r.Remaining() != 1 {
		t.Errorf("%v, %d remain", err, r.Remaining())
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Send(context.Background(), &scsi.Command{CDB: make([]byte, 6)}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestRecorderHidesKeys(t *testing.T) {
	var trace bytes.Buffer
	rec := NewRecorder(&scsitest.Transport{}, &trace, Options{})
	key := bytes.Repeat([]byte{0xC3}, 48)
	c := &scsi.Command{Name: "SECURITY PROTOCOL OUT", CDB: []byte{0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 48, 0, 0},
		Direction: scsi.ToDevice, Data: key}
	if err := rec.Send(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if s := trace.String(); strings.Contains(s, "C3") || !strings.Contains(s, "out 48\n... 48 redacted\n") {
		t.Errorf("the trace is\n%s", s)
	}
	// The same operation code on a changer asks for data.
	trace.Reset()
	c = &scsi.Command{Name: "REQUEST VOLUME ELEMENT ADDRESS", CDB: c.CDB, Direction: scsi.FromDevice, Data: make([]byte, 4)}
	rec = NewRecorder(scsitest.Answers(scsitest.Data([]byte{0xC3})), &trace, Options{})
	if err := rec.Send(context.Background(), c); err != nil || !strings.Contains(trace.String(), "in 1\n0000  C3\n") {
		t.Errorf("%v, the trace is\n%s", err, trace.String())
	}
}

func TestRecorderLimit(t *testing.T) {
	var trace bytes.Buffer
	rec := NewRecorder(scsitest.Answers(scsitest.Data(make([]byte, 100)), scsitest.Data(nil)), &trace, Options{Limit: 20, Timing: true})
	ctx := context.Background()
	in := &scsi.Command{CDB: make([]byte, 6), Direction: scsi.FromDevice, Data: make([]byte, 200)}
	out := &scsi.Command{CDB: make([]byte, 6), Direction: scsi.ToDevice, Data: make([]byte, 50)}
	if rec.Send(ctx, in) != nil || rec.Send(ctx, out) != nil {
		t.Fatal("Send")
	}
	got, err := Parse(&trace)
	if err != nil || len(got) != 2 {
		t.Fatal(err, got)
	}
	if e := got[0]; len(e.Data) != 20 || e.Omitted != 80 || e.Residual != 100 || e.Elapsed <= 0 {
		t.Errorf("%+v", e)
	}
	if e := got[1]; len(e.Data) != 20 || e.Omitted != 30 || e.Redacted {
		t.Errorf("%+v", e)
	}
}

// failing fails from the second write on.
type failing struct{ writes int }

func (f *failing) Write(b []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestRecorderWithFullDisk(t *testing.T) {
	f := &failing{}
	rec := NewRecorder(scsitest.NewTape(), f, Options{})
	session(t, rec)
	if err := rec.Err(); err == nil || !strings.Contains(err.Error(), "disk full") || f.writes != 2 {
		t.Errorf("%v after %d writes", err, f.writes)
	}
}

func TestSharedWriter(t *testing.T) {
	var trace bytes.Buffer
	w := NewWriter(&trace)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			rec := NewRecorder(&scsitest.Transport{}, w, Options{})
			for range 50 {
				rec.Send(context.Background(), &scsi.Command{Name: "TEST UNIT READY", CDB: make([]byte, 6)})
			}
		})
	}
	wg.Wait()
	if got, err := Parse(&trace); err != nil || len(got) != 200 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}
