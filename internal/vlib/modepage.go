package vlib

import (
	"encoding/binary"

	"tapectl/internal/scsi"
)

// modeQuery is what the two forms of MODE SENSE have in common.
type modeQuery struct {
	header        scsi.ModeHeader
	dbd           bool
	control       scsi.PageControl
	page, subpage byte
	allocation    int
}

func (t *task) modeQuery() (modeQuery, error) {
	if t.cdb[0] == 0x1A {
		var r scsi.ModeSense6
		err := r.UnmarshalCDB(t.cdb)
		return modeQuery{scsi.Header6, r.DisableBlockDescriptors, r.Control, r.Page, r.Subpage, int(r.AllocationLength)}, err
	}
	var r scsi.ModeSense10
	err := r.UnmarshalCDB(t.cdb)
	return modeQuery{scsi.Header10, r.DisableBlockDescriptors, r.Control, r.Page, r.Subpage, int(r.AllocationLength)}, err
}

// modeSense is MODE SENSE (6) and (10) (SPC-5 6.14, 6.15).
func (t *task) modeSense() *sense {
	q, err := t.modeQuery()
	if err != nil {
		return badCDB(0, -1)
	}
	if q.dbd && t.d.config.Quirks.RefuseDBD {
		return badCDB(1, 3)
	}
	if q.control == scsi.SavedValues {
		return illegal(0x39, 0x00) // SAVING PARAMETERS NOT SUPPORTED
	}
	p := t.modeParameters()
	p.HasBlockDescriptor = p.HasBlockDescriptor && !q.dbd
	pages := t.modePages(q.control)
	for _, page := range pages {
		all := q.page == 0x3F && (q.subpage == 0xFF || q.subpage == 0 && page.Subpage() == 0)
		if all || page.Code() == q.page && (page.Subpage() == q.subpage || q.subpage == 0xFF) {
			p.Pages = append(p.Pages, page)
		}
	}
	if len(p.Pages) == 0 && (q.page != 0 || q.subpage != 0) {
		return badCDB(2, 5)
	}
	b := p.Marshal(q.header)
	if q.header == scsi.Header6 && len(b) > 255 {
		b[0] = 255
	}
	return t.reply(b, q.allocation)
}

// modeParameters is header and block descriptor (SSC-5 8.3.2).
func (t *task) modeParameters() scsi.ModeParameters {
	if t.d.number < 0 {
		return scsi.ModeParameters{}
	}
	s, d := t.s, t.d
	p := scsi.ModeParameters{BufferedMode: s.bufferedMode, HasBlockDescriptor: true, BlockLength: s.blockLength}
	if s.load == loadReady && !d.entry.medium().cleaning {
		m := d.entry.medium()
		p.MediumType, p.Density = m.mediumType, m.density
		if d.entry.worm() {
			p.MediumType += 4
		}
		p.WriteProtected = d.entry.writeProtected || s.softProtect || d.gen.accessTo(m) != readWrite
	}
	return p
}

// modePages lists the pages, with subpages, of the device. With ChangeableValues the bits are those that MODE SELECT
// can change.
func (t *task) modePages(control scsi.PageControl) []scsi.ModePage {
	if t.d.number < 0 {
		pages := t.changerPages()
		if control == scsi.ChangeableValues {
			for _, p := range pages {
				clear(p[2:])
			}
		}
		return pages
	}
	s := *t.s
	if control == scsi.DefaultValues {
		s.resetModes()
	}
	if control == scsi.ChangeableValues {
		return drivePages(pageValues{compression: 0xFF, softProtect: 0xFF, writeMode: 0xFF, pews: 0xFFFF}, true)
	}
	v := pageValues{compression: flag(s.compression, 0xFF), softProtect: flag(s.softProtect, 0xFF),
		writeMode: flag(s.appendOnly, 0x01), pews: s.pews, worm: s.load == loadReady && t.d.entry.worm()}
	return drivePages(v, false)
}

// pageValues are the bits that differ; masks for changeable values.
type pageValues struct {
	compression, softProtect, writeMode byte
	pews                                uint16
	worm                                bool
}

