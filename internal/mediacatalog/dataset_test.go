package mediacatalog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tapes adds n tapes that are in no library.
func tapes(t testing.TB, c *Catalog, n int) []Media {
	t.Helper()
	var all []Media
	for range n {
		all = append(all, must[Media](t)(c.AddMedia(t.Context(), Media{State: StateFree, ElementAddress: -1,
			HomeElement: -1})))
	}
	return all
}

func point(t testing.TB, c *Catalog, name string, n int) RecoveryPoint {
	t.Helper()
	return must[RecoveryPoint](t)(c.BeginRecoveryPoint(t.Context(), RecoveryPoint{Name: name, CreationDate: day(n)}))
}

func TestRecoveryPoints(t *testing.T) {
	c, ctx := open(t), t.Context()
	want := RecoveryPoint{RecoveryPointID: "abcd0001-0000-4000-8000-000000000000", Name: "DPM 100%",
		Server: "dpm1.example.com", CreationDate: day(1),
		ExpiryDate: day(36000), SourceKind: "mssql", TotalBytes: 1 << 41, Files: 3, CorruptFiles: 1, External: true, DomainID: "dom"}
	if diff := cmp.Diff(want, must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx, want))); diff != "" {
		t.Errorf("(-begun +returned):\n%s", diff)
	}
	_, err := c.BeginRecoveryPoint(ctx, want)
	wantErr(t, err, ErrExists)
	second := must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx,
		RecoveryPoint{RecoveryPointID: "ABCD0002-0000-4000-8000-000000000000", Name: "other", CreationDate: day(5)}))
	if second.RecoveryPointID != "abcd0002-0000-4000-8000-000000000000" || !second.ExpiryDate.IsZero() {
		t.Errorf("got %+v", second)
	}
	for id, w := range map[string]error{"abcd0001": nil, "ABCD0001-0000-4000-8000-000000000000": nil,
		"abcd": ErrAmbiguous, "abce": ErrNotFound} {
		p, err := c.RecoveryPoint(ctx, id)
		if w != nil {
			wantErr(t, err, w, id)
		} else if err != nil || p.Name != want.Name {
			t.Errorf("%s: %+v, %v", id, p, err)
		}
	}
	if _, err := c.RecoveryPoint(ctx, "abc"); err == nil {
		t.Error("three characters are enough")
	}
	want.Name, want.Server, want.ExpiryDate, want.TotalBytes, want.Files, want.CorruptFiles = "new", "s", time.Time{}, 5, 6, 7
	ok(t, c.UpdateRecoveryPoint(ctx, want))
	if diff := cmp.Diff(want, must[RecoveryPoint](t)(c.RecoveryPoint(ctx, want.RecoveryPointID))); diff != "" {
		t.Errorf("(-updated +read):\n%s", diff)
	}
	wantErr(t, c.UpdateRecoveryPoint(ctx, RecoveryPoint{RecoveryPointID: "none"}), ErrNotFound)
}

func TestRecoveryPointFilter(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := tapes(t, c, 2)
	a := must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: "100% A", Server: "srv_1",
		CreationDate: day(1), ExpiryDate: day(2)}))
	b := must[RecoveryPoint](t)(c.BeginRecoveryPoint(ctx, RecoveryPoint{Name: "1000 B", Server: "srvx1",
		CreationDate: day(3), External: true}))
	for i, p := range []RecoveryPoint{a, b, b} {
		must[Dataset](t)(c.AddDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m[min(i, 1)].MediaID,
			SetNumber:  uint16(i),
			LifeStatus: LifeStatus(2 - min(i, 1)), CopyNumber: i}))
	}
	for _, tc := range []struct {
		f    RecoveryPointFilter
		want string
	}{
		{RecoveryPointFilter{}, "1000 B 100% A"}, {RecoveryPointFilter{Name: "0% a"},
			"100% A"}, {RecoveryPointFilter{Server: "V_1"}, "100% A"},
		{RecoveryPointFilter{MediaID: m[0].MediaID}, "100% A"}, {RecoveryPointFilter{MediaID: m[1].MediaID}, "1000 B"},
		{RecoveryPointFilter{ValidOnly: true}, "1000 B"}, {RecoveryPointFilter{External: true}, "1000 B"},
		{RecoveryPointFilter{Since: day(2)}, "1000 B"}, {RecoveryPointFilter{ExpiredBy: day(2)}, "100% A"},
		{RecoveryPointFilter{ExpiredBy: day(1)}, ""}, {RecoveryPointFilter{Limit: 1}, "1000 B"},
	} {
		var names []string
		for _, p := range must[[]RecoveryPoint](t)(c.RecoveryPoints(ctx, tc.f)) {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.f, got, tc.want)
		}
	}
	if p := must[RecoveryPoint](t)(c.RecoveryPoint(ctx, b.RecoveryPointID)); p.Copies != 2 {
		t.Errorf("%d copies, want 2", p.Copies)
	}
}

