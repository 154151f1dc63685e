package drive

import (
	"bytes"
	"encoding/binary"

	"tapectl/internal/scsi"
	"tapectl/internal/scsi/scsitest"
)

// read follows SSC-5 7.8 with FIXED 0 and SILI 0, or tgt's idea of it.
func (f *fakeDrive) read(c *scsi.Command) {
	asked := int(get24(c.CDB[2:5]))
	if c.CDB[1]&3 != 0 || asked != len(c.Data) {
		panic("the driver reads blocks of variable length without SILI, into a buffer of the same length")
	}
	if f.pos == len(f.tape) {
		if f.tgt {
			check(c, scsi.Sense{Key: scsi.BlankCheck, EndOfMedium: true})
			c.Residual = 0 // a full buffer of old memory
			return
		}
		check(c, scsi.Sense{Key: scsi.BlankCheck, ASCQ: 0x05, EndOfMedium: f.eomAtEOD, InformationValid: true, Information: int64(asked)})
		return
	}
	o := f.tape[f.pos]
	f.pos++
	if o.mark {
		check(c, scsi.Sense{Filemark: true, ASCQ: 0x01, InformationValid: true, Information: int64(asked)})
		if f.tgt {
			c.Residual = 0
		}
		return
	}
	actual := len(o.data)
	ili := scsi.Sense{IncorrectLength: true, InformationValid: true, Information: int64(asked - actual)}
	switch {
	case actual == asked:
		scsitest.Good(c, o.data)
	case actual < asked && f.tgt: // asked minus actual bytes arrive
		n := asked - actual
		scsitest.CheckCondition(c, scsitest.Fixed(ili), append(bytes.Clone(o.data), make([]byte, asked)...)[:n])
	case actual < asked:
		scsitest.CheckCondition(c, scsitest.Fixed(ili), o.data)
	case f.tgt:
		check(c, ili)
	default:
		scsitest.CheckCondition(c, scsitest.Fixed(ili), o.data[:asked])
	}
	if f.badResid {
		c.Residual++
	}
}

func (f *fakeDrive) put(o object) {
	f.tape = append(f.tape[:f.pos:f.pos], o)
	f.pos++
	f.buffered++
}

func (f *fakeDrive) writeBlock(c *scsi.Command) {
	n := int(get24(c.CDB[2:5]))
	switch {
	case f.protect:
		key(c, scsi.DataProtect, 0x27, 0)
		return
	case c.CDB[1]&1 != 0 || n != len(c.Data):
		key(c, scsi.IllegalRequest, 0x24, 0)
		return
	case f.capacity > 0 && f.pos >= f.capacity && !f.tgt:
		check(c, scsi.Sense{Key: scsi.VolumeOverflow, EndOfMedium: true, ASCQ: 0x02, InformationValid: true, Information: int64(n)})
		return
	}
	f.put(object{data: bytes.Clone(c.Data)})
	f.finishWrite(c)
}

func (f *fakeDrive) finishWrite(c *scsi.Command) {
	if f.early > 0 && f.pos > f.early {
		s := scsi.Sense{EndOfMedium: true, ASCQ: 0x02}
		if f.tgt {
			s.ASCQ = 0
		}
		check(c, s)
		c.Residual = 0
		return
	}
	scsitest.Good(c, nil)
}

func (f *fakeDrive) writeMarks(c *scsi.Command) {
	n := int(get24(c.CDB[2:5]))
	if f.protect {
		key(c, scsi.DataProtect, 0x27, 0)
		return
	}
	for range n {
		f.put(object{mark: true})
	}
	if c.CDB[1]&1 == 0 {
		f.buffered = 0
	}
	f.finishWrite(c)
}

func (f *fakeDrive) erase(c *scsi.Command) {
	f.tape = f.tape[:f.pos]
	scsitest.Good(c, nil)
}

