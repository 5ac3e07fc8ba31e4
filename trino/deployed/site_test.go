// Package deployed_test runs a Trino with the configuration of deploy/trino/etc, on a lake on S3 with its catalog in
// Postgres.
package deployed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ranges"
)

// The users of the test, in the groups that etc/groups puts them into; nobody is in none.
const (
	service = "versionlake"
	analyst = "ann"
	support = "sam"
	nobody  = "nobody"
)

// adminCatalog is the lake with the right to write.
const adminCatalog = "versionlake_admin"

// site is a lake in production, as far as it goes on one machine.
type site struct {
	url       string // https://localhost:port
	authority string // file with the certificate that clients trust
	trusting  *http.Client
	passwords map[string]string
	tokens    *tokens
	lake      *lake.Lake
	objects   testserver.S3Server // that the lake lies on
	user, tag string              // of the lake, to ask about
}

const hours = 6 // of the demo's world: its user is seen first in the last of them

// ingest fills a lake as production does, and names a user and a tag to ask about.
func ingest(t *testing.T, config lake.Config) (l *lake.Lake, user, tag string) {
	t.Helper()
	ctx := t.Context()
	folder, world := t.TempDir(), generate.Demo()
	world.Hours, world.LinesPerHour = hours, 400
	if _, err := generate.Write(ctx, folder, world); err != nil {
		t.Fatal(err)
	}
	files, err := source.Open(ctx, folder)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = lake.Open(ctx, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	temporal, err := worker.ConnectTo(ctx, testserver.Temporal(t).Address, observe.Logging(logger))
	if err != nil {
		t.Fatal(err)
	}
	defer temporal.Close()
	w := worker.New(temporal, worker.Options{Source: files, Lake: l, Parsing: telemetry.Options{}})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	middle, end := world.From+hours/2+1, world.From+hours
	// more is known in the end than in the middle
	for _, part := range [][2]telemetry.Hour{{world.From, middle}, {middle, end}} {
		run, err := temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "range", TaskQueue: worker.TaskQueue},
			ranges.ReprocessRange, ranges.ReprocessInput{From: part[0].String(), To: part[1].String()})
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Get(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	return l, generate.DemoFacts().User, "hour-" + (end - 1).String()
}

// answer is what Trino says to a query.
type answer struct {
	columns []string
	rows    [][]any
}

var errRefused = errors.New("refused")

// request is a query as it goes over the wire.
type request struct {
	sql     string
	user    string            // whose password is given
	headers map[string]string // as well, or instead
	bearer  string            // instead of the password
}

// catalogOf is what names without a catalog belong to.
func catalogOf(user string) string {
	if user == service {
		return adminCatalog
	}
	return trino.CatalogName
}

// ask runs a query. An error of Trino's is its text.
func (s *site) ask(ctx context.Context, r request) (answer, error) {
	var found answer
	next, body := s.url+"/v1/statement", io.Reader(strings.NewReader(r.sql))
	method := http.MethodPost
	for next != "" {
		request, err := http.NewRequestWithContext(ctx, method, next, body)
		if err != nil {
			return found, err
		}
		request.SetBasicAuth(r.user, s.passwords[r.user])
		if r.bearer != "" {
			request.Header.Set("Authorization", "Bearer "+r.bearer)
		}
		request.Header.Set("X-Trino-User", r.user)
		request.Header.Set("X-Trino-Catalog", catalogOf(r.user))
		request.Header.Set("X-Trino-Schema", "views")
		request.Header.Set("X-Trino-Time-Zone", "UTC")
		for name, value := range r.headers {
			request.Header.Set(name, value)
		}
		response, err := s.trusting.Do(request)
		if err != nil {
			return found, err
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return found, err
		}
		if response.StatusCode != http.StatusOK {
			return found, fmt.Errorf("%s: %s", response.Status, text)
		}
		var page struct {
			NextURI string `json:"nextUri"`
			Columns []struct{ Name string }
			Data    [][]any
			Error   *struct{ Message string }
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber() // snapshot ids have 19 digits
		if err := decoder.Decode(&page); err != nil {
			return found, fmt.Errorf("%w: %s", err, text)
		}
		if page.Error != nil {
			return found, fmt.Errorf("%w: %s", errRefused, page.Error.Message)
		}
		if len(found.columns) == 0 {
			for _, column := range page.Columns {
				found.columns = append(found.columns, column.Name)
			}
		}
		found.rows = append(found.rows, page.Data...)
		next, method, body = page.NextURI, http.MethodGet, nil
	}
	return found, nil
}

// start runs the production shape of it all, on this machine.
func start(t *testing.T) *site {
	t.Helper()
	s3, database := testserver.S3(t), testserver.Postgres(t)
	s3.Setenv(t)
	config := lake.Config{Catalog: database, Warehouse: "s3://" + s3.NewBucket(t) + "/lake"}
	s := &site{passwords: map[string]string{}, objects: s3}
	s.lake, s.user, s.tag = ingest(t, config)
	secrets := newSecrets(t, s)
	catalog, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := catalog.User.Password()
	env := append(s3.Env(),
		"TRINO_SHARED_SECRET="+rand.Text(), "TRINO_JWT_ISSUER="+issuer, "TRINO_JWT_AUDIENCE="+audience,
		"TRINO_CATALOG_HOST="+catalog.Host, "TRINO_CATALOG_DATABASE="+strings.TrimPrefix(catalog.Path, "/"),
		"TRINO_CATALOG_USER="+catalog.User.Username(), "TRINO_CATALOG_PASSWORD="+password,
		"VERSIONLAKE_WAREHOUSE="+config.Warehouse, "VERSIONLAKE_SCRATCH=s3://"+s3.NewBucket(t)+"/own")
	testserver.DeployedTrino(t, func(etc string, port int) ([]string, func(context.Context) error) {
		s.url = fmt.Sprintf("https://localhost:%d", port)
		configure(t, etc, port, secrets)
		return env, s.up
	})
	s.prepare(t)
	return s
}

// up is nil when the server takes queries. Asked for more while it starts, it would spend its time on refusals.
func (s *site) up(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/info", nil)
	if err != nil {
		return err
	}
	response, err := s.trusting.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var info struct{ Starting bool }
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return err
	}
	if info.Starting {
		return errors.New("it is starting")
	}
	_, err = s.ask(ctx, request{user: service, sql: "SELECT 1"})
	return err
}

// prepare does what docs/CONNECT.md tells an administrator to do once.
func (s *site) prepare(t *testing.T) {
	t.Helper()
	t.Setenv("SSL_CERT_FILE", s.authority)
	db := s.open(t, service)
	if err := trino.CreateViews(t.Context(), db, func(trino.View) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ask(t.Context(), request{user: analyst, sql: "SELECT user_id FROM users"}); !errors.Is(err,
		errRefused) {
		t.Errorf("without the masks' secret, analysts get no error but %v", err)
	}
	statements, err := os.ReadFile("../../deploy/trino/masking.sql")
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(string(statements), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// open connects as `versionlake sql` does.
func (s *site) open(t *testing.T, user string) *sql.DB {
	t.Helper()
	address, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	address.User, address.Path = url.UserPassword(user, s.passwords[user]), catalogOf(user)
	db, err := trino.Open(address.String(), trino.CatalogName, trino.Schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// configure copies etc/ as an administrator would, with the secrets beside it.
func configure(t *testing.T, etc string, port int, secrets map[string][]byte) {
	t.Helper()
	if err := os.CopyFS(etc, os.DirFS("../../deploy/trino/etc")); err != nil {
		t.Fatal(err)
	}
	edits := strings.NewReplacer("/etc/trino/", etc+"/", "8443", fmt.Sprint(port), "-Xmx4G", "-Xmx1G", "#s3.", "s3.")
	err := filepath.WalkDir(etc, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(edits.Replace(string(text))), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	// On this machine only. Within a cluster that speaks TLS, Trino gives addresses names of this form.
	node, err := os.OpenFile(filepath.Join(etc, "node.properties"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = node.WriteString("node.bind-ip=127.0.0.1\nnode.internal-address=127-0-0-1.ip\n")
	if err = errors.Join(err, node.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(etc, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range secrets {
		if err := os.WriteFile(filepath.Join(etc, "secrets", name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func trusting(pool *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: time.Minute}
}
