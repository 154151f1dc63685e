package drive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// log reads a log page; a page that the drive does not have is ErrNotSupported.
func (d *Drive) log(ctx context.Context, page byte) (scsi.LogPage, error) {
	if !d.can.LogSense {
		return scsi.LogPage{}, ErrNotSupported
	}
	p, err := scsi.ReadLog(ctx, d.attentive, page, 0)
	if errors.Is(err, scsi.InvalidOperationCode) {
		d.can.LogSense = false
	}
	if errors.Is(err, scsi.InvalidOperationCode) || errors.Is(err, scsi.InvalidFieldInCDB) {
		return p, fmt.Errorf("log page %02Xh: %w: %w", page, ErrNotSupported, err)
	}
	return p, err
}

// numbers collects the parameters of a page that are numbers.
func numbers(p scsi.LogPage) map[uint16]uint64 {
	n := map[uint16]uint64{}
	for it := p.Parameters(); it.Next(); {
		if v, ok := it.Parameter().Uint(); ok {
			n[it.Parameter().Code] = v
		}
	}
	return n
}

// ErrorCounters are log pages 02h (write) and 03h (read) (SPC-5 7.3.7). Counters that the drive does not have are 0.
type ErrorCounters struct {
	// CorrectedFast and CorrectedDelayed are errors corrected without and with delay, Corrected all of them.
	CorrectedFast, CorrectedDelayed, Corrected uint64
	// Retries are rewrites or rereads.
	Retries uint64
	// Bytes is what was processed.
	Bytes uint64
	// Uncorrected are lost blocks.
	Uncorrected uint64
}

// DecodeErrorCounters takes log page 02h or 03h.
func DecodeErrorCounters(p scsi.LogPage) ErrorCounters {
	n := numbers(p)
	return ErrorCounters{CorrectedFast: n[0], CorrectedDelayed: n[1], Retries: n[2], Corrected: n[3], Bytes: n[5], Uncorrected: n[6]}
}

// WriteErrors reads the counters of writing (log page 02h).
func (d *Drive) WriteErrors(ctx context.Context) (ErrorCounters, error) {
	return d.errorCounters(ctx, 0x02)
}

// ReadErrors reads the counters of reading (log page 03h).
func (d *Drive) ReadErrors(ctx context.Context) (ErrorCounters, error) {
	return d.errorCounters(ctx, 0x03)
}

func (d *Drive) errorCounters(ctx context.Context, page byte) (ErrorCounters, error) {
	p, err := d.log(ctx, page)
	if err != nil {
		return ErrorCounters{}, fmt.Errorf("read error counters: %w", err)
	}
	return DecodeErrorCounters(p), nil
}

// SequentialAccess is log page 0Ch (SSC-5 8.2.2): the present mount.
type SequentialAccess struct {
	// BytesFromHost and BytesToHost count before and after compression, BytesWritten and BytesRead on the medium.
	BytesFromHost, BytesWritten, BytesRead, BytesToHost uint64
	// Capacities in millions of bytes, without compression: from the beginning to end of data, to early warning, from
	// there to the end, and to the position.
	ToEndOfDataMB, ToEarlyWarningMB, BehindEarlyWarningMB, ToPositionMB uint64
	// PositionKnown and EndOfDataKnown say whether the drive told these two.
	PositionKnown, EndOfDataKnown bool
	// CleaningRequested: the drive wants a cleaning cartridge.
	CleaningRequested bool
}

// DecodeSequentialAccess takes log page 0Ch. Values of all ones are "not known".
func DecodeSequentialAccess(p scsi.LogPage) SequentialAccess {
	n := numbers(p)
	for code, v := range n {
		if v == 0xFFFFFFFF || v == 0xFFFFFFFFFFFFFFFF {
			delete(n, code)
		}
	}
	s := SequentialAccess{
		BytesFromHost: n[0], BytesWritten: n[1], BytesRead: n[2], BytesToHost: n[3],
		ToEndOfDataMB: n[4], ToEarlyWarningMB: n[5], BehindEarlyWarningMB: n[6], ToPositionMB: n[7],
		CleaningRequested: n[0x100] != 0,
	}
	_, s.EndOfDataKnown = n[4]
	_, s.PositionKnown = n[7]
	return s
}

// SequentialAccess reads log page 0Ch.
func (d *Drive) SequentialAccess(ctx context.Context) (SequentialAccess, error) {
	p, err := d.log(ctx, 0x0C)
	if err != nil {
		return SequentialAccess{}, fmt.Errorf("read sequential access counters: %w", err)
	}
	return DecodeSequentialAccess(p), nil
}

