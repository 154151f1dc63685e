package library

import (
	"context"
	"time"

	"tapectl/internal/drive"
)

// Memory is what the cartridge memory tells about a tape; zero fields are not known.
type Memory struct {
	Serial   string
	Capacity int64 // bytes
}

// Memory reads the cartridge memory. Without one, or when it cannot be read, everything is unknown: nothing depends on it.
func (m *Mount) Memory(ctx context.Context) Memory {
	if !m.Capabilities().MAM {
		return Memory{}
	}
	mam, err := m.MediumMemory(ctx)
	if err != nil {
		m.library.log.Warn("read the cartridge memory", "barcode", m.Barcode, "error", err)
		return Memory{}
	}
	return Memory{Serial: mam.Serial, Capacity: int64(mam.MaximumCapacity) << 20}
}

// WriteApplicationMemory notes program, label and barcode in the cartridge memory. It is a convenience for those who
// hold the cartridge in their hands one day; failures are logged and of no consequence.
func (m *Mount) WriteApplicationMemory(ctx context.Context, software, version, label string) {
	m.writeMemory(ctx, map[drive.AttributeID]string{
		drive.AttributeApplicationVendor: software, drive.AttributeApplicationName: software, drive.AttributeApplicationVersion: version,
		drive.AttributeUserMediumTextLabel: label, drive.AttributeBarcode: m.Barcode,
	})
}

// WriteDate notes in the cartridge memory that the tape was written now.
func (m *Mount) WriteDate(ctx context.Context) {
	m.writeMemory(ctx, map[drive.AttributeID]string{drive.AttributeDateLastWritten: time.Now().UTC().Format("200601021504")})
}

func (m *Mount) writeMemory(ctx context.Context, texts map[drive.AttributeID]string) {
	if !m.Capabilities().MAM {
		return
	}
	for id, text := range texts {
		a, ok := drive.NewTextAttribute(id, text)
		if !ok {
			continue
		}
		if err := m.WriteAttribute(ctx, a); err != nil {
			m.library.log.Warn("write the cartridge memory", "barcode", m.Barcode, "attribute", int(id), "error", err)
			return
		}
	}
}
