package notify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
	"github.com/versionlake/versionlake/notify/digest"
	"github.com/versionlake/versionlake/testserver"
)

const (
	path   = "T0000/B0000/slack-secret-path"
	secret = "hmac-secret"
	hidden = "smtp-password"
)

var at = time.Date(2026, 11, 29, 10, 20, 30, 0, time.UTC)

func rulesFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func news(check, state string) checks.News {
	return checks.News{ID: check + state, Check: check, State: state, Before: checks.OK, Since: at, At: at,
		Figure: new(0.25), Unit: "share", Subjects: []string{"2022-05-27T05"}, Text: `up to 25 % <!channel> & "more"`}
}

func recovery(check string) checks.News {
	n := news(check, checks.OK)
	n.Before, n.Recovered, n.Lasted = checks.Fail, true, "1h5m0s"
	return n
}

// TestReceivers tells a Slack-shaped server, a mail server and a webhook the same, while each takes and refuses it.
//
//nolint:funlen // one piece of news through three receivers
func TestReceivers(t *testing.T) {
	slack, hook := testserver.WebHook(t, path), testserver.WebHook(t, "hook-secret-path")
	letters := testserver.SMTP(t, "sender", hidden)
	t.Setenv("TEST_SLACK", slack.URL)
	t.Setenv("TEST_HMAC", secret)
	t.Setenv("TEST_USER", "sender")
	t.Setenv("TEST_PASSWORD", hidden)
	urlFile := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(urlFile, []byte(hook.URL+"\n"), 0o600))
	rules, err := notify.Read(rulesFile(t, fmt.Sprintf(`
name: production
receivers:
  team: {slack: {url: {env: TEST_SLACK}}}
  pager: {webhook: {url: {file: %s}, secret: {env: TEST_HMAC}}}
  mail:
    email: {host: %s, port: %d, from: lake@example.com, to: [a@example.com, b@example.com],
      user: {env: TEST_USER}, password: {env: TEST_PASSWORD}}
rules:
  - {name: all, to: [team, pager, mail]}
`, urlFile, letters.Host, letters.Port)))
	require.NoError(t, err)
	m := notify.Message{ID: "m1", At: at, Rule: "all", Lake: "production",
		News: []checks.News{news("rejects", checks.Fail), recovery("freshness")}}
	for _, receiver := range []string{"team", "pager", "mail"} {
		require.NoError(t, rules.Send(t.Context(), receiver, m), receiver)
	}

	require.Len(t, slack.Posts(), 1)
	var said struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(slack.Posts()[0].Body), &said))
	require.Equal(t, "versionlake production: FAIL rejects; OK freshness", said.Text)
	require.Equal(t, "header", said.Blocks[0].Type)
	require.Equal(t, "mrkdwn", said.Blocks[1].Text.Type)
	require.Contains(t, said.Blocks[1].Text.Text, `:red_circle: *rejects* fail`)
	require.Contains(t, said.Blocks[1].Text.Text, `&lt;!channel&gt; &amp; "more"`, "nobody can be mentioned")
	require.Contains(t, said.Blocks[2].Text.Text, "after 1h5m0s of fail")

	require.Len(t, hook.Posts(), 1)
	post := hook.Posts()[0]
	signature := post.Header.Get(notify.SignatureHeader)
	seconds, err := strconv.ParseInt(strings.TrimPrefix(strings.Split(signature, ",")[0], "t="), 10, 64)
	require.NoError(t, err)
	require.Equal(t, notify.Sign(secret, time.Unix(seconds, 0), []byte(post.Body)), signature)
	require.NotEqual(t, notify.Sign("another", time.Unix(seconds, 0), []byte(post.Body)), signature)
	var got struct {
		notify.Message
		Severity string
	}
	require.NoError(t, json.Unmarshal([]byte(post.Body), &got))
	require.Equal(t, m, got.Message)
	require.Equal(t, checks.Fail, got.Severity)

	require.Len(t, letters.Letters(), 1)
	plain, html := parts(t, letters.Letters()[0])
	require.Contains(t, plain, "FAIL rejects, since 2026-11-29 10:20:30 UTC")
	require.Contains(t, plain, "<!channel>")
	require.Contains(t, html, "&lt;!channel&gt;")
	require.NotContains(t, html, "<!channel>")
	require.NotContains(t, html, "http", "nothing is loaded from elsewhere")

	for _, status := range []int{503, 404, 302} {
		slack.Answer(status)
		hook.Answer(status)
		letters.Refuse(true)
		for _, receiver := range []string{"team", "pager", "mail"} {
			err := rules.Send(t.Context(), receiver, m)
			require.ErrorContains(t, err, "tell "+receiver)
			noSecret(t, err.Error())
		}
	}
	t.Setenv("TEST_SLACK", "http://127.0.0.1:1/services/"+path)
	err = rules.Send(t.Context(), "team", m)
	require.ErrorContains(t, err, "refused")
	noSecret(t, err.Error())
	letters.Refuse(false)
	t.Setenv("TEST_PASSWORD", hidden+"-wrong")
	err = rules.Send(t.Context(), "mail", m)
	require.Error(t, err)
	noSecret(t, err.Error())
	for _, all := range [][]testserver.Post{slack.Posts(), hook.Posts()} {
		require.Len(t, all, 1)
		noSecret(t, all[0].Body)
	}
	noSecret(t, letters.Letters()[0])
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{path, "slack-secret", "hook-secret", secret, hidden} {
		require.NotContains(t, text, secret)
	}
}

