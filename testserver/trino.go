package testserver

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/versionlake/versionlake/trino"
)

// Trino gives a lake to the Trino server that the tests of this process share, in a catalog of its own, and returns
// the address of the server, http://127.0.0.1:port, and the catalog's name. Trino takes a quarter of a minute to
// start.
//
// The lake must have been opened once. What the catalog's Postgres and S3 need is read from the environment as it
// is now.
func Trino(tb testing.TB, lake trino.Lake) (address, catalog string) {
	tb.Helper()
	settings, err := trino.NewCatalog(lake)
	if err != nil {
		tb.Fatal(err)
	}
	server := sharedTrino(tb)
	db, err := trino.Open(server.URL, "", "")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	catalog = "test_" + strings.ToLower(rand.Text()[:12])
	if _, err := db.ExecContext(tb.Context(), settings.CreateStatement(catalog)); err != nil {
		tb.Fatalf("give the lake to Trino: %v", err)
	}
	tb.Cleanup(func() {
		db, err := trino.Open(server.URL, "", "")
		if err != nil {
			tb.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), "DROP CATALOG "+trino.QuoteName(catalog)); err != nil {
			tb.Error(err)
		}
	})
	return server.URL, catalog
}

// TrinoDB is Trino, connected: names without a catalog are those of the lake, and without a schema too, those of
// the views.
func TrinoDB(tb testing.TB, lake trino.Lake) *sql.DB {
	tb.Helper()
	address, catalog := Trino(tb, lake)
	db, err := trino.Open(address, catalog, trino.Schema)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// TrinoInstall is where Trino is.
func TrinoInstall(tb testing.TB) trino.Install {
	tb.Helper()
	install, err := trino.FindInstall()
	if errors.Is(err, trino.ErrNotInstalled) {
		missing(tb, "trino", trino.HomeVariable+" and "+trino.JavaVariable)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return install
}

// Guard ends a server and removes its folder, should the test process die before the test has ended it.
func Guard(tb testing.TB, pid int, folder string) {
	tb.Helper()
	guard, err := startGuard(pid, folder)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(guard.dismiss)
}

var sharedTrinoServer struct {
	sync.Mutex
	server *trino.Server
	guard  *guard // which ends the server when nobody holds it any more
	err    error
}

// sharedTrino starts the server when it is called first. It runs until the process ends: then its guard stops it.
func sharedTrino(tb testing.TB) *trino.Server {
	tb.Helper()
	install := TrinoInstall(tb)
	shared := &sharedTrinoServer
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.guard, shared.err = startTrino(install)
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

func startTrino(install trino.Install) (*trino.Server, *guard, error) {
	dir, err := os.MkdirTemp("", "versionlake-trino-")
	if err != nil {
		return nil, nil, err
	}
	server, err := trino.Start(context.Background(), trino.Options{
		Dir: dir, Install: install, Heap: "1G",
		Config: map[string]string{"catalog.management": "dynamic", "catalog.store": "memory",
			// What waits between the stages of a query: with 32 MB for it, as by default, how much memory a query needs
			// would depend on what else the machine does.
			"sink.max-buffer-size": "4MB"},
	})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	guard, err := startGuard(server.PID, dir)
	if err != nil {
		return nil, nil, errors.Join(err, server.Stop(), os.RemoveAll(dir))
	}
	return server, guard, nil
}
