//go:build unix

package session

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the file for this process, until it is closed or the process ends; false where another process has it.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
