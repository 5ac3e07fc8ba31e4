package telemetry

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func newParser(t testing.TB, o Options) *Parser {
	t.Helper()
	p, err := NewParser(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// describe writes out all that an event says.
func describe(e *Event) string {
	words := []string{string(e.Category), time.UnixMicro(e.Time).UTC().Format(time.RFC3339Nano), string(e.ServiceName),
		string(e.SessionID), fmt.Sprintf("%s=%d", e.TransactionID, e.Transaction), string(e.Body),
		fmt.Sprintf("%s=%v", e.Name, e.Kind)}
	return strings.Join(append(words, attributes(e)...), "|")
}

func attributes(e *Event) []string {
	var words []string
	for a := range Attribute(NumAttributes) {
		if text, ok := e.Attribute(a); ok {
			words = append(words, fmt.Sprintf("%v=%s", a, text))
		}
	}
	return words
}

func TestTransactionNumber(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "20": 20, "020": 20, "-5": -5, "9223372036854775806": math.MaxInt64 -
			1, "9223372036854775807": math.MaxInt64,
		"9223372036854775808": math.MaxInt64, "99999999999999999999": math.MaxInt64,
		"-9223372036854775807": -math.MaxInt64,
		"":                     math.MaxInt64, "-": math.MaxInt64, "+5": math.MaxInt64, "2.0": math.MaxInt64,
		"1e3": math.MaxInt64,
		"x":   math.MaxInt64, "٣": math.MaxInt64,
	} {
		if got := transactionNumber([]byte(text)); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
	}
}

// Everything up to and including the limits is fine.
func TestTimesBelieved(t *testing.T) {
	hour := HourOf(date(2021, 12, 24, 11))
	const ages = 290 * 365 * 24 * time.Hour
	for _, c := range []struct {
		past, future time.Duration
		at           string
		want         Reason
	}{
		{0, 0, "2021-12-25T12:00:00Z", ""},
		{0, 0, "2021-12-25T13:00:00+01:00", ""},
		{0, 0, "2021-12-25T12:00:00.000001Z", ReasonFuture},
		{0, time.Minute, "2021-12-24T12:01:00Z", ""},
		{0, time.Minute, "2021-12-24T12:01:00.000001Z", ReasonFuture},
		{0, LargestMaxFuture, "2022-01-24T12:00:00Z", ""},
		{0, 0, "2016-12-25T11:00:00Z", ""},
		{0, 0, "2016-12-25T12:00:00+01:00", ""},
		{0, 0, "2016-12-25T10:59:59.999999Z", ReasonPast},
		{0, 0, "0001-01-01T00:00:00Z", ReasonPast},
		{time.Minute, 0, "2021-12-24T10:59:00Z", ""},
		{time.Minute, 0, "2021-12-24T10:58:59.999999Z", ReasonPast},
		{ages, 0, "1970-01-01T00:00:00Z", ""},
		{ages, 0, "1601-01-01T00:00:00Z", ReasonPast},
	} {
		var e Event
		p := newParser(t, Options{Hour: hour, MaxPast: c.past, MaxFuture: c.future})
		if got := p.Parse([]byte("Telemetry "+c.at+" ClientApp S1 20 {'Name': 'Login'}"), &e); got != c.want {
			t.Errorf("%v before and %v beyond %v, %s: %q", c.past, c.future, hour, c.at, got)
		}
	}
}

// A line of a session that stands for none is its user's, or nobody's.
func TestPlaceholderSessions(t *testing.T) {
	byService := Options{Hour: HourOf(date(2021, 12, 24, 11)), SessionsByService: true}
	listed := Options{Hour: byService.Hour, Catalogue: Catalogue{Absent: []string{"Unknown", "0"}}}
	for _, c := range []struct {
		options       Options
		session, body string
		want          Reason
		tells         string
	}{
		{Options{Hour: byService.Hour}, "S1", "{'Name': 'x'}", "", "S1"},
		{Options{Hour: byService.Hour}, "null", "{'Name': 'x'}", ReasonSession, ""},
		{Options{Hour: byService.Hour}, "NaN", "{'Name': 'x', 'UserId': nan}", ReasonSession, ""},
		{Options{Hour: byService.Hour}, "<NA>", "{'Name': 'x', 'UserId': 'null'}", ReasonSession, ""},
		{Options{Hour: byService.Hour}, "n/a", "{'Name': 'x', 'UserId': 'a'}", "", ""},
		{Options{Hour: byService.Hour}, "None", "{'Name': 'x', 'UserId': 'null', 'PlayerId': 'a'}", "", ""},
		{Options{Hour: byService.Hour}, "\u00a0", "{'Name': 'x'}", ReasonSession, ""},
		{Options{Hour: byService.Hour}, "undefined", "{'Name': nan}", ReasonName, ""},
		{Options{Hour: byService.Hour}, "00000000-0000-0000-0000-000000000000", "{'Name': 'x'}", ReasonSession, ""},
		{Options{Hour: byService.Hour}, "00000000-0000-0000-0000-000000000001", "{'Name': 'x'}",
			"", "00000000-0000-0000-0000-000000000001"},
		{Options{Hour: byService.Hour}, "none2", "{'Name': 'x'}", "", "none2"},
		{listed, "UNKNOWN", "{'Name': 'x'}", ReasonSession, ""},
		{listed, "0", "{'Name': 'x'}", ReasonSession, ""},
		{listed, "null", "{'Name': 'x'}", "", "null"},
		{byService, "S1", "{'Name': 'x'}", "", "Cl%2F%25ent/S1"},
		{byService, "a/b", "{'N\\u0061me': 'x'}", "", "Cl%2F%25ent/a/b"},
		{byService, "null", "{'Name': 'x'}", ReasonSession, ""},
		{byService, "null", "{'Name': 'x', 'UserId': 'a'}", "", ""},
	} {
		var e Event
		p := newParser(t, c.options)
		got := p.Parse([]byte("Telemetry\t2021-12-24T11:31:19Z\tCl/%ent\t"+c.session+"\t20\t"+c.body), &e)
		if got != c.want || got == "" && (string(e.Session) != c.tells || string(e.SessionID) != c.session) {
			t.Errorf("%s %s: %q, %q", c.session, c.body, got, e.Session)
		}
	}
}

// Whatever two pairs of service and session, their ids are equal only if they are.
func TestSessionOfServiceIsInjective(t *testing.T) {
	text := rapid.SliceOf(rapid.SampledFrom([]byte("a/%2F5")))
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, d := text.Draw(t, "service"), text.Draw(t, "session"), text.Draw(t, "other service"), text.Draw(t,
			"other session")
		same := bytes.Equal(a, c) && bytes.Equal(b, d)
		if got := bytes.Equal(SessionOfService(a, b), SessionOfService(c, d)); got != same {
			t.Fatalf("(%s, %s) and (%s, %s): %v", a, b, c, d, got)
		}
	})
}

