package settings

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/trino"
)

// AddTrinoFlag adds the flag that names another Trino than that of Dir.
func (s *Settings) AddTrinoFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.Trino, "trino", "", "a Trino with the lake in its catalog versionlake: "+
		"https://user:password@host:port[/catalog] [VERSIONLAKE_TRINO_URL]")
}

// TrinoDir is the folder of the Trino that runs on Dir.
func (s *Settings) TrinoDir() string { return filepath.Join(s.Dir, "trino") }

// ScratchDir is the folder of people's own tables in that Trino.
func (s *Settings) ScratchDir() string { return filepath.Join(s.Dir, "scratch") }

// TrinoLake is the lake as a Trino needs to know it.
func (s *Settings) TrinoLake() trino.Lake {
	config := s.LakeConfig()
	return trino.Lake{Catalog: config.Catalog, Warehouse: config.Warehouse, Name: config.CatalogName}
}

// NoTrinoError says that no Trino runs on the folder.
type NoTrinoError struct{ Dir string }

func (e *NoTrinoError) Error() string {
	return fmt.Sprintf("no Trino runs on %s: start one with `versionlake trino up`, or name one with --trino", e.Dir)
}

// TrinoAddress is the URL of the Trino to ask: the one that was named, or else that of Dir.
func (s *Settings) TrinoAddress() (string, error) {
	if s.Trino != "" {
		return s.Trino, nil
	}
	server, err := trino.Running(s.TrinoDir())
	if err != nil {
		return "", err
	}
	if server == nil {
		return "", &NoTrinoError{s.Dir}
	}
	return server.URL, nil
}