// Activity is what a drive is doing (SSC-5 8.2.6, very high frequency data).
type Activity uint8

var activities = [...]string{
	"idle", "cleaning", "loading", "unloading", "handling the medium", "reading", "writing", "locating", "rewinding",
	"erasing", "formatting", "calibrating", "other activity", "updating microcode", "reading encrypted data",
	"writing encrypted data",
}

// String says what the drive is doing.
func (a Activity) String() string {
	if int(a) < len(activities) {
		return activities[a]
	}
	return fmt.Sprintf("activity %02Xh", uint8(a))
}

// DeviceStatus is the very high frequency data of log page 11h. It can be read while the drive is busy.
type DeviceStatus struct {
	Initialized, InTransition                bool
	CleaningRequested, CleaningRequired      bool
	WriteProtected, Compression              bool
	MemoryAccessible                         bool // the cartridge memory can be read
	RobotAccess                              bool // the arm may take the medium
	Present, Seated, Threaded, Mounted       bool
	HostUnloaded, RemovalPrevented           bool
	RecoveryRequested, InterfaceChanged      bool
	TapeAlertChanged, EncryptionStateChanged bool
	Activity                                 Activity
	// Polling is how often the drive wants to be asked, 0 when it does not say.
	Polling time.Duration
}

// DecodeDeviceStatus takes log page 11h; parameter 0 has to be there.
func DecodeDeviceStatus(p scsi.LogPage) (DeviceStatus, error) {
	v, ok := p.Parameter(0)
	if !ok || len(v.Value) < 4 {
		return DeviceStatus{}, &scsi.ResponseError{Op: "LOG SENSE", Reason: "device status page without very high frequency data"}
	}
	a, b, c := v.Value[0], v.Value[1], v.Value[3]
	s := DeviceStatus{
		RemovalPrevented: a&0x80 != 0, HostUnloaded: a&0x40 != 0, MemoryAccessible: a&0x20 != 0, Compression: a&0x10 != 0,
		WriteProtected: a&0x08 != 0, CleaningRequested: a&0x04 != 0, CleaningRequired: a&0x02 != 0, Initialized: a&0x01 != 0,
		InTransition: b&0x80 != 0, RobotAccess: b&0x20 != 0, Present: b&0x10 != 0, Seated: b&0x04 != 0,
		Threaded: b&0x02 != 0, Mounted: b&0x01 != 0,
		Activity:               Activity(v.Value[2]),
		EncryptionStateChanged: c&0x80 != 0, RecoveryRequested: c&0x04 != 0, InterfaceChanged: c&0x02 != 0,
		TapeAlertChanged: c&0x01 != 0,
	}
	if poll, ok := p.Parameter(1); ok {
		if ms, ok := poll.Uint(); ok && ms <= 0xFFFF {
			s.Polling = time.Duration(ms) * time.Millisecond
		}
	}
	return s, nil
}

// DeviceStatus reads log page 11h.
func (d *Drive) DeviceStatus(ctx context.Context) (DeviceStatus, error) {
	p, err := d.log(ctx, 0x11)
	if err != nil {
		return DeviceStatus{}, fmt.Errorf("read device status: %w", err)
	}
	s, err := DecodeDeviceStatus(p)
	if err != nil {
		return s, fmt.Errorf("read device status: %w", err)
	}
	return s, nil
}

// DeviceStatistics is log page 14h (SSC-5 8.2.7): the life of the drive.
type DeviceStatistics struct {
	Loads, Cleanings, PowerOnHours, MotionHours, MetersOfTape uint64
	HoursSinceCleaning, PowerCycles                           uint64
	HardWriteErrors, HardReadErrors                           uint64
	ManufacturerSerial, Serial                                string
}

// DecodeDeviceStatistics takes log page 14h.
func DecodeDeviceStatistics(p scsi.LogPage) DeviceStatistics {
	n := numbers(p)
	return DeviceStatistics{
		Loads: n[0], Cleanings: n[1], PowerOnHours: n[2], MotionHours: n[3], MetersOfTape: n[4],
		HoursSinceCleaning: n[8], PowerCycles: n[0x0C], HardWriteErrors: n[0x0E], HardReadErrors: n[0x0F],
		ManufacturerSerial: text(p, 0x40), Serial: text(p, 0x41),
	}
}

// text gives the text of a parameter, "" when it is missing.
func text(p scsi.LogPage, code uint16) string {
	v, _ := p.Parameter(code)
	return v.Text()
}

// DeviceStatistics reads log page 14h.
func (d *Drive) DeviceStatistics(ctx context.Context) (DeviceStatistics, error) {
	p, err := d.log(ctx, 0x14)
	if err != nil {
		return DeviceStatistics{}, fmt.Errorf("read device statistics: %w", err)
	}
	return DecodeDeviceStatistics(p), nil
}

