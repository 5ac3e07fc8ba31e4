package history

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// pairsOf reads a file of pairs: its last three columns are the older version, the newer one, and <, = or ? for not
// comparable.
func pairsOf(t testing.TB, file string) (pairs [][3]string) {
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		pairs = append(pairs, [3]string(cells[len(cells)-3:]))
	}
	return pairs
}

func relation(service, a, b string) string {
	order, comparable := CompareVersions(service, a, b)
	if !comparable {
		return "?"
	}
	return map[int]string{-1: "<", 0: "=", 1: ">"}[cmp.Compare(order, 0)]
}

func TestPairsOfVersions(t *testing.T) {
	for _, file := range []string{"versions.tsv", "versions_more.tsv"} {
		pairs := pairsOf(t, file)
		if len(pairs) < 35 {
			t.Fatalf("%s has only %d pairs", file, len(pairs))
		}
		for _, pair := range pairs {
			a, b, want := pair[0], pair[1], pair[2]
			back := map[string]string{"<": ">", "=": "=", "?": "?"}[want]
			if is, isBack := relation("svc", a, b), relation("svc", b, a); is != want || isBack != back {
				t.Errorf("%q %s %q, and back %s; want %s\n%s\n%s", a, is, b, isBack, want, KeyOf("svc", a).Sort,
					KeyOf("svc", b).Sort)
			}
		}
	}
}

func TestNamesOfProducts(t *testing.T) {
	for _, each := range []struct{ service, a, b, want string }{
		{"App", "App 1.9", "1.10", "<"},
		{"app", "App v1.9", "1.9", "="},
		{"Photo Editor", "PhotoEditor 1.9", "Photo Editor 1.10", "<"},
		{"com.example.photo-editor", "PhotoEditor/1.9", "1.10", "<"},
		{"com.example.photo-editor", "Editor 1.9", "1.10", "<"},
		{"com.example.photo-editor", "example-editor 1.9", "1.10", "?"},
		{"ClientApp", "App 1.9", "1.10", "<"},
		{"ClientApp", "Client App 1.9", "ClientApp 1.10", "<"},
		{"ClientApp", "pp 1.9", "1.10", "?"},
		{"PhotoEditor-iOS", "Photo Editor v1.9", "1.10", "<"},
		{"HTMLEditor", "HTML 1.9", "1.10", "?"}, // one word, as far as its capitals tell
		{"Ünïcode\xffApp", "Ünïcode 1.9", "1.10", "<"},
		{"K9 Mail", "K9 Mail 6.9", "6.10", "<"},
		{"log4j", "log4j-2.9", "log4j-2.17", "<"},
		{"log4j", "log4j2.9", "2.17", "<"},
		{"log4j2", "log4j2.9", "2.17", "?"}, // log4j, 2.9?
		{"App", "Apple 1.9", "1.10", "?"},
		{"App", "Game 1.9", "1.10", "?"},
		{"1", "1.9", "1.10", "<"},
		{"build", "build 9", "10", "<"},
		{"app", "build 9", "10", "?"},
		{"", "App 1.9", "App 1.10", "<"},
		{"", "App 1.9", "1.10", "?"},
		{"App", "App", "1.0", "?"},
		{"アプリ", "アプリ 1.9", "1.10", "<"},
	} {
		if is := relation(each.service, each.a, each.b); is != each.want {
			t.Errorf("of %q: %q %s %q, want %s", each.service, each.a, is, each.b, each.want)
		}
	}
}

func TestKeysReadable(t *testing.T) {
	for version, want := range map[string]VersionKey{
		"1.22.03":            {"1a0:a1:b22:a3# 1.22.03", "1a0:a1:b22:a3#", "#"},
		"1.23.0-beta.1":      {`1a0:a1:b23"$beta%#a1# 1.23.0-beta.1`, `1a0:a1:b23"$beta%#a1#`, "#"},
		"Build 9":            {"2build:a0:a9# Build 9", "2build:a0:a9#", "build"},
		"un\x00known\xff \\": {`3un\x00known\xff\x20\x5c un\x00known\xff \x5c`, `3un\x00known\xff\x20\x5c`, ""},
		"":                   {"3 ", "3", ""},
	} {
		if got := KeyOf("svc", version); got != want {
			t.Errorf("KeyOf(%q) = %q, want %q", version, got, want)
		}
	}
}

