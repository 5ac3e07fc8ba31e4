package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/versionlake/versionlake/telemetry"
)

func TestParseLayout(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"{YYYY}/{MM}/{DD}/{HH}", ""},
		{"/year={YYYY}/month={MM}/day={DD}/hour={HH}/", ""},
		{"logs/eu west/{YYYY}-{MM}-{DD}/{HH}", ""},
		{"dt={YYYY}{MM}{DD}{HH}", ""},
		{"{HH}/{DD}/{MM}/{YYYY}", ""},
		{"{YYYY}/{MM}/{DD}/{HH}/raw", ""},
		{"{YYYY}/{MM}/{DD}", "has no {HH}"},
		{"{YYYY}/{DD}/{HH}", "has no {MM}"},
		{"{MM}/{DD}/{HH}", "has no {YYYY}"},
		{"{YYYY}/{MM}/{HH}", "has no {DD}"},
		{"{YYYY}/{MM}/{DD}/{HH}/{HH}", "has {HH} twice"},
		{"{YYYY}/{MM}/{DD}/{hh}", "begins none of"},
		{"{YYYY}/{MM}/{DD}/{HH", "begins none of"},
		{"{YYYY}//{MM}/{DD}/{HH}", "is not the path"},
		{"../{YYYY}/{MM}/{DD}/{HH}", "is not the path"},
		{"", "is not the path"},
	} {
		layout, err := ParseLayout(test.text)
		switch {
		case test.want == "" && (err != nil || layout.String() != strings.Trim(test.text, "/")):
			t.Errorf("%q: %q, %v", test.text, layout, err)
		case test.want != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}

func layoutsOf(tb testing.TB, texts ...string) (layouts []Layout) {
	tb.Helper()
	for _, text := range texts {
		layout, err := ParseLayout(text)
		must(tb, err)
		layouts = append(layouts, layout)
	}
	return layouts
}

func TestLayoutNames(t *testing.T) {
	for _, test := range []struct {
		layout, folder string
		want           bool
	}{
		{DefaultLayout, "2022/05/27/05", true},
		{DefaultLayout, "2022/5/27/5", true},
		{DefaultLayout, "2022/005/27/05", false},
		{DefaultLayout, "2022/05/27/5 ", false},
		{DefaultLayout, "2022/05/27/+5", false},
		{DefaultLayout, "2022/05/27/24", false},
		{DefaultLayout, "2022/02/29/05", false},
		{DefaultLayout, "2024/02/29/05", true},
		{DefaultLayout, "022/05/27/05", false},
		{DefaultLayout, "0000/05/27/05", false},
		{"{YYYY}{MM}{DD}{HH}", "2022052705", true},
		{"{YYYY}{MM}{DD}{HH}", "202252705", false},
		{"{YYYY}-{MM}-{DD}_{HH}h", "2022-5-27_5h", true},
		{"{YYYY}/{MM}/{DD}/{HH}00", "2022/05/27/0500", true},
		{"{YYYY}/{MM}/{DD}/{HH}00", "2022/05/27/500", false},
		{"a/{YYYY}/{MM}/{DD}/{HH}/b", "a/2022/05/27/5/b", true},
		{"a/{YYYY}/{MM}/{DD}/{HH}/b", "a/2022/05/27/5/c", false},
	} {
		if got := layoutsOf(t, test.layout)[0].names(test.folder); got != test.want {
			t.Errorf("%s names %s: %v", test.layout, test.folder, got)
		}
	}
}

// Whatever the layout and the hour, what is written by the layout is found again, as that hour and no other.
func TestAnyLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{
			DefaultLayout, "year={YYYY}/month={MM}/day={DD}/hour={HH}", "{YYYY}{MM}{DD}{HH}",
			"x/{YYYY}-{MM}-{DD}-{HH}/y", "dt={YYYY}-{MM}-{DD}/h{HH}",
			"{DD}.{MM}.{YYYY}/{HH}", "{HH}/{YYYY}{MM}{DD}",
		}).Draw(t, "layout")
		layout, err := ParseLayout(text)
		if err != nil {
			t.Fatal(err)
		}
		at := telemetry.Hour(rapid.Int64Range(-100*8766, 200*8766).Draw(t, "hour"))
		width := func(n int, fixed bool, label string) string {
			if !fixed && rapid.Bool().Draw(t, label) {
				return strconv.Itoa(n)
			}
			return fmt.Sprintf("%02d", n)
		}
		start, fixed := at.Start(), strings.Contains(text, "}{")
		folder := strings.NewReplacer("{YYYY}", fmt.Sprintf("%04d", start.Year()),
			"{MM}", width(int(start.Month()), fixed, "month"),
			"{DD}", width(start.Day(), fixed, "day"), "{HH}", width(start.Hour(), fixed, "hour of day")).Replace(text)
		tree := memory{folder: true}
		hours, err := findHours(context.Background(), tree, []Layout{layout}, at-3, at+3)
		if err != nil || !slices.Equal(hours, []telemetry.Hour{at}) {
			t.Fatalf("in %s: %v, %v", folder, hours, err)
		}
		for other := at - 2; other <= at+2; other++ {
			folders, _, err := hourFolders(context.Background(), tree, []Layout{layout}, other)
			if err != nil || len(folders) != 0 != (other == at) || other == at && folders[0] != folder {
				t.Fatalf("of %s in %s: %v, %v", other, folder, folders, err)
			}
		}
		if !layout.names(folder) {
			t.Fatalf("%s does not name %s", text, folder)
		}
	})
}

