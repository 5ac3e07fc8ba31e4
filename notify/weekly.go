package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify/digest"
)

// Weekly says who gets the digest of a week.
type Weekly struct {
	To []string `yaml:"to"`
	// Service is the one that it is of; all when empty.
	Service string `yaml:"service"`
}

// sendDigest sends text, and HTML with its pictures inside the letter: nothing is loaded from elsewhere.
func (e *Email) sendDigest(ctx context.Context, d *digest.Digest) error {
	letter, err := e.begin(d.Headline(), d.ID, d.At)
	if err != nil {
		return err
	}
	letter.SetBodyString(mail.TypeTextPlain, d.Text())
	var html bytes.Buffer
	if err := d.WriteHTML(&html, "cid:"); err != nil {
		return err
	}
	letter.AddAlternativeString(mail.TypeTextHTML, html.String())
	for _, service := range d.Services {
		for _, picture := range service.Pictures {
			if err := letter.EmbedReader(picture.Name, bytes.NewReader(picture.PNG),
				mail.WithFileContentType("image/png"), mail.WithFileContentID("<"+picture.Name+">")); err != nil {
				return fmt.Errorf("put a picture into the letter: %w", err)
			}
		}
	}
	return e.deliver(ctx, letter)
}

// sendDigest sends text in columns: an incoming webhook takes no pictures.
func (s *Slack) sendDigest(ctx context.Context, d *digest.Digest) error {
	address, err := s.URL.read()
	if err != nil {
		return err
	}
	message := slackMessage{Text: slackEscapes.Replace(d.Headline()), Blocks: []slackBlock{
		{Type: "header", Text: &slackElement{"plain_text", checks.Cut(d.Headline(), slackHeader)}}}}
	for _, service := range d.Services {
		one := digest.Digest{Services: []digest.Service{{Name: service.Name, Facts: service.Facts,
			Versions: service.Versions}}}
		_, text, _ := strings.Cut(one.Text(), "\n\n")
		text = slackEscapes.Replace(strings.ReplaceAll(text, "```", "'''"))
		message.Blocks = append(message.Blocks, slackBlock{Type: "section",
			Text: &slackElement{"mrkdwn", "```" + checks.Cut(text, slackText-2*len("```")) + "```"}})
	}
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return post(ctx, address, body, nil)
}

// sendDigest sends the numbers, signed as messages are.
func (w *Webhook) sendDigest(ctx context.Context, d *digest.Digest) error {
	type service struct {
		Name     string           `json:"name"`
		Facts    []digest.Fact    `json:"facts"`
		Versions []digest.Version `json:"versions"`
	}
	sent := struct {
		ID       string    `json:"id"`
		At       time.Time `json:"at"`
		Lake     string    `json:"lake,omitempty"`
		Headline string    `json:"headline"`
		Digest   []service `json:"digest"`
	}{d.ID, d.At, d.Lake, d.Headline(), nil}
	for _, s := range d.Services {
		sent.Digest = append(sent.Digest, service{s.Name, s.Facts, s.Versions})
	}
	body, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	return w.post(ctx, body)
}
