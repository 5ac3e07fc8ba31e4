package telemetry

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What printers of many languages write for one value, among plain ones: each is read, and those around it are.
func TestOneExoticValue(t *testing.T) {
	p := exampleParser(t)
	for value, want := range map[string]string{ // "–": absent
		`u'a'`: "a", `U"a"`: "a", `b'a'`: "a", `B'a'`: "a", `br'\a'`: `\a`, `Rb"\n"`: `\n`, `f'{x}'`: "{x}",
		`b'\x00\xe9'`: "\uFFFDé", `u''`: "–",
		`(1920, 1080)`: "–", `()`: "–", `(1,)`: "–", `('a')`: "('a')", `(1+2j)`: "(1+2j)", `((1, 2), [3, (4,)])`: "–",
		`( )`:        "–",
		`{'a', 'b'}`: "–", `{(1, 2), (3, 4)}`: "–", `{1}`: "–", `{}`: "–", `[]`: "–", `{'a', }`: "–",
		`{{1}, {2: 3}}`: "–", `{1: 2, 3}`: "–",
		`{(1, 2): 'a', None: {3: 4}}`: "–", `{datetime.date(2022, 5, 27): 1, <A.b: 1>: 2, u'c': 3, {1: 2}: 4}`: "–",
		`Decimal('1.10')`: "1.10", `Decimal( "1.10" )`: "1.10", `decimal.Decimal(u'1.10')`: "1.10",
		`Decimal('NaN')`: "–", `np.float64(nan)`: "–",
		`UUID('5e55-1')`: "5e55-1", `new Date('2022-05-27')`: "2022-05-27", `PosixPath('/a/b')`: "/a/b",
		`Path(r'C:\new')`: `C:\new`, `X('a', )`: "X('a', )",
		`X('O\'Brien')`: "O'Brien", `X("a)b")`: "a)b", `X('a', 'b')`: "X('a', 'b')", `X(name='a')`: "X(name='a')",
		`X(Y('a'))`: "X(Y('a'))", `X()`: "X()",
		`datetime.datetime(2022, 5, 27, 5, 0)`: "datetime.datetime(2022, 5, 27, 5, 0)",
		`datetime.datetime(2022, 5, 27, tzinfo=datetime.timezone.utc)`: "datetime.datetime(2022, 5, 27, " +
			"tzinfo=datetime.timezone.utc)",
		`datetime.datetime(2022, 5, 27, tzinfo=<UTC>)`: "datetime.datetime(2022, 5, 27, tzinfo=<UTC>)",
		`frozenset({'a', ')'})`:                        "frozenset({'a', ')'})",
		`OrderedDict([('a', 1), ('b', {'Version': '9'})])`: "OrderedDict(" +
			"[('a', 1), ('b', {'Version': '9'})])",
		`defaultdict(<class 'int'>, {'a': 1})`: "defaultdict(<class 'int'>, {'a': 1})",
		`array([1., 2.], dtype=float32)`:       "array([1., 2.], dtype=float32)",
		`Point { x: 1, y: [2] }`:               "Point { x: 1, y: [2] }",
		`Map(1) { 'a' => 1 }`:                  "Map(1) { 'a' => 1 }",
		`2022-05-27 05:10:00`:                  "2022-05-27 05:10:00", `05:10`: "05:10",
		`2022-05-27T05:10:00.000Z`: "2022-05-27T05:10:00.000Z", `0:05:00.25`: "0:05:00.25",
		`https://x:8080/y?a=b&c=d#e`: "https://x:8080/y?a=b&c=d#e", `http://x/{id}/[y]`: "http://x/{id}/[y]",
		`C:\new\x`: `C:\new\x`, `::1`: "::1",
		`<NA>`: "–", `<na>`: "–", `NaT`: "–", `nil`: "–", `(null)`: "–", `NULL`: "–", `NaN`: "–", `N/A`: "–",
		`'nan'`: "nan", `"<NA>"`: "<NA>",
		`<Color.RED: 1>`: "<Color.RED: 1>", `<Color.RED: 'a>b, c'>`: "<Color.RED: 'a>b, c'>",
		`<function <lambda> at 0x7f>`: "<function <lambda> at 0x7f>",
		`<QuerySet [<A: a>, <B: b>]>`: "<QuerySet [<A: a>, <B: b>]>", `<object a->b, c=>d>`: "<object a->b, c=>d>",
		`<5`: "<5", `<a`: "<a", `a<b`: "a<b",
		`1_000`: "1_000", `-Infinity`: "-Infinity", `1e-5`: "1e-5", `0x1F`: "0x1F", `1.22.03`: "1.22.03",
		`...`: "...", `True`: "True", `123n`: "123n",
		`Windows 10 (x64, SP1)`: "Windows 10 (x64, SP1)", `(c) 2022 X`: "(c) 2022 X", `sad :-(`: "sad :-(",
		`a) b`: "a) b", `f(x`: "f(x",
		`[Function: x]`: "–", `[05:10, <A: 1>, (1, 2), u'x', f('y')]`: "–",
	} {
		for _, body := range []string{
			"{'Name': 'x', 'Other': %s, 'Version': '1', 'UserId': 'u'}",
			"{'Other': [%s, {1: %[1]s}], 'UserId': 'u', 'Version': '1', 'Name': 'x'}",
			"{u'Name': 'x', 'Version': '1', 'UserId': 'u', 'OS': %s}",
			"{'OS': %s , 'Name': 'x', 'UserId': 'u', 'Version': '1',}",
		} {
			var e Event
			line := examplePrefix + fmt.Sprintf(body, value)
			reason := p.Parse([]byte(line), &e)
			version, _ := e.Attribute(AttributeVersion)
			user, _ := e.Attribute(AttributeUser)
			os, ok := e.Attribute(AttributeOS)
			if reason != "" || string(version) != "1" || string(user) != "u" || string(e.Name) != "x" {
				t.Errorf("%s: %q, version %q of %q", line, reason, version, user)
			}
			if strings.Contains(body, "OS") && (ok != (want != "–") || ok && string(os) != want) {
				t.Errorf("%s: %q %v, not %q", line, os, ok, want)
			}
		}
	}
}

