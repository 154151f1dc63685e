package mtf

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Operating system specific data of tapectl (OS id 212, version 1; docs/format.md). It always begins with a CRC-32C of the
// block or catalog entry that holds it, because the format's own checksum covers the first 50 bytes of a block only.
//
//	0 u32 CRC-32C · SSET: 4 [16] set id
//	DIRB, FILE: 4 u32 mode · 8 u32 uid · 12 u32 gid · 16 i64 mtime seconds · 24 u32 nanoseconds · 28 u32 flags
//	in a catalog entry of a FILE with the digest flag: 32 [32] SHA-256
const (
	osVersionTapectl = 1
	osDataCRC        = 4
	osDataSet        = 20
	osDataMeta       = 32
	osDataDigest     = 64
	osFlagDigest     = 1 << 0
	osFlagLink       = 1 << 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeMeta(m Metadata, flags uint32, digest *[32]byte) []byte {
	b := make([]byte, osDataMeta, osDataDigest)
	le := binary.LittleEndian
	le.PutUint32(b[4:], m.Mode)
	le.PutUint32(b[8:], m.UID)
	le.PutUint32(b[12:], m.GID)
	if !m.ModTime.IsZero() {
		le.PutUint64(b[16:], uint64(m.ModTime.Unix()))
		le.PutUint32(b[24:], uint32(m.ModTime.Nanosecond()))
	}
	if digest != nil {
		flags |= osFlagDigest
		b = append(b, digest[:]...)
	}
	le.PutUint32(b[28:], flags)
	return b
}

// decodeMeta reads the fields of DIRB and FILE; ok is false when b is too short for them.
func decodeMeta(b []byte) (m Metadata, digest [32]byte, ok bool) {
	if len(b) < osDataMeta {
		return m, digest, false
	}
	le := binary.LittleEndian
	m.Mode, m.UID, m.GID = le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	if s, ns := int64(le.Uint64(b[16:])), le.Uint32(b[24:]); s != 0 || ns != 0 {
		m.ModTime = time.Unix(s, int64(ns%1e9)).UTC()
	}
	if le.Uint32(b[28:])&osFlagDigest != 0 && len(b) >= osDataDigest {
		copy(digest[:], b[32:])
	}
	return m, digest, true
}

// sealBlock stores the CRC in the operating system specific data of the encoded block p and returns p. The block's own
// header checksum counts as zero.
func sealBlock(p []byte) {
	at := int(binary.LittleEndian.Uint16(p[46:]))
	binary.LittleEndian.PutUint32(p[at:], blockCRC(p, at, 50, 2))
}

// sealEntry does the same for a catalog entry, whose link (28..31) counts as zero because it is set later.
func sealEntry(p []byte, addr int) {
	at := int(binary.LittleEndian.Uint16(p[addr+2:]))
	binary.LittleEndian.PutUint32(p[at:], blockCRC(p, at, 28, 4))
}

// blockCRC is the CRC-32C of p with the four bytes at crc and n bytes at hole taken as zero; hole lies before crc.
func blockCRC(p []byte, crc, hole, n int) uint32 {
	var zero [4]byte
	c := crc32.Update(0, castagnoli, p[:hole])
	c = crc32.Update(c, castagnoli, zero[:n])
	c = crc32.Update(c, castagnoli, p[hole+n:crc])
	c = crc32.Update(c, castagnoli, zero[:])
	return crc32.Update(c, castagnoli, p[crc+4:])
}

// checkBlockCRC verifies a block of tapectl up to its first event; blocks of other writers pass.
func checkBlockCRC(p []byte) error {
	if p[10] != OSTapectl || p[11] < osVersionTapectl {
		return nil
	}
	size, at := int(binary.LittleEndian.Uint16(p[44:])), int(binary.LittleEndian.Uint16(p[46:]))
	if size < osDataCRC || at < HeaderSize || at+size > len(p) {
		return formatErr("DBLK", "tapectl's block without its CRC")
	}
	if got, want := blockCRC(p, at, 50, 2), binary.LittleEndian.Uint32(p[at:]); got != want {
		return formatErr(ID(binary.LittleEndian.Uint32(p)).String(), "CRC-32C is %#08x, computed %#08x", want, got)
	}
	return nil
}

// checkEntryCRC verifies a catalog entry of tapectl; addr is where the address of its data stands.
func checkEntryCRC(p []byte, typ ID) error {
	addr := 64
	switch {
	case typ == IDFEND || p[32] != OSTapectl || p[33] < osVersionTapectl:
		return nil
	case typ == IDVOLB:
		addr = 52
	}
	size, at := int(binary.LittleEndian.Uint16(p[addr:])), int(binary.LittleEndian.Uint16(p[addr+2:]))
	if size < osDataCRC || at < volumeEntryLen || at+size > len(p) {
		return formatErr("catalog entry", "tapectl's %s entry without its CRC", typ)
	}
	if got, want := blockCRC(p, at, 28, 4), binary.LittleEndian.Uint32(p[at:]); got != want {
		return formatErr("catalog entry", "%s entry: CRC-32C is %#08x, computed %#08x", typ, want, got)
	}
	return nil
}
