//go:build !unix

package observe

import "time"

func processorTime() (user, system time.Duration, known bool) { return 0, 0, false }