// exotic draws a value as some language prints it, and what its attribute must be; "": absent.
func exotic(t *rapid.T, depth int) (shown, text string) {
	inner := func() string { shown, _ := exotic(t, depth-1); return shown }
	several := func(opener, closer string, item func() string) string {
		items := make([]string, rapid.IntRange(0, 3).Draw(t, "items"))
		for i := range items {
			items[i] = item()
		}
		return opener + strings.Join(items, ", ") + closer
	}
	word := rapid.StringMatching(`[a-z][a-z0-9]{2,5}[0-9]`)
	most := 6
	if depth > 0 {
		most = 12
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		text := rapid.StringMatching(`[a-z(){}\[\]<>,:#%]{1,6}`).Draw(t, "text")
		return rapid.SampledFrom([]string{"", "u", "b", "R", "bR"}).Draw(t, "prefix") + "'" + text + "'", text
	case 1:
		return rapid.SampledFrom([]string{"None", "nan", "<NA>", "undefined"}).Draw(t, "none"), ""
	case 2:
		text := rapid.StringMatching(`[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?`).Draw(t, "time")
		return text, text
	case 3:
		text := word.Draw(t, "text")
		return "decimal.Decimal('" + text + "')", text
	case 4:
		text := "<" + word.Draw(t, "class") + ": '>'>"
		return text, text
	case 5:
		text := "https://" + word.Draw(t, "host") + ":80/?a=" + word.Draw(t, "value")
		return text, text
	case 6:
		text := word.Draw(t, "number")
		return text, text
	case 7:
		return several("[", "]", inner), ""
	case 8:
		return several("{", "}", inner), ""
	case 9:
		return several("{", "}", func() string { return inner() + ": " + inner() }), ""
	case 10:
		return several("(0, ", ")", inner), ""
	case 11:
		text := several("f.g(1, ", ")", func() string { return "k=" + inner() })
		return text, text
	default:
		text := several("Frozen([0, ", "])", inner)
		return text, text
	}
}

// Whatever exotic values stand in a body, in whatever order, all of its attributes are read.
func TestAnyExoticValues(t *testing.T) {
	p := exampleParser(t)
	rapid.Check(t, func(t *rapid.T) {
		items, want := []string{"'Name': 'x'"}, map[string]string{}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"OS", "Version", "Model", "Other", "('a', 1)",
			"{1}", "<K.a: 1>"}), 0, 5).Draw(t, "keys") {
			shown, text := exotic(t, 4)
			want[key] = text
			form := "%s"
			if len(key) > 1 && key[0] >= 'A' {
				form = rapid.SampledFrom([]string{"'%s'", "u'%s'", `"%s"`, "%s"}).Draw(t, "form")
			}
			items = append(items, fmt.Sprintf(form, key)+": "+shown)
		}
		line := examplePrefix + "{" + strings.Join(items, ", ") + "}"
		var e Event
		if reason := p.Parse([]byte(line), &e); reason != "" {
			t.Fatalf("%q: %s", reason, line)
		}
		for _, a := range []Attribute{AttributeOS, AttributeVersion, AttributeModel} {
			if got, ok := e.Attribute(a); string(got) != want[a.String()] || ok != (want[a.String()] != "") {
				t.Fatalf("%v is %q %v, not %q: %s", a, got, ok, want[a.String()], line)
			}
		}
	})
}

