package worker

import "syscall"

// dependentProcess keeps an interrupt of the terminal from the server, which we stop last.
func dependentProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
