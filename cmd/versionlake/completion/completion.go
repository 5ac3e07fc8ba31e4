// Package completion is what shells complete arguments and flags with, as far as the lake knows it.
package completion

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

const (
	// patience is how long a shell waits: what is found by then counts.
	patience = time.Second
	// most is how many words are offered.
	most = 100
)

// values find what begins with a text, and may read the lake.
type values func(ctx context.Context, l *lake.Lake, begin string) []string

// byFlag and byArgument are what completes which flag, and which argument of a command's first line.
var (
	byFlag = map[string]values{
		"as-of": tags, "from": hours, "to": hours, "date": days,
		"service": of(func(i *history.Interval) string { return i.Service }),
		"version": of(func(i *history.Interval) string { return i.Version }),
		"device":  of(func(i *history.Interval) string { return i.Device }),
	}
	byArgument = map[string]values{"USER": users, "HOUR": hours}
)

// Add completes the flags and arguments of all commands below parent.
func Add(parent *cobra.Command, s *settings.Settings) {
	for _, cmd := range parent.Commands() {
		Add(cmd, s)
		cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
			find, known := byFlag[flag.Name]
			if _, done := cmd.GetFlagCompletionFunc(flag.Name); !known || done || flag.Value.Type() != "string" {
				return
			}
			_ = cmd.RegisterFlagCompletionFunc(flag.Name,
				func(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
					return fromLake(cmd, s, find, begin)
				})
		})
		if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
			cmd.ValidArgsFunction = arguments(s, strings.Fields(cmd.Use)[1:])
		}
	}
}

// arguments completes by the words of a command's first line; files where it names a file or a folder.
func arguments(s *settings.Settings, names []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(names) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		name := strings.Trim(names[len(args)], "[].")
		switch {
		case name == "QUERY":
			return sqlNames(begin), cobra.ShellCompDirectiveNoFileComp
		case byArgument[name] != nil:
			return fromLake(cmd, s, byArgument[name], begin)
		case strings.Contains(name, "FILE") || name == "DIR":
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// fromLake opens the lake that the rest of the command line names. A completion has nowhere to say an error.
func fromLake(cmd *cobra.Command, s *settings.Settings, find values, begin string) (
	[]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	if err := s.Read(cmd); err != nil {
		return nil, nothing
	}
	l, err := s.ReadLake(ctx)
	if err != nil {
		return nil, nothing
	}
	defer l.Close()
	found := find(ctx, l, begin)
	// What does not print as it is would be typed as something else.
	found = slices.DeleteFunc(found, func(word string) bool {
		word, _, _ = strings.Cut(word, "\t")
		return word == "" || terminal.Escape(word) != word
	})
	return found[:min(most, len(found))], nothing | cobra.ShellCompDirectiveKeepOrder
}

func tags(ctx context.Context, l *lake.Lake, begin string) (found []string) {
	versions, err := gold.Versions(ctx, l)
	if err != nil {
		return nil
	}
	for _, version := range versions {
		for _, tag := range version.Tags {
			if strings.HasPrefix(tag, begin) {
				found = append(found, tag+"\tas of "+output.Instant(version.CommittedAt))
			}
		}
	}
	return found
}

// hours are those of the ledger, the newest first.
func hours(ctx context.Context, l *lake.Lake, begin string) (found []string) {
	rows, err := ledger.Hours(ctx, l, telemetry.Hour(-1<<20), telemetry.Hour(1<<26))
	if err != nil {
		return nil
	}
	for _, row := range slices.Backward(rows) {
		if strings.HasPrefix(row.Hour.String(), begin) {
			found = append(found, row.Hour.String()+"\t"+row.State)
		}
	}
	return found
}

func days(ctx context.Context, l *lake.Lake, begin string) (found []string) {
	for _, hour := range hours(ctx, l, "") {
		day, _, _ := strings.Cut(hour, "T")
		if strings.HasPrefix(day, begin) {
			found = append(found, day)
		}
	}
	return slices.Compact(found)
}

// each calls with the users of now, until it returns false or the time is over.
func each(ctx context.Context, l *lake.Lake, call func(*history.User) bool) {
	version, err := gold.FindVersion(ctx, l, "")
	if err != nil {
		return
	}
	for user, err := range gold.Users(ctx, l, version) {
		if err != nil || !call(&user) {
			return
		}
	}
}

func users(ctx context.Context, l *lake.Lake, begin string) (found []string) {
	each(ctx, l, func(user *history.User) bool {
		if strings.HasPrefix(user.ID, begin) {
			found = append(found, user.ID)
		}
		return len(found) < most
	})
	return found
}

// of are the different values of a field of intervals.
func of(field func(*history.Interval) string) values {
	return func(ctx context.Context, l *lake.Lake, begin string) (found []string) {
		known := map[string]bool{}
		each(ctx, l, func(user *history.User) bool {
			for i := range user.History {
				if value := field(&user.History[i]); strings.HasPrefix(value, begin) && !known[value] {
					known[value] = true
					found = append(found, value)
				}
			}
			return len(found) < most
		})
		slices.Sort(found)
		return found
	}
}

// sqlNames complete the last word of a query with views and tables.
func sqlNames(begin string) (found []string) {
	at := strings.LastIndexAny(begin, " \t\n(,") + 1
	views, err := trino.Views()
	if err != nil {
		return nil
	}
	var names []string
	for _, view := range views {
		names = append(names, view.Name)
	}
	for _, definition := range lake.TableDefinitions {
		names = append(names, definition.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		if at > 0 && strings.HasPrefix(name, begin[at:]) {
			found = append(found, begin[:at]+name)
		}
	}
	return found
}
