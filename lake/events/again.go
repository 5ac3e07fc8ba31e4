package events

import (
	"context"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
)

// ResolveAgain looks at the events of a forgotten user's sessions again: those that stay may have been given to that
// user, or have a version or a device that only that user's lines told. name begins the names of what it writes.
func ResolveAgain(ctx context.Context, l *lake.Lake, name string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var keys []int64
	for _, id := range ids {
		keys = append(keys, int64(xxhash.Sum64String(id)))
	}
	_, err := Follow(ctx, l, fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), keys, func(int64) {})
	return err
}