// memory is a tree of folders, each of which holds something.
type memory map[string]bool

func (memory) String() string { return "memory" }

func (m memory) names(_ context.Context, folder, prefix string, _ int) (names []name, _ error) {
	for path := range m {
		rest, below := strings.CutPrefix(path, folder)
		if rest = strings.TrimPrefix(rest, "/"); !below || rest == "" {
			continue
		}
		if first, _, _ := strings.Cut(rest, "/"); strings.HasPrefix(first, prefix) {
			names = append(names, name{text: first, folder: true})
		}
	}
	return names, nil
}

func (m memory) holds(_ context.Context, folder string) (bool, error) { return m[folder], nil }

func testLayouts(t *testing.T, _ Source, b backend) {
	hive, flat := "logs/year={YYYY}/month={MM}/day={DD}/hour={HH}", "dt={YYYY}{MM}{DD}{HH}"
	for _, key := range []string{
		"logs/year=2022/month=05/day=27/hour=05/a.tsv", "logs/year=2022/month=5/day=27/hour=5/b.tsv",
		"logs/year=2022/month=5/day=27/hour=6/c.tsv",
		"dt=2022052705/d.tsv", "dt=2022052707/e.tsv", "2022/05/27/05/not-this.tsv", "dt=202205270/x.tsv",
		"logs/year=2022/month=05/day=27/f.tsv",
	} {
		b.put(t, key, key)
	}
	src, err := Open(t.Context(), b.location, WithLayouts(layoutsOf(t, hive, flat)...))
	must(t, err)
	for at, want := range map[string]string{
		"2022-05-27T05": "dt=2022052705/d.tsv logs/year=2022/month=05/day=27/hour=05/a.tsv " +
			"logs/year=2022/month=5/day=27/hour=5/b.tsv",
		"2022-05-27T06": "logs/year=2022/month=5/day=27/hour=6/c.tsv", "2022-05-27T07": "dt=2022052707/e.tsv",
		"2022-05-27T08": "",
	} {
		files := listFiles(t, src, at)
		if got := strings.Join(keys(files), " "); got != want {
			t.Errorf("hour %s has %s, want %s", at, got, want)
		}
		for _, f := range files {
			if got := readAll(t, src, f, 0, -1); got != f.Key {
				t.Errorf("%s holds %q", f.Key, got)
			}
		}
	}
	hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T00"), hour(t, "2022-05-27T07"))
	if want := []telemetry.Hour{hour(t, "2022-05-27T05"), hour(t, "2022-05-27T06")}; err != nil ||
		!slices.Equal(hours, want) {
		t.Errorf("hours are %v, %v", hours, err)
	}
	must(t, src.CheckHours(t.Context()))
}

func testUnpadded(t *testing.T, src Source, b backend) {
	for _, key := range []string{"2022/05/07/05/a.tsv", "2022/5/7/5/b.tsv", "2022/05/7/05/c.tsv", "2022/5/07/5/d.tsv"} {
		b.put(t, key, key)
	}
	files := listFiles(t, src, "2022-05-07T05")
	if got, want := strings.Join(keys(files),
		" "), "2022/05/07/05/a.tsv 2022/05/7/05/c.tsv 2022/5/07/5/d.tsv 2022/5/7/5/b.tsv"; got != want {
		t.Errorf("files are %s, want %s", got, want)
	}
}

func testInPlaceOfAFolder(t *testing.T, src Source, b backend) {
	b.put(t, hourFolder, "lines of an hour, in a file")
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if len(listing.Files) != 0 || len(listing.Passed) != 1 || listing.Passed[0].Key != hourFolder ||
		listing.PassedOver != 1 {
		t.Errorf("the listing is %+v", listing)
	}
	if err := src.CheckHours(t.Context()); !errors.Is(err, ErrNoHours) {
		t.Errorf("CheckHours: %v", err)
	}
}

func testManyPassed(t *testing.T, src Source, b backend) {
	if testing.Short() {
		t.Skip("makes more than a thousand files")
	}
	const many = maxPassed + 30
	var group errgroup.Group
	group.SetLimit(8)
	for i := range many {
		group.Go(func() error { b.put(t, fmt.Sprintf("%s/%05d.pdf", hourFolder, i), ""); return nil })
	}
	must(t, group.Wait())
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if len(listing.Passed) != maxPassed || listing.PassedOver != many {
		t.Errorf("%d names, %d counted", len(listing.Passed), listing.PassedOver)
	}
}

