package vlib

import (
	"encoding/binary"
	"time"

	"tapectl/internal/scsi"
)

// logSense is LOG SENSE (SPC-5 6.10). Pages are computed when they are asked for.
func (t *task) logSense() *sense {
	var r scsi.LogSense
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.Control == scsi.ThresholdCurrent || r.Control == scsi.ThresholdDefault {
		if r.Page != 0 {
			return badCDB(2, 7)
		}
	}
	pages := t.logPages()
	p := scsi.LogPage{Code: r.Page}
	switch {
	case r.Page == 0x00 && r.Subpage == 0xFF:
		p.HasSubpage, p.Subpage = true, 0xFF
		p.Data = []byte{0, 0}
		for _, l := range pages {
			p.Data = append(p.Data, l.code, 0)
		}
	case r.Subpage != 0:
		return badCDB(3, -1)
	case r.Page == 0x00:
		p.Data = []byte{0}
		for _, l := range pages {
			p.Data = append(p.Data, l.code)
		}
	default:
		fill := findLogPage(pages, r.Page)
		if fill == nil {
			return badCDB(2, 5)
		}
		fill(t, &p)
	}
	p.Data = fromParameter(p, r.ParameterPointer)
	return t.reply(p.Marshal(), int(r.AllocationLength))
}

// fromParameter leaves out the parameters below the parameter pointer.
func fromParameter(p scsi.LogPage, pointer uint16) []byte {
	if pointer == 0 || p.Code == 0 {
		return p.Data
	}
	for b := p.Data; len(b) >= 4; b = b[4+int(b[3]):] {
		if binary.BigEndian.Uint16(b) >= pointer {
			return b
		}
	}
	return nil
}

// logPage is a page and what fills it in.
type logPage struct {
	code byte
	fill func(*task, *scsi.LogPage)
}

func findLogPage(pages []logPage, code byte) func(*task, *scsi.LogPage) {
	for _, p := range pages {
		if p.code == code {
			return p.fill
		}
	}
	return nil
}

func (t *task) logPages() []logPage {
	if t.d.number < 0 {
		return []logPage{{0x0D, (*task).temperaturePage}, {0x14, (*task).changerStatistics}, {0x2E, (*task).alertPage}}
	}
	return []logPage{
		{0x02, (*task).writeErrorPage}, {0x03, (*task).readErrorPage}, {0x0C, (*task).sequentialPage}, {0x0D, (*task).temperaturePage},
		{0x11, (*task).deviceStatusPage}, {0x12, (*task).alertResponsePage}, {0x14, (*task).deviceStatistics},
		{0x17, (*task).volumeStatistics}, {0x2E, (*task).alertPage}, {0x31, (*task).capacityPage},
	}
}

// counter appends a binary parameter of size bytes.
func counter(p *scsi.LogPage, code uint16, size int, n uint64) {
	b := binary.BigEndian.AppendUint64(nil, n)
	p.Append(scsi.LogParameter{Code: code, Control: 0x03, Value: b[8-size:]})
}

// word appends an ASCII parameter.
func word(p *scsi.LogPage, code uint16, s string) {
	p.Append(scsi.LogParameter{Code: code, Control: 0x01, Value: []byte(s)})
}

func errorPage(p *scsi.LogPage, uncorrected, bytes uint64) {
	for code := range uint16(5) {
		counter(p, code, 4, 0)
	}
	counter(p, 5, 8, bytes)
	counter(p, 6, 4, uncorrected)
}

func (t *task) writeErrorPage(p *scsi.LogPage) { errorPage(p, t.s.writeErrors, t.s.lifeWritten) }
func (t *task) readErrorPage(p *scsi.LogPage)  { errorPage(p, t.s.readErrors, t.s.lifeRead) }

