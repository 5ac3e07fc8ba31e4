package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionOptions struct{ *settings }

func newVersionCommand(s *settings, runF func(context.Context, *versionOptions) error) *cobra.Command {
	o := &versionOptions{settings: s}
	return &cobra.Command{
		Use:     "version",
		Short:   "The version of this program",
		Example: `  versionlake version --output json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return versionRun(cmd.Context(), o)
		},
	}
}

// programVersion is what --output json writes.
type programVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionRun(_ context.Context, o *versionOptions) error {
	v := programVersion{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		v.Version = build.Main.Version
		for _, each := range build.Settings {
			if each.Key == "vcs.revision" {
				v.Revision = each.Value
			}
		}
	}
	p := o.newPrinter("VERSION", "REVISION", "GO", "PLATFORM")
	if err := p.add(v, v.Version, orDash(v.Revision), v.Go, v.Platform); err != nil {
		return err
	}
	return p.flush()
}
