package ledger

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// settingPrefix begins the names of properties of ops.hours that keep settings.
const settingPrefix = "versionlake.setting."

// KeptSettings are the settings that decide what lines mean, by name, as the last program kept them that wrote with
// others. The lake keeps texts: what they mean is its callers' business.
func KeptSettings(ctx context.Context, l *lake.Lake) (map[string]string, error) {
	loaded, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return nil, fmt.Errorf("read the settings that the lake keeps: %w", err)
	}
	return keptSettings(loaded), nil
}

func keptSettings(loaded *table.Table) map[string]string {
	kept := map[string]string{}
	for key, value := range loaded.Properties() {
		if name, ok := strings.CutPrefix(key, settingPrefix); ok {
			kept[name] = value
		}
	}
	return kept
}

// KeepSettings keeps settings in place of those of the same names.
func KeepSettings(ctx context.Context, l *lake.Lake, settings map[string]string) error {
	properties := iceberg.Properties{}
	for name, value := range settings {
		properties[settingPrefix+name] = value
	}
	if err := l.Commit(ctx, lake.OpsHours, func(loaded *table.Table) (*lake.Change, error) {
		return lake.MetadataChange(loaded, properties), nil
	}); err != nil {
		return fmt.Errorf("keep the settings in the lake: %w", err)
	}
	return nil
}
