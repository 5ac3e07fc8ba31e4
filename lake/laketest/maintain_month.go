package laketest

import (
	"github.com/versionlake/versionlake/lake/maintain"
)

// Maintain does what the workflow does, once.
func (in *Ingester) Maintain(u maintain.Upkeep) (all []maintain.Saving) {
	in.TB.Helper()
	savings, err := MaintainAll(in.TB.Context(), in.Lake, u)
	in.Must(err)
	return savings
}
