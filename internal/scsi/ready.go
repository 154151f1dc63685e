package scsi

import (
	"context"
	"errors"
)

// TestUnitReady is TEST UNIT READY (SPC-5 6.46). It has no data.
type TestUnitReady struct{}

// Name is the standard's name of the command.
func (TestUnitReady) Name() string { return "TEST UNIT READY" }

// CDB encodes the command.
func (TestUnitReady) CDB() []byte { return make([]byte, 6) }

// UnmarshalCDB decodes the command.
func (r *TestUnitReady) UnmarshalCDB(b []byte) error { return CheckCDB(r.Name(), b, 6, 0x00) }

// RequestSense is REQUEST SENSE (SPC-5 6.38). It serves to poll an operation in progress; errors bring their sense data
// along.
type RequestSense struct {
	Descriptor       bool // DESC: descriptor format wanted
	AllocationLength byte
}

// Name is the standard's name of the command.
func (RequestSense) Name() string { return "REQUEST SENSE" }

// CDB encodes the command.
func (r RequestSense) CDB() []byte {
	return []byte{0x03, flag(r.Descriptor, 0x01), 0, 0, r.AllocationLength, 0}
}

// UnmarshalCDB decodes the command.
func (r *RequestSense) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 6, 0x03); err != nil {
		return err
	}
	*r = RequestSense{Descriptor: b[1]&0x01 != 0, AllocationLength: b[4]}
	return nil
}

// Ready sends TEST UNIT READY. It returns nil when the device is ready; otherwise the error says why not:
// errors.Is(err, MediumNotPresent), BecomingReady, IsUnitAttention and so on.
func Ready(ctx context.Context, t Transport) error {
	return Do(ctx, t, NewCommand(TestUnitReady{}, NoData, nil, StandardTimeout))
}

// ReadSense sends REQUEST SENSE and returns the sense data that the device sent, for the progress of an operation. A
// device that answers with CHECK CONDITION instead gives the sense data of that.
func ReadSense(ctx context.Context, t Transport) (Sense, error) {
	r := RequestSense{AllocationLength: MaxSense}
	b, err := DataIn(ctx, t, r, MaxSense, StandardTimeout)
	var check *CheckError
	if errors.As(err, &check) {
		return check.Sense, nil
	}
	if err != nil {
		return Sense{}, err
	}
	s, err := ParseSense(b)
	if err != nil {
		return Sense{}, named(r, malformed("%v", err))
	}
	return s, nil
}

// ClearAttentions consumes the unit attentions that a new nexus or a reset left: it sends TEST UNIT READY until
// the device answers anything else, ten times at most, and returns the attentions in the order they came. A device
// that is not ready is no error here; only a command that got no usable answer, or was refused with a status, is.
func ClearAttentions(ctx context.Context, t Transport) ([]Sense, error) {
	var got []Sense
	for range maxAttentions {
		err := Ready(ctx, t)
		var check *CheckError
		switch {
		case err == nil:
			return got, nil
		case !errors.As(err, &check):
			return got, err
		case check.Sense.Key != UnitAttention:
			return got, nil
		}
		got = append(got, check.Sense)
	}
	return got, nil
}