// sizes are the capacities of the loaded cartridge in bytes; zero without one.
func (t *task) sizes() (capacity, warning, used, here int64) {
	if t.s.load != loadReady || t.unready() != nil {
		return 0, 0, 0, 0
	}
	c, err := t.d.cartridge()
	if err != nil {
		return 0, 0, 0, 0
	}
	capacity, warning = t.d.capacity()
	return capacity, warning, c.end, c.bytesBefore(t.s.position)
}

// sequentialPage is 0Ch (SSC-5 8.4.4), in megabytes of 10^6 from parameter 4 on.
func (t *task) sequentialPage(p *scsi.LogPage) {
	s := t.s
	capacity, warning, used, here := t.sizes()
	for code, n := range []uint64{s.lifeWritten, s.lifeWritten, s.lifeRead, s.lifeRead} {
		counter(p, uint16(code), 8, n)
	}
	for code, n := range []int64{used, warning, capacity - warning, here, 0} {
		counter(p, uint16(code+4), 4, uint64(n/1e6))
	}
	dirty := s.alerts&(1<<(0x14-1)|1<<(0x15-1)) != 0
	counter(p, 0x0100, 4, uint64(flag(dirty, 1)))
}

func (t *task) temperaturePage(p *scsi.LogPage) {
	p.Append(scsi.LogParameter{Code: 0, Control: 0x03, Value: []byte{0, 32}})
	p.Append(scsi.LogParameter{Code: 1, Control: 0x03, Value: []byte{0, 55}})
}

// deviceStatusPage is 11h, DT device status (SSC-5 8.4.3): very high frequency data.
func (t *task) deviceStatusPage(p *scsi.LogPage) {
	s, e := t.s, &t.d.entry
	present := s.cartridge != 0
	seated := present && s.load != loadEjected && s.load != loadPending
	mounted := s.load == loadReady
	var b [4]byte
	b[0] = flag(len(s.prevent) > 0, 0x80) | flag(seated && s.load != loadRunning, 0x20) | 0x10 |
		flag(mounted && e.writeProtected, 0x08) | flag(s.alerts&(1<<(0x15-1)) != 0, 0x04) |
		flag(s.alerts&(1<<(0x14-1)) != 0, 0x02) | 0x01
	working := s.busyUntil > t.now
	b[1] = flag(s.load == loadRunning || working && s.activity == activityUnloading, 0x80) |
		flag(!seated, 0x20) | flag(present, 0x10) | flag(seated, 0x04) | flag(mounted, 0x03)
	b[2] = t.activity()
	b[3] = 0x10 | flag(s.alerts != 0, 0x01)
	p.Append(scsi.LogParameter{Code: 0, Control: 0x03, Value: b[:]})
	counter(p, 1, 2, 100)
}

// activity is what the drive does right now.
func (t *task) activity() byte {
	switch {
	case t.s.load == loadRunning && t.d.entry.medium().cleaning:
		return activityCleaning
	case t.s.load == loadRunning:
		return activityLoading
	case t.s.busyUntil > t.now:
		return t.s.activity
	}
	return activityNone
}

// alertResponsePage is 12h: all flags at once, and reading changes nothing.
func (t *task) alertResponsePage(p *scsi.LogPage) { counter(p, 0, 8, t.s.activeAlerts()) }

// alertPage is 2Eh, TapeAlert: a flag that was read is not shown again to this nexus until it is raised again.
func (t *task) alertPage(p *scsi.LogPage) {
	for n := 1; n <= 64; n++ {
		active := t.s.alerts&(1<<(n-1)) != 0 && t.n.alerts[n-1] != t.s.alertCount[n-1]
		counter(p, uint16(n), 1, uint64(flag(active, 1)))
		if active {
			t.n.alerts[n-1] = t.s.alertCount[n-1]
		}
	}
}

