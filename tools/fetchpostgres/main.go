// Command fetchpostgres puts the binaries of a Postgres server, from Maven Central, into a folder: for the tests.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fetchpostgres VERSION FOLDER")
		os.Exit(2)
	}
	if err := fetch(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "fetchpostgres:", err)
		os.Exit(1)
	}
}

func fetch(version, folder string) error {
	scratch, err := os.MkdirTemp("", "fetchpostgres-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	// The library has no call that only fetches. Starting the server goes on to fail where that is not allowed, as
	// for root, so what counts is whether the binaries run.
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.PostgresVersion(version)).
		BinariesPath(folder).
		CachePath(filepath.Join(scratch, "cache")).
		RuntimePath(filepath.Join(scratch, "trial")).
		Logger(nil))
	startErr := server.Start()
	if startErr == nil {
		startErr = server.Stop()
	}
	for _, program := range []string{"initdb", "postgres"} {
		if out, err := exec.Command(filepath.Join(folder, "bin", program), "--version").CombinedOutput(); err != nil {
			return errors.Join(startErr, fmt.Errorf("%s --version: %w %s", program, err, out))
		}
	}
	return nil
}