// testNoHours: a source that holds no hours says what it holds instead, and which setting reads it.
func testNoHours(t *testing.T, _ Source, b backend) {
	for i, test := range []struct {
		keys         []string
		below        string // the part of the tree that is the source
		layout, want string
	}{
		{nil, "", DefaultLayout, "holds nothing"},
		{[]string{"year=2022/month=05/day=27/hour=05/a.tsv"}, "", DefaultLayout,
			"--layout 'year={YYYY}/month={MM}/day={DD}/hour={HH}'"},
		{[]string{"y=2022/m=5/d=27/h=5/a.tsv"}, "", DefaultLayout, "--layout 'y={YYYY}/m={MM}/d={DD}/h={HH}'"},
		{[]string{"dt=2022-05-27/05/a.tsv"}, "", DefaultLayout, "--layout 'dt={YYYY}-{MM}-{DD}/{HH}'"},
		{[]string{"20220527/05/a.tsv"}, "", DefaultLayout, "--layout '{YYYY}{MM}{DD}/{HH}'"},
		{[]string{"2022-05-27T05/a.tsv", "README.md"}, "", DefaultLayout, "--layout '{YYYY}-{MM}-{DD}T{HH}'"},
		{[]string{"2022052705/a.tsv"}, "", DefaultLayout, "--layout '{YYYY}{MM}{DD}{HH}'"},
		{[]string{"2022/05/27/05/a.tsv"}, "", "year={YYYY}/month={MM}/day={DD}/hour={HH}",
			"--layout '{YYYY}/{MM}/{DD}/{HH}'"},
		{[]string{"logs/app/2022/05/27/05/a.tsv"}, "", DefaultLayout, "/logs/app'"},
		{[]string{"logs/app/2022/05/27/05/a.tsv"}, "logs", DefaultLayout,
			"--layout 'app/{YYYY}/{MM}/{DD}/{HH}', or with --source '"},
		{[]string{"logs/2022/05/27/05/a.tsv"}, "logs/2022", DefaultLayout, "/logs'"},
		{[]string{"logs/2022/05/27/05/a.tsv"}, "logs/2022/05/27", DefaultLayout, "/logs'"},
		{[]string{"logs/2022/05/27/05/a.tsv"}, "logs/2022/05/27/05", DefaultLayout, "/logs'"},
		{[]string{"logs/year=2022/month=05/day=27/hour=05/a.tsv"}, "logs/year=2022", DefaultLayout,
			"/logs' --layout 'year={YYYY}/month={MM}/day={DD}/hour={HH}'"},
		{[]string{"2022/05/27/a.tsv", "2022/05/28/a.tsv"}, "", DefaultLayout, "in 2022/05/28, holds a.tsv"},
		{[]string{"2022/W21/5/05/a.tsv"}, "", DefaultLayout, "in 2022, holds W21/"},
		{[]string{"a.tsv", "b.tsv"}, "", DefaultLayout, "holds a.tsv, b.tsv"},
		{[]string{"service/users.json"}, "", DefaultLayout, "holds service/"},
	} {
		root := fmt.Sprintf("case%c", 'a'+i)
		b.put(t, root+"/_mark", "")
		for _, key := range test.keys {
			b.put(t, root+"/"+key, "x")
		}
		location := strings.TrimSuffix(b.location+"/"+root+"/"+test.below, "/")
		src, err := Open(t.Context(), location, WithLayouts(layoutsOf(t, test.layout)...))
		must(t, err)
		err = src.CheckHours(t.Context())
		if !errors.Is(err, ErrNoHours) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v below %q: %v, want %q", test.keys, test.below, err, test.want)
		}
	}
}

func testStrays(t *testing.T, src Source, b backend) {
	b.put(t, hourFolder+"/a.tsv", "x")
	b.put(t, "2022/5/28/5/a.tsv", "x")
	b.put(t, "README.md", "x")
	b.put(t, "backup/users/a.tsv", "x")
	must(t, src.CheckHours(t.Context()))
	if strays := src.Strays(t.Context()); len(strays) != 0 {
		t.Errorf("strays are %q", strays)
	}
	b.put(t, "year=2022/month=05/day=27/hour=05/a.tsv", "x")
	b.put(t, "backup/2021/05/27/05/a.tsv", "x")
	strays := strings.Join(src.Strays(t.Context()), "\n")
	for _, want := range []string{
		"--layout '{YYYY}/{MM}/{DD}/{HH}' --layout 'year={YYYY}/month={MM}/day={DD}/hour={HH}'",
		"--layout 'backup/{YYYY}/{MM}/{DD}/{HH}'",
	} {
		if !strings.Contains(strays, want) {
			t.Errorf("strays are %s, want %s", strays, want)
		}
	}
}
