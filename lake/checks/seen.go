package checks

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/versionlake/versionlake/lake"
)

// dailyRow is what is read of a row of gold.version_daily.
type dailyRow struct {
	Date         int32  `parquet:"date_utc,date"`
	Service      string `parquet:"service,dict"`
	Version      string `parquet:"version,optional,dict"`
	Device       string `parquet:"device,optional,dict"`
	ActiveUsers  int64  `parquet:"active_users"`
	VersionUsers int64  `parquet:"version_users"`
	ServiceUsers int64  `parquet:"service_users"`
	Issues       int64  `parquet:"issues"`
	Downgrades   int64  `parquet:"downgrades_in"`
}

// thing is a version of a service, or a device.
type thing struct {
	service, name string
	device        bool
}

// seen is how many users things had by date. A user of two versions counts twice for a device.
type seen struct {
	users map[thing]map[int32]int64
	// days are the numbers of versions, summed over devices; "" is unknown.
	days map[release]map[int32]numbers
}

// lastSeen keeps the last one of this process: the table moves once an hour, and is looked at every ten minutes.
var lastSeen struct {
	sync.Mutex
	location string
	seen     seen
}

// readSeen reads the daily aggregates, which know no user.
func (k *looker) readSeen(ctx context.Context) (seen, error) {
	loaded, err := k.lake.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return seen{}, err
	}
	lastSeen.Lock()
	defer lastSeen.Unlock()
	if lastSeen.location == loaded.MetadataLocation() {
		return lastSeen.seen, nil
	}
	s := seen{users: map[thing]map[int32]int64{}, days: map[release]map[int32]numbers{}}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return s, err
	}
	for _, file := range files {
		if err := lake.ScanRows(ctx, k.lake, file, func(rows []dailyRow) error {
			for _, row := range rows {
				s.add(thing{row.Service, row.Version, false}, row.Date, row.VersionUsers)
				s.add(thing{row.Service, row.Device, true}, row.Date, row.ActiveUsers)
				s.count(&row)
			}
			return nil
		}); err != nil {
			return s, err
		}
	}
	lastSeen.location, lastSeen.seen = loaded.MetadataLocation(), s
	return s, nil
}

func (s seen) add(t thing, date int32, users int64) {
	if t.name == "" {
		return
	}
	if s.users[t] == nil {
		t = thing{clone(t.service), clone(t.name), t.device}
		s.users[t] = map[int32]int64{}
	}
	s.users[t][date] += users
}

// clone lets go of the batch that a text was read in.
func clone(text string) string { return string([]byte(text)) }

// newDays are those on which what had never been seen by so many users counts as new.
const newDays = 2

// isYoung tells that the lake has no week of hours yet to compare with.
func (k *looker) isYoung() bool {
	return len(k.rows) == 0 || since(k.Now, k.rows[0].Hour.Start()) < window
}

// newThings finds what had enough users on one of the last days, and never before.
func (k *looker) newThings(ctx context.Context, d Definition, device bool) (Result, error) {
	if k.isYoung() {
		return d.silent(OK, "the lake is younger than a week: everything is new"), nil
	}
	s, err := k.readSeen(ctx)
	if err != nil {
		return Result{}, err
	}
	today := lake.DateOf(k.Now.UnixMicro())
	most := 0.0
	var names []string
	for t, dates := range s.users {
		if t.device != device {
			continue
		}
		now, before := int64(0), int64(0)
		for date, users := range dates {
			switch {
			case date > today: // a clock is wrong
			case date > today-newDays:
				now = max(now, users)
			default:
				before = max(before, users)
			}
		}
		if d.stateOf(float64(now)) != OK && d.stateOf(float64(before)) == OK {
			most = max(most, float64(now))
			names = append(names, Cut(fmt.Sprintf("%s %q", t.service, t.name), longestSubject))
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return d.Result(0, nil, "none"), nil
	}
	return d.Result(most, names, "first seen by so many users: %s", named(names)), nil
}

func (k *looker) versions(ctx context.Context, d Definition) (Result, error) {
	return k.newThings(ctx, d, false)
}

func (k *looker) devices(ctx context.Context, d Definition) (Result, error) {
	return k.newThings(ctx, d, true)
}
