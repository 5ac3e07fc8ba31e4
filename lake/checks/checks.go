package checks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Options say how to look.
type Options struct {
	Now time.Time
	// Limits are those of checks by name, in place of their own.
	Limits map[string]Limits
	// Goals are versions to be switched off.
	Goals []Goal
	// Probe lets the warehouse be written to: only that tells whether it can be.
	Probe bool
	// Folders are looked at for room on their disks.
	Folders []string
	// Explain says in plain words what an error means; nil: as the error does.
	Explain func(error) string
}

// Ages in hours: how far hours are looked at, and how far what they are compared with.
const (
	window   = 7 * 24
	week     = 7 * 24
	baseline = 4 * week
)

// looker is one look at a lake.
type looker struct {
	Options
	lake *lake.Lake
	// rows are the ledger's newest of each hour of the window and of the time that it is compared with.
	rows    []ledger.Hour
	results []Result
	failed  error // the first thing that could not be read
}

// Run looks at a lake. What can't be read makes the check CheckLake fail, and others unknown: Run itself never fails.
func Run(ctx context.Context, l *lake.Lake, o Options) []Result {
	k := &looker{Options: o, lake: l}
	unwritable := k.probe(ctx)
	var err error
	if k.rows, err = k.readLedger(ctx); err != nil {
		k.failed = err
	}
	steps := []struct {
		name string
		look func(context.Context, Definition) (Result, error)
	}{
		{CheckDisk, k.disk}, {CheckSource, k.source}, {CheckLate, k.late}, {CheckFreshness, k.freshness},
		{CheckDegraded, k.degraded}, {CheckEmpty, k.empty}, {CheckRejects, k.rejects}, {CheckLines, k.lines},
		{CheckGone, k.gone}, {CheckGold, k.goldBehind}, {CheckDaily, k.dailyBehind}, {CheckMaintenance, k.maintenance},
		{CheckVerify, k.verify}, {CheckLists, k.lists}, {CheckVersions, k.versions}, {CheckDevices, k.devices},
		{CheckAdoption, k.adoption}, {CheckIssues, k.issuesOfRelease}, {CheckDowngrades, k.downgrades},
		{CheckSwitchOff, k.switchOff},
	}
	for _, step := range steps {
		definition, on := k.definition(step.name)
		if !on {
			continue
		}
		result, err := definition.silent(Unknown, "the lake can't be read"), error(nil)
		if k.failed == nil || step.name == CheckDisk {
			result, err = step.look(ctx, definition)
		}
		if err != nil {
			result = definition.silent(Unknown, "the lake can't be read")
			k.failed = errors.Join(k.failed, fmt.Errorf("check %s: %w", step.name, err))
		}
		k.results = append(k.results, result)
	}
	if definition, on := k.definition(CheckLake); on {
		k.results = append([]Result{k.reached(definition, unwritable)}, k.results...)
	}
	return k.results
}

// reached says whether the lake could be read and written.
func (k *looker) reached(d Definition, unwritable error) Result {
	switch {
	case k.failed != nil:
		return d.Result(1, nil, "the lake can't be read: %s", k.explain(k.failed))
	case unwritable != nil:
		return d.Result(1, nil, "the warehouse can't be written to: %s", k.explain(unwritable))
	case k.Probe:
		return d.Result(0, nil, "can be read and written")
	}
	return d.Result(0, nil, "can be read")
}

// explain is an error without what must not leave the machine.
func (k *looker) explain(err error) string {
	text := ""
	if k.Explain != nil {
		text = k.Explain(err)
	}
	if text == "" {
		text = err.Error()
	}
	return Cut(userOfURL.ReplaceAllString(text, "//…@"), longestText/2)
}

// readLedger reads what all checks of hours look at. A lake that rests for longer is read whole.
func (k *looker) readLedger(ctx context.Context) ([]ledger.Hour, error) {
	now := telemetry.HourOf(k.Now)
	rows, err := ledger.Hours(ctx, k.lake, now-window-baseline, now+1)
	if err != nil || len(rows) > 0 {
		return rows, err
	}
	return ledger.Hours(ctx, k.lake, telemetry.Hour(-1<<20), now+1)
}