func TestDatasetLife(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := tapes(t, c, 1)[0]
	p := point(t, c, "DPMDB", 1)
	want := Dataset{RecoveryPointID: p.RecoveryPointID, CreationDate: day(1), ExpiryDate: day(100), CopyNumber: 2,
		MediaID: m.MediaID, SetNumber: 7,
		SSETObject: 1 << 33, BlockSize: 262144, Compressed: true, Encrypted: true, Envelope: []byte{0x30, 0x82,
			0}, Software: "tapectl 1",
		Certificates: []Certificate{{Thumbprint: "aa01", Subject: "CN=a", Issuer: "CN=ca", Serial: "17",
			NotAfter: day(400)}, {Thumbprint: "bb02"}},
		LifeStatus: Expired, SetState: SetFailed} // both are BeginDataset's to say
	d := must[Dataset](t)(c.BeginDataset(ctx, want))
	want.LifeStatus, want.SetState = Valid, SetWriting
	want.Spans = []Span{{MediaID: m.MediaID, Sequence: 1, SetNumber: 7, StartObject: 1 << 33}}
	if diff := cmp.Diff(want, d, cmpopts.IgnoreFields(Dataset{}, "DatasetID")); diff != "" {
		t.Errorf("(-begun +returned):\n%s", diff)
	}
	if got := must[Media](t)(c.MediaByID(ctx,
		m.MediaID)); got.State != StateActive || got.LastWrittenDate.IsZero() || got.NextObject != 0 {
		t.Errorf("the tape is %+v", got)
	}
	ok(t, c.CommitPoint(ctx, d.DatasetID, 1<<33+100, 4096))
	ok(t, c.CommitPoint(ctx, d.DatasetID, 1<<33+100, 4096))
	wantErr(t, c.CommitPoint(ctx, d.DatasetID, 1<<33+99, 4096), ErrState, d.DatasetID)
	wantErr(t, c.CommitPoint(ctx, d.DatasetID, 1<<33+101, 4095), ErrState)
	wantErr(t, c.CommitPoint(ctx, "none", 1, 1), ErrNotFound)
	open := must[[]Dataset](t)(c.UnfinishedDatasets(ctx))
	if len(open) != 1 || open[0].SafeObject != 1<<33+100 || open[0].SafeBytes != 4096 || time.Since(open[0].CommitDate) > time.Minute {
		t.Errorf("unfinished: %+v", open)
	}
	wantErr(t, c.FinishDataset(ctx, d.DatasetID, SetEnd{State: "done"}), ErrState, "done")
	end := SetEnd{State: SetComplete, ESETObject: 1<<33 + 200, NextObject: 1<<33 + 202, Bytes: 8192, Files: 3,
		CorruptFiles: 1, UsedBytes: 99, TapeFull: true, At: day(2)}
	ok(t, c.FinishDataset(ctx, d.DatasetID, end))
	wantErr(t, c.FinishDataset(ctx, d.DatasetID, end), ErrState)
	wantErr(t, c.CommitPoint(ctx, d.DatasetID, 1<<34, 9999), ErrState)
	wantErr(t, c.FinishDataset(ctx, "none", end), ErrNotFound)
	got := must[Dataset](t)(c.Dataset(ctx, strings.ToUpper(d.DatasetID)))
	want.SetState, want.ESETObject, want.Bytes, want.Files, want.CorruptFiles = SetComplete, end.ESETObject, 8192, 3, 1
	want.SafeObject, want.SafeBytes, want.Spans[0].EndObject = 1<<33+100, 4096, end.NextObject
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Dataset{}, "DatasetID", "CommitDate")); diff != "" {
		t.Errorf("(-want +finished):\n%s", diff)
	}
	tape := must[Media](t)(c.MediaByID(ctx, m.MediaID))
	if tape.NextObject != end.NextObject || tape.LastSetNumber != 7 || tape.UsedBytes != 99 || !tape.Full || !tape.LastWrittenDate.Equal(day(2)) || tape.AppendUncertain {
		t.Errorf("the tape is %+v", tape)
	}
	if n := len(must[[]Dataset](t)(c.UnfinishedDatasets(ctx))); n != 0 {
		t.Errorf("%d unfinished", n)
	}
	ok(t, c.Check(ctx))
}

