package engines_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/testserver"
)

// TestEngines runs each program of the page as of two tags.
func TestEngines(t *testing.T) {
	if testing.Short() {
		t.Skip("Spark and the others take minutes to start")
	}
	s := localSite(t, 30)
	want := map[string][]interval{docTag: s.history(t, docTag), lateTag: s.history(t, lateTag)}
	require.Greater(t, len(want[docTag]), 200)
	require.NotEqual(t, want[docTag], want[lateTag])
	s.leaveLostMetadata(t)

	begin := programs(t, "Finding the table")[0]
	engines := testserver.Engines(t)
	for _, engine := range []struct {
		name, begin string
		program     int
		path        []string
		env         []string
	}{
		{name: "PyIceberg", begin: begin},
		{name: "DuckDB", begin: begin},
		{name: "DuckDB", begin: begin, program: 1, path: []string{filepath.Join(engines, "duckdb")},
			env: duckExtensions(t)},
		{name: "Polars", begin: begin},
		{name: "pandas", begin: begin},
		{name: "Daft", begin: begin},
		{name: "ClickHouse", begin: begin},
		{name: "Spark", env: sparkEnv()},
	} {
		t.Run(fmt.Sprint(engine.name, engine.program), func(t *testing.T) {
			started := time.Now()
			program := engine.begin + "\n" + programs(t, engine.name)[engine.program]
			var texts []string
			for _, tag := range []string{docTag, lateTag} {
				texts = append(texts, s.placed(t, program, tag))
			}
			answers := run[interval](t, job{Path: engine.path, Programs: texts, Result: "history", Times: 1},
				engine.env...)
			require.Equal(t, want[docTag], answers[0].Rows, docTag)
			require.Equal(t, want[lateTag], answers[1].Rows, lateTag)
			t.Logf("%s: %.1f s and %.1f s, %.0f s in all", engine.name, answers[0].Seconds, answers[1].Seconds,
				time.Since(started).Seconds())
		})
	}
	t.Run("as-of join", func(t *testing.T) { s.testMoments(t, begin, want[docTag]) })
	t.Run("ClickHouse guesses", func(t *testing.T) { s.testGuess(t, begin, want[docTag]) })
}

var packages = regexp.MustCompile(`"spark\.jars\.packages", "([^"]+)"`)

// placed is a program with our lake and another tag in it, and the jars that are installed instead of those that Spark
// would fetch: the same versions of them.
func (s *site) placed(t *testing.T, program, tag string) string {
	t.Helper()
	require.Contains(t, program, docLake)
	require.Contains(t, program, docTag)
	program = strings.NewReplacer(docLake, s.dir, docTag, tag).Replace(program)
	return packages.ReplaceAllStringFunc(program, func(setting string) string {
		var jars []string
		for coordinates := range strings.SplitSeq(packages.FindStringSubmatch(setting)[1], ",") {
			parts := strings.Split(coordinates, ":")
			jar := filepath.Join(testserver.Engines(t), "jars", parts[1]+"-"+parts[2]+".jar")
			require.FileExists(t, jar)
			jars = append(jars, jar)
		}
		return `"spark.jars", "` + strings.Join(jars, ",") + `"`
	})
}

// duckExtensions is a home in which DuckDB finds its extensions, so that INSTALL has nothing to fetch.
func duckExtensions(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	files, err := filepath.Glob(filepath.Join(testserver.Engines(t), "duckdb", "duckdb_extension_*", "extensions", "*",
		"*.duckdb_extension"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		folder := filepath.Join(home, ".duckdb", "extensions", filepath.Base(filepath.Dir(file)),
			runtime.GOOS+"_"+runtime.GOARCH)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.Symlink(file, filepath.Join(folder, filepath.Base(file))))
	}
	return []string{"HOME=" + home}
}

func sparkEnv() []string {
	return []string{"SPARK_LOCAL_IP=127.0.0.1",
		"PYSPARK_SUBMIT_ARGS=--master local[1] --conf spark.ui.enabled=false pyspark-shell"}
}

// leaveLostMetadata puts an old metadata file under a high number into gold.users, as a writer does that lost a race.
func (s *site) leaveLostMetadata(t *testing.T) {
	t.Helper()
	folder := filepath.Join(s.dir, "warehouse", "gold", "users", "metadata")
	files, err := filepath.Glob(filepath.Join(folder, "*.metadata.json"))
	require.NoError(t, err)
	slices.Sort(files)
	old, err := os.ReadFile(files[len(files)/2])
	require.NoError(t, err)
	lost := "99999-00000000-0000-4000-8000-000000000000.metadata.json"
	require.NoError(t, os.WriteFile(filepath.Join(folder, lost), old, 0o644))
}

