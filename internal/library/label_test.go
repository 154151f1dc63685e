package library_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

const (
	oneID   = "{11111111-1111-4111-8111-111111111111}"
	twoID   = "{22222222-2222-4222-8222-222222222222}"
	foreign = "{33333333-3333-4333-8333-333333333333}"
	shouted = "{ABCDEF11-1111-4111-8111-11111111ABCD}" // as other programs write identifiers; the catalog keeps lower case
)

// writeLabel labels the mounted tape.
func writeLabel(t *testing.T, m *library.Mount, block int, label, mediaID, domainID string) {
	t.Helper()
	if err := m.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := library.NewTapeWriter(m, 0, block, 2)
	now := time.Date(2026, 11, 23, 5, 41, 3, 0, time.UTC)
	err := mtf.WriteMediaHeader(t.Context(), w, block, mtf.MediaHeader{
		FamilyID: 7, Sequence: 1, Software: "tapectl 1", Date: now, CatalogType: 1,
		Label: mtf.MediaLabel{Vendor: "tapectl", Product: "1", Stamp: now, CartridgeLabel: label, Side: "0", MediaID: mediaID, DomainID: domainID},
	})
	if err := errors.Join(err, w.Sync(t.Context()), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// writeRaw writes blocks from the beginning of the tape; nil is a filemark.
func writeRaw(t *testing.T, m *library.Mount, blocks ...[]byte) {
	t.Helper()
	if err := m.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		var err error
		if b == nil {
			_, err = m.WriteFilemarks(t.Context(), 1, false)
		} else {
			_, err = m.WriteBlock(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestReadLabel(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	text := func() string {
		t.Helper()
		label, err := m.ReadLabel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return label.String()
	}
	if got := text(); got != "nothing: the tape is blank" {
		t.Errorf("blank tape: %s", got)
	}
	writeRaw(t, m, []byte(strings.Repeat("no label at all ", 64)), nil)
	if got := text(); !strings.HasPrefix(got, "something that is not Microsoft Tape Format") {
		t.Errorf("foreign tape: %s", got)
	}
	writeRaw(t, m, nil, nil)
	if got := text(); !strings.HasPrefix(got, "something that is not Microsoft Tape Format") {
		t.Errorf("tape that begins with a filemark: %s", got)
	}
	for _, block := range []int{64 << 10, 1 << 20} {
		writeLabel(t, m, block, "DPMDB-1", oneID, foreign)
		label, err := m.ReadLabel(t.Context())
		if err != nil || label.MediaID() != oneID || label.Header.PhysicalBlock != block {
			t.Fatalf("label in a block of %d: %v, %v", block, label, err)
		}
		if got, want := label.String(), `"DPMDB-1" (media id `+oneID+`), written by tapectl 1`; got != want {
			t.Errorf("label is %s, want %s", got, want)
		}
	}
	l.fault(vlib.Fault{Device: "drive0", Kind: vlib.FaultSense, Operations: []int{0x08}, Key: 3, ASC: 0x11})
	if _, err := m.ReadLabel(t.Context()); !errors.Is(err, scsi.IsMediumError) || !strings.Contains(err.Error(), "read the label of tape VTL001L6") {
		t.Errorf("label that cannot be read: %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.ReadLabel(done); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestVerifyLabel(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	writeLabel(t, m, 64<<10, "DPMDB-1", oneID, foreign)
	want := mediacatalog.Media{Label: "DPMDB-1", OnMediaID: oneID, DomainID: foreign}
	if header, err := m.VerifyLabel(t.Context(), want); err != nil || header.Label.MediaID != oneID {
		t.Fatalf("the right tape: %v", err)
	}
	var wrong *library.WrongTapeError
	for _, other := range []mediacatalog.Media{{OnMediaID: twoID, DomainID: foreign}, {OnMediaID: oneID, DomainID: twoID}, {}} {
		_, err := m.VerifyLabel(t.Context(), other)
		if !errors.As(err, &wrong) || wrong.Barcode != "VTL001L6" || !strings.Contains(err.Error(), "nothing was written") || !strings.Contains(wrong.Found, "DPMDB-1") {
			t.Errorf("%+v: %v", other, err)
		}
	}
}

// Identifiers are the same in upper and lower case: on the tape, in the catalog, and at the second look.
func TestLabelInUpperCase(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	id := l.Tape("VTL001L6").MediaID
	for _, c := range []struct{ domain, state string }{
		{strings.Replace(shouted, "ABCDEF", "FEDCBA", 1), mediacatalog.StateImported},
		{"{" + strings.ToUpper(l.Catalog.Server().ServerID) + "}", mediacatalog.StateActive},
	} {
		writeLabel(t, m, 64<<10, "X", shouted, c.domain)
		if _, err := l.Catalog.UpdateMedia(t.Context(), id, func(media *mediacatalog.Media) error {
			media.State, media.OnMediaID, media.DomainID = mediacatalog.StateUnknown, "", ""
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			label, err := m.ReadLabel(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := m.RecordLabel(t.Context(), l.Catalog, id, label); err != nil {
				t.Fatal(err)
			}
			if got := l.Tape("VTL001L6"); got.State != c.state {
				t.Errorf("read %d: the tape is %s, want %s", n+1, got.State, c.state)
			}
		}
		if _, err := m.VerifyLabel(t.Context(), l.Tape("VTL001L6")); err != nil {
			t.Error(err)
		}
	}
}

// What is concluded from a label depends on what was known before.
func TestRecordLabel(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	own := "{" + l.Catalog.Server().ServerID + "}"
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	id := l.Tape("VTL001L6").MediaID
	for _, c := range []struct {
		name     string
		before   mediacatalog.Media // State, OnMediaID
		write    func()
		state    string
		mediaID  string
		doubtful bool // a "label changed" event is written
	}{
		{"unknown, blank", mediacatalog.Media{State: mediacatalog.StateUnknown}, nil, mediacatalog.StateBlank, "", false},
		{"active, blank", mediacatalog.Media{State: mediacatalog.StateActive, OnMediaID: oneID}, nil, mediacatalog.StateSuspect, oneID, true},
		{"unknown, garbage", mediacatalog.Media{State: mediacatalog.StateUnknown}, func() { writeRaw(t, m, make([]byte, 1024), nil) }, mediacatalog.StateUnrecognized, "", false},
		{"unknown, of another server", mediacatalog.Media{State: mediacatalog.StateUnknown}, func() { writeLabel(t, m, 64<<10, "X", oneID, foreign) }, mediacatalog.StateImported, oneID, false},
		{"imported, the same", mediacatalog.Media{State: mediacatalog.StateImported, OnMediaID: oneID}, nil, mediacatalog.StateImported, oneID, false},
		{"imported, another", mediacatalog.Media{State: mediacatalog.StateImported, OnMediaID: twoID}, nil, mediacatalog.StateSuspect, twoID, true},
		{"free, another", mediacatalog.Media{State: mediacatalog.StateFree, OnMediaID: twoID}, nil, mediacatalog.StateFree, twoID, false},
		{"suspect, never read", mediacatalog.Media{State: mediacatalog.StateSuspect}, nil, mediacatalog.StateImported, oneID, false},
		{"suspect, read before", mediacatalog.Media{State: mediacatalog.StateSuspect, OnMediaID: twoID}, nil, mediacatalog.StateSuspect, twoID, false},
		{"unknown, own", mediacatalog.Media{State: mediacatalog.StateUnknown}, func() { writeLabel(t, m, 64<<10, "X", oneID, own) }, mediacatalog.StateActive, oneID, false},
	} {
		if c.write != nil {
			c.write()
		}
		if _, err := l.Catalog.UpdateMedia(t.Context(), id, func(media *mediacatalog.Media) error {
			media.State, media.OnMediaID, media.MediumSerial, media.CapacityBytes = c.before.State, c.before.OnMediaID, "", 0
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		events := countEvents(t, l)
		label, err := m.ReadLabel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.RecordLabel(t.Context(), l.Catalog, id, label); err != nil {
			t.Fatal(err)
		}
		got := l.Tape("VTL001L6")
		if got.State != c.state || got.OnMediaID != c.mediaID {
			t.Errorf("%s: the tape is %s, media id %s, want %s and %s", c.name, got.State, got.OnMediaID, c.state, c.mediaID)
		}
		if doubtful := countEvents(t, l) > events; doubtful != c.doubtful {
			t.Errorf("%s: event %v, want %v", c.name, doubtful, c.doubtful)
		}
		if c.state == mediacatalog.StateActive && !got.AppendUncertain {
			t.Errorf("%s: a tape whose data sets are not known may be appended to", c.name)
		}
		if c.state == mediacatalog.StateSuspect { // perhaps another cartridge: its memory says nothing about the known one
			if got.MediumSerial != "" || got.CapacityBytes != 0 {
				t.Errorf("%s: serial number %q, capacity %d were taken from a doubtful cartridge", c.name, got.MediumSerial, got.CapacityBytes)
			}
		} else if memory := m.Memory(t.Context()); got.MediumSerial != memory.Serial || memory.Serial == "" || got.CapacityBytes != memory.Capacity {
			t.Errorf("%s: serial number %q, capacity %d, cartridge memory %+v", c.name, got.MediumSerial, got.CapacityBytes, memory)
		}
	}
	facts, err := l.Catalog.MediaFacts(t.Context(), id)
	if err != nil || len(facts) != 10 {
		t.Errorf("%d facts, %v", len(facts), err)
	}
}

// A tape that became Suspect, because another one had its barcode for a while, is what it was once everything agrees again.
func TestRecordLabelEndsSuspicion(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	own := "{" + l.Catalog.Server().ServerID + "}"
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	id, serial := l.Tape("VTL001L6").MediaID, m.Memory(t.Context()).Serial
	point, err := l.Catalog.BeginRecoveryPoint(t.Context(), mediacatalog.RecoveryPoint{Name: "DPMDB"})
	if err != nil {
		t.Fatal(err)
	}
	addSet := func() {
		_, err := l.Catalog.AddDataset(t.Context(), mediacatalog.Dataset{
			RecoveryPointID: point.RecoveryPointID, MediaID: id, SetNumber: 1, SSETObject: 5, SetState: mediacatalog.SetComplete,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func()
		domain  string // on the tape, and in the catalog unless known says otherwise
		known   mediacatalog.Media
		state   string
		doubt   bool // AppendUncertain
	}{
		{"own, its data sets lost", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6"}, mediacatalog.StateActive, true},
		{"imported", nil, foreign, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6"}, mediacatalog.StateImported, false},
		{"imported, recataloged", addSet, foreign, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6", MediumSerial: serial}, mediacatalog.StateImported, false},
		{"own", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6"}, mediacatalog.StateActive, false},
		{"own, end of data in doubt", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6", AppendUncertain: true}, mediacatalog.StateActive, true},
		{"another media id", nil, own, mediacatalog.Media{OnMediaID: oneID, Barcode: "VTL001L6"}, mediacatalog.StateSuspect, false},
		{"another server", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6", DomainID: foreign}, mediacatalog.StateSuspect, false},
		{"another barcode", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "OTHER1L6"}, mediacatalog.StateSuspect, false},
		{"another cartridge: a copy", nil, own, mediacatalog.Media{OnMediaID: shouted, Barcode: "VTL001L6", MediumSerial: "COPY"}, mediacatalog.StateSuspect, false},
	} {
		if c.prepare != nil {
			c.prepare()
		}
		writeLabel(t, m, 64<<10, "X", shouted, c.domain)
		if _, err := l.Catalog.UpdateMedia(t.Context(), id, func(media *mediacatalog.Media) error {
			media.State, media.OnMediaID, media.Barcode = mediacatalog.StateSuspect, c.known.OnMediaID, c.known.Barcode
			media.DomainID, media.MediumSerial, media.AppendUncertain = c.domain, c.known.MediumSerial, c.known.AppendUncertain
			if c.known.DomainID != "" {
				media.DomainID = c.known.DomainID
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		before := confirmations(t, l)
		label, err := m.ReadLabel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.RecordLabel(t.Context(), l.Catalog, id, label); err != nil {
			t.Fatal(err)
		}
		got, err := l.Catalog.MediaByID(t.Context(), id)
		if err != nil || got.State != c.state || got.AppendUncertain != c.doubt {
			t.Errorf("%s: the tape is %s, uncertain %v, want %s, %v (%v)", c.name, got.State, got.AppendUncertain, c.state, c.doubt, err)
		}
		if told := confirmations(t, l) > before; told != (c.state != mediacatalog.StateSuspect) {
			t.Errorf("%s: event %v", c.name, told)
		}
		if got.State == mediacatalog.StateSuspect && got.MediumSerial != c.known.MediumSerial {
			t.Errorf("%s: the serial number became %q", c.name, got.MediumSerial)
		}
	}
}

func confirmations(t *testing.T, l *lab) int {
	t.Helper()
	events, err := l.Catalog.Events(t.Context(), mediacatalog.EventFilter{Kind: "label confirmed"})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func countEvents(t *testing.T, l *lab) int {
	t.Helper()
	events, err := l.Catalog.Events(t.Context(), mediacatalog.EventFilter{Kind: "label changed"})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestCartridgeMemory(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1, Capacity: 64 << 20})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	memory := m.Memory(t.Context())
	if memory.Capacity != 64<<20 || memory.Serial == "" {
		t.Errorf("memory is %+v, want a capacity of %d", memory, 64<<20)
	}
	m.WriteApplicationMemory(t.Context(), "tapectl", "1.2", "DPMDB-1")
	m.WriteDate(t.Context())
	mam, err := m.MediumMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{mam.ApplicationVendor, mam.ApplicationName, mam.ApplicationVersion, mam.UserMediumTextLabel, mam.Barcode}
	if diff := cmp.Diff([]string{"tapectl", "tapectl", "1.2", "DPMDB-1", "VTL001L6"}, got); diff != "" {
		t.Error(diff)
	}
	if age := time.Since(mam.DateLastWritten); age < -time.Hour || age > time.Hour {
		t.Errorf("written at %v", mam.DateLastWritten)
	}
}

// A mounted tape can be read with read ahead, and is what was written.
func TestMountReader(t *testing.T) {
	l := newLab(t, vlib.Config{Slots: 2, TapeCount: 1, Drives: 1})
	m := l.mount(slot1)
	defer m.Dismount(t.Context())
	const blocks, size = 40, 4096
	if err := m.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := library.NewTapeWriter(m, 0, size, 8)
	for n := range blocks {
		b := w.Block()
		for i := range b {
			b[i] = byte(n)
		}
		if err := w.WriteBlock(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n%16 == 15 {
			if err := w.WriteFilemark(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Sync(t.Context()), w.Close(), m.Rewind(t.Context())); err != nil {
		t.Fatal(err)
	}
	r := m.Reader()
	defer r.Close()
	n, filemarks, p := 0, 0, make([]byte, size)
	for {
		got, err := r.ReadBlock(t.Context(), p)
		if errors.Is(err, mtf.ErrEndOfData) {
			break
		}
		if errors.Is(err, mtf.ErrFilemark) {
			filemarks++
			continue
		}
		if err != nil || got != size || p[0] != byte(n) || p[size-1] != byte(n) {
			t.Fatalf("block %d: %d bytes of %d, %v", n, got, p[0], err)
		}
		n++
	}
	if n != blocks || filemarks != 2 {
		t.Errorf("%d blocks, %d filemarks", n, filemarks)
	}
	if at, err := r.Position(t.Context()); err != nil || at != blocks+2 {
		t.Errorf("position %d, %v", at, err)
	}
}
