package checks

import (
	"fmt"
	"slices"
	"time"
)

// Known is what was found last of a check.
type Known struct {
	Check string    `json:"check"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Subjects are those of the last result.
	Subjects []string `json:"subjects,omitempty"`
	// Told are those that were news since the check was last ok.
	Told []string `json:"told,omitempty"`
}

// mostTold bounds what is kept of a check that is not ok for long.
const mostTold = 200

// Memory is all that is known from before.
type Memory struct {
	Checks []Known `json:"checks,omitempty"`
	// Figures is when the figures of all checks were last recorded.
	Figures time.Time `json:"figures"`
}

// News is what somebody may want to be told: a check that is not ok any more, or worse, or about more than before; or one
// that is ok again.
type News struct {
	ID        string    `json:"id"` // the same, however often it is found out
	Check     string    `json:"check"`
	State     string    `json:"state"`
	Before    string    `json:"before"`
	Since     time.Time `json:"since"`
	At        time.Time `json:"at"`
	Recovered bool      `json:"recovered"`
	Event     bool      `json:"event,omitempty"`
	Figure    *float64  `json:"figure,omitempty"`
	Unit      string    `json:"unit,omitempty"`
	Subjects  []string  `json:"subjects,omitempty"` // those that are new
	Text      string    `json:"text"`
	// Lasted is for how long a check that recovered was not ok.
	Lasted string `json:"lasted,omitempty"`
}

// Severity is how bad the news are: of a recovery, how bad it was.
func (n *News) Severity() string {
	if n.Recovered {
		return n.Before
	}
	return n.State
}

// Record is what ops.checks is to hold of a result.
type Record struct {
	Result
	Before string    `json:"before,omitempty"`
	Since  time.Time `json:"since"`
	At     time.Time `json:"at"`
}

// Compare finds the news in results, what ops.checks is to hold of them, and what is known from now on. It is a function of
// what it is given.
func Compare(memory Memory, results []Result, at time.Time) (after Memory, news []News, records []Record) {
	at = at.UTC().Truncate(time.Millisecond)
	before := map[string]Known{}
	for _, known := range memory.Checks {
		before[known.Check] = known
	}
	after.Figures = memory.Figures
	hourly := at.Truncate(time.Hour).After(memory.Figures)
	if hourly {
		after.Figures = at.Truncate(time.Hour)
	}
	for _, r := range results {
		was, known := before[r.Check]
		now := was
		changed := !known || was.State != r.State || !slices.Equal(was.Subjects, r.Subjects)
		if r.State == Unknown && known {
			changed = false // what was known stays
		} else {
			var told *News
			if now, told = follow(was, known, r, at); told != nil {
				news = append(news, *told)
			}
		}
		if changed || hourly {
			record := Record{Result: r, Since: now.Since, At: at}
			if known {
				record.Before = was.State
			}
			records = append(records, record)
		}
		after.Checks = append(after.Checks, now)
	}
	return after, news, records
}

// follow is what is known of a check after a result, and the news in it, if any.
func follow(was Known, known bool, r Result, at time.Time) (now Known, news *News) {
	now = Known{Check: r.Check, State: r.State, Since: was.Since, Subjects: r.Subjects}
	if !known || was.State != r.State {
		now.Since = at
	}
	told := News{Check: r.Check, State: r.State, Before: was.State, Since: now.Since, At: at, Event: r.Event,
		Figure: r.Figure, Unit: r.Unit, Text: r.Text}
	if !known {
		told.Before = OK
	}
	bad, wasBad := rank(r.State) > rank(OK), known && rank(was.State) > rank(OK)
	switch {
	case bad:
		for _, subject := range r.Subjects {
			if !slices.Contains(was.Told, subject) {
				told.Subjects = append(told.Subjects, subject)
			}
		}
		now.Told = append(slices.Clone(was.Told), told.Subjects...)
		now.Told = now.Told[max(0, len(now.Told)-mostTold):]
		worse := rank(r.State) > max(rank(was.State), rank(OK))
		if !wasBad || worse || len(told.Subjects) > 0 {
			news = &told
		}
	case wasBad && !r.Event:
		told.Recovered, told.Lasted = true, at.Sub(was.Since).Round(time.Second).String()
		news = &told
	}
	if news != nil {
		news.ID = fmt.Sprintf("%s-%s-%d-%d", r.Check, r.State, now.Since.UnixMilli(), len(now.Told))
	}
	return now, news
}
