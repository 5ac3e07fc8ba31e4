package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/versionlake/versionlake/process"
)

const postgresUser = "versionlake"

// Postgres makes an empty database of its own for a test, in a server that the tests of this process share, and
// returns its URL: postgres://user:password@127.0.0.1:port/name?sslmode=disable. The database is dropped when the
// test ends.
func Postgres(tb testing.TB) string {
	tb.Helper()
	server, err := sharedPostgres(postgresBinaries(tb))
	if err != nil {
		tb.Fatalf("start postgres: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text()[:12])
	if err := execSQL(context.Background(), server, "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := execSQL(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	database := server
	database.Path = "/" + name
	return database.String()
}

// postgresBinaries is the folder with initdb and postgres.
func postgresBinaries(tb testing.TB) string {
	tb.Helper()
	const variable = "VERSIONLAKE_TEST_POSTGRES"
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	dir := filepath.Join(toolsDir(tb), "postgres", "bin")
	if _, err := exec.LookPath(filepath.Join(dir, "postgres")); err == nil {
		return dir
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	missing(tb, "postgres", variable+" (the folder of initdb and postgres)")
	return ""
}

var postgres struct {
	sync.Mutex
	url *url.URL
	err error
}

// sharedPostgres starts the server when it is called first. It runs until the process ends: then its guard stops it.
func sharedPostgres(binaries string) (url.URL, error) {
	postgres.Lock()
	defer postgres.Unlock()
	if postgres.url == nil && postgres.err == nil {
		postgres.url, postgres.err = startPostgres(binaries)
	}
	if postgres.err != nil {
		return url.URL{}, postgres.err
	}
	return *postgres.url, nil
}

func startPostgres(binaries string) (*url.URL, error) {
	dir, err := os.MkdirTemp("", "versionlake-postgres-")
	if err != nil {
		return nil, err
	}
	server, err := startPostgresIn(dir, binaries)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return server, nil
}

func startPostgresIn(dir, binaries string) (*url.URL, error) {
	password := rand.Text()
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // Postgres refuses to run as root, and another user may not reach into our checkout
		own := filepath.Join(dir, "postgres")
		if err := os.CopyFS(own, os.DirFS(filepath.Dir(binaries))); err != nil {
			return nil, err
		}
		binaries = filepath.Join(own, "bin")
	}
	if err := giveAway(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(binaries, "initdb"), "--pgdata", data, "--username", postgresUser, "--pwfile",
		passwordFile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	initdb.Dir = dir
	asUnprivileged(initdb)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	var server *url.URL
	err := process.Retry(func() error {
		port, err := process.FreePort()
		if err != nil {
			return err
		}
		// Tests need no durability; a socket's path could be longer than systems allow.
		cmd := exec.Command(filepath.Join(binaries, "postgres"), "-D", data, "-h", "127.0.0.1",
			"-p", strconv.Itoa(port), "-k", "",
			"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c",
			"max_connections=200")
		cmd.Dir = dir
		asUnprivileged(cmd)
		server = &url.URL{Scheme: "postgres", User: url.UserPassword(postgresUser, password),
			Host: process.Loopback(port), Path: "/postgres", RawQuery: "sslmode=disable"}
		// Only our own server knows the password, so one that took the port before it is not mistaken for it.
		_, err = start(cmd, dir, func(ctx context.Context) error { return execSQL(ctx, *server, "SELECT 1") })
		return err
	}, func(error) bool { return true })
	if err != nil {
		return nil, err
	}
	return server, nil
}

func execSQL(ctx context.Context, server url.URL, statement string) error {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return fmt.Errorf("connect to postgres: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