// unicode.Nd must hold whole rows of ten, since a digit's value is its place in its row.
func TestDigitsComeInTens(t *testing.T) {
	rows := 0
	for _, row := range unicode.Nd.R16 {
		rows++
		if row.Stride != 1 || (row.Hi-row.Lo+1)%10 != 0 {
			t.Errorf("%U to %U is no row of ten", row.Lo, row.Hi)
		}
	}
	for _, row := range unicode.Nd.R32 {
		rows++
		if row.Stride != 1 || (row.Hi-row.Lo+1)%10 != 0 {
			t.Errorf("%U to %U is no row of ten", row.Lo, row.Hi)
		}
	}
	if rows < 30 {
		t.Fatalf("only %d rows of digits", rows)
	}
}

// natural compares identifiers of letters and digits, numbers by value and before letters.
func natural(a, b string) int {
	for a != "" && b != "" {
		n, m := digits(a), digits(b)
		if (n > 0) != (m > 0) {
			return cmp.Compare(m, n)
		}
		c := 0
		if n > 0 {
			x, _ := strconv.Atoi(a[:n])
			y, _ := strconv.Atoi(b[:m])
			c = cmp.Compare(x, y)
		} else {
			n, m = letters(a), letters(b)
			c = strings.Compare(a[:n], b[:m])
		}
		if c != 0 {
			return c
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// semver compares by semver.org, rule 11, with the numbers in identifiers by value; builds do not count.
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
	if c := slices.CompareFunc(numbersA, numbersB, natural); c != 0 {
		return c
	}
	if len(preA) == 0 || len(preB) == 0 {
		return cmp.Compare(len(preB), len(preA))
	}
	return slices.CompareFunc(preA, preB, func(a, b string) int {
		isA, isB := digits(a) == len(a), digits(b) == len(b)
		if isA != isB {
			return map[bool]int{true: -1, false: 1}[isA]
		}
		return natural(a, b)
	})
}

func TestVersionsFollowSemver(t *testing.T) {
	number := `(0|[1-9][0-9]?|1[0-9]{2})`
	identifier := `(0|[1-9][0-9]{0,2}|[0-9]{1,2}[xy]|[xyz]{1,2}[0-9]{0,2}|` +
		`alpha|beta|beta[0-9]{1,2}|preview|rc|rc[0-9]{1,2})`
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
		if got, comparable := CompareVersions("svc", a, b); !comparable || got != semver(a, b) {
			t.Fatalf("CompareVersions(%q, %q) = %d, %t, semver says %d\n%s\n%s", a, b, got, comparable, semver(a, b),
				KeyOf("svc", a).Rank, KeyOf("svc", b).Rank)
		}
	})
}

// versionLike draws texts that look like versions, and some that do not.
func versionLike() *rapid.Generator[string] {
	word := `(v|version |App |build |r|rc|beta|alpha|a|b|c|m|dev|snapshot|` +
		`final|ga|sp|p|post|u|foo|bar|ubuntu|el|f|g1a2b3c4|3f2a1bc|unknown)`
	return rapid.OneOf(
		rapid.StringMatching(word+`?[0-9]{0,2}([-._ ~]?`+word+`?[0-9]{0,2}){0,5}(\+[a-c0-9]{1,3})?`),
		rapid.StringMatching(`([0-9]{1,30}[:!])?[0-9]{1,30}(\.[0-9]{1,3}){0,4}[a-z]?`),
		rapid.StringOfN(rapid.SampledFrom(
			[]rune("0019.-+_vVaZé Ж漢🎮́\\$\"'#,:/!~|\t\n\u0085\u00a0\u2028\u200b\ufffd\x01\x7f٣９①")), 0, 12, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
	)
}

func TestOrderOfVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(versionLike(), 3, 3).Draw(t, "versions")
		service := rapid.SampledFrom([]string{"", "App", "com.example.app", "r9"}).Draw(t, "service")
		for i := range v {
			checkVersion(t, service, v[i])
			for j := range v {
				checkVersions(t, service, v[i], v[j])
			}
		}
		slices.SortFunc(v, func(a, b string) int { return SortVersions(service, a, b) })
		// What is comparable is of one class, so that it stays comparable over what lies between.
		c1, ok1 := CompareVersions(service, v[0], v[1])
		c2, ok2 := CompareVersions(service, v[1], v[2])
		if c, ok := CompareVersions(service, v[0], v[2]); ok1 && ok2 &&
			(!ok || c > 0 || (c == 0) != (c1 == 0 && c2 == 0)) {
			t.Fatalf("%q, %q and %q are in no order", v[0], v[1], v[2])
		}
	})
}

