//go:build unix

package upgrade_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/schema"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/lake/upgrade"
)

// keptLakes are the lakes of lake/testdata, with whom each has forgotten and how many tags it has answers of.
// What commit 94ca12a answered stands in cmd/versionlake/testdata.
var keptLakes = map[string]struct {
	forgotten string
	tags      int
}{
	"a318759": {"p3", 20},
	"94ca12a": {"forgotten-3c9a11", 0},
	"b19777c": {"p1004", 6},
	"258d54c": {"p1004", 6},
	"63187d8": {"p1004", 6},
}

// TestKeptLakes: lakes of earlier versions are read as they are, refused for writing, and upgraded, with a kill after
// each commit. Their tags answer what they did, whom they forgot stays forgotten though the source is read again, and
// they go on.
func TestKeptLakes(t *testing.T) {
	files, err := filepath.Glob(laketest.InCheckout(t, "lake/testdata/lake-*.tar.zst"))
	if err != nil || len(files) != len(keptLakes) {
		t.Fatalf("%d kept lakes, and %d are tested; %v", len(files), len(keptLakes), err)
	}
	for name, kept := range keptLakes {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("takes seconds")
			}
			dir := laketest.UnpackLake(t, name)
			if name == "a318759" {
				demoOf(t, filepath.Join(dir, "source"), kept.forgotten)
			}
			answers := answersIn(t, dir, kept.tags)
			sameAnswers(t, reading(t, dir), answers)
			planned(t, dir)
			refused(t, dir)
			elsewhere(t, dir)
			upgradeWithKills(t, dir, answers)
			goesOn(t, dir, kept.forgotten, answers)
		})
	}
}

// demoOf makes the first hour of the demo up again that names a user. The lake was made of the demo's.
func demoOf(t *testing.T, source, user string) {
	t.Helper()
	world, named := generate.Demo(), false
	for hour := world.From; !named; hour++ {
		if _, err := generate.WriteHour(t.Context(), source, world, hour); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(source, hour.Start().Format("2006/01/02/15"))
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		for _, file := range files {
			text, reading := os.ReadFile(file)
			err = errors.Join(err, reading)
			named = named || strings.Contains(string(text), "'"+user+"'")
		}
		if !named {
			err = errors.Join(err, os.RemoveAll(folder))
		}
		if err != nil || hour > world.From+12 {
			t.Fatalf("no hour with %s; %v", user, err)
		}
	}
}

