package generate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// small is a world of two days that has everything, and more of it than usual.
func small() Options {
	o := Defaults()
	o.Hours, o.Users, o.LinesPerHour, o.FilesPerHour = 48, 300, 1200, 3
	o.Cadence = 20 * time.Hour
	o.Late, o.Skewed, o.Bad, o.Repeated, o.EmptyHours, o.Compressed, o.Ended = 0.1, 0.05, 0.01, 0.02, 0.08, 0.5, 0.1
	return o
}

func hours(o Options) (list []telemetry.Hour) {
	for h := o.From; h < o.From+telemetry.Hour(o.Hours); h++ {
		list = append(list, h)
	}
	return list
}

// tree reads all files below a folder.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The user and the device that an event has follow, by the rules of identity, from nothing but what the bodies say.
//
//nolint:cyclop // one pass over a world, in which everything is counted and then compared
func TestUsersAndDevicesFollowFromTheBodies(t *testing.T) {
	o := small()
	o.Script = demoScript(DemoFacts())
	users, devices := map[string]history.Bindings{}, map[string]history.Bindings{}
	bind := func(to map[string]history.Bindings, e *Event, value string) {
		to[e.Session] = append(to[e.Session],
			history.Binding{Value: value, Time: e.Time, Transaction: e.Transaction, File: e.File, Line: e.Line})
	}
	ended := 0
	for e := range Truth(o) {
		if e.NamesUser {
			bind(users, &e, e.User)
		}
		if e.Kind == telemetry.KindLogout || e.Kind == telemetry.KindLogin && !e.NamesUser {
			users[e.Session] = append(users[e.Session],
				history.Binding{Ends: true, Time: e.Time, Transaction: e.Transaction, File: e.File, Line: e.Line})
			ended++
		}
		if e.NamesDevice {
			bind(devices, &e, e.Device)
		}
	}
	for _, all := range []map[string]history.Bindings{users, devices} {
		for _, list := range all {
			slices.SortFunc(list, func(a, b history.Binding) int { return a.Compare(&b) })
		}
	}
	shared, anonymous, without := 0, 0, 0
	for e := range Truth(o) {
		named, _ := users[e.Session].Resolve(e.Time, history.DefaultWindow)
		if e.NamesUser {
			named = e.User
		}
		user, kind := history.UserID(named, e.Session)
		if user != e.User {
			t.Fatalf("%s:%d: %s, the bodies say %s", e.File, e.Line, e.User, user)
		}
		device, ok := devices[e.Session].Resolve(e.Time, history.DefaultWindow)
		if ok != e.HasDevice || device != e.Device {
			t.Fatalf("%s:%d: %q %v, the bodies say %q %v", e.File, e.Line, e.Device, e.HasDevice, device, ok)
		}
		if !ok {
			without++
		}
		if kind == history.KindSession {
			anonymous++
		}
		if list := users[e.Session]; len(list) > 0 && list[0].Value != list[len(list)-1].Value {
			shared++
		}
	}
	if shared == 0 || anonymous == 0 || without == 0 || ended == 0 {
		t.Errorf("%d events of shared sessions, %d of anonymous ones, %d without a device, %d endings", shared,
			anonymous, without, ended)
	}
}

func TestSameOptionsSameBytes(t *testing.T) {
	o := small()
	write := func(processors int) map[string][]byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		dir := t.TempDir()
		if _, err := Write(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		return tree(t, dir)
	}
	one, four := write(1), write(4)
	if len(one) == 0 || len(one) != len(four) {
		t.Fatalf("%d files, then %d", len(one), len(four))
	}
	for name := range one {
		if !bytes.Equal(one[name], four[name]) {
			t.Errorf("%s differs", name)
		}
	}
	o.Seed++
	for name, content := range write(2) {
		if strings.HasSuffix(name, ".tsv") && bytes.Equal(content, one[name]) {
			t.Errorf("%s is the same with another seed", name)
		}
	}
}

