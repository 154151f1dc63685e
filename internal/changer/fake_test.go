package changer

import (
	"context"
	"slices"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// quirks are the ways in which fake changers differ from the standard.
type quirks struct {
	noDVCID, noCurrentData, noVolumeTag bool
	tgt                                 bool // count ignored, answers 8 bytes short, identifiers cut
	maxCount                            int  // larger counts fail with a hardware error (Q06)
	low16                               bool // only 16 bits of the allocation length count (Q06)
	rangeOfAddresses                    bool // the count is taken for a range of addresses
	arm                                 ElementAddress
	noMode1D                            bool
}

// fake is a changer made of elements, behind a transport.
type fake struct {
	quirks
	assignment Assignment
	elements   []Element
	attentions [][]byte // queued unit attentions, given before any command but INQUIRY
	notReady   [][]byte // answers to TEST UNIT READY in turn
	moved      []MoveMedium
	moveSense  []byte
	before     func(c *scsi.Command) // called before each command
	transport  *scsitest.Transport
}

// newFake makes a changer with slots from 1000, drives from 1, mail slots from 600 and the arm at 500.
func newFake(slots, drives, mail int, q quirks) *fake {
	f := &fake{quirks: q, assignment: Assignment{
		MediumTransport: Range{500, 1}, Storage: Range{1000, slots}, ImportExport: Range{600, mail}, DataTransfer: Range{1, drives},
	}}
	for i := range drives {
		f.elements = append(f.elements, Element{Address: ElementAddress(1 + i), Type: DataTransfer, VolumeTagReported: true,
			Identifier: DeviceIdentifier{Vendor: "HP", Product: "Ultrium 6-SCSI", Serial: "HUM1A0000" + string(rune('1'+i))}})
	}
	f.elements = append(f.elements, Element{Address: 500, Type: MediumTransport, VolumeTagReported: true})
	for i := range mail {
		f.elements = append(f.elements, Element{Address: ElementAddress(600 + i), Type: ImportExport, VolumeTagReported: true})
	}
	for i := range slots {
		f.elements = append(f.elements, Element{Address: ElementAddress(1000 + i), Type: Storage, Full: true, VolumeTagReported: true,
			PrimaryVolumeTag: VolumeTag{Identifier: barcode(i)}})
	}
	f.transport = &scsitest.Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
		f.answer(c)
		return nil
	}}
	return f
}

func barcode(i int) string {
	return string([]byte{'T', byte('0' + i/10000%10), byte('0' + i/1000%10), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10), 'L', '6'})
}

func illegal(ascq ...byte) []byte { return scsitest.Sense(scsi.IllegalRequest, ascq[0], ascq[1]) }

func (f *fake) answer(c *scsi.Command) {
	if f.before != nil {
		f.before(c)
	}
	if len(f.attentions) > 0 && c.CDB[0] != 0x12 {
		scsitest.CheckCondition(c, f.attentions[0], nil)
		f.attentions = f.attentions[1:]
		return
	}
	switch c.CDB[0] {
	case 0x00:
		if len(f.notReady) > 0 {
			scsitest.CheckCondition(c, f.notReady[0], nil)
			f.notReady = f.notReady[1:]
			return
		}
		scsitest.Good(c, nil)
	case 0x12:
		f.inquiry(c)
	case 0x5A:
		scsitest.CheckCondition(c, illegal(0x20, 0), nil)
	case 0x1A:
		f.modeSense(c)
	case 0xB8:
		f.status(c)
	case 0xA5:
		f.move(c)
	case 0x07, 0x1E:
		scsitest.Good(c, nil)
	default:
		scsitest.CheckCondition(c, illegal(0x20, 0), nil)
	}
}

