// Package engines_test reads a lake with other engines, by the programs that docs/ENGINES.md prints.
package engines_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/testserver"
)

// The texts of the page that stand for a lake, and for the tag that its programs ask about.
const (
	docLake = "/data/lake"
	docTag  = "hour-2022-05-28T23"
)

// lateTag is of the hour that changed what is known of the past.
const lateTag = "hour-2022-05-29T00"

// interval is a row of a flat history. Moments are microseconds since 1970.
type interval struct {
	User        string  `json:"user_id"`
	Service     string  `json:"service"`
	Device      *string `json:"device"`
	Version     string  `json:"version"`
	ValidFrom   int64   `json:"valid_from"`
	ValidTo     *int64  `json:"valid_to"`
	LastSeenAt  int64   `json:"last_seen_at"`
	Sightings   int64   `json:"sightings"`
	IsDowngrade *bool   `json:"is_downgrade"`
}

// site is a lake of the demo's world, as far as its last hours tell of it.
type site struct {
	dir     string
	flags   []string // with which the command finds it
	env     string   // … and a variable
	program string   // the command
}

// newSite fills a lake with the demo's hours from first on, and the late file after them.
func newSite(t *testing.T, config lake.Config, first int) *site {
	t.Helper()
	s := &site{program: filepath.Join(t.TempDir(), "versionlake")}
	catalog, env := testserver.Catalog(t, config.Catalog)
	s.flags, s.env = []string{"--catalog", catalog, "--warehouse", config.Warehouse}, env
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program,
		"../cmd/versionlake").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	world := generate.Demo()
	world.LinesPerHour = 300
	folder := t.TempDir()
	_, err := generate.Write(t.Context(), folder, world)
	require.NoError(t, err)
	_, err = generate.DemoLate(t.Context(), folder)
	require.NoError(t, err)
	l, err := lake.Open(t.Context(), config)
	require.NoError(t, err)
	defer l.Close()
	in := laketest.NewIngester(t, l, folder)
	for _, hour := range in.Hours() {
		if int(hour-world.From) >= first {
			in.Ingest(hour)
		}
	}
	return s
}

// localSite is a site in a folder.
func localSite(t *testing.T, first int) *site {
	t.Helper()
	dir := t.TempDir()
	s := newSite(t, lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"},
		first)
	s.dir = dir
	return s
}

// history is what `versionlake history --all` says, in order.
func (s *site) history(t *testing.T, tag string) (flat []interval) {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.program,
		append([]string{"history", "--all", "--as-of", tag, "--output", "json"}, s.flags...)...)
	command.Stderr, command.Env = os.Stderr, append(os.Environ(), s.env)
	out, err := command.Output()
	require.NoError(t, err)
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for decoder.More() {
		var user struct {
			ID      string `json:"user_id"`
			History []struct {
				Service, Device, Version string
				ValidFrom                time.Time  `json:"valid_from"`
				ValidTo                  *time.Time `json:"valid_to"`
				LastSeenAt               time.Time  `json:"last_seen_at"`
				Sightings                int64
				IsDowngrade              *bool `json:"is_downgrade"`
			}
		}
		require.NoError(t, decoder.Decode(&user))
		for _, i := range user.History {
			row := interval{User: user.ID, Service: i.Service, Version: i.Version, ValidFrom: i.ValidFrom.UnixMicro(),
				LastSeenAt: i.LastSeenAt.UnixMicro(), Sightings: i.Sightings, IsDowngrade: i.IsDowngrade}
			if i.Device != "" {
				row.Device = &i.Device
			}
			if i.ValidTo != nil {
				to := i.ValidTo.UnixMicro()
				row.ValidTo = &to
			}
			flat = append(flat, row)
		}
	}
	sortRows(t, flat)
	return flat
}

// sortRows brings rows into the order of what they print.
func sortRows[T any](t *testing.T, rows []T) {
	t.Helper()
	type printed struct {
		text string
		row  T
	}
	list := make([]printed, len(rows))
	for i, row := range rows {
		written, err := json.Marshal(row)
		require.NoError(t, err)
		list[i] = printed{string(written), row}
	}
	slices.SortFunc(list, func(a, b printed) int { return strings.Compare(a.text, b.text) })
	for i := range list {
		rows[i] = list[i].row
	}
}

var programBlock = regexp.MustCompile("(?s)\n```python\n(.*?)\n```\n")

// programs are those of a section of the page, in order.
func programs(t *testing.T, section string) (found []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/ENGINES.md")
	require.NoError(t, err)
	_, after, there := strings.Cut(string(page), "\n## "+section+"\n")
	require.True(t, there, "docs/ENGINES.md has no section %s", section)
	text, _, _ := strings.Cut(after, "\n## ")
	for _, block := range programBlock.FindAllStringSubmatch(text, -1) {
		found = append(found, block[1])
	}
	return found
}

// job is what testdata/run.py is told; it says there what the fields are.
type job struct {
	Path     []string `json:"path"`
	Programs []string `json:"programs"`
	Moments  [][2]any `json:"moments"`
	Result   string   `json:"result"`
	Times    int      `json:"times"`
	Output   string   `json:"output"`
}

type found[T any] struct {
	Rows    []T     `json:"rows"`
	Seconds float64 `json:"seconds"`
	Busy    float64 `json:"busy"` // seconds of processors: on a busy machine, what the clock says is of others
}

// run lets a new Python run programs, and reads what they found, in order.
func run[T any](t *testing.T, j job, env ...string) []found[T] {
	t.Helper()
	j.Output = filepath.Join(t.TempDir(), "found.json")
	j.Path = append(j.Path, filepath.Join(testserver.Engines(t), "python"))
	input, err := json.Marshal(j)
	require.NoError(t, err)
	script, err := filepath.Abs("testdata/run.py")
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), testserver.Python(t), script)
	command.Dir = t.TempDir() // engines leave folders behind
	command.Env = append(os.Environ(), env...)
	command.Stdin = strings.NewReader(string(input))
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(j.Output)
	require.NoError(t, err)
	var answers []found[T]
	require.NoError(t, json.Unmarshal(text, &answers))
	require.Len(t, answers, len(j.Programs))
	for _, answer := range answers {
		sortRows(t, answer.Rows)
	}
	return answers
}
