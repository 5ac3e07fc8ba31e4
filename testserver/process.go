// Package testserver starts the real servers that tests need: an S3 server, Postgres, Temporal, Trino. They listen
// on the loopback address only, and stop when their test ends or, on Unix, when the test process dies in whatever
// way.
//
// `make tools` installs them. A test whose server is not installed fails, or is skipped under -short.
package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	// most are up in a second or two, Trino in a dozen; other tests may keep the machine busy
	startTimeout = 10 * time.Minute
	pollInterval = 20 * time.Millisecond
	startTries   = 5
)

// process is a running server.
type process struct {
	cmd   *exec.Cmd
	out   *tail
	guard *guard
	ended chan struct{} // closed when the process has ended
}

// start runs a command and returns once healthy returns nil. folder, if not empty, is removed should the test
// process die.
func start(cmd *exec.Cmd, folder string, healthy func(context.Context) error) (*process, error) {
	p := &process{cmd: cmd, out: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	var err error
	if p.guard, err = startGuard(cmd.Process.Pid, folder); err != nil {
		p.kill()
		return nil, fmt.Errorf("start the guard of %s: %w", filepath.Base(cmd.Path), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err = healthy(ctx)
		select {
		case <-p.ended:
			p.kill()
			return nil, fmt.Errorf("%s ended at once:\n%s", filepath.Base(cmd.Path), p.out)
		case <-ctx.Done():
			p.kill()
			return nil, fmt.Errorf("%s is not up after %s: %w\n%s", filepath.Base(cmd.Path), startTimeout, err, p.out)
		case <-time.After(pollInterval):
		}
		if err == nil {
			return p, nil
		}
	}
}

// kill ends the process at once, as a power cut would, and waits until it is gone.
func (p *process) kill() {
	if p.guard != nil {
		p.guard.dismiss()
	}
	p.cmd.Process.Kill()
	<-p.ended
}

// retry starts a server again, on other ports, when it could not start: another process may have taken a port
// meanwhile.
func retry(tb testing.TB, what string, try func() error) {
	tb.Helper()
	var err error
	for range startTries {
		if err = try(); err == nil {
			return
		}
	}
	tb.Fatalf("start %s, %d times: %v", what, startTries, err)
}

var ports struct {
	sync.Mutex
	given map[int]bool
}

// freePort is a port that is free now, is below the range that systems give to outgoing connections, and is given
// only once by this process.
func freePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		port := 12000 + rand.IntN(20000)
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		listener.Close()
		ports.given[port] = true
		return port, nil
	}
	return 0, errors.New("no free port on the loopback address")
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// tool finds an installed program: named by an environment variable, in .tools/bin of this checkout, or on PATH.
func tool(tb testing.TB, name, variable string) string {
	tb.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	if path, err := exec.LookPath(filepath.Join(toolsDir(tb), "bin", name)); err == nil {
		return path
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	missing(tb, name, variable)
	return ""
}

func missing(tb testing.TB, name, variable string) {
	tb.Helper()
	if testing.Short() {
		tb.Skipf("%s is not installed", name)
	}
	tb.Fatalf("%s is not installed: run `make tools`, or name it in %s", name, variable)
}

// toolsDir is .tools beside the go.mod above the test's folder.
func toolsDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools")
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above the working folder of the test")
		}
	}
}

// tail keeps the last of what a server printed.
type tail struct {
	mu    sync.Mutex
	bytes []byte
}

const tailBytes = 64 << 10 // what Trino says at the end of a failed start takes a third of it

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - tailBytes; over > 0 {
		t.bytes = bytes.Clone(t.bytes[over:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.bytes)
}
