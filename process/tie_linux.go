package process

import "syscall"

// tied keeps an interrupt of the terminal from the process, which we stop last, and ends it when we are
// killed.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
