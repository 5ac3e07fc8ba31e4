package history

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// ascending lists versions from the oldest to the newest.
var ascending = []string{
	// No number in front.
	"", "build 9", "build 10", "dev", "r9", "r10", "unknown", "v", "vnext",
	// Zeros.
	"0-1", "0", "0.0.0", "0.0.1-alpha", "0.0.1", "0.1", "0.1.0.0", "0.2",
	// semver.org, rule 11, and its builds, rule 10.
	"1.0.0-0", "1.0.0-1", "1.0.0-9", "1.0.0-10", "1.0.0--", "1.0.0-0a", "1.0.0-A", "1.0.0-Z", "1.0.0-a",
	"1.0.0-alpha", "1.0.0-alpha+001", "1.0.0-alpha+9", "1.0.0-alpha+10", "1.0.0-alpha.1", "1.0.0-alpha.1.0",
	"1.0.0-alpha.beta", "1.0.0-alpha-x", "1.0.0-alpha1",
	"1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-beta.11.x", "1.0.0-beta11", "1.0.0-beta2", "1.0.0-rc.1",
	"1.0.0", "1.0.0+7", "1.0.0+20130313144700", "1.0.0+exp.sha.5114f85", "1.0.0+exp.sha.5114f86", "1.0.0_1",
	"1.2-beta", "1.2", "1.2.0", "1.2.0.0", "1.2.0.1-rc1", "1.2.0.1", "1.2.1",
	// Java's updates.
	"1.8.0", "1.8.0_31", "1.8.0_292", "1.8.1", "1.8.10",
	// The example's own, and its neighbours.
	"1.21", "1.22.02", "1.22.03", "1.22.3", "1.22.4", "1.22.10", "1.23.0-beta.1", "1.23.0", "v1.23.0",
	"2.0.0", "2.1.0", "2.1.1",
	// Python's prereleases and Ruby's.
	"3.0.0a1", "3.0.0b1", "3.0.0.rc1", "3.0.0rc1", "3.0.0", "3.0.0 (build 9)", "3.0.0 (build 10)", "3.0.1",
	// Browsers, dates, and what no integer holds.
	"32.0.1700.77", "32.0.1700.102", "33.0", "2015.05.17", "2015.05.18", "2015.10.1", "20150517",
	"9999999999999999999999998", "9999999999999999999999999", "10000000000000000000000000", "99999999999999999999999999",
	"100000000000000000000000000",
}

func TestOrderOfVersions(t *testing.T) {
	for i, a := range ascending {
		for j, b := range ascending {
			if got, want := CompareVersions(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d\n%s\n%s", a, b, got, want, SortKey(a), SortKey(b))
			}
		}
	}
}

func TestSortKeyReadable(t *testing.T) {
	for version, want := range map[string]string{
		"1.22.03":       "a1:b22:a3. 1.22.03",
		"1.23.0-beta.1": "a1:b23-$beta,#a1 1.23.0-beta.1",
		"a\x00b\xff\\":  `-a!b!\ a\x00b\xff\x5c`,
		"":              "- ",
	} {
		if got := SortKey(version); got != want {
			t.Errorf("SortKey(%q) = %q, want %q", version, got, want)
		}
	}
}

// The neighbours of a version differ from it in nothing but the way it is written.
func TestSpellingsAreNeighbours(t *testing.T) {
	same := []string{"1.22.03", "1.22.3", "01.22.3", "v1.22.3", "V1.22.3", "1.22.3.0", " 1.22.3 "}
	for _, a := range same {
		for _, b := range same {
			if c := CompareVersions(a, b); (c == 0) != (a == b) {
				t.Errorf("CompareVersions(%q, %q) = %d", a, b, c)
			}
		}
		if CompareVersions(a, "1.22.2") < 0 || CompareVersions(a, "1.22.4-0") > 0 || CompareVersions("1.22.3-rc", a) > 0 {
			t.Errorf("%q strays", a)
		}
	}
}

