package ledger

import (
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// logOf reads a log that is written as run names, committed at 1, 2, 3; a capital is a run that the ledger has, "-"
// is a snapshot of nobody's (compaction). The letter of a run is its hour.
func logOf(text string) (log []LogEntry) {
	for i, run := range strings.Fields(text) {
		entry := LogEntry{Snapshot: int64(i + 1), committed: int64(i + 1)}
		for id := range strings.SplitSeq(strings.Trim(run, "-"), "+") {
			if id != "" {
				entry.Runs = append(entry.Runs, runNamed(id))
			}
		}
		log = append(log, entry)
	}
	return log
}

func runNamed(id string) lake.Run { return lake.Run{Hour: telemetry.Hour(id[0]), ID: id} }

// named are runs that tell themselves what became of them: a small letter is not over, a figure says when it ended.
type named struct{}

func (named) settled(run lake.Run, _ int64) bool { return run.ID == strings.ToUpper(run.ID) }

func (named) endOf(run lake.Run) int64 {
	end, _ := strconv.ParseInt(run.ID[1:], 10, 64)
	return end
}

func TestSettledPrefix(t *testing.T) {
	for _, c := range []struct {
		sightings, bindings string
		s, b                int
	}{
		{"", "", 0, 0},
		{"A B C", "A B C", 3, 3},
		{"A B C", "C", 3, 1}, // not every run moves both tables
		{"A", "B C D", 1, 3},
		{"a", "", 0, 0},        // half committed
		{"A b C", "A C", 1, 1}, // what comes after a half run waits
		{"A b C", "C A", 0, 0}, // C waits for b, A's bindings for C's, and A's sightings for them
		{"A B C d", "B A d C", 2, 2},
		{"A B", "B x A", 0, 0},
		{"A B C", "A x B", 1, 1},
		{"A B", "x B", 1, 0},
		{"A x", "y A", 0, 0},
		{"P Q R S", "S x P Q R", 0, 0},
		{"A B C D", "D C B A x", 4, 4}, // crossed, but all there
		{"x A B C D", "D C B A", 0, 0},
		{"- A - b", "- - A", 3, 3}, // compaction belongs to no run
		{"- - x", "- y", 2, 1},
		{"A+B C", "A B+C", 2, 2}, // hours that were read together
		{"A+b C", "C", 0, 0},
		{"A B+C D", "D x C", 1, 0},
		{"A+B C+D", "A x D", 1, 1},
		{"x A", "B A9", 0, 1}, // A9 has only the half that A left
		{"x C A", "B A2", 0, 2},
	} {
		cuts := settledPrefix(named{}, logOf(c.sightings), logOf(c.bindings))
		s, b := cuts[0], cuts[1]
		// Whatever the figures, no run may be in by half, and no unsettled one at all.
		in, out := runsIn(logOf(c.sightings)[:s]), runsIn(logOf(c.sightings)[s:])
		maps.Copy(in, runsIn(logOf(c.bindings)[:b]))
		maps.Copy(out, runsIn(logOf(c.bindings)[b:]))
		for run := range in {
			if out[run] || !(named{}).settled(run, 0) {
				t.Errorf("%q, %q: run %s is in by half", c.sightings, c.bindings, run.ID)
			}
		}
		if s != c.s || b != c.b {
			t.Errorf("%q, %q: %d and %d, not %d and %d", c.sightings, c.bindings, s, b, c.s, c.b)
		}
	}
}

// TestEndsOf: gold follows up to the runs that were asked for, and to no later one that did not have to come with them.
func TestEndsOf(t *testing.T) {
	for _, c := range []struct {
		sightings, bindings, runs string
		s, b                      int
	}{
		{"A B C", "A B C", "A", 1, 1},
		{"A B C", "A B C", "B", 2, 2},
		{"A B C", "A B C", "A C", 3, 3},
		{"A B C", "B C", "A", 1, 0},   // not every run moves both tables
		{"A B C", "B A C", "A", 2, 2}, // B is in by half, so it comes along whole
		{"B A", "A C B", "A", 2, 3},   // and C, which lies between
		{"- A - B", "- A", "A", 2, 2}, // what compaction did is followed with what comes next
		{"A+B C", "A B+C", "A", 2, 2}, // hours that were committed together come together
		{"A B", "A B", "X", 0, 0},     // nothing of it is there
		{"A B A", "A", "A", 3, 1},     // a run that committed twice
		{"A b A", "A b", "A", 0, 0},   // what is not over is never followed
		{"A B c A", "A B", "B", 0, 0}, // B waits for A, whose other half waits for c
		{"A B", "A B", "A9", 1, 1},    // A9 found what A had left, and had nothing to commit
		{"A B A9", "A B", "A9", 3, 2}, // or half of it
		{"B A", "A A2", "A1", 2, 1},   // but nothing of a run that came behind it
		{"A B A3", "A B A3", "A1", 1, 1},
	} {
		logs := [][]LogEntry{logOf(c.sightings), logOf(c.bindings)}
		var runs []lake.Run
		for _, id := range strings.Fields(c.runs) {
			runs = append(runs, runNamed(id))
		}
		ends := endsOf(runs, named{}, settledPrefix(named{}, logs...), logs...)
		if ends[0] != c.s || ends[1] != c.b {
			t.Errorf("%q, %q up to %s: %v, not %d and %d", c.sightings, c.bindings, c.runs, ends, c.s, c.b)
		}
	}
}
