package vlib

import "encoding/binary"

// sense is what a command ends with when it is not GOOD.
type sense struct {
	deferred       bool
	key, asc, ascq byte
	fm, eom, ili   bool
	valid          bool
	info           int64
	specific       [3]byte
}

func check(key, asc, ascq byte) *sense { return &sense{key: key, asc: asc, ascq: ascq} }

// notReady, illegal and attention are the keys that occur most.
func notReady(asc, ascq byte) *sense { return check(0x2, asc, ascq) }
func illegal(asc, ascq byte) *sense  { return check(0x5, asc, ascq) }

// badCDB is INVALID FIELD IN CDB with the field pointer of SPC-5 4.4.2.4.2; bit below 0 leaves the bit pointer out.
func badCDB(at, bit int) *sense { return fieldError(0x24, 0xC0, at, bit) }

// badParameter is INVALID FIELD IN PARAMETER LIST, pointing into the parameter list.
func badParameter(at, bit int) *sense { return fieldError(0x26, 0x80, at, bit) }

func fieldError(asc, flags byte, at, bit int) *sense {
	s := illegal(asc, 0)
	s.specific[0] = flags
	if bit >= 0 {
		s.specific[0] |= 0x08 | byte(bit)
	}
	binary.BigEndian.PutUint16(s.specific[1:], uint16(at))
	return s
}

func (s *sense) information(n int64) *sense {
	s.valid, s.info = true, n
	return s
}

// progress sets the progress indication of keys NO SENSE and NOT READY.
func (s *sense) progress(done float64) *sense {
	s.specific[0] = 0x80
	binary.BigEndian.PutUint16(s.specific[1:], uint16(max(0, min(done, 0.999))*65536))
	return s
}

// encode gives the sense data, in fixed format (SPC-5 4.4.3, 18 bytes) or descriptor format (4.4.2).
func (s *sense) encode(descriptor bool) []byte {
	if descriptor {
		return s.encodeDescriptor()
	}
	b := make([]byte, 18)
	b[0] = 0x70
	if s.deferred {
		b[0] = 0x71
	}
	if s.valid && s.info >= -1<<31 && s.info < 1<<32 {
		b[0] |= 0x80
		binary.BigEndian.PutUint32(b[3:7], uint32(s.info))
	}
	b[2] = s.key | s.flags()
	b[7] = 10
	b[12], b[13] = s.asc, s.ascq
	copy(b[15:18], s.specific[:])
	return b
}

func (s *sense) flags() byte { return flag(s.fm, 0x80) | flag(s.eom, 0x40) | flag(s.ili, 0x20) }

func (s *sense) encodeDescriptor() []byte {
	b := []byte{0x72, s.key, s.asc, s.ascq, 0, 0, 0, 0}
	if s.deferred {
		b[0] = 0x73
	}
	if s.valid {
		b = append(b, 0x00, 0x0A, 0x80, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(s.info))
	}
	if s.specific[0] != 0 {
		b = append(b, 0x02, 0x06, 0, 0, s.specific[0], s.specific[1], s.specific[2], 0)
	}
	if s.flags() != 0 {
		b = append(b, 0x04, 0x02, 0, s.flags())
	}
	b[7] = byte(len(b) - 8)
	return b
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