func TestFinishDatasetEnds(t *testing.T) {
	for _, tc := range []struct {
		end       SetEnd
		life      LifeStatus
		next      uint64
		number    uint16
		uncertain bool
	}{
		{SetEnd{State: SetFailed, AppendUncertain: true}, Expired, 50, 3, true},
		{SetEnd{State: SetIncomplete, NextObject: 60}, Valid, 60, 4, true}, // what was uncertain stays so
		{SetEnd{State: SetComplete, NextObject: 70}, Valid, 70, 4, false},
	} {
		c, ctx := open(t), t.Context()
		m := must[Media](t)(c.AddMedia(ctx, Media{NextObject: 50, LastSetNumber: 3, AppendUncertain: true,
			ElementAddress: -1, HomeElement: -1}))
		d := must[Dataset](t)(c.BeginDataset(ctx, Dataset{RecoveryPointID: point(t, c, "a", 0).RecoveryPointID,
			MediaID: m.MediaID, SetNumber: 4, SSETObject: 50}))
		ok(t, c.FinishDataset(ctx, d.DatasetID, tc.end))
		got := must[Media](t)(c.MediaByID(ctx, m.MediaID))
		if got.NextObject != tc.next || got.LastSetNumber != tc.number || got.AppendUncertain != tc.uncertain {
			t.Errorf("%s: the tape is %+v", tc.end.State, got)
		}
		if d := must[Dataset](t)(c.Dataset(ctx, d.DatasetID)); d.LifeStatus != tc.life || d.SetState != tc.end.State {
			t.Errorf("%s: the data set is %+v", tc.end.State, d)
		}
	}
}

func TestBeginDatasetRefuses(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := tapes(t, c, 2)
	p := point(t, c, "a", 0).RecoveryPointID
	d := must[Dataset](t)(c.BeginDataset(ctx, Dataset{RecoveryPointID: p, MediaID: m[0].MediaID, SetNumber: 1}))
	_, err := c.BeginDataset(ctx, Dataset{RecoveryPointID: p, MediaID: m[0].MediaID, SetNumber: 2})
	wantErr(t, err, ErrState, d.DatasetID)
	_, err = c.BeginDataset(ctx, Dataset{DatasetID: d.DatasetID, RecoveryPointID: p, MediaID: m[1].MediaID})
	wantErr(t, err, ErrExists)
	_, err = c.BeginDataset(ctx, Dataset{RecoveryPointID: p, MediaID: "no tape"})
	wantErr(t, err, ErrNotFound, "no tape")
	_, err = c.BeginDataset(ctx, Dataset{RecoveryPointID: "no point", MediaID: m[1].MediaID})
	wantErr(t, err, ErrNotFound, "no point")
	if got := must[Media](t)(c.MediaByID(ctx, m[1].MediaID)); got.State != StateFree {
		t.Errorf("a refused data set changed the tape: %+v", got)
	}
}

