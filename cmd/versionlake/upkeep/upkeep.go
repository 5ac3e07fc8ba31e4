// Package upkeep has the commands that look after the lake.
package upkeep

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Upkeep, newMaintain(s), newForget(s), newVerify(s), newRepair(s), newUpgrade(s),
		newRecover(s), newRecoveryKey(s), newRelocate(s))
}
