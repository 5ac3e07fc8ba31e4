package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake/checks"
)

// Message is what a receiver is told at once.
type Message struct {
	ID   string    `json:"id"` // the same however often it is sent
	At   time.Time `json:"at"`
	Lake string    `json:"lake,omitempty"` // its name, by the rules
	Rule string    `json:"rule"`
	// Test: nothing happened; somebody tries whether messages arrive.
	Test bool          `json:"test,omitempty"`
	News []checks.News `json:"news"`
	// Older is how much there was before these that is not told any more.
	Older int `json:"older,omitempty"`
}

// TestMessage tries whether messages arrive.
func TestMessage(lake, rule string, at time.Time) Message {
	return Message{ID: fmt.Sprintf("test-%s-%d", rule, at.UnixMilli()), At: at.UTC(), Lake: lake, Rule: rule, Test: true,
		News: []checks.News{}}
}

// Severity is the worst of the news that are not over; ok where all are.
func (m *Message) Severity() string {
	worst := checks.OK
	for _, n := range m.News {
		if !n.Recovered && (n.State == checks.Fail || worst == checks.OK) {
			worst = n.State
		}
	}
	return worst
}

// Headline is the message in a line.
func (m *Message) Headline() string {
	name := "versionlake"
	if m.Lake != "" {
		name += " " + m.Lake
	}
	if m.Test {
		return name + ": a test, nothing happened"
	}
	states := map[string][]string{}
	for _, n := range m.News {
		states[stateOf(n)] = append(states[stateOf(n)], n.Check)
	}
	var parts []string
	for _, state := range []string{checks.Fail, checks.Warn, checks.OK} {
		if len(states[state]) > 0 {
			parts = append(parts, strings.ToUpper(state)+" "+strings.Join(states[state], ", "))
		}
	}
	return name + ": " + strings.Join(parts, "; ")
}

func stateOf(n checks.News) string {
	if n.Recovered {
		return checks.OK
	}
	return n.State
}

// line is what is said of news, in a line of plain text.
func line(n checks.News) string {
	if n.Recovered {
		return fmt.Sprintf("%s, after %s of %s", n.Text, n.Lasted, n.Before)
	}
	return n.Text
}

// older says what is not told.
func (m *Message) older() string {
	if m.Older == 0 {
		return ""
	}
	return fmt.Sprintf("%d older ones are left out: see ops.checks", m.Older)
}

// when is a moment for people.
func when(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
