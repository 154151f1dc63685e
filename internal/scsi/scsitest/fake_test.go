package scsitest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
)

// Sense data of the standards' tables, byte for byte.
func TestSenseBuilders(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want []byte
	}{
		{"fixed", Sense(scsi.NotReady, 0x3A, 0x00),
			[]byte{0x70, 0, 0x02, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x3A, 0, 0, 0, 0, 0}},
		{"filemark", Fixed(scsi.Sense{ASCQ: 1, Filemark: true, InformationValid: true, Information: 0x10000}),
			[]byte{0xF0, 0, 0x80, 0, 1, 0, 0, 0x0A, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}},
		{"deferred", Fixed(scsi.Sense{Deferred: true, Key: scsi.MediumError, ASC: 0x0C, EndOfMedium: true,
			FieldReplaceableUnit: 0x30, SenseKeySpecific: [3]byte{0x80, 1, 2}}),
			[]byte{0x71, 0, 0x43, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x0C, 0, 0x30, 0x80, 1, 2}},
		{"negative information", Fixed(scsi.Sense{IncorrectLength: true, InformationValid: true, Information: -2}),
			[]byte{0xF0, 0, 0x20, 0xFF, 0xFF, 0xFF, 0xFE, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"descriptor", Descriptor(scsi.Sense{Key: scsi.BlankCheck, ASCQ: 5}),
			[]byte{0x72, 0x08, 0x00, 0x05, 0, 0, 0, 0}},
		{"descriptor stream", Descriptor(scsi.Sense{ASCQ: 1, Filemark: true, InformationValid: true, Information: 7}),
			[]byte{0x72, 0, 0, 1, 0, 0, 0, 16, 0, 0x0A, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 7, 4, 2, 0, 0x80}},
	} {
		if d := cmp.Diff(test.want, test.got); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
	}
}

func TestAnswers(t *testing.T) {
	lost := errors.New("cable")
	f := Answers(Data([]byte("abcdef")), Check(Sense(scsi.UnitAttention, 0x29, 0)), Status(scsi.StatusBusy), Lost(lost))
	send := func(data []byte) (*scsi.Command, error) {
		c := scsi.NewCommand(scsi.RequestSense{}, scsi.FromDevice, data, 0)
		return c, f.Send(context.Background(), c)
	}
	c, err := send(make([]byte, 8))
	if err != nil || c.Residual != 2 || !bytes.Equal(c.Data, []byte("abcdef\x00\x00")) {
		t.Errorf("data: %v, residual %d, %q", err, c.Residual, c.Data)
	}
	if c, err = send(nil); err != nil || c.Status != scsi.StatusCheckCondition || c.Sense[12] != 0x29 {
		t.Errorf("check: %v, %v", err, c.Status)
	}
	if c, err = send(make([]byte, 4)); err != nil || c.Status != scsi.StatusBusy || c.Residual != 4 {
		t.Errorf("busy: %v, %v, residual %d", err, c.Status, c.Residual)
	}
	var te *scsi.TransportError
	if _, err = send(nil); !errors.Is(err, lost) || !errors.As(err, &te) || te.NotSent {
		t.Errorf("lost: %v", err)
	}
	if _, err = send(nil); !errors.As(err, &te) || !te.NotSent {
		t.Errorf("behind the last: %v", err)
	}
	if n := len(f.Sent()); n != 5 {
		t.Errorf("%d commands were noted, want 5", n)
	}
}

func TestFakeNotesWhatWasSent(t *testing.T) {
	var f Transport
	data := []byte("block")
	c := &scsi.Command{Name: "WRITE", CDB: []byte{0x0A, 0, 0, 0, 5, 0}, Direction: scsi.ToDevice, Data: data}
	if err := f.Send(context.Background(), c); err != nil || c.Residual != 0 {
		t.Fatalf("%v, residual %d", err, c.Residual)
	}
	data[0] = 'B' // the note is a copy
	got := f.Sent()
	if len(got) != 1 || string(got[0].Data) != "block" || got[0].CDB[0] != 0x0A {
		t.Errorf("noted %+v", got)
	}
	closed := 0
	f.CloseFunc = func() error { closed++; return nil }
	f.Close()
	f.Close()
	if closed != 1 || !f.Closed() {
		t.Errorf("CloseFunc was called %d times", closed)
	}
}
