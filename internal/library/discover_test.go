package library_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/library"
	"tapectl/internal/library/librarytest"
	"tapectl/internal/scsi"
	"tapectl/internal/vlib"
)

// site is a host whose devices are those of virtual libraries, under addresses of the test's choice.
type site struct {
	devices map[string]func() (scsi.Transport, error)
	near    []string
	nearErr error
}

func (s *site) Open(_ context.Context, address string) (scsi.Transport, error) {
	open := s.devices[address]
	if open == nil {
		return nil, fmt.Errorf("no device %q", address)
	}
	return open()
}

func (s *site) Companions(context.Context, string) ([]string, error) { return s.near, s.nearErr }

func virtual(t *testing.T, c vlib.Config) *vlib.Library {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "library")
	if err := vlib.Create(folder, c); err != nil {
		t.Fatal(err)
	}
	v, err := vlib.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// siteOf has the changer of v as "changer" and its drives as "drive1" and so on.
func siteOf(v *vlib.Library) *site {
	s := &site{devices: map[string]func() (scsi.Transport, error){"changer": v.Changer}}
	for n := range v.Config().Drives {
		s.add(fmt.Sprintf("drive%d", n+1), v, n)
	}
	return s
}

func (s *site) add(address string, v *vlib.Library, n int) {
	s.devices[address] = func() (scsi.Transport, error) { return v.Drive(n) }
	s.near = append(s.near, address)
}

// pairs is what was found: "element address", the unmatched and the notes counted.
func pairs(d *library.Discovery) []string {
	var all []string
	for _, drive := range d.Library.Drives {
		all = append(all, fmt.Sprintf("%d %s", drive.ElementAddress, drive.Address))
	}
	return append(all, fmt.Sprintf("%d unmatched, %d notes", len(d.Unmatched), len(d.Notes)))
}

