package worker_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ranges"
	"github.com/versionlake/versionlake/workflows/writers"
)

// posting is a lake of three days, and a worker whose rules name a Slack-shaped server and a mail server.
type posting struct {
	*local
	slack *testserver.Hook
	mail  *testserver.Mail
	rules string // the file
	place string // where lists go
}

func startPosting(t *testing.T) *posting {
	p := &posting{local: startLocal(t), slack: testserver.WebHook(t, slackSecret), mail: testserver.SMTP(t, "", "")}
	t.Setenv("TEST_SLACK_URL", p.slack.URL)
	p.rules, p.place = filepath.Join(t.TempDir(), "rules.yaml"), filepath.Join(t.TempDir(), "lists-secret-place")
	p.say("")
	run := worker.New(p.client, worker.Options{Source: p.source, Lake: p.lake, Parsing: telemetry.Options{},
		Checks: activities.Checks{Rules: p.rules,
			SQL: func() (*sql.DB, error) { return nil, errors.New("no Trino runs here") }}})
	require.NoError(t, run.Start())
	t.Cleanup(run.Stop)
	require.NoError(t, worker.EnsureSchedules(t.Context(), p.client, worker.ScheduleOptions{}))
	return p
}

// say writes the rules, with more to the end.
func (p *posting) say(more string) {
	text := fmt.Sprintf(`
name: test
receivers:
  team: {slack: {url: {env: TEST_SLACK_URL}}}
  people: {email: {host: %s, port: %d, tls: none, from: lake@example.com, to: [all@example.com]}}
digest: {to: [team, people]}
%s`, p.mail.Host, p.mail.Port, more)
	beside := p.rules + ".new"
	require.NoError(p.tb, os.WriteFile(beside, []byte(text), 0o600))
	require.NoError(p.tb, os.Rename(beside, p.rules)) // it is read at any time
}

// trigger lets a schedule act now, and waits for what it begins to end in a state.
func (p *posting) trigger(t *testing.T, schedule, kind, state string, times int64) (id string) {
	t.Helper()
	handle := p.client.ScheduleClient().GetHandle(t.Context(), schedule)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = '%s'", kind, state)
	p.awaitClosed(t, times, query)
	return p.find(t, query)
}

// TestRecordPosts lets the schedules of the digest and of lists act on a real server, and keeps what it recorded.
func TestRecordPosts(t *testing.T) {
	p := startPosting(t)
	t.Run("digest of nothing", func(t *testing.T) {
		p.trigger(t, worker.DigestScheduleID, "Digest", "Completed", 1)
		require.Empty(t, p.slack.Posts())
		require.Empty(t, p.mail.Letters())
	})
	t.Run("digest", p.testDigest)
	t.Run("lists", p.testLists)
}

// count lets the daily aggregates follow some hours of three days.
func (p *posting) count(t *testing.T) {
	t.Helper()
	first := hour(t, "2022-05-27T05")
	for day := range telemetry.Hour(3) {
		for user := range 5 {
			p.write(first+24*day, fmt.Sprintf("%d.tsv", user),
				sighting(first+24*day, user, fmt.Sprintf("secret-user-%d", user), fmt.Sprintf("1.%d", day)))
		}
	}
	run := p.start(t.Context(), "range", ranges.ReprocessRange,
		ranges.ReprocessInput{From: first.String(), To: (first + 72).String()})
	require.NoError(t, run.Get(t.Context(), nil))
	counting, err := p.client.SignalWithStartWorkflow(t.Context(), activities.DailyWorkflowID, activities.DailySignal,
		activities.DailyRequest{Now: true},
		client.StartWorkflowOptions{ID: activities.DailyWorkflowID, TaskQueue: worker.TaskQueue},
		activities.DailyWorkflow, writers.DailyInput{})
	require.NoError(t, err)
	require.NoError(t, counting.Get(t.Context(), nil))
}

// testDigest: each receiver gets the week once, one that is out gets it when it is back.
func (p *posting) testDigest(t *testing.T) {
	p.count(t)
	p.slack.Answer(http.StatusServiceUnavailable)
	handle := p.client.ScheduleClient().GetHandle(t.Context(), worker.DigestScheduleID)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.Eventually(t, func() bool { return len(p.mail.Letters()) == 1 }, time.Minute, 50*time.Millisecond)
	p.slack.Answer(http.StatusOK)
	p.awaitClosed(t, 2, "WorkflowType = 'Digest' AND ExecutionStatus = 'Completed'")
	require.Len(t, p.mail.Letters(), 1, "nobody gets it twice")
	require.Len(t, p.slack.Posts(), 1)
	letter, post := p.mail.Letters()[0], p.slack.Posts()[0].Body
	for _, text := range []string{"Subject: versionlake test: the week from 2022-05-22 to 2022-05-28", "multipart/related"} {
		require.True(t, strings.Contains(letter, text), "%s in %.500s", text, letter)
	}
	require.Equal(t, 2, strings.Count(letter, "Content-Type: image/png"), "pictures are inside")
	require.Contains(t, post, "versionlake test: the week from")
	require.False(t, strings.Contains(letter+post, "secret-user"))
	p.record(t, "digest", p.find(t, "WorkflowType = 'Digest'"), "")
}

// checkLists is what the check says of lists.
func (p *posting) checkLists(t *testing.T) checks.Result {
	t.Helper()
	for _, result := range checks.Run(t.Context(), p.lake, checks.Options{Now: time.Now()}) {
		if result.Check == checks.CheckLists {
			return result
		}
	}
	t.Fatal("there is no such check")
	return checks.Result{}
}

// testLists: without a Trino the lists end at once with what to do, and the check tells it until they are written or
// nobody wants them any more.
func (p *posting) testLists(t *testing.T) {
	require.Equal(t, checks.OK, p.checkLists(t).State)
	p.say(fmt.Sprintf("lists: [{view: stuck_users, to: %s}, {view: shutdown_users, to: %s}]", p.place, p.place))
	id := p.trigger(t, worker.ListsScheduleID, "Lists", "Failed", 1)
	err := p.client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil)
	require.ErrorContains(t, err, "2 of 2 lists were not written: the list stuck_users: lists are read through a Trino, "+
		"and the worker has none: no Trino runs here. Start workers with --trino https://user:password@host:port. "+
		"`temporal schedule trigger --schedule-id daily-lists` writes the lists again")
	told := p.checkLists(t)
	require.Equal(t, checks.Fail, told.State)
	require.Contains(t, told.Text, "the list stuck_users: lists are read through a Trino")
	history := p.events(t.Context(), id, "")
	require.NotContains(t, history.String(), "secret-place")
	writing := 0
	for _, event := range history.Events {
		step := event.GetActivityTaskScheduledEventAttributes()
		if step != nil && step.ActivityType.Name == "WriteList" {
			require.Equal(t, 6*time.Hour, step.ScheduleToCloseTimeout.AsDuration(), "it is not tried for ever")
			writing++
		}
	}
	require.Equal(t, 2, writing)
	p.record(t, "lists-without-trino", id, "")

	p.say("")
	p.trigger(t, worker.ListsScheduleID, "Lists", "Completed", 1)
	require.Equal(t, checks.OK, p.checkLists(t).State)
}
