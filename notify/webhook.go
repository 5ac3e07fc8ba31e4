package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Webhook takes a Message as JSON, signed.
type Webhook struct {
	URL    Secret `yaml:"url"`
	Secret Secret `yaml:"secret"`
}

// SignatureHeader is t=<seconds since 1970>,v1=<hex of HMAC-SHA256 of "<t>.<body>" under the shared secret>.
const SignatureHeader = "Versionlake-Signature"

func (w *Webhook) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(struct {
		Message
		Headline string `json:"headline"`
		Severity string `json:"severity"`
	}{m, m.Headline(), m.Severity()})
	if err != nil {
		return err
	}
	return w.post(ctx, body)
}

// post sends a body with its signature.
func (w *Webhook) post(ctx context.Context, body []byte) error {
	address, err := w.URL.read()
	if err != nil {
		return err
	}
	secret, err := w.Secret.read()
	if err != nil {
		return err
	}
	return post(ctx, address, body, map[string]string{SignatureHeader: Sign(secret, time.Now(), body)})
}

// Sign is the value of SignatureHeader.
func Sign(secret string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return fmt.Sprintf("t=%s,v1=%s", seconds, hex.EncodeToString(mac.Sum(nil)))
}
