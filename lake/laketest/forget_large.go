package laketest

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/telemetry"
)

// PutUsers writes an hour in which each of many users is seen once, with another version than in the hour before.
func (in *Ingester) PutUsers(hour telemetry.Hour, users, files, n int) {
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

// FilesHolding are the data files of all versions of all tables with their sizes, and which of them hold a user:
// found by opening each, and looking at every text.
func (in *Ingester) FilesHolding(user string) (files map[string]map[string]int64, holding map[string]bool) {
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
