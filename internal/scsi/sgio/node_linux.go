package sgio

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ioctl requests of <scsi/sg.h> and <linux/fs.h>.
const (
	sgGetVersionNum   = 0x2282
	sgSetReservedSize = 0x2275
	sgGetReservedSize = 0x2272
	blkSectGet        = 0x1267
)

// node is the kernel's side of a device node: start a command, wait for its end, fetch the result.
type node interface {
	start(h *header) error
	// wait returns true when a result is there, false when d is over or the wait was disturbed.
	wait(d time.Duration) (bool, error)
	fetch(h *header) error
	close() error
}

// fileNode is an open /dev/sgN.
type fileNode int

// openNode opens path and verifies that it is what it must be.
func openNode(path string, o Options) (fileNode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0, errors.New("it is no character device")
	}
	switch unix.Major(st.Rdev) {
	case 21:
	case 9:
		return 0, errors.New("it is a node of the st driver; use the drive's /dev/sgN, see lsscsi -g")
	default:
		return 0, errors.New("it is no SCSI generic device (/dev/sgN, see lsscsi -g)")
	}
	flags := unix.O_RDWR | unix.O_NONBLOCK | unix.O_CLOEXEC
	if o.Exclusive {
		flags |= unix.O_EXCL
	}
	fd, err := retryInterrupted(func() (int, error) { return unix.Open(path, flags, 0) })
	switch err {
	case nil:
	case unix.EACCES, unix.EPERM:
		return 0, fmt.Errorf("%w (users of the group tape may open it)", err)
	case unix.EBUSY:
		return 0, fmt.Errorf("%w: another program uses it", err)
	default:
		return 0, err
	}
	v, err := unix.IoctlGetInt(fd, sgGetVersionNum)
	if err == nil && v < 30000 {
		err = fmt.Errorf("version %d is too old", v)
	}
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("SCSI generic driver: %w", err)
	}
	return fileNode(fd), nil
}

// retryInterrupted repeats a call that a signal ended before it did anything.
func retryInterrupted(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != unix.EINTR {
			return n, err
		}
	}
}

// limits reserves a buffer in the kernel and asks how much one command may carry; 0 means that the kernel does not tell.
func (n fileNode) limits(reserve int) (reserved, most int) {
	// A refusal does not matter: what was reserved is asked for next.
	_ = unix.IoctlSetPointerInt(int(n), sgSetReservedSize, reserve)
	if v, err := unix.IoctlGetInt(int(n), sgGetReservedSize); err == nil && v > 0 {
		reserved = v
	}
	if v, err := unix.IoctlGetInt(int(n), blkSectGet); err == nil && v > 0 {
		most = v
	}
	return reserved, most
}

// start hands the command to the driver. On error the device never saw it. The call does not sleep; a signal that
// comes before the driver took the command gives EINTR and nothing has happened.
func (n fileNode) start(h *header) error {
	_, err := retryInterrupted(func() (int, error) { return unix.Write(int(n), h.bytes()) })
	return err
}

func (n fileNode) wait(d time.Duration) (bool, error) {
	p := []unix.PollFd{{Fd: int32(n), Events: unix.POLLIN}}
	got, err := unix.Poll(p, int(d.Milliseconds()))
	switch {
	case err == unix.EINTR || err == nil && got == 0:
		return false, nil
	case err != nil:
		return false, err
	case p[0].Revents&unix.POLLIN != 0:
		return true, nil
	}
	return false, unix.ENODEV // POLLHUP: the device was taken away
}

func (n fileNode) fetch(h *header) error {
	_, err := retryInterrupted(func() (int, error) { return unix.Read(int(n), h.bytes()) })
	return err
}

func (n fileNode) close() error { return unix.Close(int(n)) }
