package verify_test

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/versionlake/versionlake/lake/laketest"
)

func anySteps(r *rand.Rand, world map[string][]string, forget bool) (steps []laketest.PlanStep) {
	names := slices.Sorted(maps.Keys(world))
	order := r.Perm(5)
	kinds := []string{"ingest", "ingest", "spoil", "spoil", "mend", "die", "gold", "gold", "daily", "compact",
		"overtake", "reopen", "maintain", "together",
		"together", "silver", "users", "spoil", "remove-gone"}
	if forget {
		kinds = append(kinds, "forget", "forget")
	}
	for i := range 16 {
		step := laketest.PlanStep{Hour: r.IntN(5), N: r.Uint64(),
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
