package sessions_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

const day = 86_400_000_000 // µs

// TestAlong: whichever files are read along, and whether they are in order, a join hands out what it does where all
// rows went through the spill, and tells the same of them beforehand.
func TestAlong(t *testing.T) {
	root := t.TempDir()
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + root + "/catalog.db", Warehouse: "file://" + root + "/warehouse"})
	require.NoError(t, err)
	defer l.Close()
	large, bytes, least, most := objects.LargeSection, objects.SortBytes, sessions.LeastAlong, sessions.MostAlong
	defer func() {
		objects.LargeSection, objects.SortBytes, sessions.LeastAlong, sessions.MostAlong = large, bytes, least, most
	}()
	objects.SortBytes = 300
	files, alongs := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		objects.LargeSection = rapid.SampledFrom([]int64{0, 1000, large}).Draw(t, "large section")
		sessions.LeastAlong = rapid.Int64Range(0, 3).Draw(t, "least")
		sessions.MostAlong = rapid.IntRange(0, 4).Draw(t, "most")
		w := &world{T: t, lake: l}
		for range rapid.IntRange(1, 5).Draw(t, "hours") {
			files++
			w.hour(telemetry.Hour(400_000+files%20), fmt.Sprintf("file-%d", files))
		}
		spilled, told, _ := w.join(false)
		read, before, along := w.join(true)
		require.Equal(t, spilled, read)
		require.Equal(t, told, before)
		alongs += along
	})
	require.Greater(t, alongs, files/4, "some are read along")
	require.Less(t, alongs, files*2-files/4, "others are not")
}

// world is some hours of silver.sightings and silver.bindings.
type world struct {
	*rapid.T
	lake                *lake.Lake
	sightings, bindings []iceberg.DataFile
}

// hour adds an hour of few sessions, whose rows are in order, mostly.
func (w *world) hour(hour telemetry.Hour, file string) {
	var sightings []lake.SightingRow
	var bindings []lake.BindingRow
	for line := range rapid.Int64Range(1, 12).Draw(w.T, "lines") {
		session := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", ""}).Draw(w.T, "session")
		key, time := int64(xxhash.Sum64String(session)), rapid.Int64Range(0, 3).Draw(w.T, "day")*day+line
		name := rapid.SampledFrom([]string{"", "one", "two"})
		if session == "" || rapid.Bool().Draw(w.T, "sighting") {
			sightings = append(sightings, lake.SightingRow{SessionKey: key, SessionID: session,
				UserID: name.Draw(w.T, "user"), ServiceName: "s", Device: name.Draw(w.T, "device"), Version: "1.2",
				Time: time, FileName: file, LineNumber: line, IngestDate: hour.Date(), IngestHourOfDay: hour.OfDay()})
			continue
		}
		kind := rapid.SampledFrom([]string{lake.BindingUser, lake.BindingDevice}).Draw(w.T, "kind")
		bindings = append(bindings, lake.BindingRow{SessionKey: key, SessionID: session, Kind: kind,
			Value: name.Draw(w.T, "value"), Time: time, FileName: file, LineNumber: line, IngestDate: hour.Date(),
			IngestHourOfDay: hour.OfDay()})
	}
	if rapid.IntRange(0, 4).Draw(w.T, "order") > 0 {
		slices.SortStableFunc(sightings, func(a, b lake.SightingRow) int {
			return cmp.Compare(a.SessionKey, b.SessionKey)
		})
		slices.SortStableFunc(bindings, func(a, b lake.BindingRow) int {
			return cmp.Compare(a.SessionKey, b.SessionKey)
		})
	}
	w.sightings = append(w.sightings, written(w, lake.SilverSightings, hour, file, sightings)...)
	w.bindings = append(w.bindings, written(w, lake.SilverBindings, hour, file, bindings)...)
}

// written writes rows into a data file, if there are any.
func written[T any](w *world, definition lake.TableDefinition, hour telemetry.Hour, name string,
	rows []T) []iceberg.DataFile {
	writer, err := lake.NewDataWriter[T](w.lake, definition, definition.At(hour))
	require.NoError(w, err)
	require.NoError(w, writer.Append(rows, 100*len(rows)))
	file, err := writer.Close(name)
	require.NoError(w, err)
	if file == nil {
		return nil
	}
	entry, err := w.lake.Entry(*file, definition)
	require.NoError(w, err)
	return []iceberg.DataFile{entry}
}

// join tells of each sighting whose it is, and of each row what was told of it beforehand, in an order of their own.
func (w *world) join(read bool) (found, told []string, along int) {
	ctx := w.Context()
	join, err := sessions.NewJoin(w.lake, sessions.JoinSections)
	require.NoError(w, err)
	defer join.Close()
	var mutex sync.Mutex
	note := func(row *sessions.SessionRow) {
		mutex.Lock()
		defer mutex.Unlock()
		text := fmt.Sprintf("%d %t %d", row.Key, row.Kind == 's', row.Time)
		if row.Kind == 's' {
			text += " " + row.User + " " + row.Device
		}
		told = append(told, text)
	}
	reader := sessions.Reader{Lake: w.lake}
	for _, table := range [...]struct {
		lake.TableDefinition
		files []iceberg.DataFile
		read  func(files []iceberg.DataFile, each func(sessions.SessionRow) error) error
	}{
		{lake.SilverSightings, w.sightings, func(files []iceberg.DataFile, each func(sessions.SessionRow) error) error {
			return reader.Sightings(ctx, files, sessions.RowAdded, each)
		}},
		{lake.SilverBindings, w.bindings, func(files []iceberg.DataFile, each func(sessions.SessionRow) error) error {
			return reader.Bindings(ctx, files, sessions.RowAdded, each)
		}},
	} {
		others := table.files
		if read {
			others, err = join.Along(ctx, table.TableDefinition, table.files, note)
			require.NoError(w, err)
		}
		along += len(table.files) - len(others)
		require.NoError(w, table.read(others, func(row sessions.SessionRow) error {
			note(&row)
			return join.Add(row)
		}))
	}
	require.NoError(w, join.Sightings(ctx, func(session *sessions.Session, row *sessions.SessionRow) error {
		user, sighting := session.After.Resolve(row)
		mutex.Lock()
		defer mutex.Unlock()
		found = append(found, fmt.Sprintf("%q %q %+v", row.Session, user, sighting))
		return nil
	}))
	slices.Sort(found)
	slices.Sort(told)
	return found, slices.Compact(told), along
}
