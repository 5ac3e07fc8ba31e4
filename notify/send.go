package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/versionlake/versionlake/notify/digest"
)

// sendTimeout is how long a receiver may take.
const sendTimeout = 30 * time.Second

// Send tells a receiver a message, once. Its error holds no secret, and no address that may be one.
func (r *Rules) Send(ctx context.Context, receiver string, m Message) error {
	return r.reach(ctx, "tell", receiver, func(ctx context.Context, to sender) error { return to.send(ctx, m) })
}

// SendDigest tells a receiver of a week, once. Its error holds no secret, and no address that may be one.
func (r *Rules) SendDigest(ctx context.Context, receiver string, d *digest.Digest) error {
	return r.reach(ctx, "send the digest to", receiver,
		func(ctx context.Context, to sender) error { return to.sendDigest(ctx, d) })
}

// sender is a kind of receivers.
type sender interface {
	send(context.Context, Message) error
	sendDigest(context.Context, *digest.Digest) error
}

// sender is what a receiver is: check holds that it is one of them.
func (r *Receiver) sender() sender {
	switch {
	case r.Slack != nil:
		return r.Slack
	case r.Email != nil:
		return r.Email
	}
	return r.Webhook
}

// reach sends something to a receiver, within the time that one may take; does is the verb of an error.
func (r *Rules) reach(ctx context.Context, does, receiver string, send func(context.Context, sender) error) error {
	to, known := r.Receivers[receiver]
	if !known {
		return fmt.Errorf("the rules have no receiver %q any more", receiver)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := send(ctx, to.sender()); err != nil {
		return fmt.Errorf("%s %s: %w", does, receiver, err)
	}
	return nil
}

// poster follows no redirect: what it posts is for the receiver that was named.
var poster = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// post sends JSON to an address, which is a secret.
func post(ctx context.Context, address string, body []byte, headers map[string]string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("its url is none")
	}
	if request.URL.Scheme != "https" && request.URL.Scheme != "http" {
		return errors.New("its url must begin with https://")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "versionlake")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := poster.Do(request)
	if err != nil {
		var where *url.Error // which repeats the address
		if errors.As(err, &where) {
			err = where.Err
		}
		return redacted(err, address)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 200)) // for people; the status counts
	if answer.StatusCode/100 != 2 {
		return redacted(fmt.Errorf("it answers %s: %s", answer.Status, said), address)
	}
	return nil
}

// redacted is an error as text, without secrets that it repeats, or parts of them.
func redacted(err error, secrets ...string) error {
	text := err.Error()
	for _, secret := range secrets {
		parts := []string{secret}
		if parsed, err := url.Parse(secret); err == nil && parsed.Host != "" {
			parts = append(parts, parsed.RequestURI(), strings.Trim(parsed.Path, "/"))
			parts = append(parts, strings.Split(strings.Trim(parsed.Path, "/"), "/")...)
		}
		for _, part := range parts {
			if len(part) >= 4 {
				text = strings.ReplaceAll(text, part, "…")
			}
		}
	}
	return errors.New(text)
}
