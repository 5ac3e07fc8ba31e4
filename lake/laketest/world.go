package laketest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
)

// A small world: a folder of hand-written hours, and what must follow from them, found out in the simplest way.

func HourAt(t testing.TB, text string) telemetry.Hour {
	t.Helper()
	hour, err := telemetry.ParseHour(text)
	if err != nil {
		t.Fatal(err)
	}
	return hour
}

// Put writes a source file, such as 27T05/a.tsv, of May 2022; without lines it removes the file.
func (in *Ingester) Put(name string, lines ...string) {
	in.TB.Helper()
	if len(lines) == 0 {
		in.Must(os.Remove(in.Path(name)))
		return
	}
	in.PutBytes(name, []byte(strings.Join(lines, "\n")+"\n"))
}

func (in *Ingester) PutBytes(name string, data []byte) {
	in.TB.Helper()
	in.Must(os.MkdirAll(filepath.Dir(in.Path(name)), 0o755))
	in.Must(os.WriteFile(in.Path(name), data, 0o644))
}

func (in *Ingester) Path(name string) string {
	hour, file, _ := strings.Cut(name, "/")
	at := HourAt(in.TB, "2022-05-"+hour)
	root, err := url.Parse(in.Source.String())
	in.Must(err)
	return filepath.Join(root.Path, at.Folder(), file)
}

// Event is a line: event("27T05:10", "s1", "Login", "UserId", "p1").
func Event(at, session, name string, attributes ...string) string {
	body := "{'Name': '" + name + "'"
	for i := 0; i < len(attributes); i += 2 {
		body += ", '" + attributes[i] + "': '" + attributes[i+1] + "'"
	}
	return fmt.Sprintf("Telemetry\t2022-05-%s:00Z\tApp\t%s\t1\t%s}", at, session, body)
}

func Sighting(at, session, version string, attributes ...string) string {
	return Event(at, session, "SoftwareVersion", append([]string{"Version", version}, attributes...)...)
}

func Login(at, session, user string) string { return Event(at, session, "Login", "UserId", user) }

func LoginOfNobody(at, session string) string { return Event(at, session, "Login") }

func Logout(at, session string, attributes ...string) string {
	return Event(at, session, "Logout", attributes...)
}

func DeviceInfo(at, session, device string) string {
	return Event(at, session, "DeviceInfo", "Device", device)
}

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

// Naive recomputes gold from silver's rows by brute force, in the form of users.
func Naive(t testing.TB, l *lake.Lake) string {
	t.Helper()
	return naiveGold(t, RowsOf[lake.SightingRow](t, l, lake.SilverSightings),
		RowsOf[lake.BindingRow](t, l, lake.SilverBindings))
}

// NaiveSource recomputes gold from the lines of all hours in the source: the whole path again, in the simplest way.
func NaiveSource(t testing.TB, in *Ingester) string {
	t.Helper()
	var sightings []lake.SightingRow
	var bindings []lake.BindingRow
	for _, hour := range in.Hours() {
		s, b := sourceFacts(t, in, hour)
		sightings, bindings = append(sightings, s...), append(bindings, b...)
	}
	return naiveGold(t, sightings, bindings)
}

// sourceFacts finds the sightings and bindings of an hour's files.
func sourceFacts(t testing.TB, in *Ingester,
	hour telemetry.Hour) (sightings []lake.SightingRow, bindings []lake.BindingRow) {
	t.Helper()
	parsing := in.Parsing
	parsing.Hour = hour
	parser, err := telemetry.NewParser(parsing)
	in.Must(err)
	listing, err := in.Source.List(t.Context(), hour)
	in.Must(err)
	seen := map[string]bool{}
	for _, file := range listing.Files {
		data, err := in.Source.Open(t.Context(), file, 0, -1)
		in.Must(err)
		text, err := telemetry.Decompress(file.Key, data)
		var lines []telemetry.Line
		if err == nil {
			lines, err = wholeLines(text)
			in.Must(text.Close())
		}
		if !errors.Is(err, telemetry.ErrCorrupt) { // of a torn file nothing counts
			in.Must(err)
		}
		in.Must(data.Close())
		for _, line := range lines {
			var e telemetry.Event
			if line.Blank() || line.Reason != "" || parser.Parse(line.Text, &e) != "" {
				continue
			}
			repeat := fmt.Sprintf("%q %q %d %q", e.Session, e.TransactionID, e.Time, e.Body)
			if seen[repeat] {
				continue
			}
			seen[repeat] = true
			value := func(a telemetry.Attribute) string { text, _ := e.Attribute(a); return string(text) }
			user, device, version := value(telemetry.AttributeUser), value(telemetry.AttributeDevice), value(
				telemetry.AttributeVersion)
			if e.Kind == telemetry.KindSoftwareVersion && version != "" {
				sightings = append(sightings,
					lake.SightingRow{SessionID: string(e.Session), UserID: user, ServiceName: string(e.ServiceName),
						Device:  device,
						Version: version, Time: e.Time, Transaction: e.Transaction, FileName: file.Key,
						LineNumber: line.Number})
			}
			if len(e.Session) == 0 {
				continue
			}
			binding := lake.BindingRow{SessionID: string(e.Session), Kind: "user", Value: user, Time: e.Time,
				Transaction: e.Transaction,
				FileName:    file.Key, LineNumber: line.Number}
			if user != "" {
				bindings = append(bindings, binding)
			}
			if binding.Value = ""; string(e.Name) == "Logout" || string(e.Name) == "Login" && user == "" {
				bindings = append(bindings, binding)
			}
			if binding.Kind, binding.Value = "device", device; e.Kind == telemetry.KindDeviceInfo && device != "" {
				bindings = append(bindings, binding)
			}
		}
	}
	return sightings, bindings
}

