package mtf

import "encoding/binary"

// Stream ids (Microsoft Tape Format 1.00a).
const (
	StreamSTAN ID = 0x4E415453 // file data
	StreamPNAM ID = 0x4D414E50 // directory name
	StreamFNAM ID = 0x4D414E46 // file name
	StreamCSUM ID = 0x4D555343 // checksum of the stream before
	StreamCRPT ID = 0x54505243 // the stream before is corrupt
	StreamSPAD ID = 0x44415053 // padding, the last stream
	StreamSPAR ID = 0x52415053 // sparse piece
	StreamTSMP ID = 0x504D5354 // set map, catalog type 1
	StreamTFDD ID = 0x44444654 // file and directory detail, catalog type 1
	StreamMAP2 ID = 0x3250414D // set map, catalog type 2
	StreamFDD2 ID = 0x32444446 // file and directory detail, catalog type 2
	StreamADAT ID = 0x54414441 // NTFS named stream
	StreamOTCP ID = 0x5043544F // padding up to the physical block at which a catalog stream begins

	StreamSHA2 ID = 0x32414853 // tapectl: SHA-256 of the data streams before
	StreamSYML ID = 0x4C4D5953 // tapectl: target of a symbolic link
)

// Stream file system attributes (Microsoft Tape Format 1.00a).
const (
	StreamModifiedRead uint16 = 1 << 0
	StreamSecurity     uint16 = 1 << 1
	StreamNotPortable  uint16 = 1 << 2
	StreamIsSparse     uint16 = 1 << 3

	// StreamObjectCorrupt in a SHA2 stream of tapectl: the object is zero filled and a CFIL block follows. It keeps the
	// mark when that block is lost.
	StreamObjectCorrupt uint16 = 1 << 15
)

// Stream media format attributes (Microsoft Tape Format 1.00a).
const (
	StreamContinue    uint16 = 1 << 0
	StreamVariable    uint16 = 1 << 1
	StreamVarEnd      uint16 = 1 << 2
	StreamEncrypted   uint16 = 1 << 3
	StreamCompressed  uint16 = 1 << 4
	StreamChecksummed uint16 = 1 << 5 // a CSUM stream follows
)

// StreamHeaderSize is the length of a stream header; its data follows at once, the next header on the next multiple of 4.
const StreamHeaderSize = 22

// StreamHeader is the header of a data stream (docs/format.md 4).
type StreamHeader struct {
	ID                   ID
	FSAttributes         uint16
	MediaAttributes      uint16
	Length               uint64 // of the data, without header and alignment
	EncryptionAlgorithm  uint16
	CompressionAlgorithm uint16
}

// Put encodes the header into the first 22 bytes of p, which must be that long.
func (s StreamHeader) Put(p []byte) {
	le := binary.LittleEndian
	le.PutUint32(p[0:], uint32(s.ID))
	le.PutUint16(p[4:], s.FSAttributes)
	le.PutUint16(p[6:], s.MediaAttributes)
	le.PutUint64(p[8:], s.Length)
	le.PutUint16(p[16:], s.EncryptionAlgorithm)
	le.PutUint16(p[18:], s.CompressionAlgorithm)
	le.PutUint16(p[20:], XOR16(p[:20]))
}

// DecodeStreamHeader decodes and verifies a stream header: its checksum, and that the id is a name.
func DecodeStreamHeader(p []byte) (StreamHeader, error) {
	if len(p) < StreamHeaderSize {
		return StreamHeader{}, formatErr("stream", "%d bytes are too few for a stream header", len(p))
	}
	le := binary.LittleEndian
	if sum := XOR16(p[:20]); sum != le.Uint16(p[20:]) {
		return StreamHeader{}, formatErr("stream", "header checksum is %#04x, computed %#04x", le.Uint16(p[20:]), sum)
	}
	s := StreamHeader{
		ID: ID(le.Uint32(p[0:])), FSAttributes: le.Uint16(p[4:]), MediaAttributes: le.Uint16(p[6:]), Length: le.Uint64(p[8:]),
		EncryptionAlgorithm: le.Uint16(p[16:]), CompressionAlgorithm: le.Uint16(p[18:]),
	}
	if !s.ID.printable() {
		return s, formatErr("stream", "stream id %#08x is not a name", uint32(s.ID))
	}
	return s, nil
}

// xorSum is the value of a CSUM stream: the XOR of the data as little endian 32 bit words, the last one to three bytes in
// the low bytes (docs/format.md 4). Data may arrive in pieces of any length.
type xorSum struct {
	sum   uint32
	phase uint // bytes of the current word that were taken
}

func (x *xorSum) write(p []byte) {
	for len(p) > 0 && x.phase != 0 {
		x.sum ^= uint32(p[0]) << (8 * x.phase)
		x.phase = (x.phase + 1) & 3
		p = p[1:]
	}
	var wide uint64
	for len(p) >= 8 {
		wide ^= binary.LittleEndian.Uint64(p)
		p = p[8:]
	}
	x.sum ^= uint32(wide) ^ uint32(wide>>32)
	for _, c := range p {
		x.sum ^= uint32(c) << (8 * x.phase)
		x.phase = (x.phase + 1) & 3
	}
}
