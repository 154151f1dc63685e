package library

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
	"tapectl/internal/scsi"
)

// The operator reads what happened, to which tape, where it is and what to do next.
func TestMoveErrorInWords(t *testing.T) {
	cause := errors.New("the arm is stuck")
	const head = "move tape A00001L6 from slot 1 to drive 1: the arm is stuck; "
	for _, c := range []struct {
		e    MoveError
		want string
	}{
		{MoveError{Outcome: NotMoved}, head + "nothing was moved"},
		{MoveError{Outcome: InTransport}, head + "the tape is in the picker: `tapectl library status lab` shows it, `tapectl tape move picker:1 slot:N --library lab` puts it into a free slot"},
		{MoveError{Outcome: Elsewhere, Now: "slot 4 (element 1004)"}, head + "the tape is now in slot 4 (element 1004)"},
		{MoveError{Outcome: OutcomeUnknown, note: "call someone"}, head + "where the tape is now is not known: look at `tapectl library status lab` before anything else; call someone"},
		{MoveError{Outcome: OutcomeUnknown, Now: "slot 1 (element 1001)"}, head + "the library shows the tape in slot 1 (element 1001) but may still be moving it; " +
			"where the tape is now is not known: look at `tapectl library status lab` before anything else"},
	} {
		e := c.e
		e.Library = "lab"
		e.Barcode, e.From, e.To, e.Err = "A00001L6", "slot 1", "drive 1", cause
		if diff := cmp.Diff(c.want, e.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Outcome, diff)
		}
		if !errors.Is(&e, cause) {
			t.Errorf("%s: the cause is lost", e.Outcome)
		}
	}
	if got := tapeName(""); got != "the tape without a barcode" {
		t.Errorf("no barcode is %q", got)
	}
	for o, want := range map[MoveOutcome]string{NotMoved: "not moved", InTransport: "in the picker", Elsewhere: "elsewhere", OutcomeUnknown: "unknown"} {
		if o.String() != want {
			t.Errorf("outcome %d is %q, want %q", o, o.String(), want)
		}
	}
}

func TestErrorsInWords(t *testing.T) {
	cause := errors.New("no route")
	none := &NoDriveError{Barcode: "A00001L6"}
	none.because("drive %d is in use", 1)
	none.failed(&UnreachableError{What: "drive 2 of library main", Address: "/dev/sg4", Err: cause})
	for _, c := range []struct {
		err   error
		want  string
		cause bool
	}{
		{none, "find a drive for tape A00001L6: none can take it; drive 1 is in use; reach drive 2 of library main at /dev/sg4: no route", true},
		{&UnreachableError{What: "library main", Address: "/dev/sg3", Err: cause}, "reach library main at /dev/sg3: no route", true},
		{&LeaseLostError{Library: "main", Err: cause}, "keep library main in use: the lease is lost (no route): this process moves and writes nothing any more, and tapes stay " +
			"where they are; `tapectl library status main` shows who uses the library, or where they are", true},
		{&NoSlotError{Library: "lab", Barcode: "A00001L6", Drive: 2}, "put tape A00001L6 of drive 2 away: no slot is free that no other tape belongs to; it stays in the drive: " +
			"take a tape out of the library, then `tapectl tape unload 2 --library lab`", false},
		{&WrongTapeError{Library: "lab", Barcode: "A00001L6", Want: "X", Found: "Y"}, "verify the label of tape A00001L6: the catalog says X, on the tape is Y; nothing was written to it; " +
			"`tapectl inventory lab` tells whether barcodes were changed", false},
	} {
		if diff := cmp.Diff(c.want, c.err.Error()); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.err, diff)
		}
		if errors.Is(c.err, cause) != c.cause {
			t.Errorf("%T: the cause is found: %v", c.err, !c.cause)
		}
	}
}

