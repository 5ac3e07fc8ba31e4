// Package testserver starts the real servers that tests need: an S3 server, Postgres, Temporal, Trino. They listen
// on the loopback address only, and stop when their test ends or, on Unix, when the test process dies in whatever
// way.
//
// `make tools` installs them. A test whose server is not installed fails, or is skipped under -short.
package testserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/versionlake/versionlake/process"
)

// startTimeout is generous: most are up in a second or two, Trino in a dozen, but other tests may keep the machine
// busy.
const startTimeout = 10 * time.Minute

// guarded is a server that runs, and ends with the test process, however that ends (on Unix).
type guarded struct {
	*process.Process
	guard *guard
}

// start runs a command and returns once up returns nil. folder, if not empty, is removed should the test process die.
func start(cmd *exec.Cmd, folder string, up func(context.Context) error) (*guarded, error) {
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	running, err := process.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &guarded{Process: running}
	if s.guard, err = startGuard(s.PID(), folder); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start the guard of %s: %w", filepath.Base(cmd.Path), err)
	}
	// A guard that nobody holds is collected, and its standard input closed, which ends the server.
	go func() {
		<-s.Ended()
		runtime.KeepAlive(s.guard)
	}()
	if err := s.AwaitUp(context.Background(), startTimeout, up); err != nil {
		s.kill()
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return s, nil
}

// kill ends the server at once, as a power cut would, and waits until it is gone.
func (s *guarded) kill() {
	s.guard.dismiss()
	s.Kill()
}

// retry starts a server again, on other ports, when it could not start: another process may have taken a port
// meanwhile.
func retry(tb testing.TB, what string, try func() error) {
	tb.Helper()
	if err := process.Retry(try, func(error) bool { return true }); err != nil {
		tb.Fatalf("start %s, %v", what, err)
	}
}

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

// Tools is the folder of the programs that `make tools` installs, for a PATH.
func Tools(tb testing.TB) string { return filepath.Join(toolsDir(tb), "bin") }
