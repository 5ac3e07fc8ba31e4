package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// Alone takes the lake for this command alone, as far as can be found out: no other command runs on --dir, and no
// worker asks the Temporal server that is named for work.
func Alone(ctx context.Context, s *settings.Settings) (release func() error, err error) {
	release = func() error { return nil }
	if _, err := os.Stat(s.Dir); err == nil {
		if release, err = Lock(s); err != nil {
			return nil, err
		}
	}
	if err := refuseWorkers(ctx, s); err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

func refuseWorkers(ctx context.Context, s *settings.Settings) error {
	ctx, cancel := context.WithTimeout(ctx, workersTimeout)
	defer cancel()
	c, err := connectRunning(ctx, s)
	if err != nil {
		return fmt.Errorf("ask whether workers run: %w; without TEMPORAL_ADDRESS, nobody is asked", err)
	}
	if c == nil {
		return nil
	}
	defer c.Close()
	pollers, err := worker.Pollers(ctx, c.Client)
	if err == nil && len(pollers) > 0 {
		err = fmt.Errorf("%d workers asked %s for work within the last minute and a half: stop them, wait as long, "+
			"and try again", len(pollers), c.Where)
	}
	return err
}
