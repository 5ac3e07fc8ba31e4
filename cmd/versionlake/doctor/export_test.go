package doctor

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
)

// OnDisk is the command on disks of which this share is used, whatever this machine's are.
func OnDisk(share *float64) func(*settings.Settings) []*cobra.Command {
	return func(s *settings.Settings) []*cobra.Command {
		return []*cobra.Command{newDoctor(s, func(string) (float64, error) { return *share, nil })}
	}
}