// checkVersion holds what is true of every version.
func checkVersion(t fatal, service, a string) {
	key := KeyOf(service, a)
	if !utf8.ValidString(key.Sort) ||
		strings.ContainsFunc(key.Sort, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		t.Fatalf("the key of %q does not print: %q", a, key.Sort)
	}
	if rank, _, found := strings.Cut(key.Sort, " "); !found || rank != key.Rank {
		t.Fatalf("the rank of %q is %q, and its key begins with %q", a, key.Rank, rank)
	}
	if again := KeyOf(service, "\t "+a+"\u00a0"); again.Rank != key.Rank {
		t.Fatalf("blanks around %q count: %q and %q", a, key.Rank, again.Rank)
	}
	if len(key.Sort) > 64+24*(len(a)+1) {
		t.Fatalf("the key of %q has %d bytes", a, len(key.Sort))
	}
}

// checkVersions holds what is true of any two.
func checkVersions(t fatal, service, a, b string) {
	keyA, keyB := KeyOf(service, a), KeyOf(service, b)
	order, comparable := CompareVersions(service, a, b)
	back, comparableBack := CompareVersions(service, b, a)
	switch {
	case (keyA.Sort == keyB.Sort) != (a == b):
		t.Fatalf("%q has the key %q, %q has %q", a, keyA.Sort, b, keyB.Sort)
	case order != -back || comparable != comparableBack:
		t.Fatalf("CompareVersions(%q, %q) = %d, %t, the other way round %d, %t", a, b, order, comparable,
			back, comparableBack)
	case comparable != (keyA.Rank == keyB.Rank || keyA.Class == keyB.Class && keyA.Class != ""):
		t.Fatalf("%q and %q are of the classes %q and %q; comparable: %t", a, b, keyA.Class, keyB.Class, comparable)
	case comparable && order != strings.Compare(keyA.Rank, keyB.Rank):
		t.Fatalf("CompareVersions(%q, %q) = %d, by their ranks %d", a, b, order, strings.Compare(keyA.Rank, keyB.Rank))
	case comparable && order != 0 && order != strings.Compare(keyA.Sort, keyB.Sort):
		t.Fatalf("CompareVersions(%q, %q) = %d, by their keys %d", a, b, order, strings.Compare(keyA.Sort, keyB.Sort))
	}
}

