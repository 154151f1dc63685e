package library

import (
	"context"
	"time"

	"tapectl/internal/drive"
)

// Memory is what the cartridge memory tells about a tape; zero fields are not known.
type Memory struct {
	Serial   string // of the cartridge, for its whole life
	Barcode  string // what an application or a library wrote, not what the label on the cartridge shows
	Capacity int64  // bytes
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
	return Memory{Serial: mam.Serial, Barcode: mam.Barcode, Capacity: int64(mam.MaximumCapacity)}
}

// memoryBarcode is what stands as barcode in the cartridge memory, for drives that no changer tells one for.
func (m *Mount) memoryBarcode(ctx context.Context) string { return m.Memory(ctx).Barcode }

// WriteApplicationMemory notes program, label and barcode in the cartridge memory. It is a convenience for those who
// hold the cartridge in their hands one day; failures are logged and of no consequence.
func (m *Mount) WriteApplicationMemory(ctx context.Context, software, version, label string) {
	texts := []memoryText{
		{drive.AttributeApplicationVendor, software}, {drive.AttributeApplicationName, software},
		{drive.AttributeApplicationVersion, version}, {drive.AttributeUserMediumTextLabel, label},
	}
	if m.Barcode != "" {
		texts = append(texts, memoryText{drive.AttributeBarcode, m.Barcode})
	}
	m.writeMemory(ctx, texts)
}

// WriteDate notes in the cartridge memory that the tape was written now.
func (m *Mount) WriteDate(ctx context.Context) {
	m.writeMemory(ctx, []memoryText{{drive.AttributeDateLastWritten, time.Now().UTC().Format("200601021504")}})
}

// memoryText is one attribute to be written.
type memoryText struct {
	id   drive.AttributeID
	text string
}

func (m *Mount) writeMemory(ctx context.Context, texts []memoryText) {
	if !m.Capabilities().MAM {
		return
	}
	for _, t := range texts {
		a, ok := drive.NewTextAttribute(t.id, t.text)
		if !ok {
			continue
		}
		if err := m.WriteAttribute(ctx, a); err != nil {
			m.library.log.Warn("write the cartridge memory", "barcode", m.Barcode, "attribute", int(t.id), "error", err)
			return
		}
	}
}
