// Command versionlake keeps the history of the software versions that users run in an Iceberg lake, and answers
// from it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/demo"
	"github.com/versionlake/versionlake/cmd/versionlake/doctor"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/look"
	"github.com/versionlake/versionlake/cmd/versionlake/memory"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/run"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
	"github.com/versionlake/versionlake/cmd/versionlake/watch"
)

// groups are all commands.
var groups = []program.Commands{ask.Commands, look.Commands, intake.Commands, run.Commands, upkeep.Commands,
	watch.Commands, doctor.Commands, demo.Commands}

func main() {
	ownerOnly()
	memory.Tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second interrupt ends the program at once.
	context.AfterFunc(ctx, stop)
	code := program.Execute(ctx, os.Args[1:], os.Stdout, os.Stderr, groups...)
	stop()
	os.Exit(code)
}
