package telemetry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestKind(t *testing.T) {
	p := exampleParser(t)
	for name, want := range map[string]Kind{
		"SoftwareVersion": KindSoftwareVersion, "DeviceInfo": KindDeviceInfo, "Notification": KindNotification,
		"Login":        KindLogin,
		"SessionStart": KindSessionStart, "SessionEnd": KindSessionEnd, "FeatureUsed": KindFeatureUsed,
		"Install": KindInstall,
		"Issue":   KindIssue, "Crash": KindIssue, "Error": KindIssue, "Experiment": KindExperiment,
		"Logout":    KindLogout,
		"Heartbeat": KindOther, "login": KindOther, "Logins": KindOther, "SoftwareVersio": KindOther,
		"SoftwareVersiom": KindOther,
	} {
		var e Event
		if reason := p.Parse([]byte(examplePrefix+"{'Name': '"+name+"'}"), &e); reason != "" || e.Kind != want ||
			string(e.Name) != name {
			t.Errorf("%s: %q, %v", name, reason, e.Kind)
		}
	}
	if KindIssue.String() != "Issue" || KindOther.String() != "" || Kind(200).String() != "" {
		t.Errorf("%v %v %v", KindIssue, KindOther, Kind(200))
	}
}

func TestAttributeOutOfRange(t *testing.T) {
	var e Event
	if text, ok := e.Attribute(NumAttributes); ok || text != nil {
		t.Errorf("%q", text)
	}
	if Attribute(NumAttributes).String() != "" || AttributeUser.String() != "UserId" ||
		AttributeVariant.String() != "Variant" {
		t.Error("names of attributes")
	}
}

// The example of docs/EVENTS.md, decoded into nothing and into the defaults: both mean the same.
func TestCatalogueJSON(t *testing.T) {
	text := `{"events": {"SoftwareVersion": ["SoftwareVersion", "AppStarted"]},
		"attributes": {"Version": ["AppVersion"], "UserId": ["UserId", "PlayerId", "account_id"],
			"Memory": [], "Name": ["Name", "Event"]},
		"absent": ["null", "none", "unknown", "0"]}`
	for name, c := range map[string]Catalogue{"nothing": {}, "defaults": DefaultCatalogue()} {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		p := newParser(t, Options{Catalogue: c, Hour: HourOf(date(2021, 12, 24, 11))})
		for body, want := range map[string]string{
			`{'Name': 'AppStarted', 'AppVersion': 2, 'Version': 1, ` +
				`'account_id': 'a', 'Memory': 5, 'OS': 'x'}`: "SoftwareVersion [UserId=a Version=2 OS=x]",
			`{'Event': 'Crash', 'PlayerId': 'b'}`:                                  "Issue [UserId=b]",
			`{'Event': 'Crash', 'Name': nan, 'account_id': 'c', 'UserId': 'NONE'}`: "Issue [UserId=c]",
			`{'Event': 'a', 'Name': 'Crash', 'account_id': 'c', 'PlayerId': 'b'}`:  "Issue [UserId=b]",
			`{'Name': 'Logout', 'UserId': 'Unknown', 'PlayerId': 'nan'}`:           "Logout [UserId=nan]",
		} {
			var e Event
			reason := p.Parse([]byte(examplePrefix+body), &e)
			if got := fmt.Sprint(e.Kind, " ", attributes(&e)); reason != "" || got != want {
				t.Errorf("over %s: %s: %q, %s", name, body, reason, got)
			}
		}
	}
	if err := (Catalogue{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}

// A table finds its names and no others, however alike they are.
func TestNameTable(t *testing.T) {
	name := rapid.OneOf(rapid.StringMatching(`[ab]{1,4}`), rapid.StringMatching(`Software[ab]{0,10}`),
		rapid.StringMatching(`\pL{1,6}`))
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "names")
		want := map[string]uint8{}
		lists := map[string][]string{}
		for i, n := range names {
			want[n] = uint8(i % 3)
			key := attributeNames[i%3]
			lists[key] = append(lists[key], n)
		}
		table, err := newNameTable("attribute", attributeNames[:], lists)
		if err != nil {
			t.Fatal(err)
		}
		others := rapid.SliceOf(name).Draw(t, "others")
		for _, n := range slices.Concat(names, others, []string{"", "\x00"}) {
			number, ok := want[n]
			if !ok {
				number = unknownName
			}
			for _, behind := range []string{"", "'", "': 1.2, 'x': 3}"} {
				if got := table.findIn([]byte("{'"+n+behind), 2, 2+len(n)); got != number {
					t.Fatalf("%q is %d, not %d, in %v", n, got, number, slices.Sorted(maps.Keys(want)))
				}
			}
			if got := table.find([]byte(n)); got != number {
				t.Fatalf("%q is %d, not %d", n, got, number)
			}
		}
	})
}
