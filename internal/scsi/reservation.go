package scsi

import (
	"context"
	"encoding/binary"
)

// PreventAllowMediumRemoval is PREVENT ALLOW MEDIUM REMOVAL (SPC-5 6.16, SMC-3, SSC-5 7.6).
type PreventAllowMediumRemoval struct {
	Prevent byte // 0 allow, 1 prevent; 2 and 3 concern a changer hanging on a drive
}

// Name is the standard's name of the command.
func (PreventAllowMediumRemoval) Name() string { return "PREVENT ALLOW MEDIUM REMOVAL" }

// CDB encodes the command.
func (r PreventAllowMediumRemoval) CDB() []byte { return []byte{0x1E, 0, 0, 0, r.Prevent & 0x03, 0} }

// UnmarshalCDB decodes the command.
func (r *PreventAllowMediumRemoval) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 6, 0x1E); err != nil {
		return err
	}
	r.Prevent = b[4] & 0x03
	return nil
}

// PreventRemoval locks the medium in a drive, or the door and the mail slots of a library, for this nexus, or opens them
// again. Every nexus that prevented must allow.
func PreventRemoval(ctx context.Context, t Transport, prevent bool) error {
	r := PreventAllowMediumRemoval{Prevent: flag(prevent, 1)}
	return Do(ctx, t, NewCommand(r, NoData, nil, StandardTimeout))
}

// The service actions of PERSISTENT RESERVE IN (SPC-5 table 230).
const (
	ReadKeys           = 0x00
	ReadReservation    = 0x01
	ReportCapabilities = 0x02
	ReadFullStatus     = 0x03
)

// The service actions of PERSISTENT RESERVE OUT (SPC-5 table 240).
const (
	ReserveRegister          = 0x00
	ReserveReserve           = 0x01
	ReserveRelease           = 0x02
	ReserveClear             = 0x03
	ReservePreempt           = 0x04
	ReservePreemptAndAbort   = 0x05
	ReserveRegisterAndIgnore = 0x06 // register and ignore existing key
)

// ReservationType is the kind of a persistent reservation (SPC-5 table 237).
type ReservationType byte

// The types.
const (
	WriteExclusive                 ReservationType = 1
	ExclusiveAccess                ReservationType = 3
	WriteExclusiveRegistrantsOnly  ReservationType = 5
	ExclusiveAccessRegistrantsOnly ReservationType = 6
	WriteExclusiveAllRegistrants   ReservationType = 7
	ExclusiveAccessAllRegistrants  ReservationType = 8
)

// PersistentReserveIn is PERSISTENT RESERVE IN (SPC-5 6.17).
type PersistentReserveIn struct {
	ServiceAction    byte
	AllocationLength uint16
}

// Name is the standard's name of the command.
func (PersistentReserveIn) Name() string { return "PERSISTENT RESERVE IN" }

// CDB encodes the command.
func (r PersistentReserveIn) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x5E
	b[1] = r.ServiceAction & 0x1F
	binary.BigEndian.PutUint16(b[7:9], r.AllocationLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *PersistentReserveIn) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x5E); err != nil {
		return err
	}
	*r = PersistentReserveIn{ServiceAction: b[1] & 0x1F, AllocationLength: binary.BigEndian.Uint16(b[7:9])}
	return nil
}

// PersistentReserveOut is PERSISTENT RESERVE OUT (SPC-5 6.18).
type PersistentReserveOut struct {
	ServiceAction       byte
	Scope               byte // 0: the logical unit
	Type                ReservationType
	ParameterListLength uint32 // 24 for all actions but register and move
}

// Name is the standard's name of the command.
func (PersistentReserveOut) Name() string { return "PERSISTENT RESERVE OUT" }

// CDB encodes the command.
func (r PersistentReserveOut) CDB() []byte {
	b := make([]byte, 10)
	b[0] = 0x5F
	b[1] = r.ServiceAction & 0x1F
	b[2] = r.Scope<<4 | byte(r.Type)&0x0F
	binary.BigEndian.PutUint32(b[5:9], r.ParameterListLength)
	return b
}

// UnmarshalCDB decodes the command.
func (r *PersistentReserveOut) UnmarshalCDB(b []byte) error {
	if err := CheckCDB(r.Name(), b, 10, 0x5F); err != nil {
		return err
	}
	*r = PersistentReserveOut{ServiceAction: b[1] & 0x1F, Scope: b[2] >> 4, Type: ReservationType(b[2] & 0x0F),
		ParameterListLength: binary.BigEndian.Uint32(b[5:9])}
	return nil
}

// ReservationKeys is the data of PERSISTENT RESERVE IN / READ KEYS (SPC-5 6.17.2).
type ReservationKeys struct {
	Generation uint32
	Keys       []uint64
}

