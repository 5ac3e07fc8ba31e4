// Package process runs the servers of others as processes of ours: it starts one, waits until it is up, and stops it.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

const (
	pollInterval = 50 * time.Millisecond
	startTries   = 5 // another process may take a port between its choice and its use
)

// ErrEnded: the process ended before it was up.
var ErrEnded = errors.New("it ended at once")

// Process is a process that was started.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// Tie keeps interrupts of the terminal from a process that is to be started, and lets it end with ours, however that
// ends (on Linux).
func Tie(cmd *exec.Cmd) { cmd.SysProcAttr = tied() }

// Start starts a process.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run starts the process and waits for it on one thread: on Linux a tied process is told to end when that thread does.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // ProcessState tells how it ended
	close(p.ended)
}

// AwaitUp returns once up returns nil. A process that ended meanwhile is not up, even if somebody answers: another
// one may have taken its port before it. Errors: ErrEnded.
func (p *Process) AwaitUp(ctx context.Context, patience time.Duration, up func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it is not up after %s", patience))
	defer cancel()
	for {
		err := up(ctx)
		select {
		case <-p.ended:
			return fmt.Errorf("%w: %s", ErrEnded, p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(pollInterval):
		}
		if err == nil {
			return nil
		}
	}
}

// PID is the id that the system gave to the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop interrupts the process and waits until it is gone; after so long it kills it.
func (p *Process) Stop(patience time.Duration) {
	if err := p.cmd.Process.Signal(os.Interrupt); err == nil {
		select {
		case <-p.ended:
			return
		case <-time.After(patience):
		}
	}
	p.Kill() // also where interrupts can't be sent
}

// Kill ends the process at once, as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it fails where the process has ended
	<-p.ended
}

// Retry tries again, a few times, what failed with an error for which again is true.
func Retry(try func() error, again func(error) bool) (err error) {
	for range startTries {
		if err = try(); err == nil || !again(err) {
			return err
		}
	}
	return fmt.Errorf("%d times: %w", startTries, err)
}
