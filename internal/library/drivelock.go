package library

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"tapectl/internal/mediacatalog"
)

// driveLocks keep two programs of this host from using one drive at the same time. The lease in the catalog does that for those
// that share a catalog; one with another catalog, or the drive added to another library, would rewind the tape under a
// writer. The kernel releases a lock when its process ends. Hosts are kept apart by nothing yet.
type driveLocks struct {
	mu   sync.Mutex
	held map[string]*driveLock
}

// driveLock is a lock of this process, and how many OpenDrives use it.
type driveLock struct {
	file  *os.File
	users int
}

// take locks the drive for this process. Errors: ErrInUse.
func (k *driveLocks) take(d mediacatalog.LibraryDrive, what string) (release func(), err error) {
	key := fmt.Sprintf("%x", sha256.Sum256([]byte(d.Vendor+"\x00"+d.Product+"\x00"+d.Serial)))[:20]
	k.mu.Lock()
	defer k.mu.Unlock()
	lock := k.held[key]
	if lock == nil {
		file, err := lockFile(filepath.Join(lockFolder(), "tapectl-drive-"+key))
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", what, err)
		}
		lock = &driveLock{file: file}
		if k.held == nil {
			k.held = map[string]*driveLock{}
		}
		k.held[key] = lock
	}
	lock.users++
	return sync.OnceFunc(func() { k.release(key, lock) }), nil
}

func (k *driveLocks) release(key string, lock *driveLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(k.held, key)
		lock.file.Close() // and with it goes the lock
	}
}

// errDriveInUse is ErrInUse by another process.
var errDriveInUse = fmt.Errorf("%w by another tapectl on this host, with another catalog or as part of another library", ErrInUse)

// lockFile opens and locks a file that is never removed: removing it would let two have it.
func lockFile(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, &os.PathError{Op: "open lock", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	_ = file.Chmod(0o666) // for the others of the group tape; only its maker can, and need not
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errDriveInUse
		}
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return file, nil
}

// lockFolder is where programs of a host keep their locks.
func lockFolder() string {
	const folder = "/run/lock"
	if unix.Access(folder, unix.W_OK) == nil {
		return folder
	}
	return os.TempDir()
}
