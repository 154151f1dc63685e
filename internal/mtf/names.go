package mtf

import (
	"context"
	"encoding/binary"
)

// names reads the streams in front of an object's data: the name where it has its own stream (PNAM, FNAM), and the link
// target of tapectl (SYML), with the CSUM streams that protect them.
type names struct {
	typ   uint8
	id    ID // PNAM or FNAM
	name  string
	found bool
	link  string
}

// read returns the header of the first data stream or SPAD, whose data comes next.
func (n *names) read(ctx context.Context, in *input) (StreamHeader, error) {
	var data []byte // of the last name stream, for its CSUM
	checked := true
	for {
		h, err := in.streamHeader(ctx)
		if err != nil {
			return h, err
		}
		if !checked && h.ID != StreamCSUM {
			return h, in.fail("stream", "%s is announced to have a CSUM stream, %s follows", n.id, h.ID)
		}
		switch h.ID {
		case n.id, StreamSYML:
			if data, err = n.small(ctx, in, h); err != nil {
				return h, err
			}
			if h.ID == StreamSYML {
				n.link = string(data)
			} else {
				n.name, n.found = decodeString(n.typ, data), true
			}
			checked = h.MediaAttributes&StreamChecksummed == 0
		case StreamCSUM:
			if err := n.verify(ctx, in, h, data); err != nil {
				return h, err
			}
			data, checked = nil, true
		case StreamSTAN, StreamSPAR, StreamSPAD, StreamSHA2, StreamCRPT:
			return h, nil
		default:
			data = nil
			if err := in.skip(ctx, h.Length); err != nil {
				return h, err
			}
		}
	}
}

func (n *names) small(ctx context.Context, in *input, h StreamHeader) ([]byte, error) {
	if h.Length > maxName {
		return nil, in.fail("stream", "%s has %d bytes, at most %d are accepted", h.ID, h.Length, maxName)
	}
	if h.MediaAttributes&(StreamCompressed|StreamEncrypted|StreamContinue|StreamVariable) != 0 {
		return nil, in.fail("stream", "%s with media attributes %#x", h.ID, h.MediaAttributes)
	}
	p := make([]byte, h.Length)
	return p, in.read(ctx, p)
}

func (n *names) verify(ctx context.Context, in *input, h StreamHeader, data []byte) error {
	if h.Length != 4 || data == nil {
		return in.skip(ctx, h.Length)
	}
	var want, got [4]byte
	if err := in.read(ctx, want[:]); err != nil {
		return err
	}
	var x xorSum
	x.write(data)
	binary.LittleEndian.PutUint32(got[:], x.sum)
	if got != want {
		return &ChecksumError{Path: n.name, Stream: "CSUM", Want: want[:], Got: got[:]}
	}
	return nil
}
