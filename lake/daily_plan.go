package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go/table"
)

// DailyPlan says which dates of the daily aggregates must be counted anew.
type DailyPlan struct {
	Ref string `json:"ref"`
	// Groups are months, since 1970-01, to be counted by one CountDates each.
	Groups [][]int32 `json:"groups"`
	Dates  int       `json:"dates"`
	First  string    `json:"first,omitempty"` // of the dates: 2022-05-27
	Last   string    `json:"last,omitempty"`
	// HalfCommitted are hours whose run has committed a silver table and not yet the ledger: counting stops before them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// stagedDaily is what lies at a DailyPlan's Ref.
type stagedDaily struct {
	Round string           `json:"round"`
	Heads map[string]int64 `json:"heads"` // of the tables that are replaced, by name; 0: none
	State dailyState       `json:"state"`
	// Erased is the property propertyErased of the tables, by name, as far as the dates take it in.
	Erased map[string]string `json:"erased,omitempty"`
	Dates  []stagedDate      `json:"dates"`
}

// stagedDate is a date to be counted anew. A row has two halves, and a half that did not change is taken from the old row.
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
			months[monthOf(date.Date)] = true
		}
	}
	return months
}

// A CountDates reads about this many bytes of silver.events, unless a month has more.
const countGroupBytes = 256 << 20

func (l *Lake) dailyFolder(round string) string {
	return l.objects.root + "/" + stagingName + "/daily/" + round
}

// dailySource is the state of the lake that a plan looks at.
type dailySource struct {
	daily         map[string]*table.Table // by name
	silver        [3]*table.Table         // in the order of silverTables
	users         *table.Table
	base, to      dailyState
	known         bool // false: everything is counted anew
	frozen        int32
	halfCommitted []string
}

// PlanDaily finds the dates whose counts may have changed since the daily aggregates were refreshed (docs/ARCHITECTURE.md, Daily
// aggregates). round is unique per attempt. progress tells rows read so far, from several goroutines.
func (l *Lake) PlanDaily(ctx context.Context, round string, progress func(read int64)) (plan DailyPlan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("plan a refresh of the daily aggregates: %w", err)
		}
	}()
	source, err := l.dailySource(ctx)
	if err != nil {
		return DailyPlan{}, err
	}
	staged := stagedDaily{Round: round, State: source.to, Heads: map[string]int64{}, Erased: map[string]string{}}
	for name, loaded := range source.daily {
		staged.Heads[name], staged.Erased[name] = headOf(loaded), loaded.Properties()[propertyErased]
	}
	events, err := l.touchedDates(ctx, source, progress)
	if err != nil {
		return DailyPlan{}, err
	}
	moves, err := l.movedDates(ctx, source)
	if err != nil {
		return DailyPlan{}, err
	}
	dates := maps.Clone(events)
	maps.Copy(dates, moves)
	for _, date := range slices.Sorted(maps.Keys(dates)) {
		staged.Dates = append(staged.Dates, stagedDate{Date: date, Events: events[date], Moves: moves[date]})
	}
	plan = DailyPlan{Ref: l.dailyFolder(round) + "/plan.json", Dates: len(staged.Dates), HalfCommitted: source.halfCommitted}
	if len(staged.Dates) > 0 {
		plan.First, plan.Last = formatDate(staged.Dates[0].Date), formatDate(staged.Dates[len(staged.Dates)-1].Date)
	}
	if plan.Groups, err = source.groups(ctx, &staged); err != nil {
		return DailyPlan{}, err
	}
	return plan, l.objects.writeJSON(plan.Ref, staged)
}

func (l *Lake) dailySource(ctx context.Context) (s dailySource, err error) {
	s.daily = map[string]*table.Table{}
	for _, definition := range dailyTables {
		if s.daily[definition.name], err = l.load(ctx, definition); err != nil {
			return s, err
		}
	}
	last := s.daily[goldVersionDaily.name]
	if s.frozen, err = frozenBefore(last); err != nil {
		return s, err
	}
	s.base, s.known = dailyStateOf(last)
	if s.users, err = l.load(ctx, goldUsers); err != nil {
		return s, err
	}
	s.to.Users = headOf(s.users)
	// The ledger first: a run that it has is whole in what is read after it.
	known, err := l.openLedger(ctx)
	if err != nil {
		return s, err
	}
	var logs [3][]logEntry
	for i, definition := range silverTables {
		if s.silver[i], err = l.load(ctx, definition); err != nil {
			return s, err
		}
		var ok bool
		logs[i], ok = log(s.silver[i], s.base.of()[i])
		s.known = s.known && ok
	}
	if !s.known {
		s.base = dailyState{}
		for i := range logs {
			logs[i], _ = log(s.silver[i], 0)
		}
	}
	if err := known.learn(ctx, slices.Concat(logs[:]...)); err != nil {
		return s, err
	}
	s.halfCommitted = unsettledHours(slices.Concat(logs[:]...), known.settled)
	reached := s.base.of()
	for i, cut := range settledPrefix(known.settled, logs[:]...) {
		if cut > 0 {
			reached[i] = logs[i][cut-1].snapshot
		}
	}
	s.to.Events, s.to.Sightings, s.to.Bindings = reached[0], reached[1], reached[2]
	return s, nil
}

var eventTimeField = silverEvents.fieldID("event_timestamp_utc")

// groups divides the months of a plan into pieces of work of about the same size.
func (s *dailySource) groups(ctx context.Context, staged *stagedDaily) (groups [][]int32, err error) {
	if len(staged.Dates) == 0 {
		return nil, nil
	}
	sizes := map[int32]int64{}
	if s.to.Events != 0 {
		files, err := liveFiles(ctx, s.silver[0], table.WithSnapshotID(s.to.Events))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			low, _ := bounds(file, eventTimeField)
			sizes[monthOf(dateOf(low))] += file.FileSizeBytes()
		}
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
