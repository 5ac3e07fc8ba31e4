//go:build unix && !linux

package process

import "syscall"

// tied keeps an interrupt of the terminal from the process, which we stop last.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
