package forget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
)

// mostSimilar is how many ids are named that may have been meant.
const mostSimilar = 10

// Knows tells whether the lake has anything of a user, by gold's user_id, or remembers having had: an erasure that was
// begun goes on. Where it has not, similar are the ids of users that differ in case or in blanks only.
func Knows(ctx context.Context, l *lake.Lake, user string, parsing telemetry.Options,
	progress func(table string, files int64)) (known bool, similar []string, err error) {
	name, err := forgotten.NameOf(user)
	if err != nil {
		return false, nil, err
	}
	if known, err := forgotten.Remembers(ctx, l, name); err != nil || known {
		return known, nil, err
	}
	version, err := gold.FindVersion(ctx, l, "")
	shown := !errors.Is(err, lake.ErrUnknownVersion) // gold may have nothing yet
	if err != nil && shown {
		return false, nil, err
	}
	if shown {
		if _, found, err := gold.User(ctx, l, version, user); err != nil || found {
			return found, nil, err
		}
	}
	plan, err := PlanForget(ctx, l, []string{user}, parsing, progress)
	if err != nil || plan.Touches() || !shown {
		return plan.Touches(), nil, err
	}
	for one, err := range gold.Users(ctx, l, version) {
		if err != nil {
			return false, nil, fmt.Errorf("look for similar users: %w", err)
		}
		if one.ID != user && folded(one.ID) == folded(user) {
			similar = append(similar, strings.Clone(one.ID))
		}
		if len(similar) == mostSimilar {
			break
		}
	}
	slices.Sort(similar)
	return false, similar, nil
}

// folded is an id without what people mistype without seeing it.
func folded(id string) string { return strings.ToLower(strings.Join(strings.Fields(id), "")) }

// Touches tells whether anything of the user is in the lake.
func (p *Plan) Touches() bool {
	return p.Sessions > 0 || slices.ContainsFunc(p.Tables, func(t ErasedTable) bool { return t.Rows+t.Files > 0 })
}
