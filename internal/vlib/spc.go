package vlib

import (
	"encoding/binary"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// requestSense returns a pending unit attention, or how far an operation is, as the data of a GOOD command.
func (t *task) requestSense() *sense {
	var r scsi.RequestSense
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	t.settle()
	t.n.pull()
	s := &sense{}
	done, working := t.working()
	switch {
	case len(t.n.queue) > 0:
		a := t.n.queue[0]
		t.n.queue = t.n.queue[1:]
		s = check(0x6, a.asc, a.ascq)
	case t.s.deferred && t.s.toSwallow == 0:
		s = t.takeDeferred()
	case working:
		s = check(0x0, 0x00, 0x16).progress(done)
	default:
		if r := t.unready(); r != nil {
			s = r
		}
	}
	return t.reply(s.encode(t.cdb[1]&1 != 0), int(t.cdb[4]))
}

func (t *task) deviceType() scsi.DeviceType {
	if t.d.number < 0 {
		return scsi.ChangerDevice
	}
	return scsi.TapeDevice
}

// identification is vendor, product and revision of the device.
func (d *device) identification() (vendor, product, revision string) {
	if d.number < 0 {
		return d.config.Vendor, d.config.Product, d.config.Revision
	}
	return "TAPECTL", d.gen.product, d.config.Revision
}

func (t *task) inquiry() *sense {
	var r scsi.Inquiry
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.EVPD {
		b, s := t.vitalData(r.Page)
		if s != nil {
			return s
		}
		return t.reply(b, int(r.AllocationLength))
	}
	if r.Page != 0 {
		return badCDB(2, 7)
	}
	d := scsi.InquiryData{DeviceType: t.deviceType(), Removable: true, Version: 6, ResponseFormat: 2,
		VersionDescriptors: []uint16{0x0460, 0x0500}}
	if t.d.number < 0 {
		d.VersionDescriptors[1] = 0x0480
	}
	d.Vendor, d.Product, d.Revision = t.d.identification()
	return t.reply(d.Marshal(), int(r.AllocationLength))
}

// vitalData builds a vital product data page.
func (t *task) vitalData(page byte) ([]byte, *sense) {
	kind := t.deviceType()
	pages := []byte{0x00, 0x80, 0x83}
	if kind == scsi.TapeDevice {
		pages = append(pages, 0xB0, 0xB1, 0xB2, 0xB3, 0xB4)
	}
	p := scsi.VPDPage{DeviceType: kind, Code: page}
	switch {
	case page == 0x00:
		p.Data = pages
	case page == 0x80 && t.d.config.Quirks.PaddedSerial:
		p.Data = fmt.Appendf(nil, "%36s", t.d.serial)
	case page == 0x80, page == 0xB1 && kind == scsi.TapeDevice, page == 0xB3 && kind == scsi.TapeDevice:
		p.Data = []byte(t.d.serial)
	case page == 0x83:
		vendor, product, _ := t.d.identification()
		p = scsi.MarshalDesignators(kind, []scsi.Designator{
			{CodeSet: 2, Type: scsi.DesignatorT10, Data: fmt.Appendf(nil, "%-8s%-16s%s", vendor, product, t.d.serial)},
			{CodeSet: 1, Type: scsi.DesignatorNAA, Data: binary.BigEndian.AppendUint64(nil, t.d.worldWideName())},
		})
	case page == 0xB0 && kind == scsi.TapeDevice:
		p = scsi.SequentialAccess{WORM: true}.Marshal()
	case page == 0xB2 && kind == scsi.TapeDevice:
		p.Data = make([]byte, 8)
		for n := 1; n <= 64; n++ {
			p.Data[(n-1)/8] |= flag(knownAlert(n), 0x80>>((n-1)%8))
		}
	case page == 0xB4 && kind == scsi.TapeDevice:
		p.Data = binary.BigEndian.AppendUint16(nil, t.d.element)
	default:
		return nil, badCDB(2, -1)
	}
	return p.Marshal(), nil
}

// worldWideName is an NAA 3h (locally assigned) name made from the serial number.
func (d *device) worldWideName() uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(d.serial) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return 0x3<<60 | h>>4
}

// knownAlert tells whether a virtual drive has the TapeAlert flag: those of SSC-5 that are not obsolete.
func knownAlert(n int) bool { return n >= 0x01 && n <= 0x27 || n >= 0x31 && n <= 0x3C }

func (t *task) reportLUNs() *sense {
	var r scsi.ReportLUNs
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	allocation := binary.BigEndian.Uint32(t.cdb[6:10])
	if t.cdb[2] > 2 {
		return badCDB(2, -1)
	}
	if allocation < 16 {
		return badCDB(6, -1)
	}
	return t.reply(scsi.MarshalLUNs([]uint16{0}), int(min(allocation, 1<<20)))
}

// reportCommands answers REPORT SUPPORTED OPERATION CODES from the table that dispatches the commands.
func (t *task) reportCommands() *sense {
	var r scsi.ReportSupportedOperationCodes
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	allocation := int(min(r.AllocationLength, 1<<24))
	if r.ReportingOptions == scsi.ReportAllCommands {
		var list scsi.SupportedCommands
		for op := range t.d.commands {
			for _, c := range t.d.commands[op] {
				if !t.d.unsupported(c.op) {
					list = append(list, scsi.SupportedCommand{OperationCode: c.op, ServiceAction: uint16(max(c.action, 0)),
						HasServiceAction: c.action >= 0, CDBLength: len(c.usage), NominalTimeout: c.timeout / 4,
						RecommendedTimeout: c.timeout})
				}
			}
		}
		return t.reply(list.Marshal(r.Timeouts), allocation)
	}
	list := t.d.commands[r.RequestedOperationCode]
	hasActions := len(list) > 0 && list[0].action >= 0
	switch {
	case r.ReportingOptions > 3:
		return badCDB(2, 2)
	case r.ReportingOptions == scsi.ReportOneCommand && hasActions,
		r.ReportingOptions == scsi.ReportOneServiceAction && len(list) > 0 && !hasActions:
		return badCDB(4, -1)
	}
	var found *command
	for _, c := range list {
		if (c.action < 0 || c.action == int(r.RequestedServiceAction)) && !t.d.unsupported(c.op) {
			found = c
		}
	}
	return t.reply(oneCommand(found, r.Timeouts), allocation)
}

// oneCommand is the parameter data for a single command (SPC-5 6.34.3).
func oneCommand(c *command, timeouts bool) []byte {
	if c == nil {
		return []byte{0, 0x01, 0, 0} // not supported
	}
	b := []byte{0, 0x03 | flag(timeouts, 0x80), 0, byte(len(c.usage))}
	b = append(b, c.usage...)
	if timeouts {
		b = append(b, 0, 0x0A, 0, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(c.timeout/4/time.Second))
		b = binary.BigEndian.AppendUint32(b, uint32(c.timeout/time.Second))
	}
	return b
}

func (t *task) preventAllow() *sense {
	var r scsi.PreventAllowMediumRemoval
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.Prevent > 1 {
		return badCDB(4, 1)
	}
	p := &t.s.prevent
	for i, id := range *p {
		if id == t.n.id {
			*p = append((*p)[:i:i], (*p)[i+1:]...)
			break
		}
	}
	if r.Prevent == 0 {
		return nil
	}
	t.d.prevented() // forgets lost hosts, to make room
	if len(*p) >= maxNexuses {
		return illegal(0x55, 0x03) // INSUFFICIENT RESOURCES
	}
	*p = append(*p, t.n.id)
	return nil
}
