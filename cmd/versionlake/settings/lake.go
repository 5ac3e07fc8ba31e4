package settings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

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
	if err := s.MakeDir(); err != nil {
		return nil, err
	}
	return lake.Open(ctx, s.LakeConfig())
}

// ReadLake opens the lake to read from it, and leaves nothing behind where there is none.
func (s *Settings) ReadLake(ctx context.Context) (*lake.Lake, error) {
	if s.catalog == "" {
		if _, err := os.Stat(s.catalogFile()); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no %s", lake.ErrNoLake, s.catalogFile())
		}
	}
	return lake.OpenExisting(ctx, s.LakeConfig())
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
