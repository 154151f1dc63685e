//go:build race

package mediacatalog

import "time"

// slow is a limit of time under the race detector.
func slow(d time.Duration) time.Duration { return 20 * d }
