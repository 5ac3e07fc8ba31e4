package testserver

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

func TestS3(t *testing.T) {
	server := S3(t)
	bucket := server.NewBucket(t)
	buckets, err := server.Client().ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) != 1 || *buckets.Buckets[0].Name != bucket {
		t.Fatalf("buckets are %v, %v", buckets, err)
	}
	server.Setenv(t)
	if got := os.Getenv("AWS_ENDPOINT_URL_S3"); got != server.Endpoint {
		t.Errorf("the environment names %q", got)
	}
}

func TestServersEndWithTheirTest(t *testing.T) {
	var addresses []string
	t.Run("inner", func(t *testing.T) {
		addresses = append(addresses, strings.TrimPrefix(S3(t).Endpoint, "http://"), Temporal(t).Address)
	})
	for _, address := range addresses {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("something listens on %s after the test", address)
		}
	}
}

func TestPostgresDatabasesAreApart(t *testing.T) {
	ctx := t.Context()
	connect := func(t *testing.T, dsn string) *pgx.Conn {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	var first string
	t.Run("first", func(t *testing.T) {
		first = Postgres(t)
		if _, err := connect(t, first).Exec(ctx, "CREATE TABLE hours (hour text)"); err != nil {
			t.Fatal(err)
		}
	})
	var tables int
	if err := connect(t, Postgres(t)).QueryRow(ctx,
		"SELECT count(*) FROM pg_tables WHERE tablename = 'hours'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("a new database has %d tables of another test, %v", tables, err)
	}
	if conn, err := pgx.Connect(ctx, first); err == nil {
		conn.Close(ctx)
		t.Error("the database is there after its test")
	}
}

func TestTemporalSurvivesKill(t *testing.T) {
	server := Temporal(t)
	ctx := t.Context()
	hour := temporal.NewSearchAttributeKeyKeywordList("Hours")
	dial := func() client.Client {
		c, err := client.DialContext(ctx, client.Options{HostPort: server.Address, Namespace: server.Namespace})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	run, err := dial().ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "hour-2022-05-27T05", TaskQueue: "none",
		TypedSearchAttributes: temporal.NewSearchAttributes(hour.ValueSet([]string{"2022-05-27T05"})),
	}, "NoWorkerRunsThis")
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if conn, err := net.Dial("tcp", server.Address); err == nil {
		conn.Close()
		t.Fatal("it still listens")
	}
	server.Start()
	c := dial()
	got, err := c.DescribeWorkflow(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	if value, _ := got.TypedSearchAttributes.GetKeywordList(hour); !slices.Equal(value, []string{"2022-05-27T05"}) {
		t.Errorf("after a restart the hour is %q", value)
	}
	if err := c.TerminateWorkflow(ctx, "no-such-workflow", "", ""); err == nil {
		t.Error("a workflow that is not there can be terminated")
	} else if _, notFound := err.(*serviceerror.NotFound); !notFound {
		t.Error(err)
	}
}

const victim = "VERSIONLAKE_TEST_VICTIM"

// TestServersEndWithTheProcess kills a test process, this same program, that has started servers.
func TestServersEndWithTheProcess(t *testing.T) {
	if os.Getenv(victim) != "" {
		postgres, err := url.Parse(Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(strings.TrimPrefix(S3(t).Endpoint, "http://") + " " + postgres.Host + "\n")
		select {} // until killed
	}
	if runtime.GOOS == "windows" {
		t.Skip("there is no guard")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersEndWithTheProcess$")
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	addresses := strings.Fields(line)
	if err != nil || len(addresses) != 2 {
		rest, _ := io.ReadAll(out)
		t.Fatalf("the victim printed %q %s, %v", line, rest, err)
	}
	for _, address := range addresses {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	cmd.Process.Kill()
	cmd.Wait()
	deadline := time.Now().Add(30 * time.Second)
	for _, address := range addresses {
		for {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				break
			}
			conn.Close()
			if time.Now().After(deadline) {
				t.Fatalf("something still listens on %s", address)
			}
		}
	}
}
