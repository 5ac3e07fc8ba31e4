package gold_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/telemetry"
)

func TestSeedExample(t *testing.T) {
	in := laketest.NewIngester(t, laketest.NewLake(t), laketest.Shared(t, laketest.SeedExample))
	hours := in.Hours()
	if len(hours) != 1 || hours[0].String() != "2021-12-24T11" {
		t.Fatalf("hours = %v", hours)
	}
	commit := in.Ingest(hours[0])
	if !slices.Equal(commit.Tags, []string{"hour-2021-12-24T11"}) {
		t.Errorf("tags = %v", commit.Tags)
	}
	now, err := gold.FindVersion(t.Context(), in.Lake, "")
	in.Must(err)
	user, found, err := gold.User(t.Context(), in.Lake, now, "session:28E93968461E0CF4CBB8429D25B213A0")
	in.Must(err)
	since := time.Date(2021, 12, 24, 11, 31, 19, 459e6, time.UTC).UnixMicro()
	want := []history.Interval{{
		Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.03", ValidFrom: since, Open: true,
		LastSeenAt: since, Sightings: 1,
	}}
	if !found || !slices.Equal(user.History, want) {
		t.Errorf("user = %+v, %v", user, found)
	}
}

func TestOrderOfHoursDoesNotMatter(t *testing.T) {
	location := laketest.Shared(t, laketest.RealTelemetry)
	for _, variant := range []struct {
		name  string
		order func([]telemetry.Hour)
		chunk int64
		every int // hours to a round of gold
	}{
		{"backwards", slices.Reverse[[]telemetry.Hour], 1 << 20, 5},
		{"shuffled", shuffler(7), 2 << 10, 13},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			in := laketest.NewIngester(t, laketest.NewLake(t), location)
			in.ChunkSize = variant.chunk
			hours := in.Hours()
			variant.order(hours)
			for i, hour := range hours {
				run, _ := in.Silver(hour)
				if i%variant.every == variant.every-1 || i == len(hours)-1 {
					in.Gold(run)
				}
			}
			if got, want := laketest.Users(t, in.Lake, ""), checks.NaiveSource(t, in); got != want ||
				len(got) < 1000 {
				t.Errorf("%d bytes of users differ from the %d that the source says", len(got), len(want))
			}
		})
	}
}

func shuffler(seed uint64) func([]telemetry.Hour) {
	return func(hours []telemetry.Hour) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(hours), func(i, j int) { hours[i], hours[j] = hours[j], hours[i] })
	}
}
