package laketest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

// A small world: a folder of hand-written hours, and what must follow from them.

// The one who is forgotten, and a session of hers.
const (
	Gone        = "player-7f3a91c0"
	GoneSession = "5e55104a0000beef"
)

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

func NewWorld(t testing.TB) *Ingester {
	t.Helper()
	return NewIngester(t, NewLake(t), t.TempDir())
}

// PlantedWorld is a small lake in which all is well: three hours, bad lines, a torn file, a session that becomes known.
func PlantedWorld(t testing.TB) *Ingester {
	in := NewWorld(t)
	in.Put("27T05/a.tsv", Sighting("27T05:10", "s1", "1.0"), Sighting("27T05:20", "s1", "1.1"),
		Sighting("27T05:20", "s1", "1.1"), "broken", "",
		Sighting("27T05:15", "s2", "1.0", "UserId", "p2", "Device", "D"), Event("27T05:30", "s2", "Other"))
	in.Put("27T06/a.tsv", Login("27T06:10", "s1", "p1"), DeviceInfo("27T06:10", "s1", "E"),
		Sighting("27T06:40", "s1", "1.0"))
	in.PutBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
	in.Put("27T08/a.tsv", Event("27T08:00", "s3", "Notification", "Target", "1.2"))
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06", "2022-05-27T07", "2022-05-27T08"} {
		in.Ingest(HourAt(t, hour))
	}
	return in
}

// Quickly is one place in the middle of several, in the quick tests.
func Quickly(places ...int) []int {
	if testing.Short() {
		return places[1:2]
	}
	return places
}

func Gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func MonthLines(hour string, file int) []string {
	var lines []string
	for i := range 5 {
		session := fmt.Sprintf("s%s-%d-%d", hour, file, i)
		lines = append(lines, Sighting(fmt.Sprintf("%s:%02d", hour, 10+i), session, "1."+hour[:2]),
			Event(fmt.Sprintf("%s:%02d", hour, 20+i), session, "Click"))
		if i%2 == 0 {
			lines = append(lines, Login(fmt.Sprintf("%s:%02d", hour, 30+i), session, fmt.Sprintf("p%d-%d", file, i)))
		}
	}
	return append(lines, "not a line")
}

// ManyChunks puts an hour of several files, each of them a chunk.
func (in *Ingester) ManyChunks(at string, files int) {
	in.TB.Helper()
	for n := range files {
		in.Put(fmt.Sprintf("%s/%d.tsv", at, n), MonthLines(at, n)...)
	}
}
