package settings

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
)

// MakeDir makes the folder Dir where there is none. It is for its owner alone: what lies in it is personal data,
// and the key of erasures.
func (s *Settings) MakeDir() error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder --dir: %w", err)
	}
	return nil
}

func (s *Settings) catalogFile() string { return filepath.Join(s.Dir, "catalog.db") }

// LakeConfig names the lake: by default, it is local, in Dir.
func (s *Settings) LakeConfig() lake.Config {
	config := lake.Config{Catalog: s.catalog, Warehouse: s.warehouse}
	if config.Catalog == "" {
		config.Catalog = (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(s.catalogFile())}).String()
	}
	if config.Warehouse == "" {
		config.Warehouse = (&url.URL{Scheme: "file",
			Path: filepath.ToSlash(filepath.Join(s.Dir, "warehouse"))}).String()
	}
	return config
}

// OpenLake opens the lake to write into it.
func (s *Settings) OpenLake(ctx context.Context) (*lake.Lake, error) {
	if err := s.refuseHalf(ctx); err != nil {
		return nil, err
	}
	if err := s.MakeDir(); err != nil {
		return nil, err
	}
	return lake.Open(ctx, s.LakeConfig())
}

// refuseHalf finds that one of --catalog and --warehouse was forgotten: where only one is named, the other one, in
// --dir, has to be the lake's own, and no lake is made of them.
func (s *Settings) refuseHalf(ctx context.Context) error {
	if (s.catalog == "") == (s.warehouse == "") {
		return nil
	}
	l, err := lake.OpenExisting(ctx, s.LakeConfig())
	if err == nil {
		return l.Close()
	}
	if !errors.Is(err, lake.ErrNoLake) {
		return err
	}
	named, missing := "catalog", "warehouse"
	if s.catalog == "" {
		named, missing = missing, named
	}
	return usage.Errorf("--%s is given and --%s is not, and the two hold no lake: a new lake in %s would be made half "+
		"of it; give both (or VERSIONLAKE_CATALOG and VERSIONLAKE_WAREHOUSE), or none", named, missing, s.Dir)
}

// ReadLake opens the lake to read from it, and leaves nothing behind where there is none. What is read of a copy may be
// the original's, which is said.
func (s *Settings) ReadLake(ctx context.Context) (*lake.Lake, error) {
	l, err := lake.OpenExisting(ctx, s.LakeConfig())
	if err == nil && l.Moved != nil {
		s.Stderr.Printf("versionlake: answers may be those of the original: %s\n", usage.Message(l.Moved))
	}
	return l, err
}

// hasPassword tells whether a catalog's URL holds a password. What is no URL is refused where it is opened, unrepeated.
func hasPassword(catalog string) bool {
	parsed, err := url.Parse(catalog)
	if err != nil {
		return false
	}
	_, inUser := parsed.User.Password()
	return inUser || parsed.Query().Has("password")
}
