//go:build !race

package mediacatalog

import "time"

// slow is a limit of time: twice what is promised, because other tests share the machine.
func slow(d time.Duration) time.Duration { return 2 * d }
