package laketest

import (
	"fmt"

	"github.com/versionlake/versionlake/lake/gold"
)

// ReadForGold plans a round, and tells the rows that were read for it.
func (in *Ingester) ReadForGold() (changes, read int64) {
	in.TB.Helper()
	in.runs++
	plan, err := gold.PlanUsers(in.TB.Context(), in.Lake, fmt.Sprintf("look%05d", in.runs), gold.Remake{},
		func(rows int64) { read = max(read, rows) })
	in.Must(err)
	in.Must(gold.DropRound(in.TB.Context(), in.Lake, plan))
	return plan.Changes, read
}
