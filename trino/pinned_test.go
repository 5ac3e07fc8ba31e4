package trino_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/trino"
)

// pinnedQuestions are the views that follow from gold.users, and what they say.
var pinnedQuestions = map[string]func(*truth) answer{
	"version_intervals": (*truth).intervals, "users": (*truth).users, "versions": (*truth).versionRows,
	"devices": (*truth).devices, "active_installations": (*truth).activeInstallations,
	"active_versions": (*truth).activeVersions, "shutdown_impact": (*truth).shutdownImpact,
	"shutdown_users": (*truth).shutdownUsers, "version_device_distribution": (*truth).versionDeviceDistribution,
	"version_retention": (*truth).versionRetention, "release_cadence": (*truth).releaseCadence,
}

// testPinned pins the views to tags, and computes each from the histories that `versionlake history --all --as-of`
// prints.
func (l *local) testPinned(t *testing.T) {
	var tags []string
	versions, err := gold.Versions(t.Context(), l.Lake)
	require.NoError(t, err)
	for _, version := range versions {
		tags = append(tags, version.Tags...)
	}
	slices.Sort(tags)
	require.Greater(t, len(tags), taggedTimes)
	tags = tags[len(tags)-taggedTimes:] // the late file's among them
	said := &pinnedAnswers{of: map[string]map[string]bool{}}
	started := time.Now()
	t.Run("tags", func(t *testing.T) {
		for _, tag := range tags {
			t.Run(tag, func(t *testing.T) {
				t.Parallel()
				l.comparePinned(t, tag, said)
			})
		}
	})
	for view, answers := range said.of {
		require.Greater(t, len(answers), 1, "%s says the same as of each tag", view)
	}
	t.Logf("%d views as of %d tags in %.0f s", len(said.of), len(tags), time.Since(started).Seconds())
}

// pinnedAnswers are the different answers of each view.
type pinnedAnswers struct {
	sync.Mutex
	of map[string]map[string]bool
}

func (p *pinnedAnswers) add(view string, rows answer) {
	p.Lock()
	defer p.Unlock()
	if p.of[view] == nil {
		p.of[view] = map[string]bool{}
	}
	p.of[view][strings.Join(rows, "\n")] = true
}

func (l *local) comparePinned(t *testing.T, tag string, said *pinnedAnswers) {
	past, err := trino.FindPast(t.Context(), l.trino, trino.CatalogName, tag)
	require.NoError(t, err)
	schema, err := trino.PastSchema(trino.CatalogName, past)
	require.NoError(t, err)
	pinned := &world{trino: l.open(t, l.server.URL, trino.ScratchName, schema)}
	require.NoError(t, trino.EnsurePinned(t.Context(), pinned.trino, trino.CatalogName, past))
	truth := l.historyTruth(t, tag)
	for view, answerOf := range pinnedQuestions {
		want := answerOf(truth)
		slices.Sort(want)
		got := pinned.ask(t, question{view: view})
		require.NotEmpty(t, got, view)
		require.Equal(t, want, got, "%s as of %s", view, tag)
		said.add(view, got)
	}
}

// testPinList: the views that are made are those over gold, and the others are named.
func (l *local) testPinList(t *testing.T) {
	past, err := trino.FindPast(t.Context(), l.trino, trino.CatalogName, "hour-2022-05-28T23")
	require.NoError(t, err)
	var made []string
	db := l.open(t, l.server.URL, trino.ScratchName, "friday")
	others, err := trino.PinViews(t.Context(), db, trino.CatalogName, past,
		func(view trino.View) { made = append(made, view.Name) })
	require.NoError(t, err)
	slices.Sort(made)
	require.Equal(t, slices.Sorted(maps.Keys(pinnedQuestions)), made)
	require.Contains(t, others, trino.Unpinned{View: "version_trend", Table: "gold.version_daily"})
	views, err := trino.Views()
	require.NoError(t, err)
	require.Len(t, views, len(made)+len(others))
	// Whoever has the table beside the view sees one state, and the view's comment says which.
	require.Equal(t, l.rows(t, "SELECT count(*) FROM gold.users FOR VERSION AS OF 'hour-2022-05-28T23'"),
		l.rows(t, "SELECT count(*) FROM scratch.friday.users"))
	require.Contains(t, l.rows(t, "SHOW CREATE VIEW scratch.friday.users")[0][0], "As of hour-2022-05-28T23: ")
}

// historyTruth is the truth as far as histories tell it.
func (l *local) historyTruth(t *testing.T, tag string) *truth {
	t.Helper()
	version, err := gold.FindVersion(t.Context(), l.Lake, tag)
	require.NoError(t, err)
	known := emptyTruth()
	for user, err := range gold.Users(t.Context(), l.Lake, version) {
		require.NoError(t, err)
		known.everyone = append(known.everyone, user)
		for _, interval := range user.History {
			s := stay{interval, user.ID, user.Kind == history.KindUser}
			known.stays = append(known.stays, s)
			known.see(&s)
		}
	}
	known.order()
	return known
}

