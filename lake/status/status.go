package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Status are the figures of a lake.
type Status struct {
	Hours     int64          `json:"hours"` // in the ledger
	FirstHour telemetry.Hour `json:"first_hour"`
	LastHour  telemetry.Hour `json:"last_hour"`
	Empty     int64          `json:"empty_hours"`
	Degraded  int64          `json:"degraded_hours"`
	Lines     int64          `json:"lines"`
	Rejects   int64          `json:"rejects"`
	Users     int64          `json:"users"`
	Behind    bool           `json:"gold_behind"` // silver has moved on since gold's last commit
	// Older says of which earlier version the lake is, and what to do; "" where it is of this one. Its gold is Behind,
	// too, since it is made anew then.
	Older string `json:"older,omitempty"`
	// DailyBehind: silver or gold has moved on since the daily aggregates were refreshed.
	DailyBehind bool `json:"daily_behind"`
	// DailyOff: they are not kept up to date on purpose (--without).
	DailyOff bool `json:"daily_off,omitempty"`
	// EventsBehind: silver has moved on since gold.events followed, which lacks EventsWaiting, hours that came or
	// changed since. EventsOff: it does not follow on purpose (--without).
	EventsBehind  bool             `json:"events_behind"`
	EventsOff     bool             `json:"events_off,omitempty"`
	EventsWaiting []telemetry.Hour `json:"events_waiting,omitempty"`
	// HalfCommitted are hours whose run is between its silver commits, or was given up there: gold stops before them.
	HalfCommitted []string `json:"half_committed"`
	// BadFiles, PassedOver: of all hours. LeftOut names those of the newest days and hours, and files that were
	// read in part.
	BadFiles   int64            `json:"bad_files"`
	PassedOver int64            `json:"passed_over"`
	LeftOut    []ledger.File    `json:"left_out"`
	Latest     gold.Version     `json:"latest"`
	Findings   []ledger.Finding `json:"findings"` // of reconcile, newest first
	Tables     []TableStatus    `json:"tables"`
	Gone       GoneStatus       `json:"gone"`
	// NoHours is what a schedule found last: that the source has not one folder of an hour.
	NoHours string `json:"no_hours,omitempty"`
	// Newest, GoldNewest: the newest hour with files, of the ledger and of those that gold shows; nil: there is none.
	Newest     *telemetry.Hour `json:"newest_hour,omitempty"`
	GoldNewest *telemetry.Hour `json:"gold_newest_hour,omitempty"`
	// Waiting are hours in silver that gold does not show yet.
	Waiting []telemetry.Hour `json:"gold_waiting,omitempty"`
	// HotUsers are those whose history was cut (--max-intervals), the first HotNamed of HotUsersCount.
	HotUsers      []CutUser `json:"hot_users,omitempty"`
	HotUsersCount int64     `json:"hot_users_count,omitempty"`
	// HotSessions have very many sightings and bindings in the newest days: the first HotNamed.
	HotSessions []HotSession `json:"hot_sessions,omitempty"`
	// Erasures: users who were forgotten, by the state of that.
	Erasures map[string]int64 `json:"erasures,omitempty"`
	// Lately are the newest hours of the ledger, RecentHours of them.
	Lately Recent `json:"-"`
	// Outcomes are Lines, by what became of them.
	Outcomes Outcomes `json:"-"`
}

// HotNamed is how many hot ids are named.
const HotNamed = 10

// RecentHours is how many hours count as recent.
const RecentHours = 24

// Recent sums up recent hours.
type Recent struct{ Degraded, Lines, Rejects int64 }

// Outcomes are lines by what became of them.
type Outcomes struct{ Events, Rejects, Blanks, Erased int64 }

// GoneStatus is what left the source, and stays in the lake.
type GoneStatus struct {
	Hours int64         `json:"hours"`
	Files int64         `json:"files"`
	Rows  int64         `json:"rows"`            // in bronze
	Named []ledger.File `json:"named,omitempty"` // the first of the files
}

// goneNamed is how many of them a Status names.
const goneNamed = 10

// TableStatus is the size of one table.
type TableStatus struct {
	Name      string `json:"name"`
	Rows      int64  `json:"rows"`
	Files     int64  `json:"files"`
	Bytes     int64  `json:"bytes"`
	Snapshots int    `json:"snapshots"`
}

