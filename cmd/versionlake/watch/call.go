package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
)

// told is what the file --state keeps.
type told struct {
	Memory checks.Memory `json:"memory"`
	Outbox notify.Outbox `json:"outbox"`
}

// call tells the news since the last time. What a receiver does not take waits in the file for the next time.
func (o *runChecks) call(ctx context.Context, rules *notify.Rules, results []checks.Result) error {
	var t told
	text, err := os.ReadFile(o.state)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was told: %w; a file --state that is damaged can be removed", err)
	}
	now := time.Now()
	memory, news, _ := checks.Compare(t.Memory, results, now)
	t = told{memory, t.Outbox.Add(rules.Routes(), news)}
	var failures []error
	for _, route := range rules.Routes() {
		message, due := t.Outbox.Due(rules.Name, route, now)
		if !due {
			continue
		}
		if err := rules.Send(ctx, route.Receiver, message); err != nil {
			failures = append(failures, fmt.Errorf("rule %s: %w", route.Rule, err))
			continue
		}
		t.Outbox = t.Outbox.Gone(route, now)
		o.Stderr.Printf("told %s by rule %s: %s\n", route.Receiver, route.Rule, message.Headline())
	}
	return errors.Join(o.keep(t), errors.Join(failures...))
}

// keep writes the file --state, whole or not at all.
func (o *runChecks) keep(t told) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep what was told: %w", err)
		}
	}()
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.state), 0o755); err != nil {
		return err
	}
	beside := o.state + ".new"
	if err := os.WriteFile(beside, text, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, o.state)
}
