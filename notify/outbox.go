package notify

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake/checks"
)

// Outbox holds the news that routes have yet to tell. It is a value: what it does follows from what it is given.
type Outbox struct {
	Waiting map[string]Waiting   `json:"waiting,omitempty"` // by Route.ID
	Sent    map[string]time.Time `json:"sent,omitempty"`    // when the last message of a route went out
}

// Waiting are the news of a route.
type Waiting struct {
	News  []checks.News `json:"news"`
	Older int           `json:"older,omitempty"` // dropped, since there were too many
}

// mostWaiting bounds what waits for a receiver that is gone for long.
const mostWaiting = 200

// Add gives news to the routes that want them. Routes that are no more lose what they had.
func (o Outbox) Add(routes []Route, news []checks.News) Outbox {
	added := Outbox{Waiting: map[string]Waiting{}, Sent: map[string]time.Time{}}
	for _, route := range routes {
		id := route.ID()
		waiting := o.Waiting[id]
		waiting.News = slices.Clone(waiting.News)
		for _, n := range news {
			has := func(other checks.News) bool { return other.ID == n.ID && other.Recovered == n.Recovered }
			if route.Wants(n) && !slices.ContainsFunc(waiting.News, has) {
				waiting.News = append(waiting.News, n)
			}
		}
		if more := len(waiting.News) - mostWaiting; more > 0 {
			waiting.News, waiting.Older = waiting.News[more:], waiting.Older+more
		}
		if len(waiting.News) > 0 {
			added.Waiting[id] = waiting
		}
		if sent, ok := o.Sent[id]; ok {
			added.Sent[id] = sent
		}
	}
	return added
}

// Due is the message that a route may send now; false where nothing waits, or its last one is too recent.
func (o Outbox) Due(lake string, route Route, now time.Time) (Message, bool) {
	waiting, ok := o.Waiting[route.ID()]
	if !ok || now.Before(o.Sent[route.ID()].Add(route.Every)) {
		return Message{}, false
	}
	last := waiting.News[len(waiting.News)-1]
	return Message{ID: fmt.Sprintf("%s-%s", route.Rule, last.ID), At: now.UTC(), Lake: lake, Rule: route.Rule,
		News: waiting.News, Older: waiting.Older}, true
}

// Gone takes out what a route has sent.
func (o Outbox) Gone(route Route, now time.Time) Outbox {
	gone := Outbox{Waiting: maps.Clone(o.Waiting), Sent: maps.Clone(o.Sent)}
	delete(gone.Waiting, route.ID())
	gone.Sent[route.ID()] = now.UTC()
	return gone
}
