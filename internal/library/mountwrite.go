package library

import "context"

// The methods of a Mount that write refuse when this process no longer has the library: another may have put another tape
// into the drive meanwhile. Reading is harmless.

// WriteBlock is the drive's WriteBlock while the lease is held. Errors: *LeaseLostError, and the drive's.
func (m *Mount) WriteBlock(ctx context.Context, p []byte) (earlyWarning bool, err error) {
	if err := m.library.Lost(); err != nil {
		return false, err
	}
	return m.Drive.WriteBlock(ctx, p)
}

// WriteFilemarks is the drive's WriteFilemarks while the lease is held. Errors: *LeaseLostError, and the drive's.
func (m *Mount) WriteFilemarks(ctx context.Context, count int, immediate bool) (earlyWarning bool, err error) {
	if err := m.library.Lost(); err != nil {
		return false, err
	}
	return m.Drive.WriteFilemarks(ctx, count, immediate)
}
