package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
)

// probeBytes is more than what a file system has left over in the last block of a file.
const probeBytes = 64 << 10

// probe writes to the warehouse, and removes what it wrote.
func (k *looker) probe(ctx context.Context) error {
	if !k.Probe {
		return nil
	}
	object := fmt.Sprintf("%s/checks/probe-%d", k.lake.StagingFolder(), time.Now().UnixNano())
	if err := k.lake.Objects.WriteJSON(object, strings.Repeat("-", probeBytes)); err != nil {
		return err
	}
	return k.lake.Objects.Remove(ctx, []string{object})
}

// Unreachable is what a look at a lake finds that can't even be opened.
func Unreachable(o Options, err error) []Result {
	k := &looker{Options: o, failed: err}
	var results []Result
	if definition, on := k.definition(CheckLake); on && err != nil {
		results = append(results, k.reached(definition, nil))
	}
	return results
}

// Workers is what is known of the workers: how many ask Temporal for work, or why that is not known; false where nobody
// wants to know.
func Workers(o Options, pollers int, err error) (Result, bool) {
	d, on := o.definition(CheckWorkers)
	k := &looker{Options: o}
	switch {
	case err != nil:
		return d.Result(1, nil, "Temporal does not answer: %s", k.explain(err)), on
	case pollers == 0:
		return d.Result(1, nil, "no worker has asked Temporal for work in the last minute and a half"), on
	}
	return d.Result(0, nil, "%s at work", count(pollers, "worker")), on
}

// Rules says whether the rules could be read; false where nobody wants to know.
func Rules(o Options, err error) (Result, bool) {
	d, on := o.definition(CheckRules)
	if err != nil {
		return d.Result(1, nil, "nobody is called by new rules: %s", err), on
	}
	return d.Result(0, nil, "were read"), on
}

// disk finds the fullest of the disks.
func (k *looker) disk(_ context.Context, d Definition) (Result, error) {
	folders := k.Folders
	if local := k.lake.Objects.LocalPath(k.lake.Objects.Root); local != "" {
		folders = append([]string{local}, folders...)
	}
	fullest, where := -1.0, ""
	var over []string
	for _, folder := range folders {
		used, err := UsedShare(folder)
		if err != nil {
			continue // the folder is not there yet, or this system does not tell
		}
		if used > fullest {
			fullest, where = used, folder
		}
		if d.stateOf(used) != OK {
			over = append(over, folder)
		}
	}
	if where == "" {
		return d.silent(Unknown, "no disk tells how full it is"), nil
	}
	return d.Result(fullest, over, "the disk of %s is %.0f %% full", where, 100*fullest), nil
}

// maintenance says how the last one ended.
func (k *looker) maintenance(ctx context.Context, d Definition) (Result, error) {
	last, err := Remembered(ctx, k.lake, CheckMaintenance)
	if err != nil {
		return Result{}, err
	}
	success, text := last.SucceededAt, "the last one succeeded"
	if success.IsZero() {
		text = "it has not succeeded yet"
		if success = k.firstRun(); success.IsZero() {
			return d.Result(0, nil, "there is nothing to maintain yet"), nil
		}
	}
	result := d.Result(since(k.Now, success), nil, "%s %s", text, lake.Moment(last.SucceededAt.UnixMicro()))
	if last.SucceededAt.IsZero() {
		result.Text = text + ": versionlake maintain, or a worker's schedule, does it"
	}
	if last.Count > 0 {
		result.State = Fail
		result.Text = Cut("the last one failed, at "+lake.Moment(last.At.UnixMicro())+": "+last.Text, longestText)
	}
	return result, nil
}

// firstRun is when the oldest hour that is looked at was ingested.
func (k *looker) firstRun() (first time.Time) {
	for _, row := range k.rows {
		if first.IsZero() || row.FinishedAt.Before(first) {
			first = row.FinishedAt
		}
	}
	return first
}

// verify says what the last one found.
func (k *looker) verify(ctx context.Context, d Definition) (Result, error) {
	last, err := Remembered(ctx, k.lake, CheckVerify)
	switch {
	case err != nil:
		return Result{}, err
	case last.At.IsZero():
		return d.silent(OK, "has not been run: versionlake verify"), nil
	}
	return d.Result(float64(last.Count), nil, "%s, at %s", last.Text, lake.Moment(last.At.UnixMicro())), nil
}

// lists says which were not written when they were due last.
func (k *looker) lists(ctx context.Context, d Definition) (Result, error) {
	last, err := Remembered(ctx, k.lake, CheckLists)
	switch {
	case err != nil:
		return Result{}, err
	case last.At.IsZero():
		return d.silent(OK, "none was due yet"), nil
	case last.Count == 0:
		return d.Result(0, nil, "all were written, at %s", lake.Moment(last.At.UnixMicro())), nil
	}
	return d.Result(float64(last.Count), nil, "not written, at %s: %s", lake.Moment(last.At.UnixMicro()),
		last.Text), nil
}
