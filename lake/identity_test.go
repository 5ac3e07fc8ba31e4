package lake

import (
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

// story is told hour by hour. After each step gold is what a person expects, and what both naive recomputations say.
type story struct {
	name  string
	steps []storyStep
}

type storyStep struct {
	name  string
	files map[string][]string // nil removes
	want  []string
}

func TestIdentity(t *testing.T) {
	tellStories(t, telemetry.Options{}, []story{
		{"login in the same hour", []storyStep{{"", map[string][]string{
			"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), login("27T05:20", "s1", "p1"), sighting("27T05:30", "s2", "2.0")},
		}, []string{"p1 App 1.0 27T05:10.. ×1", "session:s2 App 2.0 27T05:30.. ×1"}}}},

		{"login in a later hour", []storyStep{
			{"anonymous", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0")}}, []string{"session:s1 App 1.0 27T05:10.. ×1"}},
			{"a known user", map[string][]string{"27T06/a.tsv": {sighting("27T06:10", "s2", "1.1", "UserId", "p1")}},
				[]string{"p1 App 1.1 27T06:10.. ×1", "session:s1 App 1.0 27T05:10.. ×1"}},
			{"the login", map[string][]string{"27T07/a.tsv": {login("27T07:20", "s1", "p1")}},
				[]string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.1 27T06:10.. ×1"}},
			{"the login corrected", map[string][]string{"27T07/a.tsv": {login("27T07:20", "s1", "p2")}},
				[]string{"p1 App 1.1 27T06:10.. ×1", "p2 App 1.0 27T05:10.. ×1"}},
			{"the login taken back", map[string][]string{"27T07/a.tsv": nil},
				[]string{"p1 App 1.1 27T06:10.. ×1", "session:s1 App 1.0 27T05:10.. ×1"}},
		}},

		{"two users in a session", []storyStep{
			{"the first", map[string][]string{"27T05/a.tsv": {sighting("27T05:00", "s1", "1.0"), login("27T05:10", "s1", "p1"), sighting("27T05:20", "s1", "1.1")}},
				[]string{"p1 App 1.0 27T05:00..27T05:20 ×1", "p1 App 1.1 27T05:20.. ×1"}},
			{"the second", map[string][]string{"27T06/a.tsv": {sighting("27T06:00", "s1", "1.2"), login("27T06:10", "s1", "p2"), sighting("27T06:20", "s1", "1.3")}},
				[]string{"p1 App 1.0 27T05:00..27T05:20 ×1", "p1 App 1.1 27T05:20..27T06:00 ×1", "p1 App 1.2 27T06:00.. ×1", "p2 App 1.3 27T06:20.. ×1"}},
			{"a third, late, between them", map[string][]string{"27T07/a.tsv": {login("27T05:15", "s1", "p3")}},
				[]string{"p1 App 1.0 27T05:00.. ×1", "p2 App 1.3 27T06:20.. ×1", "p3 App 1.1 27T05:20..27T06:00 ×1", "p3 App 1.2 27T06:00.. ×1"}},
		}},

		{"device of the session", []storyStep{
			{"none", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0", "UserId", "p1"), sighting("27T05:12", "s1", "1.0", "UserId", "p1", "Device", "Own")}},
				[]string{"p1 App 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1"}},
			{"told later", map[string][]string{"27T06/a.tsv": {deviceInfo("27T06:10", "s1", "Late"), sighting("27T06:20", "s1", "1.1", "UserId", "p1")}},
				[]string{"p1 App/Late 1.0 27T05:10..27T06:20 ×1", "p1 App/Own 1.0 27T05:12.. ×1", "p1 App/Late 1.1 27T06:20.. ×1"}},
			{"told earlier, in an older hour", map[string][]string{"27T04/a.tsv": {deviceInfo("27T04:10", "s1", "Early")}},
				[]string{"p1 App/Early 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1", "p1 App/Late 1.1 27T06:20.. ×1"}},
			{"another event's Device binds nobody", map[string][]string{"27T07/a.tsv": {event("27T05:09", "s1", "FeatureUsed", "Device", "No")}},
				[]string{"p1 App/Early 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1", "p1 App/Late 1.1 27T06:20.. ×1"}},
		}},

		{"the window's edges", []storyStep{
			{"a login", map[string][]string{"27T12/a.tsv": {login("27T12:00", "s1", "p1")}}, []string{}},
			{"a day before and after, and a minute more", map[string][]string{
				"26T11/a.tsv": {sighting("26T11:59", "s1", "0.9")}, "26T12/a.tsv": {sighting("26T12:00", "s1", "1.0")},
				"28T12/a.tsv": {sighting("28T12:00", "s1", "1.1"), sighting("28T12:01", "s1", "1.2")},
			}, []string{"p1 App 1.0 26T12:00..28T12:00 ×1", "p1 App 1.1 28T12:00.. ×1", "session:s1 App 0.9 26T11:59..28T12:01 ×1", "session:s1 App 1.2 28T12:01.. ×1"}},
			{"a login long before wins over one soon after", map[string][]string{"28T13/a.tsv": {login("28T12:02", "s1", "p2")}},
				[]string{"p1 App 1.0 26T12:00..28T12:00 ×1", "p1 App 1.1 28T12:00.. ×1", "p2 App 1.2 28T12:01.. ×1", "session:s1 App 0.9 26T11:59.. ×1"}},
		}},

		{"the body's own user wins", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {login("27T05:00", "s1", "p1"), sighting("27T05:10", "s1", "1.0", "UserId", "p2"), sighting("27T05:05", "s1", "1.1"), sighting("27T05:15", "s1", "1.2")}},
				[]string{"p1 App 1.1 27T05:05.. ×1", "p2 App 1.0 27T05:10..27T05:15 ×1", "p2 App 1.2 27T05:15.. ×1"}},
			{"and no later login moves it", map[string][]string{"27T06/a.tsv": {login("27T05:12", "s1", "p3")}},
				[]string{"p1 App 1.1 27T05:05.. ×1", "p2 App 1.0 27T05:10.. ×1", "p3 App 1.2 27T05:15.. ×1"}},
		}},

		{"late and removed files", []storyStep{
			{"first and last", map[string][]string{
				"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0", "UserId", "p1")}, "27T07/a.tsv": {sighting("27T07:10", "s1", "1.2", "UserId", "p1")},
			}, []string{"p1 App 1.0 27T05:10..27T07:10 ×1", "p1 App 1.2 27T07:10.. ×1"}},
			{"one between", map[string][]string{"27T06/a.tsv": {sighting("27T06:10", "s1", "1.3", "UserId", "p1")}},
				[]string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.3 27T06:10..27T07:10 ×1", "p1 App 1.2 27T07:10..! ×1"}},
			{"the same moment, another file", map[string][]string{"27T08/a.tsv": {sighting("27T07:10", "s1", "1.4", "UserId", "p1")}},
				[]string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.3 27T06:10..27T07:10 ×1", "p1 App 1.4 27T07:10.. ×1"}},
			{"all but one go", map[string][]string{"27T05/a.tsv": nil, "27T07/a.tsv": nil, "27T08/a.tsv": nil}, []string{"p1 App 1.3 27T06:10.. ×1"}},
			{"the user goes", map[string][]string{"27T06/a.tsv": {login("27T06:10", "s1", "p1")}}, []string{}},
			{"and comes back", map[string][]string{"27T06/a.tsv": {sighting("27T06:10", "s1", "1.3", "UserId", "p1")}}, []string{"p1 App 1.3 27T06:10.. ×1"}},
		}},

		{"names that look like sessions", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), sighting("27T05:11", "s2", "1.1", "UserId", "session:s1"), sighting("27T05:12", "s3", "1.2")}},
				[]string{"session:s1 App 1.0 27T05:10.. ×1", "session:s3 App 1.2 27T05:12.. ×1", "user:session:s1 App 1.1 27T05:11.. ×1"}},
			{"by login, late", map[string][]string{"27T06/a.tsv": {login("27T05:00", "s3", "session:s1"), login("27T05:00", "s1", "user:session:s1")}},
				[]string{"user:session:s1 App 1.1 27T05:11..27T05:12 ×1", "user:session:s1 App 1.2 27T05:12.. ×1", "user:user:session:s1 App 1.0 27T05:10.. ×1"}},
		}},

		{"retries", []storyStep{
			{"within an hour", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), sighting("27T05:10", "s1", "1.0")}, "27T05/b.tsv": {sighting("27T05:10", "s1", "1.0")}},
				[]string{"session:s1 App 1.0 27T05:10.. ×1"}},
			{"the kept one's file goes", map[string][]string{"27T05/a.tsv": nil}, []string{"session:s1 App 1.0 27T05:10.. ×1"}},
		}},
	})
}

func tellStories(t *testing.T, parsing telemetry.Options, stories []story) {
	t.Helper()
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			in := newWorld(t)
			in.removeGone = true
			in.parsing = parsing
			for _, step := range story.steps {
				hours := map[telemetry.Hour]bool{}
				for name, lines := range step.files {
					in.put(name, lines...)
					hours[hourAt(t, "2022-05-"+name[:5])] = true
				}
				before, _ := snapshots(t, in.lake, goldUsers)
				var runs []Run
				for hour := range hours { // in any order
					run, _ := in.silver(hour)
					runs = append(runs, run)
				}
				in.gold(runs...)
				if after, _ := snapshots(t, in.lake, goldUsers); len(after) > len(before)+1 {
					t.Errorf("%s: %d commits of gold", step.name, len(after)-len(before))
				}
				if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) == 0 {
					continue // nobody was sighted yet
				}
				if got := show(t, in.lake); !slices.Equal(got, step.want) {
					t.Fatalf("%s: gold is\n%q, not\n%q", step.name, got, step.want)
				}
				checkGold(t, in)
			}
			in.daily()
			if lines, _ := verifiedAs(t, in.lake, parsing); len(lines) > 0 {
				t.Errorf("verify says\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}
