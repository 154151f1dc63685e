package vlib

import (
	"slices"

	"tapectl/internal/scsi"
)

// conflicts tells whether a reservation of another nexus keeps the command out (SPC-5 5.14, SPC-2 5.5).
func (t *task) conflicts(cmd *command) bool {
	if cmd != nil && cmd.traits&shared != 0 && t.s.reservedBy == 0 {
		return false
	}
	if by := t.s.reservedBy; by != 0 && by != t.n.id {
		switch {
		case !t.d.lib.alive(by):
			t.d.forget(by)
		case t.cdb[0] == 0x17 || t.cdb[0] == 0xA3: // RELEASE of another nexus does nothing
		default:
			return true
		}
	}
	if t.s.prType == 0 || t.n.id == t.s.prHolder || cmd == nil || cmd.traits&shared != 0 {
		return false
	}
	registered := t.s.registeredKey(t.n.id) >= 0
	switch scsi.ReservationType(t.s.prType) {
	case scsi.WriteExclusiveRegistrantsOnly, scsi.WriteExclusiveAllRegistrants, scsi.ExclusiveAccessRegistrantsOnly,
		scsi.ExclusiveAccessAllRegistrants:
		if registered {
			return false
		}
	}
	exclusive := t.s.prType == byte(scsi.ExclusiveAccess) || t.s.prType == byte(scsi.ExclusiveAccessRegistrantsOnly) ||
		t.s.prType == byte(scsi.ExclusiveAccessAllRegistrants)
	// TEST UNIT READY and LOG SENSE never conflict; a write exclusive reservation lets through what changes nothing.
	switch t.cdb[0] {
	case 0x00, 0x4D:
		return false
	case 0x05, 0x1A, 0x5A, 0x34, 0x44, 0x8C, 0xB8:
		return exclusive
	}
	return true
}

func (t *task) reserve6() *sense {
	if t.s.prType != 0 || len(t.s.registered) > 0 {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	t.s.reservedBy = t.n.id
	return nil
}

func (t *task) release6() *sense {
	if t.s.reservedBy == t.n.id {
		t.s.reservedBy = 0
	}
	return nil
}

// holderKey is the key of the reservation's holder.
func (s *state) holderKey() uint64 {
	if i := s.registeredKey(s.prHolder); i >= 0 && !s.allRegistrants() {
		return s.registered[i].key
	}
	return 0
}

func (s *state) allRegistrants() bool {
	return s.prType == byte(scsi.WriteExclusiveAllRegistrants) || s.prType == byte(scsi.ExclusiveAccessAllRegistrants)
}

func (t *task) reserveIn() *sense {
	var r scsi.PersistentReserveIn
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(1, 4)
	}
	switch r.ServiceAction {
	case scsi.ReadKeys:
		k := scsi.ReservationKeys{Generation: t.s.prGeneration}
		for _, g := range t.s.registered {
			k.Keys = append(k.Keys, g.key)
		}
		return t.reply(k.Marshal(), int(r.AllocationLength))
	case scsi.ReadReservation:
		v := scsi.Reservation{Generation: t.s.prGeneration, Held: t.s.prType != 0, Key: t.s.holderKey(),
			Type: scsi.ReservationType(t.s.prType)}
		return t.reply(v.Marshal(), int(r.AllocationLength))
	}
	// REPORT CAPABILITIES (SPC-5 6.17.4): compatible RESERVE handling is off, the type mask is valid.
	return t.reply([]byte{0, 8, 0, 0x80, 0xEA, 0x01, 0, 0}, int(r.AllocationLength))
}