func (f *fakeDrive) locate(c *scsi.Command) {
	var object uint64
	if c.CDB[0] == 0x2B {
		object = uint64(binary.BigEndian.Uint32(c.CDB[3:7]))
	} else {
		object = binary.BigEndian.Uint64(c.CDB[4:12])
	}
	if object > uint64(len(f.tape)) {
		f.pos = len(f.tape)
		key(c, scsi.BlankCheck, 0x00, 0x05)
		return
	}
	f.pos, f.buffered = int(object), 0
	scsitest.Good(c, nil)
}

func (f *fakeDrive) position(c *scsi.Command) {
	form := PositionForm(c.CDB[1] & 0x1F)
	if f.tgt {
		b := make([]byte, 32)
		switch form {
		case ShortForm:
			b = b[:20]
			b[0] = 0x14
		case LongForm:
			b[0] = 0x20
		default:
			key(c, scsi.IllegalRequest, 0x24, 0)
			return
		}
		scsitest.Good(c, b)
		return
	}
	if form != ShortForm && f.shortOnly || c.CDB[7] != 0 || c.CDB[8] != 0 {
		key(c, scsi.IllegalRequest, 0x24, 0)
		return
	}
	marks := 0
	for _, o := range f.tape[:f.pos] {
		if o.mark {
			marks++
		}
	}
	r := PositionReport{ObjectKnown: true}
	r.Object, r.Filemarks, r.FilemarksKnown, r.BeginningOfPartition = uint64(f.pos), uint64(marks), true, f.pos == 0
	r.Buffered, r.BufferedKnown = uint64(f.buffered), true
	scsitest.Good(c, EncodePosition(form, r))
}

// space follows SSC-5 6.12, or the table of scsi.md 7.3 for tgt.
func (f *fakeDrive) space(c *scsi.Command) {
	code, n := SpaceCode(c.CDB[1]&0x0F), int(signed24(c.CDB[2:5]))
	f.buffered = 0
	switch {
	case code == SpaceToEndOfData:
		f.pos = len(f.tape)
		scsitest.Good(c, nil)
	case code == SpaceLogicalBlocks && f.tgt:
		f.spaceObjectsTGT(c, n)
	case n >= 0:
		f.spaceForward(c, code, n)
	default:
		f.spaceBackward(c, code, -n)
	}
}

func (f *fakeDrive) spaceObjectsTGT(c *scsi.Command, n int) {
	to := max(0, f.pos+n)
	if n > 0 && to >= len(f.tape) { // also when it arrives exactly at the end
		f.pos = len(f.tape)
		key(c, scsi.NoSense, 0x00, 0x05)
		return
	}
	f.pos = to
	scsitest.Good(c, nil)
}

func (f *fakeDrive) spaceForward(c *scsi.Command, code SpaceCode, n int) {
	for left := n; left > 0; {
		if f.pos == len(f.tape) {
			s := scsi.Sense{Key: scsi.BlankCheck, ASCQ: 0x05, EndOfMedium: f.eomAtEOD, InformationValid: true, Information: int64(left)}
			if f.tgt {
				s = scsi.Sense{ASCQ: 0x05}
			}
			check(c, s)
			return
		}
		mark := f.tape[f.pos].mark
		f.pos++
		switch {
		case code == SpaceLogicalBlocks && mark:
			check(c, scsi.Sense{Filemark: true, ASCQ: 0x01, InformationValid: true, Information: int64(left)})
			return
		case mark == (code == SpaceFilemarkCount):
			left--
		}
	}
	scsitest.Good(c, nil)
}

func (f *fakeDrive) spaceBackward(c *scsi.Command, code SpaceCode, n int) {
	for left := n; left > 0; {
		information := int64(left)
		if f.negative {
			information = -information
		}
		if f.pos == 0 {
			check(c, scsi.Sense{EndOfMedium: true, ASCQ: 0x04, InformationValid: true, Information: information})
			return
		}
		f.pos--
		mark := f.tape[f.pos].mark
		switch {
		case code == SpaceLogicalBlocks && mark:
			check(c, scsi.Sense{Filemark: true, ASCQ: 0x01, InformationValid: true, Information: information})
			return
		case mark == (code == SpaceFilemarkCount):
			left--
		}
	}
	scsitest.Good(c, nil)
}
