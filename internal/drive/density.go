package drive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"tapectl/internal/scsi"
)

// Density is a recording format that the drive or the loaded medium knows (SSC-5 7.10.3).
type Density struct {
	Primary, Secondary byte
	// Writable: the drive writes it. Default: the drive writes it when nothing else is asked for.
	Writable, Default bool
	// Duplicate says that the primary code belongs to more than one descriptor.
	Duplicate bool
	// BitsPerMM, Width (in 0.1 mm) and Tracks describe the recording.
	BitsPerMM, Width, Tracks int
	// CapacityMB is the capacity without compression, in millions of bytes (IBM drives before LTO-2: 2^20).
	CapacityMB                      uint32
	Organization, Name, Description string
}

const densityLength = 52

// DecodeDensities decodes the answer to REPORT DENSITY SUPPORT (SSC-5 table 108). A last descriptor that is cut off is
// left out.
func DecodeDensities(b []byte) ([]Density, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("decode densities: %d bytes, the header has 4", len(b))
	}
	n := int(binary.BigEndian.Uint16(b[0:2])) + 2
	b = b[4:max(4, min(len(b), n))]
	var list []Density
	for len(b) >= densityLength {
		list = append(list, Density{
			Primary: b[0], Secondary: b[1],
			Writable: b[2]&0x80 != 0, Duplicate: b[2]&0x40 != 0, Default: b[2]&0x20 != 0,
			BitsPerMM:    int(get24(b[5:8])),
			Width:        int(binary.BigEndian.Uint16(b[8:10])),
			Tracks:       int(binary.BigEndian.Uint16(b[10:12])),
			CapacityMB:   binary.BigEndian.Uint32(b[12:16]),
			Organization: scsi.Text(b[16:24]), Name: scsi.Text(b[24:32]), Description: scsi.Text(b[32:52]),
		})
		step := densityLength
		if b[2]&0x01 != 0 { // DLV: the descriptor states its own length, counted behind these 5 bytes
			step = max(step, 5+int(binary.BigEndian.Uint16(b[3:5])))
		}
		b = b[min(step, len(b)):]
	}
	return list, nil
}

// EncodeDensities builds the answer to REPORT DENSITY SUPPORT, for a simulated drive. Text is cut to its field, and
// what does not fit into the 16 bits of the length is left out.
func EncodeDensities(list []Density) []byte {
	b := make([]byte, 4)
	for _, d := range list {
		if len(b)+densityLength-2 > 0xFFFF {
			break
		}
		e := make([]byte, densityLength)
		e[0], e[1] = d.Primary, d.Secondary
		e[2] = flag(d.Writable, 0x80) | flag(d.Duplicate, 0x40) | flag(d.Default, 0x20)
		put24(e[5:8], uint32(d.BitsPerMM))
		binary.BigEndian.PutUint16(e[8:10], uint16(d.Width))
		binary.BigEndian.PutUint16(e[10:12], uint16(d.Tracks))
		binary.BigEndian.PutUint32(e[12:16], d.CapacityMB)
		for i := 16; i < densityLength; i++ {
			e[i] = ' '
		}
		copy(e[16:24], d.Organization)
		copy(e[24:32], d.Name)
		copy(e[32:52], d.Description)
		b = append(b, e...)
	}
	binary.BigEndian.PutUint16(b[0:2], uint16(len(b)-2))
	return b
}

// Densities asks which formats the drive reads and writes, or with mediaOnly which the loaded medium has. This is the
// best check of compatibility there is. Drives without the command give ErrNotSupported.
func (d *Drive) Densities(ctx context.Context, mediaOnly bool) ([]Density, error) {
	if !d.can.DensityReport {
		return nil, fmt.Errorf("read densities: %w", ErrNotSupported)
	}
	const size = 8192 // 157 descriptors; drives have about five
	r := ReportDensitySupport{Media: mediaOnly, Allocation: size}
	b, err := scsi.DataIn(ctx, d.attentive, r, size, scsi.StandardTimeout)
	switch {
	case errors.Is(err, scsi.InvalidOperationCode):
		d.can.DensityReport = false
		return nil, fmt.Errorf("read densities: %w: %w", ErrNotSupported, err)
	case err != nil:
		return nil, fmt.Errorf("read densities: %w", err)
	}
	list, err := DecodeDensities(b)
	if err != nil {
		return nil, fmt.Errorf("read densities: %w", &scsi.ResponseError{Op: r.Name(), CDB: r.CDB(), Reason: err.Error()})
	}
	return list, nil
}