// parts are the plain text and the HTML of a letter.
func parts(t *testing.T, letter string) (plain, html string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(letter))
	require.NoError(t, err)
	require.Equal(t, "versionlake production: FAIL rejects; OK freshness", message.Header.Get("Subject"))
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	reader := multipart.NewReader(message.Body, params["boundary"])
	for _, text := range []*string{&plain, &html} {
		part, err := reader.NextPart()
		require.NoError(t, err)
		all, err := io.ReadAll(part)
		require.NoError(t, err)
		*text = string(all)
	}
	return plain, html
}

// TestManyNews: a message of more news than Slack shows is cut, and says so.
func TestManyNews(t *testing.T) {
	slack := testserver.WebHook(t, path)
	t.Setenv("TEST_SLACK", slack.URL)
	rules, err := notify.Read(rulesFile(t, "receivers: {team: {slack: {url: {env: TEST_SLACK}}}}\n"))
	require.NoError(t, err)
	m := notify.Message{ID: "m", At: at, Rule: "all"}
	for i := range 60 {
		n := news(fmt.Sprintf("check%d", i), checks.Warn)
		n.Text = strings.Repeat("x", 5000)
		m.News = append(m.News, n)
	}
	require.NoError(t, rules.Send(t.Context(), "team", m))
	var said struct {
		Blocks []struct{ Text struct{ Text string } }
	}
	require.NoError(t, json.Unmarshal([]byte(slack.Posts()[0].Body), &said))
	require.Len(t, said.Blocks, 50)
	require.Equal(t, "13 older ones are left out: see ops.checks", said.Blocks[48].Text.Text)
	for _, block := range said.Blocks {
		require.LessOrEqual(t, len([]rune(block.Text.Text)), 3000)
	}
}

// TestRulesFile: what is wrong with a file is said, all of it, and what may be a secret is not repeated.
func TestRulesFile(t *testing.T) {
	for text, says := range map[string]string{
		"rules: [{name: a, to: [b]}]": `no receiver "b"`,
		"rules: [{name: 'a b'}]":      "name of its own",
		"receivers: {a: {}}":          "one of slack, email and webhook",
		"receivers: {a: {slack: {url: https://hooks.slack.com/" + path +
			"}}}": "name the variable or the file",
		"receivers: {a: {slack: https://hooks.slack.com/" + path + "}}":                           "line 1",
		"receivers: {a: {slack: {url: {env: A, file: B}}}}":                                       "url: give",
		"receivers: {a: {webhook: {url: {env: A}}}}":                                              "secret: give",
		"receivers: {a: {email: {host: h, tls: odd, user: {env: U}}}}":                            "starttls, tls",
		"receivers: {a: {slack: {url: {env: A}}}}\nrules: [{name: a, to: [a], at_least: bad}]":    "warn or fail",
		"receivers: {a: {slack: {url: {env: A}}}}\nrules: [{name: a, to: [a], at_most_every: x}]": "duration",
		"checks: {nothing: {warn: 1}}":                                                            `no check "nothing"`,
		"checks: {rejects: {warm: 1}}":                                                            "warm",
		"rule: []":                                                                                "rule",
	} {
		_, err := notify.Read(rulesFile(t, text))
		require.ErrorContains(t, err, says, text)
		noSecret(t, err.Error())
	}
	rules, err := notify.Read("")
	require.NoError(t, err)
	require.Empty(t, rules.Routes())
}

