package testserver

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is an SMTP server that keeps the letters that it takes.
type Mail struct {
	Host           string
	Port           int
	User, Password string // that it wants; none when empty

	mutex   sync.Mutex
	letters []string
	refuses bool
}

// SMTP starts a mail server that runs until the test ends. Where it wants a password, it speaks TLS, by a certificate that
// SSL_CERT_FILE names for the rest of the test: no client sends a password without.
func SMTP(tb testing.TB, user, password string) *Mail {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	m := &Mail{User: user, Password: password}
	var port string
	if m.Host, port, err = net.SplitHostPort(listener.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if m.Port, err = strconv.Atoi(port); err != nil {
		tb.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{mail: m}, nil }))
	if user != "" {
		server.TLSConfig = trusted(tb)
	}
	go server.Serve(listener)
	tb.Cleanup(func() { server.Close() })
	return m
}

// trusted is the setup of a server on 127.0.0.1 whose certificate this process trusts, unless it has looked at others before.
func trusted(tb testing.TB) *tls.Config {
	tb.Helper()
	server := httptest.NewTLSServer(nil) // which has a certificate
	defer server.Close()
	file := filepath.Join(tb.TempDir(), "certificate.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		tb.Fatal(err)
	}
	tb.Setenv("SSL_CERT_FILE", file)
	return &tls.Config{Certificates: server.TLS.Certificates}
}

// Refuse lets the server refuse all letters, or take them again.
func (m *Mail) Refuse(refuse bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.refuses = refuse
}

// Letters are those that it took so far, as they came.
func (m *Mail) Letters() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string{}, m.letters...)
}

type mailSession struct {
	mail *Mail
	in   bool
}

var errMail = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "come again later"}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.mail.User || password != s.mail.Password {
			return errors.New("wrong password")
		}
		s.in = true
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	s.mail.mutex.Lock()
	defer s.mail.mutex.Unlock()
	if s.mail.refuses {
		return errMail
	}
	if s.mail.User != "" && !s.in {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.mutex.Lock()
	defer s.mail.mutex.Unlock()
	s.mail.letters = append(s.mail.letters, string(text))
	return nil
}

func (s *mailSession) Reset() {}

func (s *mailSession) Logout() error { return nil }
