// Package ask has the commands that answer from the lake.
package ask

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Ask, newAt(s), newHistory(s), newUsers(s), newVersions(s), newDevices(s),
		newDaily(s), newStatus(s), newCost(s), newSQL(s), newViews(s))
}