// Numbers count by value wherever they stand: a larger one in the same place is newer, or, of what is said of a
// build, equal.
func TestNumbersCountByValue(t *testing.T) {
	around := []string{
		"%d", "v%d", "%d.0", "1.%d", "1.0.%d", "1.0.0.%d", "1.%d-rc1", "1.0-rc%d", "1.0-rc.%d", "1.0.0-rc.%d.1",
		"1.0.0-rc.1.%d", "1.0b%d", "1.0 beta %d",
		"1.0-alpha-%d", "1-%d-0", "2022-%d-1", "2022-1-%d", "1.0.0-%d", "1.0.0-%d.1", "1.2.3-%d-gabc1234",
		"1.2.3-rc1-%d-gabc1234", "1.0-%dubuntu1",
		"1.0-1ubuntu%d", "1.0-%d.el8", "1.0~rc%d", "%d:1.0", "%d!1.0", "1.0.post%d", "1.0.dev%d", "1.0a1.dev%d",
		"2021.3.4f%d", "8u%d", "1.8.0_%d",
		"1.8.0_292-b%d", "8.9p%d", "1.2.3 (%d)", "1.2.3 (build %d)", "1.0-foo%d", "1.0.0-foo.%d", "build %d", "r%d",
		"App 1.%d", "1.0.Final-redhat-%d",
		"1.0-rc1-foo%d", "1.0.2a-%d", "1.x.%d", "13.2-RELEASE-p%d", "Greenwich.SR%d",
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.SampledFrom(around).Draw(t, "pattern")
		n := rapid.Int64Range(0, 1e12).Draw(t, "n")
		if rapid.Bool().Draw(t, "small") {
			n %= 120
		}
		m := n + rapid.Int64Range(1, 1e9).Draw(t, "more")
		a, b := fmt.Sprintf(pattern, n), fmt.Sprintf(pattern, m)
		if is := relation("svc", a, b); is != "<" {
			t.Fatalf("%q %s %q\n%s\n%s", a, is, b, KeyOf("svc", a).Rank, KeyOf("svc", b).Rank)
		}
	})
}

func FuzzCompareVersions(f *testing.F) {
	for _, pair := range pairsOf(f, "versions_more.tsv") {
		f.Add("svc", pair[0], pair[1])
	}
	f.Add("a", "\xff", "\x5cxff")
	f.Add("", "1.\x00\u2028-", "1..+.-")
	f.Add("1", strings.Repeat("9", 1000), strings.Repeat("0", 1000)+"1")
	f.Add("v", "~~1~~", "1~\xff~")
	f.Fuzz(func(t *testing.T, service, a, b string) {
		checkVersion(t, service, a)
		checkVersions(t, service, a, b)
	})
}

// The cost of a key grows with the text, whatever that is: clients send texts of up to a MiB.
func TestLongVersions(t *testing.T) {
	for _, piece := range []string{"1", "a", "1a", "1.", "-1-g", "~", "-", " ", "a b ", "1-", "\xff", "é", "漢字",
		"abc1234", "-gabc1234", "a.1-g12345", "(", ":1", "\u200b"} {
		long := strings.Repeat(piece, 1<<17/len(piece))
		for _, version := range []string{long, "1" + long, "1.0-" + long, long + "1"} {
			start := time.Now()
			key := KeyOf(long, version)
			CompareVersions("svc", version, version+"1")
			if took := time.Since(start); took > 5*time.Second || len(key.Sort) < len(version) {
				t.Errorf("%q, repeated: %s, a key of %d bytes", piece, took, len(key.Sort))
			}
		}
	}
}

func BenchmarkKeyOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if KeyOf("svc", "1.23.0-beta.1").Class == "" {
			b.Fatal()
		}
	}
}

func BenchmarkCompareVersions(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if order, _ := CompareVersions("svc", "1.23.0-beta.1", "1.23.0"); order >= 0 {
			b.Fatal()
		}
	}
}

// fatal is what tests, fuzzing and properties have in common here.
type fatal interface {
	Fatalf(format string, args ...any)
}

var docPair = regexp.MustCompile("`([^`]+)` ([<=?]) `([^`]+)`")

// TestVersionsDoc holds the examples of docs/VERSIONS.md against the code.
func TestVersionsDoc(t *testing.T) {
	text, err := os.ReadFile("../docs/VERSIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	pairs := docPair.FindAllStringSubmatch(string(text), -1)
	if len(pairs) < 60 {
		t.Fatalf("only %d examples", len(pairs))
	}
	for _, pair := range pairs {
		if is := relation("svc", pair[1], pair[3]); is != pair[2] {
			t.Errorf("docs/VERSIONS.md says %s, and it is %s", pair[0], is)
		}
	}
	for word := range words {
		if len(word) > 1 && !strings.Contains(string(text), word) {
			t.Errorf("docs/VERSIONS.md does not mention %s", word)
		}
	}
	for _, version := range []string{"Photo Editor 1.9", "PhotoEditor/1.9"} {
		if is := relation("com.example.photo-editor", version, "1.9"); is != "=" {
			t.Errorf("%s is %s 1.9", version, is)
		}
	}
}