// Read reads the lake's figures from table metadata and the ledger.
func Read(ctx context.Context, l *lake.Lake) (status Status, err error) {
	rows, err := ledger.Hours(ctx, l, telemetry.Hour(-1<<20), telemetry.Hour(1<<26))
	if err != nil {
		return Status{}, err
	}
	status.addHours(rows)
	if status.LeftOut, err = ledger.LeftOutLately(ctx, l, rows); err != nil {
		return Status{}, err
	}
	if err := status.addStanding(ctx, l, rows); err != nil {
		return Status{}, err
	}
	if status.Findings, err = ledger.Findings(ctx, l); err != nil {
		return Status{}, err
	}
	if len(status.Findings) > 0 && status.Findings[0].FoundAt.After(lastRun(rows)) {
		status.NoHours = status.Findings[0].Note
	}
	if err := nameGone(ctx, l, rows, &status.Gone); err != nil {
		return Status{}, err
	}
	var halfCommitted []string
	if err := l.RefuseOlder(ctx); errors.Is(err, lake.ErrOlder) {
		status.Older = lake.ErrOlder.Error()
	} else if err != nil {
		return Status{}, err
	}
	if status.Behind, halfCommitted, err = gold.Behind(ctx, l); err != nil {
		return Status{}, err
	}
	if status.Latest.SnapshotID != 0 {
		cut, err := cutUsers(ctx, l, status.Latest.SnapshotID)
		if err != nil {
			return Status{}, err
		}
		status.HotUsers, status.HotUsersCount = cut[:min(len(cut), HotNamed)], int64(len(cut))
	}
	if status.Newest != nil {
		if status.HotSessions, err = hotSessions(ctx, l, *status.Newest); err != nil {
			return Status{}, err
		}
	}
	status.HalfCommitted = append([]string{}, halfCommitted...)
	lag, err := ledger.LagOfEvents(ctx, l)
	if err != nil {
		return Status{}, err
	}
	status.EventsBehind, status.EventsOff, status.EventsWaiting = lag.Behind, lag.Off, lag.Hours
	if status.DailyBehind, err = daily.Behind(ctx, l); err != nil {
		return Status{}, err
	}
	aggregates, err := l.Load(ctx, lake.GoldVersionDaily)
	status.DailyOff = err == nil && ledger.IsOff(aggregates)
	return status, err
}

// addHours sums up the ledger's rows, which are in order.
func (s *Status) addHours(rows []ledger.Hour) {
	s.Hours = int64(len(rows))
	if len(rows) > 0 {
		s.FirstHour, s.LastHour = rows[0].Hour, rows[len(rows)-1].Hour
	}
	for _, row := range rows {
		if row.GoneFiles > 0 {
			s.Gone.Hours, s.Gone.Files = s.Gone.Hours+1, s.Gone.Files+row.GoneFiles
		}
		s.Lines += row.Lines
		s.Rejects += row.Rejects
		s.Outcomes.Events += row.Events
		s.Outcomes.Rejects += row.Rejects
		s.Outcomes.Blanks += row.Blanks
		s.Outcomes.Erased += row.Erased
		s.BadFiles += row.BadFiles
		s.PassedOver += row.PassedOver
		switch row.State {
		case ledger.HourEmpty:
			s.Empty++
		case ledger.HourDegraded:
			s.Degraded++
		}
	}
}

// addLately sums up the newest hours.
func (s *Status) addLately(rows []ledger.Hour) {
	for _, row := range rows[max(0, len(rows)-RecentHours):] {
		s.Lately.Lines, s.Lately.Rejects = s.Lately.Lines+row.Lines, s.Lately.Rejects+row.Rejects
		if row.State == ledger.HourDegraded {
			s.Lately.Degraded++
		}
	}
}

// lastRun is when the last run of an hour ended.
func lastRun(rows []ledger.Hour) (latest time.Time) {
	for _, row := range rows {
		if row.FinishedAt.After(latest) {
			latest = row.FinishedAt
		}
	}
	return latest
}

// addTables measures the tables, and takes from gold.users how many users there are.
func (s *Status) addTables(ctx context.Context, l *lake.Lake) error {
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(ctx, definition)
		if errors.Is(err, lake.ErrNoLake) {
			continue // a lake that is older than the table, and was not opened for writing since
		}
		if err != nil {
			return err
		}
		size := TableStatus{Name: definition.Name, Snapshots: len(loaded.Metadata().Snapshots())}
		snapshot := loaded.CurrentSnapshot()
		if snapshot != nil && snapshot.Summary != nil {
			for key, value := range map[string]*int64{"total-records": &size.Rows, "total-data-files": &size.Files,
				"total-files-size": &size.Bytes} {
				*value, _ = strconv.ParseInt(snapshot.Summary.Properties[key], 10, 64)
			}
		}
		s.Tables = append(s.Tables, size)
		if definition.Name == lake.GoldUsers.Name && snapshot != nil {
			s.Users, s.Latest = size.Rows, gold.VersionOf(loaded, *snapshot)
		}
	}
	slices.SortFunc(s.Tables, func(a, b TableStatus) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// nameGone names the first files that left the source, and counts the rows of all.
func nameGone(ctx context.Context, l *lake.Lake, rows []ledger.Hour, gone *GoneStatus) error {
	for _, row := range rows {
		if row.GoneFiles == 0 {
			continue
		}
		if row.GoneFiles == row.Files {
			gone.Rows += row.Events + row.Rejects
			if len(gone.Named) == goneNamed {
				continue
			}
		}
		files, err := ledger.Files(ctx, l, row.Hour)
		if err != nil {
			return err
		}
		slices.SortFunc(files, func(a, b ledger.File) int { return strings.Compare(a.Key, b.Key) })
		for _, file := range files {
			if file.State != ledger.FileGone {
				continue
			}
			if row.GoneFiles < row.Files {
				gone.Rows += file.Events + file.Rejects
			}
			if len(gone.Named) < goneNamed {
				gone.Named = append(gone.Named, file)
			}
		}
	}
	return nil
}
