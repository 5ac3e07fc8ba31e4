package session

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"time"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
	"github.com/versionlake/versionlake/trino"
	"github.com/versionlake/versionlake/worker"
)

// Checks are what a worker looks for, by the settings of its command.
func Checks(s *settings.Settings) (*activities.Checks, error) {
	if _, err := notify.Read(s.Rules); err != nil {
		return nil, usage.Errorf("%w", err)
	}
	return &activities.Checks{Rules: s.Rules, Folders: []string{os.TempDir(), s.Dir},
		SQL: func() (*sql.DB, error) { return OpenSQL(s) }}, nil
}

// OpenSQL connects to the Trino that is named, or to that of --dir, for checks in SQL.
func OpenSQL(s *settings.Settings) (*sql.DB, error) {
	address, err := s.TrinoAddress()
	if err != nil {
		return nil, err
	}
	return trino.Open(address, trino.CatalogName, trino.Schema)
}

// workersTimeout is how long Temporal may take to say who works.
const workersTimeout = 10 * time.Second

// CheckWorkers asks the Temporal server that is named, or that of `versionlake dev`, whether somebody works for it;
// false where no server was named, nor started.
func CheckWorkers(ctx context.Context, s *settings.Settings, o checks.Options) (checks.Result, bool) {
	ctx, cancel := context.WithTimeout(ctx, workersTimeout)
	defer cancel()
	configured, err := worker.Configured()
	var c *Session
	if err == nil {
		c, err = connectRunning(ctx, s)
	}
	if err == nil && c == nil {
		if _, left, readErr := readDevState(s); !left || readErr != nil || configured {
			return checks.Result{}, false
		}
		err = errors.New("`versionlake dev` was started on --dir, and does not answer any more")
	}
	if err != nil {
		return checks.Workers(o, 0, err)
	}
	defer c.Close()
	pollers, err := worker.Pollers(ctx, c.Client)
	return checks.Workers(o, len(pollers), err)
}