// Unmarshal decodes the data; keys that did not fit in the buffer are left out. The error is a *ResponseError.
func (k *ReservationKeys) Unmarshal(b []byte) error {
	if len(b) < 8 {
		return malformed("reservation keys of %d bytes", len(b))
	}
	*k = ReservationKeys{Generation: binary.BigEndian.Uint32(b[0:4])}
	n := int64(binary.BigEndian.Uint32(b[4:8]))
	for b = b[8:min(int64(len(b)), 8+n)]; len(b) >= 8; b = b[8:] {
		k.Keys = append(k.Keys, binary.BigEndian.Uint64(b))
	}
	return nil
}

// Marshal encodes the data.
func (k ReservationKeys) Marshal() []byte {
	b := binary.BigEndian.AppendUint32(nil, k.Generation)
	b = binary.BigEndian.AppendUint32(b, uint32(8*len(k.Keys)))
	for _, key := range k.Keys {
		b = binary.BigEndian.AppendUint64(b, key)
	}
	return b
}

// Reservation is the data of PERSISTENT RESERVE IN / READ RESERVATION (SPC-5 6.17.3).
type Reservation struct {
	Generation uint32
	Held       bool // there is a reservation; the fields below are valid
	Key        uint64
	Scope      byte
	Type       ReservationType
}

// Unmarshal decodes the data. The error is a *ResponseError.
func (r *Reservation) Unmarshal(b []byte) error {
	if len(b) < 8 {
		return malformed("reservation of %d bytes", len(b))
	}
	*r = Reservation{Generation: binary.BigEndian.Uint32(b[0:4])}
	if binary.BigEndian.Uint32(b[4:8]) == 0 {
		return nil
	}
	if len(b) < 24 {
		return malformed("reservation of %d bytes", len(b))
	}
	r.Held = true
	r.Key = binary.BigEndian.Uint64(b[8:16])
	r.Scope, r.Type = b[21]>>4, ReservationType(b[21]&0x0F)
	return nil
}

// Marshal encodes the data.
func (r Reservation) Marshal() []byte {
	if !r.Held {
		b := make([]byte, 8)
		binary.BigEndian.PutUint32(b[0:4], r.Generation)
		return b
	}
	b := make([]byte, 24)
	binary.BigEndian.PutUint32(b[0:4], r.Generation)
	binary.BigEndian.PutUint32(b[4:8], 16)
	binary.BigEndian.PutUint64(b[8:16], r.Key)
	b[21] = r.Scope<<4 | byte(r.Type)&0x0F
	return b
}

// ReserveParameters is the parameter list of PERSISTENT RESERVE OUT (SPC-5 6.18.3).
type ReserveParameters struct {
	Key              uint64 // this nexus' own key
	ServiceActionKey uint64 // the key that is registered, or preempted
	AllTargetPorts   bool   // ALL_TG_PT
	ThroughPowerLoss bool   // APTPL
}

// Unmarshal decodes the list. The error is a *ResponseError.
func (p *ReserveParameters) Unmarshal(b []byte) error {
	if len(b) < 24 {
		return malformed("reservation parameter list of %d bytes", len(b))
	}
	*p = ReserveParameters{Key: binary.BigEndian.Uint64(b[0:8]), ServiceActionKey: binary.BigEndian.Uint64(b[8:16]),
		AllTargetPorts: b[20]&0x04 != 0, ThroughPowerLoss: b[20]&0x01 != 0}
	return nil
}

// Marshal encodes the list in 24 bytes.
func (p ReserveParameters) Marshal() []byte {
	b := make([]byte, 24)
	binary.BigEndian.PutUint64(b[0:8], p.Key)
	binary.BigEndian.PutUint64(b[8:16], p.ServiceActionKey)
	b[20] = flag(p.AllTargetPorts, 0x04) | flag(p.ThroughPowerLoss, 0x01)
	return b
}

// ReadReservationKeys returns the registered keys.
func ReadReservationKeys(ctx context.Context, t Transport) (ReservationKeys, error) {
	var k ReservationKeys
	r := PersistentReserveIn{ServiceAction: ReadKeys, AllocationLength: 8 + 8*255}
	b, err := DataIn(ctx, t, r, int(r.AllocationLength), StandardTimeout)
	if err != nil {
		return k, err
	}
	err = named(r, k.Unmarshal(b))
	return k, err
}

// ReadReservationHolder returns the reservation that stands, if any.
func ReadReservationHolder(ctx context.Context, t Transport) (Reservation, error) {
	var v Reservation
	r := PersistentReserveIn{ServiceAction: ReadReservation, AllocationLength: 252}
	b, err := DataIn(ctx, t, r, int(r.AllocationLength), StandardTimeout)
	if err != nil {
		return v, err
	}
	err = named(r, v.Unmarshal(b))
	return v, err
}

// Reserve sends PERSISTENT RESERVE OUT for the logical unit. The refusal by another host's reservation is a *StatusError
// with StatusReservationConflict.
func Reserve(ctx context.Context, t Transport, action byte, kind ReservationType, p ReserveParameters) error {
	r := PersistentReserveOut{ServiceAction: action, Type: kind, ParameterListLength: 24}
	return DataOut(ctx, t, r, p.Marshal(), StandardTimeout)
}
