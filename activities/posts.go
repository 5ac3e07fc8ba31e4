package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake/report"
	"github.com/versionlake/versionlake/notify/digest"
)

// DigestReceivers are those whom the rules send the week.
func (a *Checks) DigestReceivers(ctx context.Context) ([]string, error) {
	rules, err := a.rules(ctx)
	if err != nil {
		return nil, err
	}
	return rules.Digest.To, nil
}

// SendDigestInput names a receiver of the rules. It holds no secret.
type SendDigestInput struct {
	Receiver string `json:"receiver"`
	// At is when the digest was due: an attempt of another day is of the same letter.
	At time.Time `json:"at"`
}

// SendDigest sends the week, once. A lake without any day of events has none.
func (a *Checks) SendDigest(ctx context.Context, input SendDigestInput) error {
	defer keepAlive(ctx, nil)()
	rules, err := a.rules(ctx)
	if err != nil {
		return err
	}
	gathered, err := report.Gather(ctx, metered(ctx, a.Lake), report.Options{Service: rules.Digest.Service,
		Days: digest.Days})
	if errors.Is(err, report.ErrNothing) {
		return nil
	}
	if err != nil {
		return temporalError(ctx, err)
	}
	week, err := digest.Of(gathered, rules.Name, input.At)
	if err != nil {
		return temporalError(ctx, err)
	}
	if err := rules.SendDigest(ctx, input.Receiver, week); err != nil && ctx.Err() == nil {
		return temporal.NewApplicationError(err.Error()+"; tried again until it is taken", ErrorReceiver)
	}
	return ctx.Err()
}
