package source

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

func openSource(tb testing.TB, location string) Source {
	tb.Helper()
	src, err := Open(context.Background(), location)
	must(tb, err)
	return src
}

func listFiles(tb testing.TB, src Source, text string) []File {
	tb.Helper()
	listing, err := src.List(context.Background(), hour(tb, text))
	must(tb, err)
	return listing.Files
}

// fileNamed is the present version of a file, in a folder of the default layout.
func fileNamed(tb testing.TB, src Source, key string) File {
	tb.Helper()
	h, err := telemetry.ParseHour(key[:4] + "-" + key[5:7] + "-" + key[8:10] + "T" + key[11:13])
	must(tb, err)
	for _, f := range listFiles(tb, src, h.String()) {
		if f.Key == key {
			return f
		}
	}
	tb.Fatalf("%s is not listed", key)
	return File{}
}

func readAll(tb testing.TB, src Source, f File, offset, length int64) string {
	tb.Helper()
	r, err := src.Open(context.Background(), f, offset, length)
	must(tb, err)
	content, err := io.ReadAll(r)
	must(tb, err)
	must(tb, r.Close())
	return string(content)
}

func leftOut(list []LeftOut) (names []string) {
	for _, left := range list {
		names = append(names, strings.TrimPrefix(left.Key, hourFolder+"/"))
	}
	return names
}

func keys(files []File) (names []string) {
	for _, f := range files {
		names = append(names, strings.TrimPrefix(f.Key, hourFolder+"/"))
	}
	return names
}

// viaJSON sends a file through what lies between the one that lists and the one that reads.
func viaJSON(tb testing.TB, f File) (back File) {
	tb.Helper()
	text, err := json.Marshal(f)
	must(tb, err)
	must(tb, json.Unmarshal(text, &back))
	return back
}

func hour(tb testing.TB, text string) telemetry.Hour {
	tb.Helper()
	h, err := telemetry.ParseHour(text)
	must(tb, err)
	return h
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
