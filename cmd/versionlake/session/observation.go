package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/terminal"
)

// Observation says how a process that works is observed, besides what OTEL_* variables say.
type Observation struct {
	Addr, Format, Level string
}

// AddFlags adds the flags of a command that works.
func (o *Observation) AddFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Level, "log-level", "info", "debug, info, warn or error [VERSIONLAKE_LOG_LEVEL]")
	usage.Complete(cmd, "log-level", "debug", "info", "warn", "error")
	flags.StringVar(&o.Format, "log-format", observe.FormatText,
		"of the log: text, or json for the agents of Datadog and Elastic [VERSIONLAKE_LOG_FORMAT]")
	usage.Complete(cmd, "log-format", observe.FormatText, observe.FormatJSON)
	flags.StringVar(&o.Addr, "metrics-addr", "", "where Prometheus finds /metrics, and probes /livez and /readyz, "+
		"such as :9464; nowhere when empty [VERSIONLAKE_METRICS_ADDR]")
}

// Start begins to observe the process, whose log goes to out.
func (o *Observation) Start(ctx context.Context, out *terminal.Output) (*observe.Observer, error) {
	options := observe.Options{Addr: o.Addr, Log: out.Lines(), Format: o.Format}
	if o.Level != "" {
		level, err := observe.ParseLevel(o.Level)
		if err != nil {
			return nil, usage.Errorf("--log-level %w", err)
		}
		options.Level = level
	}
	if o.Format != "" && o.Format != observe.FormatText && o.Format != observe.FormatJSON {
		return nil, usage.Errorf("--log-format is neither text nor json")
	}
	return observe.Start(ctx, options)
}