func (f *fake) inquiry(c *scsi.Command) {
	if c.CDB[1]&1 == 0 {
		b := make([]byte, 36)
		b[0], b[2], b[3], b[4] = 0x08, 0x05, 0x02, 31
		copy(b[8:], "STK     L700            0001")
		scsitest.Good(c, b)
		return
	}
	switch c.CDB[2] {
	case 0x00:
		scsitest.Good(c, []byte{0x08, 0x00, 0, 2, 0x00, 0x80})
	case 0x80:
		scsitest.Good(c, append([]byte{0x08, 0x80, 0, 8}, "  VTL327"...))
	default:
		scsitest.CheckCondition(c, illegal(0x24, 0), nil)
	}
}

func (f *fake) modeSense(c *scsi.Command) {
	p := scsi.ModeParameters{}
	switch c.CDB[2] & 0x3F {
	case 0x1D:
		if f.noMode1D {
			scsitest.CheckCondition(c, illegal(0x24, 0), nil)
			return
		}
		p.Pages = []scsi.ModePage{EncodeAssignment(f.assignment)}
	case 0x1F: // the page of an HPE MSL3040
		p.Pages = []scsi.ModePage{{0x1F, 0x12, 0x0A, 0x07, 0x0A, 0x0A, 0x00, 0x0A, 0, 0, 0, 0, 0, 0x0A, 0, 0x0A, 0, 0, 0, 0}}
	default:
		scsitest.CheckCondition(c, illegal(0x24, 0), nil)
		return
	}
	scsitest.Good(c, p.Marshal(scsi.Header6))
}

// status answers READ ELEMENT STATUS with all the quirks.
func (f *fake) status(c *scsi.Command) {
	var q ReadElementStatus
	if err := q.UnmarshalCDB(c.CDB); err != nil {
		scsitest.CheckCondition(c, illegal(0x20, 0), nil)
		return
	}
	if f.noDVCID && q.DeviceIdentifier || f.noCurrentData && q.CurrentData || f.noVolumeTag && q.VolumeTag || q.Type == AllElements {
		scsitest.CheckCondition(c, illegal(0x24, 0), nil)
		return
	}
	if f.maxCount > 0 && int(q.Count) > f.maxCount {
		scsitest.CheckCondition(c, scsitest.Sense(scsi.HardwareError, 0x44, 0), nil)
		return
	}
	var list []Element
	for _, e := range f.elements {
		if e.Type != q.Type || e.Address < q.Start {
			continue
		}
		if f.rangeOfAddresses && int(e.Address) >= int(q.Start)+int(q.Count) {
			continue
		}
		if len(list) < int(q.Count) || f.tgt {
			list = append(list, e)
		}
	}
	b, err := EncodeElementStatus(list, EncodeOptions{VolumeTag: q.VolumeTag, DeviceIdentifier: q.DeviceIdentifier, IdentifierHeader: true})
	if err != nil {
		panic(err)
	}
	if f.tgt && len(list) > 0 {
		b = b[:len(b)-8]
	}
	allocation := int(q.Allocation)
	if f.low16 {
		allocation &= 0xFFFF
	}
	scsitest.Good(c, b[:min(len(b), allocation)])
}

func (f *fake) move(c *scsi.Command) {
	var m MoveMedium
	if err := m.UnmarshalCDB(c.CDB); err != nil {
		panic(err)
	}
	f.moved = append(f.moved, m)
	switch {
	case f.arm != m.Transport && f.arm != anyArm:
		scsitest.CheckCondition(c, illegal(0x21, 1), nil)
	case f.moveSense != nil:
		scsitest.CheckCondition(c, f.moveSense, nil)
	default:
		scsitest.Good(c, nil)
	}
}

const anyArm ElementAddress = 0xFFFF

// open opens the fake, without waiting anywhere.
func (f *fake) open(t *testing.T) *Changer {
	t.Helper()
	c, err := New(context.Background(), f.transport)
	if err != nil {
		t.Fatal(err)
	}
	c.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c
}

// sent counts the commands with an operation code since the mark.
func (f *fake) sent(opcode byte, since int) []scsi.Command {
	return slices.DeleteFunc(f.transport.Sent()[since:], func(c scsi.Command) bool { return c.CDB[0] != opcode })
}