func TestSpans(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := tapes(t, c, 3)
	p := point(t, c, "big", 0)
	d := must[Dataset](t)(c.BeginDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m[0].MediaID,
		SetNumber: 5, SSETObject: 100}))
	ok(t, c.CommitPoint(ctx, d.DatasetID, 900, 1000))
	wantErr(t, c.AddSpan(ctx, d.DatasetID, Span{MediaID: m[1].MediaID, Sequence: 3}), ErrState)
	wantErr(t, c.AddSpan(ctx, d.DatasetID, Span{MediaID: "none"}), ErrNotFound)
	wantErr(t, c.AddSpan(ctx, "none", Span{MediaID: m[1].MediaID}), ErrNotFound)
	ok(t, c.AddSpan(ctx, d.DatasetID, Span{MediaID: m[1].MediaID, SetNumber: 1, StartObject: 3}))
	ok(t, c.CommitPoint(ctx, d.DatasetID, 10, 2000)) // the numbers of the new tape begin anew
	// The tape that it went on to is in use as well.
	_, err := c.BeginDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m[1].MediaID})
	wantErr(t, err, ErrState)
	ok(t, c.FinishDataset(ctx, d.DatasetID, SetEnd{State: SetComplete, ESETObject: 20, NextObject: 22, Bytes: 3000}))
	wantErr(t, c.AddSpan(ctx, d.DatasetID, Span{MediaID: m[2].MediaID}), ErrState)
	got := must[Dataset](t)(c.Dataset(ctx, d.DatasetID))
	want := []Span{{MediaID: m[0].MediaID, Sequence: 1, SetNumber: 5, StartObject: 100, EndObject: 900},
		{MediaID: m[1].MediaID, Sequence: 2, SetNumber: 1, StartObject: 3, EndObject: 22}}
	if diff := cmp.Diff(want, got.Spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if got.MediaID != m[0].MediaID || got.SetNumber != 5 || got.SSETObject != 100 {
		t.Errorf("its beginning is %+v", got)
	}
	first, second := must[Media](t)(c.MediaByID(ctx, m[0].MediaID)), must[Media](t)(c.MediaByID(ctx, m[1].MediaID))
	if !first.Full || first.LastSetNumber != 5 || second.Full || second.LastSetNumber != 1 || second.NextObject != 22 || second.State != StateActive {
		t.Errorf("the tapes are %+v\n%+v", first, second)
	}
	ok(t, c.Check(ctx))
	// The first tape is overwritten: what is on the second is still known.
	if n := must[int](t)(c.RemoveDatasets(ctx, m[0].MediaID, true)); n != 1 {
		t.Errorf("%d went", n)
	}
	got = must[Dataset](t)(c.Dataset(ctx, d.DatasetID))
	if got.SetState != SetIncomplete || len(got.Spans) != 1 || got.Spans[0].Sequence != 2 {
		t.Errorf("what is left is %+v", got)
	}
	must[int](t)(c.RemoveDatasets(ctx, m[1].MediaID, true))
	_, err = c.Dataset(ctx, d.DatasetID)
	wantErr(t, err, ErrNotFound)
}

func TestDatasetFilter(t *testing.T) {
	c, ctx := open(t), t.Context()
	m := tapes(t, c, 2)
	p, q := point(t, c, "p", 0), point(t, c, "q", 0)
	add := func(p RecoveryPoint, m Media, n, set int, life LifeStatus, state string) string {
		return must[Dataset](t)(c.AddDataset(ctx, Dataset{RecoveryPointID: p.RecoveryPointID, MediaID: m.MediaID,
			SetNumber: uint16(set), SSETObject: uint64(set * 100),
			CreationDate: day(n), ExpiryDate: day(n + 1), LifeStatus: life, SetState: state})).DatasetID
	}
	a := add(p, m[0], 5, 1, Valid, SetComplete)
	b := add(q, m[0], 3, 2, Expired, SetIncomplete)
	x := add(p, m[1], 4, 1, 0, "")
	for _, tc := range []struct {
		f    DatasetFilter
		want []string
	}{
		{DatasetFilter{}, []string{a, x, b}}, {DatasetFilter{MediaID: m[0].MediaID}, []string{a, b}},
		{DatasetFilter{RecoveryPointID: p.RecoveryPointID}, []string{a, x}}, {DatasetFilter{LifeStatus: Expired},
			[]string{b}},
		{DatasetFilter{LifeStatus: Valid}, []string{a, x}}, {DatasetFilter{SetStates: []string{SetIncomplete,
			SetFailed}}, []string{b}},
		{DatasetFilter{ExpiredBy: day(5)}, []string{x, b}}, {DatasetFilter{MediaID: "none"}, nil},
	} {
		var got []string
		for _, d := range must[[]Dataset](t)(c.Datasets(ctx, tc.f)) {
			got = append(got, d.DatasetID)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.f, diff)
		}
	}
}

func TestExpire(t *testing.T) {
	c, ctx := open(t), t.Context()
	sets := fillTapes(t, c, 4) // they expire on the days 30 to 33
	writing := must[Dataset](t)(c.BeginDataset(ctx, Dataset{RecoveryPointID: sets[0].RecoveryPointID,
		ExpiryDate: day(1), MediaID: sets[0].MediaID}))
	gone := must[[]Dataset](t)(c.ExpireBy(ctx, day(31)))
	if len(gone) != 2 || gone[0].DatasetID != sets[0].DatasetID || gone[1].LifeStatus != Expired {
		t.Errorf("expired: %+v", gone)
	}
	if again := must[[]Dataset](t)(c.ExpireBy(ctx, day(31))); len(again) != 0 {
		t.Errorf("expired again: %+v", again)
	}
	if d := must[Dataset](t)(c.Dataset(ctx, writing.DatasetID)); d.LifeStatus != Valid {
		t.Error("a data set that is being written expired")
	}
	if n := must[int](t)(c.SetExpired(ctx, sets[1].DatasetID, sets[2].DatasetID)); n != 1 {
		t.Errorf("%d were valid, want 1", n)
	}
	_, err := c.SetExpired(ctx, sets[3].DatasetID, "none")
	wantErr(t, err, ErrNotFound, "none")
	if d := must[Dataset](t)(c.Dataset(ctx, sets[3].DatasetID)); d.LifeStatus != Valid {
		t.Error("half of the data sets expired")
	}
	if e := must[[]Event](t)(c.Events(ctx, EventFilter{Kind: "data set expired"})); len(e) != 3 {
		t.Errorf("%d events, want 3", len(e))
	}
	ok(t, c.SetExpiry(ctx, sets[3].RecoveryPointID, time.Time{}))
	if d := must[Dataset](t)(c.Dataset(ctx, sets[3].DatasetID)); !d.ExpiryDate.IsZero() {
		t.Errorf("the expiry date is %v", d.ExpiryDate)
	}
	if gone := must[[]Dataset](t)(c.ExpireBy(ctx, day(99999))); len(gone) != 0 {
		t.Errorf("what never expires expired: %+v", gone)
	}
	wantErr(t, c.SetExpiry(ctx, "none", day(1)), ErrNotFound)
}

