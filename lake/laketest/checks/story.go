package checks

import (
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/telemetry"
)

// Story is told hour by hour. After each step gold is what a person expects, and what both naive recomputations say.
type Story struct {
	Name  string
	Steps []StoryStep
}

type StoryStep struct {
	Name  string
	Files map[string][]string // nil removes
	Want  []string
}

func TellStories(t *testing.T, parsing telemetry.Options, stories []Story) {
	t.Helper()
	for _, story := range stories {
		t.Run(story.Name, func(t *testing.T) {
			t.Parallel()
			in := laketest.NewWorld(t)
			in.RemoveGone = true
			in.Parsing = parsing
			for _, step := range story.Steps {
				hours := map[telemetry.Hour]bool{}
				for name, lines := range step.Files {
					in.Put(name, lines...)
					hours[laketest.HourAt(t, "2022-05-"+name[:5])] = true
				}
				before, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers)
				var runs []lake.Run
				for hour := range hours { // in any order
					run, _ := in.Silver(hour)
					runs = append(runs, run)
				}
				in.Gold(runs...)
				if after, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(after) > len(before)+1 {
					t.Errorf("%s: %d commits of gold", step.Name, len(after)-len(before))
				}
				if ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(ids) == 0 {
					continue // nobody was sighted yet
				}
				if got := laketest.Show(t, in.Lake); !slices.Equal(got, step.Want) {
					t.Fatalf("%s: gold is\n%q, not\n%q", step.Name, got, step.Want)
				}
				Gold(t, in)
			}
			upkeep.Daily(in)
			if lines, _ := VerifiedAs(t, in.Lake, parsing); len(lines) > 0 {
				t.Errorf("verify says\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}
