package inventory

import (
	"strings"

	"tapectl/internal/changer"
	"tapectl/internal/drive"
)

// barcode returns the element's barcode, "" for none or one that could not be read.
func barcode(e changer.Element) string {
	tag := strings.TrimSpace(e.PrimaryVolumeTag.Identifier)
	if unreadable(tag) {
		return ""
	}
	return tag
}

// unreadable reports the texts that libraries give instead of a barcode that they could not read (scsi.md Q22).
func unreadable(tag string) bool {
	switch strings.ToUpper(tag) {
	case "NO LABEL", "NOLABEL", "NO BARCODE", "UNKNOWN", "UNREADABLE", "UNREAD", "*UNREAD", "*UNREAD*":
		return true
	}
	return strings.Trim(tag, "?*-") == ""
}

// home returns the storage element that a tape belongs to: where it is, or where the changer says it came from; -1 when
// it is not known.
func home(e changer.Element) int {
	switch {
	case e.Type == changer.Storage:
		return int(e.Address)
	case e.SourceValid:
		return int(e.Source)
	}
	return -1
}

// isCleaning recognizes cleaning cartridges by barcode prefix, suffix and medium type (scsi.md Q24), and by
// the exception that some libraries raise for them (Q09).
func isCleaning(e changer.Element) bool {
	return e.MediumType == changer.MediumCleaning || drive.IsCleaningBarcode(barcode(e)) || e.Exception && e.ASC == 0x30 && e.ASCQ == 0x03
}