// TestOutbox: each route gets what it wants, no more often than it wants, and nothing is lost or told twice.
func TestOutbox(t *testing.T) {
	rules, err := notify.Read(rulesFile(t, `
receivers: {a: {slack: {url: {env: A}}}, b: {slack: {url: {env: B}}}}
rules:
  - {name: all, to: [a], at_most_every: 1h}
  - {name: bad, to: [b], at_least: fail, checks: [hours_*, rejects]}
`))
	require.NoError(t, err)
	routes := rules.Routes()
	var o notify.Outbox
	o = o.Add(routes, []checks.News{news("rejects", checks.Warn), news("hours_late", checks.Fail),
		recovery("gold_behind")})
	m, due := o.Due("", routes[0], at)
	require.True(t, due)
	require.Len(t, m.News, 3)
	m, due = o.Due("", routes[1], at)
	require.True(t, due)
	require.Len(t, m.News, 1, "of three, one is bad and asked for")
	o = o.Gone(routes[0], at)
	_, due = o.Due("", routes[0], at)
	require.False(t, due)

	late := news("lines", checks.Warn)
	o = o.Add(routes, []checks.News{late})
	o = o.Add(routes, []checks.News{late})
	_, due = o.Due("", routes[0], at.Add(59*time.Minute))
	require.False(t, due, "it was told less than an hour ago")
	m, due = o.Due("", routes[0], at.Add(time.Hour))
	require.True(t, due)
	require.Len(t, m.News, 1)
	o = o.Gone(routes[0], at.Add(time.Hour))
	for i := range 250 {
		n := news("lines", checks.Warn)
		n.ID = fmt.Sprint(i)
		o = o.Add(routes, []checks.News{n})
	}
	m, _ = o.Due("", routes[0], at.Add(3*time.Hour))
	require.Len(t, m.News, 200)
	require.Equal(t, 50, m.Older)
	require.Empty(t, o.Add(nil, nil).Waiting, "a rule that is no more")
}

// TestGoals: a file of rules names versions to be switched off, and what is wrong with one is said.
func TestGoals(t *testing.T) {
	rules, err := notify.Read(rulesFile(t, "goals: [{service: App, version: '1.9', users: 500}]\n"))
	require.NoError(t, err)
	require.Equal(t, []checks.Goal{{Service: "App", Version: "1.9", Users: 500}}, rules.Goals)
	_, err = notify.Read(rulesFile(t, "goals: [{service: App, users: 500}]\n"))
	require.ErrorContains(t, err, "goal 1 needs service, version and users")
}

// TestSendDigest: a letter has its pictures inside, Slack and a webhook get the numbers, and no error has a secret.
func TestSendDigest(t *testing.T) {
	slack, hook := testserver.WebHook(t, path), testserver.WebHook(t, "hook-secret-path")
	letters := testserver.SMTP(t, "", "")
	t.Setenv("TEST_SLACK", slack.URL)
	t.Setenv("TEST_HOOK", hook.URL)
	t.Setenv("TEST_HMAC", secret)
	rules, err := notify.Read(rulesFile(t, fmt.Sprintf(`
receivers:
  team: {slack: {url: {env: TEST_SLACK}}}
  pager: {webhook: {url: {env: TEST_HOOK}, secret: {env: TEST_HMAC}}}
  mail: {email: {host: %s, port: %d, tls: none, from: lake@example.com, to: [a@example.com]}}
digest: {to: [team, pager, mail]}
`, letters.Host, letters.Port)))
	require.NoError(t, err)
	d := &digest.Digest{ID: "d1", At: at, Lake: "production", First: "2022-05-23", Last: "2022-05-29",
		Services: []digest.Service{
			{Name: "<!channel>", Facts: []digest.Fact{{What: "upgrades", Now: "21", Before: "3"}},
				Pictures: []digest.Picture{{Name: "users-0.png", Alt: "users", PNG: []byte("\x89PNG picture")}}}}}
	for _, receiver := range rules.Digest.To {
		require.NoError(t, rules.SendDigest(t.Context(), receiver, d), receiver)
	}
	require.Contains(t, slack.Posts()[0].Body, "upgrades")
	require.NotContains(t, slack.Posts()[0].Body, "<!channel>")
	require.Contains(t, hook.Posts()[0].Body, `"what":"upgrades","now":"21","before":"3"`)
	require.NotEmpty(t, hook.Posts()[0].Header.Get(notify.SignatureHeader))
	letter := letters.Letters()[0]
	require.Contains(t, letter, "Subject: versionlake production: the week from 2022-05-23 to 2022-05-29")
	require.Contains(t, letter, "Message-ID: <d1@versionlake>")
	require.Contains(t, letter, "Content-Id: <users-0.png>")
	require.Contains(t, letter, "Content-Disposition: inline")
	require.Contains(t, letter, "multipart/related")
	slack.Answer(404)
	err = rules.SendDigest(t.Context(), "team", d)
	require.ErrorContains(t, err, "send the digest to team")
	noSecret(t, err.Error())
	_, err = notify.Read(rulesFile(t, "digest: {to: [nobody]}\nlists: [{view: 'a b', to: x}]\n"))
	require.ErrorContains(t, err, `no receiver "nobody"`)
	require.ErrorContains(t, err, "no name of a view")
}
