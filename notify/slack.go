package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/versionlake/versionlake/lake/checks"
)

// Slack is an incoming webhook: https://api.slack.com/messaging/webhooks.
type Slack struct {
	URL Secret `yaml:"url"`
}

// Limits of Slack, in blocks of a message and in characters of a text and of a header.
const (
	slackBlocks = 50
	slackText   = 2900
	slackHeader = 150
)

type slackMessage struct {
	Text   string       `json:"text"` // of notifications, and where blocks are not shown
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string          `json:"type"`
	Text     *slackElement   `json:"text,omitempty"`
	Elements []*slackElement `json:"elements,omitempty"`
}

type slackElement struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// slackEscapes are the three characters that Slack wants escaped: without, a name could mention everybody.
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

var slackSigns = map[string]string{checks.Fail: ":red_circle:", checks.Warn: ":large_yellow_circle:",
	checks.OK: ":large_green_circle:"}

func (s *Slack) send(ctx context.Context, m Message) error {
	address, err := s.URL.read()
	if err != nil {
		return err
	}
	body, err := json.Marshal(s.message(m))
	if err != nil {
		return err
	}
	return post(ctx, address, body, nil)
}

func (s *Slack) message(m Message) slackMessage {
	headline := m.Headline()
	message := slackMessage{Text: slackEscapes.Replace(headline), Blocks: []slackBlock{
		{Type: "header", Text: &slackElement{"plain_text", checks.Cut(headline, slackHeader)}}}}
	const framing = 3 // the header, what is left out, and the foot
	for i, n := range m.News {
		if i == slackBlocks-framing {
			m.Older += len(m.News) - i
			break
		}
		text := fmt.Sprintf("%s *%s* %s\n%s", slackSigns[stateOf(n)], n.Check, stateOf(n),
			slackEscapes.Replace(line(n)))
		message.Blocks = append(message.Blocks,
			slackBlock{Type: "section", Text: &slackElement{"mrkdwn", checks.Cut(text, slackText)}})
	}
	if older := m.older(); older != "" {
		message.Blocks = append(message.Blocks, slackBlock{Type: "section", Text: &slackElement{"mrkdwn", older}})
	}
	foot := &slackElement{"mrkdwn", fmt.Sprintf("rule %s, %s", m.Rule, when(m.At))}
	message.Blocks = append(message.Blocks, slackBlock{Type: "context", Elements: []*slackElement{foot}})
	return message
}