func TestLabelInWords(t *testing.T) {
	foreign := &mtf.MediaHeader{Description: "Backup of Monday", Software: "Other Backup"}
	for want, l := range map[string]*Label{
		"nothing: the tape is blank":                        {Blank: true},
		"something that is not Microsoft Tape Format (tar)": {Damage: errors.New("tar")},
		`"Backup of Monday", written by Other Backup`:       {Header: foreign},
	} {
		if got := l.String(); got != want {
			t.Errorf("label is %q, want %q", got, want)
		}
		if got := l.MediaID(); got != "" {
			t.Errorf("%s has the media id %q", want, got)
		}
	}
	m := &mediacatalog.Media{State: mediacatalog.StateUnknown}
	(&Label{Header: foreign}).conclude(m, "{own}")
	if m.State != mediacatalog.StateUnrecognized || m.Format != "MTF" || m.OnMediaID != "" {
		t.Errorf("a tape in the format of other software became %+v", m)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	check := func(s scsi.Sense) error { return fmt.Errorf("move: %w", &scsi.CheckError{Op: "MOVE MEDIUM", Sense: s}) }
	for _, c := range []struct {
		name                 string
		err                  error
		notExecuted, unknown bool
		unsupported          bool
	}{
		{"none", nil, false, false, false},
		{"unit attention", check(scsi.Sense{Key: scsi.UnitAttention, ASC: 0x28}), true, false, false},
		{"deferred unit attention", check(scsi.Sense{Key: scsi.UnitAttention, ASC: 0x28, Deferred: true}), false, false, false},
		{"hardware error", check(scsi.Sense{Key: scsi.HardwareError, ASC: 0x15}), false, false, false},
		{"no answer", &scsi.TransportError{Op: "MOVE MEDIUM", Err: errors.New("timeout")}, false, true, false},
		{"not sent", &scsi.TransportError{Op: "MOVE MEDIUM", NotSent: true, Err: errors.New("gone")}, false, false, false},
		{"aborted", &scsi.StatusError{Op: "MOVE MEDIUM", Status: scsi.StatusTaskAborted}, false, true, false},
		{"reserved", &scsi.StatusError{Op: "MOVE MEDIUM", Status: scsi.StatusReservationConflict}, false, false, false},
		{"no such command", check(scsi.Sense{Key: scsi.IllegalRequest, ASC: 0x20}), false, false, true},
	} {
		if notExecuted(c.err) != c.notExecuted || outcomeUnknown(c.err) != c.unknown || unsupported(c.err) != c.unsupported {
			t.Errorf("%s: not executed %v, unknown %v, unsupported %v", c.name, notExecuted(c.err), outcomeUnknown(c.err), unsupported(c.err))
		}
	}
}

func TestMediumGeneration(t *testing.T) {
	for _, c := range []struct {
		mediaType, barcode string
		want               drive.Generation
	}{
		{"LTO-6", "A00001L8", drive.LTO6}, {"L7", "A00001L8", drive.LTO7}, {"", "A00001L8", drive.LTO8}, {"", "A00001", ""}, {"", "", ""},
		{"??", "A00001L8", ""},
	} {
		if got := MediumGeneration(c.mediaType, c.barcode); got != c.want {
			t.Errorf("%q %q is %q, want %q", c.mediaType, c.barcode, got, c.want)
		}
	}
}

// Drives are paired by what the changer tells, then by what the drive tells, and by elimination only where it is certain.
func TestMatch(t *testing.T) {
	device := func(address, serial string, element int) *candidate {
		return &candidate{address: address, identity: scsi.Identity{DeviceType: scsi.TapeDevice, Vendor: "V", Product: "P", Serial: serial,
			ElementAddress: uint16(element), ElementAddressKnown: element != 0}}
	}
	for _, c := range []struct {
		name       string
		serials    []string // of the elements from 257 on, as the changer tells them; "avol:S" as alternate volume tag
		candidates []*candidate
		want       string
	}{
		{"by serial number", []string{"A", "B"}, []*candidate{device("b", "B", 0), device("a", "A", 0)}, "257=a 258=b"},
		{"by alternate volume tag", []string{"avol:A", "avol:B"}, []*candidate{device("b", "B", 0), device("a", "A", 0)}, "257=a 258=b"},
		{"by the drives' own element", []string{"", ""}, []*candidate{device("x", "X", 258), device("y", "Y", 257)}, "257=y 258=x"},
		{"the changer counts more than the drive", []string{"A", "B"}, []*candidate{device("a", "A", 258), device("b", "B", 257)}, "257=a 258=b"},
		{"two say the same element", []string{"", ""}, []*candidate{device("x", "X", 257), device("y", "Y", 257)}, "257=? 258=?"},
		{"elimination", []string{"A", ""}, []*candidate{device("x", "X", 0), device("a", "A", 0)}, "257=a 258=x"},
		{"elimination, cut off", []string{"A", "SER"}, []*candidate{device("x", "SERIAL9", 0), device("a", "A", 0)}, "257=a 258=x"},
		{"no elimination against the changer", []string{"A", "B"}, []*candidate{device("x", "X", 0), device("a", "A", 0)}, "257=a 258=?"},
		{"two devices of different make claim one number", []string{"A"}, []*candidate{device("a", "A", 0), {address: "z", identity: scsi.Identity{Serial: "A", Vendor: "Z"}}}, "257=?"},
		{"two paths", []string{"A", "B"}, []*candidate{device("a1", "A", 0), device("b", "B", 0), device("a2", "A", 0)}, "257=a1 258=b"},
		{"no serial numbers are no paths", []string{"", ""}, []*candidate{device("a", "", 0), device("b", "", 0)}, "257=? 258=?"},
	} {
		d := &Discovery{}
		var elements []changer.Element
		ids := map[changer.ElementAddress]changer.DeviceIdentifier{}
		for i, serial := range c.serials {
			e := changer.Element{Type: changer.DataTransfer, Address: changer.ElementAddress(257 + i)}
			if tag, ok := strings.CutPrefix(serial, "avol:"); ok {
				e.AlternateVolumeTag.Identifier = tag
			} else if serial != "" {
				ids[e.Address] = changer.DeviceIdentifier{Serial: serial}
			}
			elements = append(elements, e)
		}
		d.match(elements, ids, d.paths(c.candidates))
		found := map[int]string{}
		for _, drive := range d.Library.Drives {
			found[drive.ElementAddress] = drive.Address
		}
		var got []string
		for _, e := range elements {
			address := found[int(e.Address)]
			if address == "" {
				address = "?"
			}
			got = append(got, fmt.Sprintf("%d=%s", e.Address, address))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s (unmatched %q)", c.name, strings.Join(got, " "), c.want, d.Unmatched)
		}
	}
}
