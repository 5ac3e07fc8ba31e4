package events_test

import (
	"testing"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/telemetry"
)

// TestEventsOfLargeHours: of hours that are large, columns are taken over packed; what sessions tell across hours, and
// late, changes rows of earlier hours and of a day's file, whose other columns are taken over again.
func TestEventsOfLargeHours(t *testing.T) {
	o := generate.Defaults()
	o.From, _ = telemetry.ParseHour("2022-05-27T20")
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour, o.Daily, o.EmptyHours = 7, 2_000, 16_000, 2, 0, 0
	o.Late, o.Shared, o.Ended = 0.1, 0.05, 0.05
	folder := t.TempDir()
	if _, err := generate.Write(t.Context(), folder, o); err != nil {
		t.Fatal(err)
	}
	in := laketest.NewIngester(t, laketest.NewLake(t), "file://"+folder)
	again := int64(0)
	for hour := range o.Hours {
		in.Ingest(o.From + telemetry.Hour(hour))
		if hour == 1 || hour == 2 {
			continue // several hours come together
		}
		again += upkeep.Events(in).Resolved
		if hour == 5 {
			upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1}) // puts the first day together
		}
	}
	if again == 0 {
		t.Error("nothing was resolved again")
	}
	checks.Verify(t, in.Lake)
	packed := 0
	for _, file := range laketest.FilesNow(t, in.Lake, lake.GoldEvents) {
		opened, closeFile, err := in.Lake.OpenParquet(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = closeFile() }()
		if group := opened.Metadata().RowGroups[0]; group.NumRows >= 4096 && group.Columns[0].OffsetIndexOffset == 0 {
			packed++
		}
	}
	if packed < 3 {
		t.Errorf("%d files were taken over packed", packed)
	}
}
