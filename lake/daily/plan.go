package daily

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Plan says which dates of the daily aggregates must be counted anew.
type Plan struct {
	Ref string `json:"ref"`
	// Groups are months, since 1970-01, to be counted by one CountDates each.
	Groups [][]int32 `json:"groups"`
	Dates  int       `json:"dates"`
	First  string    `json:"first,omitempty"` // of the dates: 2022-05-27
	Last   string    `json:"last,omitempty"`
	// HalfCommitted are hours whose run has committed a silver table and not yet the ledger: counting stops before
	// them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// stagedDaily is what lies at a Plan's Ref.
type stagedDaily struct {
	Round string            `json:"round"`
	Heads map[string]int64  `json:"heads"` // of the tables that are replaced, by name; 0: none
	State ledger.DailyState `json:"state"`
	// Resolved is the snapshot of gold.events that is counted; 0: it has none. Plans of earlier versions lack it.
	Resolved *int64 `json:"resolved,omitempty"`
	// Erased is the property PropertyErased of the tables, by name, as far as the dates take it in.
	Erased map[string]string `json:"erased,omitempty"`
	Dates  []stagedDate      `json:"dates"`
	// Moves are those of the dates, packed, where Told says that they were few enough to be told here.
	Moves []byte `json:"moves,omitempty"`
	Told  bool   `json:"told,omitempty"`
}

// stagedDate is a date to be counted anew. A row has two halves, and a half that did not change is taken from the
// old row.
type stagedDate struct {
	Date   int32 `json:"date"`
	Events bool  `json:"events"` // what follows from silver
	Moves  bool  `json:"moves"`  // what follows from gold.users: installations, upgrades, downgrades
}

// months are those of the dates; only those with events to count when events is set.
func (s *stagedDaily) months(events bool) map[int32]bool {
	months := map[int32]bool{}
	for _, date := range s.Dates {
		if date.Events || !events {
			months[ledger.MonthOf(date.Date)] = true
		}
	}
	return months
}

// A CountDates reads about this many bytes of gold.events, unless a month has more.
const countGroupBytes = 256 << 20

func dailyFolder(l *lake.Lake, round string) string {
	return l.StagingFolder() + "/daily/" + round
}

// PlanDaily finds the dates whose counts may have changed since the daily aggregates were refreshed
// (docs/ARCHITECTURE.md, Daily aggregates). round is unique per attempt. progress tells rows read so far, from
// several goroutines.
func PlanDaily(ctx context.Context, l *lake.Lake, round string, progress func(read int64)) (plan Plan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("plan a refresh of the daily aggregates: %w", err)
		}
	}()
	source, err := findSource(ctx, l)
	if err != nil {
		return Plan{}, err
	}
	resolved := lake.HeadOf(source.events)
	staged := stagedDaily{Round: round, State: source.to, Resolved: &resolved, Heads: map[string]int64{},
		Erased: map[string]string{}}
	for name, loaded := range source.daily {
		staged.Heads[name], staged.Erased[name] = lake.HeadOf(loaded), loaded.Properties()[ledger.PropertyErased]
	}
	events, err := touchedDates(ctx, l, source, progress)
	if err != nil {
		return Plan{}, err
	}
	moves, told, err := movedDates(ctx, l, source, events)
	if err != nil {
		return Plan{}, err
	}
	if staged.Told = told != nil; staged.Told {
		for key, counts := range told {
			staged.Moves = counts.Append(key.Append(staged.Moves))
		}
	}
	dates := maps.Clone(events)
	maps.Copy(dates, moves)
	for _, date := range slices.Sorted(maps.Keys(dates)) {
		staged.Dates = append(staged.Dates, stagedDate{Date: date, Events: events[date], Moves: moves[date]})
	}
	plan = Plan{Ref: dailyFolder(l, round) + "/plan.json", Dates: len(staged.Dates),
		HalfCommitted: source.halfCommitted}
	if len(staged.Dates) > 0 {
		plan.First = lake.FormatDate(staged.Dates[0].Date)
		plan.Last = lake.FormatDate(staged.Dates[len(staged.Dates)-1].Date)
	}
	if plan.Groups, err = source.groups(ctx, &staged); err != nil {
		return Plan{}, err
	}
	return plan, l.Objects.WriteJSON(plan.Ref, staged)
}

// groups divides the months of a plan into pieces of work of about the same size.
func (s *dailySource) groups(ctx context.Context, staged *stagedDaily) (groups [][]int32, err error) {
	if len(staged.Dates) == 0 {
		return nil, nil
	}
	sizes := map[int32]int64{}
	files, err := lake.LiveFiles(ctx, s.events)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		low, _ := lake.Bounds(file, lake.ResolvedTimeField)
		sizes[ledger.MonthOf(lake.DateOf(low))] += file.FileSizeBytes()
	}
	var group []int32
	waiting := int64(0)
	for _, month := range slices.Sorted(maps.Keys(staged.months(false))) {
		if len(group) > 0 && (waiting+sizes[month] > countGroupBytes || len(group) == maxCountMonths) {
			groups = append(groups, group)
			group, waiting = nil, 0
		}
		group = append(group, month)
		waiting += sizes[month]
	}
	return append(groups, group), nil
}

// maxCountMonths bounds the sections of a CountDates: one a date.
const maxCountMonths = 60
