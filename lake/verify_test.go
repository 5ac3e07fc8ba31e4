package lake

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// verified runs Verify and returns the differences, a line each.
func verified(t testing.TB, l *Lake) ([]string, Verified) {
	t.Helper()
	return verifiedAs(t, l, telemetry.Options{})
}

// verifiedAs is verified of a lake whose lines are read in another way.
func verifiedAs(t testing.TB, l *Lake, parsing telemetry.Options) ([]string, Verified) {
	t.Helper()
	lines := []string{}
	checked, err := l.Verify(t.Context(), VerifyOptions{Parsing: parsing}, func(d Difference) error {
		lines = append(lines, fmt.Sprintf("%d %s %s %s %s %s: %s", d.Rule, d.Table, d.Version, d.Hour, d.File, d.User, d.Text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked.Differences != int64(len(lines)) {
		t.Errorf("%d differences are counted, and these are told: %q", checked.Differences, lines)
	}
	return lines, checked
}

// checkVerify wants no difference.
func checkVerify(t testing.TB, l *Lake) Verified {
	t.Helper()
	lines, checked := verified(t, l)
	if len(lines) > 0 {
		t.Fatalf("verify says\n%s", strings.Join(lines, "\n"))
	}
	return checked
}

// plantedWorld is a small lake in which all is well: three hours, bad lines, a torn file, a session that becomes known.
func plantedWorld(t testing.TB) *ingester {
	in := newWorld(t)
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), sighting("27T05:20", "s1", "1.1"), sighting("27T05:20", "s1", "1.1"), "broken", "",
		sighting("27T05:15", "s2", "1.0", "UserId", "p2", "Device", "D"), event("27T05:30", "s2", "Other"))
	in.put("27T06/a.tsv", login("27T06:10", "s1", "p1"), deviceInfo("27T06:10", "s1", "E"), sighting("27T06:40", "s1", "1.0"))
	in.putBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
	in.put("27T08/a.tsv", event("27T08:00", "s3", "Notification", "Target", "1.2"))
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06", "2022-05-27T07", "2022-05-27T08"} {
		in.ingest(hourAt(t, hour))
	}
	return in
}

func TestVerifyOfASoundLake(t *testing.T) {
	in := plantedWorld(t)
	checked := checkVerify(t, in.lake)
	checked.Notes = nil
	want := Verified{Hours: 4, Files: 4, Events: 9, Rejects: 1, Silver: 7, Sightings: 4, Bindings: 3, Users: 2, Versions: 2, Tags: 4}
	if fmt.Sprint(checked) != fmt.Sprint(want) {
		t.Errorf("checked %+v, want %+v", checked, want)
	}

	// What gold has not reached is no difference, and is said.
	in.put("27T08/a.tsv", sighting("27T08:00", "s3", "1.2"))
	in.silver(hourAt(t, "2022-05-27T08"))
	if checked = checkVerify(t, in.lake); len(checked.Notes) == 0 || !strings.Contains(checked.Notes[0], "gold lags") {
		t.Errorf("notes %q", checked.Notes)
	}
	// Neither is a run between its commits.
	in.put("27T09/a.tsv", sighting("27T09:00", "s3", "1.3"))
	in.commitTables(in.stage(hourAt(t, "2022-05-27T09")), bronzeEvents, silverSightings)
	if checked = checkVerify(t, in.lake); !strings.Contains(strings.Join(checked.Notes, "\n"), "2022-05-27T09 is half committed") {
		t.Errorf("notes %q", checked.Notes)
	}
	in.silver(hourAt(t, "2022-05-27T09"))
	in.gold()
	in.daily()
	checkGold(t, in)
	if checked = checkVerify(t, in.lake); len(checked.Notes) > 0 {
		t.Errorf("notes %q", checked.Notes)
	}
}

// plant rewrites the files of a table that lie in one hour (or all of gold's, for hour ""), as no run of ours does.
func plant[T any](t testing.TB, l *Lake, definition tableDefinition, hour string, alter func([]T) []T) {
	t.Helper()
	ctx := t.Context()
	err := l.commit(ctx, definition, func(loaded *table.Table) (*change, error) {
		return planted(t, l, definition, loaded, hour, alter)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func planted[T any](t testing.TB, l *Lake, definition tableDefinition, loaded *table.Table, hour string, alter func([]T) []T) (*change, error) {
	live, err := liveFiles(t.Context(), loaded)
	if err != nil {
		return nil, err
	}
	wanted := &change{summary: iceberg.Properties{}}
	if head := loaded.CurrentSnapshot(); definition.name == goldUsers.name {
		for _, key := range []string{summarySightings, summaryBindings} {
			wanted.summary[key] = head.Summary.Properties[key]
		}
	}
	done := false
	for _, file := range live {
		place := partition{folder: "planted", values: file.Partition()}
		if definition.name != goldUsers.name {
			if definition.name == opsHours.name {
				if int32(place.values[partitionFieldID].(iceberg.Date)) != hourAt(t, hour).Date() {
					continue
				}
			} else if first, last, err := definition.hoursOf(file); err != nil || hourAt(t, hour) < first || hourAt(t, hour) > last {
				continue
			}
		}
		rows, err := readRows[T](t.Context(), l, []iceberg.DataFile{file})
		if err != nil {
			return nil, err
		}
		before := marshal(t, rows)
		rows = alter(rows)
		if marshal(t, rows) == before {
			continue
		}
		done = true
		wanted.remove = append(wanted.remove, file)
		writer, err := newDataWriter[T](l, definition, place)
		if err != nil {
			return nil, err
		}
		if err := writer.write(rows, 0); err != nil {
			return nil, err
		}
		written, err := writer.close(fmt.Sprintf("planted-%d", time.Now().UnixNano()))
		if err != nil {
			return nil, err
		}
		if written != nil {
			entry, err := l.entry(*written, definition)
			if err != nil {
				return nil, err
			}
			wanted.add = append(wanted.add, entry)
		}
	}
	if !done {
		t.Fatal("nothing was planted")
	}
	return wanted, nil
}

// TestVerifyCatches plants one fault after another into a sound lake.
func TestVerifyCatches(t *testing.T) {
	micros := func(clock string) int64 {
		at, err := time.Parse("2006-01-02T15:04", "2022-05-"+clock)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMicro()
	}
	const five, six = "2022-05-27T05", "2022-05-27T06"
	user := func(id string, alter func(*userRow)) func([]userRow) []userRow {
		return func(rows []userRow) []userRow {
			for i := range rows {
				if rows[i].UserID == id {
					alter(&rows[i])
				}
			}
			return rows
		}
	}
	for _, fault := range []struct {
		name  string
		plant func(in *ingester)
		says  []string // each is part of a difference, and all differences are meant
	}{
		// Rule 4.
		{"a doubled row", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", func(rows []userRow) []userRow {
				if i := slices.IndexFunc(rows, func(r userRow) bool { return r.UserID == "p1" }); i >= 0 {
					rows = slices.Insert(rows, i, rows[i])
				}
				return rows
			})
		}, []string{"4 gold.users .* p1: the user has 2 rows"}},
		{"a row in the wrong bucket", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { r.UserID = "p1 " }))
		}, []string{"p1 : the row lies in bucket", "p1 : the user has a row in gold, and no sighting", "p1: the user has 3 sightings in silver, and no row"}},
		// Rule 1.
		{"a lost user", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", func(rows []userRow) []userRow {
				return slices.DeleteFunc(rows, func(r userRow) bool { return r.UserID == "p2" })
			})
		}, []string{"1 gold.users .* p2: the user has 1 sightings in silver, and no row in gold"}},
		{"an altered count", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { r.History[0].Sightings++ }))
		}, []string{"1 gold.users .* p1: interval 1 is .* 2 sightings and should be .* 1 sightings"}},
		{"a wrong downgrade flag", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { r.History[2].IsDowngrade = new(false) }))
		}, []string{"p1: interval 3 is .* should be .*, a downgrade"}},
		{"a wrong current version", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { r.CurrentVersion = "1.1" }))
		}, []string{"contradicts its own history: current_version is 1.1 and should be 1.0", "1 gold.users .* p1: current_version"}},
		{"a commit of another program", func(in *ingester) {
			loaded, err := in.lake.load(t.Context(), goldUsers)
			in.must(err)
			files, err := liveFiles(t.Context(), loaded)
			in.must(err)
			in.must(in.lake.tryCommit(t.Context(), loaded, &change{remove: files[:1]}))
		}, []string{"does not say which silver it reflects", "and no row in gold"}},
		// Rule 5.
		{"an overlapping interval", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { to := micros("27T06:00"); r.History[0].ValidTo = &to }))
		}, []string{"5 gold.users .* p1: interval 2, .* it overlaps the interval before it", "1 gold.users .* p1: interval 1"}},
		{"intervals out of order", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { slices.Reverse(r.History) }))
		}, []string{"5 .* not in the order", "5 .* overlaps|5 .* gap", "5 .*", "1 .*", "5 .*"}},
		{"an interval of no length", func(in *ingester) {
			plant(t, in.lake, goldUsers, "", user("p1", func(r *userRow) { r.History[0].ValidTo = &r.History[0].ValidFrom }))
		}, []string{"5 .* less than one microsecond", "5 .* there is a gap", "1 .* interval 1"}},
		// Rules 2 and 3.
		{"a missing hour in silver", func(in *ingester) {
			plant(t, in.lake, silverSightings, six, func([]sightingRow) []sightingRow { return nil })
		}, []string{"1 silver.sightings .* silver lacks its row", "2 silver.sightings .*T06 .* the ledger says 1 rows, there are 0"}},
		{"a missing hour in the ledger", func(in *ingester) {
			plant(t, in.lake, opsHours, six, func(rows []hourRow) []hourRow {
				return slices.DeleteFunc(rows, func(r hourRow) bool { return r.HourStart == micros("27T06:00") })
			})
		}, []string{"3 bronze.events  2022-05-27T06 .*does not know", "silver.events", "silver.sightings", "silver.bindings", "ops.files",
			"3 gold.users hour-2022-05-27T06 .*ledger does not know"}},
		{"an altered count in the ledger", func(in *ingester) {
			plant(t, in.lake, opsHours, five, func(rows []hourRow) []hourRow {
				if rows[0].HourStart == micros("27T05:00") {
					rows[0].Events++
				}
				return rows
			})
		}, []string{"2 ops.hours  2022-05-27T05 .* 7 lines are not 6 events|2 ops.hours .* lines are not", "the ledger says 6 events, and the rows of ops.files make 5|the ledger says"}},
		{"a state that lies", func(in *ingester) {
			plant(t, in.lake, opsHours, six, func(rows []hourRow) []hourRow {
				if rows[0].HourStart == micros("27T06:00") {
					rows[0].State = HourComplete
				}
				return rows
			})
		}, []string{"2 ops.hours .*T06 .* should be degraded"}},
		{"a file whose counts lie", func(in *ingester) {
			plant(t, in.lake, opsFiles, five, func(rows []fileRow) []fileRow { rows[0].Events--; rows[0].Blanks++; return rows })
		}, []string{"2 bronze.events .*a.tsv .*ops.files says 4 events, bronze has 5", "the ledger says 5 events", "the ledger says 1 blanks"}},
		{"an orphan row in bronze", func(in *ingester) {
			plant(t, in.lake, bronzeEvents, five, func(rows []eventRow) []eventRow {
				row := rows[0]
				row.FileName, row.EventName, row.BodyMessage = "2022/05/27/05/z.tsv", "Other", "{'Name': 'Other'}"
				return append(rows, row)
			})
		}, []string{"z.tsv : 2 events and 0 rejects of a file that ops.files does not have as read"}}, // one in each cluster
		{"a line twice and another one lost", func(in *ingester) {
			plant(t, in.lake, bronzeEvents, five, func(rows []eventRow) []eventRow {
				if len(rows) > 1 {
					rows[1] = rows[0]
				}
				return rows
			})
		}, []string{"2 bronze.events .*a.tsv:1 : the line has more than one row", "silver.events .*a.tsv:2 : .*a row too many", "silver.sightings .*a row too many",
			"silver.(events|sightings) .*a.tsv:3 : .*silver lacks its row"}}, // the repeat of the line that was lost now counts
		{"a lost reject", func(in *ingester) {
			plant(t, in.lake, bronzeRejects, five, func([]rejectRow) []rejectRow { return nil })
		}, []string{"ops.files says 1 rejects, bronze has 0"}},
		{"an altered sighting", func(in *ingester) {
			plant(t, in.lake, silverSightings, five, func(rows []sightingRow) []sightingRow {
				for i := range rows {
					if rows[i].UserID == "p2" {
						rows[i].Version = "9.9"
					}
				}
				return rows
			})
		}, []string{"1 silver.sightings .*a.tsv:6 : the row is not what follows"}},
		{"a session key that finds nobody", func(in *ingester) {
			plant(t, in.lake, silverBindings, six, func(rows []bindingRow) []bindingRow { rows[0].SessionKey++; return rows })
		}, []string{"1 silver.bindings .* session_key"}},
		{"a repeat that was kept", func(in *ingester) {
			plant(t, in.lake, silverEvents, five, func(rows []silverRow) []silverRow { return append(rows, rows[0]) })
		}, []string{"1 silver.events .* a row too many", "2 silver.events .* the ledger says 3 rows, there are 4"}},
		{"a row in another hour's partition", func(in *ingester) {
			plant(t, in.lake, bronzeRejects, five, func(rows []rejectRow) []rejectRow { rows[0].IngestHourOfDay = 9; return rows })
		}, []string{"3 bronze.rejects .* say another hour"}},
		// Tags.
		{"a moved tag", func(in *ingester) {
			in.moveTag("hour-2022-05-27T06", 0)
		}, []string{"3 gold.users hour-2022-05-27T06 .*the tag was moved"}},
		{"a tag that was moved ahead", func(in *ingester) {
			in.moveTag("hour-2022-05-27T05", 1)
		}, []string{"3 gold.users hour-2022-05-27T05 .*the tag was moved"}},
		{"a tag of no hour", func(in *ingester) {
			in.moveTag("hour-2022-05-28T06", 0)
		}, []string{"hour-2022-05-28T06 .* the ledger does not know"}},
		{"a tag from before its hour", func(in *ingester) {
			in.moveTag("hour-2022-05-27T07", 0)
			plant(t, in.lake, opsHours, six, func(rows []hourRow) []hourRow {
				if rows[0].HourStart == micros("27T07:00") {
					rows[0].FinishedAt += time.Hour.Microseconds()
				}
				return rows
			})
		}, []string{"hour-2022-05-27T07 .* does not show the hour"}},
		{"a missing data file", func(in *ingester) {
			loaded, err := in.lake.load(t.Context(), bronzeRejects)
			in.must(err)
			files, err := liveFiles(t.Context(), loaded)
			in.must(err)
			in.must(in.lake.objects.io.Remove(files[0].FilePath()))
		}, []string{"2 bronze.rejects .* is missing", "ops.files says 1 rejects, bronze has 0"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			in := plantedWorld(t)
			fault.plant(in)
			lines, _ := verified(t, in.lake)
			checkSays(t, lines, fault.says)
		})
	}
}

// moveTag points a tag at the nth snapshot of gold.
func (in *ingester) moveTag(tag string, n int) {
	in.tb.Helper()
	loaded, err := in.lake.load(in.tb.Context(), goldUsers)
	in.must(err)
	to := loaded.Metadata().Snapshots()[n].SnapshotID
	_, _, err = in.lake.catalog.CommitTable(in.tb.Context(), loaded.Identifier(), nil,
		[]table.Update{table.NewSetSnapshotRefUpdate(tag, to, table.TagRef, in.lake.tagAge(tag).Milliseconds(), 0, 0)})
	in.must(err)
}

// checkSays wants every pattern in a line, and every line meant by a pattern.
func checkSays(t *testing.T, lines, patterns []string) {
	t.Helper()
	for _, pattern := range patterns {
		if !slices.ContainsFunc(lines, regexp.MustCompile(pattern).MatchString) {
			t.Errorf("nothing says %q", pattern)
		}
	}
	for _, line := range lines {
		if !slices.ContainsFunc(patterns, func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(line) }) {
			t.Errorf("not meant: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("verify says\n%s", strings.Join(lines, "\n"))
	}
}