func TestRemoveDatasets(t *testing.T) {
	c, ctx := open(t), t.Context()
	sets := fillTapes(t, c, 2)
	begun := point(t, c, "another process has begun this", 0)
	_, err := c.RemoveDatasets(ctx, sets[0].MediaID, false)
	wantErr(t, err, ErrState, sets[0].MediaID)
	must[int](t)(c.SetExpired(ctx, sets[0].DatasetID))
	if n := must[int](t)(c.RemoveDatasets(ctx, sets[0].MediaID, false)); n != 1 {
		t.Errorf("%d went", n)
	}
	_, err = c.RecoveryPoint(ctx, sets[0].RecoveryPointID)
	wantErr(t, err, ErrNotFound)
	must[RecoveryPoint](t)(c.RecoveryPoint(ctx, begun.RecoveryPointID))
	must[RecoveryPoint](t)(c.RecoveryPoint(ctx, sets[1].RecoveryPointID))
	if got := query(t, c, `select count(*) from tbl_RM_RecoverableObjectFileSpec`); got[1] != "1" {
		t.Errorf("objects left: %v", got)
	}
	_, err = c.RemoveDatasets(ctx, "none", true)
	wantErr(t, err, ErrNotFound)
}

func TestNeverWritten(t *testing.T) {
	c, ctx := open(t), t.Context()
	p := point(t, c, "a", 0).RecoveryPointID
	begun := must[Dataset](t)(c.BeginDataset(ctx, Dataset{RecoveryPointID: p, MediaID: tapes(t, c, 1)[0].MediaID,
		SetNumber: 1}))
	for state, want := range map[string]bool{StateUnknown: true, StateFree: true, StateFreeContainsData: true,
		StateBlank:  true,
		StateActive: true, StateExpired: true, StateOffsiteReady: true, StateImported: false, StateUnrecognized: false,
		StateSuspect: false, StateCleaning: false, StateDecommissioned: false, "cleaning cartridge": false} {
		m := must[Media](t)(c.AddMedia(ctx, Media{Barcode: "B7", State: state,
			Cleaning: state == "cleaning cartridge"}))
		_, err := c.BeginDataset(ctx, Dataset{RecoveryPointID: p, MediaID: m.MediaID, SetNumber: 1})
		if want {
			ok(t, err)
			continue
		}
		wantErr(t, err, ErrState, "B7", "tape")
		wantErr(t, c.AddSpan(ctx, begun.DatasetID, Span{MediaID: m.MediaID}), ErrState, "B7")
		if got := must[Media](t)(c.MediaByID(ctx, m.MediaID)); got.State != state || !got.LastWrittenDate.IsZero() {
			t.Errorf("the refused tape is %+v", got)
		}
	}
}

func TestRemoveRecoveryPoint(t *testing.T) {
	c, ctx := open(t), t.Context()
	p := point(t, c, "failed", 0)
	ok(t, c.RemoveRecoveryPoint(ctx, p.RecoveryPointID))
	wantErr(t, c.RemoveRecoveryPoint(ctx, p.RecoveryPointID), ErrNotFound, p.RecoveryPointID)
	d := fillTapes(t, c, 1)[0]
	wantErr(t, c.RemoveRecoveryPoint(ctx, d.RecoveryPointID), ErrState, "1 data sets")
	must[RecoveryPoint](t)(c.RecoveryPoint(ctx, d.RecoveryPointID))
}
