package vlib

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"tapectl/internal/scsi"
)

// file names in the folder.
const (
	configFile = "library.json"
	tableFile  = "cartridges.tab"
	nexusDir   = "nexus"
	stateName  = "state"
	lockName   = "lock"
	faultName  = "faults.json"
)

const (
	formatVersion = 1
	maxConfigFile = 1 << 20
)

// configuration is the content of library.json.
type configuration struct {
	Format int
	Config Config
}

// Library is an open virtual library. It is safe for use by several goroutines.
type Library struct {
	folder string
	table  *table
	// devices[0] is the changer, devices[n+1] drive n.
	devices []*device

	mu       sync.Mutex
	config   Config
	nexuses  map[*nexus]struct{}
	isClosed bool
}

// device is the changer or a drive. Everything in it belongs to whoever holds its gate.
type device struct {
	lib     *Library
	name    string
	number  int    // of the drive; -1 for the changer
	element uint16 // of the drive
	serial  string
	gen     generation
	gate
	state  state
	file   stateFile
	config Config // of state.configGen
	timing Timing // resolved
	// loadedConfig and loadedFaults tell what config and faults are of, plus 1; 0 is nothing.
	loadedConfig, loadedFaults uint64
	faults                     []Fault
	cart                       *cartridge // the open cartridge of a drive
	entry                      entry      // of the cartridge in the drive
	memory                     memory     // of cartridge memoryOf, as of state.memoryGen memoryGen
	memoryOf                   uint32
	memoryGen                  uint64
	commands                   *commandSet
}

// Open opens the virtual library in folder. The caller closes it; transports that are still open then fail.
func Open(folder string) (*Library, error) {
	l, err := open(folder)
	if err != nil {
		return nil, fmt.Errorf("open virtual library %s: %w", folder, err)
	}
	return l, nil
}

func open(folder string) (_ *Library, err error) {
	l := &Library{folder: folder, nexuses: map[*nexus]struct{}{}}
	if l.config, err = readConfig(folder); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	f, err := os.OpenFile(filepath.Join(folder, tableFile), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	l.table = &table{file: f}
	if err := l.table.view(func([]entry, map[uint16]uint32) {}); err != nil {
		return nil, err
	}
	for n := -1; n < l.config.Drives; n++ {
		d, err := l.openDevice(n)
		if err != nil {
			return nil, err
		}
		l.devices = append(l.devices, d)
	}
	l.sweep()
	return l, nil
}

// sweep removes what the transports of killed processes left behind. A file that is young may be one that its owner has
// not locked yet.
func (l *Library) sweep() {
	list, err := os.ReadDir(filepath.Join(l.folder, nexusDir))
	if err != nil {
		return // a missing folder shows when a transport is opened
	}
	for _, e := range list {
		id, err := strconv.ParseUint(e.Name(), 16, 64)
		info, ierr := e.Info()
		if err == nil && ierr == nil && time.Since(info.ModTime()) > time.Minute {
			l.alive(id)
		}
	}
}

// readConfig reads and checks library.json.
func readConfig(folder string) (Config, error) {
	var c configuration
	err := readJSON(filepath.Join(folder, configFile), maxConfigFile, &c)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no %s: not a virtual library: %w", configFile, err)
	}
	if err != nil {
		return Config{}, err
	}
	if c.Format != formatVersion {
		return Config{}, fmt.Errorf("%s has format %d, this program knows %d", configFile, c.Format, formatVersion)
	}
	if err := c.Config.check(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", configFile, err)
	}
	return c.Config, nil
}

func deviceName(n int) string {
	if n < 0 {
		return "changer"
	}
	return fmt.Sprintf("drive%d", n)
}

