package watch

import (
	"context"
	"errors"
	"time"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/report"
	"github.com/versionlake/versionlake/notify"
	"github.com/versionlake/versionlake/notify/digest"
)

// runDigest sends the week now.
func (o *notifyTest) runDigest(ctx context.Context, receivers []string) error {
	if o.Rules == "" {
		return usage.Errorf("name the file of rules: --rules or VERSIONLAKE_RULES")
	}
	rules, err := notify.Read(o.Rules)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	for _, name := range receivers {
		if _, known := rules.Receivers[name]; !known {
			return usage.Errorf("there is no receiver %q", name)
		}
	}
	if len(receivers) == 0 {
		receivers = rules.Digest.To
	}
	if len(receivers) == 0 {
		return usage.Errorf("digest of the rules names nobody: name a receiver here, or there")
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	gathered, err := report.Gather(ctx, l, report.Options{Service: rules.Digest.Service, Days: digest.Days})
	if err != nil {
		return err
	}
	week, err := digest.Of(gathered, rules.Name, time.Now())
	if err != nil {
		return err
	}
	p := o.NewPrinter("RECEIVER", "RESULT")
	failed := false
	for _, receiver := range receivers {
		result, said := sent{Rule: "digest", Receiver: receiver}, "taken"
		if err := rules.SendDigest(ctx, receiver, week); err != nil {
			failed, said, result.Error = true, err.Error(), err.Error()
		}
		if err := p.Add(result, receiver, said); err != nil {
			return err
		}
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if failed {
		return errors.New("not every receiver took the digest")
	}
	return nil
}
