package checks

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/telemetry"
)

// Naive recomputes gold from silver's rows by brute force, in the form of users.
func Naive(t testing.TB, l *lake.Lake) string {
	t.Helper()
	return naiveGold(t, l, laketest.RowsOf[lake.SightingRow](t, l, lake.SilverSightings),
		laketest.RowsOf[lake.BindingRow](t, l, lake.SilverBindings))
}

// NaiveSource recomputes gold from the lines of all hours in the source: the whole path again, in the simplest way.
func NaiveSource(t testing.TB, in *laketest.Ingester) string {
	t.Helper()
	var sightings []lake.SightingRow
	var bindings []lake.BindingRow
	for _, hour := range in.Hours() {
		s, b := sourceFacts(t, in, hour)
		sightings, bindings = append(sightings, s...), append(bindings, b...)
	}
	return naiveGold(t, in.Lake, sightings, bindings)
}

// sourceFacts finds the sightings and bindings of an hour's files.
func sourceFacts(t testing.TB, in *laketest.Ingester,
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

func naiveGold(t testing.TB, l *lake.Lake, sightings []lake.SightingRow, bindings []lake.BindingRow) string {
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
	most := laketest.MaxIntervals(t, l)
	var text bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(users)) {
		kind := "user"
		if strings.HasPrefix(id, "session:") {
			kind = "session"
		}
		fmt.Fprintln(&text, laketest.Marshal(t, naiveCut(history.Build(id, kind, users[id]), most)))
	}
	return text.String()
}

// naiveCut takes out the interval that ended first, until a row has no more than it may have.
func naiveCut(user history.User, most int) history.User {
	end := func(i history.Interval) int64 {
		if i.Open {
			return history.EndOfTime
		}
		return i.ValidTo
	}
	for len(user.History) > most {
		first := 0
		for i := range user.History { // of those that ended together, the first in the order of the history
			if end(user.History[i]) < end(user.History[first]) {
				first = i
			}
		}
		user.IntervalsCut, user.CutBefore = user.IntervalsCut+1, end(user.History[first])
		user.History = slices.Delete(user.History, first, first+1)
	}
	return user
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

// Gold holds gold against both recomputations, and its row for each user against User.
func Gold(t testing.TB, in *laketest.Ingester) {
	t.Helper()
	got := laketest.Users(t, in.Lake, "")
	if want := Naive(t, in.Lake); got != want {
		t.Fatalf("gold is\n%s\nand silver says\n%s", got, want)
	}
	if want := NaiveSource(t, in); got != want {
		t.Fatalf("gold is\n%s\nand the source says\n%s", got, want)
	}
}
