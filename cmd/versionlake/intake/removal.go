package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/lost"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
)

// removal is what commands that read hours again do with what left the source: nothing, unless they are told to
// take it out.
type removal struct {
	removeGone, yes, dryRun bool
}

func (r *removal) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&r.removeGone, "remove-gone", false, "take out the rows of files that left the source, or that "+
		"are bad now; without it they stay")
	flags.BoolVar(&r.yes, "yes", false, "with --remove-gone: do it without asking")
	flags.BoolVar(&r.dryRun, "dry-run", false, "with --remove-gone: say what would go, and change nothing")
}

func (r *removal) validate() error {
	switch {
	case !r.removeGone && (r.yes || r.dryRun):
		return usage.Errorf("--yes and --dry-run go with --remove-gone")
	case r.yes && r.dryRun:
		return usage.Errorf("--yes and --dry-run exclude each other")
	}
	return nil
}

// errKept: nobody said that the rows shall go.
var errKept = errors.New("nothing was changed: --yes takes the rows out, and they come back only with their files")

// confirm says what --remove-gone takes out of the hours in [from, to), and asks; false: nothing more is to
// be done.
func (r *removal) confirm(ctx context.Context, s *settings.Settings, from, to telemetry.Hour) (goOn bool, err error) {
	if !r.removeGone {
		return true, nil
	}
	plan, err := planRemoval(ctx, s, from, to)
	if err != nil {
		return false, err
	}
	if r.dryRun && s.Objects() {
		return false, s.NewPrinter().Add(plan)
	}
	printRemoval(s.Stderr, plan)
	switch {
	case r.dryRun:
		s.Stderr.Printf("%s\n", "nothing was changed: this was a --dry-run")
		return false, nil
	case r.yes || plan.Files == 0:
		return true, nil
	case !isatty.IsTerminal(os.Stdin.Fd()):
		return false, errKept
	}
	s.Stderr.Printf("Take them out? They come back only with their files. [y/N] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return false, errKept
	}
	return true, nil
}

// planRemoval compares with the source that the work will read.
func planRemoval(ctx context.Context, s *settings.Settings, from, to telemetry.Hour) (lost.Sum, error) {
	if _, err := session.WorkSource(ctx, s); err != nil {
		return lost.Sum{}, err
	}
	l, err := s.ReadLake(ctx)
	if errors.Is(err, lake.ErrNoLake) {
		return lost.Sum{}, nil
	}
	if err != nil {
		return lost.Sum{}, err
	}
	defer l.Close()
	if err := s.TakeKept(ctx, l); err != nil {
		return lost.Sum{}, err
	}
	src, err := session.WorkSource(ctx, s) // once more: the lake may keep a layout
	if err != nil {
		return lost.Sum{}, err
	}
	files, err := activities.LostFiles(ctx, src, l, from, to)
	if err != nil {
		return lost.Sum{}, fmt.Errorf("find out what --remove-gone takes out: %w", err)
	}
	return lost.Count(ctx, l, files)
}

// printRemoval says what goes, beside the command's own output.
func printRemoval(stderr *terminal.Output, plan lost.Sum) {
	const named = 10
	for _, file := range plan.Named[:min(named, len(plan.Named))] {
		stderr.Printf("  %s: %s, %s\n", file.Key, file.State, output.Count(file.Events+file.Rejects, "row"))
	}
	if more := len(plan.Named) - named; more > 0 {
		stderr.Printf("  and %d more\n", more)
	}
	stderr.Printf("--remove-gone takes out %s of %s in %s, with sightings of %s\n",
		output.Count(plan.Events+plan.Rejects, "row"), output.Count(plan.Files, "file"),
		output.Count(plan.Hours, "hour"), output.Count(plan.Users, "user"))
}

// tellGone says what left the source, beside the command's own output.
func tellGone(s *settings.Settings, what string) {
	s.Stderr.Printf("%s: their rows stay, see versionlake status --gone; --remove-gone would take them out\n", what)
}
