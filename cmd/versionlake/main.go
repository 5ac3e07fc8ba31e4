// Command versionlake keeps the history of the software versions that users run in an Iceberg lake, and answers
// from it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
)

// Exit codes.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2 // wrong use, or cancelled
	fileRights = 0o644
	dirRights  = 0o755
)

func main() {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second interrupt ends the program at once.
	context.AfterFunc(ctx, stop)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
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

// execute runs a command line and says how it went.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	stdout, stderr := terminal.NewOutput(out), terminal.NewOutput(errOut)
	root := newRootCommand(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		stderr.Printf("versionlake: cancelled\n")
		return exitUsage
	}
	stderr.Printf("versionlake: %s\n", terminal.Error(err))
	if next := nextStep(err); next != "" {
		stderr.Printf("%s\n", next)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

// usageError is a command line that can't work.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// nextStep says what to do about an error that does not say so itself.
func nextStep(err error) string {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return "see `versionlake help`, or --help after a command"
	case errors.Is(err, lake.ErrNoLake):
		return "ingest an hour first (`versionlake ingest 2022-05-27T05 --source FOLDER`), or name another lake " +
			"with --dir, or --catalog and --warehouse"
	case errors.Is(err, worker.ErrNoServer), isApplicationError(err, activities.ErrorBadInput):
		return "" // it is in the text
	}
	return ""
}
