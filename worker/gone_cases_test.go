package worker_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// The case of three hours of two users: kim runs 1.05, 1.06 and 1.07, lee 2.00.
var goneCase = map[string]string{
	"05/a.tsv": "S5 kim 1.05 05:10", "06/a.tsv": "S6 kim 1.06 06:10", "06/b.tsv": "S7 lee 2.00 06:20",
	"07/a.tsv": "S8 kim 1.07 07:10",
}

const goneDay = "2022/05/27/"

func caseLine(short string) string {
	f := strings.Fields(short)
	return fmt.Sprintf("Telemetry\t2022-05-27T%s:00Z\tApp\t%s\t1\t{'Name': 'SoftwareVersion', 'Version': '%s', "+
		"'UserId': '%s'}\n", f[3], f[0], f[2], f[1])
}

func torn(text string) string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(text)) // into memory
	_ = w.Close()
	return packed.String()[:packed.Len()-6]
}

// goneSource is a source that a case changes.
type goneSource struct {
	changeable
	location string
	refuse   func(key string) // makes a file unreadable
}

func (l *local) goneFolder(t *testing.T) goneSource {
	l.dir = t.TempDir()
	files := l.changeableFolder(t)
	return goneSource{changeable: files, location: l.dir, refuse: func(key string) {
		files.remove(key)
		require.NoError(t, os.Symlink("nowhere.tsv", filepath.Join(l.dir, filepath.FromSlash(key))))
	}}
}

func (l *local) goneBucket(t *testing.T) goneSource {
	files := l.changeableBucket(t)
	server := testserver.S3Server{Endpoint: os.Getenv("AWS_ENDPOINT_URL_S3")}
	return goneSource{changeable: files, location: l.source.String(), refuse: func(key string) {
		behind := server.Behind(t, func(r *http.Request) testserver.Fault {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, key) {
				return testserver.Archived
			}
			return testserver.NoFault
		})
		t.Setenv("AWS_ENDPOINT_URL_S3", behind.Endpoint)
	}}
}

// TestGoneCases: what becomes of the source of the case, what is run then, and what kim and lee must have.
func TestGoneCases(t *testing.T) {
	whole := [2]string{"1.05 1.06 1.07", "2.00"}
	for _, test := range []struct {
		name   string
		change func(s goneSource) (location string)
		run    string
		want   [2]string
		fails  string
	}{
		{"folders removed", func(s goneSource) string {
			for _, key := range []string{"05/a.tsv", "06/a.tsv", "06/b.tsv"} {
				s.remove(goneDay + key)
			}
			return s.location
		}, "reconcile reprocess", whole, ""},
		{"an empty source", func(s goneSource) string {
			for key := range goneCase {
				s.remove(goneDay + key)
			}
			if !strings.HasPrefix(s.location, "s3:") { // where folders go with their last file
				require.NoError(t, os.RemoveAll(filepath.Join(s.location, "2022")))
			}
			return s.location
		}, "reconcile", whole, "Nothing was changed"},
		{"one level too high", func(s goneSource) string { return s.location[:strings.LastIndexByte(s.location, '/')] },
			"reprocess", whole, "Nothing was changed"},
		{"one level too low", func(s goneSource) string { return s.location + "/2022" }, "reprocess ingest",
			whole, "Nothing was changed"},
		{"unreadable", func(s goneSource) string { s.refuse(goneDay + "06/a.tsv"); return s.location },
			"reprocess reconcile reprocess", whole, ""},
		{"of no bytes", func(s goneSource) string { s.write(goneDay+"06/a.tsv", ""); return s.location },
			"reprocess reprocess", whole, ""},
		{"torn", func(s goneSource) string {
			s.write(goneDay+"06/a.tsv", torn(caseLine(goneCase["06/a.tsv"])))
			return s.location
		}, "reprocess reconcile", whole, ""},
		{"one file of two, and a line more", func(s goneSource) string {
			s.remove(goneDay + "06/a.tsv")
			s.write(goneDay+"06/b.tsv", caseLine(goneCase["06/b.tsv"])+caseLine("S7 lee 2.01 06:30"))
			return s.location
		}, "ingest", [2]string{whole[0], "2.00 2.01"}, ""},
		{"merged into one file of another name", func(s goneSource) string {
			s.remove(goneDay + "06/a.tsv")
			s.remove(goneDay + "06/b.tsv")
			s.write(goneDay+"06/all.tsv", caseLine(goneCase["06/b.tsv"])+caseLine(goneCase["06/a.tsv"]))
			return s.location
		}, "reconcile reprocess", whole, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := startLocal(t)
			for name, open := range map[string]func(*local, *testing.T) goneSource{"folder": (*local).goneFolder,
				"S3": (*local).goneBucket} {
				t.Run(name, func(t *testing.T) {
					l.goneCase(t, open(l, t), test.change, test.run, test.want, test.fails)
				})
			}
		})
	}
}

func (l *local) goneCase(t *testing.T, s goneSource, change func(goneSource) string, runs string, want [2]string,
	fails string) {
	root := t.TempDir()
	var err error
	l.lake, err = lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + root + "/catalog.db", Warehouse: "file://" + root + "/warehouse"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.lake.Close()) })
	for key, short := range goneCase {
		s.write(goneDay+key, caseLine(short))
	}
	work := func(location string) (stop func()) {
		l.source, err = source.Open(t.Context(), location)
		require.NoError(t, err)
		w := worker.New(l.client, worker.Options{Source: l.source, Lake: l.lake, Parsing: telemetry.Options{}})
		require.NoError(t, w.Start())
		return w.Stop
	}
	from, to := hour(t, "2022-05-27T00"), hour(t, "2022-05-28T00")
	stop := work(s.location)
	_, err = l.reprocess(t.Context(), "range", from, to)
	stop()
	require.NoError(t, err)
	users := l.users(t)
	stop = work(change(s))
	defer func() { stop() }()
	for _, run := range strings.Fields(runs) {
		switch run {
		case "reconcile":
			_, err = reconcileRange(t, l, from, to, false)
		case "reprocess":
			_, err = l.reprocess(t.Context(), "range", from, to)
		case "ingest":
			err = l.start(t.Context(), "hour", ingest.IngestHour,
				ingest.HourInput{Hour: "2022-05-27T06"}).Get(t.Context(), nil)
		}
		if fails != "" {
			require.ErrorContains(t, err, fails)
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, strings.Fields(want[0]), l.history(t.Context(), "kim"))
		require.Equal(t, strings.Fields(want[1]), l.history(t.Context(), "lee"))
		if want[1] == "2.00" {
			require.Equal(t, users, l.users(t), "also what is known of sightings")
		}
		l.verify(t)
	}
}
