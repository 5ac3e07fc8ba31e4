package upkeep

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows/erasure"
)

type forgetUser struct {
	*settings.Settings
	users     []string
	list, yes bool
	lift      bool
	unknown   bool
	workers   int
	detach    bool
}

func newForget(s *settings.Settings) *cobra.Command {
	o := &forgetUser{Settings: s}
	cmd := &cobra.Command{
		Use:   "forget USER | - | --list",
		Short: "Erase a user from every version of every table, for good",
		Long: `forget says what would be erased of a user, and with --yes erases it: the user's lines, those of the
sessions that named the user, rejects that mention either, and the user's row, in every snapshot. Tags
and snapshots stay, and show what they would have shown without the user. A session that named several
users is split by time. Lines of others that mention the id stay, with the word "erased" in its place;
of ids of 4 to 7 bytes where a key names a user, and in what only people read. Shorter ones stay there.

It ends with a proof: every object of the warehouse is read. The lake then remembers keyed hashes of the
ids alone, and what the source still has of the user is left out when hours are read again; ops.files
counts those lines as erased.

With - in the user's place, ids are read from standard input, one a line: what stands on a command line can be
seen by everybody on the machine, and an id is personal data. They are forgotten together: the lake is read as
often as for one.

A user of whom the lake has nothing, as after a typing error, is refused, and told with ids that differ by
case or blanks only; with --unknown, such a user is forgotten all the same, and stays out. --lift ends an
erasure that was a mistake: hours that are ingested after it are read with the user, and nothing comes
back by itself.

What lies outside of the warehouse is not touched: the source's files, copies, backups, tables of people's
own in Trino's catalog scratch, and logs of other programs.

The work is a Temporal workflow, which does not learn the user's id; which server it uses is as for
versionlake ingest. Queries that run at that moment may fail, since files go; they succeed when asked
again.`,
		Example: `  versionlake forget p1                # what it would touch; nothing is changed
  versionlake forget p1 --yes
  versionlake forget - --yes < ids.txt
  versionlake forget p1 --lift
  versionlake forget --list`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list != (len(args) == 0) {
				return usage.Errorf("forget takes a user, or --list")
			}
			if o.lift && (o.yes || o.detach || o.unknown || o.list) {
				return usage.Errorf("forget --lift goes alone")
			}
			if o.list && (o.yes || o.detach || o.unknown) {
				return usage.Errorf("forget --list goes alone")
			}
			if o.list {
				return o.run(cmd.Context())
			}
			var err error
			if o.users, err = named(args[0], cmd.InOrStdin()); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.list, "list", false, "list who was forgotten; the list has no ids")
	flags.BoolVar(&o.lift, "lift", false,
		"end an erasure, of a user or of --list, for hours that are ingested from now on")
	flags.BoolVar(&o.unknown, "unknown", false, "forget a user of whom the lake has nothing: who then never comes in")
	flags.BoolVar(&o.yes, "yes", false, "erase; it can't be undone")
	flags.BoolVar(&o.detach, "detach", false, "return once it is started")
	flags.IntVar(&o.workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
	return cmd
}

// named are the users that are meant, each once: the argument, or lines of standard input.
func named(argument string, in io.Reader) (users []string, err error) {
	if argument != "-" {
		return []string{argument}, nil
	}
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read ids from standard input: %w", err)
			}
			break
		}
		if id := strings.TrimSuffix(lines.Text(), "\r"); id != "" && !slices.Contains(users, id) {
			users = append(users, id)
		}
	}
	if len(users) == 0 {
		return nil, usage.Errorf("forget - reads ids from standard input, one a line, and there was none")
	}
	return users, nil
}

func (o *forgetUser) run(ctx context.Context) error {
	switch {
	case o.list:
		return o.listErasures(ctx)
	case o.lift:
		return o.liftErasure(ctx)
	case !o.yes:
		return o.plan(ctx)
	}
	return o.forget(ctx)
}

func (o *forgetUser) listErasures(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	erasures, err := forgotten.Erasures(ctx, l)
	if err != nil {
		return err
	}
	p := o.NewPrinter("ERASURE", "STATE", "BEGUN", "FINISHED", "SESSIONS", "ROWS", "FILES", "OBJECTS READ",
		"BYTES READ")
	for _, e := range erasures {
		if err := o.printErasure(p, e); err != nil {
			return err
		}
	}
	return p.Flush()
}

