//go:build unix

package trino

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// takeLock locks a file for whoever has it open: also a process that is started with it. Errors: ErrRunning.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of Trino: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrRunning
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}

func lockIsFree(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }

// ownSession keeps the terminal's signals, and its end, from the server.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