func reading(t *testing.T, dir string) *lake.Lake {
	t.Helper()
	l, err := lake.OpenExisting(t.Context(), laketest.KeptConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// refused: the lake can't be opened to write, and the trial leaves no identity in it that was not there.
func refused(t *testing.T, dir string) {
	t.Helper()
	before := identities(t, dir)
	_, err := lake.Open(t.Context(), laketest.KeptConfig(dir))
	if !errors.Is(err, schema.ErrOlder) || !strings.Contains(err.Error(), "versionlake upgrade") ||
		strings.Contains(err.Error(), "\n") {
		t.Fatalf("opened to write: %v", err)
	}
	if after := identities(t, dir); after != before {
		t.Errorf("what was refused has left an identity: %s, and before %s", after, before)
	}
}

// identities are those of warehouse and catalog, as text.
func identities(t *testing.T, dir string) string {
	t.Helper()
	l := reading(t, dir)
	warehouse, err := identity.OfWarehouse(l.Objects)
	catalog, reading := identity.Of(l.Catalog, l.Config.Catalog, l.Objects).OfCatalog(t.Context())
	if err = errors.Join(err, reading); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v, %+v", warehouse, catalog)
}

// planned looks at what an upgrade would do, and holds that looking changes nothing.
func planned(t *testing.T, dir string) {
	t.Helper()
	l := reading(t, dir)
	if _, err := status.Read(t.Context(), l); err != nil {
		t.Errorf("status before the upgrade: %v", err)
	}
	before := metadataOf(t, l)
	plan, err := upgrade.New(t.Context(), l)
	if err != nil || len(plan.Steps) == 0 {
		t.Fatalf("%d steps, %v", len(plan.Steps), err)
	}
	for _, step := range plan.Steps {
		if step.About <= 0 || step.About > time.Minute {
			t.Errorf("%q takes about %s", step.Does, step.About)
		}
	}
	if after := metadataOf(t, reading(t, dir)); !maps.Equal(before, after) {
		t.Errorf("looking has changed the lake: %v, %v", before, after)
	}
}

// elsewhere holds that a copy of a lake is not upgraded: that would write into the original.
func elsewhere(t *testing.T, dir string) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l, before := reading(t, copied), metadataOf(t, reading(t, dir))
	plan, err := upgrade.New(t.Context(), l)
	if err != nil || len(plan.Steps) == 0 {
		t.Fatalf("%d steps, %v", len(plan.Steps), err)
	}
	if err := plan.Run(t.Context(), l, func(upgrade.Step, int64) {}); !errors.Is(err, identity.ErrMoved) {
		t.Errorf("upgrade a copy: %v", err)
	}
	if after := metadataOf(t, l); !maps.Equal(before, after) {
		t.Errorf("an upgrade of a copy has changed it: %v, %v", before, after)
	}
}

func metadataOf(t *testing.T, l *lake.Lake) map[string]string {
	t.Helper()
	locations := map[string]string{}
	for _, definition := range lake.TableDefinitions {
		now, _, err := l.Catalog.Locations(t.Context(), definition.Identifier())
		if err != nil {
			t.Fatal(err)
		}
		locations[definition.Name] = now
	}
	return locations
}

// upgradeWithKills ends each upgrade at its first commit, and every other one before that, until one comes to its end.
func upgradeWithKills(t *testing.T, dir string, answers map[string][]string) {
	t.Helper()
	kills, done := 0, false
	for ; !done; kills++ {
		ctx, kill := context.WithCancel(t.Context())
		l := reading(t, dir)
		plan, err := upgrade.New(ctx, l)
		if err != nil {
			t.Fatal(err)
		}
		done = len(plan.Steps) == 0
		l.OnCommit = func(string, error) { kill() }
		err = plan.Run(ctx, l, func(step upgrade.Step, read int64) {
			if read > 0 && kills%2 == 0 { // in the middle of gold
				kill()
			}
		})
		kill()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if left, err := upgrade.New(t.Context(), l); err != nil {
			t.Fatal(err)
		} else if len(left.Steps) > 0 {
			refused(t, dir)
		}
		if kills > 100 {
			t.Fatalf("no end after %d kills; next is %q", kills, plan.Steps[0].Does)
		}
	}
	t.Logf("%d upgrades", kills)
	sameAnswers(t, reading(t, dir), answers)
}

func goesOn(t *testing.T, dir, forgotten string, answers map[string][]string) {
	t.Helper()
	l, err := lake.Open(t.Context(), laketest.KeptConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	notes := strings.Join(checks.Verify(t, l).Notes, "\n")
	if strings.Contains(notes, "gold.users was made by older rules") || strings.Contains(notes, "gold.versions holds") {
		t.Errorf("gold was not made anew: %s", notes)
	}
	before := metadataOf(t, l)
	if again, err := upgrade.New(t.Context(), l); err != nil || len(again.Steps) > 0 {
		t.Errorf("an upgraded lake is to be upgraded: %+v, %v", again, err)
	}
	if after := metadataOf(t, l); !maps.Equal(before, after) {
		t.Error("looking at an upgraded lake has changed it")
	}
	for _, folder := range []string{"source", "later"} { // the forgotten user's hours once more, and new ones
		if _, err := os.Stat(filepath.Join(dir, folder)); err != nil {
			continue
		}
		in := laketest.NewIngester(t, l, filepath.Join(dir, folder))
		for _, hour := range in.Hours() {
			_, late := in.IngestAgain(hour)
			for _, erasure := range late { // as the hour's workflow asks for
				_, err := forgetting.LikeWorkflow(in, erasure)
				in.Must(err)
			}
		}
		if folder == "source" && !leftOut(in) {
			t.Errorf("no line of %s was left out, so that nothing was tried", forgotten)
		}
		upkeep.Daily(in)
		checks.Verify(t, l)
		sameAnswers(t, l, answers)
		if remains := forgetting.Remains(in, forgotten); len(forgotten) > 3 && len(remains) > 0 {
			t.Errorf("%s is left in %d objects, such as %s", forgotten, len(remains), remains[0])
		}
		if _, back := in.GoldRows("")[forgotten]; back {
			t.Errorf("%s is back", forgotten)
		}
	}
}

// leftOut tells whether lines of a forgotten user were met in an hour of the source.
func leftOut(in *laketest.Ingester) bool {
	for _, hour := range in.Hours() {
		if in.LedgerRow(hour).Erased > 0 {
			return true
		}
	}
	return false
}

// answer is what a version of gold says of a user, as `history --all --output json` has it.
type answer struct {
	User    string           `json:"user_id"`
	Kind    string           `json:"user_kind"`
	History []answerInterval `json:"history"`
}

type answerInterval struct {
	Service     string     `json:"service"`
	Device      *string    `json:"device"`
	Version     string     `json:"version"`
	ValidFrom   time.Time  `json:"valid_from"`
	ValidTo     *time.Time `json:"valid_to"`
	LastSeen    time.Time  `json:"last_seen_at"`
	Sightings   int64      `json:"sightings"`
	IsDowngrade *bool      `json:"is_downgrade"` // commit a318759 did not say it
}

func answerOf(user *history.User, downgrades bool) string {
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
		if downgrades && !in.NotComparable {
			interval.IsDowngrade = &in.IsDowngrade
		}
		a.History = append(a.History, interval)
	}
	text, _ := json.Marshal(a)
	return string(text)
}

// answersIn are what the lake's program answered as of each tag.
func answersIn(t *testing.T, dir string, tags int) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "answers", "hour-*.jsonl"))
	if err != nil || len(files) != tags {
		t.Fatalf("answers of %d tags, not %d; %v", len(files), tags, err)
	}
	answers := map[string][]string{}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		tag := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			var a answer
			if err := json.Unmarshal(scanner.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(a)
			answers[tag] = append(answers[tag], string(text))
		}
		file.Close()
	}
	return answers
}

func sameAnswers(t *testing.T, l *lake.Lake, answers map[string][]string) {
	t.Helper()
	for tag, want := range answers {
		version, err := gold.FindVersion(t.Context(), l, tag)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for user, err := range gold.Users(t.Context(), l, version) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answerOf(&user, strings.Contains(want[0], `"is_downgrade":false`)))
		}
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("as of %s: %d users, and %d when the lake was kept, or they differ", tag, len(got), len(want))
		}
	}
}
