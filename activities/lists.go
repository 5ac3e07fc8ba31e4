package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/lists"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

// ErrorLists: lists of the rules were not written, which a person has to mend.
const ErrorLists = "Lists"

// WriteListsResult says which lists were written.
type WriteListsResult struct {
	Written []lists.Written `json:"written,omitempty"`
}

// WriteListInput is one of the lists of the rules. Its place stays there: it may hold a secret.
type WriteListInput struct {
	Index int    `json:"index"` // among those of the rules, from 0
	View  string `json:"view"`
}

// ListsOfRules are the lists that the rules name.
func (a *Checks) ListsOfRules(ctx context.Context) (named []WriteListInput, err error) {
	rules, err := a.rules(ctx)
	if err != nil {
		return nil, err
	}
	for i, list := range rules.Lists {
		named = append(named, WriteListInput{Index: i, View: list.View})
	}
	return named, nil
}

// WriteList writes one list of the rules, through the worker's Trino.
func (a *Checks) WriteList(ctx context.Context, input WriteListInput) (written lists.Written, err error) {
	defer keepAlive(ctx, nil)()
	rules, err := a.rules(ctx)
	if err != nil {
		return written, err
	}
	if input.Index >= len(rules.Lists) || rules.Lists[input.Index].View != input.View {
		return written, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"the list %s: the worker's rules changed meanwhile and do not name it there any more. %s", input.View,
			writeAgain), ErrorSettings, nil)
	}
	written, err = a.writeList(ctx, rules.Lists[input.Index])
	return written, listError(ctx, input.View, err)
}

// errNoTrino: a list can't be asked for, nor will a further try help.
var errNoTrino = errors.New("lists are read through a Trino")

func (a *Checks) writeList(ctx context.Context, list lists.List) (written lists.Written, err error) {
	db, err := a.openSQL()
	if err != nil {
		return written, fmt.Errorf("%w, and the worker has none: %w", errNoTrino, err)
	}
	defer db.Close()
	return lists.Write(ctx, db, list, a.Lake.Config.Scratch, time.Now())
}

// WriteLists writes all lists of the rules in one step, for runs that began before each had one of its own.
func (a *Checks) WriteLists(ctx context.Context) (result WriteListsResult, err error) {
	named, err := a.ListsOfRules(ctx)
	for _, list := range named {
		written, failed := a.WriteList(ctx, list)
		if err = errors.Join(err, failed); failed == nil {
			result.Written = append(result.Written, written)
		}
	}
	if err != nil && ctx.Err() == nil && !a.Elsewhere {
		return result, temporal.NewNonRetryableApplicationError(terminal.Error(err), ErrorSettings, nil)
	}
	return result, err
}

// NoteListsInput says how many lists were due, and why some were not written.
type NoteListsInput struct {
	Due    int      `json:"due"`
	Failed []string `json:"failed,omitempty"`
}

// NoteLists keeps in the lake which lists were not written, and why; the check lists tells it.
func (a *Checks) NoteLists(ctx context.Context, input NoteListsInput) error {
	last, err := checks.Remembered(ctx, a.Lake, checks.CheckLists)
	if err == nil && (input.Due > 0 || last.Count > 0) {
		err = checks.Remember(ctx, a.Lake, checks.CheckLists,
			checks.Outcome{At: time.Now(), Count: len(input.Failed), Text: strings.Join(input.Failed, "; ")})
	}
	return temporalError(ctx, err)
}

const (
	writeAgain = "`temporal schedule trigger --schedule-id daily-lists` writes the lists again, and " +
		"`versionlake export VIEW --to PLACE` one of them"
	// crowded is how long a Trino without room for a query is left alone.
	crowded = 10 * time.Minute
)

// listError says what Temporal should do about a list that was not written: try again for as long as the workflow has
// patience, unless a person has to do something.
func listError(ctx context.Context, view string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	var status interface{ HTTPStatusCode() int } // an answer of S3
	isS3 := errors.As(err, &status)
	cure, place := "", "the list's place (to, in the rules)"
	switch {
	case errors.Is(err, errNoTrino):
		cure = "Start workers with --trino https://user:password@host:port"
	case errors.Is(err, trino.ErrConfig):
		cure = "Correct --trino of the workers and restart them"
	case trino.IsRefusal(err):
		cure = "Correct the view in the rules, or let the login of --trino of the workers see it"
	case errors.Is(err, objects.ErrConfig):
		cure = "Correct " + place
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		cure = "Correct " + place + ", or let the workers write there"
	case isS3 && (status.HTTPStatusCode() == http.StatusForbidden || status.HTTPStatusCode() == http.StatusNotFound ||
		status.HTTPStatusCode() == http.StatusUnauthorized):
		cure = "Correct " + place + ", make its bucket, or let the keys of the workers write there"
	}
	said := fmt.Sprintf("the list %s: %s", view, terminal.Error(trino.Plain(err)))
	if cure != "" {
		return temporal.NewNonRetryableApplicationError(said+". "+cure+". "+writeAgain, ErrorSettings, nil)
	}
	options := temporal.ApplicationErrorOptions{}
	if trino.IsCrowded(err) {
		options.NextRetryDelay = crowded
	}
	return temporal.NewApplicationErrorWithOptions(said+"; tried again for some hours. "+writeAgain, ErrorOutage,
		options)
}
