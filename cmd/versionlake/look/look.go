// Package look has the commands for people who look rather than query: releases, why, report, export.
package look

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Ask, newReleases(s), newWhy(s), newReport(s), newExport(s))
}
