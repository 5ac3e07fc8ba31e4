package laketest

import (
	"github.com/versionlake/versionlake/lake/gold"
)

// Anew makes gold from nothing but silver.
func (in *Ingester) Anew() gold.Committed {
	in.TB.Helper()
	plan, merged := in.MergeAgain(gold.Remake{All: true})
	return in.CommitGold(plan, merged)
}
