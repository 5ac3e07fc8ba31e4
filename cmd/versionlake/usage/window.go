package usage

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/telemetry"
)

// Window is a range of hours as a command line gives it: --from and --to, whose ends may be days, or a day, --date.
type Window struct {
	from, to, date string
	// All is every hour, instead of a range: --all.
	All bool
}

// AddAll adds --all, for commands for which that is not what they do without a range.
func (w *Window) AddAll(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.All, "all", false, "every hour that the source or the lake has, instead of --from and --to")
}

// AddFlags adds --from, --to and --date.
func (w *Window) AddFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&w.from, "from", "", "the first hour, or the first day")
	flags.StringVar(&w.to, "to", "", "the first hour, or the first day, after the range")
	flags.StringVar(&w.date, "date", "", "all hours of a day, instead of --from and --to")
}

// Given tells whether the command line names a range at all.
func (w *Window) Given() bool { return w.from+w.to+w.date != "" }

// Parse gives the range [from, to); nothing for --all. Errors: of usage.
func (w *Window) Parse(times Times) (from, to telemetry.Hour, err error) {
	switch {
	case w.All && w.Given():
		return 0, 0, Errorf("--all is every hour: leave out --from, --to and --date")
	case w.All:
		return 0, 0, nil
	case w.date != "" && w.from+w.to != "":
		return 0, 0, Errorf("--date is a whole range: leave out --from and --to")
	case w.date != "":
		from, err = times.Day("--date", w.date)
		return from, from + 24, err
	case w.from == "" || w.to == "":
		return 0, 0, Errorf("name the hours with --from and --to, or with --date")
	}
	if from, err = times.HourOrDay("--from", w.from); err != nil {
		return 0, 0, err
	}
	if to, err = times.HourOrDay("--to", w.to); err != nil {
		return 0, 0, err
	}
	if to <= from {
		return 0, 0, Errorf("the range from %s to %s holds no hour: --to is exclusive and comes after --from", from, to)
	}
	return from, to, nil
}
