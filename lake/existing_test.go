//go:build unix

package lake_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/schema"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/lake/verify"
)

// answer is what a version of gold says of a user, as far as every version of versionlake says it alike.
type answer struct {
	User    string           `json:"user_id"`
	Kind    string           `json:"user_kind"`
	History []answerInterval `json:"history"`
}

type answerInterval struct {
	Service   string     `json:"service"`
	Device    *string    `json:"device"`
	Version   string     `json:"version"`
	ValidFrom time.Time  `json:"valid_from"`
	ValidTo   *time.Time `json:"valid_to"`
	LastSeen  time.Time  `json:"last_seen_at"`
	Sightings int64      `json:"sightings"`
}

func answerOf(user *history.User) string {
	a := answer{User: user.ID, Kind: user.Kind}
	for i := range user.History {
		in := &user.History[i]
		interval := answerInterval{Service: in.Service, Version: in.Version, Sightings: in.Sightings,
			ValidFrom: time.UnixMicro(in.ValidFrom).UTC(), LastSeen: time.UnixMicro(in.LastSeenAt).UTC()}
		if in.HasDevice {
			interval.Device = &in.Device
		}
		if !in.Open {
			to := time.UnixMicro(in.ValidTo).UTC()
			interval.ValidTo = &to
		}
		a.History = append(a.History, interval)
	}
	text, _ := json.Marshal(a)
	return string(text)
}

// keptAnswers are the lines of a file of answers.
func keptAnswers(t *testing.T, path string) (lines []string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var a answer
		if err := json.Unmarshal(scanner.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(a)
		lines = append(lines, string(text))
	}
	return lines
}

// sameAnswers compares what the lake says as of each of its tags with what was said when it was kept.
func sameAnswers(t *testing.T, l *lake.Lake, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "answers", "hour-*.jsonl"))
	if err != nil || len(files) != 20 {
		t.Fatalf("%d files of answers, %v", len(files), err)
	}
	for _, file := range files {
		tag := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		version, err := gold.FindVersion(t.Context(), l, tag)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for user, err := range gold.Users(t.Context(), l, version) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answerOf(&user))
		}
		want := keptAnswers(t, file)
		if len(got) != len(want) || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("as of %s: %d users, and %d when the lake was kept, or they differ", tag, len(got), len(want))
		}
	}
}

// TestExistingLake: a lake of an earlier version is read as it is, takes the new columns by itself, goes on, and
// has gold made anew once. Its old tags answer what they did, and whom it forgot stays forgotten.
// answers/ of the lake has what `history --all` said as of each tag.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestExistingLake(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := laketest.UnpackLake(t, "a318759")
	reader, err := lake.OpenExisting(t.Context(), laketest.KeptConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	sameAnswers(t, reader, dir)
	if _, err := status.Read(t.Context(), reader); err != nil {
		t.Errorf("status before the update: %v", err)
	}

	l, err := lake.Open(t.Context(), laketest.KeptConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(t.Context(), definition)
		if err != nil {
			t.Fatal(err)
		}
		if later, err := schema.Later(loaded.Schema(), definition.Schema()); later != nil || err != nil {
			t.Errorf("%s lacks columns, %v:\n%s", definition.Name, err, loaded.Schema())
		}
	}
	sameAnswers(t, l, dir)
	verified := verifyClean(t, l)
	if notes := strings.Join(verified.Notes, "\n"); !strings.Contains(notes, "gold.users was made by older rules") ||
		!strings.Contains(notes, "the silver of 39 hours was made by older rules") {
		t.Errorf("notes before anything was ingested: %q", verified.Notes)
	}

	in := laketest.NewIngester(t, l, filepath.Join(dir, "later"))
	for _, hour := range in.Hours() {
		in.Ingest(hour)
	}
	sameAnswers(t, l, dir)
	if verified = verifyClean(t, l); strings.Contains(strings.Join(verified.Notes, "\n"), "gold.users was made") {
		t.Errorf("notes after a round: %q", verified.Notes)
	}
	now := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(laketest.Users(t, l, "")), "\n") {
		var user history.User
		if err := json.Unmarshal([]byte(line), &user); err != nil {
			t.Fatal(err)
		}
		now[user.ID] = true
	}
	if now["p3"] {
		t.Error("a user whom the lake had forgotten is back")
	}
	for _, line := range keptAnswers(t, filepath.Join(dir, "answers", "now.jsonl")) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if a.Kind == history.KindUser && !now[a.User] {
			t.Errorf("user %s is gone", a.User)
		}
	}

	before := metadataOf(t, l)
	again, err := lake.Open(t.Context(), laketest.KeptConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for name, location := range metadataOf(t, again) {
		if before[name] != location {
			t.Errorf("opening the lake once more has changed %s", name)
		}
	}
}

func verifyClean(t *testing.T, l *lake.Lake) verify.Verified {
	t.Helper()
	verified, err := verify.Run(t.Context(), l, verify.Options{}, func(d verify.Difference) error {
		t.Errorf("verify: %+v", d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return verified
}

func metadataOf(t *testing.T, l *lake.Lake) map[string]string {
	t.Helper()
	locations := map[string]string{}
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(t.Context(), definition)
		if err != nil {
			t.Fatal(err)
		}
		locations[definition.Name] = loaded.MetadataLocation()
	}
	return locations
}

// TestNewerLake: what a later version has written is refused with a word, not misread.
func TestNewerLake(t *testing.T) {
	for name, update := range map[string]struct {
		definition lake.TableDefinition
		change     func(*table.Table) []table.Update
	}{
		"rules": {lake.SilverSightings, func(*table.Table) []table.Update {
			return []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{lake.PropertyRules: "99"})}
		}},
		"a column": {lake.OpsHours, func(loaded *table.Table) []table.Update {
			fields := append(loaded.Schema().Fields(),
				iceberg.NestedField{ID: 999, Name: "later", Type: iceberg.PrimitiveTypes.String})
			return []table.Update{
				table.NewAddSchemaUpdate(iceberg.NewSchema(loaded.Schema().ID+1, fields...)),
				table.NewSetCurrentSchemaUpdate(-1),
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			loaded, err := in.Lake.Load(t.Context(), update.definition)
			in.Must(err)
			_, _, err = in.Lake.Catalog.CommitTable(t.Context(), loaded.Identifier(), nil, update.change(loaded))
			in.Must(err)
			if _, err := lake.Open(t.Context(), in.Lake.Config); !errors.Is(err, lake.ErrNewer) ||
				!strings.Contains(err.Error(), "update this one") {
				t.Errorf("opened to write: %v", err)
			}
		})
	}
}
