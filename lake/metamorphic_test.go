package lake

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// smallWorld makes up the files of a few hours: few users, sessions and devices, so that everything meets everything.
func smallWorld(r *rand.Rand) map[string][]string {
	files := map[string][]string{}
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	for hour := range 5 {
		for file := range r.IntN(3) {
			name := fmt.Sprintf("27T%02d/%c.tsv", 4+hour, 'a'+file)
			for range 1 + r.IntN(6) {
				// Late by up to three hours, early by one, now and then a day off: across the window's edge.
				day, clock := 27, (4+hour)*60+r.IntN(60)-r.IntN(4)*60+r.IntN(2)*60
				if r.IntN(8) == 0 {
					day--
				}
				at := fmt.Sprintf("%dT%02d:%02d", day, clock/60, clock%60)
				session := pick("s1", "s2", "s3", "s4")
				attributes := []string{}
				if r.IntN(4) == 0 {
					attributes = append(attributes, "UserId", pick("p1", "p2", "session:s1"))
				}
				if r.IntN(3) == 0 {
					attributes = append(attributes, "Device", pick("D1", "D2"))
				}
				line := ""
				switch r.IntN(6) {
				case 0:
					line = login(at, session, pick("p1", "p2", "p3"))
				case 1:
					line = deviceInfo(at, session, pick("D1", "D2"))
				case 2:
					line = event(at, session, "Other", attributes...)
				default:
					line = sighting(at, session, pick("1.0", "1.1", "1.10"), attributes...)
				}
				for range 1 + r.IntN(8)/7 {
					files[name] = append(files[name], line)
				}
			}
		}
	}
	return files
}

// hourTables are those that a run of an hour commits, in its order.
var hourTables = []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings}

