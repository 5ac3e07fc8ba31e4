// Package repair mends a lake of which objects are gone or damaged, by what verify says of it.
package repair

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// Work is what a repair leaves to others: hours, gold and what follows gold are made anew as they are ever made.
type Work interface {
	// Hour brings an hour in again: from its source, or with fromBronze its silver alone. It reads what the lake has,
	// and writes anew what is not what it was. removeGone: what is in the source no more goes.
	Hour(ctx context.Context, hour telemetry.Hour, fromBronze, removeGone bool) error
	// Gold lets gold follow; all: it is made anew.
	Gold(ctx context.Context, all bool) error
	// Follow lets gold.events and the daily aggregates follow.
	Follow(ctx context.Context) error
}

// Options say what a repair may do, and whom it tells.
type Options struct {
	// AcceptLoss: rows that nothing can bring back go from the lake, so that the rest of their hours is sound.
	AcceptLoss bool
	Tell       func(format string, args ...any)
}

// Lost is what can't be brought back: files of bronze are gone, and so is what they were read from.
type Lost struct {
	Hour    string `json:"hour"`
	Events  int64  `json:"events"`
	Rejects int64  `json:"rejects"`
	Why     string `json:"why"`
}

// Mended is how a repair went.
type Mended struct {
	// Again: metadata was mended. What the tables hold has to be verified now, for the first time.
	Again bool   `json:"again,omitempty"`
	Lost  []Lost `json:"lost,omitempty"`
	// Left are differences that a repair can do nothing about, and what can.
	Left []string `json:"left,omitempty"`
}

// mending is one repair.
type mending struct {
	lake *lake.Lake
	work Work
	Options
	found  []verify.Difference
	result Mended

	hours       map[telemetry.Hour]bool // to be brought in again; true: from bronze
	all, follow bool                    // gold, and what follows it, is to be made anew
}

// Mend does what differences ask for. Metadata comes first, by itself; then files, hours, gold, and what follows gold.
func Mend(ctx context.Context, l *lake.Lake, found []verify.Difference, work Work, options Options) (Mended, error) {
	m := &mending{lake: l, work: work, Options: options, found: found, hours: map[telemetry.Hour]bool{}}
	for _, step := range []func(context.Context) error{m.metadata, m.versions, m.files, m.find, m.bringIn, m.gold} {
		if err := step(ctx); err != nil {
			return m.result, err
		}
		if m.result.Again {
			break
		}
	}
	return m.result, nil
}

// definitions are the tables that some of the differences are about, by their names.
func (m *mending) definitions(which func(verify.Difference) bool) (definitions []lake.TableDefinition, err error) {
	names := map[string]bool{}
	for _, d := range m.found {
		if which(d) {
			names[d.Table] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		definition, err := lake.DefinitionOf(name)
		if err != nil {
			return nil, err
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// find says which hours are to be brought in again, and what of gold is to be made anew.
func (m *mending) find(ctx context.Context) error {
	for _, d := range m.found {
		layer, _, _ := strings.Cut(d.Table, ".")
		switch {
		case d.Version != "" && d.Kind != "":
			// a version of gold that is gone by now
		case d.Rule == 6 || d.Table == lake.OpsErasures.Name:
			m.leave(d)
		case d.Hour != "" && (layer != "gold"):
			if err := m.findHours(ctx, d, layer == "silver" && d.Rule == 1); err != nil {
				return err
			}
		case d.Kind == verify.DeleteFiles && d.Table != lake.GoldUsers.Name:
			m.leave(d) // the engine that deleted rows has to compact the table
		case d.Table == lake.GoldUsers.Name && d.Rule == 3:
			m.leave(d) // a tag that was moved
		case d.Table == lake.GoldUsers.Name, d.Table == lake.GoldVersions.Name:
			m.all = true
		case layer == "gold":
			m.follow = true
		case d.Kind == "":
			m.leave(d)
		}
	}
	return nil
}

// leave notes what somebody has to see to.
func (m *mending) leave(d verify.Difference) {
	m.result.Left = append(m.result.Left, strings.TrimSpace(d.Table+" "+cmp.Or(d.Version, d.Hour)+": "+d.Text))
}

// findHours notes the hours of a difference: of an object that can't be read, those that it may hold and that the lake
// has.
func (m *mending) findHours(ctx context.Context, d verify.Difference, fromBronze bool) error {
	first, err := telemetry.ParseHour(d.Hour)
	if err != nil {
		return fmt.Errorf("repair what is said of %s: %w", d.Table, err)
	}
	last := first
	if d.LastHour != "" {
		if last, err = telemetry.ParseHour(d.LastHour); err != nil {
			return fmt.Errorf("repair what is said of %s: %w", d.Table, err)
		}
	}
	if first == last {
		m.again(first, fromBronze)
		return nil
	}
	known, err := ledger.Hours(ctx, m.lake, first, last+1)
	if err != nil {
		return err
	}
	for _, row := range known {
		if row.State != ledger.HourEmpty {
			m.again(row.Hour, fromBronze)
		}
	}
	if d.Table == lake.OpsHours.Name {
		var asked []telemetry.Hour
		for hour := first; hour <= last; hour++ {
			asked = append(asked, hour)
		}
		occupied, err := ledger.Occupied(ctx, m.lake, asked, lake.BronzeEvents, lake.BronzeRejects, lake.OpsFiles)
		if err != nil {
			return err
		}
		for hour := range occupied {
			m.again(hour, false)
		}
	}
	return nil
}

func (m *mending) again(hour telemetry.Hour, fromBronze bool) {
	before, known := m.hours[hour]
	m.hours[hour] = fromBronze && (before || !known)
}

// bringIn brings in hours again, one after the other.
func (m *mending) bringIn(ctx context.Context) error {
	for _, hour := range slices.Sorted(maps.Keys(m.hours)) {
		from := "its source"
		if m.hours[hour] {
			from = "bronze"
		}
		m.Tell("hour %s is brought in again, from %s", hour, from)
		if !m.hours[hour] {
			if err := m.restore(ctx, hour); err != nil {
				return err
			}
		}
		err := m.work.Hour(ctx, hour, m.hours[hour], false)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		lost := m.lost(hour)
		if lost.Events+lost.Rejects == 0 {
			m.result.Left = append(m.result.Left, fmt.Sprintf("hour %s: %s", hour, err))
			continue
		}
		lost.Why = err.Error()
		m.result.Lost = append(m.result.Lost, lost)
		if !m.AcceptLoss {
			continue
		}
		m.Tell("hour %s is brought in again without what is lost", hour)
		if err := m.work.Hour(ctx, hour, false, true); err != nil {
			return fmt.Errorf("bring in hour %s without what is lost: %w", hour, err)
		}
	}
	return nil
}

// lost counts the rows of bronze of an hour that can't be read.
func (m *mending) lost(hour telemetry.Hour) (lost Lost) {
	lost.Hour = hour.String()
	for _, d := range m.found {
		switch {
		case d.Kind != verify.DataFile || d.Hour != lost.Hour:
		case d.Table == lake.BronzeEvents.Name:
			lost.Events += d.Rows
		case d.Table == lake.BronzeRejects.Name:
			lost.Rejects += d.Rows
		}
	}
	return lost
}

// gold lets gold follow, and what follows gold.
func (m *mending) gold(ctx context.Context) error {
	if m.all {
		m.Tell("gold is made anew")
	}
	if m.all || len(m.hours) > 0 {
		if err := m.work.Gold(ctx, m.all); err != nil {
			return err
		}
	}
	if m.all || m.follow || len(m.hours) > 0 {
		return m.work.Follow(ctx)
	}
	return nil
}
