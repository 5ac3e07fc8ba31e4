package activities

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

type answered int

func (a answered) Error() string       { return fmt.Sprintf("status %d", int(a)) }
func (a answered) HTTPStatusCode() int { return int(a) }

// fullDatabase is what SQLite says of a database that may not grow.
func fullDatabase(t *testing.T) error {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec("PRAGMA max_page_count = 2; CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)")
	if err == nil {
		t.Fatal("the database grows")
	}
	return err
}

// TestOutagesInPlainWords: what the Temporal UI shows of a step that is tried again begins with what it waits for.
func TestOutagesInPlainWords(t *testing.T) {
	_, refused := net.Dial("tcp", "127.0.0.1:1")
	for _, c := range []struct {
		err         error
		kind, begin string
	}{
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, ErrorOutage,
			"waiting until there is room on the disk again"},
		{&pgconn.PgError{Code: "57P01"}, ErrorOutage, "waiting until the database of the catalog works again"},
		{&pgconn.ConnectError{Config: &pgconn.Config{}}, ErrorOutage,
			"waiting until the database of the catalog can be reached"},
		{fullDatabase(t), ErrorOutage, "waiting until there is room on the disk again"},
		{driver.ErrBadConn, ErrorOutage, "waiting until the database of the catalog can be reached"},
		{answered(503), ErrorOutage, "waiting until S3 takes requests again"},
		{answered(429), ErrorOutage, "waiting until S3 takes requests again"},
		{refused, ErrorOutage, "waiting until the source, the warehouse and the catalog can be reached"},
		{io.ErrUnexpectedEOF, ErrorOutage, "waiting until"},
		{answered(404), "", "status 404"},
		{&pgconn.PgError{Code: "42P01"}, "", ""},
		{lake.ErrDropped, ErrorDropped, "dropped"},
		{objects.ErrConfig, ErrorSettings, "setting"},
	} {
		got := temporalError(context.Background(), fmt.Errorf("do something: %w", c.err))
		var application *temporal.ApplicationError
		if !errors.As(got, &application) {
			if c.kind != "" {
				t.Errorf("%v is %v", c.err, got)
			}
			continue
		}
		if application.Type() != c.kind ||
			!strings.HasPrefix(strings.TrimPrefix(application.Message(), "do something: "), c.begin) {
			t.Errorf("%v is of type %s: %s", c.err, application.Type(), application.Message())
		}
		if retried := c.kind == ErrorOutage; application.NonRetryable() == retried {
			t.Errorf("%v is tried again: %v", c.err, !retried)
		}
	}
}
