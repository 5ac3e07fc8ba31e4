package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
)

type statusOptions struct {
	*settings
	hours    bool
	versions bool
	findings bool
	gone     bool
	files    bool
	from, to string
}

func newStatusCommand(s *settings, runF func(context.Context, *statusOptions) error) *cobra.Command {
	o := &statusOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the lake holds: a summary, the ledger of its hours, or the versions that can be asked for",
		Long: `status sums up the lake. --hours prints the ledger instead, the last run of each hour, and --versions the snapshots of
gold.users that --as-of can name, newest first. --findings prints the hours whose files reconcile found to differ from
those that were read, newest first, and --gone the files that left the source, or are bad now, and whose rows stay. --files names
the files that are not in the lake, and why: those that are bad, those that were read in part, and what lay beside the files and was
passed over. It reads the lake and needs no Temporal.`,
		Example: `  versionlake status
  versionlake status --hours --from 2022-05-27T00 --to 2022-05-28T00
  versionlake status --findings
  versionlake status --versions --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return statusRun(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.hours, "hours", false, "the ledger, an hour a line")
	cmd.Flags().BoolVar(&o.versions, "versions", false, "the snapshots of gold.users and their tags")
	cmd.Flags().BoolVar(&o.files, "files", false, "the files that are not in the lake, and why")
	cmd.Flags().StringVar(&o.from, "from", "", "with --hours, --files or --gone: the first hour")
	cmd.Flags().StringVar(&o.to, "to", "", "with --hours, --files or --gone: the first hour after the last")
	cmd.Flags().BoolVar(&o.findings, "findings", false, "what reconcile found")
	cmd.Flags().BoolVar(&o.gone, "gone", false, "files that left the source or are bad, and whose rows stay")
	cmd.MarkFlagsMutuallyExclusive("hours", "versions", "findings", "files", "gone")
	return cmd
}

func statusRun(ctx context.Context, o *statusOptions) error {
	from, to, err := o.span()
	if err != nil {
		return err
	}
	l, err := o.readLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	switch {
	case o.hours:
		rows, err := ledger.Hours(ctx, l, from, to)
		if err != nil {
			return err
		}
		return o.printHours(rows)
	case o.versions:
		return o.printVersions(ctx, l)
	case o.findings:
		return o.printFindings(ctx, l)
	case o.gone:
		return o.printGone(ctx, l, from, to)
	case o.files:
		return o.printLeftOut(ctx, l, from, to)
	}
	return o.printStatus(ctx, l)
}

func (o *statusOptions) span() (from, to telemetry.Hour, err error) {
	from, to = math.MinInt32, math.MaxInt32
	if o.from != "" {
		if from, err = parseHourOrDay("--from", o.from); err != nil {
			return from, to, err
		}
	}
	if o.to != "" {
		to, err = parseHourOrDay("--to", o.to)
	}
	return from, to, err
}

// printHours prints rows of the ledger.
func (s *settings) printHours(rows []ledger.Hour) error {
	p := s.newPrinter("HOUR", "STATE", "FILES", "BAD", "GONE", "PASSED", "BYTES", "LINES", "EVENTS",
		"REJECTS", "BLANKS", "ERASED", "SIGHTINGS", "FINISHED")
	for _, row := range rows {
		if err := p.add(row, row.Hour, row.State, row.Files, row.BadFiles, row.GoneFiles, row.PassedOver,
			size(row.Bytes), row.Lines, row.Events, row.Rejects,
			row.Blanks, row.Erased, row.Sightings, instant(row.FinishedAt)); err != nil {
			return err
		}
	}
	return p.flush()
}

func (o *statusOptions) printVersions(ctx context.Context, l *lake.Lake) error {
	versions, err := l.Versions(ctx)
	if err != nil {
		return err
	}
	p := o.newPrinter("SNAPSHOT", "COMMITTED", "TAGS")
	for _, version := range versions {
		if err := p.add(version, version.SnapshotID, instant(version.CommittedAt),
			strings.Join(version.Tags, " ")); err != nil {
			return err
		}
	}
	return p.flush()
}

func (o *statusOptions) printFindings(ctx context.Context, l *lake.Lake) error {
	findings, err := ledger.Findings(ctx, l)
	if err != nil {
		return err
	}
	p := o.newPrinter("FOUND", "HOUR", "WAS", "ADDED", "CHANGED", "GONE", "REMOVED", "NOTE")
	for _, f := range findings {
		if err := p.add(f, instant(f.FoundAt), f.Hour, f.State, f.Added, f.Changed, f.Gone, f.Removed,
			f.Note); err != nil {
			return err
		}
	}
	return p.flush()
}

func (o *statusOptions) printStatus(ctx context.Context, l *lake.Lake) error {
	status, err := status.Read(ctx, l)
	if err != nil {
		return err
	}
	if o.output == outputJSON {
		return o.newPrinter().add(status)
	}
	if status.Hours == 0 {
		o.stdout.Printf("%s\n", "no hours yet")
	} else {
		o.stdout.Printf("%s from %s to %s, %d empty, %d degraded; %s, %d rejected\n",
			count(status.Hours, "hour"), status.FirstHour, status.LastHour, status.Empty, status.Degraded,
			count(status.Lines, "line"), status.Rejects)
	}
	if status.Latest.SnapshotID != 0 {
		o.stdout.Printf("%s as of %s, snapshot %d%s\n", count(status.Users, "user"), instant(status.Latest.CommittedAt),
			status.Latest.SnapshotID,
			tagList(status.Latest.Tags))
	}
	if len(status.HalfCommitted) > 0 {
		o.stdout.Printf("half committed: %s; an hour that no longer runs must be ingested again\n",
			strings.Join(status.HalfCommitted, ", "))
	}
	if status.Behind {
		o.stdout.Printf(
			"gold is behind silver: the gold writer has yet to follow, see the workflow \"gold\" in Temporal\n")
	}
	o.tellOfSource(status)
	if n := len(status.Findings); n > 0 && status.Findings[0].Note == "" {
		o.stdout.Printf("reconcile found %s whose files were not those that were read, last %s at %s; see --findings\n",
			count(int64(n), "hour"), status.Findings[0].Hour, instant(status.Findings[0].FoundAt))
	}
	o.printLeftOutLately(status)
	if status.DailyBehind {
		o.stdout.Printf("the daily aggregates are behind: they follow within a minute or so, see the workflow " +
			"\"daily\" in Temporal, or: versionlake daily --refresh\n")
	}
	o.stdout.Printf("\n")
	p := o.newPrinter("TABLE", "ROWS", "FILES", "BYTES", "SNAPSHOTS")
	for _, table := range status.Tables {
		if err := p.add(table, table.Name, table.Rows, table.Files, size(table.Bytes), table.Snapshots); err != nil {
			return err
		}
	}
	return p.flush()
}

// tellOfSource says what left the source, and that the source was found without hours.
func (o *statusOptions) tellOfSource(status status.Status) {
	if gone := status.Gone; gone.Files > 0 {
		o.stdout.Printf("%s of %s have left the source, and their %s stay:\n", count(gone.Files, "file"),
			count(gone.Hours, "hour"), count(gone.Rows, "row"))
		for _, file := range gone.Named {
			o.stdout.Printf("  %s: %s\n", file.Key, count(file.Events+file.Rejects, "row"))
		}
		if more := gone.Files - int64(len(gone.Named)); more > 0 {
			o.stdout.Printf("  and %d more, see --gone\n", more)
		}
	}
	if status.NoHours != "" {
		o.stdout.Printf("the schedule changes nothing: %s\n", status.NoHours)
	}
}

func (o *statusOptions) printGone(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) error {
	files, err := hours.KeptFiles(ctx, l, from, to, math.MaxInt)
	if err != nil {
		return err
	}
	p := o.newPrinter("FILE", "STATE", "EVENTS", "REJECTS", "BYTES", "WHY")
	for _, file := range files {
		if err := p.add(file, file.Key, file.State, file.Events, file.Rejects, size(file.Size),
			file.Error); err != nil {
			return err
		}
	}
	return p.flush()
}

// keptOf says what of a bad file is in the lake.
func keptOf(file ledger.File) string {
	if file.RowsKept == 0 {
		return ""
	}
	return fmt.Sprintf("; %s of its last good version stay", count(file.RowsKept, "row"))
}

// printLeftOut names files that are not in the lake.
func (o *statusOptions) printLeftOut(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) error {
	files, err := ledger.LeftOutFiles(ctx, l, from, to)
	if err != nil {
		return err
	}
	p := o.newPrinter("HOUR", "STATE", "FILE", "WHY")
	for _, file := range files {
		if err := p.add(file, file.Hour, file.State, file.Key, file.Error+file.Note+keptOf(file)); err != nil {
			return err
		}
	}
	return p.flush()
}

// printLeftOutLately names, by kind, the newest files that are not in the lake.
func (o *statusOptions) printLeftOutLately(status status.Status) {
	const named = 10
	for _, kind := range []struct {
		state string
		count int64
		noun  string
		text  string
	}{
		{ledger.FileBad, status.BadFiles, "file", "%s could not be read and left out, their hours are degraded"},
		{ledger.FileRead, -1, "file", "%s read in part"},
		{ledger.FilePassed, status.PassedOver, "name", "%s passed over beside the files"},
	} {
		var files []ledger.File
		for _, file := range status.LeftOut {
			if file.State == kind.state {
				files = append(files, file)
			}
		}
		if kind.count < 0 {
			kind.count = int64(len(files))
		}
		if kind.count == 0 {
			continue
		}
		o.stdout.Printf(kind.text+"; see --files\n", count(kind.count, kind.noun))
		slices.Reverse(files)
		for _, file := range files[:min(named, len(files))] {
			o.stdout.Printf("  %s: %s%s\n", file.Key, file.Error+file.Note, keptOf(file))
		}
		if more := kind.count - named; more > 0 {
			o.stdout.Printf("  and %d more\n", more)
		}
	}
}

func tagList(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	const named = 3
	if more := len(tags) - named; more > 0 {
		tags = append(tags[:named:named], fmt.Sprintf("%d more", more))
	}
	return " (" + strings.Join(tags, ", ") + ")"
}
