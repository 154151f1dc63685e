package drive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// object is a block or a filemark on a fake tape.
type object struct {
	mark bool
	data []byte
}

// quirks are the ways in which fake drives differ from the standard.
type quirks struct {
	tgt        bool // everything of scsi.md section 7
	noLocate   bool // neither LOCATE; positions are told, SPACE stops at filemarks
	noLocate16 bool
	shortOnly  bool // READ POSITION short form only
	noList     bool // no REPORT SUPPORTED OPERATION CODES
	eomAtEOD   bool // EOM is set with end of data (Q54)
	negative   bool // backward residuals are negative (Q55)
	badResid   bool // the transport counts one byte less (Q59)
}

// fakeDrive is a drive with a tape in memory, behind a transport.
type fakeDrive struct {
	quirks
	tape     []object
	pos      int
	buffered int // objects that are lost with loseBuffer
	early    int // early warning from this object on, 0 none
	capacity int // volume overflow at this object, 0 none
	loaded   bool
	protect  bool

	attentions [][]byte
	notReady   [][]byte // answers to TEST UNIT READY in turn
	mode       scsi.ModeParameters
	selects    [][]byte
	refusePage bool
	attributes []Attribute
	logs       map[byte]scsi.LogPage
	densities  []Density
	commands   scsi.SupportedCommands
	product    string
	// intercept answers a command in place of the drive when it returns true.
	intercept func(c *scsi.Command) (handled bool, err error)
	transport *scsitest.Transport
}

var specOpcodes = []byte{0x00, 0x01, 0x03, 0x05, 0x08, 0x0A, 0x10, 0x11, 0x12, 0x19, 0x1B, 0x1E, 0x2B, 0x34, 0x44, 0x4D, 0x55, 0x5A, 0x8C, 0x8D, 0x92, 0xA0, 0xA3}
var tgtOpcodes = []byte{0x00, 0x01, 0x03, 0x05, 0x08, 0x0A, 0x0B, 0x10, 0x11, 0x12, 0x15, 0x1A, 0x1B, 0x1D, 0x1E, 0x34, 0x5A, 0xA0, 0xA3}

func newFake(q quirks) *fakeDrive {
	f := &fakeDrive{quirks: q, loaded: true, product: "Ultrium 6-SCSI", logs: map[byte]scsi.LogPage{}}
	f.mode = scsi.ModeParameters{HasBlockDescriptor: true, BufferedMode: 1, Density: 0x5A, MediumType: 0x68,
		Pages: []scsi.ModePage{
			{0x0F, 0x0E, 0xC0, 0x80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},
			{0x10, 0x0E, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, 1, 0},
		}}
	opcodes := specOpcodes
	if q.tgt {
		opcodes = tgtOpcodes
		f.mode.Density, f.mode.MediumType = 0, 0
		f.mode.Pages[0] = make(scsi.ModePage, 16)
		f.mode.Pages[0][0], f.mode.Pages[0][1] = 0x0F, 0x0E
		f.refusePage = true
	}
	for _, op := range opcodes {
		if (op == 0x2B || op == 0x92) && q.noLocate || op == 0x92 && q.noLocate16 {
			continue
		}
		f.commands = append(f.commands, scsi.SupportedCommand{OperationCode: op, CDBLength: 6})
	}
	f.transport = &scsitest.Transport{SendFunc: func(_ context.Context, c *scsi.Command) error { return f.answer(c) }}
	return f
}

