package lake

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// leftovers are the files below a folder that belong to work in progress.
func leftovers(t testing.TB, folder string) (left []string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (strings.Contains(path, "_staging") || strings.HasPrefix(entry.Name(), ".versionlake-")) {
			left = append(left, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return left
}

// TestFolderNames puts lakes into folders whose names need care in a URL.
func TestFolderNames(t *testing.T) {
	for _, name := range []string{"plain", "two words", "100%", "a%20b", "#1", "what?", "über", "a+b", "a:b"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			scratch := t.TempDir()
			location := func(scheme, path string) string { return (&url.URL{Scheme: scheme, Path: path}).String() }
			l, err := Open(t.Context(), Config{Catalog: location("sqlite", dir+"/catalog.db"), Warehouse: location("file", dir+"/ware house"),
				Buckets: 2, Scratch: scratch})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			in := newIngester(t, l, t.TempDir())
			in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
			in.put("27T06/a.tsv", login("27T05:10", "s1", "p1"))
			in.putBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
			in.ingest(hourAt(t, "2022-05-27T05"))
			in.ingest(hourAt(t, "2022-05-27T06"))
			checkGold(t, in)
			for _, there := range []string{"catalog.db", "ware house/gold/users/data"} {
				if _, err := os.Stat(filepath.Join(dir, there)); err != nil {
					t.Error(err)
				}
			}
			if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
				t.Errorf("beside the lake's folder: %v, %v", entries, err)
			}
			if left := append(leftovers(t, dir), leftovers(t, scratch)...); len(left) > 0 {
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
	good := Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"}
	for _, c := range []struct{ catalog, warehouse string }{
		{"catalog.db", good.Warehouse}, {"sqlite://catalog.db", good.Warehouse}, {"sqlite:", good.Warehouse}, {"mysql://host/db", good.Warehouse},
		{"postgres://user:se cret@host:port/db", good.Warehouse}, {"", good.Warehouse},
		{good.Catalog, ""}, {good.Catalog, dir}, {good.Catalog, "gs://bucket"}, {good.Catalog, "file://warehouse"}, {good.Catalog, "s3:///prefix"},
	} {
		l, err := Open(t.Context(), Config{Catalog: c.catalog, Warehouse: c.warehouse})
		if err == nil {
			l.Close()
		}
		if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "cret") {
			t.Errorf("%q, %q: %v", c.catalog, c.warehouse, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("a lake that could not be opened left %v, %v", entries, err)
	}
}

func TestVersionsByName(t *testing.T) {
	in := newWorld(t)
	if _, err := in.lake.Version(t.Context(), ""); !errors.Is(err, ErrUnknownVersion) {
		t.Errorf("a lake without gold: %v", err)
	}
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	in.put("27T06/a.tsv", login("27T05:10", "s1", "p1"))
	first := in.ingest(hourAt(t, "2022-05-27T05"))
	before := users(t, in.lake, "")
	in.ingest(hourAt(t, "2022-05-27T06"))
	if users(t, in.lake, "hour-2022-05-27T05") != before || users(t, in.lake, "hour-2022-05-27T06") != users(t, in.lake, "") || users(t, in.lake, "") == before {
		t.Error("tags do not show gold as it was known")
	}
	versions, err := in.lake.Versions(t.Context())
	in.must(err)
	if len(versions) != 2 || versions[1].SnapshotID != first.SnapshotID || !slices.Equal(versions[1].Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("versions %+v", versions)
	}
	for _, c := range []struct {
		name string
		want int64
	}{
		{versions[1].CommittedAt.Format("2006-01-02T15:04:05.000Z07:00"), first.SnapshotID},
		{versions[0].CommittedAt.AddDate(1, 0, 0).Format("2006-01-02T15:04:05Z07:00"), versions[0].SnapshotID},
	} {
		if at, err := in.lake.Version(t.Context(), c.name); err != nil || at.SnapshotID != c.want {
			t.Errorf("%s: %+v, %v", c.name, at, err)
		}
	}
	for _, name := range []string{"hour-2022-05-27T07", "1", "1999-01-01T00:00:00Z", "yesterday"} {
		if at, err := in.lake.Version(t.Context(), name); !errors.Is(err, ErrUnknownVersion) {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
	}
}
