package scsitest

import (
	"bytes"
	"context"

	"tapectl/internal/scsi"
)

// tapeModel is the smallest tape drive that the conformance suite accepts: variable blocks, filemarks, no errors.
type tapeModel struct {
	objects []any // []byte is a block, filemark is a mark
	at      int
}

type filemark struct{}

// NewTape returns a fake tape drive with an empty medium. It knows TEST UNIT READY, REWIND, INQUIRY, READ, WRITE and
// MODE SELECT in their 6-byte forms and WRITE FILEMARKS, with variable block length only, and answers by the rules of
// SSC-5. It serves to test transports and wrappers of transports; package vlib is the real simulator.
func NewTape() *Transport {
	m := &tapeModel{}
	return &Transport{SendFunc: func(_ context.Context, c *scsi.Command) error {
		m.execute(c)
		return nil
	}}
}

func (m *tapeModel) execute(c *scsi.Command) {
	n := int(c.CDB[2])<<16 | int(c.CDB[3])<<8 | int(c.CDB[4])
	switch c.CDB[0] {
	case 0x00, 0x15:
		Good(c, nil)
	case 0x01:
		m.at = 0
		Good(c, nil)
	case 0x08:
		m.read(c, n)
	case 0x0A:
		if n > 0 {
			m.add(bytes.Clone(c.Data[:min(n, len(c.Data))]))
		}
		Good(c, nil)
	case 0x10:
		for range n {
			m.add(filemark{})
		}
		Good(c, nil)
	case 0x12:
		d := scsi.InquiryData{DeviceType: scsi.TapeDevice, Removable: true, Version: 6, ResponseFormat: 2,
			Vendor: "FAKE", Product: "TAPE", Revision: "1.0"}.Marshal()
		Good(c, d[:min(len(d), int(c.CDB[3])<<8|int(c.CDB[4]))])
	default:
		CheckCondition(c, Sense(scsi.IllegalRequest, 0x20, 0x00), nil)
	}
}

// add writes an object; what was behind it is gone.
func (m *tapeModel) add(object any) {
	m.objects = append(m.objects[:m.at:m.at], object)
	m.at++
}

func (m *tapeModel) read(c *scsi.Command, n int) {
	switch {
	case n == 0:
		Good(c, nil)
		return
	case m.at == len(m.objects):
		CheckCondition(c, Sense(scsi.BlankCheck, 0x00, 0x05), nil)
		return
	}
	object := m.objects[m.at]
	m.at++
	block, ok := object.([]byte)
	if !ok {
		CheckCondition(c, Fixed(scsi.Sense{ASCQ: 0x01, Filemark: true, InformationValid: true, Information: int64(n)}), nil)
		return
	}
	if len(block) == n {
		Good(c, block)
		return
	}
	CheckCondition(c, Fixed(scsi.Sense{IncorrectLength: true, InformationValid: true, Information: int64(n - len(block))}),
		block[:min(n, len(block))])
}
