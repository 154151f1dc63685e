package scsitest

import (
	"encoding/binary"

	"tapectl/internal/scsi"
)

// Sense builds current sense data in fixed format: key, additional sense code and qualifier.
func Sense(key scsi.SenseKey, asc, ascq byte) []byte {
	return Fixed(scsi.Sense{Key: key, ASC: asc, ASCQ: ascq})
}

// Fixed builds sense data in fixed format (SPC-5 4.4.3), 18 bytes, from the fields of s; Raw is not looked at.
// INFORMATION keeps the low 32 bits.
func Fixed(s scsi.Sense) []byte {
	b := make([]byte, 18)
	b[0] = 0x70
	if s.Deferred {
		b[0] = 0x71
	}
	if s.InformationValid {
		b[0] |= 0x80
	}
	b[2] = byte(s.Key)&0x0F | streamBits(s)
	binary.BigEndian.PutUint32(b[3:7], uint32(s.Information))
	b[7] = byte(len(b) - 8)
	b[12], b[13], b[14] = s.ASC, s.ASCQ, s.FieldReplaceableUnit
	copy(b[15:18], s.SenseKeySpecific[:])
	return b
}

// Descriptor builds sense data in descriptor format (SPC-5 4.4.2) with the descriptors that the fields of s need.
func Descriptor(s scsi.Sense) []byte {
	b := []byte{0x72, byte(s.Key) & 0x0F, s.ASC, s.ASCQ, 0, 0, 0, 0}
	if s.Deferred {
		b[0] = 0x73
	}
	if s.InformationValid {
		b = append(b, 0x00, 0x0A, 0x80, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Information))
	}
	if s.SenseKeySpecific != [3]byte{} {
		b = append(b, 0x02, 0x06, 0, 0, s.SenseKeySpecific[0], s.SenseKeySpecific[1], s.SenseKeySpecific[2], 0)
	}
	if s.FieldReplaceableUnit != 0 {
		b = append(b, 0x03, 0x02, 0, s.FieldReplaceableUnit)
	}
	if bits := streamBits(s); bits != 0 {
		b = append(b, 0x04, 0x02, 0, bits)
	}
	b[7] = byte(len(b) - 8)
	return b
}

// streamBits are FILEMARK, EOM and ILI, at the same places in both formats.
func streamBits(s scsi.Sense) byte {
	var v byte
	if s.Filemark {
		v |= 0x80
	}
	if s.EndOfMedium {
		v |= 0x40
	}
	if s.IncorrectLength {
		v |= 0x20
	}
	return v
}
