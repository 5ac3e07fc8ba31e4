//go:build !unix

package trino

import (
	"errors"
	"os"
	"syscall"
)

var errSystem = errors.New("a Trino runs on Linux and macOS; connect to one on another machine")

func takeLock(string) (*os.File, error)   { return nil, errSystem }
func lockIsFree(string) (bool, error)     { return true, nil }
func terminate(process *os.Process) error { return process.Kill() }
func ownSession() *syscall.SysProcAttr    { return nil }
