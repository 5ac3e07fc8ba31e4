package intake

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// work is how hours are worked on: in steps of which size, how many at once, and whether anybody waits.
type work struct {
	chunkBytes int64
	workers    int
	detach     bool
	check      bool // what the lake has of the hours is read
}

func (w *work) addFlags(cmd *cobra.Command, detached string) {
	flags := cmd.Flags()
	flags.BoolVar(&w.detach, "detach", false, detached)
	flags.BoolVar(&w.check, "check", false, "read what the lake has of the hours, and write anew what is not what it "+
		"was; without it, only what is missing or cut is")
	flags.Int64Var(&w.chunkBytes, "chunk-bytes", 0, "text that one step parses, in bytes (default 32 MiB)")
	flags.IntVar(&w.workers, "workers", 0, "steps at once in this process, where it works itself (default: as "+
		"many as processors)")
}

func (w *work) connect(ctx context.Context, s *settings.Settings) (*session.Session, error) {
	return session.Connect(ctx, s, session.Options{Workers: w.workers, Detach: w.detach})
}

// waitForHours waits for a workflow that runs many hours, and gives its result.
func waitForHours(ctx context.Context, c *session.Session, run client.WorkflowRun, result any) error {
	return c.Wait(ctx, run.GetID(), run, result, func(ctx context.Context, p terminal.Progress) []string {
		var now ranges.Progress
		if c.Progress(ctx, run, &now) {
			status := fmt.Sprintf("%d failed", now.Failed)
			if len(now.Running) == 0 && now.Gold > 0 {
				status += ", waiting for gold"
			}
			p.Update(status, int64(now.Done+now.Failed), int64(now.Hours), "hours")
		}
		return now.Running
	})
}