func TestOptionsErrors(t *testing.T) {
	for name, o := range map[string]Options{
		"a negative future":   {MaxFuture: -1},
		"a far future":        {MaxFuture: LargestMaxFuture + 1},
		"a negative past":     {MaxPast: -1},
		"too many names":      {Catalogue: Catalogue{Attributes: map[string][]string{"UserId": manyNames(48)}}},
		"a blank placeholder": {Catalogue: Catalogue{Absent: []string{" "}}},
		"an empty one":        {Catalogue: Catalogue{Absent: []string{""}}},
		"one with blanks":     {Catalogue: Catalogue{Absent: []string{"null "}}},
		"one not in UTF-8":    {Catalogue: Catalogue{Absent: []string{"\xff"}}},
		"an hour too far":     {Hour: HourOf(date(10000, 1, 1, 0))},
		"an hour too early":   {Hour: HourOf(date(0, 12, 31, 23))},
		"an unknown event":    {Catalogue: Catalogue{Events: map[string][]string{"Crash": {"Crash"}}}},
		"an unknown name":     {Catalogue: Catalogue{Attributes: map[string][]string{"PlayerId": {"PlayerId"}}}},
		"an empty canonical":  {Catalogue: Catalogue{Events: map[string][]string{"": {"x"}}}},
		"an empty name":       {Catalogue: Catalogue{Events: map[string][]string{"Login": {""}}}},
		"a name of two":       {Catalogue: Catalogue{Attributes: map[string][]string{"Device": {"Model"}}}},
		"an event of two":     {Catalogue: Catalogue{Events: map[string][]string{"Login": {"Crash"}}}},
		"a name with NUL":     {Catalogue: Catalogue{Attributes: map[string][]string{"Device": {"a\x00"}}}},
		"a name not in UTF-8": {Catalogue: Catalogue{Attributes: map[string][]string{"Device": {"\xff"}}}},
		"a name too long": {
			Catalogue: Catalogue{Attributes: map[string][]string{"Device": {strings.Repeat("x", 256)}}}},
	} {
		if p, err := NewParser(o); err == nil || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func manyNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("user%d", i))
	}
	return names
}