// PartitionCapacity is the capacity of one partition in millions of bytes.
type PartitionCapacity struct {
	Partition uint16
	MB        uint32
	// Known is false where the drive says that it does not know, such as for a tape without valid end of data.
	Known bool
}

// VolumeStatistics is log page 17h (SSC-5 8.2.8): the life of the loaded medium.
type VolumeStatistics struct {
	// Valid: the page belongs to the medium that is loaded.
	Valid                                        bool
	Mounts, DatasetsWritten, DatasetsRead        uint64
	RecoveredWriteErrors, UnrecoveredWriteErrors uint64
	RecoveredReadErrors, UnrecoveredReadErrors   uint64
	LastMountMBWritten, LastMountMBRead          uint64
	LifetimeMBWritten, LifetimeMBRead            uint64
	// WriteRatio and ReadRatio are the compression ratios of the last load, times 100.
	WriteRatio, ReadRatio                      uint64
	CapacityMB, UsedMB                         uint64 // native
	Serial, Lot, Barcode, Manufacturer         string
	Personality                                string
	WriteProtected, WORM, TemperatureExceeded  bool
	BeginningPasses, MiddlePasses              uint64
	Partitions, UsedPartitions, FreePartitions []PartitionCapacity
}

// DecodeVolumeStatistics takes log page 17h, subpage 0.
func DecodeVolumeStatistics(p scsi.LogPage) VolumeStatistics {
	n := numbers(p)
	return VolumeStatistics{
		Valid: n[0] != 0, Mounts: n[1], DatasetsWritten: n[2], RecoveredWriteErrors: n[3], UnrecoveredWriteErrors: n[4],
		DatasetsRead: n[7], RecoveredReadErrors: n[8], UnrecoveredReadErrors: n[9],
		LastMountMBWritten: n[0x0E], LastMountMBRead: n[0x0F], LifetimeMBWritten: n[0x10], LifetimeMBRead: n[0x11],
		WriteRatio: n[0x12], ReadRatio: n[0x13], CapacityMB: n[0x16], UsedMB: n[0x17],
		Serial: text(p, 0x40), Lot: text(p, 0x41), Barcode: text(p, 0x42), Manufacturer: text(p, 0x43),
		Personality: text(p, 0x45), WriteProtected: n[0x80] != 0, WORM: n[0x81] != 0, TemperatureExceeded: n[0x82] != 0,
		BeginningPasses: n[0x101], MiddlePasses: n[0x102],
		Partitions: partitions(p, 0x202), UsedPartitions: partitions(p, 0x203), FreePartitions: partitions(p, 0x204),
	}
}

// partitions takes the records of a partition parameter: length, reserved, partition number, value (SSC-5 table 62).
func partitions(p scsi.LogPage, code uint16) []PartitionCapacity {
	v, _ := p.Parameter(code)
	var list []PartitionCapacity
	for b := v.Value; len(b) >= 8 && b[0] >= 7; b = b[min(int(b[0])+1, len(b)):] {
		c := PartitionCapacity{Partition: binary.BigEndian.Uint16(b[2:4]), MB: binary.BigEndian.Uint32(b[4:8])}
		if c.Known = c.MB != 0xFFFFFFFF; !c.Known {
			c.MB = 0
		}
		list = append(list, c)
	}
	return list
}

// VolumeStatistics reads log page 17h.
func (d *Drive) VolumeStatistics(ctx context.Context) (VolumeStatistics, error) {
	p, err := d.log(ctx, 0x17)
	if err != nil {
		return VolumeStatistics{}, fmt.Errorf("read volume statistics: %w", err)
	}
	return DecodeVolumeStatistics(p), nil
}

// TapeCapacity is log page 31h of IBM drives and of HP: in MiB, for two partitions.
type TapeCapacity struct {
	RemainingMiB, MaximumMiB [2]uint64
}

// DecodeTapeCapacity takes log page 31h.
func DecodeTapeCapacity(p scsi.LogPage) TapeCapacity {
	n := numbers(p)
	return TapeCapacity{RemainingMiB: [2]uint64{n[1], n[2]}, MaximumMiB: [2]uint64{n[3], n[4]}}
}

// TapeCapacity reads log page 31h.
func (d *Drive) TapeCapacity(ctx context.Context) (TapeCapacity, error) {
	p, err := d.log(ctx, 0x31)
	if err != nil {
		return TapeCapacity{}, fmt.Errorf("read tape capacity: %w", err)
	}
	return DecodeTapeCapacity(p), nil
}
