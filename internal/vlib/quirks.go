package vlib

import (
	"fmt"
	"slices"
)

// Quirks is how a library deviates from the standard, as data. The zero value is spec-conformant. Set them in
// Config.Quirks or with Library.SetQuirks; named sets are in QuirkProfile. The Qnn are the numbers of docs/scsi.md, section 4.
type Quirks struct {
	// Profile is the name of the set that these came from; for people only.
	Profile string `json:",omitempty"`

	// ChangerUnsupported and DriveUnsupported are operation codes that are answered with 05/20/00.
	ChangerUnsupported []int `json:",omitempty"`
	DriveUnsupported   []int `json:",omitempty"`

	// MaxElements is the most element descriptors, and MaxAnswer the most bytes, in one READ ELEMENT STATUS answer; 0
	// is no limit.
	MaxElements int `json:",omitempty"`
	MaxAnswer   int `json:",omitempty"`
	// IgnoreElementCount answers with all elements from the starting address on (tgt).
	IgnoreElementCount bool `json:",omitempty"`
	// NoDVCID refuses device identifiers with 05/24/00 (Q01).
	NoDVCID bool `json:",omitempty"`
	// DVCIDExcludesVOLTAG refuses both in one command (Q02).
	DVCIDExcludesVOLTAG bool `json:",omitempty"`
	// DVCIDOnlyForDrives refuses device identifiers for other element types than data transfer (Q02).
	DVCIDOnlyForDrives bool `json:",omitempty"`
	// SerialOnlyIdentifier gives identifier type 0, the serial number alone (Q03).
	SerialOnlyIdentifier bool `json:",omitempty"`
	// TruncateAnswer cuts so many bytes off the end of each element status answer (Q07, tgt 8).
	TruncateAnswer int `json:",omitempty"`
	// NoVolumeTags refuses VOLTAG with 05/24/00.
	NoVolumeTags bool `json:",omitempty"`
	// NoCURDATA refuses the CURDATA bit with 05/24/00.
	NoCURDATA bool `json:",omitempty"`
	// NULVolumeTags pads volume tags with NUL instead of spaces (Q21).
	NULVolumeTags bool `json:",omitempty"`
	// SourceNeverValid never sets SVALID (Q11).
	SourceNeverValid bool `json:",omitempty"`
	// AccessNeverSet never sets ACCESS (Q12, tgt).
	AccessNeverSet bool `json:",omitempty"`
	// AccessAlwaysSet sets ACCESS also for a drive that holds its cartridge (Q12).
	AccessAlwaysSet bool `json:",omitempty"`
	// NoAllTypes refuses element type 0 (Q08).
	NoAllTypes bool `json:",omitempty"`
	// ExceptForCleaning sets EXCEPT with 30/03 for cleaning cartridges and 83/01 for those without label (Q09).
	ExceptForCleaning bool `json:",omitempty"`
	// RealTransportAddress refuses medium transport address 0 with 05/21/01 (Q37).
	RealTransportAddress bool `json:",omitempty"`
	// AutoUnload lets MOVE MEDIUM take a cartridge from a drive that was not unloaded (Q30, IBM).
	AutoUnload bool `json:",omitempty"`
	// RefuseDBD refuses the DBD bit of MODE SENSE with 05/24/00 (Q16).
	RefuseDBD bool `json:",omitempty"`
	// NoMailMoves refuses moves between import/export elements and drives with 05/24/00 (Q36).
	NoMailMoves bool `json:",omitempty"`

	// BusyCommands answers BUSY to the first so many commands of each nexus.
	BusyCommands int `json:",omitempty"`
	// AttentionStorm queues so many further unit attentions for each new nexus (Q34).
	AttentionStorm int `json:",omitempty"`

	// SlowReady answers 02/04/01 to the first so many TEST UNIT READY after a load (Q32).
	SlowReady int `json:",omitempty"`
	// AbsentAtFirst answers 02/3A/00 to the first so many TEST UNIT READY after a load, before those (Q32).
	AbsentAtFirst int `json:",omitempty"`
	// LoadCommandNeeded leaves a cartridge that a move inserted at 02/04/02 until a LOAD command.
	LoadCommandNeeded bool `json:",omitempty"`
	// UnloadDoesNothing makes UNLOAD succeed without effect; moves work from the ready drive (tgt).
	UnloadDoesNothing bool `json:",omitempty"`
	// PositionUnknown makes READ POSITION say that the location is unknown (LOLU, LONU), and refuses the extended form
	// (tgt).
	PositionUnknown bool `json:",omitempty"`
	// SpaceCountsFilemarks makes SPACE blocks pass over filemarks and count them (tgt).
	SpaceCountsFilemarks bool `json:",omitempty"`
	// ShortReadsLoseData transfers R-A instead of A bytes when the block of A bytes is shorter than R (tgt before
	// 1.0.94).
	ShortReadsLoseData bool `json:",omitempty"`
	// PlainEndOfData reports end of data as key 8, EOM, 00/00 for READ and as key 0, 00/05 for SPACE (tgt).
	PlainEndOfData bool `json:",omitempty"`
	// EndIsOnlyAFlag reports the end of the tape as key 0, EOM, 00/00 with the block written, for ever (tgt).
	EndIsOnlyAFlag bool `json:",omitempty"`
	// NoMediumAttention reports no unit attention after a load (tgt).
	NoMediumAttention bool `json:",omitempty"`
	// NoBarcodeAttribute leaves MAM attribute 0806h out (Q63).
	NoBarcodeAttribute bool `json:",omitempty"`
	// CleaningRequested adds 00/82/82 to successful commands of drives, as HP LTO does (Q61).
	CleaningRequested bool `json:",omitempty"`
	// DescriptorSense makes drives report sense data in descriptor format.
	DescriptorSense bool `json:",omitempty"`
	// PaddedSerial right-justifies VPD page 80h in 36 characters (tgt).
	PaddedSerial bool `json:",omitempty"`
}

