package forget_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/telemetry"
)

// TestForgetTouchesTheUsersFilesOnly: of many users one is forgotten, and no file changes that did not hold the user.
// VERSIONLAKE_USERS says how many there are, such as 1000000, and lets it print what it took.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestForgetTouchesTheUsersFilesOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a table of many users")
	}
	many, measured := 4000, false
	if text := os.Getenv("VERSIONLAKE_USERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		many, measured = n, true
	}
	dir := t.TempDir()
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	in := laketest.NewIngester(t, l, t.TempDir())
	in.SectionBytes = 1 << 20
	const hours, files = 3, 8
	first := laketest.HourAt(t, "2022-05-27T05")
	for n := range hours {
		putUsers(in, first+telemetry.Hour(n), many, files, n)
		in.Ingest(first + telemetry.Hour(n))
		in.Must(os.RemoveAll(filepath.Dir(in.Path(fmt.Sprintf("27T%02d/0.tsv", 5+n)))))
	}
	user := fmt.Sprintf("%016x", many/2)
	if len(in.GoldRows("")) != many {
		t.Fatalf("gold has not %d users", many)
	}

	before, holding := filesHolding(in, user)
	start, used := time.Now(), laketest.ProcessorTime(t)
	_, tables := forgetting.Forget(in, user)
	used, took := laketest.ProcessorTime(t)-used, time.Since(start)
	after, _ := filesHolding(in, user)
	for _, erased := range tables {
		was, is := before[erased.Table], after[erased.Table]
		gone, came := 0, int64(0)
		for path := range was {
			if _, stays := is[path]; !stays {
				gone++
				if !holding[path] {
					t.Errorf("%s does not hold the user, and changed", path)
				}
			}
		}
		for path, size := range is {
			if _, old := was[path]; !old {
				came += size
			}
		}
		if erased.Files != int64(gone) {
			t.Errorf("%s: %d files changed, and %d are told", erased.Table, gone, erased.Files)
		}
		all := int64(0)
		for _, size := range was {
			all += size
		}
		if measured {
			t.Logf("%s: %d of %d files, %d of %d bytes written anew", erased.Table, gone, len(was), came, all)
		}
		// A file an hour of bronze, and a bucket a version of gold.
		if (erased.Table == lake.BronzeEvents.Name || erased.Table == lake.GoldUsers.Name) &&
			(gone != hours || came > all/4) {
			t.Errorf("%s: %d of %d files, %d of %d bytes written anew", erased.Table, gone, len(was), came, all)
		}
	}
	if rows := in.GoldRows(""); len(rows) != many-1 || rows[user] != "" {
		t.Errorf("%d users are left", len(rows))
	}
	if measured {
		t.Logf("%d users, %d hours: erased and proven in %v, %v of processor time", many, hours,
			took.Round(time.Millisecond), used.Round(time.Millisecond))
	}
}

// putUsers writes an hour in which each of many users is seen once, with another version than in the hour before.
func putUsers(in *laketest.Ingester, hour telemetry.Hour, users, files, n int) {
	in.TB.Helper()
	for file := range files {
		path := in.Path(fmt.Sprintf("27T%02d/%d.tsv", hour.OfDay(), file))
		in.Must(os.MkdirAll(filepath.Dir(path), 0o755))
		f, err := os.Create(path)
		in.Must(err)
		out := bufio.NewWriterSize(f, 1<<20)
		for user := file; user < users; user += files {
			at := hour.Start().Add(time.Duration(user%3600000) * time.Millisecond)
			fmt.Fprintf(out, "Telemetry\t%s\tApp\tS%d-%d\t1\t{'Name': 'SoftwareVersion', 'Version': '1.%d.%d', "+
				"'Device': 'PC', 'UserId': '%016x'}\n",
				at.Format("2006-01-02T15:04:05.000Z"), hour, user, n, user%17, user)
		}
		in.Must(out.Flush())
		in.Must(f.Close())
	}
}

// filesHolding are the data files of all versions of all tables with their sizes, and which of them hold a user:
// found by opening each, and looking at every text.
func filesHolding(in *laketest.Ingester, user string) (files map[string]map[string]int64, holding map[string]bool) {
	in.TB.Helper()
	files, holding = map[string]map[string]int64{}, map[string]bool{}
	wanted := &forget.Needles{Long: map[string]bool{}, Short: map[string]bool{}}
	wanted.Add(user)
	for _, definition := range lake.UserTables {
		loaded, err := in.Lake.Load(in.TB.Context(), definition)
		in.Must(err)
		files[definition.Name] = map[string]int64{}
		if loaded.CurrentSnapshot() == nil {
			continue
		}
		history, err := forget.ReadHistory(in.TB.Context(), in.Lake, loaded)
		in.Must(err)
		for _, path := range slices.Sorted(maps.Keys(history.Live)) {
			file := history.Live[path]
			files[definition.Name][path] = file.FileSizeBytes()
			where, err := forget.FindIn(in.TB.Context(), in.Lake,
				forget.LooseFile{Path: path, Size: file.FileSizeBytes()}, wanted)
			in.Must(err)
			holding[path] = strings.TrimSpace(where) != ""
		}
	}
	return files, holding
}
