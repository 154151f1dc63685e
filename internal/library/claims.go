package library

import (
	"maps"
	"sync"

	"tapectl/internal/changer"
)

// claims is what the mounts of this process use: drives, and the slots that their tapes go back to. Safe for several
// goroutines.
type claims struct {
	mu       sync.Mutex
	drives   map[changer.ElementAddress]bool // drives in use by a Mount
	homes    map[changer.ElementAddress]bool // slots that mounted tapes go back to
	unloaded map[changer.ElementAddress]bool // drives whose tape this process has unloaded
}

func newClaims() *claims {
	return &claims{
		drives: map[changer.ElementAddress]bool{}, homes: map[changer.ElementAddress]bool{}, unloaded: map[changer.ElementAddress]bool{},
	}
}

// take marks the drive of a mount, and the slot that its tape goes back to, as in use.
func (c *claims) take(m *Mount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drives[m.element] = true
	if m.hasHome {
		c.homes[m.home] = true
	}
}

// drop undoes take.
func (c *claims) drop(m *Mount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.drives, m.element)
	if m.hasHome {
		delete(c.homes, m.home)
	}
}

// uses reports whether a Mount of this process uses the drive.
func (c *claims) uses(drive changer.ElementAddress) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drives[drive]
}

// reserved returns the slots that mounted tapes go back to, as a copy.
func (c *claims) reserved() map[changer.ElementAddress]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.homes)
}

// setUnloaded notes whether this process has unloaded the tape of the drive. A drive whose UNLOAD does nothing (tgt)
// stays ready all the same.
func (c *claims) setUnloaded(drive changer.ElementAddress, unloaded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if unloaded {
		c.unloaded[drive] = true
		return
	}
	delete(c.unloaded, drive)
}

// hasUnloaded reports what setUnloaded noted.
func (c *claims) hasUnloaded(drive changer.ElementAddress) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unloaded[drive]
}
