package cost_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/cost"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
)

// TestWeigh ingests hours, one of them twice, and holds the sums against the files on disk.
func TestWeigh(t *testing.T) {
	o := generate.Defaults()
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = 2, 20, 200, 1
	source := t.TempDir()
	_, err := generate.Write(t.Context(), source, o)
	require.NoError(t, err)
	in := laketest.NewIngester(t, laketest.NewLake(t), source)
	in.Ingest(o.From)
	in.Ingest(o.From + 1)
	before, err := cost.Weigh(t.Context(), in.Lake)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(source))
	o.Seed++ // other files in the same hours: the rows before stay in older snapshots alone
	_, err = generate.Write(t.Context(), source, o)
	require.NoError(t, err)
	in.Ingest(o.From + 1)
	w, err := cost.Weigh(t.Context(), in.Lake)
	require.NoError(t, err)
	require.Equal(t, int64(2), w.Hours)

	var held int64
	require.NoError(t, in.Lake.Objects.Walk(t.Context(), in.Lake.Objects.Root, func(_ string, size int64) error {
		held += size
		return nil
	}))
	require.Equal(t, held, w.Held())
	tables := map[string]cost.Table{}
	for _, table := range w.Tables {
		tables[table.Name] = table
		require.LessOrEqual(t, table.Live.Bytes, table.Named.Bytes, table.Name)
		require.LessOrEqual(t, table.Named.Bytes, table.Held.Bytes, table.Name)
	}
	sightings := tables[lake.SilverSightings.Name]
	require.Equal(t, int64(2), sightings.Live.Objects)
	require.Greater(t, sightings.Named.Objects, sightings.Live.Objects, "those of the first run")
	require.Equal(t, sightings.Live.Bytes*12, sightings.DayBytes, "two hours are a twelfth of a day")
	require.Equal(t, ledger.LayerBronze, tables[lake.BronzeRejects.Name].KeptFor)
	require.Equal(t, ledger.LayerEvents, tables[lake.GoldEvents.Name].KeptFor)
	require.Empty(t, sightings.KeptFor)
	require.Greater(t, w.Held(), before.Held())
}

// TestForecast: what a day adds stays as long as it is kept.
func TestForecast(t *testing.T) {
	const day = 24 * time.Hour
	size := func(bytes int64) cost.Size { return cost.Size{Objects: 1, Bytes: bytes} }
	w := &cost.Weight{Other: size(1), Tables: []cost.Table{
		{Name: "bronze.events", KeptFor: ledger.LayerBronze, Live: size(1000), Held: size(1300), DayBytes: 100},
		{Name: "silver.events", KeptFor: ledger.LayerEvents, Live: size(500), Held: size(500), DayBytes: 50},
		{Name: "gold.users", Live: size(70), Held: size(70), DayBytes: 7},
	}}
	require.Equal(t, int64(1871), w.Held())
	require.Equal(t, w.Held(), w.In(0, cost.Keep{}))
	require.Equal(t, int64(1871+10*157), w.In(10*day, cost.Keep{}))
	require.Equal(t, int64(1+300+5*100+500+10*50+70+70), w.In(10*day, cost.Keep{Bronze: 5 * day}))
	require.Equal(t, int64(1+300+5*100+3*50+70+70), w.In(10*day, cost.Keep{Bronze: 5 * day, Events: 3 * day}))
	require.Equal(t, int64(1+300+2000+1000+140), w.In(10*day, cost.Keep{Bronze: 500 * day}))
}

// TestPrices reads the example, and refuses what lacks a price: a quiet zero would be an answer.
func TestPrices(t *testing.T) {
	example, err := os.ReadFile("../../deploy/prices/aws-s3.json")
	require.NoError(t, err)
	p, err := cost.ReadPrices(strings.NewReader(string(example)))
	require.NoError(t, err)
	require.InDelta(t, 23.0, p.Storage(1000<<30), 1e-9)
	use := cost.Use{CPUSeconds: 3600, Requests: map[string]float64{"write": 1000, "read": 10_000}}
	require.InDelta(t, 730*(0.04048+0.005+0.004), p.Work(use), 1e-9)
	for _, change := range [][2]string{
		{`"read": 0.0004, `, ``}, {`"cpu_hour"`, `"cpu"`}, {`"as_of": "2025-01-01",`, ``}, {`0.023`, `-1`},
		{`"delete": 0`, `"delete": 0, "copy": 1`},
	} {
		changed := strings.Replace(string(example), change[0], change[1], 1)
		require.NotEqual(t, string(example), changed)
		_, err := cost.ReadPrices(strings.NewReader(changed))
		require.Error(t, err, change)
	}
}

// TestScrape adds up workers, and divides by their hours.
func TestScrape(t *testing.T) {
	serve := func(text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(text))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	one := serve(`# HELP versionlake_hours_total runs
versionlake_hours_total{state="complete"} 3
versionlake_hours_total{state="degraded"} 1
versionlake_store_requests_total{kind="write"} 40
versionlake_store_requests_total{kind="read"} 1e+03
process_cpu_time_seconds_total{cpu_mode="user"} 6
process_cpu_time_seconds_total{cpu_mode="system"} 2
`)
	other := serve("process_cpu_time_seconds_total{cpu_mode=\"user\"} 4\n")
	use, err := cost.Scrape(t.Context(), []string{one, other})
	require.NoError(t, err)
	require.Equal(t, &cost.Use{Hours: 4, CPUSeconds: 3, Requests: map[string]float64{"write": 10, "read": 250}}, use)
	_, err = cost.Scrape(t.Context(), []string{other})
	require.ErrorContains(t, err, "no hour")
	_, err = cost.Scrape(t.Context(), []string{one, serve("up 1\n")})
	require.ErrorContains(t, err, "--metrics-addr")
}
