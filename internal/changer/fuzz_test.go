package changer

import (
	"context"
	"testing"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// A changer that answers anything at all is read in a bounded number of commands, and the elements that come out have
// the type that was asked for, each address once.
func FuzzInventory(f *testing.F) {
	good, err := EncodeElementStatus([]Element{{Address: 1000, Type: Storage, Full: true, PrimaryVolumeTag: VolumeTag{Identifier: "A"}},
		{Address: 1001, Type: Storage}}, EncodeOptions{VolumeTag: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(20), good, good[:40])
	f.Add(uint8(200), []byte{0, 0, 0, 0, 0, 0, 0, 8}, good[:len(good)-8])
	f.Add(uint8(3), []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0}, good)
	f.Fuzz(func(t *testing.T, slots uint8, first, second []byte) {
		fake := newFake(int(slots), 2, 0, quirks{})
		c := fake.open(t)
		commands := 0
		fake.transport.SendFunc = func(_ context.Context, cmd *scsi.Command) error {
			if cmd.CDB[0] != 0xB8 {
				fake.answer(cmd)
				return nil
			}
			b := first
			if commands++; commands%2 == 0 {
				b = second
			}
			if len(b) > 2 && b[0] == 0x70 && b[2]&0x0F != 0x06 { // sense data, but no attention
				scsitest.CheckCondition(cmd, b, nil)
				return nil
			}
			scsitest.Good(cmd, b[:min(len(b), len(cmd.Data))])
			return nil
		}
		// One command for each address and type of form, and the halvings of the count, is the most that can be needed.
		limit := 3*(int(slots)+1) + 3*12
		elements, err := c.ElementsOf(context.Background(), Storage)
		if commands > limit {
			t.Fatalf("%d commands for %d slots", commands, slots)
		}
		if err != nil {
			return
		}
		seen := map[ElementAddress]bool{}
		for i, e := range elements {
			if e.Type != Storage || seen[e.Address] || e.Address < 1000 {
				t.Fatalf("element %+v", e)
			}
			if i > 0 && elements[i-1].Address > e.Address {
				t.Fatal("not sorted")
			}
			seen[e.Address] = true
		}
		if _, err := c.Element(context.Background(), 1000); err == nil && commands > limit+3 {
			t.Fatalf("%d commands for one element more", commands)
		}
		if ids, err := c.DriveIdentifiers(context.Background()); err == nil {
			for a, id := range ids {
				if len(id.Raw) == 0 {
					t.Fatalf("drive %d has an empty identifier", a)
				}
			}
		}
	})
}
