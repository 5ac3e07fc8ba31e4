// Package upkeep has the commands that look after the lake.
package upkeep

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return []*cobra.Command{newMaintain(s), newForget(s), newVerify(s), newRepair(s)}
}
