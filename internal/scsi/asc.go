package scsi

// AdditionalSenseText gives the standard's meaning of an additional sense code and qualifier (SPC-5 annex F), or "" for
// one that is not known.
func AdditionalSenseText(asc, ascq byte) string {
	return additionalSenseTexts[uint16(asc)<<8|uint16(ascq)]
}

var additionalSenseTexts = map[uint16]string{
	0x0001: "filemark detected",
	0x0002: "end of partition or medium detected",
	0x0005: "end of data detected",
	0x0401: "becoming ready",
	0x2000: "invalid command operation code",
	0x2400: "invalid field in CDB",
	0x3A00: "medium not present",
}