// semver compares by the letter of semver.org, rule 11; builds do not count.
func semver(a, b string) int {
	split := func(v string) (numbers, identifiers []string) {
		v, _, _ = strings.Cut(v, "+")
		core, pre, is := strings.Cut(v, "-")
		if is {
			identifiers = strings.Split(pre, ".")
		}
		return strings.Split(core, "."), identifiers
	}
	numbersA, preA := split(a)
	numbersB, preB := split(b)
	for i := range 3 {
		x, _ := strconv.Atoi(numbersA[i])
		y, _ := strconv.Atoi(numbersB[i])
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	if len(preA) == 0 || len(preB) == 0 {
		return cmp.Compare(len(preB), len(preA))
	}
	return slices.CompareFunc(preA, preB, func(a, b string) int {
		x, errA := strconv.ParseUint(a, 10, 64)
		y, errB := strconv.ParseUint(b, 10, 64)
		switch {
		case errA == nil && errB == nil:
			return cmp.Compare(x, y)
		case errA == nil:
			return -1
		case errB == nil:
			return 1
		}
		return strings.Compare(a, b)
	})
}

func TestVersionsFollowSemver(t *testing.T) {
	number := `(0|[1-9][0-9]?|1[0-9]{2})`
	identifier := `(0|[1-9][0-9]{0,2}|[0-9]{0,2}[ab-][0-9ab-]{0,3})`
	version := rapid.StringMatching(fmt.Sprintf(`[01]\.%s\.[0-2](-%s(\.%s){0,2})?(\+[0-9a-c]{1,3}(\.[0-9a-c]{1,2})?)?`,
		number, identifier, identifier))
	rapid.Check(t, func(t *rapid.T) {
		a, b := version.Draw(t, "a"), version.Draw(t, "b")
		// Draws alike most of the time, so that the ends get compared too.
		if rapid.Bool().Draw(t, "alike") {
			core, _, _ := strings.Cut(a, "-")
			_, pre, is := strings.Cut(b, "-")
			if core, _, _ = strings.Cut(core, "+"); is {
				b = core + "-" + pre
			}
		}
		want := semver(a, b)
		if got := CompareVersions(a, b); want != 0 && got != want || want == 0 && (got == 0) != (a == b) {
			t.Fatalf("CompareVersions(%q, %q) = %d, semver says %d\n%s\n%s", a, b, got, want, SortKey(a), SortKey(b))
		}
	})
}

func FuzzCompareVersions(f *testing.F) {
	for i := range ascending {
		f.Add(ascending[i], ascending[(i+1)%len(ascending)])
	}
	f.Add("\xff", "\x5cxff")
	f.Add("1.\x00\u2028-", "1..+.-")
	f.Add(strings.Repeat("9", 1000), strings.Repeat("0", 1000)+"1")
	f.Fuzz(func(t *testing.T, a, b string) {
		keyA, keyB := SortKey(a), SortKey(b)
		for _, key := range []string{keyA, keyB} {
			if !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Fatalf("does not print: %q", key)
			}
		}
		if (keyA == keyB) != (a == b) {
			t.Fatalf("%q has the key %q, %q has %q", a, keyA, b, keyB)
		}
		c := CompareVersions(a, b)
		if c != strings.Compare(keyA, keyB) || c != -CompareVersions(b, a) {
			t.Fatalf("CompareVersions(%q, %q) = %d, the other way round %d", a, b, c, CompareVersions(b, a))
		}
		// A prerelease is before its release, and a build after it, whatever else the numbers are followed by.
		if n := digits(a); n > 0 && n == len(a) && b != "" {
			if CompareVersions(a+"-"+b, a) >= 0 || CompareVersions(a+"+"+b, a) <= 0 {
				t.Fatalf("%q with the ending %q is out of order", a, b)
			}
		}
	})
}

func BenchmarkSortKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if SortKey("1.23.0-beta.1") == "" {
			b.Fatal()
		}
	}
}