func (o *forgetUser) printErasure(p *output.Printer, e forgotten.Erasure) error {
	finished := ""
	if !e.FinishedAt.IsZero() {
		finished = output.Instant(e.FinishedAt)
	}
	return p.Add(e, e.ID, e.State, output.Instant(e.BegunAt), output.OrDash(finished), e.Sessions, e.Rows, e.Files,
		e.Objects, output.Size(e.Bytes))
}

// plan says what would be erased.
func (o *forgetUser) plan(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	parsing, err := o.KeptParsing(ctx, l)
	if err != nil {
		return err
	}
	bar := o.Stderr.NewProgress("forget")
	plan, err := forget.PlanForget(ctx, l, o.users, parsing,
		func(table string, files int64) { bar.Update("reading "+table, files, 0, "files") })
	bar.End()
	if err != nil {
		return err
	}
	if len(o.users) > 1 || !plan.Touches() {
		if err := o.refuseUnknown(ctx, l, parsing); err != nil {
			return err
		}
	}
	if o.Objects() {
		return o.NewPrinter().Add(plan)
	}
	if err := o.printTables(plan.Tables, "ROWS TO GO", "FILES TO CHANGE"); err != nil {
		return err
	}
	o.Stdout.Printf("\n%s of %s, %d of them shared with others; %s lose lines. Files are those of all versions.\n",
		output.Count(plan.Sessions, "session"), o.who(), plan.Shared, output.Count(plan.Hours, "hour"))
	o.Stdout.Printf("All versions and tags stay, without the user. Tables of people's own, in Trino's catalog " +
		"scratch, are not looked at. Nothing was changed: --yes does it, and can't be undone.\n")
	return nil
}

func (o *forgetUser) printTables(tables []forget.ErasedTable, rows, files string) error {
	p := o.NewPrinter("TABLE", rows, files, "OF", "VERSIONS", "TAGS")
	for _, t := range tables {
		if err := p.Add(t, t.Table, t.Rows, t.Files, t.OfFiles, t.Versions, t.Tags); err != nil {
			return err
		}
	}
	return p.Flush()
}

// who says who is meant.
func (o *forgetUser) who() string {
	if len(o.users) == 1 {
		return o.users[0]
	}
	return output.Count(int64(len(o.users)), "user")
}

// refuseUnknown is an error about a user of whom the lake has nothing, unless that is meant.
func (o *forgetUser) refuseUnknown(ctx context.Context, l *lake.Lake, parsing telemetry.Options) error {
	if o.unknown {
		return nil
	}
	for _, user := range o.users {
		bar := o.Stderr.NewProgress("forget")
		known, similar, err := forget.Knows(ctx, l, user, parsing,
			func(table string, files int64) { bar.Update("looking for the user in "+table, files, 0, "files") })
		bar.End()
		if err != nil {
			return err
		}
		if !known {
			return unknownUser(user, similar)
		}
	}
	return nil
}

func unknownUser(user string, similar []string) error {
	meant := ""
	if len(similar) > 0 {
		meant = fmt.Sprintf(" Ids that differ by case or blanks only: %q.", similar)
	}
	return fmt.Errorf(
		"the lake has nothing of a user %q, and nothing was changed.%s --unknown forgets the user all the "+
			"same, who then never comes in", user, meant)
}

// checkKnown refuses to forget a user of whom the lake has nothing.
func (o *forgetUser) checkKnown(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	parsing, err := o.KeptParsing(ctx, l)
	if err != nil {
		return err
	}
	return o.refuseUnknown(ctx, l, parsing)
}

// liftErasure ends an erasure that was a mistake.
func (o *forgetUser) liftErasure(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, user := range o.users {
		name, err := forgotten.NameOf(user)
		if err != nil {
			return err
		}
		erasure, err := forgotten.Lift(ctx, l, name)
		if err != nil {
			return err
		}
		if err := o.Stdout.Printf(
			"Lifted: erasure %s. Nothing comes back by itself: hours that are ingested from now on are read "+
				"with the user, past ones by versionlake reprocess, as far as the source has them.\n",
			erasure); err != nil {
			return err
		}
	}
	return nil
}

