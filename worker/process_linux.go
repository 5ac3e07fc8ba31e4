package worker

import "syscall"

// dependentProcess keeps an interrupt of the terminal from the server, which we stop last, and ends it when we are
// killed.
func dependentProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
