package verify

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// Rule 1, of the keys that order versions: each version of a history has one row in gold.versions, and every row
// has the keys that follow from it. What rows are too many is no fault: the table is a dictionary, and keeps
// versions whose sightings went.

// keyFact is a version that a history has, or a row of gold.versions.
type keyFact struct {
	Service, Version string
	Row              *lake.VersionRow
}

// keyFacts bounds the versions that are remembered to have been told before.
const keyFacts = 1 << 16

func (v *verifier) verifyKeys(ctx context.Context) error {
	if v.gold.CurrentSnapshot() == nil || v.lacks("the keys of versions were", lake.GoldVersions, lake.GoldUsers) {
		return nil
	}
	// Loaded after gold.users, whose versions it had before.
	loaded, err := v.lake.Load(ctx, lake.GoldVersions)
	if err != nil && !errors.Is(err, lake.ErrNoLake) {
		return err
	}
	if err != nil || loaded.CurrentSnapshot() == nil {
		v.note("gold.versions holds nothing yet: the next round that makes gold anew fills it")
		return nil
	}
	rows, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return err
	}
	users, err := lake.LiveFiles(ctx, v.gold)
	if err != nil {
		return err
	}
	facts, err := objects.NewPartitions(v.lake.Objects.Scratch, lake.CountOf(rows)+lake.CountOf(users))
	if err != nil {
		return err
	}
	defer facts.Close()
	add := func(fact keyFact) error { return facts.Add(fact.Service+"\x00"+fact.Version, fact) }
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldVersions.Name},
		rows, func(row *lake.VersionRow) error {
			return add(keyFact{row.Service, row.Version, row})
		}); err != nil {
		return err
	}
	told := map[uint64]bool{}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.GoldUsers.Name}, users, func(row *lake.UserRow) error {
		for _, interval := range row.History {
			key := xxhash.Sum64String(interval.Service + "\x00" + interval.Version)
			if told[key] {
				continue
			}
			if len(told) >= keyFacts {
				clear(told)
			}
			told[key] = true
			if err := add(keyFact{Service: interval.Service, Version: interval.Version}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for part := range facts.Len() {
		v.progress("comparing the keys of versions", part, facts.Len(), "parts")
		if err := v.compareKeys(ctx, facts, part); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) compareKeys(ctx context.Context, facts *objects.Partitions, part int) error {
	rows, wanted := map[lake.VersionName]int{}, map[lake.VersionName]bool{}
	where := Difference{Rule: 1, Table: lake.GoldVersions.Name}
	if err := objects.EachSpilled(ctx, facts, part, func(fact keyFact) error {
		version := lake.VersionName{Service: fact.Service, Version: fact.Version}
		if fact.Row == nil {
			wanted[version] = true
			return nil
		}
		if rows[version]++; rows[version] == 2 {
			v.differ(where, "version %q of %q has two rows", fact.Version, fact.Service)
		}
		want := history.KeyOf(fact.Service, fact.Version)
		if is := *fact.Row; is.SortKey != want.Sort || is.RankKey != want.Rank || is.Class != want.Class {
			v.differ(where, "version %q of %q has the keys %q, %q, %q and should have %q, %q, %q", fact.Version,
				fact.Service, is.Class, is.RankKey, is.SortKey, want.Class, want.Rank, want.Sort)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, version := range slices.SortedFunc(maps.Keys(wanted), func(a, b lake.VersionName) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Version, b.Version))
	}) {
		if rows[version] == 0 {
			v.differ(where, "version %q of %q is in a history, and has no row", version.Version, version.Service)
		}
	}
	return nil
}
