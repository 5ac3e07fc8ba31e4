package deployed_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	issuer   = "https://login.example.com"
	audience = "versionlake"
)

// newSecrets makes what lies in /etc/trino/secrets, and lets the site's clients know what they need of it.
func newSecrets(t *testing.T, s *site) map[string][]byte {
	t.Helper()
	authority, server := newCertificates(t)
	s.authority = filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(s.authority, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatal("the authority's certificate can't be read")
	}
	s.trusting = trusting(pool)
	s.tokens = newTokens(t)
	var passwords strings.Builder
	// By htpasswd -nbBC 10, as docs/CONNECT.md says; the others by the other way there.
	s.passwords[nobody] = "not secret"
	passwords.WriteString(nobody + ":$2y$10$nwoOSIJF421KU9ec3CaOGeRnLBY/.9cCihyBU3NIvfds0W1vEYy2a\n")
	for _, user := range []string{service, analyst, support} {
		s.passwords[user] = rand.Text()
		fmt.Fprintf(&passwords, "%s:%s\n", user, hashed(t, s.passwords[user]))
	}
	return map[string][]byte{"server.pem": server, "jwt.pem": s.tokens.public(t),
		"passwords": []byte(passwords.String())}
}

// hashed is a password as Trino's password file holds it.
func hashed(t *testing.T, password string) string {
	t.Helper()
	const iterations = 1000 // few, since the password is random
	salt := []byte(rand.Text())
	key, err := pbkdf2.Key(sha1.New, password, salt, iterations, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%x:%x", iterations, salt, key)
}

// newCertificates makes an authority, and a server's key with the certificate that the authority gave it.
func newCertificates(t *testing.T) (authority, server []byte) {
	t.Helper()
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		}
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	sign := func(certificate, parent *x509.Certificate, key *ecdsa.PrivateKey, parentKey *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	root, rootKey := template("authority of this test"), newKey()
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	leaf, leafKey := template("localhost"), newKey()
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	private, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return sign(root, root, rootKey, rootKey), append(key, sign(leaf, root, leafKey, rootKey)...)
}

// tokens is an identity provider.
type tokens struct{ key *rsa.PrivateKey }

func newTokens(t *testing.T) *tokens {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &tokens{key: key}
}

func (p *tokens) public(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

type claims struct {
	Subject  string `json:"sub"`
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp,omitempty"` // seconds since 1970
}

func claimsOf(user string) claims {
	return claims{Subject: user, Issuer: issuer, Audience: audience, Expires: time.Now().Add(time.Hour).Unix()}
}

// token signs claims, by RS256.
func (p *tokens) token(t *testing.T, c claims) string {
	t.Helper()
	text := encoded(t, map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + encoded(t, c)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// confused signs claims by HS256 with the public key, which everybody has, as if it were a shared secret.
func (p *tokens) confused(t *testing.T, c claims) string {
	t.Helper()
	text := encoded(t, map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + encoded(t, c)
	mac := hmac.New(sha256.New, p.public(t))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
