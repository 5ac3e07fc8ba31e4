package lake_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/objects"
)

// TestFolderNames puts lakes into folders whose names need care in a URL.
func TestFolderNames(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, name := range []string{"plain", "two words", "100%", "a%20b", "#1", "what?", "über", "a+b", "a:b"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			scratch := t.TempDir()
			location := func(scheme, path string) string { return (&url.URL{Scheme: scheme, Path: path}).String() }
			l, err := lake.Open(t.Context(),
				lake.Config{Catalog: location("sqlite", dir+"/catalog.db"),
					Warehouse: location("file", dir+"/ware house"),
					Buckets:   2, Scratch: scratch})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			in := laketest.NewIngester(t, l, t.TempDir())
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
			in.Put("27T06/a.tsv", laketest.Login("27T05:10", "s1", "p1"))
			in.PutBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
			checks.Gold(t, in)
			for _, there := range []string{"catalog.db", "ware house/gold/users/data"} {
				if _, err := os.Stat(filepath.Join(dir, there)); err != nil {
					t.Error(err)
				}
			}
			if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
				t.Errorf("beside the lake's folder: %v, %v", entries, err)
			}
			if left := append(laketest.Leftovers(t, dir), laketest.Leftovers(t, scratch)...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if entries, err := os.ReadDir(scratch); err != nil || len(entries) > 0 {
				t.Errorf("left in scratch: %v, %v", entries, err)
			}
		})
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	dir := t.TempDir()
	good := lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"}
	for _, c := range []struct{ catalog, warehouse string }{
		{"catalog.db", good.Warehouse}, {"sqlite://catalog.db", good.Warehouse}, {"sqlite:",
			good.Warehouse}, {"mysql://host/db", good.Warehouse},
		{"postgres://user:se cret@host:port/db", good.Warehouse}, {"", good.Warehouse},
		{good.Catalog, ""}, {good.Catalog, dir}, {good.Catalog, "gs://bucket"}, {good.Catalog,
			"file://warehouse"}, {good.Catalog, "s3:///prefix"},
	} {
		l, err := lake.Open(t.Context(), lake.Config{Catalog: c.catalog, Warehouse: c.warehouse})
		if err == nil {
			l.Close()
		}
		if !errors.Is(err, objects.ErrConfig) || strings.Contains(err.Error(), "cret") {
			t.Errorf("%q, %q: %v", c.catalog, c.warehouse, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("a lake that could not be opened left %v, %v", entries, err)
	}
}

func TestVersionsByName(t *testing.T) {
	in := laketest.NewWorld(t)
	if _, err := gold.FindVersion(t.Context(), in.Lake, ""); !errors.Is(err, lake.ErrUnknownVersion) {
		t.Errorf("a lake without gold: %v", err)
	}
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T06/a.tsv", laketest.Login("27T05:10", "s1", "p1"))
	first := in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	before := laketest.Users(t, in.Lake, "")
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	if laketest.Users(t, in.Lake, "hour-2022-05-27T05") != before ||
		laketest.Users(t, in.Lake, "hour-2022-05-27T06") != laketest.Users(t, in.Lake, "") ||
		laketest.Users(t, in.Lake, "") == before {
		t.Error("tags do not show gold as it was known")
	}
	versions, err := gold.Versions(t.Context(), in.Lake)
	in.Must(err)
	if len(versions) != 2 || versions[1].SnapshotID != first.SnapshotID ||
		!slices.Equal(versions[1].Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("versions %+v", versions)
	}
	for _, c := range []struct {
		name string
		want int64
	}{
		{versions[1].CommittedAt.Format("2006-01-02T15:04:05.000Z07:00"), first.SnapshotID},
		{versions[0].CommittedAt.AddDate(1, 0, 0).Format("2006-01-02T15:04:05Z07:00"), versions[0].SnapshotID},
	} {
		if at, err := gold.FindVersion(t.Context(), in.Lake, c.name); err != nil || at.SnapshotID != c.want {
			t.Errorf("%s: %+v, %v", c.name, at, err)
		}
	}
	for _, name := range []string{"hour-2022-05-27T07", "1", "1999-01-01T00:00:00Z", "yesterday"} {
		if at, err := gold.FindVersion(t.Context(), in.Lake, name); !errors.Is(err, lake.ErrUnknownVersion) {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
	}
}
