package checks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/laketest"
)

// TestNewsOnce: a check that turns bad is news once, and so are more subjects, a worse state, and that it is over.
func TestNewsOnce(t *testing.T) {
	start := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	var memory checks.Memory
	for i, step := range []struct {
		state    string
		subjects []string
		event    bool
		want     string // the news
		rows     int
	}{
		{state: checks.OK, rows: 1},
		{state: checks.Warn, subjects: []string{"a"}, want: "ok>warn [a]", rows: 1},
		{state: checks.Warn, subjects: []string{"a"}},
		{state: checks.Unknown},
		{state: checks.Warn, subjects: []string{"a"}},
		{state: checks.Warn, subjects: []string{"a", "b"}, want: "warn>warn [b]", rows: 1},
		{state: checks.Warn, subjects: []string{"b"}, rows: 1},
		{state: checks.Warn, subjects: []string{"a", "b"}, rows: 1}, // a was told
		{state: checks.Fail, subjects: []string{"a", "b"}, want: "warn>fail []", rows: 1},
		{state: checks.Warn, subjects: []string{"a"}, rows: 1},
		{state: checks.Unknown},
		{state: checks.OK, want: "warn>ok [] recovered", rows: 1},
		{state: checks.OK},
		{state: checks.Warn, subjects: []string{"a"}, want: "ok>warn [a]", rows: 1},
		{state: checks.OK, event: true, rows: 1}, // what is no longer new is no news
	} {
		var news []checks.News
		var rows []checks.Record
		result := checks.Result{Check: "x", State: step.state, Subjects: step.subjects, Text: "t", Event: step.event}
		at := start.Add(time.Duration(i) * time.Minute)
		before := memory
		memory, news, rows = checks.Compare(memory, []checks.Result{result}, at)
		got := ""
		for _, n := range news {
			got += fmt.Sprintf("%s>%s %v", n.Before, n.State, n.Subjects)
			if n.Recovered {
				got += " recovered"
			}
		}
		require.Equal(t, step.want, got, "step %d", i)
		require.Len(t, rows, step.rows, "step %d", i)
		_, again, _ := checks.Compare(before, []checks.Result{result}, at.Add(time.Second))
		require.Len(t, again, len(news))
	}
	_, _, rows := checks.Compare(memory, []checks.Result{{Check: "x", State: checks.OK}}, start.Add(time.Hour))
	require.Len(t, rows, 1, "figures are recorded once an hour")
}

// TestSave: what is recorded comes back as what is known, once for each run.
func TestSave(t *testing.T) {
	l := laketest.NewLake(t)
	now := time.Date(2026, 11, 29, 10, 20, 0, 0, time.UTC)
	results := []checks.Result{
		{Check: "one", State: checks.OK, Figure: new(0.5), Unit: "share", FailAt: new(1.0), Text: "well"},
		{Check: "two", State: checks.Warn, Subjects: []string{"2022-05-27T05", "2022-05-27T06"}, Text: "not well"},
	}
	memory, _, records := checks.Compare(checks.Memory{}, results, now)
	for range 2 {
		require.NoError(t, checks.Save(t.Context(), l, "run", records))
	}
	rows, saved, err := checks.Saved(t.Context(), l)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, memory, saved)
	_, news, records := checks.Compare(saved, results, now.Add(time.Minute))
	require.Empty(t, news)
	require.Empty(t, records)
	_, news, _ = checks.Compare(saved, []checks.Result{{Check: "two", State: checks.OK}}, now.Add(time.Minute))
	require.Len(t, news, 1)
	require.True(t, news[0].Recovered)
	require.Equal(t, "1m0s", news[0].Lasted)
}
