package vlib

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"tapectl/internal/scsi"
)

const maxFaultFile = 4 << 20

func (d *device) faultPath() string { return filepath.Join(d.lib.folder, d.name, faultName) }

func (d *device) readFaults() error {
	d.faults = nil
	var list []Fault
	if err := readJSON(d.faultPath(), maxFaultFile, &list); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(list) > maxFaults {
		return fmt.Errorf("read %s: %d faults: %w", d.faultPath(), len(list), errDamaged)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return fmt.Errorf("read %s: %w", d.faultPath(), err)
		}
	}
	d.faults = list
	return nil
}

// writeFaults stores the faults and lets other processes know.
func (d *device) writeFaults() error {
	if err := writeJSON(d.faultPath(), d.faults); err != nil {
		return err
	}
	d.state.faultGen++
	d.loadedFaults = uint64(d.state.faultGen) + 1
	return nil
}

// InjectFault adds a fault and returns its number.
func (l *Library) InjectFault(f Fault) (int, error) {
	fail := func(err error) (int, error) {
		return 0, fmt.Errorf("inject fault into virtual library %s: %w", l.folder, err)
	}
	if err := f.check(); err != nil {
		return fail(err)
	}
	i := slices.IndexFunc(l.devices, func(d *device) bool { return d.name == f.Device })
	if i < 0 {
		return fail(fmt.Errorf("there is no device %q, only changer, drive0 and so on", f.Device))
	}
	all, err := l.Faults()
	if err != nil {
		return fail(err)
	}
	f.ID = 1
	for _, other := range all {
		f.ID = max(f.ID, other.ID+1)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	d := l.devices[i]
	if err := d.enter(); err != nil {
		return fail(err)
	}
	if len(d.faults) >= maxFaults {
		d.unlock()
		return fail(fmt.Errorf("%s has %d faults already", d.name, len(d.faults)))
	}
	d.faults = append(d.faults, f)
	if err := errors.Join(d.writeFaults(), d.leave()); err != nil {
		return fail(err)
	}
	return f.ID, nil
}

// Faults lists the faults that have not struck for the last time.
func (l *Library) Faults() ([]Fault, error) {
	var list []Fault
	for _, d := range l.devices {
		if err := d.enter(); err != nil {
			return nil, fmt.Errorf("list faults of virtual library %s: %w", l.folder, err)
		}
		list = append(list, d.faults...)
		d.unlock()
	}
	slices.SortStableFunc(list, func(a, b Fault) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// ClearFaults removes the faults with these numbers, or all when none is given.
func (l *Library) ClearFaults(ids ...int) error {
	for _, d := range l.devices {
		err := d.enter()
		if err == nil {
			n := len(d.faults)
			d.faults = slices.DeleteFunc(d.faults, func(f Fault) bool { return len(ids) == 0 || slices.Contains(ids, f.ID) })
			if len(d.faults) != n {
				err = d.writeFaults()
			}
			err = errors.Join(err, d.leave())
		}
		if err != nil {
			return fmt.Errorf("clear faults of virtual library %s: %w", l.folder, err)
		}
	}
	return nil
}

// strikeDead applies a FaultDead, which hits before anything else.
func (t *task) strikeDead() bool {
	for i := range t.d.faults {
		f := &t.d.faults[i]
		if f.Kind == FaultDead && t.hits(f, nil) && t.count(i) {
			t.lost, t.notSent = errors.New("the device is gone"), true
			return true
		}
	}
	return false
}

// strike returns the fault that hits the command, if any.
func (t *task) strike(cmd *command) *Fault {
	for i := range t.d.faults {
		f := t.d.faults[i]
		if f.Kind != FaultDead && t.hits(&f, cmd) && t.count(i) {
			for _, n := range f.TapeAlerts {
				t.s.raise(n)
			}
			return &f
		}
	}
	return nil
}

// hits tells whether the fault concerns the command. cmd is nil for FaultDead.
func (t *task) hits(f *Fault, cmd *command) bool {
	if len(f.Operations) > 0 {
		if !slices.Contains(f.Operations, int(t.cdb[0])) {
			return false
		}
	} else if cmd != nil && cmd.traits&always != 0 {
		return false
	}
	switch f.Kind {
	case FaultDeferred:
		if t.d.number < 0 || t.cdb[0] != 0x0A || t.s.load != loadReady {
			return false
		}
	case FaultArm:
		if t.d.number >= 0 || t.cdb[0] != 0xA5 {
			return false
		}
	case FaultRot:
		if t.d.number < 0 || t.d.cart == nil || *f.Object >= t.d.cart.count() {
			return false
		}
		return f.Barcode == "" || t.concerns(f.Barcode)
	}
	if f.Object != nil && !t.touches(*f.Object) {
		return false
	}
	if f.Element != 0 && !t.movesFromOrTo(f.Element) {
		return false
	}
	return f.Barcode == "" || t.concerns(f.Barcode)
}

// count counts a hit and tells whether the fault strikes now. A fault that struck for the last time is gone.
func (t *task) count(i int) bool {
	f := &t.d.faults[i]
	strikes := true
	switch {
	case f.After > 0:
		f.After--
		strikes = false
	case f.Times < 0:
		return true
	default:
		f.Times--
		if f.Times <= 0 {
			t.d.faults = slices.Delete(slices.Clone(t.d.faults), i, i+1)
		}
	}
	if err := t.d.writeFaults(); err != nil {
		t.lost = err
	}
	return strikes
}

// suffer lets the fault happen.
func (t *task) suffer(f *Fault, cmd *command) {
	s := &sense{key: f.Key, asc: f.ASC, ascq: f.ASCQ, fm: f.Filemark, eom: f.EndOfMedium, ili: f.IncorrectLength}
	if f.Information != nil {
		s.information(*f.Information)
	}
	defaultSense := func(key, asc, ascq byte) {
		if s.key == 0 && s.asc == 0 {
			s.key, s.asc, s.ascq = key, asc, ascq
		}
	}
	switch f.Kind {
	case FaultStatus:
		t.status = scsi.Status(f.Status)
	case FaultSense:
		if f.Executed {
			t.execute(cmd)
		}
		t.countError(s.key)
		t.sense = s
	case FaultTimeout:
		if f.Executed {
			t.execute(cmd)
		}
		t.lost = errNoAnswer
		t.wait += f.Delay
	case FaultArm:
		defaultSense(0x4, 0x15, 0x01)
		t.sense = t.armKeeps(s)
	case FaultDeferred:
		defaultSense(0x3, 0x0C, 0x00)
		t.s.deferred, t.s.toSwallow = true, uint32(max(f.Blocks, 1))
		t.s.deferredKey, t.s.deferredASC, t.s.deferASCQ = s.key, s.asc, s.ascq
		t.execute(cmd)
	case FaultRot:
		if err := t.d.cart.rot(*f.Object); err != nil {
			t.sense = t.broken(err)
			return
		}
		t.execute(cmd)
	case FaultDelay:
		t.execute(cmd)
		t.wait += f.Delay
	}
}

// countError counts an error in the drive's statistics.
func (t *task) countError(key byte) {
	if key != 0x3 && key != 0x4 {
		return
	}
	switch t.cdb[0] {
	case 0x0A, 0x10:
		t.s.writeErrors++
	case 0x08:
		t.s.readErrors++
	}
}