// togetherAtMost is how many are forgotten by one workflow: Temporal takes inputs of 2 MB, and keeps one for each step.
const togetherAtMost = 1000

// forget remembers the users, whose ids go no further than the warehouse, and lets workflows do the rest.
func (o *forgetUser) forget(ctx context.Context) (err error) {
	o.ReadsNoSource = true
	if err := o.checkKnown(ctx); err != nil {
		return err
	}
	c, err := session.Connect(ctx, o.Settings, session.Options{Workers: o.workers, Detach: o.detach})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for users := range slices.Chunk(o.users, togetherAtMost) {
		if err := o.forgetTogether(ctx, c, users); err != nil {
			return err
		}
	}
	if o.detach {
		return nil
	}
	return c.RefreshDailyNow(ctx)
}

// forgetTogether is one workflow.
func (o *forgetUser) forgetTogether(ctx context.Context, c *session.Session, users []string) error {
	erasures, err := o.begin(ctx, users)
	if err != nil {
		return err
	}
	options := client.StartWorkflowOptions{ID: forgotten.ForgetName(erasures[0]), StaticSummary: "forget a user"}
	input := erasure.Input{Erasure: erasures[0]}
	if len(erasures) > 1 {
		all := sha256.Sum256([]byte(forget.Together(erasures)))
		options.ID = forgotten.ForgetName(hex.EncodeToString(all[:16]))
		options.StaticSummary = fmt.Sprintf("forget %d users", len(erasures))
		input = erasure.Input{Erasures: erasures}
	}
	run, err := c.Start(ctx, options, erasure.ForgetUser, input)
	if err != nil {
		return err
	}
	if o.detach {
		c.TellStarted(run)
		return nil
	}
	var result erasure.Result
	if err := c.Wait(ctx, "forget", run, &result, func(ctx context.Context, p terminal.Progress) []string {
		var now erasure.Progress
		if c.Progress(ctx, run, &now) {
			p.Update(now.Status, int64(len(now.Tables)), int64(now.Of), "tables")
		}
		return nil
	}); err != nil {
		return err
	}
	if o.Objects() {
		return o.NewPrinter().Add(result)
	}
	if err := o.printTables(result.Tables, "ROWS GONE", "FILES CHANGED"); err != nil {
		return err
	}
	if result.Elsewhere {
		o.Stdout.Printf("\nAnother run has forgotten the user meanwhile.\n")
	}
	for i, user := range users {
		o.Stdout.Printf("\nForgotten, as %s: %d objects, %s, were read, and %s.\n", erasures[i],
			result.Erasure.Objects, output.Size(result.Erasure.Bytes), proven(user, result.Left))
	}
	return nil
}

// begin remembers the users, and names their erasures.
func (o *forgetUser) begin(ctx context.Context, users []string) (erasures []string, err error) {
	l, err := o.OpenLake(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, user := range users {
		name, err := forget.BeginForget(ctx, l, user)
		if err != nil {
			return nil, err
		}
		erasures = append(erasures, name)
	}
	return erasures, nil
}

// proven says what a proof shows about a user, by gold's user_id. left are lines of others that hold a short id.
func proven(user string, left int64) string {
	name, err := forgotten.NameOf(user)
	switch {
	case err != nil || len(name) >= forgotten.MentionLength:
		return "hold nothing of the user"
	case len(name) >= forgotten.ShortMention:
		return fmt.Sprintf(
			"no row, no column of ids, no message and no reject holds the user. An id of %d bytes may be "+
				"a number or a word: it was taken out of lines of others where a key names a user, and as a word "+
				"of messages and of what silver does not read. %s of others still hold it as a word, in what "+
				"silver reads; whether their service, session, transaction or time holds it was not looked for",
			len(name), output.Count(left, "line"))
	}
	return fmt.Sprintf("no row, no column of ids and no reject holds the user. An id of %d bytes may be any word: "+
		"whether lines of others mention it (in a message, or in a value such as 'From': {'UserId': …}) was neither "+
		"looked for nor can it be proved; ids from %d bytes on are taken out there, too", len(name),
		forgotten.ShortMention)
}