// wholeLines are the lines of a file, or none and an error.
func wholeLines(text io.Reader) (lines []telemetry.Line, err error) {
	scanner := telemetry.NewScanner(text, telemetry.Position{Line: 1})
	for scanner.Scan() {
		line := *scanner.Line()
		line.Text = bytes.Clone(line.Text)
		lines = append(lines, line)
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	return lines, nil
}

func naiveGold(t testing.TB, sightings []lake.SightingRow, bindings []lake.BindingRow) string {
	t.Helper()
	bySession := map[string][]lake.BindingRow{}
	for _, b := range bindings {
		bySession[b.SessionID] = append(bySession[b.SessionID], b)
	}
	users := map[string][]history.Sighting{}
	for _, s := range sightings {
		user, device := s.UserID, s.Device
		if user == "" {
			user = naiveBinding(s, bySession[s.SessionID], "user")
		}
		if device == "" {
			device = naiveBinding(s, bySession[s.SessionID], "device")
		}
		id, _ := history.UserID(user, s.SessionID)
		users[id] = append(users[id],
			history.Sighting{Service: s.ServiceName, Device: device, HasDevice: device != "", Version: s.Version,
				Time: s.Time, Transaction: s.Transaction, File: s.FileName, Line: s.LineNumber})
	}
	var text bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(users)) {
		kind := "user"
		if strings.HasPrefix(id, "session:") {
			kind = "session"
		}
		fmt.Fprintln(&text, Marshal(t, history.Build(id, kind, users[id])))
	}
	return text.String()
}

// naiveBinding is the rule of docs/ARCHITECTURE.md, Identity, to the letter.
func naiveBinding(s lake.SightingRow, bindings []lake.BindingRow, kind string) string {
	day := (24 * time.Hour).Microseconds()
	var before, after []lake.BindingRow
	for _, b := range bindings {
		switch {
		case b.Kind != kind:
		case b.Time <= s.Time && s.Time-b.Time <= day:
			before = append(before, b)
		case b.Time > s.Time && b.Time-s.Time <= day && b.Value != "":
			after = append(after, b)
		}
	}
	order := func(a, b lake.BindingRow) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Transaction, b.Transaction),
			strings.Compare(a.FileName, b.FileName), cmp.Compare(a.LineNumber, b.LineNumber),
			strings.Compare(b.Value, a.Value))
	}
	switch {
	case len(before) > 0:
		return slices.MaxFunc(before, order).Value
	case len(after) > 0:
		return slices.MinFunc(after, order).Value
	}
	return ""
}

// Show is gold as a person would write it down: p1 App/Gameboy 1.0 27T05:10..27T06:00 ×2, "!" for a downgrade.
func Show(t testing.TB, l *lake.Lake) []string {
	t.Helper()
	now, err := l.Version(t.Context(), "")
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

// CheckGold holds gold against both recomputations, and its row for each user against User.
func CheckGold(t testing.TB, in *Ingester) {
	t.Helper()
	got := Users(t, in.Lake, "")
	if want := Naive(t, in.Lake); got != want {
		t.Fatalf("gold is\n%s\nand silver says\n%s", got, want)
	}
	if want := NaiveSource(t, in); got != want {
		t.Fatalf("gold is\n%s\nand the source says\n%s", got, want)
	}
}

func NewWorld(t testing.TB) *Ingester {
	t.Helper()
	return NewIngester(t, NewLake(t), t.TempDir())
}
