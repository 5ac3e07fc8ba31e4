package laketest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
)

// FilesNow are the live files of a table.
func FilesNow(t testing.TB, l *lake.Lake, definition lake.TableDefinition) []iceberg.DataFile {
	t.Helper()
	loaded, err := l.Load(t.Context(), definition)
	if err != nil {
		t.Fatal(err)
	}
	files, err := lake.LiveFiles(t.Context(), loaded)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// RowsOf reads a whole table.
func RowsOf[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition) []T {
	t.Helper()
	rows, err := lake.ReadRows[T](t.Context(), l, FilesNow(t, l, definition))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func Dump[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition) string {
	t.Helper()
	var lines []string
	for _, row := range RowsOf[T](t, l, definition) {
		lines = append(lines, Marshal(t, row))
	}
	slices.Sort(lines)
	return definition.Name + "\n" + strings.Join(lines, "\n") + "\n"
}

func Marshal(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// DumpHours is every row of bronze and silver, sorted.
func DumpHours(t testing.TB, l *lake.Lake) string {
	t.Helper()
	return Dump[lake.EventRow](t, l, lake.BronzeEvents) + Dump[lake.RejectRow](t, l, lake.BronzeRejects) +
		Dump[lake.SilverRow](t, l, lake.SilverEvents) +
		Dump[lake.SightingRow](t, l, lake.SilverSightings) + Dump[lake.BindingRow](t, l, lake.SilverBindings)
}

// Snapshots are the ids of a table's snapshots, and its tags.
func Snapshots(t testing.TB, l *lake.Lake, definition lake.TableDefinition) (ids []int64, tags []string) {
	t.Helper()
	loaded, err := l.Load(t.Context(), definition)
	if err != nil {
		t.Fatal(err)
	}
	for _, snapshot := range loaded.Metadata().Snapshots() {
		ids = append(ids, snapshot.SnapshotID)
	}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotRefType == table.TagRef {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	return ids, tags
}

// Show is gold as a person would write it down: p1 App/Gameboy 1.0 27T05:10..27T06:00 ×2, "!" for a downgrade.
func Show(t testing.TB, l *lake.Lake) []string {
	t.Helper()
	now, err := gold.FindVersion(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	clock := func(micros int64) string { return time.UnixMicro(micros).UTC().Format("02T15:04") }
	for user, err := range gold.Users(t.Context(), l, now) {
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range user.History {
			line := user.ID + " " + i.Service
			if i.HasDevice {
				line += "/" + i.Device
			}
			line += " " + i.Version + " " + clock(i.ValidFrom) + ".."
			if !i.Open {
				line += clock(i.ValidTo)
			}
			switch {
			case i.IsDowngrade:
				line += "!"
			case i.NotComparable:
				line += "?"
			}
			lines = append(lines, fmt.Sprintf("%s ×%d", line, i.Sightings))
		}
	}
	return lines
}

// DumpAll is every row of bronze, silver and gold.
func DumpAll(t testing.TB, l *lake.Lake) string {
	return UsersNow(t, l) + DumpHours(t, l) + Dump[lake.ResolvedRow](t, l, lake.GoldEvents) +
		Dump[lake.VersionDailyRow](t, l, lake.GoldVersionDaily) +
		Dump[lake.EventDailyRow](t, l, lake.GoldEventDaily)
}

// UsersNow is gold; empty where nobody has come into it yet.
func UsersNow(t testing.TB, l *lake.Lake) string {
	t.Helper()
	if ids, _ := Snapshots(t, l, lake.GoldUsers); len(ids) == 0 {
		return ""
	}
	return Users(t, l, "")
}

// Users dumps gold, for comparison.
func Users(t testing.TB, l *lake.Lake, version string) string {
	t.Helper()
	at, err := gold.FindVersion(t.Context(), l, version)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	last := ""
	for user, err := range gold.Users(t.Context(), l, at) {
		if err != nil {
			t.Fatal(err)
		}
		if user.ID <= last && last != "" {
			t.Fatalf("user %q comes after %q", user.ID, last)
		}
		last = user.ID
		line, err := json.Marshal(user)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	return text.String()
}

// MaxIntervals is how many intervals a row of gold.users may hold.
func MaxIntervals(t testing.TB, l *lake.Lake) int {
	t.Helper()
	most, err := ledger.MaxIntervals(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return most
}