// Every kind of bracket nests as deep as the body may, and no deeper, also within tokens.
func TestNestingOfEveryBracket(t *testing.T) {
	p := exampleParser(t)
	for pair, closer := range map[string]string{"(": ")", "f(": ")", "[": "]", "{": "}", "{1: ": "}", "f([{": "}])",
		"{(": "): 1}", "<a": ">", "x {": "}"} {
		levels := strings.Count(pair, "(") + strings.Count(pair, "[") + strings.Count(pair, "{") +
			strings.Count(pair, "<")
		for n, want := range map[int]Reason{1: "", 63 / levels: "", 63/levels + 1: ReasonNesting,
			100_000: ReasonNesting} {
			var e Event
			body := "{'Name': 'x', 'Deep': u'', 'Deeper': " + strings.Repeat(pair, n) +
				"1" + strings.Repeat(closer, n) + ", 'OS': 1}"
			if got := p.Parse([]byte(examplePrefix+body), &e); got != want {
				t.Errorf("%d times %s: %q, not %q", n, pair, got, want)
			} else if os, _ := e.Attribute(AttributeOS); want == "" && string(os) != "1" {
				t.Errorf("%d times %s: the entry behind them is %q", n, pair, os)
			}
		}
	}
}

// A hostile line takes no longer than another one of its length.
func TestHostileBodiesAreReadOnce(t *testing.T) {
	p := exampleParser(t)
	for _, piece := range []string{"<a,", "f(,", "(,", "'a':(b,", "<a<b>,", "{'", "[(", "u'", "\\'", "x{", "\"\"",
		"<a:{", "f('"} {
		for _, opener := range []string{"{'Name': 'x', 'Other': u'', ", "{'Name': 'x', 'Other': [", "\"{",
			"b'{'Name': '"} {
			body := []byte(examplePrefix + opener + strings.Repeat(piece, 1_000_000/len(piece)))
			start := time.Now()
			var e Event
			p.Parse(body, &e)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s%s… takes %v", opener, piece, took)
			}
		}
	}
}

// A body that was quoted once more is read as the body that it was.
func TestQuotedBodies(t *testing.T) {
	p := exampleParser(t)
	plain := `{"Name": "Issue", "Message": "it's \"so\" \u00e9\\", 'Code': 'a"b', "UserId": u'x'}`
	describeBody := func(body string) string {
		var e Event
		if reason := p.Parse([]byte(examplePrefix+body), &e); reason != "" {
			return string(reason)
		}
		return fmt.Sprint(string(e.Name), attributes(&e))
	}
	want := describeBody(plain)
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`)
	for name, body := range map[string]string{
		"CSV": `"` + strings.ReplaceAll(plain, `"`, `""`) + `"`, "CSV, blanks": `" ` +
			strings.ReplaceAll(plain, `"`, `""`) + ` "`,
		"JSON": `"` + escape.Replace(plain) + `"`, "repr": `'` + escape.Replace(plain) + `'`, "bytes": `b'` +
			escape.Replace(plain) + `'`,
	} {
		if got := describeBody(body); got != want {
			t.Errorf("%s: %s is %s, not %s", name, body, got, want)
		}
	}
	for _, body := range []string{`"`, `""`, `'`, `"{"Name": "Login"}"`, `"{'Name': 'Login'}`, `"{'Name': 'Login'}'`,
		`""{'Name': 'Login'}""`, `"['Name']"`,
		`"\"{'Name': 'Login'}\""`, `x"{'Name': 'Login'}"`, `b`} {
		if got := describeBody(body); got != string(ReasonBody) {
			t.Errorf("%s is %s", body, got)
		}
	}
}

// What parseBody reads, parseLoose reads as well, however it is changed.
func TestLooseAgreesWithPlain(t *testing.T) {
	p := exampleParser(t)
	bodies := [][]byte{
		[]byte(
			`{'Name': 'SoftwareVersion', 'Version': 1.22.03, "OS": [1, {'a': 'b\'c'}, []], ` +
				`'UserId': None, 'PlayerId': nan, }`),
		[]byte(`{Name: Login, "UserId":"\u00e9", Deep: {a: {}, b: [x y, "z"]},OS:Windows 7,Model:'',Version:''}`),
	}
	rapid.Check(t, func(t *rapid.T) {
		body := bytes.Clone(rapid.SampledFrom(bodies).Draw(t, "body"))
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
			body[at] = rapid.SampledFrom([]byte(`'"{}[]()<>,: \nua1`)).Draw(t, "byte")
		}
		plain, loose := Event{Body: body}, Event{Body: body}
		if p.parseBody(body, &plain) != "" {
			return
		}
		if reason := p.parseLoose(&loose); reason != "" ||
			fmt.Sprint(attributes(&plain)) != fmt.Sprint(attributes(&loose)) {
			t.Fatalf("%s: %q, and not %q: %q", body, attributes(&plain), attributes(&loose), reason)
		}
	})
}