func (t *truth) intervals() (a answer) {
	for i := range t.stays {
		s := &t.stays[i]
		kind, to, until := history.KindUser, any(null), any("9999-12-31T00:00:00Z")
		if !s.known {
			kind = history.KindSession
		}
		if !s.Open {
			to, until = moment(s.ValidTo), moment(s.ValidTo)
		}
		a.row(s.user, kind, s.Service, s.on(), s.Version, moment(s.ValidFrom), to, until, moment(s.LastSeenAt),
			s.Sightings, orNull(fmt.Sprint(s.IsDowngrade), !s.NotComparable))
	}
	return a
}

func (t *truth) users() (a answer) {
	for i := range t.everyone {
		u := &t.everyone[i]
		a.row(u.ID, u.Kind, moment(u.FirstSeenAt), moment(u.LastSeenAt), u.CurrentService,
			orNull(u.CurrentDevice, u.CurrentHasDevice), u.CurrentVersion, moment(u.CurrentSince),
			orNull(u.PreviousVersion, u.HasPreviousVersion), u.VersionCount, sampleID(u.ID))
	}
	return a
}

func (t *truth) versionRows() (a answer) {
	for r, rank := range t.rank {
		key := history.KeyOf(r.service, r.version)
		a.row(r.service, r.version, rank, key.Class, key.Sort, moment(t.first[r]), moment(t.last[r]))
	}
	return a
}

func (t *truth) devices() (a answer) {
	users, installations, sessions := distinct[string]{}, distinct[string]{}, distinct[string]{}
	first, last := map[string]int64{}, map[string]int64{}
	for i := range t.stays {
		s := &t.stays[i]
		if !s.HasDevice {
			continue
		}
		if s.known {
			users.add(s.Device, s.user)
			installations.add(s.Device, s.user+"\x00"+s.Service)
		} else {
			sessions.add(s.Device, s.user)
		}
		if at, seen := first[s.Device]; !seen || s.ValidFrom < at {
			first[s.Device] = s.ValidFrom
		}
		last[s.Device] = max(last[s.Device], s.LastSeenAt)
	}
	for device := range first {
		a.row(device, users.n(device), installations.n(device), sessions.n(device), moment(first[device]),
			moment(last[device]))
	}
	return a
}

// testNoPast: what the lake does not know is an error that says what there is.
func (l *local) testNoPast(t *testing.T) {
	ctx := t.Context()
	_, err := trino.FindPast(ctx, l.trino, trino.CatalogName, "hour-2022-05-28T21x")
	require.ErrorIs(t, err, trino.ErrNoPast)
	require.ErrorContains(t, err, `the first tag after it is "hour-2022-05-28T22"`)
	for _, text := range []string{"zebra", "17", "2001-01-01T00:00:00Z"} {
		_, err = trino.FindPast(ctx, l.trino, trino.CatalogName, text)
		require.ErrorIs(t, err, trino.ErrNoPast, text)
	}
	now, err := gold.FindVersion(ctx, l.Lake, "")
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(now.SnapshotID), time.Now().Format(time.RFC3339Nano)} {
		past, err := trino.FindPast(ctx, l.trino, trino.CatalogName, text)
		require.NoError(t, err)
		require.Equal(t, now.SnapshotID, past.Snapshot, text)
	}

	require.ErrorContains(t, trino.CheckPinned("SELECT * FROM users JOIN events ON true"),
		"events can't be asked for the past")
	for _, query := range []string{"SELECT * FROM views.users", `SELECT 1 FROM versionlake."views".users`} {
		require.ErrorContains(t, trino.CheckPinned(query), "leave the schema out")
	}
	require.NoError(t, trino.CheckPinned("SELECT events AS n, 'views.' FROM active_versions"))
	require.ErrorIs(t, trino.CheckPinned("SELECT * FROM issues_by_version"), trino.ErrUnpinned)
	require.NoError(t, trino.CheckPinned("WITH events AS (SELECT 1) SELECT * FROM events JOIN active_versions ON true"))

	// A version that was known then, and has no order any more.
	l.lose(t, ctx)
	past, err := trino.FindPast(ctx, l.trino, trino.CatalogName, "hour-2022-05-28T23")
	require.NoError(t, err)
	_, err = trino.PinViews(ctx, l.open(t, l.server.URL, trino.ScratchName, "lost"), trino.CatalogName, past,
		func(trino.View) {})
	require.ErrorContains(t, err, "gold.versions has no order any more for")
}

// lose takes a version out of the order, as gold that is made anew may.
func (l *local) lose(t *testing.T, ctx context.Context) {
	t.Helper()
	admin, err := url.Parse(l.server.URL)
	require.NoError(t, err)
	admin.User = url.User(trino.AdminName)
	_, err = l.open(t, admin.String(), trino.AdminName, "gold").ExecContext(ctx,
		"DELETE FROM versions WHERE version = "+
			"(SELECT min(version) FROM versions)")
	require.NoError(t, err)
}