// A change of this hash changes every world that anyone has generated, measured or shown: do it knowingly.
func TestGolden(t *testing.T) {
	const golden = "df7eab7e0b1aa9b164d6ec064c1364b9305aad3309c57eb6d0b7ca81dd4cc491"
	o := small()
	sum := sha256.New()
	var lines writer
	for _, h := range hours(o) {
		for e := range Events(o, h) {
			fmt.Fprintf(sum, "%s:%d\t%s\t%s\t%v\t%s", e.File, e.Line, e.User, e.Device, e.Repeated,
				lines.append(nil, &e))
		}
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != golden {
		t.Errorf("the small world has the hash %s, want %s", got, golden)
	}
}

//nolint:cyclop,funlen // one pass over a world, in which everything is counted and then compared
func TestAWorldHasEverything(t *testing.T) {
	o := small()
	o.Hours = 7 * 24
	names, endings, services := map[string]int{}, map[string]int{}, map[string]int{}
	sightings := map[string][]history.Sighting{}
	devices := map[string]map[string]bool{}
	sessions := map[string]telemetry.Hour{}
	told := map[string]int64{} // by user, service, device and version: when a notification announced it
	empty, lines, repeated, bad, crossing, late, skewed, named, followed := 0, 0, 0, 0, 0, 0, 0, 0, 0
	for _, h := range hours(o) {
		files := map[string]bool{}
		for e := range Events(o, h) {
			lines++
			files[e.File] = true
			switch {
			case e.Reason != "":
				bad++
				continue
			case e.Repeated:
				repeated++
				continue
			}
			names[e.Name]++
			services[e.Service]++
			if first, ok := sessions[e.Session]; ok && first != h {
				crossing++
			} else {
				sessions[e.Session] = h
			}
			switch age := h - telemetry.HourOf(time.UnixMicro(e.Time)); {
			case age < 0 || age > 9:
				skewed++
			case age > 0:
				late++
			}
			if e.NamesUser {
				named++
			}
			key := strings.Join([]string{e.User, e.Service, e.Device, e.Target}, "/")
			switch e.Kind {
			case telemetry.KindNotification:
				if _, ok := told[key]; !ok && e.Status == "Accepted" {
					told[key] = e.Time
				}
			case telemetry.KindSoftwareVersion:
				sightings[e.User] = append(sightings[e.User], e.Sighting())
				if devices[e.User] == nil {
					devices[e.User] = map[string]bool{}
				}
				devices[e.User][e.Device] = true
				if at, ok := told[key+e.Version]; ok && at < e.Time {
					followed++
					delete(told, key+e.Version)
				}
			}
		}
		if len(files) == 0 {
			empty++
		}
		for name := range files {
			endings[filepath.Ext(name)]++
		}
	}
	for kind := telemetry.KindSoftwareVersion; kind <= telemetry.KindLogout; kind++ {
		if names[kind.String()] < 5 {
			t.Errorf("%d of %s", names[kind.String()], kind)
		}
	}
	share := func(what string, got, of int, low, high float64) {
		t.Helper()
		if f := float64(got) / float64(of); f < low || f > high {
			t.Errorf("%s: %d of %d, %.4f, want %v to %v", what, got, of, f, low, high)
		}
	}
	counted := lines - repeated - bad
	share("lines an hour", lines, o.Hours, 800, 1600)
	share("Heartbeat", names[Heartbeat], counted, 0.6, 0.85)
	share("Crash", names["Crash"], counted, 0.0005, 0.02)
	share("Error", names["Error"], counted, 0.0005, 0.02)
	share("bad", bad, lines, o.Bad*0.7, o.Bad*1.3)
	share("repeated", repeated, lines, o.Repeated*0.7, o.Repeated*1.3)
	share("empty hours", empty, o.Hours, 0.02, 0.16)
	share("in another hour than the session's first line", crossing, counted, 0.02, 0.3)
	share("late", late, counted, 0.02, 0.2)
	share("skewed", skewed, counted, 0.005, 0.1)
	share("bodies that name the user", named, counted, 0.1, 0.25)
	share("gzip", endings[".gz"], endings[".tsv"], 0.3, 0.8)
	share("zstd", endings[".zst"], endings[".tsv"], 0.3, 0.8)
	for _, p := range products() {
		share(p.name, services[p.name]*10, counted, 0.5*float64(p.weight), 1.7*float64(p.weight))
	}
	upgrades, downgrades, several, people := 0, 0, 0, 0
	for id, list := range sightings {
		if !strings.HasPrefix(id, "p") {
			continue
		}
		people++
		if len(devices[id]) > 1 {
			several++
		}
		seen := map[string]bool{}
		user := history.Build(id, history.KindUser, list)
		for _, in := range user.History {
			if in.IsDowngrade {
				downgrades++
			} else if installation := in.Service + "/" + in.Device; seen[installation] {
				upgrades++
			} else {
				seen[installation] = true
			}
		}
	}
	share("users seen", people, o.Users, 0.9, 1)
	share("users with several devices", several, people, 0.2, 0.7)
	share("upgrades of a user", upgrades, people, 3, 12)
	share("downgrades", downgrades, upgrades, 0.01, 0.2)
	share("accepted notifications that an upgrade follows", followed, people, 0.1, 3)
}

// New features are of new releases, and releases roll out in stages: the newest is never everywhere at once.
func TestRollOutInStages(t *testing.T) {
	o := small()
	w, err := newWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &w.products[0]
	span := o.Cadence.Milliseconds()
	const installations = 2000
	at := p.releases[olderReleases-3].published
	last := 0
	for _, step := range []struct {
		after     int64
		low, high float64
	}{{-1, 0, 0}, {span / 20, 0.03, 0.06}, {span / 5, 0.15, 0.26}, {span * 2 / 5, 0.45, 0.65},
		{span * 3 / 5, 0.80, 0.9}} {
		running := 0
		for n := range installations {
			r := rollout{product: p, seed: w.root.of(uint64(n)), span: span}
			if r.running(at+step.after) == olderReleases-3 {
				running++
			}
		}
		if f := float64(running) / installations; f < step.low || f > step.high || running < last {
			t.Errorf("%d ms after the release %.3f run it, want %v to %v", step.after, f, step.low, step.high)
		}
		last = running
	}
}

func TestSessionsDoNotDependOnTheHourAskedFor(t *testing.T) {
	o := small()
	type place struct {
		session     string
		transaction int64
	}
	seen := map[place]telemetry.Hour{}
	for e := range Truth(o) {
		at := place{e.Session, e.Transaction}
		if before, ok := seen[at]; ok {
			t.Fatalf("event %v lies in hours %v and %v", at, before, e.Hour)
		}
		seen[at] = e.Hour
	}
	// Nothing is missing in between: a session's events are numbered without gaps.
	last := map[string]int64{}
	for at := range seen {
		last[at.session] = max(last[at.session], at.transaction)
	}
	total := 0
	for _, n := range last {
		total += int(n) + 1
	}
	if total != len(seen) {
		t.Errorf("%d events, numbered up to %d", len(seen), total)
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"hours": func(o *Options) { o.Hours = 0 }, "users": func(o *Options) { o.Users = -1 },
		"lines": func(o *Options) { o.LinesPerHour = 0 }, "files": func(o *Options) { o.FilesPerHour = 0 },
		"fraction": func(o *Options) { o.Late = 1.1 }, "negative": func(o *Options) { o.Bad = -0.1 },
		"session": func(o *Options) { o.SessionLength = time.Hour }, "cadence": func(o *Options) { o.Cadence = 0 },
		"late": func(o *Options) { o.MaxLate = 24 }, "from": func(o *Options) { o.From = -100_000 },
		"to": func(o *Options) { o.Hours = 1 << 40 }, "lines of a user": func(o *Options) {
			o.Users, o.LinesPerHour = 1,
				1_000_000
		},
		"users of a file": func(o *Options) { o.Users, o.FilesPerHour = 1_000_000, 1 },
		"lines of a file": func(o *Options) { o.LinesPerHour, o.FilesPerHour = 100_000_000, 1 },
	} {
		o := Defaults()
		change(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := Write(t.Context(), t.TempDir(), o); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	for name, o := range map[string]Options{"defaults": Defaults(), "benchmark": Benchmark(24), "demo": Demo()} {
		if err := o.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteLeavesNoHalfFiles(t *testing.T) {
	o := Benchmark(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Write(ctx, dir, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if files := tree(t, dir); len(files) > 0 {
		t.Errorf("%d files", len(files))
	}
	// A folder in the place of a file.
	path := o.From.Folder() + "/part-000.tsv"
	if err := os.MkdirAll(filepath.Join(dir, path, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.Users, o.LinesPerHour, o.FilesPerHour = 10, 100, 1
	if _, err := Write(t.Context(), dir, o); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if files := tree(t, dir); len(files) > 0 {
		t.Errorf("left %d files", len(files))
	}
}

func TestAllHoursEmpty(t *testing.T) {
	o := small()
	o.EmptyHours = 1
	dir := t.TempDir()
	if s, err := Write(t.Context(), dir, o); err != nil || s.Files != 0 || s.Hours != 0 || len(tree(t, dir)) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
