//go:build unix

package testserver

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guard is a shell that outlives the test process just long enough to end a server and remove its folder: its
// standard input ends when the test process does, however that happens.
type guard struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// QUIT lets Postgres release its shared memory, and ends any server.
const guardScript = `
read -r _
kill -QUIT "$1"
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" || break; sleep 0.1; done
kill -KILL "$1"
[ -z "$2" ] || rm -rf "$2"`

func startGuard(pid int, folder string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", strconv.Itoa(pid), folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not to be reached by an interrupt from the terminal
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &guard{cmd: cmd, stdin: stdin}, cmd.Start()
}

// dismiss ends the guard without any of its effects.
func (g *guard) dismiss() {
	g.cmd.Process.Kill()
	g.cmd.Wait()
	g.stdin.Close()
}