// limits of the counting quirks: more than a driver could ever wait for says that the file is damaged.
const maxQuirkCount = 1 << 20

func (q *Quirks) check() error {
	for _, n := range []int{q.MaxElements, q.MaxAnswer, q.TruncateAnswer, q.BusyCommands, q.AttentionStorm,
		q.SlowReady, q.AbsentAtFirst} {
		if n < 0 || n > maxQuirkCount {
			return fmt.Errorf("quirk count %d is out of range", n)
		}
	}
	for _, op := range append(slices.Clone(q.ChangerUnsupported), q.DriveUnsupported...) {
		if op < 0 || op > 0xFF {
			return fmt.Errorf("operation code %d in the quirks is out of range", op)
		}
	}
	return nil
}

var quirkProfiles = []Quirks{
	{Profile: "none"},
	{
		Profile: "tgt", IgnoreElementCount: true, TruncateAnswer: 8, AccessNeverSet: true, UnloadDoesNothing: true,
		PositionUnknown: true, SpaceCountsFilemarks: true, ShortReadsLoseData: true, PlainEndOfData: true,
		EndIsOnlyAFlag: true, NoMediumAttention: true, PaddedSerial: true, AutoUnload: true,
		ChangerUnsupported: []int{0x15, 0x16, 0x17, 0x1B, 0x1E, 0x2B, 0x4D, 0x55, 0x5E, 0x5F, 0xA6},
		DriveUnsupported: []int{0x04, 0x0B, 0x13, 0x16, 0x17, 0x19, 0x2B, 0x44, 0x4C, 0x4D, 0x55, 0x5E, 0x5F, 0x82, 0x8C, 0x8D,
			0x91, 0x92, 0xA2, 0xB5},
	},
	{Profile: "msl", SerialOnlyIdentifier: true},
	{Profile: "ibm", DVCIDExcludesVOLTAG: true, ExceptForCleaning: true, AutoUnload: true, SlowReady: 3, NoBarcodeAttribute: true},
	{Profile: "scalar", SerialOnlyIdentifier: true, DVCIDOnlyForDrives: true, NoAllTypes: true, AbsentAtFirst: 2, SlowReady: 2},
	{Profile: "qualstar", NoDVCID: true, SourceNeverValid: true, RealTransportAddress: true},
	{Profile: "starwind", ChangerUnsupported: []int{0x5A, 0x55}, DriveUnsupported: []int{0x5A, 0x55}},
	{Profile: "small", MaxElements: 16, MaxAnswer: 4096, NULVolumeTags: true},
	{Profile: "noreader", NoVolumeTags: true, SourceNeverValid: true},
	{Profile: "nervous", AttentionStorm: 5, BusyCommands: 1, SlowReady: 3, AbsentAtFirst: 2},
	{Profile: "manual", LoadCommandNeeded: true, NoCURDATA: true, RefuseDBD: true, NoMailMoves: true},
}

// QuirkProfile returns a named set: "none", "tgt" (Linux tgt 1.0.85), "msl", "ibm", "scalar", "qualstar", "starwind",
// "small", "noreader", "nervous", "manual".
func QuirkProfile(name string) (Quirks, error) {
	for _, q := range quirkProfiles {
		if q.Profile == name {
			q.ChangerUnsupported = slices.Clone(q.ChangerUnsupported)
			q.DriveUnsupported = slices.Clone(q.DriveUnsupported)
			return q, nil
		}
	}
	return Quirks{}, fmt.Errorf("find quirk profile %q: one of %v", name, QuirkProfiles())
}

// QuirkProfiles lists the names that QuirkProfile knows.
func QuirkProfiles() []string {
	names := make([]string, len(quirkProfiles))
	for i, q := range quirkProfiles {
		names[i] = q.Profile
	}
	return names
}
