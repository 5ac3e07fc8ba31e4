package hours_test

import (
	"testing"

	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/telemetry"
)

//nolint:funlen // a table of stories
func TestIdentity(t *testing.T) {
	checks.TellStories(t, telemetry.Options{}, []checks.Story{
		{Name: "login in the same hour", Steps: []checks.StoryStep{{Name: "", Files: map[string][]string{
			"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:20", "s1", "p1"),
				laketest.Sighting("27T05:30", "s2", "2.0")},
		}, Want: []string{"p1 App 1.0 27T05:10.. ×1", "session:s2 App 2.0 27T05:30.. ×1"}}}},

		{Name: "login in a later hour", Steps: []checks.StoryStep{
			{Name: "anonymous", Files: map[string][]string{"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0")}},
				Want: []string{"session:s1 App 1.0 27T05:10.. ×1"}},
			{Name: "a known user",
				Files: map[string][]string{"27T06/a.tsv": {laketest.Sighting("27T06:10", "s2", "1.1", "UserId", "p1")}},
				Want:  []string{"p1 App 1.1 27T06:10.. ×1", "session:s1 App 1.0 27T05:10.. ×1"}},
			{Name: "the login", Files: map[string][]string{"27T07/a.tsv": {laketest.Login("27T07:20", "s1", "p1")}},
				Want: []string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.1 27T06:10.. ×1"}},
			{Name: "the login corrected",
				Files: map[string][]string{"27T07/a.tsv": {laketest.Login("27T07:20", "s1", "p2")}},
				Want:  []string{"p1 App 1.1 27T06:10.. ×1", "p2 App 1.0 27T05:10.. ×1"}},
			{Name: "the login taken back", Files: map[string][]string{"27T07/a.tsv": nil},
				Want: []string{"p1 App 1.1 27T06:10.. ×1", "session:s1 App 1.0 27T05:10.. ×1"}},
		}},

		{Name: "two users in a session", Steps: []checks.StoryStep{
			{Name: "the first", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Sighting("27T05:00", "s1", "1.0"), laketest.Login("27T05:10", "s1", "p1"),
					laketest.Sighting("27T05:20", "s1", "1.1")}},
				Want: []string{"p1 App 1.0 27T05:00..27T05:20 ×1", "p1 App 1.1 27T05:20.. ×1"}},
			{Name: "the second", Files: map[string][]string{
				"27T06/a.tsv": {laketest.Sighting("27T06:00", "s1", "1.2"), laketest.Login("27T06:10", "s1", "p2"),
					laketest.Sighting("27T06:20", "s1", "1.3")}},
				Want: []string{"p1 App 1.0 27T05:00..27T05:20 ×1", "p1 App 1.1 27T05:20..27T06:00 ×1",
					"p1 App 1.2 27T06:00.. ×1", "p2 App 1.3 27T06:20.. ×1"}},
			{Name: "a third, late, between them",
				Files: map[string][]string{"27T07/a.tsv": {laketest.Login("27T05:15", "s1", "p3")}},
				Want: []string{"p1 App 1.0 27T05:00.. ×1", "p2 App 1.3 27T06:20.. ×1",
					"p3 App 1.1 27T05:20..27T06:00 ×1", "p3 App 1.2 27T06:00.. ×1"}},
		}},

		{Name: "device of the session", Steps: []checks.StoryStep{
			{Name: "none", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0", "UserId", "p1"),
					laketest.Sighting("27T05:12", "s1", "1.0", "UserId", "p1", "Device", "Own")}},
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1"}},
			{Name: "told later", Files: map[string][]string{
				"27T06/a.tsv": {laketest.DeviceInfo("27T06:10", "s1", "Late"),
					laketest.Sighting("27T06:20", "s1", "1.1", "UserId", "p1")}},
				Want: []string{"p1 App/Late 1.0 27T05:10..27T06:20 ×1", "p1 App/Own 1.0 27T05:12.. ×1",
					"p1 App/Late 1.1 27T06:20.. ×1"}},
			{Name: "told earlier, in an older hour",
				Files: map[string][]string{"27T04/a.tsv": {laketest.DeviceInfo("27T04:10", "s1", "Early")}},
				Want: []string{"p1 App/Early 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1",
					"p1 App/Late 1.1 27T06:20.. ×1"}},
			{Name: "another event's Device binds nobody",
				Files: map[string][]string{
					"27T07/a.tsv": {laketest.Event("27T05:09", "s1", "FeatureUsed", "Device", "No")}},
				Want: []string{"p1 App/Early 1.0 27T05:10.. ×1", "p1 App/Own 1.0 27T05:12.. ×1",
					"p1 App/Late 1.1 27T06:20.. ×1"}},
		}},

		{Name: "the window's edges", Steps: []checks.StoryStep{
			{Name: "a login", Files: map[string][]string{"27T12/a.tsv": {laketest.Login("27T12:00", "s1", "p1")}},
				Want: []string{}},
			{Name: "a day before and after, and a minute more", Files: map[string][]string{
				"26T11/a.tsv": {laketest.Sighting("26T11:59", "s1", "0.9")},
				"26T12/a.tsv": {laketest.Sighting("26T12:00", "s1", "1.0")},
				"28T12/a.tsv": {laketest.Sighting("28T12:00", "s1", "1.1"), laketest.Sighting("28T12:01", "s1", "1.2")},
			}, Want: []string{"p1 App 1.0 26T12:00..28T12:00 ×1", "p1 App 1.1 28T12:00.. ×1",
				"session:s1 App 0.9 26T11:59..28T12:01 ×1", "session:s1 App 1.2 28T12:01.. ×1"}},
			{Name: "a login long before wins over one soon after",
				Files: map[string][]string{"28T13/a.tsv": {laketest.Login("28T12:02", "s1", "p2")}},
				Want: []string{"p1 App 1.0 26T12:00..28T12:00 ×1", "p1 App 1.1 28T12:00.. ×1",
					"p2 App 1.2 28T12:01.. ×1", "session:s1 App 0.9 26T11:59.. ×1"}},
		}},

		{Name: "the body's own user wins", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Login("27T05:00", "s1", "p1"),
					laketest.Sighting("27T05:10", "s1", "1.0", "UserId", "p2"),
					laketest.Sighting("27T05:05", "s1", "1.1"), laketest.Sighting("27T05:15", "s1", "1.2")}},
				Want: []string{"p1 App 1.1 27T05:05.. ×1", "p2 App 1.0 27T05:10..27T05:15 ×1",
					"p2 App 1.2 27T05:15.. ×1"}},
			{Name: "and no later login moves it",
				Files: map[string][]string{"27T06/a.tsv": {laketest.Login("27T05:12", "s1", "p3")}},
				Want:  []string{"p1 App 1.1 27T05:05.. ×1", "p2 App 1.0 27T05:10.. ×1", "p3 App 1.2 27T05:15.. ×1"}},
		}},

		{Name: "late and removed files", Steps: []checks.StoryStep{
			{Name: "first and last", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0", "UserId", "p1")},
				"27T07/a.tsv": {laketest.Sighting("27T07:10", "s1", "1.2", "UserId", "p1")},
			}, Want: []string{"p1 App 1.0 27T05:10..27T07:10 ×1", "p1 App 1.2 27T07:10.. ×1"}},
			{Name: "one between",
				Files: map[string][]string{"27T06/a.tsv": {laketest.Sighting("27T06:10", "s1", "1.3", "UserId", "p1")}},
				Want: []string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.3 27T06:10..27T07:10 ×1",
					"p1 App 1.2 27T07:10..! ×1"}},
			{Name: "the same moment, another file",
				Files: map[string][]string{"27T08/a.tsv": {laketest.Sighting("27T07:10", "s1", "1.4", "UserId", "p1")}},
				Want: []string{"p1 App 1.0 27T05:10..27T06:10 ×1", "p1 App 1.3 27T06:10..27T07:10 ×1",
					"p1 App 1.4 27T07:10.. ×1"}},
			{Name: "all but one go", Files: map[string][]string{"27T05/a.tsv": nil, "27T07/a.tsv": nil,
				"27T08/a.tsv": nil}, Want: []string{"p1 App 1.3 27T06:10.. ×1"}},
			{Name: "the user goes", Files: map[string][]string{"27T06/a.tsv": {laketest.Login("27T06:10", "s1", "p1")}},
				Want: []string{}},
			{Name: "and comes back",
				Files: map[string][]string{"27T06/a.tsv": {laketest.Sighting("27T06:10", "s1", "1.3", "UserId", "p1")}},
				Want:  []string{"p1 App 1.3 27T06:10.. ×1"}},
		}},

		{Name: "names that look like sessions", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"),
					laketest.Sighting("27T05:11", "s2", "1.1", "UserId", "session:s1"),
					laketest.Sighting("27T05:12", "s3", "1.2")}},
				Want: []string{"session:s1 App 1.0 27T05:10.. ×1", "session:s3 App 1.2 27T05:12.. ×1",
					"user:session:s1 App 1.1 27T05:11.. ×1"}},
			{Name: "by login, late",
				Files: map[string][]string{
					"27T06/a.tsv": {laketest.Login("27T05:00", "s3", "session:s1"),
						laketest.Login("27T05:00", "s1", "user:session:s1")}},
				Want: []string{"user:session:s1 App 1.1 27T05:11..27T05:12 ×1", "user:session:s1 App 1.2 27T05:12.. ×1",
					"user:user:session:s1 App 1.0 27T05:10.. ×1"}},
		}},

		{Name: "retries", Steps: []checks.StoryStep{
			{Name: "within an hour",
				Files: map[string][]string{
					"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"),
						laketest.Sighting("27T05:10", "s1", "1.0")},
					"27T05/b.tsv": {laketest.Sighting("27T05:10", "s1", "1.0")}},
				Want: []string{"session:s1 App 1.0 27T05:10.. ×1"}},
			{Name: "the kept one's file goes", Files: map[string][]string{"27T05/a.tsv": nil},
				Want: []string{"session:s1 App 1.0 27T05:10.. ×1"}},
		}},
	})
}
