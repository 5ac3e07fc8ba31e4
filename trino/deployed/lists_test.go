package deployed_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/watch"
)

// lists: workers write the lists of their rules to S3, by an analyst's login as CSV and Parquet with masked ids alone,
// and by that of support with real ones; a bucket that is not there ends that list alone.
func (s *site) lists(t *testing.T) {
	bucket := s.objects.NewBucket(t)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	list := func(view, to, format string) string {
		return fmt.Sprintf("  - {view: %s, to: \"s3://%s\", format: %s}\n", view, to, format)
	}
	write := func(login, text string) (written activities.WriteListsResult, err error) {
		require.NoError(t, os.WriteFile(rules, []byte("lists:\n"+text), 0o600))
		return s.runLists(t, rules, login)
	}
	written, err := write(analyst, list("active_installations", bucket+"/analysts", "csv")+
		list("active_installations", bucket+"/analysts", "parquet"))
	require.NoError(t, err)
	require.Len(t, written.Written, 2)
	masked := s.csvUsers(t, bucket, written.Written[0].Object)
	require.Len(t, masked, int(written.Written[0].Rows))
	require.NotEmpty(t, masked)
	require.ElementsMatch(t, masked, s.parquetUsers(t, bucket, written.Written[1].Object))
	for _, user := range masked {
		require.True(t, strings.HasPrefix(user, "masked:"), user)
	}

	written, err = write(support, list("active_installations", bucket+"/support", "csv")+
		list("active_installations", "no-such-bucket/lists", "csv"))
	require.ErrorContains(t, err, "1 of 2 lists were not written: the list active_installations: ")
	require.ErrorContains(t, err, "Correct the list's place (to, in the rules), make its bucket")
	names := s.keys(t, bucket)
	require.Len(t, names, 3)
	users := s.csvUsers(t, bucket, "s3://"+bucket+"/"+names[2])
	require.Len(t, users, len(masked))
	require.Contains(t, users, s.user)
}

// runLists runs the workflow with a worker whose Trino is that of a login.
func (s *site) runLists(t *testing.T, rules, login string) (written activities.WriteListsResult, err error) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	temporal, err := worker.ConnectTo(t.Context(), testserver.Temporal(t).Address, observe.Logging(logger))
	require.NoError(t, err)
	defer temporal.Close()
	files, err := source.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	w := worker.New(temporal, worker.Options{Source: files, Lake: s.lake, Parsing: telemetry.Options{},
		Checks: activities.Checks{Rules: rules, SQL: func() (*sql.DB, error) { return s.open(t, login), nil }}})
	require.NoError(t, w.Start())
	defer w.Stop()
	run, err := temporal.ExecuteWorkflow(t.Context(),
		client.StartWorkflowOptions{ID: "lists", TaskQueue: worker.TaskQueue}, watch.Lists)
	require.NoError(t, err)
	err = run.Get(t.Context(), &written)
	replayer := sdkworker.NewWorkflowReplayer()
	worker.RegisterWorkflows(replayer)
	require.NoError(t, replayer.ReplayWorkflowExecution(t.Context(), temporal.WorkflowService(), nil,
		client.DefaultNamespace, workflow.Execution{ID: run.GetID(), RunID: run.GetRunID()}))
	return written, err
}

func (s *site) keys(t *testing.T, bucket string) (names []string) {
	t.Helper()
	listed, err := s.objects.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	require.NoError(t, err)
	for _, object := range listed.Contents {
		names = append(names, *object.Key)
	}
	return names
}

// get reads an object of S3.
func (s *site) get(t *testing.T, bucket, object string) []byte {
	t.Helper()
	key, inside := strings.CutPrefix(object, "s3://"+bucket+"/")
	require.True(t, inside, object)
	found, err := s.objects.Client().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	require.NoError(t, err)
	defer found.Body.Close()
	text, err := io.ReadAll(found.Body)
	require.NoError(t, err)
	return text
}

func (s *site) csvUsers(t *testing.T, bucket, object string) (users []string) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(s.get(t, bucket, object))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "user_id", rows[0][0])
	for _, row := range rows[1:] {
		users = append(users, row[0])
	}
	return users
}

func (s *site) parquetUsers(t *testing.T, bucket, object string) (users []string) {
	t.Helper()
	text := s.get(t, bucket, object)
	type row struct {
		User string `parquet:"user_id"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(text), int64(len(text)))
	require.NoError(t, err)
	for _, row := range rows {
		users = append(users, row.User)
	}
	return users
}
