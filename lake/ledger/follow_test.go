package ledger_test

import (
	"slices"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
)

// TestFollow: a run of an hour is in all logs or in none, whichever table it had committed when it died.
func TestFollow(t *testing.T) {
	for _, half := range lake.SilverTables {
		t.Run(half.Name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T05/a.tsv", laketest.Login("27T05:09", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"))
			in.Put("27T06/a.tsv", laketest.Login("27T06:09", "s1", "p1"), laketest.Sighting("27T06:10", "s1", "1.1"))
			in.Put("27T07/a.tsv", laketest.Login("27T07:09", "s1", "p1"), laketest.Sighting("27T07:10", "s1", "1.2"))
			hour := laketest.HourAt(t, "2022-05-27T05")
			follow := func(reached ...ledger.Reached) ledger.Followed {
				t.Helper()
				followed, err := ledger.Follow(t.Context(), in.Lake, nil, reached...)
				in.Must(err)
				return followed
			}
			var start []ledger.Reached
			for _, definition := range lake.SilverTables {
				start = append(start, ledger.Reached{Definition: definition})
			}
			if nothing := follow(start...); nothing.Lost || nothing.Logs[0].To != 0 || nothing.HalfCommitted != nil {
				t.Errorf("of an empty lake: %+v", nothing)
			}
			in.Silver(hour)
			heads := reachedNow(t, in, start)
			staged := in.Stage(hour + 1)
			in.CommitTables(staged, half)
			in.Silver(hour + 2)

			stopped := follow(start...)
			if stopped.Lost || !slices.Equal(stopped.HalfCommitted, []string{"2022-05-27T06"}) {
				t.Errorf("with half an hour: %+v", stopped)
			}
			wantLogs(t, stopped, start, heads)
			wantLogs(t, follow(heads...), heads, heads)

			_, err := in.CommitHour(staged)
			in.Must(err)
			ended, now := follow(heads...), reachedNow(t, in, start)
			if ended.Lost || ended.HalfCommitted != nil {
				t.Errorf("once the hour ended: %+v", ended)
			}
			for i, log := range ended.Logs {
				changes, err := log.Changes(t.Context(), in.Lake)
				in.Must(err)
				if log.To != now[i].Snapshot || len(changes.Added) != 2 || len(changes.Removed) != 0 {
					t.Errorf("%s is followed from %d to %d, with %d files and %d that went", start[i].Definition.Name,
						log.From, log.To, len(changes.Added), len(changes.Removed))
				}
			}
		})
	}
}

// wantLogs: each log goes from what was reached of its table to what all of them can reach.
func wantLogs(t *testing.T, followed ledger.Followed, from, to []ledger.Reached) {
	t.Helper()
	for i, log := range followed.Logs {
		if log.From != from[i].Snapshot || log.To != to[i].Snapshot {
			t.Errorf("%s is followed from %d to %d, not from %d to %d", from[i].Definition.Name, log.From, log.To,
				from[i].Snapshot, to[i].Snapshot)
		}
	}
}

// TestFollowLost: where one of the logs lost what was reached, all of them begin anew.
func TestFollowLost(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Login("27T05:09", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Silver(laketest.HourAt(t, "2022-05-27T05"))
	heads := reachedNow(t, in, []ledger.Reached{{Definition: lake.SilverSightings}, {Definition: lake.SilverBindings}})
	followed, err := ledger.Follow(t.Context(), in.Lake, nil, heads[0], ledger.Reached{lake.SilverBindings, 1})
	in.Must(err)
	if !followed.Lost {
		t.Error("nothing was lost")
	}
	for i, log := range followed.Logs {
		if log.From != 0 || log.To != heads[i].Snapshot {
			t.Errorf("%s is followed from %d to %d, not from 0 to %d", heads[i].Definition.Name, log.From, log.To,
				heads[i].Snapshot)
		}
	}
}

func reachedNow(t *testing.T, in *laketest.Ingester, tables []ledger.Reached) (heads []ledger.Reached) {
	t.Helper()
	for _, each := range tables {
		loaded, err := in.Lake.Load(t.Context(), each.Definition)
		in.Must(err)
		heads = append(heads, ledger.Reached{Definition: each.Definition, Snapshot: lake.HeadOf(loaded)})
	}
	return heads
}
