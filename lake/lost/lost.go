// Package lost tells what would be lost if the rows of files went that left the source or are bad (--remove-gone).
package lost

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// Sum is what would be lost.
type Sum struct {
	Hours   int64         `json:"hours"`
	Files   int64         `json:"files"`
	Events  int64         `json:"events"`
	Rejects int64         `json:"rejects"`
	Users   int64         `json:"users"` // with a sighting in these files
	Named   []ledger.File `json:"files_named"`
}

// Files are those of an hour's files whose rows stay only because nobody asked for them to go: they are not
// listed (any more), or are listed as bad.
func Files(known []ledger.File, listed source.Listing) (lost []ledger.File) {
	good := map[string]source.File{}
	for _, file := range listed.Files {
		good[file.Key] = file
	}
	for _, row := range known {
		file, ok := good[row.Key]
		if row.Present() && row.Lines > 0 && (!ok || row.State == ledger.FileBad && row.ETag == file.ETag) {
			lost = append(lost, row)
		}
	}
	return lost
}

// Count counts what would go with some files.
func Count(ctx context.Context, l *lake.Lake, lost []ledger.File) (r Sum, err error) {
	r.Named = append([]ledger.File{}, lost...)
	byHour := map[telemetry.Hour]map[string]bool{}
	for _, file := range lost {
		if byHour[file.Hour] == nil {
			byHour[file.Hour] = map[string]bool{}
		}
		byHour[file.Hour][file.Key] = true
		r.Files, r.Events, r.Rejects = r.Files+1, r.Events+file.Events, r.Rejects+file.Rejects
	}
	r.Hours = int64(len(byHour))
	r.Users, err = usersOf(ctx, l, byHour)
	if err != nil {
		err = fmt.Errorf("count the users of %d files: %w", len(lost), err)
	}
	return r, err
}

// usersOf counts the users who have a sighting in some files of hours.
func usersOf(ctx context.Context, l *lake.Lake, files map[telemetry.Hour]map[string]bool) (int64, error) {
	users := map[string]bool{}
	nobodys := map[string][]int64{} // moments, by session
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	loaded, err := l.Load(ctx, lake.SilverSightings)
	if err != nil {
		return 0, err
	}
	for hour, names := range files {
		live, err := l.HourFiles(ctx, loaded, hour)
		if err != nil {
			return 0, err
		}
		if err := lake.EachRow(ctx, l, live, func(row *lake.SightingRow) error {
			switch {
			case !names[row.FileName]:
			case row.UserID != "":
				id, _ := history.UserID(row.UserID, row.SessionID)
				users[strings.Clone(id)] = true
			default:
				session := strings.Clone(row.SessionID)
				nobodys[session] = append(nobodys[session], row.Time)
				low, high = min(low, row.Time), max(high, row.Time)
			}
			return nil
		}); err != nil {
			return 0, err
		}
	}
	bindings, err := bindingsOf(ctx, l, nobodys, sessions.Span{Low: low, High: high}.Widened(ledger.WindowMicros))
	if err != nil {
		return 0, err
	}
	for session, moments := range nobodys {
		for _, at := range moments {
			named, _ := bindings[session].Resolve(at, history.DefaultWindow)
			id, _ := history.UserID(named, session)
			users[id] = true
		}
	}
	return int64(len(users)), nil
}

// bindingsOf are the users that some sessions named within a time.
func bindingsOf(ctx context.Context, l *lake.Lake, sessions map[string][]int64,
	near sessions.Span) (map[string]history.Bindings, error) {
	bindings := map[string]history.Bindings{}
	if len(sessions) == 0 {
		return bindings, nil
	}
	loaded, err := l.Load(ctx, lake.SilverBindings)
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	if err := lake.EachRow(ctx, l, near.Within(live, lake.BindingTimeField), func(row *lake.BindingRow) error {
		if _, asked := sessions[row.SessionID]; asked && row.Kind == lake.BindingUser {
			session := strings.Clone(row.SessionID)
			bindings[session] = append(bindings[session], history.Binding{
				Value: strings.Clone(row.Value), Ends: row.Value == "", Time: row.Time, Transaction: row.Transaction,
				File: strings.Clone(row.FileName), Line: row.LineNumber,
			})
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, of := range bindings {
		slices.SortFunc(of, func(a, b history.Binding) int { return a.Compare(&b) })
	}
	return bindings, nil
}
