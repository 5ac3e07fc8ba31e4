//go:build unix

package observe

import (
	"syscall"
	"time"
)

// processorTime is what this process took so far.
func processorTime() (user, system time.Duration, known bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0, false
	}
	return time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano()), true
}
