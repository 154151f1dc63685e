package scsi_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// log0C begins like the sequential access device page of a drive (SSC-5 8.2.4).
var log0C = []byte{0x0C, 0, 0, 24, 0, 0, 0x40, 8, 0, 0, 0, 0x0D, 0x67, 0xF4, 0, 0, 0x01, 0, 0x40, 4, 0, 0, 0, 1, 0x80, 0, 0x03, 0}

func TestLogPage(t *testing.T) {
	var p scsi.LogPage
	if err := p.Unmarshal(log0C); err != nil {
		t.Fatal(err)
	}
	if p.Code != 0x0C || p.Subpage != 0 || p.HasSubpage || p.Disabled || len(p.Data) != 24 {
		t.Errorf("%+v", p)
	}
	var got []scsi.LogParameter
	it := p.Parameters()
	for it.Next() {
		got = append(got, it.Parameter())
	}
	want := []scsi.LogParameter{
		{Code: 0, Control: 0x40, Value: []byte{0, 0, 0, 0x0D, 0x67, 0xF4, 0, 0}},
		{Code: 0x100, Control: 0x40, Value: []byte{0, 0, 0, 1}},
		{Code: 0x8000, Control: 3},
	}
	if d := cmp.Diff(want, got); d != "" || it.Err() != nil || it.Next() {
		t.Errorf("%s %v", d, it.Err())
	}
	if d := cmp.Diff(log0C, p.Marshal()); d != "" {
		t.Error(d)
	}
	built := scsi.LogPage{Code: 0x0C}
	for _, l := range want {
		built.Append(l)
	}
	if d := cmp.Diff(log0C, built.Marshal()); d != "" {
		t.Error(d)
	}
	if l, ok := p.Parameter(0x100); !ok || l.Value[3] != 1 {
		t.Errorf("%+v, %v", l, ok)
	}
	if _, ok := p.Parameter(7); ok {
		t.Error("a parameter that is not there")
	}
}

func TestLogPageSubpage(t *testing.T) {
	var p scsi.LogPage
	raw := []byte{0xC0 | 0x17, 0x01, 0, 2, 9, 9}
	if err := p.Unmarshal(raw); err != nil || !p.HasSubpage || p.Subpage != 1 || p.Code != 0x17 || !p.Disabled {
		t.Errorf("%v, %+v", err, p)
	}
	if d := cmp.Diff(raw, p.Marshal()); d != "" {
		t.Error(d)
	}
	if err := p.Unmarshal([]byte{0, 0, 0, 9, 0, 2, 0x2E}); err != nil || len(p.SupportedLogPages()) != 3 {
		t.Errorf("a list that is cut: %v, %v", err, p.SupportedLogPages())
	}
	for n := range 4 {
		if p.Unmarshal(make([]byte, n)) == nil {
			t.Errorf("%d bytes are a page", n)
		}
	}
}

// The error of the iterator stays, and what came before it counts.
func TestLogParametersError(t *testing.T) {
	for _, data := range [][]byte{
		{0, 1, 0, 1, 7, 0, 2, 0, 2, 7},
		{0, 1, 0, 1, 7, 0, 2, 0},
		{0, 1, 0, 1, 7, 0},
	} {
		p := scsi.LogPage{Data: data}
		it, n := p.Parameters(), 0
		for it.Next() {
			n++
		}
		var re *scsi.ResponseError
		if n != 1 || !errors.As(it.Err(), &re) || it.Next() {
			t.Errorf("% X: %d parameters, %v", data, n, it.Err())
		}
		if _, ok := p.Parameter(1); !ok {
			t.Errorf("% X: the parameter before the damage was not found", data)
		}
	}
}

func TestLogParameterValue(t *testing.T) {
	for _, test := range []struct {
		value []byte
		want  uint64
		ok    bool
	}{
		{[]byte{7}, 7, true},
		{[]byte{1, 2, 3}, 0x010203, true},
		{[]byte{1, 2, 3, 4, 5, 6, 7, 8}, 0x0102030405060708, true},
		{[]byte{0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 0x0102030405060708, true},
		{[]byte{9, 1, 2, 3, 4, 5, 6, 7, 8}, 0, false},
		{nil, 0, false},
	} {
		if got, ok := (scsi.LogParameter{Value: test.value}).Uint(); got != test.want || ok != test.ok {
			t.Errorf("% X: %X, %v", test.value, got, ok)
		}
	}
	if s := (scsi.LogParameter{Value: []byte("Z20001L9   \x00")}).Text(); s != "Z20001L9" {
		t.Errorf("%q", s)
	}
}

func FuzzLogPage(f *testing.F) {
	f.Add(log0C)
	f.Add([]byte{0x57, 1, 0, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, again scsi.LogPage
		if p.Unmarshal(b) != nil {
			return
		}
		if err := again.Unmarshal(p.Marshal()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatal(d)
		}
		built := scsi.LogPage{Disabled: p.Disabled, HasSubpage: p.HasSubpage, Code: p.Code, Subpage: p.Subpage}
		it := p.Parameters()
		for it.Next() {
			built.Append(it.Parameter())
		}
		if n := len(built.Data); string(built.Data) != string(p.Data[:n]) || it.Err() == nil && n != len(p.Data) {
			t.Fatalf("% X becomes % X", p.Data, built.Data)
		}
	})
}

func TestReadLog(t *testing.T) {
	p, err := scsi.ReadLog(t.Context(), always(scsitest.Data(log0C)), 0x0C, 0)
	if err != nil || len(p.Data) != 24 {
		t.Errorf("%v, %+v", err, p)
	}
	var re *scsi.ResponseError
	if _, err := scsi.ReadLog(t.Context(), always(scsitest.Data(log0C)), 0x2E, 0); !errors.As(err, &re) || re.Op != "LOG SENSE" {
		t.Errorf("another page: %v", err)
	}
	if _, err := scsi.ReadLog(t.Context(), always(scsitest.Data(nil)), 0x0C, 0); !errors.As(err, &re) {
		t.Errorf("nothing: %v", err)
	}
	big := scsi.LogPage{Code: 0x17, Data: make([]byte, 20000)}
	f := always(scsitest.Data(big.Marshal()))
	if p, err = scsi.ReadLog(t.Context(), f, 0x17, 0); err != nil || len(p.Data) != 20000 || len(f.Sent()) != 2 {
		t.Errorf("a long page: %v, %d bytes, %d commands", err, len(p.Data), len(f.Sent()))
	}
}
