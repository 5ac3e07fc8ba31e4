package look

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/releases"
)

// askReleases lists what people told of releases.
type askReleases struct {
	*settings.Settings
	service string
}

func newReleases(s *settings.Settings) *cobra.Command {
	o := &askReleases{Settings: s}
	cmd := &cobra.Command{
		Use:   "releases",
		Short: "What people told of releases: date, channel, rollout, support",
		Long: `releases lists what releases import put into the lake. The view releases has these and, beside them, the
versions that nobody told of: they count as released when enough users ran them.`,
		Example: `  versionlake releases
  versionlake releases --service ClientApp --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&o.service, "service", "", "of this service only")
	cmd.AddCommand(newImport(s))
	return cmd
}

// release is one as --output json writes it: with the names that files have.
type release struct {
	Service          string `json:"service"`
	Version          string `json:"version"`
	ReleasedAt       string `json:"released_at"`
	Channel          string `json:"channel"`
	Kind             string `json:"kind,omitempty"`
	MinimumSupported string `json:"minimum_supported,omitempty"`
	EndOfSupport     string `json:"end_of_support,omitempty"`
	NotesURL         string `json:"notes_url,omitempty"`
	Rollout          string `json:"rollout,omitempty"`
}

func (o *askReleases) run(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	rows, err := releases.List(ctx, l)
	if err != nil {
		return err
	}
	p := o.NewPrinter("SERVICE", "VERSION", "RELEASED", "CHANNEL", "KIND", "ROLLOUT", "SUPPORTED FROM", "UNTIL",
		"NOTES")
	listed := 0
	for _, row := range rows {
		if o.service != "" && row.Service != o.service {
			continue
		}
		listed++
		r := release{Service: row.Service, Version: row.Version, ReleasedAt: output.Micros(row.ReleasedAt),
			Channel: row.Channel, Kind: row.Kind, MinimumSupported: row.MinimumSupported, NotesURL: row.NotesURL}
		if row.EndOfSupport != nil {
			r.EndOfSupport = output.Micros(*row.EndOfSupport)
		}
		var steps, shown []string
		for _, step := range row.Rollout {
			steps = append(steps, output.Micros(step.At)+"="+strconv.FormatFloat(step.Share, 'g', -1, 64))
			shown = append(shown, strconv.FormatFloat(100*step.Share, 'g', 4, 64)+" %")
		}
		r.Rollout = strings.Join(steps, ";")
		if err := p.Add(r, r.Service, r.Version, r.ReleasedAt, r.Channel, output.OrDash(r.Kind),
			output.OrDash(strings.Join(shown, ", ")), output.OrDash(r.MinimumSupported), output.OrDash(r.EndOfSupport),
			output.OrDash(r.NotesURL)); err != nil {
			return err
		}
	}
	if listed == 0 {
		o.Stderr.Printf("nobody told of any release: versionlake releases import FILE\n")
	}
	return p.Flush()
}

// importReleases reads a file into the lake.
type importReleases struct {
	*settings.Settings
	replace bool
}

// releaseFileLimit is far more than a file of releases holds.
const releaseFileLimit = 64 << 20

func newImport(s *settings.Settings) *cobra.Command {
	o := &importReleases{Settings: s}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Tell the lake of releases, from YAML or CSV",
		Long: `import reads a file of releases into the table ops.releases: .csv is CSV, all else YAML, and - is YAML
from stdin. A release that the lake knows is replaced, others stay; the same file again changes nothing. A
mistake in the file is told with its line, and then nothing is imported.

A YAML file has a list of releases. service, version and released_at must be there; the channel is stable
where none is named. Times are RFC 3339, a date means its 00:00 UTC, and shares are parts or percentages:

  releases:
    - service: ClientApp
      version: 1.22.04
      released_at: 2022-05-27T12:00:00Z
      channel: stable
      kind: patch
      rollout:
        - {at: 2022-05-27T12:00:00Z, share: 5%}
        - {at: 2022-05-28, share: 1}
      minimum_supported: 1.20.01
      end_of_support: 2023-05-27
      notes_url: https://example.com/1.22.04

CSV has these names as columns, and the rollout as TIME=SHARE with semicolons between.`,
		Example: `  versionlake releases import releases.yaml
  versionlake releases import releases.csv --replace`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0], cmd.InOrStdin()) },
	}
	cmd.Flags().BoolVar(&o.replace, "replace", false, "take releases out of the lake that the file does not have")
	return cmd
}

func (o *importReleases) run(ctx context.Context, path string, stdin io.Reader) error {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return usage.Errorf("read the releases: %w", err)
		}
		defer file.Close()
		stdin = file
	}
	content, err := io.ReadAll(io.LimitReader(stdin, releaseFileLimit+1))
	if err == nil && len(content) > releaseFileLimit {
		err = fmt.Errorf("it is larger than %s", output.Size(releaseFileLimit))
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	rows, err := releasefile.Read(content, strings.EqualFold(filepath.Ext(path), ".csv"))
	if err != nil {
		return usage.Errorf("%s: %w; nothing was imported", path, err)
	}
	if o.replace && len(rows) == 0 {
		return usage.Errorf("%s has no releases, and --replace would take all out of the lake", path)
	}
	l, err := o.OpenLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	done, err := releases.Import(ctx, l, rows, o.replace)
	if err != nil {
		return err
	}
	if o.Objects() {
		return o.NewPrinter().Add(done)
	}
	o.Stdout.Printf("%d added, %d changed, %d removed, %d as they were\n", done.Added, done.Changed, done.Removed,
		done.Same)
	return nil
}