// The names of all attributes fill all places, and the last one counts, too.
func TestManyNames(t *testing.T) {
	p := newParser(t, Options{Hour: HourOf(date(2021, 12, 24, 11)),
		Catalogue: Catalogue{Attributes: map[string][]string{"UserId": append(manyNames(47), "user3")}}})
	for body, want := range map[string]string{
		"{'Name': 'x', 'user46': 'a'}":                                        "a",
		"{'Name': 'x', 'user46': 'a', 'user45': 'b', 'user0': 'null'}":        "b",
		"{'Name': 'x', 'user46': 'a', 'user0': 'c', 'user45': 'b'}":           "c",
		"{'Name': 'x', 'user5': 'a', 'user46': 'c', 'user5': nan, 'Name': y}": "c",
	} {
		var e Event
		if reason := p.Parse([]byte(examplePrefix+body), &e); reason != "" {
			t.Errorf("%s: %s", body, reason)
		} else if got, _ := e.Attribute(AttributeUser); string(got) != want {
			t.Errorf("%s: %q", body, got)
		}
	}
}

// One Parser serves all goroutines; run with -race.
func TestParserIsShared(t *testing.T) {
	p := exampleParser(t)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			var e Event
			for range 1000 {
				version := fmt.Sprintf(`%d"\u00e9`, i)
				reason := p.Parse([]byte(examplePrefix+`{"Name":"SoftwareVersion","Version":"`+
					strings.ReplaceAll(version, `"`, `\"`)+`"}`), &e)
				if got, _ := e.Attribute(AttributeVersion); reason != "" || string(got) != fmt.Sprintf(`%d"é`, i) {
					t.Errorf("goroutine %d: %q %q", i, reason, got)
				}
			}
		})
	}
	group.Wait()
}

func TestParseDoesNotAllocate(t *testing.T) {
	p := exampleParser(t)
	var e Event
	for _, line := range []string{
		examplePrefix + `{'Name': 'SoftwareVersion', 'Version': 1.22.03, 'Device': 'Gameboy', 'UserId': None}`,
		examplePrefix +
			`{"Name": "Issue", "Message": "can't \"open\" \ud83d\ude00", ` +
			`"N\u0061me": "Crash", "Deep": [{"a": [1, 2]}]}`,
		"Telemetry 2021-12-24T11:31:19.459+0000 ClientApp S1 20 {Name: Login, UserId: Zoë}",
		"Telemetry 2021-12-24T11:31Z ClientApp null 20 {Name: Login, UserId: Zoë}",
		examplePrefix +
			`{u'Name': b'SoftwareVersion', 'Version': Decimal('1.10'), 'a': (1, {2: [3]}), ` +
			`'b': {'c', <X.y: 1>}, {(1,): 2}: nan, 'UserId': 'n\x75ll'}`,
		examplePrefix + `"{""Name"": ""Login"", ""UserId"": ""\u00e9""}"`,
		"Telemetry 2021-12-24T11:31:19.459+0000 ClientApp",
	} {
		text := []byte(line)
		p.Parse(text, &e) // the event's buffer grows once
		if n := testing.AllocsPerRun(100, func() { p.Parse(text, &e) }); n != 0 {
			t.Errorf("%v allocations: %s", n, line)
		}
	}
}

