package laketest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// FileStates are the rows of ops.files, as key=state:events.
func (in *Ingester) FileStates(hour telemetry.Hour) []string {
	in.TB.Helper()
	rows, err := ledger.Files(in.TB.Context(), in.Lake, hour)
	in.Must(err)
	states := []string{}
	for _, row := range rows {
		if row.Lines != row.Events+row.Rejects+row.Blanks {
			in.TB.Errorf("%s: %d lines, %d events, %d rejects, %d blanks", row.Key, row.Lines, row.Events, row.Rejects,
				row.Blanks)
		}
		states = append(states, fmt.Sprintf("%s=%s:%d", row.Key[strings.LastIndexByte(row.Key, '/')+1:],
			row.State, row.Events))
	}
	slices.Sort(states)
	return states
}
