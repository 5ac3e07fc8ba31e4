package testserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/versionlake/versionlake/process"
)

// searchAttributes are those that our workflows set, with their types.
var searchAttributes = map[string]string{"Hours": "KeywordList", "HourState": "Keyword"}

// TemporalServer is a Temporal development server whose state survives Kill and Start.
type TemporalServer struct {
	Address   string // host:port of the frontend
	UI        string // http://host:port
	Namespace string

	tb           testing.TB
	program      string
	database     string
	port, uiPort int
	running      *guarded // nil while it is down
}

// Temporal starts a Temporal server that runs until the test ends, with the search attributes Hours and
// HourState.
func Temporal(tb testing.TB) *TemporalServer {
	tb.Helper()
	s := &TemporalServer{
		Namespace: "default",
		tb:        tb,
		program:   tool(tb, "temporal", "VERSIONLAKE_TEST_TEMPORAL"),
		database:  filepath.Join(tb.TempDir(), "temporal.db"),
	}
	retry(tb, "temporal", func() (err error) {
		if s.port, err = process.FreePort(); err != nil {
			return err
		}
		if s.uiPort, err = process.FreePort(); err != nil {
			return err
		}
		s.Address, s.UI = process.Loopback(s.port), "http://"+process.Loopback(s.uiPort)
		return s.start()
	})
	tb.Cleanup(s.Kill)
	return s
}

// Start starts the server again after Kill, at the same address and with the state that it had.
func (s *TemporalServer) Start() {
	s.tb.Helper()
	if s.running != nil {
		s.tb.Fatal("start temporal: it runs already")
	}
	retry(s.tb, "temporal again", s.start)
}

// Kill ends the server as a crash would. It does nothing when the server is down.
func (s *TemporalServer) Kill() {
	if s.running != nil {
		s.running.kill()
		s.running = nil
	}
}

// NewNamespace makes another namespace, in which workflows meet none of others, and which Env names from now on.
func (s *TemporalServer) NewNamespace(name string) error {
	said, err := exec.Command(s.program, "operator", "namespace", "create", "--address", s.Address, "--namespace", name,
		"--disable-config-file", "--disable-config-env").CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the namespace %s: %w: %s", name, err, said)
	}
	s.Namespace = name
	return nil
}

// Env is what makes a Temporal client use the server, as NAME=value.
func (s *TemporalServer) Env() []string {
	return []string{"TEMPORAL_ADDRESS=" + s.Address, "TEMPORAL_NAMESPACE=" + s.Namespace}
}

func (s *TemporalServer) start() error {
	arguments := []string{"server", "start-dev", "--disable-config-file", "--disable-config-env", "--log-level", "warn",
		"--ip", "127.0.0.1", "--port", strconv.Itoa(s.port), "--ui-port", strconv.Itoa(s.uiPort), "--db-filename",
		s.database}
	for name, kind := range searchAttributes {
		arguments = append(arguments, "--search-attribute", name+"="+kind)
	}
	cmd := exec.Command(s.program, arguments...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(s.database))
	var err error
	s.running, err = start(cmd, "", s.healthy)
	return err
}

// healthy also waits for the search attributes, which the server registers after it has begun to answer, and for
// the UI.
func (s *TemporalServer) healthy(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err // much sooner than the client, which waits before it tries again
	}
	conn.Close()
	c, err := client.DialContext(ctx, client.Options{
		HostPort:  s.Address,
		Namespace: s.Namespace,
		Logger:    log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	known, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: s.Namespace})
	if err != nil {
		return err
	}
	for name := range searchAttributes {
		if _, ok := known.CustomAttributes[name]; !ok {
			return fmt.Errorf("search attribute %s is not there yet", name)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.UI, nil)
	if err != nil {
		return err
	}
	page, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return page.Body.Close()
}
