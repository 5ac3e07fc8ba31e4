package main

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
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/lost"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
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
		return usagef("--yes and --dry-run go with --remove-gone")
	case r.yes && r.dryRun:
		return usagef("--yes and --dry-run exclude each other")
	}
	return nil
}

// errKept: nobody said that the rows shall go.
var errKept = errors.New("nothing was changed: --yes takes the rows out, and they come back only with their files")

// confirmRemoval says what --remove-gone takes out of the hours in [from, to), and asks; false: nothing more is to
// be done.
func (s *settings) confirmRemoval(ctx context.Context, r *removal, from, to telemetry.Hour) (goOn bool, err error) {
	if !r.removeGone {
		return true, nil
	}
	plan, err := s.planRemoval(ctx, from, to)
	if err != nil {
		return false, err
	}
	if r.dryRun && s.output == outputJSON {
		return false, s.newPrinter().add(plan)
	}
	s.printRemoval(plan)
	switch {
	case r.dryRun:
		s.stderr.Printf("%s\n", "nothing was changed: this was a --dry-run")
		return false, nil
	case r.yes || plan.Files == 0:
		return true, nil
	case !isatty.IsTerminal(os.Stdin.Fd()):
		return false, errKept
	}
	s.stderr.Printf("Take them out? They come back only with their files. [y/N] ")
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
func (s *settings) planRemoval(ctx context.Context, from, to telemetry.Hour) (lost.Sum, error) {
	if _, err := s.workSource(ctx); err != nil {
		return lost.Sum{}, err
	}
	l, err := s.readLake(ctx)
	if errors.Is(err, lake.ErrNoLake) {
		return lost.Sum{}, nil
	}
	if err != nil {
		return lost.Sum{}, err
	}
	defer l.Close()
	if _, err := s.takeKept(ctx, l); err != nil {
		return lost.Sum{}, err
	}
	src, err := s.workSource(ctx) // once more: the lake may keep a layout
	if err != nil {
		return lost.Sum{}, err
	}
	files, err := activities.LostFiles(ctx, src, l, from, to)
	if err != nil {
		return lost.Sum{}, fmt.Errorf("find out what --remove-gone takes out: %w", err)
	}
	return lost.Count(ctx, l, files)
}

// workSource is the source of the command, or else of the `versionlake dev` that works for it.
func (s *settings) workSource(ctx context.Context) (source.Source, error) {
	if s.source == "" {
		if state, ok, err := s.readDevState(); err != nil {
			return nil, err
		} else if ok {
			dev := *s
			dev.source = state.Source
			return dev.openSource(ctx)
		}
	}
	return s.openSource(ctx)
}

// printRemoval says what goes, beside the command's own output.
func (s *settings) printRemoval(plan lost.Sum) {
	const named = 10
	for _, file := range plan.Named[:min(named, len(plan.Named))] {
		s.stderr.Printf("  %s: %s, %s\n", file.Key, file.State, count(file.Events+file.Rejects, "row"))
	}
	if more := len(plan.Named) - named; more > 0 {
		s.stderr.Printf("  and %d more\n", more)
	}
	s.stderr.Printf("--remove-gone takes out %s of %s in %s, with sightings of %s\n",
		count(plan.Events+plan.Rejects, "row"), count(plan.Files, "file"), count(plan.Hours, "hour"),
		count(plan.Users, "user"))
}

// tellGone says what left the source, beside the command's own output.
func (s *settings) tellGone(what string) {
	s.stderr.Printf("%s: their rows stay, see versionlake status --gone; --remove-gone would take them out\n", what)
}
