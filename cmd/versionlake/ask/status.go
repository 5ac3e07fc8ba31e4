package ask

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
)

// Status asks what the lake holds.
type Status struct {
	*settings.Settings
	Hours    bool   // the ledger
	From, To string // hours or days; "" is no bound

	versions bool
	findings bool
	gone     bool
	files    bool
	rejects  bool

	check      bool
	thresholds string
}

func newStatus(s *settings.Settings) *cobra.Command {
	o := &Status{Settings: s}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the lake holds: a summary, the ledger of its hours, or the versions that can be asked for",
		Long: `status sums up the lake. --hours prints the ledger instead, the last run of each hour, and --versions
the snapshots of gold.users that --as-of can name, newest first. --findings prints the hours whose files
reconcile found to differ from those that were read, newest first, and --gone the files that left the
source, or are bad now, and whose rows stay. --files names the files that are not in the lake, and why:
those that are bad, those that were read in part, and what lay beside the files and was passed over.
--rejects says why lines of the others could not be read: each reason, with a line for an example. It
reads the lake and needs no Temporal; where a server is named or runs on --dir, it also tells which hours
failed, what the gold writer does, and how the last maintenance went.

--check is for monitors that run a command: it prints one line with figures, and exits with 0 (all is
well), 1 (a warning), 2 (critical) or 3 (it can't be told). --thresholds names a YAML file that sets what
is which; docs/TELEMETRY.md has the names and what counts without one.`,
		Example: `  versionlake status
  versionlake status --hours --from 2022-05-27T00 --to 2022-05-28T00
  versionlake status --rejects --from 2022-05-27
  versionlake status --findings
  versionlake status --check --thresholds /etc/versionlake/thresholds.yaml
  versionlake status --versions --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.Run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.Hours, "hours", false, "the ledger, an hour a line")
	cmd.Flags().BoolVar(&o.versions, "versions", false, "the snapshots of gold.users and their tags")
	cmd.Flags().BoolVar(&o.files, "files", false, "the files that are not in the lake, and why")
	cmd.Flags().StringVar(&o.From, "from", "", "with --hours, --files, --rejects or --gone: the first hour")
	cmd.Flags().StringVar(&o.To, "to", "", "with --hours, --files, --rejects or --gone: the first hour after the last")
	cmd.Flags().BoolVar(&o.rejects, "rejects", false, "why lines were rejected, a reason a line")
	cmd.Flags().BoolVar(&o.findings, "findings", false, "what reconcile found")
	cmd.Flags().BoolVar(&o.gone, "gone", false, "files that left the source or are bad, and whose rows stay")
	cmd.Flags().BoolVar(&o.check, "check", false, "one line and an exit code, for monitors")
	cmd.Flags().StringVar(&o.thresholds, "thresholds", "", "with --check: a YAML file, see docs/TELEMETRY.md")
	cmd.MarkFlagsMutuallyExclusive("hours", "versions", "findings", "files", "rejects", "gone", "check")
	return cmd
}

// Run prints the answer.
func (o *Status) Run(ctx context.Context) error {
	if o.check {
		return o.runCheck(ctx)
	}
	from, to, err := o.span()
	if err != nil {
		return err
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	switch {
	case o.Hours:
		rows, err := ledger.Hours(ctx, l, from, to)
		if err != nil {
			return err
		}
		return o.PrintHours(rows)
	case o.versions:
		return o.printVersions(ctx, l)
	case o.findings:
		return o.printFindings(ctx, l)
	case o.gone:
		return o.printGone(ctx, l, from, to)
	case o.files:
		return o.printLeftOut(ctx, l, from, to)
	case o.rejects:
		return o.printRejects(ctx, l, from, to)
	}
	return o.printStatus(ctx, l)
}

func (o *Status) span() (from, to telemetry.Hour, err error) {
	from, to = math.MinInt32, math.MaxInt32
	if o.From != "" {
		if from, err = o.Times().HourOrDay("--from", o.From); err != nil {
			return from, to, err
		}
	}
	if o.To != "" {
		to, err = o.Times().HourOrDay("--to", o.To)
	}
	if err == nil && from >= to {
		err = usage.Errorf("the range from %s to %s holds no hour: --to is exclusive and comes after --from", from, to)
	}
	return from, to, err
}

func (o *Status) printVersions(ctx context.Context, l *lake.Lake) error {
	versions, err := gold.Versions(ctx, l)
	if err != nil {
		return err
	}
	p := o.NewPrinter("SNAPSHOT", "COMMITTED", "TAGS")
	for _, version := range versions {
		if err := p.Add(version, version.SnapshotID, output.Instant(version.CommittedAt),
			strings.Join(version.Tags, " ")); err != nil {
			return err
		}
	}
	if len(versions) == 0 {
		return o.tellNone("gold.users has no snapshot yet")
	}
	return p.Flush()
}

// tellNone says that there is nothing to list: silence might mean anything.
func (o *Status) tellNone(what string) error { return o.Stderr.Printf("%s\n", what) }

func holdsNothing(s status.Status) bool {
	return !slices.ContainsFunc(s.Tables, func(t status.TableStatus) bool { return t.Rows > 0 })
}

// noHours is what there is to say of a lake into which nothing came.
const noHours = "no hours yet: versionlake ingest HOUR --source FOLDER brings in one, and versionlake reprocess " +
	"--from … --to … many"

// withoutSightings tells that no line of all that was read tells a version.
func withoutSightings(s status.Status) bool {
	return s.Latest.SnapshotID == 0 && slices.ContainsFunc(s.Tables, func(t status.TableStatus) bool {
		return t.Name == lake.SilverSightings.Name && t.Rows == 0
	})
}

func (o *Status) printFindings(ctx context.Context, l *lake.Lake) error {
	findings, err := ledger.Findings(ctx, l)
	if err != nil {
		return err
	}
	p := o.NewPrinter("FOUND", "HOUR", "WAS", "ADDED", "CHANGED", "GONE", "REMOVED", "NOTE")
	for _, f := range findings {
		if err := p.Add(f, output.Instant(f.FoundAt), f.Hour, f.State, f.Added, f.Changed, f.Gone, f.Removed,
			f.Note); err != nil {
			return err
		}
	}
	if len(findings) == 0 {
		return o.tellNone("reconcile has found nothing yet that differs from what was read")
	}
	return p.Flush()
}

func (o *Status) printStatus(ctx context.Context, l *lake.Lake) error {
	status, err := status.Read(ctx, l)
	if err != nil {
		return err
	}
	if o.Objects() {
		return o.NewPrinter().Add(status)
	}
	o.tellOfHours(status)
	o.tellOfHot(status)
	if len(status.HalfCommitted) > 0 {
		o.Stdout.Printf("half committed: %s; an hour that no longer runs must be ingested again\n",
			strings.Join(status.HalfCommitted, ", "))
	}
	switch {
	case status.Older != "":
		o.Stdout.Printf("%s\n", status.Older)
	case status.Lines > 0 && withoutSightings(status):
		o.Stdout.Printf("nobody is in gold: %s\n", usage.NoSighting)
	case status.Behind:
		o.Stdout.Printf("gold is behind silver%s: the gold writer has yet to follow, see the workflow \"gold\" in "+
			"Temporal\n", waitingText(status.Waiting))
	}
	o.printStanding(ctx, status)
	o.tellOfSource(status)
	if n := len(status.Findings); n > 0 && status.Findings[0].Note == "" {
		o.Stdout.Printf("reconcile found %s whose files were not those that were read, last %s at %s; see --findings\n",
			output.Count(int64(n), "hour"), status.Findings[0].Hour, output.Instant(status.Findings[0].FoundAt))
	}
	o.printLeftOutLately(status)
	o.tellOfFollowers(status)
	if status.Hours == 0 && holdsNothing(status) {
		return nil
	}
	o.Stdout.Printf("\n")
	p := o.NewPrinter("TABLE", "ROWS", "FILES", "BYTES", "SNAPSHOTS")
	for _, table := range status.Tables {
		if err := p.Add(table, table.Name, table.Rows, table.Files, output.Size(table.Bytes),
			table.Snapshots); err != nil {
			return err
		}
	}
	return p.Flush()
}

// tellOfHours says what came in, and what gold shows of it.
func (o *Status) tellOfHours(status status.Status) {
	if status.Hours == 0 {
		o.Stdout.Printf("%s\n", noHours)
	} else {
		why := ""
		if status.Rejects > 0 {
			why = ", see --rejects"
		}
		o.Stdout.Printf("%s from %s to %s, %d empty, %d degraded; %s, %d rejected%s\n",
			output.Count(status.Hours, "hour"), status.FirstHour, status.LastHour, status.Empty, status.Degraded,
			output.Count(status.Lines, "line"), status.Rejects, why)
	}
	if status.Latest.SnapshotID != 0 {
		o.Stdout.Printf("%s as of %s, snapshot %d%s\n", output.Count(status.Users, "user"),
			output.Instant(status.Latest.CommittedAt), status.Latest.SnapshotID, output.Tags(status.Latest.Tags))
	}
}

// tellOfHot names the users of whom there is more than a row holds, and sessions that are very large: mostly ids that
// many share.
func (o *Status) tellOfHot(status status.Status) {
	for _, session := range status.HotSessions {
		o.Stdout.Printf(
			"session %s has %s of sightings and bindings, or more, in the newest days: perhaps many share it\n",
			session.SessionID, output.Count(session.Rows, "row"))
	}
	if status.HotUsersCount == 0 {
		return
	}
	o.Stdout.Printf("%s with more intervals than --max-intervals; only the newest are kept, and none of their moves "+
		"count in gold.version_daily:\n", output.Count(status.HotUsersCount, "user"))
	for _, user := range status.HotUsers {
		o.Stdout.Printf("  %s, %s left out\n", user.UserID, output.Count(user.IntervalsCut, "interval"))
	}
	if more := status.HotUsersCount - int64(len(status.HotUsers)); more > 0 {
		o.Stdout.Printf("  and %d more\n", more)
	}
}

// namedWaiting is how many hours are named that wait for gold.events.
const namedWaiting = 5

// tellOfFollowers says what gold.events and the daily aggregates do not show yet.
func (o *Status) tellOfFollowers(status status.Status) {
	const follows = "follow within a minute or so, see the workflow \"daily\" in Temporal, or: " +
		"versionlake daily --refresh"
	off := func(is bool, follow string) string {
		if is {
			return "kept so by --without, or VERSIONLAKE_WITHOUT, of the worker"
		}
		return follow
	}
	if status.EventsBehind {
		hours := make([]string, 0, namedWaiting)
		for _, hour := range status.EventsWaiting[:min(len(status.EventsWaiting), namedWaiting)] {
			hours = append(hours, hour.String())
		}
		which := strings.Join(hours, ", ")
		if more := len(status.EventsWaiting) - len(hours); more > 0 {
			which += fmt.Sprintf(" and %d more, the last %s", more, status.EventsWaiting[len(status.EventsWaiting)-1])
		}
		o.Stdout.Printf("gold.events, and all views over events, are behind: %s; they lack what came with %s\n",
			off(status.EventsOff, "they "+follows), which)
	} else if status.EventsOff {
		o.Stdout.Printf("gold.events does not follow: %s; nothing is missing yet\n", off(true, ""))
	}
	if status.DailyBehind {
		o.Stdout.Printf("the daily aggregates are behind: %s\n", off(status.DailyOff, "they "+follows))
	}
}

// tellOfSource says what left the source, and that the source was found without hours.
func (o *Status) tellOfSource(status status.Status) {
	if gone := status.Gone; gone.Files > 0 {
		o.Stdout.Printf("%s of %s have left the source, and their %s stay:\n", output.Count(gone.Files, "file"),
			output.Count(gone.Hours, "hour"), output.Count(gone.Rows, "row"))
		for _, file := range gone.Named {
			o.Stdout.Printf("  %s: %s\n", file.Key, output.Count(file.Events+file.Rejects, "row"))
		}
		if more := gone.Files - int64(len(gone.Named)); more > 0 {
			o.Stdout.Printf("  and %d more, see --gone\n", more)
		}
	}
	if status.NoHours != "" {
		o.Stdout.Printf("the schedule changes nothing: %s\n", status.NoHours)
	}
}

func (o *Status) printGone(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) error {
	files, err := hours.KeptFiles(ctx, l, from, to, math.MaxInt)
	if err != nil {
		return err
	}
	p := o.NewPrinter("FILE", "STATE", "EVENTS", "REJECTS", "BYTES", "WHY")
	for _, file := range files {
		if err := p.Add(file, file.Key, file.State, file.Events, file.Rejects, output.Size(file.Size),
			file.Error); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return o.tellNone("no file of which the lake has rows is gone or bad")
	}
	return p.Flush()
}

// keptOf says what of a bad file is in the lake.
func keptOf(file ledger.File) string {
	if file.RowsKept == 0 {
		return ""
	}
	return fmt.Sprintf("; %s of its last good version stay", output.Count(file.RowsKept, "row"))
}

// printLeftOut names files that are not in the lake.
func (o *Status) printLeftOut(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) error {
	files, err := ledger.LeftOutFiles(ctx, l, from, to)
	if err != nil {
		return err
	}
	p := o.NewPrinter("HOUR", "STATE", "FILE", "WHY")
	for _, file := range files {
		if err := p.Add(file, file.Hour, file.State, file.Key, file.Error+file.Note+keptOf(file)); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return o.tellNone("all files are in the lake, and nothing lay beside them")
	}
	return p.Flush()
}

// printLeftOutLately names, by kind, the newest files that are not in the lake.
func (o *Status) printLeftOutLately(status status.Status) {
	const named = 10
	for _, kind := range []struct {
		state string
		count int64
		noun  string
		text  string
	}{
		{ledger.FileBad, status.BadFiles, "file", "%s left out as unreadable, which degrades an hour"},
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
		o.Stdout.Printf(kind.text+"; see --files\n", output.Count(kind.count, kind.noun))
		slices.Reverse(files)
		for _, file := range files[:min(named, len(files))] {
			o.Stdout.Printf("  %s: %s%s\n", file.Key, file.Error+file.Note, keptOf(file))
		}
		if more := kind.count - named; more > 0 {
			o.Stdout.Printf("  and %d more\n", more)
		}
	}
}