// TestAnyPlanGivesTheSameGold takes random worlds through random plans: hours in any order, runs repeated and given up, files
// taken away, changed and put back, rounds of gold whenever. VERSIONLAKE_SEED repeats a run.
func TestAnyPlanGivesTheSameGold(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("VERSIONLAKE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	worlds := 5
	if testing.Short() {
		worlds = 2
	}
	for n := range worlds {
		seed := seed + uint64(n)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					t.Logf("repeat with VERSIONLAKE_SEED=%d", seed)
				}
			}()
			anyPlan(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func anyPlan(t *testing.T, r *rand.Rand) {
	world := smallWorld(r)
	hours := []telemetry.Hour{}
	for h := range 5 {
		hours = append(hours, hourAt(t, fmt.Sprintf("2022-05-27T%02d", 4+h)))
	}

	plain := newWorld(t)
	for name, lines := range world {
		plain.put(name, lines...)
	}
	for _, hour := range hours {
		plain.silver(hour)
	}
	plain.gold()

	in := newWorld(t)
	in.chunkSize = []int64{64, 300, 1 << 20}[r.IntN(3)]
	for name, lines := range world {
		in.put(name, lines...)
	}
	var waiting []Run
	tagged := false
	commit := func() {
		if in.gold(waiting...); waiting != nil {
			tagged = true
		}
		waiting = nil
		if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) > 0 {
			if got, want := users(t, in.lake, ""), naive(t, in.lake); got != want {
				t.Fatalf("gold is\n%s\nand silver says\n%s", got, want)
			}
		}
	}
	ingest := func(hour telemetry.Hour) {
		run, _ := in.silver(hour)
		waiting = append(waiting, run)
	}
	todo := append(slices.Clone(hours), hours[r.IntN(5)], hours[r.IntN(5)], hours[r.IntN(5)])
	r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	for _, hour := range todo {
		spoilt := ""
		for _, name := range slices.Sorted(maps.Keys(world)) {
			if r.IntN(3) == 0 && strings.HasPrefix(name, hour.String()[len("2022-05-"):]) {
				spoilt = name
				if r.IntN(2) == 0 {
					in.put(name)
				} else {
					in.put(name, smallWorldLines(r, world[name])...)
				}
				break
			}
		}
		if r.IntN(4) == 0 {
			// A run that dies half-way and is given up: the next run of the hour finds what it left.
			dead := in.stage(hour)
			result, err := in.lake.gather(dead.plan, dead.chunks, dead.silver)
			in.must(err)
			for _, definition := range hourTables[:1+r.IntN(len(hourTables))] {
				_, err := in.lake.replaceHour(t.Context(), definition, dead.run, result.files[definition.name])
				in.must(err)
			}
		}
		ingest(hour)
		if r.IntN(2) == 0 {
			commit()
		}
		if spoilt != "" {
			in.put(spoilt, world[spoilt]...)
			ingest(hour)
			if r.IntN(2) == 0 {
				commit()
			}
		}
	}
	commit()
	if ids, _ := snapshots(t, plain.lake, goldUsers); len(ids) == 0 {
		t.Skip("a world without a sighting")
	}
	if got, want := users(t, in.lake, ""), users(t, plain.lake, ""); got != want {
		t.Errorf("gold is\n%s\nand in the plain order\n%s", got, want)
	}
	if got, want := dumpHours(t, in.lake), dumpHours(t, plain.lake); got != want {
		t.Errorf("bronze and silver are\n%s\nand in the plain order\n%s", got, want)
	}
	checkGold(t, in)
	if tagged {
		checkVersions(t, in.lake)
	}
}

// smallWorldLines spoils a file: a line goes, and another session's comes.
func smallWorldLines(r *rand.Rand, lines []string) []string {
	spoilt := slices.Delete(slices.Clone(lines), 0, r.IntN(2))
	return append(spoilt, sighting("27T05:55", "s1", "6.6"), login("27T03:00", "s2", "px"))
}

// checkVersions looks at every version of gold that a reader can name: one row a user, in order, each row consistent.
func checkVersions(t *testing.T, l *Lake) {
	t.Helper()
	versions, err := l.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		for _, name := range append(version.Tags, strconv.FormatInt(version.SnapshotID, 10)) {
			if at, err := l.Version(t.Context(), name); err != nil || at.SnapshotID != version.SnapshotID {
				t.Errorf("version %s is %+v, %v", name, at, err)
			}
		}
		last := ""
		for user, err := range l.Users(t.Context(), version) {
			if err != nil {
				t.Fatal(err)
			}
			if user.ID <= last {
				t.Errorf("version %+v: %q comes after %q", version, user.ID, last)
			}
			last = user.ID
			checkIntervals(t, user)
			if one, found, err := l.User(t.Context(), version, user.ID); err != nil || !found || marshal(t, one) != marshal(t, user) {
				t.Errorf("version %+v: user %q alone is %+v, %v, %v", version, user.ID, one, found, err)
			}
		}
	}
}

// checkIntervals: those of an installation do not overlap, are in order, and last at least a tick; the last is open.
func checkIntervals(t *testing.T, user history.User) {
	t.Helper()
	if len(user.History) == 0 {
		t.Errorf("user %q has no history", user.ID)
	}
	before := map[[2]string]history.Interval{}
	for _, i := range user.History {
		at := [2]string{i.Service, i.Device}
		// The last sighting may share the microsecond at which the next version begins: of two at one moment, the last counts.
		if b, ok := before[at]; ok && (b.Open || b.ValidTo != i.ValidFrom || b.Version == i.Version || b.LastSeenAt > i.ValidFrom) {
			t.Errorf("user %q: %+v is followed by %+v", user.ID, b, i)
		}
		if !i.Open && i.ValidTo <= i.ValidFrom || i.Sightings < 1 || i.LastSeenAt < i.ValidFrom {
			t.Errorf("user %q: interval %+v", user.ID, i)
		}
		before[at] = i
	}
	for _, i := range before {
		if !i.Open {
			t.Errorf("user %q: the last interval is closed: %+v", user.ID, i)
		}
	}
}
