// Package usage is what a command line may say: errors of wrong use, and the arguments and flags that several commands
// share.
package usage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/terminal"
)

// Error is a command line that can't work.
type Error struct{ error }

func (e *Error) Unwrap() error { return e.error }

// Errorf makes an Error as fmt.Errorf does.
func Errorf(format string, args ...any) error { return &Error{fmt.Errorf(format, args...)} }

// SaidError is an Error that says itself what to do: no help has more.
type SaidError struct{ wrong *Error }

func (e *SaidError) Error() string { return e.wrong.Error() }
func (e *SaidError) Unwrap() error { return e.wrong }

// Saidf makes a SaidError as fmt.Errorf does.
func Saidf(format string, args ...any) error { return &SaidError{&Error{fmt.Errorf(format, args...)}} }

// ExitUnreadable is the exit code of a command that could not read all of the lake: objects of it are gone or damaged.
const ExitUnreadable = 3

// ExitOriginal is the exit code of a verify of a copy whose tables name the files of the original.
const ExitOriginal = 4

// Coded is an error with an exit code of its own.
type Coded struct {
	error // nil where the command has said all
	Code  int
}

func (e *Coded) Error() string {
	if e.error == nil {
		return fmt.Sprintf("exit with %d", e.Code)
	}
	return e.error.Error()
}

func (e *Coded) Unwrap() error { return e.error }

// WithExit gives an error an exit code; nil ends the program with it, and without another word.
func WithExit(code int, err error) error { return &Coded{err, code} }

// NoSighting says why nobody has a version in a lake that has lines.
const NoSighting = "no line that was read tells a version. An event named SoftwareVersion with a Version does, " +
	"or what --events names in their place: docs/EVENTS.md, \"The catalogue\""

// Message is the text of an error for people: that it is about a setting shows in what it says.
func Message(err error) string {
	text := terminal.Error(err)
	if errors.Is(err, objects.ErrConfig) {
		text = strings.Replace(text, objects.ErrConfig.Error()+": ", "", 1)
	}
	return strings.TrimPrefix(text, objects.ErrConfig.Error()+": ") // Trino's is another error of that text
}

// Args makes errors about arguments, and about flags that don't go together, errors of usage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := flagsTogether(cmd); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return wrongCount(cmd, args, err)
		}
		return nil
	}
}

// Complete registers what the shell completes a flag with; folders when there are no values.
func Complete(cmd *cobra.Command, flag string, values ...string) {
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(values) == 0 {
		directive = cobra.ShellCompDirectiveFilterDirs
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, directive)); err != nil {
		panic(err) // the flag's name is misspelt
	}
}

// AddAges adds the ages that maintenance goes by.
func AddAges(cmd *cobra.Command, snapshotAge, grace *string) {
	cmd.Flags().StringVar(snapshotAge, "snapshot-age", "",
		"how long snapshots can be read that no tag names (default 48h)")
	cmd.Flags().StringVar(grace, "grace", "",
		"how long files are left alone that nothing names; longer than any query (default 24h)")
}
