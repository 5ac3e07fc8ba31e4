package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

type atOptions struct {
	*settings
	user string
	time time.Time
	asOf string
}

func newAtCommand(s *settings, runF func(context.Context, *atOptions) error) *cobra.Command {
	o := &atOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "at USER TIME",
		Short: "The version in effect at a moment, in each of the user's installations",
		Long: `at prints which version each installation of a user (service and device) ran at a moment: by what is known now, or
by what was known when a tag, a snapshot or a time was the newest.

It reads the lake and needs no Temporal. With --output json there is one object an installation.`,
		Example: `  versionlake at p1 2021-12-24T12:00:00Z
  versionlake at p1 2021-12-24T12:00:00Z --as-of hour-2021-12-24T12
  versionlake at p1 2021-12-24T12:00:00Z --as-of 2021-12-25T00:00:00Z --output json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.user = args[0]
			if o.time, err = time.Parse(time.RFC3339Nano, args[1]); err != nil {
				return usagef("the time %q is not RFC 3339, such as 2021-12-24T11:31:19.459Z", args[1])
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return atRun(cmd.Context(), o)
		},
	}
	addAsOf(cmd, &o.asOf)
	return cmd
}

// versionAt is an installation's version as --output json writes it.
type versionAt struct {
	UserID   string `json:"user_id"`
	UserKind string `json:"user_kind"`
	At       string `json:"at"`
	historyInterval
	SnapshotID int64 `json:"snapshot_id,string"`
}

func atRun(ctx context.Context, o *atOptions) error {
	l, err := o.readLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	version, err := l.Version(ctx, o.asOf)
	if err != nil {
		return err
	}
	user, err := findUser(ctx, l, version, o.user, o.asOf)
	if err != nil {
		return err
	}
	intervals := user.At(o.time.UnixMicro())
	if len(intervals) == 0 {
		o.stderr.Printf("%s was first seen at %s: no version is known at %s\n", user.ID, micros(user.FirstSeenAt),
			instant(o.time))
		return nil
	}
	p := o.newPrinter("SERVICE", "DEVICE", "VERSION", "FROM", "TO")
	for i := range intervals {
		object := versionAt{
			UserID: user.ID, UserKind: user.Kind, At: instant(o.time), historyInterval: intervalOf(&intervals[i]),
			SnapshotID: version.SnapshotID,
		}
		if err := p.add(object, intervalCells(&intervals[i])...); err != nil {
			return err
		}
	}
	return p.flush()
}
