package notify

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/versionlake/versionlake/lake/checks"
)

// Email is a server that takes mail, by SMTP.
type Email struct {
	Host string   `yaml:"host"`
	Port int      `yaml:"port"` // 587, of TLS 465, when zero
	From string   `yaml:"from"`
	To   []string `yaml:"to"`
	// User and Password are for servers that want them.
	User     Secret `yaml:"user"`
	Password Secret `yaml:"password"`
	// TLS is starttls (when empty), tls or none.
	TLS string `yaml:"tls"`
}

func (e *Email) check() error {
	var faults []error
	if e.Host == "" || e.From == "" || len(e.To) == 0 {
		faults = append(faults, errors.New("email needs host, from and to"))
	}
	if e.TLS != "" && e.TLS != "starttls" && e.TLS != "tls" && e.TLS != "none" {
		faults = append(faults, errors.New("tls is starttls, tls or none"))
	}
	if e.User.given() != e.Password.given() {
		faults = append(faults, errors.New("user and password go together"))
	}
	return errors.Join(faults...)
}

func (e *Email) send(ctx context.Context, m Message) error {
	letter, err := e.letter(m)
	if err != nil {
		return err
	}
	return e.deliver(ctx, letter)
}

// deliver hands a letter to the server.
func (e *Email) deliver(ctx context.Context, letter *mail.Msg) error {
	user, err := e.User.read()
	if err != nil {
		return err
	}
	password, err := e.Password.read()
	if err != nil {
		return err
	}
	options := []mail.Option{mail.WithTimeout(sendTimeout)}
	switch e.TLS {
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithPort(orPort(e.Port, 25)))
	case "tls":
		options = append(options, mail.WithSSL(), mail.WithPort(orPort(e.Port, 465)))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithPort(orPort(e.Port, 587)))
	}
	if user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(user),
			mail.WithPassword(password))
	}
	client, err := mail.NewClient(e.Host, options...)
	if err != nil {
		return redacted(err, user, password)
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil {
		return redacted(err, user, password)
	}
	return nil
}

func orPort(port, other int) int {
	if port == 0 {
		return other
	}
	return port
}

// begin is a letter without a text. One that is sent again has the same id.
func (e *Email) begin(headline, id string, at time.Time) (*mail.Msg, error) {
	letter := mail.NewMsg()
	if err := letter.From(e.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := letter.To(e.To...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	letter.Subject(checks.Cut(headline, slackHeader))
	letter.SetDateWithValue(at)
	letter.SetBulk()
	letter.SetMessageIDWithValue(id + "@versionlake")
	return letter, nil
}

// letter is the message as text, and as HTML without anything to load from elsewhere.
func (e *Email) letter(m Message) (*mail.Msg, error) {
	letter, err := e.begin(m.Headline(), m.ID, m.At)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	text.WriteString(m.Headline() + "\n")
	for _, n := range m.News {
		fmt.Fprintf(&text, "\n%-4s %s, since %s\n     %s\n", strings.ToUpper(stateOf(n)), n.Check, when(n.Since),
			line(n))
	}
	if older := m.older(); older != "" {
		text.WriteString("\n" + older + "\n")
	}
	fmt.Fprintf(&text, "\nrule %s, %s\n", m.Rule, when(m.At))
	letter.SetBodyString(mail.TypeTextPlain, text.String())
	return letter, letter.AddAlternativeHTMLTemplate(page, struct {
		Message
		Headline, Older, When string
	}{m, m.Headline(), m.older(), when(m.At)})
}

var page = template.Must(template.New("mail").Funcs(template.FuncMap{
	"state": stateOf, "line": line, "when": when,
	"colour": func(n checks.News) template.CSS {
		return template.CSS(map[string]string{checks.Fail: "#b3261e", checks.Warn: "#9a6700",
			checks.OK: "#1a7f37"}[stateOf(n)])
	},
}).Parse(`<!doctype html>
<html lang="en"><body style="font-family: sans-serif; color: #1f2328">
<h2 style="font-size: 18px">{{.Headline}}</h2>
<table style="border-collapse: collapse">
{{- range .News}}
<tr style="border-top: 1px solid #d0d7de">
<td style="padding: 8px; vertical-align: top; font-weight: bold; color: {{colour .}}">{{state .}}</td>
<td style="padding: 8px; vertical-align: top"><b>{{.Check}}</b><br>{{line .}}<br>
<span style="color: #59636e">since {{when .Since}}</span></td></tr>
{{- end}}
</table>
{{with .Older}}<p>{{.}}</p>{{end}}
<p style="color: #59636e">rule {{.Rule}}, {{.When}}</p>
</body></html>
`))