func (t *task) deviceStatistics(p *scsi.LogPage) {
	s := t.s
	hours := func(ns int64) uint64 { return uint64(max(0, ns)) / uint64(time.Hour) }
	counter(p, 0x00, 4, s.loads)
	counter(p, 0x01, 4, s.cleanings)
	counter(p, 0x02, 4, hours(t.now-s.powerOn))
	counter(p, 0x03, 4, s.motion/uint64(time.Hour))
	counter(p, 0x04, 4, (s.lifeWritten+s.lifeRead)/1e6)
	since := uint64(0)
	if s.cleanedAt > 0 {
		since = hours(t.now - s.cleanedAt)
	}
	counter(p, 0x08, 4, since)
	counter(p, 0x0C, 4, 1)
	counter(p, 0x0E, 4, s.writeErrors)
	counter(p, 0x0F, 4, s.readErrors)
	word(p, 0x40, t.d.serial)
	word(p, 0x41, t.d.serial)
	counter(p, 0x80, 1, uint64(flag(len(s.prevent) > 0, 1)))
	counter(p, 0x81, 1, 0)
}

// volumeStatistics is 17h (SSC-5 8.4.7).
func (t *task) volumeStatistics(p *scsi.LogPage) {
	s, e := t.s, &t.d.entry
	capacity, _, used, _ := t.sizes()
	valid := capacity > 0
	counter(p, 0x00, 1, uint64(flag(valid, 1)))
	if !valid {
		return
	}
	m, err := t.d.readMemory()
	if err != nil {
		m = memory{}
	}
	const mega = 1000000
	counter(p, 0x01, 4, m.Loads)
	for _, code := range []uint16{0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09} {
		counter(p, code, 4, 0)
	}
	counter(p, 0x0E, 8, m.LastWritten/mega)
	counter(p, 0x0F, 8, m.LastRead/mega)
	counter(p, 0x10, 8, (m.Written+s.loadWritten)/mega)
	counter(p, 0x11, 8, (m.Read+s.loadRead)/mega)
	counter(p, 0x16, 4, uint64(capacity/mega))
	counter(p, 0x17, 4, uint64(used/mega))
	word(p, 0x40, string(text(0, 32, t.d.config.Serial).data))
	word(p, 0x42, string(text(0, 32, e.barcode).data))
	word(p, 0x43, "TAPECTL ")
	word(p, 0x45, e.media)
	counter(p, 0x80, 1, uint64(flag(e.writeProtected, 1)))
	counter(p, 0x81, 1, uint64(flag(e.worm(), 1)))
	partition(p, 0x202, uint64(capacity/mega))
	partition(p, 0x203, uint64(used/mega))
	partition(p, 0x204, uint64((capacity-used)/mega))
}

// partition appends a parameter with one record for partition 0.
func partition(p *scsi.LogPage, code uint16, n uint64) {
	b := binary.BigEndian.AppendUint32([]byte{7, 0, 0, 0}, uint32(min(n, 0xFFFFFFFE)))
	p.Append(scsi.LogParameter{Code: code, Control: 0x03, Value: b})
}

// capacityPage is 31h, tape capacity, in mebibytes.
func (t *task) capacityPage(p *scsi.LogPage) {
	capacity, _, used, _ := t.sizes()
	for code, n := range []int64{capacity - used, 0, capacity, 0} {
		counter(p, uint16(code+1), 4, uint64(n>>20))
	}
}

func (t *task) changerStatistics(p *scsi.LogPage) { counter(p, 0x00, 8, t.s.loads) }

// logSelect is LOG SELECT (SPC-5 6.9): resetting the counters is all that it does.
func (t *task) logSelect() *sense {
	var r scsi.LogSelect
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(0, -1)
	}
	if r.SaveParameters {
		return badCDB(1, 0)
	}
	if r.ParameterListLength != 0 {
		return illegal(0x1A, 0x00)
	}
	if r.Page != 0 && findLogPage(t.logPages(), r.Page) == nil {
		return badCDB(2, 5)
	}
	if r.Page == 0 || r.Page == 0x02 || r.Page == 0x03 {
		t.s.writeErrors, t.s.readErrors = 0, 0
	}
	return nil
}