// drivePages builds the mode pages of a drive (SPC-5 7.5, SSC-5 8.3).
func drivePages(v pageValues, changeable bool) []scsi.ModePage {
	fixed := func(b byte) byte {
		if changeable {
			return 0
		}
		return b
	}
	recovery := scsi.ModePage{0x01, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	disconnect := scsi.ModePage{0x02, 0x0E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	control := scsi.ModePage{0x0A, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	compression := scsi.ModePage{0x0F, 0x0E, v.compression&0x80 | fixed(0x40), fixed(0x80), 0, 0, 0, fixed(1), 0, 0, 0, fixed(1), 0, 0, 0, 0}
	configuration := scsi.ModePage{0x10, 0x0E, 0, 0, 0, 0, 0, fixed(0x64), fixed(0x40), 0, v.softProtect&0x04 | fixed(0x18), 0, 0, 0,
		v.compression & 0x01, 0}
	extension := make(scsi.ModePage, 0x20)
	copy(extension, []byte{0x50, 0x01, 0x00, 0x1C, 0, v.writeMode << 4})
	if changeable {
		extension[5] = 0xF0
	}
	binary.BigEndian.PutUint16(extension[6:], v.pews)
	exceptions := scsi.ModePage{0x1C, 0x0A, fixed(0x08), 0, 0, 0, 0, 0, 0, 0, 0, 0}
	medium := make(scsi.ModePage, 0x20)
	copy(medium, []byte{0x1D, 0x1E, flag(v.worm, 0x01)})
	return []scsi.ModePage{recovery, disconnect, control, compression, configuration, extension, exceptions, medium}
}

// modeSelect is MODE SELECT (6) and (10) (SPC-5 6.12, 6.13) of a drive: either all of the list takes effect or nothing.
func (t *task) modeSelect() *sense {
	header, save, format, n := scsi.Header6, false, false, 0
	var err error
	if t.cdb[0] == 0x15 {
		var r scsi.ModeSelect6
		err = r.UnmarshalCDB(t.cdb)
		save, format, n = r.SavePages, r.PageFormat, int(r.ParameterListLength)
	} else {
		var r scsi.ModeSelect10
		err = r.UnmarshalCDB(t.cdb)
		header, save, format, n = scsi.Header10, r.SavePages, r.PageFormat, int(r.ParameterListLength)
	}
	if err != nil {
		return badCDB(0, -1)
	}
	if save {
		return badCDB(1, 0)
	}
	if n == 0 {
		return nil
	}
	b, s := t.parameters(n)
	if s != nil {
		return s
	}
	var p scsi.ModeParameters
	if len(b) < int(header) {
		return illegal(0x1A, 0x00)
	}
	if err := p.UnmarshalSelect(header, b); err != nil {
		return illegal(0x1A, 0x00) // PARAMETER LIST LENGTH ERROR
	}
	if !format && len(p.Pages) > 0 {
		return badCDB(1, 4)
	}
	return t.selectModes(p, header)
}

// selectModes checks the parameters and sets them.
func (t *task) selectModes(p scsi.ModeParameters, header scsi.ModeHeader) *sense {
	next := *t.s
	at := int(header)
	if p.BufferedMode > 2 {
		return badParameter(int(header)/4+1, 6)
	}
	if p.HasBlockDescriptor {
		if p.Density != 0 && p.Density != 0x7F && !t.densityAllowed(p.Density) {
			return badParameter(at, -1)
		}
		if p.Blocks != 0 {
			return badParameter(at+1, -1)
		}
		next.blockLength = p.BlockLength
		at += 8
	}
	next.bufferedMode = p.BufferedMode
	for _, page := range p.Pages {
		if s := t.selectPage(&next, page, at); s != nil {
			return s
		}
		at += len(page)
	}
	if next.blockLength != t.s.blockLength || next.compression != t.s.compression || next.appendOnly != t.s.appendOnly ||
		next.softProtect != t.s.softProtect || next.pews != t.s.pews || next.bufferedMode != t.s.bufferedMode {
		next.attend(0x2A, 0x01, t.n.id)
	}
	*t.s = next
	return nil
}

// densityAllowed tells whether the density can be selected: the loaded medium's, or any that the drive writes.
func (t *task) densityAllowed(density byte) bool {
	for _, m := range media {
		if m.density == density && t.d.gen.accessTo(m) == readWrite {
			return t.s.load != loadReady || t.d.entry.medium().density == density
		}
	}
	return false
}

// selectPage takes one page over into next; at is where it stands in the parameter list. Bits that cannot be changed
// must be as they are.
func (t *task) selectPage(next *state, page scsi.ModePage, at int) *sense {
	var current, mask scsi.ModePage
	changeable := t.modePages(scsi.ChangeableValues)
	for i, p := range t.modePages(scsi.CurrentValues) {
		if p.Code() == page.Code() && p.Subpage() == page.Subpage() && (page[0]&0x40 != 0) == (p[0]&0x40 != 0) {
			current, mask = p, changeable[i]
		}
	}
	if current == nil {
		return badParameter(at, 5)
	}
	if len(current) != len(page) {
		return badParameter(at+1, -1)
	}
	start := 2
	if page[0]&0x40 != 0 {
		start = 4
	}
	for i := start; i < len(page); i++ {
		if wrong := (page[i] ^ current[i]) &^ mask[i]; wrong != 0 {
			return badParameter(at+i, highestBit(wrong))
		}
	}
	switch page.Code() {
	case 0x0F:
		next.compression = page[2]&0x80 != 0
	case 0x10:
		if page.Subpage() == 0x01 {
			if page[5]>>4 > 1 {
				return badParameter(at+5, 7)
			}
			next.appendOnly = page[5]>>4 == 1
			next.pews = binary.BigEndian.Uint16(page[6:])
			return nil
		}
		next.compression = page[14] != 0
		next.softProtect = page[10]&0x04 != 0
		if page[14] > 1 {
			return badParameter(at+14, -1)
		}
	}
	return nil
}