// Scanning and parsing 64 MiB allocates no more than the Scanner's buffer.
func TestScanAndParseAllocations(t *testing.T) {
	p := newParser(t, Options{Hour: HourOf(date(2022, 5, 27, 5))})
	data := generatedLines()
	var e Event
	for range 2 {
		n := testing.AllocsPerRun(3, func() {
			s := NewScanner(bytes.NewReader(data), Position{})
			for s.Scan() {
				if reason := p.Parse(s.Line().Text, &e); reason != "" {
					t.Fatal(reason)
				}
			}
		})
		if n > 5 {
			t.Errorf("%v allocations in %d bytes", n, len(data))
		}
	}
}

//nolint:cyclop // it asks all that holds of any line
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{'Name': 'SoftwareVersion', 'Version': 1.22.03, 'Device': 'Gameboy'}`,
		`{"Name":"Issue","Message":"\ud83d\ude00\x00\q","UserId":null,"d":{"a":[1,{},[]]},}`,
		`{Name: Login, PlayerId: "a\"b", UserId: 'c\'d'}`,
		`{u'Name': rb'Login', 'a': f(1, [2, {'b': (3,)}], ")"), 'c': {1, <A.b: 'c'>}, {'d': 1}: x:y\z, 'e': :-( }`,
		`"{""Name"": ""Login"", ""UserId"": ""null"", ""PlayerId"": Decimal('NaN')}"`,
		`b'{"Name": "Login", "OS": "\xc3"}'`,
	} {
		f.Add([]byte(examplePrefix + body))
	}
	f.Add([]byte("Telemtery 2021-12-24T11:31:19.459+0000 ClientApp 28E93968461E0CF4CBB8429D25B213A0  20 { " +
		"'Name': 'SoftwareVersion'}   "))
	p, err := NewParser(Options{Hour: HourOf(date(2021, 12, 24, 11))})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		var e Event
		reason := p.Parse(line, &e)
		if !bytes.Equal(line, before) {
			t.Fatal("the line was changed")
		}
		if reason != "" {
			if reason.Description() == "" {
				t.Fatalf("unknown reason %q", reason)
			}
			return
		}
		texts := [][]byte{e.Category, e.ServiceName, e.SessionID, e.TransactionID, e.Body, e.Name}
		for a := range Attribute(NumAttributes) {
			text, ok := e.Attribute(a)
			if ok == (len(text) == 0) {
				t.Fatalf("%v is %q, %v", a, text, ok)
			}
			texts = append(texts, text)
		}
		for _, text := range texts {
			if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
				t.Fatalf("not UTF-8 without NUL: %q", text)
			}
		}
		if len(e.Name) == 0 || len(e.ServiceName) == 0 || len(e.SessionID) == 0 {
			t.Fatal("an empty name, service or session")
		}
		if cap(e.buffer) > 6*len(line)+64 {
			t.Fatalf("a buffer of %d bytes for a line of %d", cap(e.buffer), len(line))
		}
		// Whoever reads it, it is the same event.
		loose := Event{ServiceName: e.ServiceName, SessionID: e.SessionID, Body: e.Body}
		if reason := p.parseLoose(&loose); reason != "" || !sameBodies(&e, &loose, p) {
			t.Fatalf("%q\n%s\nloosely: %q\n%q", line, describe(&e), reason, attributes(&loose))
		}
		// The same fields, joined by tabs, are the same event.
		at := time.UnixMicro(e.Time).UTC().Format("2006-01-02T15:04:05.000000Z")
		joined := bytes.Join([][]byte{e.Category, []byte(at), e.ServiceName, e.SessionID, e.TransactionID, e.Body},
			[]byte("\t"))
		var again Event
		if reason := p.Parse(joined, &again); reason != "" && len(joined) <= MaxLine || reason == "" &&
			describe(&again) != describe(&e) {
			t.Fatalf("%q\n%s\nagain: %q\n%s", line, describe(&e), reason, describe(&again))
		}
	})
}

// sameBodies compares what Parse made of a body with what parseLoose did, which knows nothing of further names yet.
func sameBodies(e, loose *Event, p *Parser) bool {
	for a := range uint8(maxPlaces) {
		if a >= uint8(NumAttributes) &&
			!slices.ContainsFunc(p.further, func(f furtherName) bool { return f.place == a }) || p.users>>a&1 == 1 {
			continue // further names are copied, placeholders taken out
		}
		if e.has(a) != loose.has(a) || e.has(a) && !bytes.Equal(e.values[a], loose.values[a]) {
			return false
		}
	}
	return true
}
