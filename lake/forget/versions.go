package forget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/versionkeys"
)

// eraseVersions takes the versions out of gold.versions and ops.published, and out of their history, that nobody has
// any more: nothing may say what only a forgotten user ran. It comes after silver and gold.users.
func eraseVersions(ctx context.Context, l *lake.Lake, erasure string) (err error) {
	for _, definition := range []lake.TableDefinition{lake.OpsPublished, lake.GoldVersions} {
		loaded, err := l.Load(ctx, definition)
		if err != nil || loaded.CurrentSnapshot() == nil {
			if err := ignoreNoLake(err); err != nil {
				return err
			}
			continue
		}
		if err := eraseVersionsOf(ctx, l, definition, erasure); err != nil {
			return err
		}
	}
	return nil
}

func eraseVersionsOf(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, erasure string) (err error) {
	folder := fmt.Sprintf("%s/%d", forgetVersions(l, erasure), time.Now().UnixNano())
	defer func() { err = errors.Join(err, l.Objects.RemoveAll(ctx, folder)) }()
	for attempt := 0; ; attempt++ {
		staged, err := versionkeys.StagePresent(ctx, l, fmt.Sprintf("%s/%d", folder, time.Now().UnixNano()))
		if err != nil {
			return err
		}
		e := &forgotten.Eraser{Lake: l, Known: &forgotten.Set{}, Versions: map[uint64]bool{}}
		if err := versionkeys.Each(l.Objects, staged, func(name lake.VersionName) error {
			e.Versions[name.Hash()] = true
			return nil
		}); err != nil {
			return err
		}
		s := newSearch(e, definition, func(int64) {})
		s.write = true
		if _, err = rewriteHistory(ctx, l, erasure, s); err == nil {
			break
		}
		if !lake.IsConflict(err) {
			return err
		}
		if err := waitForOthers(ctx, attempt); err != nil {
			return err
		}
	}
	if definition.Name != lake.GoldVersions.Name {
		return nil
	}
	// A round that found one of these just before, and showed it since, needs it back; so does a text that an id
	// was taken out of.
	staged, err := versionkeys.StagePresent(ctx, l, fmt.Sprintf("%s/%d", folder, time.Now().UnixNano()))
	if err != nil {
		return err
	}
	_, err = versionkeys.Ensure(ctx, l, staged, false)
	return err
}

// forgetVersions is where an erasure stages versions. What is left there goes with its other documents.
func forgetVersions(l *lake.Lake, erasure string) string {
	return forgotten.ForgetFolder(l, erasure) + "/versions"
}

func ignoreNoLake(err error) error {
	if errors.Is(err, lake.ErrNoLake) {
		return nil
	}
	return err
}
