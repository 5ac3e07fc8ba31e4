package checks

import (
	"fmt"
	"slices"
	"strings"
)

// Result is what a check found.
type Result struct {
	Check    string   `json:"check"`
	State    string   `json:"state"`
	Figure   *float64 `json:"figure,omitempty"` // none where nothing could be measured
	Unit     string   `json:"unit,omitempty"`
	WarnAt   *float64 `json:"warn_at,omitempty"`
	FailAt   *float64 `json:"fail_at,omitempty"`
	Subjects []string `json:"subjects,omitempty"` // the hours, versions … that are not ok
	Text     string   `json:"text"`
	Event    bool     `json:"event,omitempty"` // see Definition
}

// separator stands between the subjects of a row of ops.checks.
const separator = ", "

// stateOf is what a figure means.
func (d *Definition) stateOf(figure float64) string {
	switch {
	case d.Fail != nil && figure >= *d.Fail:
		return Fail
	case d.Warn != nil && figure >= *d.Warn:
		return Warn
	}
	return OK
}

// Result is what a check says that measured a figure.
func (d *Definition) Result(figure float64, subjects []string, format string, args ...any) Result {
	r := d.silent(d.stateOf(figure), fmt.Sprintf(format, args...))
	r.Figure = &figure
	if r.State != OK {
		for _, subject := range subjects[max(0, len(subjects)-mostSubjects):] {
			r.Subjects = append(r.Subjects, strings.ReplaceAll(subject, separator, ","))
		}
	}
	return r
}

// silent is what a check says that measured nothing.
func (d *Definition) silent(state, text string) Result {
	return Result{Check: d.Name, State: state, Unit: d.Unit, WarnAt: d.Warn, FailAt: d.Fail,
		Text:  Cut(text, longestText),
		Event: d.Event}
}

// Worst is the worst state of some results; what is unknown is not worse than ok.
func Worst(results []Result) string {
	worst := OK
	for _, r := range results {
		if rank(r.State) > rank(worst) {
			worst = r.State
		}
	}
	return worst
}

func rank(state string) int { return slices.Index([]string{Unknown, OK, Warn, Fail}, state) }
