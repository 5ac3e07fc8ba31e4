package versionkeys

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// knownRows is how many versions are remembered, at some 16 bytes each.
const knownRows = 1 << 19

// knows tells whether all staged versions are among those that were found at a location.
func knows(k *lake.KnownVersions, o *objects.Store, location string, staged []string) (bool, error) {
	k.Mutex.Lock()
	defer k.Mutex.Unlock()
	if location == "" || k.Location != location {
		return false, nil
	}
	err := Each(o, staged, func(name lake.VersionName) error {
		if !k.Rows[name.Hash()] {
			return lake.ErrStop
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		return false, nil
	}
	return err == nil, err
}

// Ensure sees to it that gold.versions has the staged versions, with their right keys; exact: and no others. It commits
// nothing where that is so. found is where the table's metadata lay then.
func Ensure(ctx context.Context, l *lake.Lake, staged []string, exact bool) (found string, err error) {
	if len(staged) == 0 && !exact {
		return "", nil
	}
	location, _, err := l.Catalog.Locations(ctx, lake.GoldVersions.Identifier())
	if err != nil {
		return "", err
	}
	if known, err := knows(l.KnownVersions, l.Objects, location, staged); err != nil || known && !exact {
		return location, err
	}
	err = l.Commit(ctx, lake.GoldVersions, func(loaded *table.Table) (*lake.Change, error) {
		u := &update{lake: l, staged: staged, exact: exact, missing: map[uint64]bool{}}
		wanted, err := u.change(ctx, loaded)
		foundAt := func(location string) {
			found = location
			l.KnownVersions.Set(location, u.rows)
		}
		if found = ""; err == nil && wanted == nil {
			foundAt(loaded.MetadataLocation())
		} else if err == nil {
			wanted.Done = foundAt
		}
		return wanted, err
	})
	return found, err
}

// EnsureStill does so once more after gold.users has shown the versions: an erasure may have taken one away since
// Ensure found them. exact: gold was made from nothing, and has no other versions.
func EnsureStill(ctx context.Context, l *lake.Lake, staged []string, exact bool, found string) error {
	if len(staged) == 0 && !exact {
		return nil
	}
	location, _, err := l.Catalog.Locations(ctx, lake.GoldVersions.Identifier())
	if err != nil || !exact && location == found {
		return err
	}
	_, err = Ensure(ctx, l, staged, exact)
	return err
}
