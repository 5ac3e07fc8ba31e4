package upkeep

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/recover"
)

type recoverLake struct {
	*settings.Settings
	recover.Options
	key string
}

func newRecover(s *settings.Settings) *cobra.Command {
	o := &recoverLake{Settings: s}
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a catalog that was lost again, from what lies in the warehouse",
		Long: `recover finds the newest metadata of each table in the warehouse, and makes a catalog of it: all tables,
their snapshots and tags. The catalog is the one that --catalog names, or that of --dir; it takes effect at
once or not at all. Any other catalog of the same warehouse is refused from then on.

A commit writes metadata before the catalog names it, so the newest may be of a commit that never took
effect; recover says of which tables that can't be told, and which hour to ingest again.

Who was forgotten is remembered by hashes, whose key was in the lost catalog. versionlake recovery-key
makes a key file by which recover opens a sealed copy of it; without that, recover refuses, unless
--unbar-forgotten gives the memory up.

A catalog that came from a backup is behind the warehouse: --newest takes what is newer there. Stop
all workers first, since what is newest may be a commit that is under way.`,
		Example: `  versionlake recover --dry-run
  versionlake recover --key /secure/recovery.key
  versionlake recover --warehouse s3://lake/versions --catalog postgres://versionlake@db/catalog`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.key, "key", "", "the file that versionlake recovery-key made")
	flags.BoolVar(&o.Unbar, "unbar-forgotten", false, "give up the memory of who was forgotten: they come back with "+
		"the next hour that has them, unless each is forgotten again first")
	flags.BoolVar(&o.Newest, "newest", false, "take metadata that is newer than what the catalog names")
	flags.BoolVar(&o.Adopt, "adopt", false, "only mark the warehouse as this catalog's, where two catalogs of before "+
		"lakes had an identity used it")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return cmd
}

func (o *recoverLake) run(ctx context.Context) error {
	if o.key != "" {
		key, err := identity.ReadRecoveryKey(o.key)
		if err != nil {
			return err
		}
		o.Key = &key
	}
	if !o.DryRun {
		if err := o.MakeDir(); err != nil {
			return err
		}
	}
	result, err := recover.Run(ctx, o.LakeConfig(), o.Options)
	if telling := o.tell(result); err == nil {
		err = telling
	}
	if err != nil || o.Objects() {
		return err
	}
	return o.end(result)
}

// tell lists what becomes of the tables.
func (o *recoverLake) tell(result recover.Result) error {
	if len(result.Tables) == 0 {
		return nil
	}
	p := o.NewPrinter("TABLE", "STATE", "VERSIONS", "TAGS", "METADATA")
	for _, t := range result.Tables {
		if err := p.Add(t, t.Table, t.State, t.Snapshots, t.Tags, t.Metadata); err != nil {
			return err
		}
	}
	if err := p.Flush(); err != nil || o.Objects() {
		return err
	}
	for _, t := range result.Tables {
		if t.Doubt != "" {
			if err := o.Stdout.Printf("%s: %s\n", t.Table, t.Doubt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *recoverLake) end(result recover.Result) error {
	switch {
	case o.Adopt && !o.DryRun:
		return o.Stdout.Printf("The warehouse is this catalog's from now on.\n")
	case o.DryRun:
		return o.Stdout.Printf("Nothing was changed.\n")
	case result.Unbarred:
		return o.Stdout.Printf(
			"The catalog is made again. Nobody is barred any more: run versionlake forget for each of " +
				"those who were forgotten before an hour is ingested.\n")
	case result.Barred:
		return o.Stdout.Printf("The catalog is made again, and who was forgotten stays out. versionlake verify " +
			"compares all " +
			"of it.\n")
	}
	return o.Stdout.Printf("The catalog is made again. versionlake verify compares all of it.\n")
}

type recoveryKey struct {
	*settings.Settings
	path string
}

func newRecoveryKey(s *settings.Settings) *cobra.Command {
	o := &recoveryKey{Settings: s}
	return &cobra.Command{
		Use:   "recovery-key FILE",
		Short: "Make the key file by which the forgotten stay out where the catalog is lost",
		Long: `recovery-key makes a new key file, which must not be there yet, and seals the key of erasures for it in
the warehouse: one that there is, or one that the first erasure makes later. Whoever reads the warehouse
can't open it; whoever has the file as well can test whose ids were forgotten. Keep the file apart from both
catalog and warehouse, as you keep backups of passwords. A newer key file replaces an older one.`,
		Example: `  versionlake recovery-key /secure/recovery.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			return o.run(cmd.Context())
		},
	}
}

func (o *recoveryKey) run(ctx context.Context) (err error) {
	l, err := o.OpenLake(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	key, err := identity.NewRecoveryKey(o.path)
	if err != nil {
		return err
	}
	sides := identity.Of(l.Catalog, l.Config.Catalog, l.Objects)
	if err := sides.Register(ctx, key); err != nil {
		return err
	}
	erasures, err := forgotten.ErasureKey(ctx, l, true)
	if err != nil {
		return fmt.Errorf("seal the key of erasures: %w", err)
	}
	opened, err := identity.Unseal(l.Objects, &key)
	if err != nil || hex.EncodeToString(opened) != hex.EncodeToString(erasures) {
		return errors.Join(err, fmt.Errorf("the sealed key does not open: make another recovery key"))
	}
	if o.Objects() {
		return o.NewPrinter().Add(map[string]string{"file": o.path, "public": key.Public()})
	}
	return o.Stdout.Printf("Made %s: keep it apart from catalog and warehouse. With it, "+
		"versionlake recover keeps the forgotten out.\n", o.path)
}
