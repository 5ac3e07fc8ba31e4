package lake_test

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
)

// TestHostileNames lets clients call themselves whatever fits into a line.
func TestHostileNames(t *testing.T) {
	in := laketest.NewWorld(t)
	names := []string{
		strings.Repeat("x", 900<<10), strings.Repeat("x", 900<<10) + "y", "a/../../b", "100%", "x=y/z", "\\n\\t\\r",
		"Zoë 😀", "'; DROP TABLE users", "null", "NaN",
		"\\u0000", strings.Repeat("é", 10000), "\\U0010FFFF", " ", "user:", "session:", "user:session:x",
	}
	var lines, later []string
	for _, name := range names {
		name = strings.ReplaceAll(name, "'", "\\'")
		lines = append(lines, laketest.Sighting("27T05:10", "s1", "1.0", "UserId", name),
			laketest.Sighting("27T05:11", "s2", name[:min(len(name), 500<<10)]))
		later = append(later, laketest.Login("27T05:12", "s3", name),
			laketest.Sighting("27T05:13", "s3", "2.0", "Device", name))
	}
	lines = append(lines, laketest.Sighting("27T05:14", strings.Repeat("s", 500<<10), "1.0"),
		laketest.Sighting("27T05:15", "a/b c%", "1.0"))
	in.Put("27T05/a.tsv", lines...)
	in.Put("27T06/odd name %20#?'é.tsv", later...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	checks.Gold(t, in)
	checks.Versions(t, in.Lake)
}