func TestDiscoverUnderEveryProfile(t *testing.T) {
	t.Parallel()
	for _, name := range vlib.QuirkProfiles() {
		v := virtual(t, vlib.Config{Slots: 4, Drives: 3, Quirks: profile(t, name)})
		found, err := library.Discover(t.Context(), siteOf(v), "changer", nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []string{"257 drive1", "258 drive2", "259 drive3", "0 unmatched, 0 notes"}
		if name == "qualstar" { // tells no serial numbers: the drives themselves may tell their element
			if len(found.Library.Drives)+len(found.Unmatched) != 3 || len(found.Notes) == 0 {
				t.Errorf("%s: %v", name, pairs(found))
			}
			continue
		}
		if name == "tgt" { // cuts off the identifier of the last drive
			want[3] = "0 unmatched, 1 notes"
		}
		if diff := cmp.Diff(want, pairs(found)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if l := found.Library; l.ChangerAddress != "changer" || l.Serial == "" || l.StandAlone || !l.Enabled || l.Drives[0].Generation != "LTO-6" {
			t.Errorf("%s: library is %+v", name, l)
		}
	}
}

func TestDiscoverQuirks(t *testing.T) {
	for _, c := range []struct {
		name   string
		quirks vlib.Quirks
		change func(s *site, v *vlib.Library)
		extra  []string
		want   []string
		says   string
	}{
		{name: "a device is missing", change: func(s *site, _ *vlib.Library) { s.near = s.near[:1] },
			want: []string{"257 drive1", "1 unmatched, 0 notes"}, says: "drive element 258 (serial number "},
		{name: "a device does not answer", change: func(s *site, _ *vlib.Library) { delete(s.devices, "drive2") },
			want: []string{"257 drive1", "1 unmatched, 1 notes"}, says: "drive2 does not answer"},
		{name: "a named device", change: func(s *site, _ *vlib.Library) { s.near = s.near[:1] }, extra: []string{"drive2"},
			want: []string{"257 drive1", "258 drive2", "0 unmatched, 0 notes"}},
		{name: "named devices alone", change: func(s *site, _ *vlib.Library) { s.nearErr = errUnplugged }, extra: []string{"drive2", "drive1"},
			want: []string{"257 drive1", "258 drive2", "0 unmatched, 0 notes"}},
		{name: "a changer nearby is no drive", change: func(s *site, _ *vlib.Library) {
			s.near = append(s.near, "changer2")
			s.devices["changer2"] = s.devices["changer"]
		},
			want: []string{"257 drive1", "258 drive2", "0 unmatched, 0 notes"}},
		{name: "two paths", change: func(s *site, v *vlib.Library) { s.add("path2", v, 0) },
			want: []string{"257 drive1", "258 drive2", "0 unmatched, 1 notes"}, says: "over 2 paths: drive1 is used, not path2"},
		{name: "two paths, one named", change: func(s *site, v *vlib.Library) { s.add("path2", v, 0) }, extra: []string{"path2"},
			want: []string{"257 path2", "258 drive2", "0 unmatched, 1 notes"}, says: "path2 is used, not drive1"},
		{name: "no serial numbers, two drives", quirks: vlib.Quirks{NoDVCID: true}, change: func(s *site, _ *vlib.Library) { hideElements(s) },
			want: []string{"2 unmatched, 1 notes"}, says: "the changer gives no serial number"},
		{name: "no serial numbers, one of each left", quirks: vlib.Quirks{NoDVCID: true, TruncateAnswer: 0}, change: func(s *site, _ *vlib.Library) { hideElements(s); s.near = s.near[:1] },
			want: []string{"2 unmatched, 1 notes"}, says: "devices left over: drive1"},
		{name: "bare serial numbers", quirks: vlib.Quirks{SerialOnlyIdentifier: true},
			want: []string{"257 drive1", "258 drive2", "0 unmatched, 0 notes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := virtual(t, vlib.Config{Slots: 4, Drives: 2, Quirks: c.quirks})
			s := siteOf(v)
			if c.change != nil {
				c.change(s, v)
			}
			found, err := library.Discover(t.Context(), s, "changer", c.extra)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, pairs(found)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if all := strings.Join(append(found.Unmatched, found.Notes...), "\n"); !strings.Contains(all, c.says) {
				t.Errorf("nothing says %q:\n%s", c.says, all)
			}
		})
	}
}

// hideElements makes the drives tell nothing about their element: VPD page B4h is not listed.
func hideElements(s *site) {
	for address, open := range s.devices {
		s.devices[address] = func() (scsi.Transport, error) {
			t, err := open()
			if err != nil {
				return nil, err
			}
			return intercept{t, func(ctx context.Context, c *scsi.Command, next scsi.Transport) error {
				err := next.Send(ctx, c)
				if err == nil && c.CDB[0] == 0x12 && c.CDB[1]&1 == 1 && c.CDB[2] == 0 {
					for i := 4; i < len(c.Data); i++ {
						if c.Data[i] == 0xB4 {
							c.Data[i] = 0xB0
						}
					}
				}
				return err
			}}, nil
		}
	}
}

func TestDiscoverRefusals(t *testing.T) {
	v := virtual(t, vlib.Config{Slots: 4, Drives: 2})
	s := siteOf(v)
	if _, err := library.Discover(t.Context(), s, "nothing", nil); err == nil {
		t.Error("a device that is not there is a library")
	}
	if _, err := library.Discover(t.Context(), s, "changer", []string{"nothing"}); err == nil || !strings.Contains(err.Error(), "identify drive nothing") {
		t.Errorf("a named drive that is not there: %v", err)
	}
	s.devices["changer2"] = v.Changer
	if _, err := library.Discover(t.Context(), s, "changer", []string{"changer2"}); err == nil || !strings.Contains(err.Error(), "is no tape drive") {
		t.Errorf("a changer named as drive: %v", err)
	}
	s.nearErr = errUnplugged
	if _, err := library.Discover(t.Context(), s, "changer", nil); !errors.Is(err, errUnplugged) {
		t.Errorf("companions that cannot be listed: %v", err)
	}
	s.devices["disk"] = func() (scsi.Transport, error) {
		inner, err := v.Changer()
		return intercept{inner, func(ctx context.Context, c *scsi.Command, next scsi.Transport) error {
			err := next.Send(ctx, c)
			if c.CDB[0] == 0x12 && len(c.Data) > 0 {
				c.Data[0] = 0x00 // a disk
			}
			return err
		}}, err
	}
	if _, err := library.Discover(t.Context(), s, "disk", nil); !errors.Is(err, library.ErrNoLibrary) {
		t.Errorf("a disk: %v", err)
	}
}

func TestDiscoverStandAlone(t *testing.T) {
	v := virtual(t, vlib.Config{Slots: 4, Drives: 1, Generations: []string{"LTO-8"}})
	found, err := library.Discover(t.Context(), siteOf(v), "drive1", nil)
	if err != nil {
		t.Fatal(err)
	}
	l := found.Library
	if !l.StandAlone || l.ChangerAddress != "" || len(l.Drives) != 1 || l.Drives[0].ElementAddress != library.StandAloneElement ||
		l.Drives[0].Generation != "LTO-8" || l.Serial != l.Drives[0].Serial || l.Serial == "" {
		t.Errorf("library is %+v", l)
	}
}

func TestDriveIsFoundAtAnotherAddress(t *testing.T) {
	b := librarytest.New(t, vlib.Config{Slots: 4, Drives: 2, TapeCount: 1})
	record, err := b.Catalog.Library(t.Context(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	// The addresses were swapped when the host was started anew; then one is not there at all.
	record.Drives[0].Address, record.Drives[1].Address = "drive2", "drive9"
	if record, err = b.Catalog.UpdateLibrary(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	l := b.Open()
	defer l.Close()
	for i, d := range record.Drives {
		o, err := l.OpenDrive(t.Context(), d)
		if err != nil {
			t.Errorf("drive %d: %v", i+1, err)
			continue
		}
		if o.Identity().Serial != d.Serial {
			t.Errorf("drive %d is %s, want %s", i+1, o.Identity().Serial, d.Serial)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	missing := record.Drives[0]
	missing.Serial = "GONE"
	var unreachable *library.UnreachableError
	if _, err := l.OpenDrive(t.Context(), missing); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), `expected "GONE"`) ||
		unreachable.What != "drive 1 of library lab" {
		t.Errorf("a drive that is gone: %v", err)
	}
	disabled := record.Drives[0]
	disabled.Enabled = false
	if _, err := l.OpenDrive(t.Context(), disabled); !errors.Is(err, library.ErrDisabled) || !strings.Contains(err.Error(), "`tapectl drive enable 1 --library lab`") {
		t.Errorf("a disabled drive: %v", err)
	}
}
