// Command versionlake keeps the history of the software versions that users run in an Iceberg lake, and answers
// from it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/demo"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/look"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/run"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
	"github.com/versionlake/versionlake/cmd/versionlake/watch"
)

// groups are all commands.
var groups = []program.Commands{ask.Commands, look.Commands, intake.Commands, run.Commands, upkeep.Commands,
	watch.Commands, demo.Commands}

func main() {
	ownerOnly()
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second interrupt ends the program at once.
	context.AfterFunc(ctx, stop)
	code := program.Execute(ctx, os.Args[1:], os.Stdout, os.Stderr, groups...)
	stop()
	os.Exit(code)
}

// tuneMemory collects garbage half as often as Go does by itself, which is a tenth of an hour's time, but more eagerly
// from 768 MiB on. GOGC and GOMEMLIMIT have the last word.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(768 << 20)
	}
}