// reserveOut is PERSISTENT RESERVE OUT. A nexus that is not registered can only register.
func (t *task) reserveOut() *sense {
	var r scsi.PersistentReserveOut
	var p scsi.ReserveParameters
	if err := r.UnmarshalCDB(t.cdb); err != nil {
		return badCDB(1, 4)
	}
	if r.ParameterListLength != 24 {
		return illegal(0x1A, 0x00)
	}
	b, s := t.parameters(24)
	if s != nil {
		return s
	}
	if err := p.Unmarshal(b); err != nil {
		return badParameter(0, -1)
	}
	if t.s.reservedBy != 0 {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	if r.ServiceAction == scsi.ReserveRegister || r.ServiceAction == scsi.ReserveRegisterAndIgnore {
		return t.register(p, r.ServiceAction == scsi.ReserveRegisterAndIgnore)
	}
	i := t.s.registeredKey(t.n.id)
	if i < 0 || t.s.registered[i].key != p.Key {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	switch r.ServiceAction {
	case scsi.ReserveReserve:
		return t.persistentReserve(r)
	case scsi.ReserveRelease:
		return t.persistentRelease(r)
	case scsi.ReserveClear:
		t.s.registered, t.s.prType, t.s.prHolder = nil, 0, 0
		t.s.prGeneration++
		t.s.attend(0x2A, 0x03, t.n.id)
		return nil
	}
	return t.preempt(r, p)
}

func (t *task) register(p scsi.ReserveParameters, ignore bool) *sense {
	i := t.s.registeredKey(t.n.id)
	var old uint64
	if i >= 0 {
		old = t.s.registered[i].key
	}
	if !ignore && p.Key != old {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	switch {
	case p.ServiceActionKey != 0 && i >= 0:
		t.s.registered[i].key = p.ServiceActionKey
	case p.ServiceActionKey != 0 && len(t.s.registered) >= maxNexuses:
		return illegal(0x55, 0x04) // INSUFFICIENT REGISTRATION RESOURCES
	case p.ServiceActionKey != 0:
		t.s.registered = append(t.s.registered, registration{t.n.id, p.ServiceActionKey})
	case i >= 0:
		t.unregister(t.n.id)
	}
	t.s.prGeneration++
	return nil
}

// unregister removes a nexus; a reservation that it alone held goes with it.
func (t *task) unregister(id uint64) {
	t.s.registered = slices.DeleteFunc(t.s.registered, func(r registration) bool { return r.nexus == id })
	if t.s.prType != 0 && (t.s.prHolder == id && !t.s.allRegistrants() || len(t.s.registered) == 0) {
		t.s.prType, t.s.prHolder = 0, 0
		t.s.attend(0x2A, 0x04, id)
	}
}

func validReservationType(t scsi.ReservationType) bool {
	switch t {
	case scsi.WriteExclusive, scsi.ExclusiveAccess, scsi.WriteExclusiveRegistrantsOnly, scsi.ExclusiveAccessRegistrantsOnly,
		scsi.WriteExclusiveAllRegistrants, scsi.ExclusiveAccessAllRegistrants:
		return true
	}
	return false
}

func (t *task) persistentReserve(r scsi.PersistentReserveOut) *sense {
	if r.Scope != 0 || !validReservationType(r.Type) {
		return badCDB(2, -1)
	}
	holds := t.s.prHolder == t.n.id || t.s.allRegistrants()
	if t.s.prType != 0 && (!holds || t.s.prType != byte(r.Type)) {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	if t.s.prType == 0 {
		t.s.prType, t.s.prHolder = byte(r.Type), t.n.id
	}
	return nil
}

func (t *task) persistentRelease(r scsi.PersistentReserveOut) *sense {
	if t.s.prType == 0 || t.s.prHolder != t.n.id && !t.s.allRegistrants() {
		return nil
	}
	if t.s.prType != byte(r.Type) || r.Scope != 0 {
		return illegal(0x26, 0x04) // INVALID RELEASE OF PERSISTENT RESERVATION
	}
	t.s.prType, t.s.prHolder = 0, 0
	if r.Type != scsi.WriteExclusive && r.Type != scsi.ExclusiveAccess {
		t.s.attend(0x2A, 0x04, t.n.id)
	}
	return nil
}

// preempt removes the registrations of a key and takes over the reservation when that key holds it.
func (t *task) preempt(r scsi.PersistentReserveOut, p scsi.ReserveParameters) *sense {
	if r.Scope != 0 || !validReservationType(r.Type) {
		return badCDB(2, -1)
	}
	takes := t.s.prType != 0 && (t.s.holderKey() == p.ServiceActionKey && p.ServiceActionKey != 0 ||
		t.s.allRegistrants() && p.ServiceActionKey == 0)
	if p.ServiceActionKey == 0 && !takes {
		return badParameter(8, -1)
	}
	found := takes
	for _, g := range slices.Clone(t.s.registered) {
		if g.nexus != t.n.id && (g.key == p.ServiceActionKey || p.ServiceActionKey == 0) {
			t.s.registered = slices.DeleteFunc(t.s.registered, func(o registration) bool { return o == g })
			found = true
		} else if g.key == p.ServiceActionKey {
			found = true
		}
	}
	if !found {
		t.status = scsi.StatusReservationConflict
		return nil
	}
	if takes {
		t.s.prType, t.s.prHolder = byte(r.Type), t.n.id
	}
	t.s.prGeneration++
	t.s.attend(0x2A, 0x05, t.n.id) // REGISTRATIONS PREEMPTED
	return nil
}