// open opens the fake, without waiting anywhere.
func (f *fakeDrive) open(t testing.TB) *Drive {
	t.Helper()
	d, err := New(context.Background(), f.transport, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return d
}

// rewound opens the fake and rewinds.
func (f *fakeDrive) rewound(t testing.TB) *Drive {
	t.Helper()
	d := f.open(t)
	if err := d.Rewind(context.Background()); err != nil {
		t.Fatal(err)
	}
	return d
}

// write puts objects onto the tape: strings are blocks, nil is a filemark.
func (f *fakeDrive) write(objects ...any) {
	for _, o := range objects {
		switch v := o.(type) {
		case nil:
			f.tape = append(f.tape, object{mark: true})
		case string:
			f.tape = append(f.tape, object{data: []byte(v)})
		case int:
			f.tape = append(f.tape, object{data: pattern(v)})
		}
	}
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func check(c *scsi.Command, s scsi.Sense) { scsitest.CheckCondition(c, scsitest.Fixed(s), nil) }

func key(c *scsi.Command, k scsi.SenseKey, asc, ascq byte) {
	check(c, scsi.Sense{Key: k, ASC: asc, ASCQ: ascq})
}

func (f *fakeDrive) answer(c *scsi.Command) error {
	if f.intercept != nil {
		if handled, err := f.intercept(c); handled {
			return err
		}
	}
	op := c.CDB[0]
	if len(f.attentions) > 0 && op != 0x12 {
		scsitest.CheckCondition(c, f.attentions[0], nil)
		f.attentions = f.attentions[1:]
		return nil
	}
	if _, ok := f.commands.Find(op, 0); !ok {
		key(c, scsi.IllegalRequest, 0x20, 0)
		return nil
	}
	handlers := map[byte]func(*scsi.Command){
		0x00: f.testReady, 0x12: f.inquiry, 0x05: f.limits, 0xA3: f.opcodes, 0x5A: f.modeSense, 0x55: f.modeSelect, 0x15: f.modeSelect,
		0x1E: func(c *scsi.Command) { scsitest.Good(c, nil) }, 0x1B: f.load, 0x4D: f.logSense, 0x8C: f.readAttribute, 0x8D: f.writeAttribute, 0x44: f.density,
	}
	if h, ok := handlers[op]; ok {
		h(c)
		return nil
	}
	if !f.loaded {
		key(c, scsi.NotReady, 0x3A, 0)
		return nil
	}
	map[byte]func(*scsi.Command){0x01: f.rewind, 0x08: f.read, 0x0A: f.writeBlock, 0x10: f.writeMarks, 0x11: f.space,
		0x2B: f.locate, 0x92: f.locate, 0x34: f.position, 0x19: f.erase}[op](c)
	return nil
}

func (f *fakeDrive) testReady(c *scsi.Command) {
	switch {
	case len(f.notReady) > 0:
		scsitest.CheckCondition(c, f.notReady[0], nil)
		f.notReady = f.notReady[1:]
	case !f.loaded:
		key(c, scsi.NotReady, 0x3A, 0)
	default:
		scsitest.Good(c, nil)
	}
}

func (f *fakeDrive) inquiry(c *scsi.Command) {
	b := make([]byte, 36)
	b[0], b[1], b[2], b[3], b[4] = 0x01, 0x80, 0x05, 0x02, 31
	copy(b[8:], "HP                              0001")
	copy(b[16:], f.product)
	if c.CDB[1]&1 == 0 {
		scsitest.Good(c, b)
		return
	}
	switch c.CDB[2] {
	case 0x00:
		scsitest.Good(c, []byte{0x01, 0x00, 0, 2, 0x00, 0x80})
	case 0x80:
		scsitest.Good(c, append([]byte{0x01, 0x80, 0, 10}, "HUM1A00001"...))
	default:
		key(c, scsi.IllegalRequest, 0x24, 0)
	}
}

func (f *fakeDrive) limits(c *scsi.Command) {
	scsitest.Good(c, []byte{0x00, 0x10, 0x00, 0x00, 0x00, 0x04}) // 4 bytes to 1 MiB, as tgt says
}

func (f *fakeDrive) opcodes(c *scsi.Command) {
	if f.noList {
		key(c, scsi.IllegalRequest, 0x20, 0)
		return
	}
	scsitest.Good(c, f.commands.Marshal(true))
}

func (f *fakeDrive) modeSense(c *scsi.Command) {
	p := f.mode
	p.WriteProtected = f.protect
	page := c.CDB[2] & 0x3F
	if page != 0x3F {
		p.Pages = slices.DeleteFunc(slices.Clone(p.Pages), func(m scsi.ModePage) bool { return m.Code() != page })
		if len(p.Pages) == 0 {
			key(c, scsi.IllegalRequest, 0x24, 0)
			return
		}
	}
	scsitest.Good(c, p.Marshal(scsi.Header10))
}

func (f *fakeDrive) modeSelect(c *scsi.Command) {
	f.selects = append(f.selects, bytes.Clone(c.Data))
	h := scsi.Header10
	if c.CDB[0] == 0x15 {
		h = scsi.Header6
	}
	var p scsi.ModeParameters
	if err := p.UnmarshalSelect(h, c.Data); err != nil {
		key(c, scsi.IllegalRequest, 0x1A, 0)
		return
	}
	if p.HasBlockDescriptor {
		f.mode.BlockLength = p.BlockLength
	}
	f.mode.BufferedMode = p.BufferedMode
	if len(p.Pages) > 0 && f.refusePage {
		key(c, scsi.IllegalRequest, 0x26, 0)
		return
	}
	for _, page := range p.Pages {
		for i := range f.mode.Pages {
			if f.mode.Pages[i].Code() == page.Code() {
				f.mode.Pages[i] = page
			}
		}
	}
	scsitest.Good(c, nil)
}

func (f *fakeDrive) load(c *scsi.Command) {
	if !f.tgt {
		f.loaded, f.pos, f.buffered = c.CDB[4]&1 != 0, 0, 0
	}
	scsitest.Good(c, nil)
}

func (f *fakeDrive) logSense(c *scsi.Command) {
	p, ok := f.logs[c.CDB[2]&0x3F]
	if !ok {
		key(c, scsi.IllegalRequest, 0x24, 0)
		return
	}
	scsitest.Good(c, p.Marshal())
}

func (f *fakeDrive) readAttribute(c *scsi.Command) {
	first := AttributeID(binary.BigEndian.Uint16(c.CDB[8:10]))
	var list []Attribute
	for _, a := range f.attributes {
		if a.ID >= first {
			list = append(list, a)
		}
	}
	if len(list) == 0 || first != 0 && list[0].ID != first { // as IBM does (Q63)
		key(c, scsi.IllegalRequest, 0x24, 0)
		return
	}
	b, err := EncodeAttributes(list)
	if err != nil {
		panic(err)
	}
	scsitest.Good(c, b)
}

func (f *fakeDrive) writeAttribute(c *scsi.Command) {
	list, _, err := DecodeAttributes(c.Data)
	if err != nil || len(list) != 1 || c.CDB[1]&1 == 0 {
		key(c, scsi.IllegalRequest, 0x26, 0)
		return
	}
	f.attributes = slices.DeleteFunc(f.attributes, func(a Attribute) bool { return a.ID == list[0].ID })
	if len(list[0].Value) > 0 {
		f.attributes = append(f.attributes, list[0])
		slices.SortFunc(f.attributes, func(a, b Attribute) int { return int(a.ID) - int(b.ID) })
	}
	scsitest.Good(c, nil)
}

func (f *fakeDrive) density(c *scsi.Command) { scsitest.Good(c, EncodeDensities(f.densities)) }

func (f *fakeDrive) rewind(c *scsi.Command) {
	f.pos, f.buffered = 0, 0
	scsitest.Good(c, nil)
}

// once makes an intercept that answers the first command with the operation code.
func once(op byte, answer func(c *scsi.Command) error) func(*scsi.Command) (bool, error) {
	done := false
	return func(c *scsi.Command) (bool, error) {
		if done || c.CDB[0] != op {
			return false, nil
		}
		done = true
		return true, answer(c)
	}
}

var errCable = errors.New("cable pulled")

// sent counts the commands with an operation code.
func (f *fakeDrive) sent(opcode byte) []scsi.Command {
	return slices.DeleteFunc(f.transport.Sent(), func(c scsi.Command) bool { return c.CDB[0] != opcode })
}
