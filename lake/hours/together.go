package hours

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// Hours that are read together have one object for all of their documents. A small hour has some four of these, and
// more of its time would go into them than into its lines.

// TogetherName is the name of that object, in a folder of _staging that is named after the workflow and the run.
const TogetherName = "hours.json"

// togetherFolder is where runs of one id that are staged together leave all that they stage.
func togetherFolder(l *lake.Lake, hours []telemetry.Hour, id string) string {
	return fmt.Sprintf("%s/hours-%s-%s/%s", l.StagingFolder(), slices.Min(hours), slices.Max(hours), id)
}

// Together stages hours under one id, whose documents are put into one object.
type Together struct {
	Lake   *lake.Lake // to stage them with
	lake   *lake.Lake
	bundle *objects.Bundle
	ref    string
}

// NewTogether is for hours that are read together.
func NewTogether(l *lake.Lake, hours []telemetry.Hour, id string) *Together {
	bundle, folder := &objects.Bundle{}, togetherFolder(l, hours, id)
	return &Together{Lake: l.Bundled(bundle, folder), lake: l, bundle: bundle, ref: folder + "/" + TogetherName}
}

// Write writes what the hours staged, and names those that are ready briefly: OpenTogether reads the rest.
func (t *Together) Write(ready []StagedHour) ([]StagedHour, error) {
	if len(ready) == 0 {
		return nil, nil
	}
	brief := make([]StagedHour, len(ready))
	for i, hour := range ready {
		if err := t.Lake.Objects.WriteJSON(togetherHour(hour.Run), hour); err != nil {
			return nil, err
		}
		brief[i] = StagedHour{Run: hour.Run, Together: t.ref}
	}
	return brief, t.lake.Objects.WriteBundle(t.ref, t.bundle)
}

// togetherHour is the document of an hour that is ready.
func togetherHour(run lake.Run) string { return "hour-" + run.Hour.String() }

// OpenTogether reads what such hours staged, and the lake that has their documents. ErrStale: it was taken away, since
// a run may have staged someone who was forgotten.
func OpenTogether(l *lake.Lake, brief []StagedHour) (*lake.Lake, []StagedHour, error) {
	if len(brief) == 0 || brief[0].Together == "" {
		return l, brief, nil // staged by an earlier version of the program
	}
	bundle, err := l.Objects.ReadBundle(brief[0].Together)
	if objects.IsMissing(err) {
		return nil, nil, fmt.Errorf("%w: %w", lake.ErrStale, err)
	}
	if err != nil {
		return nil, nil, err
	}
	with := l.Bundled(bundle, path.Dir(brief[0].Together))
	staged := make([]StagedHour, len(brief))
	for i, hour := range brief {
		if err := with.Objects.ReadJSON(togetherHour(hour.Run), &staged[i]); err != nil {
			return nil, nil, err
		}
		staged[i].Part = hour.Part
	}
	return with, staged, nil
}

// DropTogether removes what runs of one id staged together.
func DropTogether(ctx context.Context, l *lake.Lake, hours []telemetry.Hour, id string) error {
	return l.Objects.RemoveAll(ctx, togetherFolder(l, hours, id))
}

// ErasuresOf is the snapshot of ops.erasures that all runs began with whose work lies in a folder of _staging. planned:
// the folder has such runs, and they began with one.
func ErasuresOf(l *lake.Lake, folder string) (erasures int64, planned bool, err error) {
	documents, plans := l.Objects, []string{folder + "/" + planName}
	bundle, err := l.Objects.ReadBundle(folder + "/" + TogetherName)
	switch {
	case err == nil:
		documents, plans = documents.Bundled(bundle), slices.DeleteFunc(bundle.Names(),
			func(name string) bool { return !strings.HasSuffix(name, "/"+planName) })
	case !objects.IsMissing(err):
		return 0, false, err
	}
	for i, name := range plans {
		var plan StagedPlan
		if err := documents.ReadJSON(name, &plan); err != nil {
			return 0, false, objects.IgnoreMissing(err)
		}
		if i > 0 && plan.Erasures != erasures {
			return 0, false, nil
		}
		erasures = plan.Erasures
	}
	return erasures, len(plans) > 0, nil
}