// testGuess holds the warning of the page: without the name of the metadata file, ClickHouse reads the lost one.
func (s *site) testGuess(t *testing.T, begin string, want []interval) {
	program := programs(t, "ClickHouse")[0]
	guessing := strings.NewReplacer(", SETTINGS iceberg_metadata_file_path = '{metadata}'", "",
		"SETTINGS iceberg_snapshot_id = {snapshot_id}", "").Replace(program)
	require.NotContains(t, guessing, "SETTINGS")
	answers := run[interval](t, job{Programs: []string{s.placed(t, begin+"\n"+guessing, lateTag)}, Result: "history",
		Times: 1})
	require.NotEmpty(t, answers[0].Rows)
	require.Less(t, len(answers[0].Rows), len(want), "the page says that ClickHouse reads what was never committed")
}

// moment is a row of the as-of join.
type moment struct {
	User      string  `json:"user_id"`
	At        int64   `json:"at"`
	Service   string  `json:"service"`
	Device    *string `json:"device"`
	Version   string  `json:"version"`
	ValidFrom int64   `json:"valid_from"`
}

const moments = 100_000

// testMoments joins moments of known users and of strangers, among them those at which a version changes.
func (s *site) testMoments(t *testing.T, begin string, flat []interval) {
	random := rand.New(rand.NewPCG(13, 6))
	byUser := map[string][]interval{}
	for _, i := range flat {
		byUser[i.User] = append(byUser[i.User], i)
	}
	var asked [][2]any
	var want []moment
	for range moments {
		some := flat[random.IntN(len(flat))]
		at := some.ValidFrom + []int64{0, -1, 1, random.Int64N(172_800_000_000) - 86_400_000_000}[random.IntN(4)]
		user := some.User
		if random.IntN(10) == 0 {
			user = "stranger"
		}
		asked = append(asked, [2]any{user, at})
		for _, i := range byUser[user] {
			if i.ValidFrom <= at && (i.ValidTo == nil || at < *i.ValidTo) {
				want = append(want, moment{user, at, i.Service, i.Device, i.Version, i.ValidFrom})
			}
		}
	}
	sortRows(t, want)
	require.Greater(t, len(want), moments/2)
	joins := programs(t, "As-of joins")
	tables, _, _ := strings.Cut(joins[0], "found = ")
	answers := run[moment](t, job{Programs: []string{s.placed(t, begin+"\n"+joins[0], docTag),
		s.placed(t, begin+"\n"+tables+joins[1], docTag)}, Moments: asked, Result: "found", Times: 5})
	for n, answer := range answers {
		require.Equal(t, want, answer.Rows)
		t.Logf("program %d: %d moments in %.2f s, of processors %.2f s, reading the table included", n+1, moments,
			answer.Seconds, answer.Busy)
		require.Less(t, answer.Busy, 1.0)
	}
}

// TestEnginesPostgresAndS3 finds the table as in production.
func TestEnginesPostgresAndS3(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postgres and an S3 server")
	}
	s3 := testserver.S3(t)
	s3.Setenv(t)
	database := testserver.Postgres(t)
	s := newSite(t, lake.Config{Catalog: database, Warehouse: "s3://" + s3.NewBucket(t) + "/lake"}, 46)
	begin := programs(t, "Finding the table")[1]
	_, address, _ := strings.Cut(database, "://")
	for _, of := range [][2]string{ // the endpoint before the region that is in it
		{"ann:PASSWORD@db.example.com:5432/catalog", address}, {"https://s3.eu-central-1.amazonaws.com", s3.Endpoint},
		{"eu-central-1", s3.Region},
	} {
		require.Contains(t, begin, of[0])
		begin = strings.ReplaceAll(begin, of[0], of[1])
	}
	var texts []string
	for _, engine := range []string{"PyIceberg", "DuckDB", "pandas"} {
		texts = append(texts, begin+"\n"+programs(t, engine)[0])
	}
	want := s.history(t, docTag)
	require.NotEmpty(t, want)
	for _, answer := range run[interval](t, job{Programs: texts, Result: "history", Times: 1}) {
		require.Equal(t, want, answer.Rows)
	}
}
