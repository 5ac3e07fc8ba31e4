package program

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
)

// release is the version that tools/build.sh builds; empty where someone built the program otherwise.
var release string

func newVersion(s *settings.Settings) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "The version of this program",
		Example: `  versionlake version --output json`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return printVersion(&s.Streams) },
	}
}

// programVersion is what --output json writes.
type programVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionOf() programVersion {
	v := programVersion{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		v.Version = build.Main.Version
		for _, each := range build.Settings {
			if each.Key == "vcs.revision" {
				v.Revision = each.Value
			}
		}
	}
	if release != "" {
		v.Version = release
	}
	return v
}

func printVersion(s *output.Streams) error {
	v := versionOf()
	p := s.NewPrinter("VERSION", "REVISION", "GO", "PLATFORM")
	if err := p.Add(v, v.Version, output.OrDash(v.Revision), v.Go, v.Platform); err != nil {
		return err
	}
	return p.Flush()
}
