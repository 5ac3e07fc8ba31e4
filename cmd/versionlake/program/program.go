// Package program is the command line versionlake without its commands: its root, its errors and exit codes.
package program

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/terminal"
)

// Exit codes.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2 // wrong use, or cancelled
	// ExitUnreadable: objects of the lake are gone or damaged.
	ExitUnreadable = usage.ExitUnreadable
)

// Execute runs a command line with the commands of groups, and gives the exit code.
func Execute(ctx context.Context, args []string, out, errOut io.Writer, groups ...Commands) int {
	stdout, stderr := terminal.NewOutput(out), terminal.NewOutput(errOut)
	root := NewRoot(stdout, stderr, groups...)
	root.SetArgs(usage.Ago(args))
	cmd, err := root.ExecuteContextC(ctx)
	var coded *usage.Coded
	switch {
	case errors.As(err, &coded) && coded.Unwrap() == nil:
		return coded.Code
	case err == nil:
		return ExitOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		stderr.Printf("versionlake: cancelled\n")
		return ExitUsage
	}
	stderr.Printf("versionlake: %s\n", usage.Message(err))
	if next := nextStep(cmd, err); next != "" {
		stderr.Printf("%s\n", next)
	}
	var wrong *usage.Error
	if errors.As(err, &wrong) {
		return ExitUsage
	}
	switch {
	case coded != nil:
		return coded.Code
	case objects.IsDamage(err):
		return ExitUnreadable
	}
	return ExitError
}

// nextStep says what to do about an error that does not say so itself.
func nextStep(cmd *cobra.Command, err error) string {
	var wrong *usage.Error
	var said *usage.SaidError
	switch {
	case errors.As(err, &said):
		return ""
	case errors.As(err, &wrong):
		return "see `" + cmd.CommandPath() + " --help`"
	case objects.IsDamage(err):
		return "`versionlake verify` says what else can't be read, and `versionlake repair` mends it"
	case database.Unreached(err):
		return "is the catalog's Postgres up, and --catalog right? `versionlake doctor` tries all that it takes"
	case errors.Is(err, lake.ErrNoLake):
		return "ingest an hour first (`versionlake ingest 2022-05-27T05 --source FOLDER`), or name another lake " +
			"with --dir, or --catalog and --warehouse"
	}
	return ""
}
