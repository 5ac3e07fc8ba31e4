package plantest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/versionlake/versionlake/lake/laketest"
)

// smallWorld makes up the files of a few hours: few users, sessions and devices, so that everything meets
// everything. One of the users is to be forgotten, and is in three of the sessions.
//
//nolint:cyclop // every line is drawn from one sequence of random numbers
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
				session := pick("s1", "s2", "s3", "s4", laketest.GoneSession)
				named := func(others ...string) string {
					if session != "s1" && session != "s2" && r.IntN(2) == 0 {
						return pick(laketest.Gone, `\u0070layer-7f3a91c0`)
					}
					return pick(others...)
				}
				attributes := []string{}
				if r.IntN(4) == 0 {
					attributes = append(attributes, "UserId", named("p1", "p2", "session:s1"))
				}
				if r.IntN(3) == 0 {
					attributes = append(attributes, "Device", pick("D1", "D2"))
				}
				line := ""
				switch r.IntN(14) {
				case 11:
					line = laketest.LoginOfNobody(at, session)
				case 12:
					if line = laketest.Logout(at, session); r.IntN(2) == 0 {
						line = laketest.Logout(at, session, "UserId", named("p1", "p2", "p3"))
					}
				case 13: // without a session
					if line = laketest.Sighting(at, pick("null", "N/A"), pick("1.0", "1.1"),
						attributes...); r.IntN(2) == 0 {
						line = laketest.Event(at, "none", pick("Login", "Notification", "DeviceInfo", "Logout"),
							"UserId", pick("p1", laketest.Gone), "Device", "D1")
					}
				case 0:
					line = laketest.Login(at, session, named("p1", "p2", "p3"))
				case 1:
					line = laketest.DeviceInfo(at, session, pick("D1", "D2"))
				case 2:
					line = laketest.Event(at, session, "Other", attributes...)
				case 3:
					line = laketest.Event(at, session, "Notification",
						append(attributes, "Target", "1.10",
							"Status", pick("Sent", "Shown", "Accepted", "Failed", "Odd"))...)
				case 4:
					line = laketest.Event(at, session, "SessionEnd",
						append(attributes, "Duration", pick("0.5", "60", "-1", "x", "1e9"))...)
				case 5:
					line = laketest.Event(at, session, pick("Issue", "Crash", "FeatureUsed", "Install"),
						append(attributes, "Feature", pick("f", "g"), "Code", "c", "Message",
							"of "+pick(laketest.Gone, laketest.GoneSession, "p1"))...)
				case 6:
					line = "broken, of " + pick(laketest.Gone, laketest.GoneSession, "s1")
				default:
					line = laketest.Sighting(at, session, pick("1.0", "1.1", "1.10"), attributes...)
				}
				for range 1 + r.IntN(8)/7 {
					files[name] = append(files[name], line)
				}
			}
		}
	}
	return files
}

// smallWorldLines spoils a file: a line goes, and another session's comes.
func smallWorldLines(r *rand.Rand, lines []string) []string {
	spoilt := slices.Delete(slices.Clone(lines), 0, r.IntN(2))
	return append(spoilt, laketest.Sighting("27T05:55", "s1", "6.6"), laketest.Login("27T03:00", "s2", "px"))
}

func anySteps(r *rand.Rand, world map[string][]string, forget bool) (steps []PlanStep) {
	names := slices.Sorted(maps.Keys(world))
	order := r.Perm(5)
	kinds := []string{"ingest", "ingest", "spoil", "spoil", "mend", "die", "gold", "gold", "daily", "compact",
		"overtake", "reopen", "maintain", "together",
		"together", "silver", "users", "spoil", "remove-gone", "cut"}
	if forget {
		kinds = append(kinds, "forget", "forget")
	}
	for i := range 16 {
		step := PlanStep{Hour: r.IntN(5), N: r.Uint64(),
			How: []string{"", "", "", "killed", "faults"}[r.IntN(5)]}
		if i%3 == 0 && i/3 < len(order) {
			step.Hour, step.How = order[i/3], ""
			step.Do = "ingest"
		} else if step.Do = kinds[r.IntN(len(kinds))]; len(names) > 0 {
			step.File = names[r.IntN(len(names))]
		}
		steps = append(steps, step)
	}
	return steps
}
