package lake

import (
	"strings"
	"testing"
)

// TestHostileNames lets clients call themselves whatever fits into a line.
func TestHostileNames(t *testing.T) {
	in := newWorld(t)
	names := []string{
		strings.Repeat("x", 900<<10), strings.Repeat("x", 900<<10) + "y", "a/../../b", "100%", "x=y/z", "\\n\\t\\r", "Zoë 😀", "'; DROP TABLE users", "null", "NaN",
		"\\u0000", strings.Repeat("é", 10000), "\\U0010FFFF", " ", "user:", "session:", "user:session:x",
	}
	var lines, later []string
	for _, name := range names {
		name = strings.ReplaceAll(name, "'", "\\'")
		lines = append(lines, sighting("27T05:10", "s1", "1.0", "UserId", name), sighting("27T05:11", "s2", name[:min(len(name), 500<<10)]))
		later = append(later, login("27T05:12", "s3", name), sighting("27T05:13", "s3", "2.0", "Device", name))
	}
	lines = append(lines, sighting("27T05:14", strings.Repeat("s", 500<<10), "1.0"), sighting("27T05:15", "a/b c%", "1.0"))
	in.put("27T05/a.tsv", lines...)
	in.put("27T06/odd name %20#?'é.tsv", later...)
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.ingest(hourAt(t, "2022-05-27T06"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	checkGold(t, in)
	checkVersions(t, in.lake)
}
