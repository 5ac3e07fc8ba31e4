package verify

import (
	"context"
	"fmt"
	"math"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Run compares the lake with a plain recomputation of it and tells each difference. It only reads, and may run beside
// ingestion: what is half committed at that moment is left out, and noted. Its memory is bounded, by passes and by
// spills to local disk.
func Run(ctx context.Context, l *lake.Lake, options Options, report func(Difference) error) (Verified, error) {
	v := &verifier{lake: l, options: options, report: report, checked: Verified{Notes: []string{}},
		broken: map[string]Difference{}, unsure: map[telemetry.Hour]bool{}}
	if options.From == 0 && options.To == 0 {
		v.options.From, v.options.To = math.MinInt32, math.MaxInt32
	}
	for _, step := range []func(context.Context) error{v.verifyObjects, v.load, v.verifyLedger, v.verifyHours,
		v.verifyVersions,
		v.verifyTags, v.verifyUsers, v.verifyKeys, v.verifyEvents, v.verifyDaily, v.verifyForgotten} {
		if v.stopped {
			break
		}
		err := step(ctx)
		if v.failed != nil {
			err = v.failed
		}
		if err != nil {
			return v.checked, fmt.Errorf("verify: %w", err)
		}
	}
	return v.checked, nil
}
