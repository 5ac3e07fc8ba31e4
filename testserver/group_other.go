//go:build !unix

package testserver

import "os/exec"

// RunGroup runs a command.
func RunGroup(cmd *exec.Cmd) error { return cmd.Run() }
