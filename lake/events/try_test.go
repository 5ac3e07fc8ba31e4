package events_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/events"
)

// TestTry lets the gold.events of the lake in a folder follow, and says what that costs.
func TestTry(t *testing.T) {
	dir := os.Getenv("VERSIONLAKE_TRY")
	if dir == "" {
		t.Skip("VERSIONLAKE_TRY names no lake")
	}
	l, err := lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start, before := time.Now(), used(t)
	done, err := events.Follow(t.Context(), l, fmt.Sprintf("try-%d", start.UnixNano()), nil, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v: %v, %v of CPU", done, time.Since(start).Round(time.Millisecond), (used(t) - before).Round(time.Millisecond))
}

func used(t *testing.T) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