func (l *Library) openDevice(n int) (*device, error) {
	d := &device{lib: l, name: deviceName(n), number: n, serial: l.config.Serial, commands: changerCommands()}
	if n >= 0 {
		d.element = l.config.Addresses.DataTransfer + uint16(n)
		d.serial = driveSerial(l.config.Serial, n)
		d.gen = l.config.generation(n)
		d.commands = driveCommands()
	}
	dir := filepath.Join(l.folder, d.name)
	g, err := openGate(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	d.gate = g
	if d.file.file, err = os.OpenFile(filepath.Join(dir, stateName), os.O_RDWR, 0); err != nil {
		g.file.Close()
		return nil, err
	}
	return d, nil
}

// driveSerial makes a drive's serial number, 10 characters as the T10 form of identifiers wants it.
func driveSerial(serial string, n int) string {
	s := fmt.Sprintf("%04dD", n+1)
	return serial[:min(len(serial), 10-len(s))] + s
}

// Close ends all transports of this Library. The folder stays.
func (l *Library) Close() error {
	l.mu.Lock()
	if l.isClosed {
		l.mu.Unlock()
		return nil
	}
	l.isClosed = true
	var open []*nexus
	for n := range l.nexuses {
		open = append(open, n)
	}
	l.mu.Unlock()
	var errs []error
	for _, n := range open {
		errs = append(errs, n.Close())
	}
	for _, d := range l.devices {
		errs = append(errs, d.closeFiles())
	}
	if l.table != nil {
		errs = append(errs, l.table.file.Close())
	}
	return errors.Join(errs...)
}

// closeFiles waits for the command that is running.
func (d *device) closeFiles() error {
	d.sem <- struct{}{}
	defer func() { <-d.sem }()
	if d.cart != nil {
		d.cart.close()
		d.cart = nil
	}
	return errors.Join(d.file.file.Close(), d.gate.file.Close())
}

// Folder is where the library is.
func (l *Library) Folder() string { return l.folder }

// Config is the configuration with all defaults filled in, and the quirks and timing of now. Tapes is empty: see
// Library.Tapes.
func (l *Library) Config() Config {
	if c, err := readConfig(l.folder); err == nil {
		return c
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.config
}

// Changer opens the medium changer. Each call is a new I_T nexus with its own unit attentions, PREVENT state and
// reservations; the caller closes it.
func (l *Library) Changer() (scsi.Transport, error) { return l.connect(-1) }

// Drive opens drive n, counted from 0, like Changer.
func (l *Library) Drive(n int) (scsi.Transport, error) {
	if n < 0 {
		return nil, fmt.Errorf("open drive %d of virtual library %s: there is no such drive", n, l.folder)
	}
	return l.connect(n)
}

func (l *Library) connect(n int) (*nexus, error) {
	if n+1 >= len(l.devices) {
		return nil, fmt.Errorf("open drive %d of virtual library %s: it has %d drives", n, l.folder, len(l.devices)-1)
	}
	d := l.devices[n+1]
	x, err := newNexus(d)
	if err != nil {
		return nil, fmt.Errorf("open %s of virtual library %s: %w", d.name, l.folder, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed {
		x.file.Close()
		os.Remove(x.file.Name())
		return nil, fmt.Errorf("open %s of virtual library %s: %w", d.name, l.folder, os.ErrClosed)
	}
	l.nexuses[x] = struct{}{}
	return x, nil
}

// lockPatience is how long everything but commands, which have their timeouts, waits for a device. Commands hold it
// while they execute and not while they wait, so that only a stopped process can use it up.
const lockPatience = time.Minute

// enter locks the device and loads its state and configuration.
func (d *device) enter() error {
	return d.enterBefore(context.Background(), time.Now().Add(lockPatience))
}

// enterBefore is enter for a command.
func (d *device) enterBefore(ctx context.Context, deadline time.Time) error {
	if err := d.lock(ctx, deadline); err != nil {
		return err
	}
	if err := d.refresh(); err != nil {
		d.unlock()
		return err
	}
	return nil
}

// refresh brings state, configuration, faults and the open cartridge up to date.
func (d *device) refresh() error {
	if err := d.file.read(&d.state); err != nil {
		return err
	}
	if d.loadedConfig != uint64(d.state.configGen)+1 {
		c, err := readConfig(d.lib.folder)
		if err != nil {
			return err
		}
		d.config, d.timing = c, c.Timing.resolve(d.gen, c.Slots)
		d.loadedConfig = uint64(d.state.configGen) + 1
	}
	if d.loadedFaults != uint64(d.state.faultGen)+1 {
		if err := d.readFaults(); err != nil {
			return err
		}
		d.loadedFaults = uint64(d.state.faultGen) + 1
	}
	return d.reconcile(time.Now().UnixNano())
}

// leave stores the state and unlocks the device.
func (d *device) leave() error {
	err := d.file.write(&d.state)
	d.unlock()
	return err
}

// enterAll locks the changer and all drives, in the order that a move takes them.
func (l *Library) enterAll() error {
	for i, d := range l.devices {
		if err := d.enter(); err != nil {
			for _, e := range l.devices[:i] {
				e.unlock()
			}
			return err
		}
	}
	return nil
}

func (l *Library) leaveAll() error {
	var errs []error
	for _, d := range slices.Backward(l.devices) {
		errs = append(errs, d.leave())
	}
	return errors.Join(errs...)
}

// SetQuirks changes how the library deviates from the standard, for all processes, from the next command on.
func (l *Library) SetQuirks(q Quirks) error {
	return l.change("set quirks", func(c *Config) { c.Quirks = q })
}

// SetTiming changes how long things take, for all processes, from the next command on.
func (l *Library) SetTiming(t Timing) error {
	return l.change("set timing", func(c *Config) { c.Timing = t })
}

// change rewrites the configuration while no command runs.
func (l *Library) change(what string, f func(*Config)) error {
	wrap := func(err error) error {
		if err != nil {
			return fmt.Errorf("%s of virtual library %s: %w", what, l.folder, err)
		}
		return nil
	}
	if err := l.enterAll(); err != nil {
		return wrap(err)
	}
	c, err := readConfig(l.folder)
	if err == nil {
		f(&c)
		err = c.check()
	}
	if err == nil {
		err = writeJSON(filepath.Join(l.folder, configFile), configuration{formatVersion, c})
	}
	if err == nil {
		for _, d := range l.devices {
			d.state.configGen++
		}
		l.mu.Lock()
		l.config = c
		l.mu.Unlock()
	}
	return wrap(errors.Join(err, l.leaveAll()))
}

// random is a number that identifies something for good.
func random() uint64 {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return uint64(time.Now().UnixNano())
	}
	return binary.LittleEndian.Uint64(b[:])
}
