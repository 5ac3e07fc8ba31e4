package upkeep

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/relocate"
)

type relocateLake struct {
	*settings.Settings
	relocate.Options
}

func newRelocate(s *settings.Settings) *cobra.Command {
	o := &relocateLake{Settings: s}
	cmd := &cobra.Command{
		Use:   "relocate",
		Short: "Let a lake that was copied or moved stand alone in its new place",
		Long: `Tables name their files by absolute paths, so a copy of a lake names the original's. relocate writes
anew what names files (metadata, lists of manifests, manifests) for the place where the lake lies now, and lets the
catalog follow, at once or not at all. Data files stay as they are, and nothing is written into the
original. The copy is a lake of its own from then on: neither's catalog opens the other's warehouse.

It looks whether the copy has all files that its tables name, and refuses one that is not whole. What was
staged in the original is removed from the copy, as is what maintenance noted. Run it again if it was
interrupted. Stop what works on the copy first; leave temporal.db behind, which has the original's work.`,
		Example: `  cp -a .versionlake /backup/lake && versionlake relocate --dir /backup/lake --dry-run
  versionlake relocate --dir /backup/lake
  versionlake relocate --warehouse s3://copy/versions --catalog postgres://versionlake@db/copy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.Move, "move", false, "take the catalog away from the original, which is still there")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return cmd
}

func (o *relocateLake) run(ctx context.Context) error {
	config := o.LakeConfig()
	result, err := relocate.Run(ctx, identity.Where{Catalog: config.Catalog, CatalogName: config.CatalogName,
		Warehouse: config.Warehouse, Scratch: config.Scratch}, o.Options)
	if err != nil {
		return err
	}
	if len(result.Tables) > 0 {
		p := o.NewPrinter("TABLE", "VERSIONS", "MANIFESTS", "FILES")
		for _, t := range result.Tables {
			if err := p.Add(t, t.Table, t.Versions, t.Manifests, t.Files); err != nil {
				return err
			}
		}
		if err := p.Flush(); err != nil {
			return err
		}
	}
	switch {
	case o.Objects():
		return nil
	case o.DryRun:
		return o.Stdout.Printf("Nothing was changed: %s names files in %s.\n", config.Warehouse, result.From)
	}
	return o.Stdout.Printf("The lake in %s stands alone. versionlake verify compares all of it.\n", config.Warehouse)
}
